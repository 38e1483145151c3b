"""The path stage: a trader for every fold, and the books that it trades.

A fold's trader learns from forecasts of days that were unseen when they were made:
those of the first fold's held-out days, and the test days of earlier folds, as far as
the fold's own training days reach.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import bands, orders, portfolio, trader
from thesis_rl.orders import Trader
from thesis_rl.pacing import Pace
from thesis_rl.types import Market, Metrics

RULES = {"learned": trader.fit, "band": bands.fit}


class Orders(NamedTuple):
    """What a book wants each day, and how fast."""

    weights: jax.Array  # [T, N]
    pace: Pace | None  # [T, N] each; None goes all the way.
    clipped: jax.Array  # [T] int32, names whose weight a limit cut.


def sleeves(
    probabilities: jax.Array, mapping: str, market: Market, config: FrozenConfigDict
) -> Orders:
    """Holds each day's decisions for `hold_days`, without a trader.

    Args:
      probabilities: [T, N, A].
      mapping: one of `portfolio.MAPPINGS`.
      market: [T, N].
      config: the experiment's.

    Returns:
      The orders.
    """
    positions = portfolio.positions(probabilities, mapping)
    weights, clipped = portfolio.target_weights(positions, market, config.backtest)
    return Orders(weights, None, clipped)


def train_traders(
    key: jax.Array,
    positions: jax.Array,
    market: Market,
    stops: jax.Array,
    config: FrozenConfigDict,
) -> tuple[Trader, Metrics]:
    """Trains a trader for each fold on all that was forecast before it.

    Args:
      key: consumed.
      positions: [T, N] in [-1, 1], each by networks that had not seen the day.
      market: of the same days.
      stops: [F] int32, where each fold's training days end among them.
      config: the experiment's.

    Returns:
      Traders [F], and metrics [F, num_steps].
    """

    def one(stop):
        # The day, not the fold's number: other folds beside it change nothing.
        fold_key = jax.random.fold_in(key, stop)
        fit = RULES[config.path.rule]
        return fit(fold_key, positions, market, stop, config)

    return jax.lax.map(one, stops)


def paced(
    positions: jax.Array,
    market: Market,
    traders: Trader,
    stops: jax.Array,
    num_lead: int,
    config: FrozenConfigDict,
) -> Orders:
    """Gives a book's orders on every unseen day, each fold's by its own trader.

    Args:
      positions: [T, N] in [-1, 1], of lead days and of all folds' test days.
      market: of the same days.
      traders: [F].
      stops: [F], as given to `train_traders`: what is a full position is measured
        again, for a single network leans further than a mean of several.
      num_lead: days before the first test day.
      config: the experiment's.

    Returns:
      Orders of T − num_lead days.
    """
    units = jax.vmap(orders.full_position, (None, None, 0))(positions, market, stops)
    day = lambda x: jnp.repeat(x, config.folds.test_days)[:, None]  # noqa: E731
    unseen = jax.tree.map(lambda x: x[num_lead:], market)
    weights, clipped = orders.aims(positions[num_lead:], day(units), unseen, config)
    return Orders(
        weights * day(traders.exposure),
        orders.pace_of(*(day(x) for x in traders[:3]), unseen),
        clipped,
    )
