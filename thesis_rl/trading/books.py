"""What the compiled program trades: every stage, baseline, cost and size of capital."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import configs
from thesis_rl.trading import backtest, pace, portfolio
from thesis_rl.trading.backtest import Ledger
from thesis_rl.trading.costs import rates as rates
from thesis_rl.trading.pace import Orders, Rule
from thesis_rl.types import Market

COST_SWEEP_BPS = (0.0, 2.0, 5.0, 10.0, 20.0)  # Of the value traded, all told.
CAPITALS = (1e5, 1e6, 1e7, 1e8, 1e9, 1e10)  # In the currency of the volumes.
CVAR_WINDOW = 252
SIDE_BY_SIDE = 2**23  # Weights of all books that are traded at the same time.


class Sensitivity(NamedTuple):
    """The headline's book under other costs, other capital, and a controller."""

    costs: Ledger  # [costs, T'], one a rate of `COST_SWEEP_BPS`.
    capacity: Ledger | None  # [capitals, T'], where the panel has volumes.
    controlled: Ledger | None  # [T'], where `cvar_limit` is set.
    exposure: jax.Array  # [T'] what the controller multiplied weights by; 1 without.
    clipped: jax.Array  # [T'] int32, names whose weight a limit cut.


def sleeves(
    probabilities: jax.Array, mapping: str, market: Market, config: FrozenConfigDict
) -> Orders:
    """Holds each day's decisions [T, N, A] for `hold_days`, at no pace of their own."""
    positions = portfolio.positions(probabilities, mapping)
    weights, clipped = portfolio.target_weights(positions, market, config.backtest)
    return Orders(weights, None, clipped)


def trade(
    probabilities: jax.Array, market: Market, config: FrozenConfigDict
) -> dict[str, Ledger]:
    """Trades each seed's decisions, and last the mean of their probabilities.

    Args:
      probabilities: [S, T, N, A].
      market: [T, N].
      config: the experiment's.

    Returns:
      By mapping, ledgers with leading axes [S + 1, T].
    """
    stated = with_mean(probabilities)
    return {
        mapping: trade_decisions(stated, mapping, market, config)
        for mapping in portfolio.MAPPINGS
    }


def with_mean(probabilities: jax.Array) -> jax.Array:
    """Puts the mean over seeds behind what each of them [S, ...] states: [S + 1, ...].

    The mean is the ensemble, which is traded as one more seed.
    """
    return jnp.concatenate([probabilities, probabilities.mean(0, keepdims=True)])


def trade_as_given(
    positions: jax.Array, market: Market, config: FrozenConfigDict
) -> Ledger:
    """Trades several books of positions [V, T, N] that are neutral or not by intent."""
    given = {"backtest.book": "long_short", "backtest.volatility_target": 0.0}
    return trade_positions(positions, market, configs.with_changes(config, given))


def each(book: Callable[[Any], Ledger], given: Any, market: Market) -> Ledger:
    """Trades several books: side by side, or one after another where they are large.

    Args:
      book: trades one.
      given: what it takes, with a leading axis [V].
      market: [T, N].

    Returns:
      Ledgers with a leading axis [V].
    """
    num_books = len(jax.tree.leaves(given)[0])
    if num_books * market.returns.size <= SIDE_BY_SIDE:
        return jax.vmap(book)(given)
    return jax.lax.map(book, given)


def trade_decisions(
    probabilities: jax.Array, mapping: str, market: Market, config: FrozenConfigDict
) -> Ledger:
    """Trades several networks' or paths' decisions [V, T, N, A] under one mapping."""
    return trade_positions(portfolio.positions(probabilities, mapping), market, config)


def trade_positions(
    positions: jax.Array, market: Market, config: FrozenConfigDict
) -> Ledger:
    """Trades several books of positions [V, T, N] by the config's rules."""

    def book(positions):
        weights, _ = portfolio.target_weights(positions, market, config.backtest)
        return backtest.by_config(weights, market, config)

    return each(book, positions, market)


def trade_at_pace(
    probabilities: jax.Array,
    lead: jax.Array,
    market: Market,
    rules: Rule,
    stops: jax.Array,
    config: FrozenConfigDict,
) -> tuple[dict[str, Ledger], Orders]:
    """Trades each seed's decisions, and their mean, each fold's by its own rule.

    Args:
      probabilities: [S, T', N, A].
      lead: [L, N, A], probabilities of the days before.
      market: [L + T', N].
      rules: [F].
      stops: [F], where each fold's training days end among those of `market`.
      config: the experiment's.

    Returns:
      By mapping, ledgers with leading axes [S + 1, T'], and the orders of the mean
      under the headline's mapping.
    """
    stated, num_lead = with_mean(probabilities), len(lead)
    unseen = jax.tree.map(lambda x: x[num_lead:], market)

    def orders(probabilities, mapping):
        series = jnp.concatenate([lead, probabilities])
        positions = portfolio.positions(series, mapping)
        return pace.orders(positions, market, rules, stops, num_lead, config)

    def book(probabilities, mapping):
        wanted = orders(probabilities, mapping)
        return backtest.by_config(wanted.weights, unseen, config, pace=wanted.pace)

    ledgers = {
        mapping: each(functools.partial(book, mapping=mapping), stated, unseen)
        for mapping in portfolio.MAPPINGS
    }
    return ledgers, orders(stated[-1], config.backtest.mapping)


def trade_paths(
    probabilities: jax.Array, market: Market, config: FrozenConfigDict
) -> Ledger:
    """Trades each path [num_paths, T, N, A] under the headline's mapping."""
    return trade_decisions(probabilities, config.backtest.mapping, market, config)


def sensitivity(
    orders: Orders, market: Market, config: FrozenConfigDict
) -> Sensitivity:
    """Trades the headline's book at other costs and sizes, and under a controller.

    Args:
      orders: of the headline, [T, ...].
      market: [T, N].
      config: the experiment's.

    Returns:
      Ledgers, each with a leading axis where several were tried.
    """
    rules, weights = config.backtest, orders.weights
    book = functools.partial(
        backtest.by_config, market=market, config=config, pace=orders.pace
    )

    def at_cost(bps):
        costs = rates(config)._replace(commission_bps=0.0, half_spread_bps=bps)
        return book(weights, costs=costs)

    def at_size(capital):
        return book(weights, capital=capital)

    sized = market.dollar_volume is not None and rules.impact_coefficient > 0
    controlled, exposure = None, jnp.ones(len(weights))
    if rules.cvar_limit:
        exposure = portfolio.cvar_exposure(
            book(weights).gross, rules.cvar_limit, CVAR_WINDOW
        )
        controlled = book(weights * exposure[:, None])
    return Sensitivity(
        costs=jax.vmap(at_cost)(jnp.array(COST_SWEEP_BPS)),
        capacity=each(at_size, jnp.array(CAPITALS), market) if sized else None,
        controlled=controlled,
        exposure=exposure,
        clipped=orders.clipped,
    )
