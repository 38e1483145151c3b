"""How fast a book moves to where a policy wants it, and whether its past speaks for it.

Trading costs what is traded, and a view that lasts for weeks is worth as much when it
is traded over days. Partial adjustment closes a share of each gap a day; a no-trade
band leaves small gaps alone. A fold's rule is set by forecasts of days that were unseen
when they were made: those of the first fold's held-out days, and the test days of
earlier folds, as far as the fold's own training days reach.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl.trading import backtest, portfolio
from thesis_rl.trading.backtest import Pace
from thesis_rl.types import Market

RULES = ("sleeves", "partial", "band")
# Of partial adjustment, chosen on PLANTED markets: the share σ(logit + slope · gap) of
# what a gap exceeds the band by is closed a day; gaps in full positions.
LOGIT, SLOPE, BAND = -2.0, 1.0, 0.08
FULL_POSITION = 2.0  # In root mean squares of the positions; beyond, it is clipped.
BURN_IN = 10  # First days, on which a book is still built, and which say nothing of it.
WIDTHS = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75)  # Of a full position.


class Rule(NamedTuple):
    """One fold's rule of trading. Positions are in [-1, 1], gaps are of them."""

    logit: jax.Array  # [], of the share of a small gap that is closed in a day.
    slope: jax.Array  # [], what a gap of 1 adds to it.
    band: jax.Array  # [], the gap that is left alone.
    unit: jax.Array  # [], the policy's position that is a full one.
    exposure: jax.Array  # [], 0 stands still, 1 trades the whole position.


class Orders(NamedTuple):
    """What a book wants each day, and how fast."""

    weights: jax.Array  # [T, N]
    pace: Pace | None  # [T, N] each; None goes all the way.
    clipped: jax.Array  # [T] int32, names whose weight a limit cut.


def check(config: FrozenConfigDict) -> None:
    """Raises a ValueError where a book cannot be paced, and says what would do."""
    if config.pace.rule == "sleeves":
        return
    asked = f"config.pace.rule is {config.pace.rule!r}"
    known = round(config.calibration.share * config.folds.train_days)
    if known <= BURN_IN + config.backtest.fill_lag + 1:
        raise ValueError(
            f"{asked}, but the first fold's rule knows {known} days that were forecast "
            f"before they were seen, and the first {BURN_IN} of a book say nothing; "
            "raise config.calibration.share or config.folds.train_days"
        )
    if config.backtest.book not in portfolio.NEUTRAL_BOOKS:
        raise ValueError(
            f"{asked} and config.backtest.book {config.backtest.book!r}, but only the "
            "past of a book without the market says whether to trade; choose "
            "dollar_neutral or market_hedged, or config.pace.rule=sleeves"
        )
    if config.combinatorial.num_groups:
        raise ValueError(
            f"{asked} and config.combinatorial.num_groups is "
            f"{config.combinatorial.num_groups}, but a cross-validated path has no "
            "days before it that a rule could be set by; choose sleeves, or 0 groups"
        )


def set_rules(
    positions: jax.Array, market: Market, stops: jax.Array, config: FrozenConfigDict
) -> Rule:
    """Sets the rule of each fold by all that was forecast before it.

    Args:
      positions: [T, N] in [-1, 1], each by networks that had not seen the day.
      market: of the same days.
      stops: [F] int32, where each fold's training days end among them.
      config: the experiment's.

    Returns:
      Rules [F].
    """
    find = {"partial": partial_adjustment, "band": best_band}[config.pace.rule]
    return jax.lax.map(lambda stop: find(positions, market, stop, config), stops)


def partial_adjustment(
    positions: jax.Array, market: Market, stop: jax.Array, config: FrozenConfigDict
) -> Rule:
    """Closes a share of each gap a day, as far as its own past speaks for trading.

      exposure = min(max(t, 0)/t*, 1),   t = mean/sd · √days of its net daily return

    A book without an edge pays its costs for nothing; to stand still earns 0.

    Args:
      positions: [T, N] in [-1, 1], decided at each close by networks that had not
        seen the day.
      market: of the same days.
      stop: [] int32; days from it on are not read.
      config: the experiment's; `pace.evidence` is t*, 0 asks for none.

    Returns:
      The rule.
    """
    unit, whole = full_position(positions, market, stop), jnp.ones(())
    rule = Rule(*map(jnp.float32, (LOGIT, SLOPE, BAND)), unit, whole)
    if not config.pace.evidence:
        return rule
    weights, _ = aims(positions, unit, market, config)
    net = net_returns(rule, weights, market, config)
    mean, sd, count = moments(net, BURN_IN, stop)
    statistic = mean / sd * jnp.sqrt(count)
    share = jnp.clip(statistic / config.pace.evidence, 0.0, 1.0)
    return rule._replace(exposure=share)


def best_band(
    positions: jax.Array, market: Market, stop: jax.Array, config: FrozenConfigDict
) -> Rule:
    """Finds the no-trade band of the best net Sharpe ratio so far.

    Args:
      positions: as of `partial_adjustment`, and so all the others.
      market: of the same days.
      stop: [] int32.
      config: the experiment's.

    Returns:
      A rule that goes to the edge of its band at once, with a full exposure.
    """
    unit = full_position(positions, market, stop)
    weights, _ = aims(positions, unit, market, config)
    nothing, whole = jnp.zeros(()), jnp.ones(())

    def banded(width):
        return Rule(jnp.full((), jnp.inf), nothing, width, unit, whole)

    def sharpe(width):
        net = net_returns(banded(width), weights, market, config)
        mean, sd, _ = moments(net, BURN_IN, stop)
        return mean / sd

    widths = jnp.array(WIDTHS)
    found = jax.lax.map(sharpe, widths)
    return banded(widths[jnp.argmax(found)])


