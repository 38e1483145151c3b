"""The path stage: a trader for every fold, and the books that it trades.

A fold's trader learns from forecasts of days that were unseen when they were made:
those of the first fold's held-out days, and the test days of earlier folds, as far as
the fold's own training days reach.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import bands, orders, paths, portfolio, trader
from thesis_rl.orders import Trader
from thesis_rl.pacing import Pace
from thesis_rl.types import Market, Metrics

RULES = {"learned": trader.fit, "band": bands.fit}

LOWER_BOUNDS = {
    "path.num_steps": 0,
    "path.num_paths": 1,
    "path.num_days": 1,
    "path.burn_in": 0,
    "path.num_samples": 2,
    "path.risk_aversion": 0,
    "path.drawdown_penalty": 0,
    "path.flip_penalty": 0,
    "path.evidence": 0,
    "path.band": 0,
    "path.prior_days": 0,
    "path.peak_lr": 0,
    "path.weight_decay": 0,
    "path.max_grad_norm": 0,
}


class Orders(NamedTuple):
    """What a book wants each day, and how fast."""

    weights: jax.Array  # [T, N]
    pace: Pace | None  # [T, N] each; None goes all the way.
    clipped: jax.Array  # [T] int32, names whose weight a limit cut.


def check(config: FrozenConfigDict) -> None:
    """Raises a ValueError where a trader could not learn, and says what would do."""
    stage = config.path
    if not stage.num_steps:
        return
    known = round(config.calibration.share * config.folds.train_days)
    if stage.num_days > known:
        raise ValueError(
            f"config.path.num_days is {stage.num_days}, but the first fold's trader "
            f"knows {known} days that were forecast before they were seen; lower it, "
            "or raise config.calibration.share"
        )
    if stage.num_days <= stage.burn_in + paths.first_line(config):
        raise ValueError(
            f"config.path.num_days is {stage.num_days} and burn_in {stage.burn_in}; "
            "no day is left that a fill could be rewarded on, so raise num_days"
        )
    if stage.credit == "leave_one_out" and stage.reward != "book":
        raise ValueError(
            "config.path.credit=leave_one_out tells the names of a book apart, and "
            f"config.path.reward is {stage.reward!r}; set it to book, or credit to "
            "to_go"
        )
    if config.backtest.book not in portfolio.NEUTRAL_BOOKS:
        raise ValueError(
            f"config.backtest.book is {config.backtest.book!r}, and a trader learns to "
            "trade books without the market alone; choose dollar_neutral or "
            "market_hedged, or set config.path.num_steps to 0"
        )
    if config.rft.num_choices > 1:
        raise ValueError(
            "config.rft.num_choices chooses a step by the very days that the first "
            "fold's trader learns from; set it to 1, or config.path.num_steps to 0"
        )
    for key in ("logit", "slope"):
        if not math.isfinite(stage[key]):
            raise ValueError(f"config.path.{key} is {stage[key]}; give a number")
    if config.combinatorial.num_groups:
        raise ValueError(
            "config.combinatorial.num_groups and config.path.num_steps are both set, "
            "but a cross-validated path has no days before it for a trader to learn "
            "from; set one of them to 0"
        )


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
        # The day, not the fold's number: folds after it change nothing.
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
    # A smaller position has smaller gaps; one that stands still leaves none alone.
    share = jnp.where(traders.exposure > 0, traders.exposure, 1.0)
    slope, band = traders.slope / share, traders.band * traders.exposure
    day = lambda x: jnp.repeat(x, config.folds.test_days)[:, None]  # noqa: E731
    unseen = jax.tree.map(lambda x: x[num_lead:], market)
    weights, clipped = orders.aims(positions[num_lead:], day(units), unseen, config)
    return Orders(
        weights * day(traders.exposure),
        orders.pace_of(day(traders.logit), day(slope), day(band), unseen),
        clipped,
    )
