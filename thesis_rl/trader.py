"""When to act on a thesis: a trader that learns from what the policy said in time.

The policy says where a position should stand; the trader decides each day and name
how much of the way to go. It is trained on positions that networks took on days they
had not seen, for on its training days a network looks better than it is, and a trader
who believes that trades too fast.
"""

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import credit, descent, losses, orders, paths, rewards
from thesis_rl.orders import Trader
from thesis_rl.types import Market, Metrics


def fit(
    key: jax.Array,
    positions: jax.Array,
    market: Market,
    stop: jax.Array,
    config: FrozenConfigDict,
) -> tuple[Trader, Metrics]:
    """Learns a pace by comparing sampled paths, and how much evidence there is for it.

    Each step draws stretches of days, trades each K times at paces drawn around the
    trader's own, a logit-normal share of the gap a day and name, and makes more likely
    what the better paths did.

    Args:
      key: consumed.
      positions: [T, N] in [-1, 1], decided at each close by networks that had not
        seen the day.
      market: of the same days.
      stop: [] int32; days from it on are not read.
      config: the experiment's.

    Returns:
      The trader, and metrics with a leading axis [num_steps].
    """
    stage = config.path
    unit = orders.full_position(positions, market, stop)
    weights, _ = orders.aims(positions, unit, market, config)
    market = paths.hedged(market, config)

    def loss_fn(rule, key, step):
        day_key, noise_key = jax.random.split(key)
        last = jnp.maximum(stop - stage.num_days, 0)
        starts = jax.random.randint(day_key, (stage.num_paths,), 0, last + 1)
        shape = (stage.num_paths, stage.num_samples, stage.num_days, weights.shape[1])
        noise = stage.exploration * jax.random.normal(noise_key, shape)
        cut = lambda x: jax.vmap(  # noqa: E731
            lambda day: jax.lax.dynamic_slice_in_dim(x, day, stage.num_days)
        )(starts)
        stretches = jax.tree.map(cut, (weights, market))
        charged = rewards.costs_at(step, stage.num_steps, config.reward)
        loss, metrics = sampled_loss(rule, noise, *stretches, config, charged)
        drift = sum((rule[k] - getattr(stage, k)) ** 2 for k in rule)
        return loss + 0.5 * stage.prior_days * drift / stop, metrics

    start = {"logit": jnp.float32(stage.logit), "slope": jnp.float32(stage.slope)}
    rule, metrics = descent.minimise(key, start, loss_fn, stage)
    band, full = jnp.full((), stage.band), jnp.ones(())
    trader = Trader(rule["logit"], rule["slope"], band, unit, full)
    share = evidence(trader, weights, market, stop, config)
    return trader._replace(exposure=share), metrics


def sampled_loss(
    rule: dict[str, jax.Array],
    noise: jax.Array,
    weights: jax.Array,
    market: Market,
    config: FrozenConfigDict,
    cost_share: float | jax.Array = 1.0,
) -> tuple[jax.Array, Metrics]:
    """Estimates the negated policy gradient of a pace from K paths a stretch.

    Args:
      rule: logit and slope, [] each.
      noise: [P, K, L, N], what exploration adds to the logit of a share.
      weights: [P, L, N], targets.
      market: [P, L, N], hedged where the book is.
      config: the experiment's.
      cost_share: of all rates, what is charged.

    Returns:
      A scalar surrogate loss, and what the trader's own paths earned, in standard
      deviations a day.
    """
    stage, lag = config.path, paths.first_line(config)
    fixed = jax.lax.stop_gradient(rule)
    explored = jnp.concatenate([jnp.zeros_like(noise[:, :1]), noise], axis=1)

    def trade(noise, weights, market):
        logit, slope = fixed["logit"] + noise, fixed["slope"]
        pace = orders.pace_of(logit, slope, jnp.float32(stage.band), market)
        return paths.contributions(weights, pace, market, config, cost_share)

    each = jax.vmap(trade, in_axes=(0, None, None))
    books = jax.vmap(each)(explored, weights, market)  # [P, 1 + K, L, N]
    own = jax.tree.map(lambda x: x[:, 0], books)
    drawn = jax.tree.map(lambda x: x[:, 1:], books)
    unit = credit.scale(own, stage, stage.burn_in)
    credits = jax.vmap(lambda book: credit.advantages(book, unit, stage, lag))(
        paths.rewarded(drawn, stage.burn_in)
    )
    gap = jax.vmap(gaps, in_axes=(0, 0, 0, None))(drawn.weights, weights, market, lag)
    chances = log_prob(rule, noise, gap, stage.exploration)  # [P, K, L, N]
    flat = lambda x: x.reshape(*x.shape[:2], -1)  # noqa: E731
    loss = jax.vmap(losses.reinforce)(flat(chances), flat(credits)).mean()
    earned = own.net[:, stage.burn_in :].sum(-1).mean() / unit.sd
    learned = {f"pace_{name}": value for name, value in rule.items()}
    return loss / noise.shape[2], {"path_reward": earned} | learned


def log_prob(
    rule: dict[str, jax.Array], noise: jax.Array, gap: jax.Array, exploration: float
) -> jax.Array:
    """Computes the log-density of drawn shares, up to a constant.

      logit(share) ~ Normal(logit + slope·gap, exploration²)

    Args:
      rule: logit and slope, [] each; what is differentiated.
      noise: [...], what was drawn, less its mean under the rule as it is.
      gap: [...], in positions.
      exploration: standard deviation.

    Returns:
      [...], of the logit of the share: squashing it adds what no rule changes.
    """
    mean = rule["logit"] + rule["slope"] * gap
    drawn = jax.lax.stop_gradient(mean) + noise
    return -0.5 * ((drawn - mean) / exploration) ** 2


def gaps(
    held: jax.Array, weights: jax.Array, market: Market, first_line: int
) -> jax.Array:
    """Returns the gap that each decision finds when it is filled, in positions.

    Args:
      held: [K, L, N], weights after each day's fill.
      weights: [L, N], targets.
      market: [L, N].
      first_line: days from a decision to its fill in the ledger.

    Returns:
      [K, L, N]; 0 for decisions that the stretch ends before.
    """
    before = jax.vmap(paths.held_before, (None, 0))(market, held)[:, first_line:]
    found = jnp.abs(weights[: len(weights) - first_line][None] - before)
    count = orders.num_names(market)[: len(weights) - first_line]
    return jnp.pad(found * count[None], ((0, 0), (0, first_line), (0, 0)))


def evidence(
    trader: Trader,
    weights: jax.Array,
    market: Market,
    stop: jax.Array,
    config: FrozenConfigDict,
) -> jax.Array:
    """Measures how far a trader's own past speaks for trading at all.

      min(max(t, 0)/t*, 1),   t = mean/sd · √days of its net daily return

    A book without an edge pays its costs for nothing; to stand still earns 0.

    Args:
      trader: its pace.
      weights: [T, N], targets.
      market: [T, N], hedged where the book is.
      stop: [] int32; days from it on are not read.
      config: the experiment's; `path.evidence` is t*, 0 asks for none.

    Returns:
      [] in [0, 1].
    """
    if not config.path.evidence:
        return jnp.ones(())
    net = paths.net_returns(trader, weights, market, config)
    mean, sd, count = paths.moments(net, config.path.burn_in, stop)
    return jnp.clip(mean / sd * jnp.sqrt(count) / config.path.evidence, 0.0, 1.0)
