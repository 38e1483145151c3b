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
    the truth in 94–95% of independent days, normal or t(5), in 93–96% under GARCH,
    and in 93–95% where the days have an autocorrelation of 0.1 or 0.2 (percentile
    intervals: up to a point less; blocks of a day: 89–92% of the last).

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
    pair = [performance.finite_record(a), performance.finite_record(b)]
    share("confidence", confidence)
    if len(pair[0]) != len(pair[1]):
        raise ValueError(
            f"want two records of the same periods, got {len(pair[0])} and "
            f"{len(pair[1])} of them"
        )
    each = [performance.sharpe(record, periods_per_year) for record in pair]
    difference = each[0] - each[1]
    if math.isnan(difference):
        return (math.nan,) * 4
    if mean_block is None:
        scaled = [record / record.std() for record in pair]
        mean_block = optimal_block_length(scaled[0] - scaled[1])
    block = max(min_block, mean_block)
    draws = _sharpe_draws(key, np.stack(pair, axis=1), block, num_draws)
    error = np.abs(
        (draws[:, 0] - draws[:, 1]) * math.sqrt(periods_per_year) - difference
    )
    reach = float(np.quantile(error, confidence))
    beyond = np.count_nonzero(error >= abs(difference))
    p = math.nan if math.isnan(reach) else float((1 + beyond) / (1 + num_draws))
    return difference, difference - reach, difference + reach, p


def _sharpe_draws(
    key: jax.Array, returns: np.ndarray, mean_block: float, num_draws: int
) -> np.ndarray:
    """Returns Sharpe ratios a period [num_draws, k] of k records [T, k].

    All are NaN where a draw has no variance: to leave it out would flatter the rest.
    """
    num_obs, num_records = returns.shape
    mean, variance = returns.mean(axis=0), returns.var(axis=0)
    deviation = returns - mean
    series = np.concatenate([deviation, deviation**2], axis=1)
    moments = resampled_means(key, series, mean_block, num_draws)
    shift = moments[:, :num_records]
    drawn = moments[:, num_records:] - shift**2
    if (drawn < _TINY * variance).any():
        return np.full_like(drawn, math.nan)
    return (mean + shift) / np.sqrt(drawn * num_obs / (num_obs - 1))
