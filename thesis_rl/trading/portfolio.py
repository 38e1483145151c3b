"""Decisions to positions to the target weights of a book, limits and sleeves.

Everything here is decided at the close of day t from what that close knows.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import FrozenConfigDict

from thesis_rl.thesis.vocabulary import DECISION_POSITIONS, DECISION_SIGNS
from thesis_rl.types import PERIODS_A_YEAR, Market

MAPPINGS = ("signs", "expected")  # Of decisions.
NEUTRAL_BOOKS = ("dollar_neutral", "market_hedged")  # Which cannot earn the market.
BOOKS = (*NEUTRAL_BOOKS, "long_only", "long_short")


def positions(probabilities: jax.Array, mapping: str) -> jax.Array:
    """Maps probabilities of decisions to positions in [-1, 1].

      signs:    the sign of the likeliest decision
      expected: Σₐ p(a) · position(a), positions -1, -½, 0, ½, 1

    Args:
      probabilities: [..., A].
      mapping: one of `MAPPINGS`.

    Returns:
      [...].

    Raises:
      ValueError: the mapping is unknown.
    """
    if mapping == "signs":
        return jnp.array(DECISION_SIGNS)[jnp.argmax(probabilities, axis=-1)]
    if mapping == "expected":
        held = jnp.array(DECISION_POSITIONS)
        return jnp.matmul(probabilities, held, precision="highest")
    raise ValueError(f"mapping {mapping!r} must be one of {MAPPINGS}")


def target_weights(
    positions: jax.Array,
    market: Market,
    config: FrozenConfigDict,
    hold_days: int | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Composes a book: volatility scaling, book, 1/count, limits, sleeves.

    Each eligible name gets the same share of capital times its position. With a
    volatility target a name of unknown volatility cannot be sized and is left out of
    the day. Limits bind on the decision of the day, before sleeves average the last
    `hold_days` of them (a mean of days within their limits is within them too).
    max_gross scales the whole book, and a neutral one stays neutral; max_position
    clips name by name, and where it clips, a neutral book is neutral no longer.

    Args:
      positions: [T, N] in [-1, 1].
      market: eligible, and volatility or beta where the book needs them.
      config: `config.backtest`: book, volatility_target (a year; 0 is off),
        max_position and max_gross (fractions of capital; inf is off), hold_days.
      hold_days: instead of the config's.

    Returns:
      Weights [T, N], and [T] int32 how many names a limit cut that day: those clipped,
      and on a day that was scaled all that are held.

    Raises:
      ValueError: an unknown book, or one that needs what the market does not have.
    """
    chex.assert_equal_shape([positions, market.tradable])
    tradable = market.eligible
    if config.volatility_target > 0:
        volatility = _known(market.volatility, "volatility", "a volatility target")
        positions = volatility_scaled(positions, volatility, config.volatility_target)
        tradable = tradable & (volatility > 0)
    if config.book == "dollar_neutral":
        positions = dollar_neutral(positions, tradable)
    elif config.book == "market_hedged":
        beta = _known(market.beta, "beta", "a market-hedged book")
        positions = market_hedged(positions, beta, tradable)
    elif config.book == "long_only":
        positions = long_only(positions)
    elif config.book != "long_short":
        raise ValueError(f"book {config.book!r} must be one of {BOOKS}")
    daily = equal_gross_weights(positions, tradable)
    limited, clipped, scaled = limit(daily, config.max_position, config.max_gross)
    cut = jnp.where(scaled, jnp.sum(daily != 0, -1, dtype=jnp.int32), clipped)
    return sleeve_weights(limited, hold_days or config.hold_days), cut


def volatility_scaled(
    positions: jax.Array, volatility: jax.Array, target: float
) -> jax.Array:
    """Sizes each position to the same risk, p · (target/√252)/σ; 0 where σ is 0.

    Args:
      positions: [T, N].
      volatility: σ [T, N], a day, known at the close of the decision.
      target: a year.

    Returns:
      [T, N], as large as it takes: 252 days of σ = 1% and a target of 32% give 2p.
    """
    chex.assert_equal_shape([positions, volatility])
    known = volatility > 0
    daily = target / np.sqrt(PERIODS_A_YEAR)
    return jnp.where(known, positions * daily / jnp.where(known, volatility, 1.0), 0.0)


def long_only(positions: jax.Array) -> jax.Array:
    """Returns max(p, 0): what would be sold short is not held."""
    return jnp.maximum(positions, 0.0)


def dollar_neutral(positions: jax.Array, tradable: jax.Array) -> jax.Array:
    """Takes the day's mean over tradable names off each: Σ p = 0.

    Args:
      positions: [T, N].
      tradable: [T, N] bool at the close of the decision.

    Returns:
      [T, N], 0 where not tradable.
    """
    chex.assert_equal_shape([positions, tradable])
    count = jnp.maximum(tradable.sum(-1, keepdims=True), 1)
    held = jnp.where(tradable, positions, 0.0)
    return jnp.where(tradable, held - held.sum(-1, keepdims=True) / count, 0.0)


