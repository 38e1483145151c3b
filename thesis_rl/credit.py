"""What a path was worth, and which of its actions gets the credit.

Rewards are in standard deviations of the book's day.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import FrozenConfigDict

from thesis_rl import losses
from thesis_rl.paths import Contributions

REWARDS = ("path", "book")  # Of each name alone, or of all names as one book.
CREDITS = ("shared", "to_go", "leave_one_out")
RISKS = ("variance", "tail")
TAIL = 0.1  # The share of a path's days whose mean loss is its tail loss.


class Scale(NamedTuple):
    """In what units a book's days are rewarded."""

    sd: jax.Array  # [] of its day.
    risk_price: jax.Array  # [], what a unit of variance, or of tail loss, costs.


def scale(book: Contributions, config: FrozenConfigDict, burn_in: int) -> Scale:
    """Measures a book, to price its risk as it prices its own return.

      u = net/sd − ½ a (mean net/variance) gross²/sd

    With a = 1 the gradient of Σ u is that of the Sharpe ratio, for the price at which
    a book of this mean and variance is neither too small nor too large is their ratio.
    A book that earns nothing pays nothing for risk: it has its costs to save.

    Args:
      book: [P, L, N], traded without exploration, on the days that are rewarded.
      config: `config.path`: reward, risk, risk_aversion a.
      burn_in: days of each path that are not rewarded.

    Returns:
      The scale; constants, where gradients are concerned.
    """
    gross, net = (x[:, burn_in:] for x in (book.gross, book.net))
    mean = jnp.maximum(net.sum(-1).mean(), 0.0)
    if config.reward == "book":
        gross = gross.sum(-1, keepdims=True)
    risk = jnp.mean(jnp.sum(gross**2, axis=-1))
    sd = jnp.sqrt(jnp.maximum(risk, 1e-16))
    if config.risk == "tail":
        losses_by_name = tail_loss(jnp.moveaxis(gross, 1, -1)).sum(-1)
        risk = jnp.maximum(losses_by_name.mean(), sd)
    price = config.risk_aversion * mean / jnp.maximum(risk, 1e-16)
    return jax.lax.stop_gradient(Scale(sd, price))


def tail_loss(returns: jax.Array) -> jax.Array:
    """Averages the worst tenth of a path's days, as a loss: [..., L] to [...]."""
    num = max(int(np.ceil(TAIL * returns.shape[-1])), 1)
    worst, _ = jax.lax.top_k(-returns, num)
    return worst.mean(-1)


def daily_utility(
    gross: jax.Array, net: jax.Array, unit: Scale, config: FrozenConfigDict
) -> jax.Array:
    """Values each day's return of a name or a book, net of costs and of variance."""
    if config.risk == "tail":
        return net / unit.sd
    return (net - 0.5 * unit.risk_price * gross**2) / unit.sd


def path_utility(
    gross: jax.Array, net: jax.Array, unit: Scale, config: FrozenConfigDict
) -> jax.Array:
    """Values what only a whole path shows: its tail and its deepest fall.

    Args:
      gross: [..., L]
      net: [..., L]
      unit: of the book.
      config: `config.path`; the days of its burn-in are left out.

    Returns:
      [...], negative.
    """
    gross, net = (x[..., config.burn_in :] for x in (gross, net))
    value = jnp.zeros(gross.shape[:-1])
    if config.risk == "tail":
        share = unit.risk_price * tail_loss(gross)
        value = value - share * gross.shape[-1] / unit.sd
    if config.drawdown_penalty:
        wealth = jnp.cumsum(net, axis=-1)
        peak = jnp.maximum(jax.lax.cummax(wealth, axis=wealth.ndim - 1), 0.0)
        fall = jnp.max(peak - wealth, axis=-1)
        value = value - config.drawdown_penalty * fall / unit.sd
    return value


def reversals(weights: jax.Array) -> jax.Array:
    """Marks the days on which a position changes its sign, [..., L, N] in {0, 1}."""
    before = jnp.roll(weights, 1, axis=-2).at[..., 0, :].set(0.0)
    return 1.0 * (weights * before < 0)


def advantages(
    book: Contributions, unit: Scale, config: FrozenConfigDict, first_line: int
) -> jax.Array:
    """Credits each action of K sampled books with what it may have changed.

      shared:        Aᵢ = Uᵢ − mean of the others, one number a path (and a name)
      to_go:         the same of the utility from the action's fill on
      leave_one_out: Uᵢ − Uᵢ with the path of one name as sample i + 1 has it

    All are unbiased: what is taken off never saw the action. The last keeps its
    variance as names are added, for a name answers for no other (the difference
    rewards of Wolpert and Tumer 2002, "Optimal payoff functions for members of
    collectives").

    Args:
      book: [K, L, N], of the rewarded days alone where the others are 0.
      unit: of the book without exploration.
      config: `config.path`: reward, credit, risk and penalties.
      first_line: days from an action to its fill in the ledger.

    Returns:
      [K, L, N].
    """
    chex.assert_rank(book.gross, 3)
    shape = book.gross.shape
    flips = config.flip_penalty * reversals(book.weights) / book.gross.shape[-1]
    if config.reward == "book" and config.credit == "leave_one_out":
        return _without_one_name(book, flips, unit, config, first_line)
    if config.reward == "book":
        together = lambda x: x.sum(-1, keepdims=True)  # noqa: E731
        book, flips = jax.tree.map(together, book), together(flips)
    daily = daily_utility(book.gross, book.net, unit, config) - flips
    rows = _by_path(book.gross, book.net)
    whole = path_utility(*rows, unit, config)[:, None]  # [K, 1, N or 1]
    if config.credit == "shared":
        value = daily.sum(1, keepdims=True) + whole
    else:
        value = to_go(daily, first_line) + whole
    return jnp.broadcast_to(losses.against_others(value), shape)


def to_go(daily: jax.Array, first_line: int) -> jax.Array:
    """Sums what the days from an action's fill on are worth, [K, L, N] likewise."""
    rest = jnp.flip(jnp.cumsum(jnp.flip(daily, 1), 1), 1)
    return jnp.pad(rest[:, first_line:], ((0, 0), (0, first_line), (0, 0)))


def _by_path(gross: jax.Array, net: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.moveaxis(gross, 1, -1), jnp.moveaxis(net, 1, -1)


def _without_one_name(
    book: Contributions,
    flips: jax.Array,
    unit: Scale,
    config: FrozenConfigDict,
    first_line: int,
) -> jax.Array:
    def swapped(x):
        return x.sum(-1, keepdims=True) - x + jnp.roll(x, -1, axis=0)

    def value(gross, net):
        daily = to_go(daily_utility(gross, net, unit, config), first_line)
        rows = _by_path(gross, net)
        return daily + path_utility(*rows, unit, config)[:, None]

    together = [x.sum(-1, keepdims=True) for x in book[:2]]
    own = -flips + jnp.roll(flips, -1, axis=0)
    others = value(*(swapped(x) for x in book[:2]))
    return value(*together) - others + to_go(own, first_line)
