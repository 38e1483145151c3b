"""How much a Sharpe ratio, or a difference of two, owes to the days it was given."""

import math

import jax
import numpy as np

from thesis_rl.stats import performance
from thesis_rl.stats.bootstrap import optimal_block_length, resampled_means
from thesis_rl.stats.checks import share

_TINY = 1e-12  # A variance below this share of the record's is rounding.


def sharpe_bootstrap(
    key: jax.Array,
    returns: np.ndarray,
    num_draws: int = 2000,
    mean_block: float | None = None,
    min_block: float = 1.0,
    confidence: float = 0.95,
    periods_per_year: float = 252,
) -> tuple[float, float]:
    """Returns SR ± the quantile of |SR* − SR| over the draws, an annual interval.

    The symmetric interval is the one that covers best. In 1,500 simulations each, of
    250 to 1,250 days with an annual Sharpe ratio of 0 or 1.6, a 95% interval covers
    the truth in 93–96% where the days are independent, normal or t(5), or follow a
    GARCH, and in 93–95% where their autocorrelation is 0.1 or 0.2. (Percentile
    intervals cover up to a point less; blocks of one day 89–90% of the last.)

    Args:
      key: jax.random.key.
      returns: [T], simple net.
      num_draws: number of bootstrap records.
      mean_block: expected block, in periods; the optimal length where None.
      min_block: the least it may be; give the holding period.
      confidence: chance that the interval covers the truth, in (0, 1).
      periods_per_year: q.

    Returns:
      Low and high; both NaN where the Sharpe ratio of the record, or of a draw, does
      not exist (T < 2, no variance).

    Raises:
      ValueError: a return is not finite, a block is below 1, or `confidence` lies
        outside (0, 1).
    """
    returns = performance.finite_record(returns)
    share("confidence", confidence)
    sr = performance.sharpe(returns, periods_per_year)
    if math.isnan(sr):
        return math.nan, math.nan
    if mean_block is None:
        mean_block = optimal_block_length(returns)
    block = max(min_block, mean_block)
    draws = _sharpe_draws(key, returns[:, None], block, num_draws)[:, 0]
    error = np.abs(draws * math.sqrt(periods_per_year) - sr)
    reach = float(np.quantile(error, confidence))
    return sr - reach, sr + reach


def sharpe_difference_bootstrap(
    key: jax.Array,
    a: np.ndarray,
    b: np.ndarray,
    num_draws: int = 2000,
    mean_block: float | None = None,
    min_block: float = 1.0,
    confidence: float = 0.95,
    periods_per_year: float = 252,
) -> tuple[float, float, float, float]:
    """Returns SR_a − SR_b, its symmetric bootstrap interval, and the test of zero.

    Both records are drawn on the same days, which keeps what they share out of the
    difference d. p = (1 + #{|d* − d| ≥ |d|})/(1 + draws), so p is below 1 −
    `confidence` where the interval leaves zero out. The optimal block is that of
    a/sd_a − b/sd_b, whose mean the difference is. Resampling pairs is from Ledoit and
    Wolf (2008), "Robust Performance Hypothesis Testing with the Sharpe Ratio".

    Args:
      key: jax.random.key.
      a: [T], simple net returns.
      b: [T], of the same periods.
      num_draws: number of bootstrap records.
      mean_block: expected block, in periods; the optimal length where None.
      min_block: the least it may be; give the holding period.
      confidence: chance that the interval covers the truth, in (0, 1).
      periods_per_year: q.

    Returns:
      Difference, low, high (all annual) and p, two-sided; all NaN where a Sharpe
      ratio does not exist, the last three where that of a draw does not. Twice the
      same record gives 0, 0, 0 and 1.

    Raises:
      ValueError: a return is not finite, the lengths differ, a block is below 1, or
        `confidence` lies outside (0, 1).
    """
    pair = [performance.finite_record(record) for record in (a, b)]
    if len(pair[0]) != len(pair[1]):
        raise ValueError(
            f"want two records of the same periods, got {len(pair[0])} and "
            f"{len(pair[1])} of them"
        )
    if mean_block is None:
        sds = [record.std() for record in pair]
        varies = len(pair[0]) > 1 and min(sds) > 0
        mean_block = (
            optimal_block_length(pair[0] / sds[0] - pair[1] / sds[1]) if varies else 1.0
        )
    block = max(min_block, mean_block)
    found = sharpe_differences_bootstrap(
        key, pair[0], pair[1][:, None], block, num_draws, confidence, periods_per_year
    )
    return tuple(float(values[0]) for values in found)


def sharpe_differences_bootstrap(
    key: jax.Array,
    a: np.ndarray,
    others: np.ndarray,
    mean_block: float,
    num_draws: int = 2000,
    confidence: float = 0.95,
    periods_per_year: float = 252,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Compares one record with several, all drawn on the same days at once.

    Args:
      key: jax.random.key.
      a: [T], simple net returns.
      others: [T, k], of the same periods.
      mean_block: expected block, in periods.
      num_draws: number of bootstrap records.
      confidence: chance that each interval covers its truth, in (0, 1).
      periods_per_year: q.

    Returns:
      As `sharpe_difference_bootstrap`, each [k]; the intervals are each for itself.

    Raises:
      ValueError: as there.
    """
    share("confidence", confidence)
    records = np.column_stack([a, others])
    sharpes = np.array([performance.sharpe(r, periods_per_year) for r in records.T])
    differences = sharpes[0] - sharpes[1:]
    found = np.full((4, len(differences)), math.nan)
    exist = np.flatnonzero(~np.isnan(differences))
    if not exist.size:
        return tuple(found)
    used = records[:, np.append(0, exist + 1)]
    draws = _sharpe_draws(key, used, mean_block, num_draws) * math.sqrt(
        periods_per_year
    )
    difference = differences[exist]
    error = np.abs(draws[:, :1] - draws[:, 1:] - difference[None])
    reach = np.quantile(error, confidence, axis=0)
    beyond = (error >= np.abs(difference)[None]).sum(axis=0)
    p = np.where(np.isnan(reach), math.nan, (1 + beyond) / (1 + num_draws))
    found[:, exist] = difference, difference - reach, difference + reach, p
    return tuple(found)


def _sharpe_draws(
    key: jax.Array, returns: np.ndarray, mean_block: float, num_draws: int
) -> np.ndarray:
    """Returns Sharpe ratios a period [num_draws, k] of k records [T, k].

    A record's are all NaN where one of its draws has no variance: to leave that one
    out would flatter the rest.
    """
    num_obs, num_records = returns.shape
    mean, variance = returns.mean(axis=0), returns.var(axis=0)
    deviation = returns - mean
    series = np.concatenate([deviation, deviation**2], axis=1)
    moments = resampled_means(key, series, mean_block, num_draws)
    shift = moments[:, :num_records]
    drawn = moments[:, num_records:] - shift**2
    drawn[:, (drawn < _TINY * variance).any(axis=0)] = math.nan
    return (mean + shift) / np.sqrt(drawn * num_obs / (num_obs - 1))