def market_hedged(weights: jax.Array, beta: jax.Array, tradable: jax.Array):
    """Projects the day's weights onto Σ w·β = 0: w − β·(Σ w·β)/(Σ β²).

    Of all books without beta it is the nearest in Σ(w − w₀)².

    Args:
      weights: [T, N]; positions do as well.
      beta: [T, N], trailing, known at the close of the decision.
      tradable: [T, N] bool at the close of the decision.

    Returns:
      [T, N], 0 where not tradable; unchanged on a day on which every beta is 0.
    """
    chex.assert_equal_shape([weights, beta, tradable])
    held, beta = (jnp.where(tradable, x, 0.0) for x in (weights, beta))
    exposure = jnp.sum(held * beta, axis=-1, keepdims=True)
    length = jnp.sum(beta * beta, axis=-1, keepdims=True)
    return held - beta * exposure / jnp.where(length > 0, length, 1.0)


def equal_gross_weights(
    positions: jax.Array, tradable: jax.Array, neutral: bool = False
) -> jax.Array:
    """Gives each tradable name the same share of capital times its position.

    Args:
      positions: [T, N] in [-1, 1].
      tradable: [T, N] bool at the close of the decision.
      neutral: whether the day's mean position is taken off each name.

    Returns:
      Weights [T, N].
    """
    chex.assert_equal_shape([positions, tradable])
    count = jnp.maximum(tradable.sum(-1, keepdims=True), 1)
    if neutral:
        return dollar_neutral(positions, tradable) / count
    return jnp.where(tradable, positions, 0.0) / count


def limit(
    weights: jax.Array, max_position: float, max_gross: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Clips each name to ±max_position, then scales the day to Σ|w| ≤ max_gross.

    Scaling keeps a book neutral; clipping may not.

    Args:
      weights: [T, N].
      max_position: fraction of capital, above 0; inf is off.
      max_gross: fraction of capital, above 0; inf is off.

    Returns:
      Weights [T, N], names clipped [T] int32, and days scaled [T] bool.
    """
    within = jnp.clip(weights, -max_position, max_position)
    clipped = jnp.sum(within != weights, axis=-1, dtype=jnp.int32)
    gross = jnp.abs(within).sum(-1, keepdims=True)
    scaled = gross > max_gross
    within = jnp.where(scaled, within * (max_gross / gross), within)
    return within, clipped, scaled[..., 0]


def sleeve_weights(weights: jax.Array, hold_days: int) -> jax.Array:
    """Staggers daily decisions over sleeves that each hold for `hold_days`.

    Each sleeve is an equal part of the capital and is renewed once in its turn, so
    the book is the mean of the last `hold_days` decisions; a sleeve that has not yet
    opened is cash.

    Args:
      weights: [T, N] as decided each day.
      hold_days: number of sleeves, at least 1.

    Returns:
      [T, N].
    """
    total = jax.lax.reduce_window(
        weights,
        jnp.zeros((), weights.dtype),
        jax.lax.add,
        window_dimensions=(hold_days, 1),
        window_strides=(1, 1),
        padding=((hold_days - 1, 0), (0, 0)),
    )
    return total / hold_days


def cvar_exposure(
    returns: jax.Array, limit: float, window: int, level: float = 0.95
) -> jax.Array:
    """Scales a book down while its trailing tail loss is above a limit.

      exposure_t = min(1, limit / CVaR_t)

    CVaR_t is the mean of the worst (1 − level) of the last `window` returns, the last
    of the worst counted in part where that is no whole number (Rockafellar and
    Uryasev 2000). Multiply the target weights of day t by it: it is decided at the
    same close, from the UNSCALED book, and so needs no knowledge of its own effect.

    Args:
      returns: [T], daily, of the unscaled book; row t is known at the close of t.
      limit: largest CVaR a day, above 0; losses are positive.
      window: days.
      level: in (0, 1).

    Returns:
      [T] in [0, 1]; 1 until `window` days are seen, and where the tail has no loss.
    """
    chex.assert_rank(returns, 1)
    tail = (1 - level) * window
    share = np.clip(tail - np.arange(np.ceil(tail)), 0, 1) / tail
    ends = jnp.arange(len(returns))
    rows = ends[:, None] + jnp.arange(1 - window, 1)[None]
    worst, _ = jax.lax.top_k(-returns[jnp.maximum(rows, 0)], len(share))
    cvar = jnp.sum(worst * jnp.asarray(share, returns.dtype)[None], axis=-1)
    binding = (cvar > limit) & (ends >= window - 1)
    return jnp.where(binding, limit / jnp.where(binding, cvar, 1.0), 1.0)


def _known(field: jax.Array | None, name: str, what: str) -> jax.Array:
    if field is None:
        raise ValueError(f"{what} needs market.{name}, and this market has none")
    return field
