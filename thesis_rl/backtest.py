"""Decisions to positions, weights, fills, costs and daily returns.

A decision of the close of day t is filled at the close of day t + 1 and first earns
the return of day t + 2; there is no way to trade at the close that was decided on.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from thesis_rl.types import Market
from thesis_rl.vocabulary import DECISION_POSITIONS, DECISION_SIGNS

FILL_LAG = 2  # Days from a decision to the first return it earns.
MAPPINGS = ("signs", "expected")


class Costs(NamedTuple):
    """Rates in basis points of the value traded."""

    commission_bps: float
    half_spread_bps: float


class Ledger(NamedTuple):
    """One line a day, as fractions of the capital at the previous close."""

    gross: jax.Array  # [T], return of the book before costs.
    commission: jax.Array  # [T]
    half_spread: jax.Array  # [T]
    turnover: jax.Array  # [T], two-way, against drifted weights.
    gross_exposure: jax.Array  # [T]
    net_exposure: jax.Array  # [T]
    weights: jax.Array  # [T, N], held while the day's return was earned.


def positions(probabilities: jax.Array, mapping: str) -> jax.Array:
    """Maps decision probabilities to positions in [-1, 1].

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


def equal_gross_weights(
    positions: jax.Array, tradable: jax.Array, dollar_neutral: bool
) -> jax.Array:
    """Gives each tradable name the same share of capital times its position.

    Args:
      positions: [T, N] in [-1, 1].
      tradable: [T, N] bool at the close of the decision.
      dollar_neutral: whether the day's mean position is taken off each name.

    Returns:
      Weights [T, N].
    """
    chex.assert_equal_shape([positions, tradable])
    count = jnp.maximum(tradable.sum(-1, keepdims=True), 1)
    held = jnp.where(tradable, positions, 0.0)
    if dollar_neutral:
        held = jnp.where(tradable, held - held.sum(-1, keepdims=True) / count, 0.0)
    return held / count


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


def simulate(target_weights: jax.Array, market: Market, costs: Costs) -> Ledger:
    """Trades a book of target weights day by day and keeps its ledger.

    On day t the book is first brought, at the close of t - 1, from its drifted to its
    target weights at cost c = rate · Σ|w_target - w_drifted|, then earns r = Σ w·r.
    Costs leave the capital before the return, (1 - c)(1 + r) - 1, so the cost booked
    is c(1 + r) and net = gross - cost adds up. A name that is not quoted at the fill
    keeps its drifted weight.

    Args:
      target_weights: [T, N], decided at the close of each day.
      market: returns and tradability [T, N].
      costs: rates.

    Returns:
      The ledger.
    """
    chex.assert_equal_shape([target_weights, market.returns, market.tradable])
    lagged = jnp.zeros_like(target_weights)
    lagged = lagged.at[FILL_LAG:].set(target_weights[:-FILL_LAG])
    fillable = jnp.zeros_like(market.tradable).at[1:].set(market.tradable[:-1])

    def day(drifted, at):
        target, fillable, returns = at
        weights = jnp.where(fillable, target, drifted)
        turnover = jnp.abs(weights - drifted).sum()
        gross = jnp.sum(weights * returns)  # A matrix product may round to bfloat16.
        charged = turnover * (1 + gross) * 1e-4
        line = Ledger(
            gross=gross,
            commission=charged * costs.commission_bps,
            half_spread=charged * costs.half_spread_bps,
            turnover=turnover,
            gross_exposure=jnp.abs(weights).sum(),
            net_exposure=weights.sum(),
            weights=weights,
        )
        return weights * (1 + returns) / (1 + gross), line

    start = jnp.zeros_like(target_weights[0])
    return jax.lax.scan(day, start, (lagged, fillable, market.returns))[1]