def net_returns(
    rule: Rule, weights: jax.Array, market: Market, config: FrozenConfigDict
) -> jax.Array:
    """Trades target weights [T, N] by a rule; the book's day net of costs, [T].

    On the way to its targets a book is not quite neutral, and is judged without the
    market: the day's mean return over tradable names is taken off each. Interest on
    cash is left out, for it is earned by standing still as well.
    """
    seen, session = market.tradable, market.open_to_close
    if session is not None:
        session = _less_mean(session, seen & jnp.isfinite(session))
    returns = _less_mean(market.returns, seen)
    market = market._replace(returns=returns, open_to_close=session)
    pace = pace_of(rule.logit, rule.slope, rule.band, market)
    ledger = backtest.by_config(weights, market, config, pace=pace)
    return ledger.gross - ledger.cost


def _less_mean(returns: jax.Array, seen: jax.Array) -> jax.Array:
    count = jnp.maximum(seen.sum(-1, keepdims=True), 1)
    mean = jnp.sum(returns, -1, where=seen, keepdims=True) / count
    return jnp.where(seen, returns - mean, returns)


def moments(
    returns: jax.Array, start: int, stop: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns mean, standard deviation and number of the days in [start, stop)."""
    day = jnp.arange(len(returns))
    seen = (day >= start) & (day < stop)
    count = jnp.maximum(seen.sum(), 2)
    mean = jnp.sum(returns, where=seen) / count
    variance = jnp.sum((returns - mean) ** 2, where=seen) / (count - 1)
    return mean, jnp.sqrt(jnp.maximum(variance, 1e-16)), count


def orders(
    positions: jax.Array,
    market: Market,
    rules: Rule,
    stops: jax.Array,
    num_lead: int,
    config: FrozenConfigDict,
) -> Orders:
    """Gives a book's orders on every unseen day, each fold's by its own rule.

    Args:
      positions: [T, N] in [-1, 1], of lead days and of all folds' test days.
      market: of the same days.
      rules: [F].
      stops: [F], as given to `set_rules`: what is a full position is measured again,
        for a single network leans further than a mean of several.
      num_lead: days before the first test day.
      config: the experiment's.

    Returns:
      Orders of T − num_lead days.
    """
    units = jax.vmap(full_position, (None, None, 0))(positions, market, stops)
    # A smaller position has smaller gaps; one that stands still leaves none alone.
    share = jnp.where(rules.exposure > 0, rules.exposure, 1.0)
    slope, band = rules.slope / share, rules.band * rules.exposure
    day = lambda x: jnp.repeat(x, config.folds.test_days)[:, None]  # noqa: E731
    unseen = jax.tree.map(lambda x: x[num_lead:], market)
    weights, clipped = aims(positions[num_lead:], day(units), unseen, config)
    return Orders(
        weights * day(rules.exposure),
        pace_of(day(rules.logit), day(slope), day(band), unseen),
        clipped,
    )


def pace_of(
    logit: jax.Array, slope: jax.Array, band: jax.Array, market: Market
) -> Pace:
    """Turns a rule for positions, broadcastable to [T, N], into one for weights."""
    shape = market.tradable.shape
    count = jnp.maximum(market.eligible.sum(-1, keepdims=True), 1)
    return Pace(
        jnp.broadcast_to(logit, shape),
        jnp.broadcast_to(slope * count, shape),
        jnp.broadcast_to(band / count, shape),
    )


def aims(
    positions: jax.Array, unit: jax.Array, market: Market, config: FrozenConfigDict
) -> tuple[jax.Array, jax.Array]:
    """Composes the book that is moved to: no sleeves, full positions at `unit`.

    Args:
      positions: [T, N] of the policy.
      unit: broadcastable to [T, N], the policy's position that is a full one.
      market: [T, N].
      config: the experiment's.

    Returns:
      Target weights [T, N], and [T] int32 how many names a limit cut.
    """
    if config.backtest.book == "dollar_neutral":
        # A lean that all names share is traded by none, and must not fill up a limit.
        positions = portfolio.dollar_neutral(positions, market.eligible)
    sized = jnp.clip(positions / unit, -1.0, 1.0)
    return portfolio.target_weights(sized, market, config.backtest, hold_days=1)


def full_position(positions: jax.Array, market: Market, stop: jax.Array) -> jax.Array:
    """Returns twice the root mean square of positions before a day, the mean apart.

    How far a policy leans says more of its entropy than of the market; a rule needs
    gaps of one size.

    Args:
      positions: [T, N].
      market: [T, N].
      stop: [] int32.

    Returns:
      [], positive.
    """
    past = jnp.arange(len(positions)) < stop
    seen = market.eligible & past[:, None]
    spread = portfolio.dollar_neutral(positions, seen)
    square = jnp.sum(spread**2) / jnp.maximum(seen.sum(), 1)
    return FULL_POSITION * jnp.sqrt(jnp.maximum(square, 1e-8))
