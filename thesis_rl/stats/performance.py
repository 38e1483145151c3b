"""Measures of one record of simple net daily returns, in float64.

q is the number of periods in a year, V the worth of one unit of capital, V_0 = 1.
Every function takes `returns` [T] and raises ValueError if one of them is not finite.
"""

import math

import numpy as np

_TINY = 1e-12  # A standard deviation below this is rounding, not risk.


def sharpe(
    returns: np.ndarray, periods_per_year: float = 252, risk_free: float = 0.0
) -> float:
    """Returns the annual Sharpe ratio, (mean − rf)/sd · √q, sd with T − 1.

    Args:
      returns: [T].
      periods_per_year: q.
      risk_free: rf, the return of cash a period.

    Returns:
      The ratio; NaN where T < 2 or sd < 1e-12.
    """
    returns = finite_record(returns)
    if len(returns) < 2 or (sd := returns.std(ddof=1)) < _TINY:
        return math.nan
    return float((returns.mean() - risk_free) / sd * math.sqrt(periods_per_year))


def sortino(
    returns: np.ndarray, periods_per_year: float = 252, target: float = 0.0
) -> float:
    """Returns the annual Sortino ratio, (mean − MAR)·q / (√(mean(d²))·√q).

    d = min(r − MAR, 0), its mean over ALL T periods, not the losing ones alone.

    Args:
      returns: [T].
      periods_per_year: q.
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
    return float((returns.mean() - target) / downside * math.sqrt(periods_per_year))


def volatility(returns: np.ndarray, periods_per_year: float = 252) -> float:
    """Returns the annual standard deviation, sd · √q; NaN where T < 2."""
    returns = finite_record(returns)
    if len(returns) < 2:
        return math.nan
    return float(returns.std(ddof=1) * math.sqrt(periods_per_year))


def annual_return(returns: np.ndarray, periods_per_year: float = 252) -> float:
    """Returns the compound annual growth rate, V_T^(q/T) − 1; NaN where T = 0.

    Raises:
      ValueError: a return is not finite, or loses more than the whole capital.
    """
    wealth = _wealth(returns)
    if len(wealth) == 1:
        return math.nan
    return float(wealth[-1] ** (periods_per_year / (len(wealth) - 1)) - 1.0)


def max_drawdown(returns: np.ndarray) -> float:
    """Returns the deepest fall from a peak, min_t(V_t / max_{s≤t} V_s − 1) ≤ 0.

    The starting capital is a peak too, so [−.5, .1, .1] gives −.5.

    Raises:
      ValueError: a return is not finite, or loses more than the whole capital.
    """
    wealth = _wealth(returns)
    return float((wealth / np.maximum.accumulate(wealth) - 1.0).min())


def calmar(returns: np.ndarray, periods_per_year: float = 252) -> float:
    """Returns CAGR/|MDD|; NaN where T < 2 or nothing was ever lost.

    Raises:
      ValueError: a return is not finite, or loses more than the whole capital.
    """
    drawdown = max_drawdown(returns)
    if len(returns) < 2 or drawdown == 0.0:
        return math.nan
    return annual_return(returns, periods_per_year) / -drawdown


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


def _wealth(returns: np.ndarray) -> np.ndarray:
    """Returns V [T + 1]."""
    returns = finite_record(returns)
    if (bad := np.flatnonzero(returns < -1.0)).size:
        raise ValueError(
            f"returns[{bad[0]}] = {returns[bad[0]]:g} loses more than the whole "
            "capital, and what is left cannot compound"
        )
    return np.concatenate([[1.0], np.cumprod(1.0 + returns)])
