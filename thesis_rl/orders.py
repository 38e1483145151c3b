"""From a policy's positions to the book that a trader moves to, and at what pace."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import portfolio
from thesis_rl.pacing import Pace
from thesis_rl.types import Market

FULL_POSITION = 2.0  # In root mean squares of the positions; beyond, it is clipped.


class Trader(NamedTuple):
    """What one fold's trader learned. Positions are in [-1, 1], gaps are of them."""

    logit: jax.Array  # [], of the share of a small gap that is closed in a day.
    slope: jax.Array  # [], what a gap of 1 adds to it.
    band: jax.Array  # [], the gap that is left alone.
    unit: jax.Array  # [], the policy's position that is a full one.
    exposure: jax.Array  # [], 0 stands still, 1 trades the whole position.


def num_names(market: Market) -> jax.Array:
    """Counts the names that a decision may be about, at least 1, [T, 1]."""
    return jnp.maximum(market.eligible.sum(-1, keepdims=True), 1)


def pace_of(
    logit: jax.Array, slope: jax.Array, band: jax.Array, market: Market
) -> Pace:
    """Turns a rule for positions, broadcastable to [T, N], into one for weights."""
    shape, count = market.tradable.shape, num_names(market)
    return Pace(
        jnp.broadcast_to(logit, shape),
        jnp.broadcast_to(slope * count, shape),
        jnp.broadcast_to(band / count, shape),
    )


def aims(
    positions: jax.Array, unit: jax.Array, market: Market, config: FrozenConfigDict
) -> tuple[jax.Array, jax.Array]:
    """Composes the book that a trader moves to: no sleeves, full positions at `unit`.

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

    How far a policy leans says more of its entropy than of the market; a trader needs
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
