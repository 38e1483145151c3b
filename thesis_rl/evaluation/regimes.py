"""When a book earned its headline: by calendar, volatility, trend and fold.

The regimes were fixed before any result was seen, and none of them is searched over.
Volatility and trend are those of the equal-weight market as they stood `LAG` closes
before a return, when a book filled at the next close was decided. Only the terciles'
cut-offs look back from the end, over the unseen days alone.
"""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from thesis_rl import stats
from thesis_rl.types import PERIODS_A_YEAR, Fold

LAG = 2
VOLATILITY_WINDOW = 63
TREND_WINDOW = 200
WORST_WINDOWS = (63, 252)
MIN_DAYS = 20  # In fewer, a Sharpe ratio says nothing, and none is given.
UNKNOWN = "unknown"  # A day before the first full trailing window.


def tabulate(
    headline_net: np.ndarray, market: np.ndarray, dates: pd.DatetimeIndex, folds: Fold
) -> dict[str, list[dict]]:
    """Splits a book's record by regime, four times over, and finds its worst windows.

    Args:
      headline_net: [T'], daily returns of the book on the unseen days.
      market: [T], daily returns of the equal-weight market over the whole panel, so
        that trailing windows reach back before the first unseen day.
      dates: [T].
      folds: [F] whose test windows are the unseen days, one after the other.

    Returns:
      Under year, volatility, trend and fold a line for each regime that has a day:
      regime, days, return (mean · 252), sharpe and interval (95%; NaN in fewer than
      `MIN_DAYS` days). Every day is on one line of each. Under worst, for each of
      `WORST_WINDOWS` that fits in the record: days, first, last and return.

    Raises:
      ValueError: a return is not finite, or the lengths do not fit together.
    """
    headline_net = stats.performance.finite_record(headline_net)
    market = stats.performance.finite_record(market)
    unseen = slice(int(folds.test_start[0]), int(folds.test_stop[-1]))
    num_days = unseen.stop - unseen.start
    if len(market) != len(dates) or len(headline_net) != num_days:
        raise ValueError(
            f"want market and dates of the same length and {num_days} headline "
            "returns, one for each unseen day of the folds; got "
            f"{len(market)}, {len(dates)} and {len(headline_net)}"
        )
    volatility = _tercile(known_volatility(market)[unseen])
    trend = _side(known_trend(market)[unseen])
    year = np.asarray(dates.year)[unseen].astype(str)
    lengths = np.asarray(folds.test_stop) - np.asarray(folds.test_start)
    fold = np.repeat(np.arange(len(lengths)).astype(str), lengths)
    by = lambda regimes, order: _lines(headline_net, regimes, order)  # noqa: E731
    return {
        "year": by(year, dict.fromkeys(year)),
        "volatility": by(volatility, ("low", "middle", "high", UNKNOWN)),
        "trend": by(trend, ("above", "below", UNKNOWN)),
        "fold": by(fold, dict.fromkeys(fold)),
        "worst": worst_windows(headline_net, dates[unseen]),
    }


def known_volatility(market: np.ndarray) -> np.ndarray:
    """Returns the standard deviation (T − 1) of the 63 returns up to day t − 2.

    Args:
      market: [T].

    Returns:
      [T], daily; NaN on the first 64 days.
    """
    known = np.full(len(market), np.nan)
    if len(market) >= VOLATILITY_WINDOW + LAG:
        windows = np.lib.stride_tricks.sliding_window_view(market, VOLATILITY_WINDOW)
        known[VOLATILITY_WINDOW - 1 + LAG :] = windows.std(axis=1, ddof=1)[:-LAG]
    return known


def known_trend(market: np.ndarray) -> np.ndarray:
    """Returns I/mean(I of 200 days) − 1 at day t − 2, I the compounded market.

    Args:
      market: [T].

    Returns:
      [T], how far the index stands above its trailing mean; NaN on the first 201 days.
    """
    known = np.full(len(market), np.nan)
    if len(market) >= TREND_WINDOW + LAG:
        index = np.cumprod(1.0 + market)
        windows = np.lib.stride_tricks.sliding_window_view(index, TREND_WINDOW)
        distance = index[TREND_WINDOW - 1 :] / windows.mean(axis=1) - 1.0
        known[TREND_WINDOW - 1 + LAG :] = distance[:-LAG]
    return known


def worst_windows(headline_net: np.ndarray, dates: pd.DatetimeIndex) -> list[dict]:
    """Finds the consecutive days whose headline returns have the lowest sum.

    They are added up, not compounded, since the headline is an excess that a book
    resized every day earns; the earliest of equally bad windows is given.

    Args:
      headline_net: [T'].
      dates: [T'].

    Returns:
      days, first, last and return, for each of `WORST_WINDOWS` no longer than T'.
    """
    total = np.concatenate([[0.0], np.cumsum(headline_net)])
    lines = []
    for days in WORST_WINDOWS:
        if days <= len(headline_net):
            sums = total[days:] - total[:-days]
            start = int(sums.argmin())
            lines.append(
                {
                    "days": days,
                    "first": str(dates[start].date()),
                    "last": str(dates[start + days - 1].date()),
                    "return": float(sums[start]),
                }
            )
    return lines


def _tercile(volatility: np.ndarray) -> np.ndarray:
    """Names each day's third, [T']; a day on a cut-off belongs to the lower one."""
    known = ~np.isnan(volatility)
    names = np.full(len(volatility), UNKNOWN)
    if known.any():
        cuts = np.quantile(volatility[known], (1 / 3, 2 / 3))
        third = np.searchsorted(cuts, volatility[known])
        names[known] = np.array(["low", "middle", "high"])[third]
    return names


def _side(trend: np.ndarray) -> np.ndarray:
    """Names the side of its mean that the market stood on; the mean itself is below."""
    sides = np.where(trend > 0, "above", "below")
    return np.where(np.isnan(trend), UNKNOWN, sides)


def _lines(
    returns: np.ndarray, regimes: np.ndarray, order: Iterable[str]
) -> list[dict]:
    chosen = {str(name): regimes == name for name in order}
    return [_line(k, returns[days]) for k, days in chosen.items() if days.any()]


def _line(regime: str, returns: np.ndarray) -> dict:
    enough = len(returns) >= MIN_DAYS
    interval = stats.sharpe_interval(returns) if enough else (math.nan, math.nan)
    return {
        "regime": regime,
        "days": len(returns),
        "return": float(returns.mean() * PERIODS_A_YEAR),
        "sharpe": stats.sharpe(returns) if enough else math.nan,
        "interval": list(interval),
    }
