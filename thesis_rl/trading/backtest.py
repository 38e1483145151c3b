"""Target weights to fills, costs and daily returns: one scan over days.

A decision of the close of day t is filled at the next close (and first earns the
return of day t + 2) or, where the market has one, at the next open. To trade at the
very close that was decided on takes a flag, which the report prints.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl.trading.costs import DAYS_A_YEAR as DAYS_A_YEAR
from thesis_rl.trading.costs import Costs as Costs
from thesis_rl.trading.costs import Ledger as Ledger
from thesis_rl.trading.costs import book, rates
from thesis_rl.trading.portfolio import MAPPINGS as MAPPINGS
from thesis_rl.trading.portfolio import equal_gross_weights as equal_gross_weights
from thesis_rl.trading.portfolio import positions as positions
from thesis_rl.trading.portfolio import sleeve_weights as sleeve_weights
from thesis_rl.types import Market

FILL_LAG = 2  # Days from a decision to the first return it earns, by default.


class Pace(NamedTuple):
    """How much of a gap is traded in a day, decided with the target of the day."""

    logit: jax.Array  # [T, N] of the share that is closed of the smallest gap.
    slope: jax.Array  # [T, N], what a unit of gap adds to the logit.
    band: jax.Array  # [T, N], the gap that is left alone, as a weight.


class _Session(NamedTuple):
    """What a day brings to any book, whatever it holds: each [N], stacked [T, N]."""

    target: jax.Array  # The weights wanted at the fill.
    pace: Pace | None  # How much of the way to them is traded; None is all of it.
    room: jax.Array  # The largest weight that may be traded at the fill.
    friction: jax.Array | None  # σ/√ADV before the fill; None where not known.
    overnight: jax.Array | None  # Return before the fill; None with close fills.
    returns: jax.Array  # Return after the fill.
    growth: jax.Array  # 1 + returns; 0 where the position then becomes cash.


def simulate(
    target_weights: jax.Array,
    market: Market,
    costs: Costs,
    *,
    capital: float = 1.0,
    fill_lag: int = 1,
    at_open: bool = False,
    same_close: bool = False,
    pace: Pace | None = None,
) -> Ledger:
    """Trades a book of target weights day by day and keeps its ledger.

    On day t the book
      1. with open fills, earns the night, g₁ = Σ w·((1 + r)/(1 + r_oc) − 1);
      2. is brought from drifted to target weights, q = w_target − w_drifted (or, at a
         pace, to `toward` between the two), at cost
         c = (commission + half spread)·Σ|q| + Σ|q|·Y·σ·√(|q|·capital/ADV);
      3. earns the rest, g₂ = Σ w·r_oc; with close fills, which stand at the close of
         t − 1, all of the day: g₁ = 0 and g₂ = Σ w·r.
    After either return weights have drifted to w(1 + r)/(1 + g). Costs leave the
    capital before the return, so with 1 + gross = (1 + g₁)(1 + g₂) the cost booked is
    c(1 + gross), for (1 + g₁)(1 − c)(1 + g₂) − 1 = gross − c(1 + gross).

    Fills: a decision of close t is filled at the close of t + fill_lag and earns from
    day t + fill_lag + 1, or at the open of t + fill_lag and earns from that open. A
    name not quoted there keeps its drifted weight. σ and ADV are of the close before
    the fill. A day trades at most participation_cap · ADV of a name; tomorrow's target
    takes up the rest. While the cap is on a name of unknown ADV is not traded, while
    impact is on neither that nor one of unknown σ. In a market without dollar volume
    or without volatility both are off.

    Capital is constant: gains are paid out and losses made good every day, so that a
    book is as large against the market's volume on its last day as on its first.

    While impact or the cap is on, nothing trades on the first days of a record, whose
    σ and ADV lie before it.

    Borrow is paid on Σ|w| of shorts, interest earned on cash 1 − Σw (short proceeds
    are cash too), both on the book held over the night that ends in day t: traded
    already with close fills, not yet with open ones. They count the calendar days since
    the session before, 365/252 in a market without `days`, and move no weight.

    A delisted name earns its delisting return; what is left is cash, at no cost, and
    the name is never traded again.

    Costs and capital are swept by `jax.vmap` over arrays in their place. Mapped over
    rates alone, the book is traded once: cap, impact and capital alone change weights.

    Args:
      target_weights: [T, N], decided at the close of each day.
      market: what is earned, tradable and known.
      costs: rates.
      capital: in the currency of `market.dollar_volume`, above 0.
      fill_lag: sessions from decision to fill, at least 1.
      at_open: whether to fill at the open, not the close.
      same_close: allows fill_lag = 0, a fill at the very close that was decided on.
      pace: decided with the target weights, [T, N] each; None trades all the way.

    Returns:
      The ledger; without meaning after a day that loses all capital, gross ≤ −1.

    Raises:
      ValueError: a lag below 1 without the flag or at the open; a market without opens.

    Source: Tóth et al. (2011), "Anomalous price impact and the critical nature of
    liquidity in financial markets", for the square root.
    """
    chex.assert_equal_shape([target_weights, market.returns, market.tradable])
    _check_fills(market, fill_lag, at_open, same_close)

    def day(held, at: _Session):
        overnight, drifted = 0.0, held
        if at_open:
            overnight = jnp.sum(held * at.overnight)
            drifted = held * (1 + at.overnight) / (1 + overnight)
        wanted = at.target
        if at.pace is not None:
            wanted = toward(at.target, drifted, at.pace)
        weights = jnp.clip(wanted, drifted - at.room, drifted + at.room)
        traded = jnp.abs(weights - drifted)
        earned = jnp.sum(weights * at.returns)  # A matmul may round to bfloat16.
        impact = 0.0  # Of Y = 1 and capital = 1.
        if at.friction is not None:
            impact = jnp.sum(traded * jnp.sqrt(traded) * at.friction)
        night = held if at_open else weights
        line = {
            "gross": overnight + earned * (1 + overnight),
            "turnover": traded.sum(),
            "impact": impact,
            "short": jnp.maximum(-night, 0.0).sum(),
            "cash": 1 - night.sum(),
            "weights": weights,
        }
        return weights * at.growth / (1 + earned), line

    start = jnp.zeros_like(target_weights[0])
    sessions = _sessions(
        target_weights, pace, market, costs, capital, fill_lag, at_open
    )
    lines = jax.lax.scan(day, start, sessions)[1]
    return book(lines, market, costs, capital)


def toward(target: jax.Array, held: jax.Array, pace: Pace) -> jax.Array:
    """Moves a book part of the way to its target.

      w = held + σ(logit + slope·|gap|) · shrink(gap, band),   gap = target − held
      shrink(x, b) = sign(x) · max(|x| − b, 0)

    With the whole share traded this is a no-trade band, which under proportional costs
    is the form of the best rule (Davis and Norman 1990, "Portfolio selection with
    transaction costs"); without a band it is partial adjustment (Gârleanu and Pedersen
    2013, "Dynamic trading with predictable returns and transaction costs").

    Args:
      target: [N], weights or positions.
      held: [N], likewise, with its drift.
      pace: [N] each.

    Returns:
      [N], between `held` and `target`.
    """
    chex.assert_equal_shape([target, held, *pace])
    gap = target - held
    size = jnp.abs(gap)
    share = jax.nn.sigmoid(pace.logit + pace.slope * size)
    return held + share * jnp.sign(gap) * jnp.maximum(size - pace.band, 0.0)


def by_config(
    weights: jax.Array,
    market: Market,
    config: FrozenConfigDict,
    costs: Costs | None = None,
    capital: float | jax.Array | None = None,
    pace: Pace | None = None,
) -> Ledger:
    """Trades target weights [T, N] by the rules of `config.backtest`.

    Args:
      weights: decided at each close.
      market: [T, N].
      config: the experiment's.
      costs: instead of the config's.
      capital: instead of the config's.
      pace: [T, N] each; None goes all the way.

    Returns:
      The ledger.
    """
    rules = config.backtest
    return simulate(
        weights,
        market,
        rates(config) if costs is None else costs,
        capital=rules.capital if capital is None else capital,
        fill_lag=rules.fill_lag,
        at_open=rules.fill == "open",
        same_close=rules.same_close,
        pace=pace,
    )


def _sessions(
    target_weights: jax.Array,
    pace: Pace | None,
    market: Market,
    costs: Costs,
    capital: float,
    fill_lag: int,
    at_open: bool,
) -> _Session:
    """Lines up each fill with the day it first earns."""
    alive = True if market.delisted is None else _alive(market.delisted)
    if at_open:
        opened = jnp.isfinite(market.open_to_close)
        returns = jnp.where(opened, market.open_to_close, market.returns)
        overnight = jnp.where(opened, (1 + market.returns) / (1 + returns) - 1, 0.0)
        fillable, wait, known = opened & alive, fill_lag, 1
    else:
        returns, overnight = market.returns, None
        fillable, wait, known = _lagged(market.tradable & alive, 1), fill_lag + 1, 2
    room, friction = _liquidity(fillable, market, costs, capital, known)
    growth = 1 + returns
    if market.delisted is not None:
        growth = jnp.where(market.delisted, 0.0, growth)
    target, pace = jax.tree.map(lambda x: _lagged(x, wait), (target_weights, pace))
    return _Session(target, pace, room, friction, overnight, returns, growth)


def _liquidity(
    fillable: jax.Array, market: Market, costs: Costs, capital: float, known: int
) -> tuple[jax.Array, jax.Array | None]:
    """Returns the weight that may be traded, and σ/√ADV of `known` days before."""
    if market.dollar_volume is None or market.volatility is None:
        return jnp.where(fillable, jnp.inf, 0.0), None
    volume = _lagged(market.dollar_volume, known)
    volatility = _lagged(market.volatility, known)
    has_volume = volume > 0
    share = costs.participation_cap / capital  # Of the volume, as a weight of ours.
    restricted = (costs.impact_coefficient > 0) | (costs.participation_cap < jnp.inf)
    room = jnp.where(has_volume, volume * share, jnp.where(restricted, 0.0, jnp.inf))
    priced = (volatility > 0) | jnp.logical_not(costs.impact_coefficient > 0)
    friction = jnp.where(has_volume, volatility / jnp.sqrt(volume), 0.0)
    return jnp.where(fillable & priced, room, 0.0), friction


def _alive(delisted: jax.Array) -> jax.Array:
    """Returns [T, N] bool, False from the first session a name is delisted."""

    def day(alive, delisted):
        alive = alive & ~delisted
        return alive, alive

    return jax.lax.scan(day, jnp.ones_like(delisted[0]), delisted)[1]


def _lagged(x: jax.Array, days: int) -> jax.Array:
    """Moves rows [T, N] `days` down; the first are 0 or False."""
    return jnp.pad(x, ((days, 0), (0, 0)))[: len(x)]


def _check_fills(market: Market, fill_lag: int, at_open: bool, same_close: bool):
    if at_open and market.open_to_close is None:
        raise ValueError(
            "at_open=True, but market.open_to_close is None: this source has no opens; "
            "fill at the close, or use a source that has them"
        )
    if fill_lag < 0 or (fill_lag == 0 and (at_open or not same_close)):
        raise ValueError(
            f"fill_lag is {fill_lag}; it must be at least 1, or 0 with fills at the "
            "close and same_close=True, which trades at the close that was decided on"
        )
