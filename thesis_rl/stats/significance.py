"""How far a measured Sharpe ratio may be from the true one.

q is the number of periods in a year, SR a Sharpe ratio a period, g3 and g4 the biased
skew and RAW kurtosis (3 for a normal) of the returns. All of this takes the periods
to be independent.
"""

import math
from statistics import NormalDist

import numpy as np

from thesis_rl.stats import performance


def sharpe_standard_error(
    sr: float, num_obs: int, skew: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Returns √((1 − g3·SR + (g4 − 1)/4·SR²)/(T − 1)), per period.

    The error inside the probabilistic Sharpe ratio of Bailey and López de Prado
    (2012), "The Sharpe Ratio Efficient Frontier"; with the moments of a normal it is
    that of Lo (2002), with T − 1 for T.

    Args:
      sr: per period, not annual.
      num_obs: T.
      skew: g3.
      kurtosis: g4, raw; the excess kurtosis is g4 − 3.

    Returns:
      The standard error; NaN where T < 3 or the radicand is not positive.
    """
    radicand = 1.0 - skew * sr + (kurtosis - 1.0) / 4.0 * sr**2
    if num_obs < 3 or not radicand > 0.0:
        return math.nan
    return math.sqrt(radicand / (num_obs - 1))


def sharpe_interval(
    returns: np.ndarray, confidence: float = 0.95, periods_per_year: float = 252
) -> tuple[float, float]:
    """Returns (SR ± z·se)·√q, a normal interval for the true annual Sharpe ratio.

    Args:
      returns: [T], independent periods.
      confidence: chance that the interval covers the truth, in (0, 1).
      periods_per_year: q.

    Returns:
      Low and high; both NaN where the Sharpe ratio or its error is.

    Raises:
      ValueError: a return is not finite, or `confidence` lies outside (0, 1).
    """
    _check_share("confidence", confidence)
    returns = performance.finite_record(returns)
    sr = performance.sharpe(returns, periods_per_year=1)
    if math.isnan(sr):
        return math.nan, math.nan
    z = (returns - returns.mean()) / returns.std()
    error = sharpe_standard_error(
        sr, len(returns), skew=float((z**3).mean()), kurtosis=float((z**4).mean())
    )
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    root = math.sqrt(periods_per_year)
    return (sr - reach) * root, (sr + reach) * root


def detectable_sharpe(
    num_obs: int, power: float = 0.8, size: float = 0.05, periods_per_year: float = 252
) -> float:
    """Returns (z_{1−size/2} + z_power)·√(q/T), an annual Sharpe ratio.

    It is the smallest true one that a two-sided test against zero, wrong with
    probability `size` when there is nothing, finds with probability `power`: what
    lies below it, T periods cannot be expected to tell from zero.

    Args:
      num_obs: T.
      power: in (0, 1).
      size: in (0, 1).
      periods_per_year: q.

    Raises:
      ValueError: T < 1, or a probability lies outside (0, 1).
    """
    _check_share("power", power)
    _check_share("size", size)
    if num_obs < 1:
        raise ValueError(f"num_obs must be at least 1, got {num_obs}")
    quantile = NormalDist().inv_cdf
    return (quantile(1 - size / 2) + quantile(power)) * math.sqrt(
        periods_per_year / num_obs
    )


def _check_share(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} must lie between 0 and 1, got {value}")
