"""Short paths of a book: what each name held, earned and paid, day by day.

A path is a few weeks of consecutive days. What is done on a day changes what the days
after it hold and pay, which no label of a single row can say.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import backtest, ledger, orders, portfolio
from thesis_rl.orders import Trader
from thesis_rl.pacing import Pace
from thesis_rl.types import Market


class Contributions(NamedTuple):
    """What each name did for the book, a day each, as fractions of capital."""

    gross: jax.Array  # [..., L, N]
    net: jax.Array  # [..., L, N]
    weights: jax.Array  # [..., L, N], after the fill of the day.


def hedged(market: Market, config: FrozenConfigDict) -> Market:
    """Takes the day's mean return over tradable names off each, for a neutral book.

    What neutrality takes out of the sum of a book, this takes out name by name. Of a
    dollar-neutral one it changes nothing; of any other little.
    """
    if config.backtest.book not in portfolio.NEUTRAL_BOOKS:
        return market
    seen, session = market.tradable, market.open_to_close
    if session is not None:
        session = _less_mean(session, seen & jnp.isfinite(session))
    returns = _less_mean(market.returns, seen)
    return market._replace(returns=returns, open_to_close=session)


def _less_mean(returns: jax.Array, seen: jax.Array) -> jax.Array:
    count = jnp.maximum(seen.sum(-1, keepdims=True), 1)
    mean = jnp.sum(returns, -1, where=seen, keepdims=True) / count
    return jnp.where(seen, returns - mean, returns)


def contributions(
    target_weights: jax.Array,
    pace: Pace,
    market: Market,
    config: FrozenConfigDict,
    cost_share: float | jax.Array = 1.0,
) -> Contributions:
    """Trades every name as a book of its own, by the rules of the backtest.

    A path starts without a position. Interest on cash is left out.

    Args:
      target_weights: [L, N], decided at the close of each day.
      pace: [L, N] each.
      market: [L, N].
      config: the experiment's.
      cost_share: of all rates, what is charged.

    Returns:
      By name.
    """
    rules, rates = config.backtest, ledger.rates(config)
    charged = ("commission_bps", "half_spread_bps", "impact_coefficient", "borrow_rate")
    rates = rates._replace(**{k: getattr(rates, k) * cost_share for k in charged})

    def alone(target, pace, market):
        column = lambda x: x[:, None]  # noqa: E731
        days, market = market.days, market._replace(days=None)
        traded = backtest.simulate(
            column(target),
            jax.tree.map(column, market)._replace(days=days),
            rates,
            capital=rules.capital,
            fill_lag=rules.fill_lag,
            at_open=rules.fill == "open",
            same_close=rules.same_close,
            pace=jax.tree.map(column, pace),
        )
        return Contributions(
            traded.gross, traded.gross - traded.cost, traded.weights[:, 0]
        )

    axes = jax.tree.map(lambda _: 1, market)._replace(days=None)
    return jax.vmap(alone, in_axes=(1, 1, axes), out_axes=1)(
        target_weights, pace, market
    )


def rewarded(book: Contributions, burn_in: int) -> Contributions:
    """Blanks the first days of a path, [..., L, N], on which a book is still built."""
    counted = (jnp.arange(book.gross.shape[-2]) >= burn_in)[:, None]
    counted = counted.reshape((1,) * (book.gross.ndim - 2) + counted.shape)
    return jax.tree.map(lambda x: x * counted, book)


def first_line(config: FrozenConfigDict) -> int:
    """Returns how many days after a decision the ledger has its fill in it."""
    rules = config.backtest
    return rules.fill_lag + (rules.fill == "close")


def held_before(market: Market, weights: jax.Array) -> jax.Array:
    """Returns what each day's fill finds, yesterday's weights with their drift.

    Args:
      market: [L, N].
      weights: [L, N], of `contributions`.

    Returns:
      [L, N]; 0 on the first day.
    """
    drifted = weights * (1 + market.returns) / (1 + weights * market.returns)
    return jnp.roll(drifted, 1, axis=0).at[0].set(0.0)


def net_returns(
    trader: Trader, weights: jax.Array, market: Market, config: FrozenConfigDict
) -> jax.Array:
    """Trades target weights [T, N] as a trader would; the book's day net of costs, [T].

    Args:
      trader: of one fold.
      weights: decided each day.
      market: [T, N], hedged where the book is.
      config: the experiment's.
    """
    pace = orders.pace_of(trader.logit, trader.slope, trader.band, market)
    return contributions(weights, pace, market, config).net.sum(-1)


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
