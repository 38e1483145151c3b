"""Measures of one record of simple net daily returns, in float64.

q is the number of periods in a year, V the worth of one unit of capital, V_0 = 1.
Every function takes `returns` [T] and raises ValueError if one of them is not finite.
"""

import math

import numpy as np

from thesis_rl.types import PERIODS_A_YEAR

_TINY = 1e-12  # A standard deviation below this is rounding, not risk.


def sharpe(
    returns: np.ndarray, periods_a_year: float = PERIODS_A_YEAR, risk_free: float = 0.0
) -> float:
    """Returns the annual Sharpe ratio, (mean − rf)/sd · √q, sd with T − 1.

    Args:
      returns: [T].
      periods_a_year: q.
      risk_free: rf, the return of cash a period.

    Returns:
      The ratio; NaN where T < 2 or sd < 1e-12.
    """
    returns = finite_record(returns)
    if len(returns) < 2 or (sd := returns.std(ddof=1)) < _TINY:
        return math.nan
    return float((returns.mean() - risk_free) / sd * math.sqrt(periods_a_year))


def sortino(
    returns: np.ndarray, periods_a_year: float = PERIODS_A_YEAR, target: float = 0.0
) -> float:
    """Returns the annual Sortino ratio, (mean − MAR)·q / (√(mean(d²))·√q).

    d = min(r − MAR, 0), its mean over ALL T periods, not the losing ones alone.

    Args:
      returns: [T].
      periods_a_year: q.
      target: MAR, the return a period below which a period counts as a loss.

    Returns:
      The ratio; NaN where T < 2 or nothing fell short (√(mean(d²)) < 1e-12).
    """
    returns = finite_record(returns)
    if len(returns) < 2:
        return math.nan
    downside = math.sqrt(np.square(np.minimum(returns - target, 0.0)).mean())
    if downside < _TINY:
        return math.nan
    return float((returns.mean() - target) / downside * math.sqrt(periods_a_year))


def volatility(returns: np.ndarray, periods_a_year: float = PERIODS_A_YEAR) -> float:
    """Returns the annual standard deviation, sd · √q; NaN where T < 2."""
    returns = finite_record(returns)
    if len(returns) < 2:
        return math.nan
    return float(returns.std(ddof=1) * math.sqrt(periods_a_year))


def annual_return(returns: np.ndarray, periods_a_year: float = PERIODS_A_YEAR) -> float:
    """Returns the compound annual growth rate, V_T^(q/T) − 1; NaN where T = 0.

    Raises:
      ValueError: a return is not finite, or loses more than the whole capital.
    """
    wealth = _wealth(returns)
    if len(wealth) == 1:
        return math.nan
    return float(wealth[-1] ** (periods_a_year / (len(wealth) - 1)) - 1.0)


def max_drawdown(returns: np.ndarray) -> float:
    """Returns the deepest fall from a peak, min_t(V_t / max_{s≤t} V_s − 1) ≤ 0.

    The starting capital is a peak too, so [−.5, .1, .1] gives −.5.

    Raises:
      ValueError: a return is not finite, or loses more than the whole capital.
    """
    wealth = _wealth(returns)
    return float((wealth / np.maximum.accumulate(wealth) - 1.0).min())


def calmar(returns: np.ndarray, periods_a_year: float = PERIODS_A_YEAR) -> float:
    """Returns CAGR/|MDD|; NaN where T < 2 or nothing was ever lost.

    Raises:
      ValueError: a return is not finite, or loses more than the whole capital.
    """
    drawdown = max_drawdown(returns)
    if len(returns) < 2 or drawdown == 0.0:
        return math.nan
    return annual_return(returns, periods_a_year) / -drawdown


def value_at_risk(returns: np.ndarray, level: float = 0.95) -> float:
    """Returns the historical value at risk, −Q(1 − level), losses positive.

    Q interpolates linearly between order statistics, Q(p) = r_(1 + (T − 1)p): type 7
    of Hyndman and Fan (1996), "Sample Quantiles in Statistical Packages", and the
    default of NumPy, pandas and R.

    Args:
      returns: [T].
      level: share of the periods that lose no more than this, in (0, 1).

    Returns:
      A loss a period, negative where even the tail gained; NaN where T = 0.

    Raises:
      ValueError: a return is not finite, or `level` lies outside (0, 1).
    """
    returns = _checked_tail(returns, level)
    if not len(returns):
        return math.nan
    return float(-np.quantile(returns, 1.0 - level))


def conditional_value_at_risk(returns: np.ndarray, level: float = 0.95) -> float:
    """Returns the mean loss over the worst (1 − level)·T periods, losses positive.

    Where that count is no whole number, the last period counts in part: 100.5 of
    2,010 at 95% are 100 losses and half of the next. This is the conditional value
    at risk of the empirical distribution of Rockafellar and Uryasev (2002),
    "Conditional Value-at-Risk for General Loss Distributions". It is coherent,
    continuous in `level`, and never below `value_at_risk`.

    Args:
      returns: [T].
      level: in (0, 1).

    Returns:
      A loss a period; the worst one where (1 − level)·T ≤ 1; NaN where T = 0.

    Raises:
      ValueError: a return is not finite, or `level` lies outside (0, 1).
    """
    returns = _checked_tail(returns, level)
    if not len(returns):
        return math.nan
    tail = (1.0 - level) * len(returns)
    weights = np.clip(tail - np.arange(len(returns)), 0.0, 1.0)
    return float(-(weights @ np.sort(returns)) / weights.sum())


def skewness(returns: np.ndarray) -> float:
    """Returns the biased skew, m3/m2^1.5; NaN where T < 2 or sd < 1e-12."""
    return float((_standardised(returns) ** 3).mean())


def kurtosis(returns: np.ndarray) -> float:
    """Returns the biased RAW kurtosis, m4/m2² (3 for a normal); NaN as `skewness`."""
    return float((_standardised(returns) ** 4).mean())


def finite_record(returns: np.ndarray) -> np.ndarray:
    """Returns `returns` as float64 [T], or raises ValueError on the first bad one."""
    returns = np.asarray(returns, np.float64)
    if returns.ndim != 1:
        raise ValueError(f"want returns of shape [T], got {returns.shape}")
    if (bad := np.flatnonzero(~np.isfinite(returns))).size:
        raise ValueError(
            f"{bad.size} of {returns.size} returns are not finite, the first at "
            f"{bad[0]}: {returns[bad[0]]}; drop or explain them before measuring"
        )
    return returns


def _checked_tail(returns: np.ndarray, level: float) -> np.ndarray:
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, such as 0.95, got {level}")
    return finite_record(returns)


def _standardised(returns: np.ndarray) -> np.ndarray:
    """Returns (r − mean)/sd with T in sd, or one NaN where there is no sd."""
    returns = finite_record(returns)
    if len(returns) < 2 or (sd := returns.std()) < _TINY:
        return np.array([math.nan])
    return (returns - returns.mean()) / sd


def _wealth(returns: np.ndarray) -> np.ndarray:
    """Returns V [T + 1]."""
    returns = finite_record(returns)
    if (bad := np.flatnonzero(returns < -1.0)).size:
        raise ValueError(
            f"returns[{bad[0]}] = {returns[bad[0]]:g} loses more than the whole "
            "capital, and what is left cannot compound"
        )
    return np.concatenate([[1.0], np.cumprod(1.0 + returns)])
