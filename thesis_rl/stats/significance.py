"""How far a measured Sharpe ratio may be from the true one.

q is the number of periods in a year, SR a Sharpe ratio a period, g3 and g4 the biased
skew and RAW kurtosis (3 for a normal) of the returns, Φ the normal distribution. All
but Lo's annualisation takes the periods to be independent. A measured argument that
is NaN (the Sharpe ratio of a book that stood still) gives NaN.
"""

import math
from statistics import NormalDist

import numpy as np

from thesis_rl.stats import performance
from thesis_rl.stats.checks import share
from thesis_rl.types import PERIODS_A_YEAR

_NORMAL = NormalDist()


def sharpe_standard_error(
    sr: float, num_obs: int, skew: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Returns √((1 − g3·SR + (g4 − 1)/4·SR²)/T), per period.

    With the moments of a normal it is √((1 + SR²/2)/T) of Lo (2002), "The Statistics
    of Sharpe Ratios"; the other moments are those of Mertens (2002). The probabilistic
    Sharpe ratio has T − 1 for T.

    Args:
      sr: per period, not annual.
      num_obs: T.
      skew: g3.
      kurtosis: g4, raw; the excess kurtosis is g4 − 3.

    Returns:
      The standard error; NaN where T < 3 or the radicand is not positive.

    Raises:
      ValueError: the kurtosis is below 1, as only an excess kurtosis can be.
    """
    variance = _variance(sr, skew, kurtosis)
    return math.nan if num_obs < 3 else math.sqrt(variance / num_obs)


def sharpe_interval(
    returns: np.ndarray,
    confidence: float = 0.95,
    periods_a_year: float = PERIODS_A_YEAR,
) -> tuple[float, float]:
    """Returns (SR ± z·se)·√q, a normal interval for the true annual Sharpe ratio.

    Args:
      returns: [T], independent periods.
      confidence: chance that the interval covers the truth, in (0, 1).
      periods_a_year: q.

    Returns:
      Low and high; both NaN where the Sharpe ratio or its error is.

    Raises:
      ValueError: a return is not finite, or `confidence` lies outside (0, 1).
    """
    share("confidence", confidence)
    sr = performance.sharpe(returns, periods_a_year=1)
    if math.isnan(sr):
        return math.nan, math.nan
    moments = performance.skewness(returns), performance.kurtosis(returns)
    error = sharpe_standard_error(sr, len(returns), *moments)
    reach = _NORMAL.inv_cdf(0.5 + confidence / 2) * error
    root = math.sqrt(periods_a_year)
    return (sr - reach) * root, (sr + reach) * root


def detectable_sharpe(
    num_obs: int,
    power: float = 0.8,
    size: float = 0.05,
    periods_a_year: float = PERIODS_A_YEAR,
) -> float:
    """Returns (z_{1−size/2} + z_power)·√(q/T), an annual Sharpe ratio.

    It is the smallest true one that a two-sided test against zero, wrong with
    probability `size` when there is nothing, finds with probability `power`: what
    lies below it, T periods cannot be expected to tell from zero.

    Args:
      num_obs: T.
      power: in (0, 1).
      size: in (0, 1).
      periods_a_year: q.

    Raises:
      ValueError: T < 1, or a probability lies outside (0, 1).
    """
    share("power", power)
    share("size", size)
    if num_obs < 1:
        raise ValueError(f"num_obs must be at least 1, got {num_obs}")
    reach = _NORMAL.inv_cdf(1 - size / 2) + _NORMAL.inv_cdf(power)
    return reach * math.sqrt(periods_a_year / num_obs)


def probabilistic_sharpe(
    sr: float, benchmark_sr: float, num_obs: int, skew: float, kurtosis: float
) -> float:
    """Returns PSR = Φ[(SR − SR*)·√(T − 1)/√(1 − g3·SR + (g4 − 1)/4·SR²)].

    The confidence that the true Sharpe ratio exceeds SR*, in the form of Bailey and
    López de Prado (2012), "The Sharpe Ratio Efficient Frontier": the error is taken
    at the measured ratio, not at SR*.

    Args:
      sr: per period, not annual.
      benchmark_sr: SR*, per period.
      num_obs: T.
      skew: g3.
      kurtosis: g4, raw; the excess kurtosis is g4 − 3.

    Returns:
      In [0, 1]; NaN where T < 3 or the radicand is not positive.

    Raises:
      ValueError: the kurtosis is below 1, as only an excess kurtosis can be.
    """
    variance = _variance(sr, skew, kurtosis)
    if num_obs < 3:
        return math.nan
    return _NORMAL.cdf((sr - benchmark_sr) * math.sqrt((num_obs - 1) / variance))


def min_track_record(
    sr: float,
    benchmark_sr: float,
    skew: float,
    kurtosis: float,
    confidence: float = 0.95,
) -> float:
    """Returns 1 + (1 − g3·SR + (g4 − 1)/4·SR²)·(z/(SR − SR*))², in observations.

    With so many the probabilistic Sharpe ratio equals `confidence`. Same paper.

    Args:
      sr: per period, not annual.
      benchmark_sr: SR*, per period.
      skew: g3.
      kurtosis: g4, raw; the excess kurtosis is g4 − 3.
      confidence: in [0.5, 1), since PSR exceeds a half from the first day on.

    Returns:
      A number of observations, not rounded; infinite where SR ≤ SR*; NaN where the
      radicand is not positive.

    Raises:
      ValueError: the kurtosis is below 1, or `confidence` lies outside [0.5, 1).
    """
    if not 0.5 <= confidence < 1.0:
        raise ValueError(f"confidence must lie in [0.5, 1), got {confidence}")
    variance = _variance(sr, skew, kurtosis)
    if sr <= benchmark_sr:
        return math.inf
    needed = variance * (_NORMAL.inv_cdf(confidence) / (sr - benchmark_sr)) ** 2
    return float(1.0 + needed)


def newey_west_bandwidth(num_obs: int) -> int:
    """Returns ⌊4·(T/100)^(2/9)⌋, the rule of thumb of Newey and West (1994)."""
    if num_obs < 1:
        raise ValueError(f"num_obs must be at least 1, got {num_obs}")
    return math.floor(4.0 * (num_obs / 100.0) ** (2.0 / 9.0))


def autocorrelations(returns: np.ndarray, num_lags: int) -> np.ndarray:
    """Returns ρ_k = Σ_t (r_t − r̄)(r_{t−k} − r̄) / Σ_t (r_t − r̄)², k = 1 … num_lags.

    Args:
      returns: [T].
      num_lags: below T.

    Returns:
      [num_lags] float64; NaN where the standard deviation is below 1e-12.
    """
    returns = performance.finite_record(returns)
    if not 0 <= num_lags < len(returns):
        raise ValueError(f"num_lags is {num_lags}, with {len(returns)} returns")
    if returns.std() < 1e-12:
        return np.full(num_lags, math.nan)
    r = returns - returns.mean()
    return np.array([r[k:] @ r[:-k] for k in range(1, num_lags + 1)]) / (r @ r)


def lo_annualisation(autocorrelations: np.ndarray, periods_a_year: int) -> float:
    """Returns η(q) = q/√(q + 2·Σ_{k=1}^{q−1} (q − k)·ρ_k), by which SR becomes annual.

    Lo (2002), "The Statistics of Sharpe Ratios". It is √q where nothing is
    autocorrelated, less where returns trend and more where they revert.

    Args:
      autocorrelations: ρ from lag 1 on, [lags]. Lags not given are taken as zero;
        those of q and beyond are no part of the equation.
      periods_a_year: q, a whole number.

    Returns:
      The factor; NaN where the radicand is not positive.

    Raises:
      ValueError: q is no whole number of at least 1, or a ρ is NaN or outside [−1, 1].
    """
    q, rho = int(periods_a_year), np.asarray(autocorrelations, np.float64)
    if q < 1 or q != periods_a_year:
        raise ValueError(f"periods_a_year must be a whole number, got {periods_a_year}")
    if rho.ndim != 1:
        raise ValueError(f"want autocorrelations of shape [lags], got {rho.shape}")
    if (bad := np.flatnonzero(~(np.abs(rho) <= 1.0))).size:
        raise ValueError(f"the autocorrelation of lag {bad[0] + 1} is {rho[bad[0]]:g}")
    rho = rho[: q - 1]
    radicand = float(q + 2.0 * (q - np.arange(1, len(rho) + 1)) @ rho)
    return q / math.sqrt(radicand) if radicand > 0.0 else math.nan


def lo_sharpe(returns: np.ndarray, periods_a_year: int = PERIODS_A_YEAR) -> float:
    """Returns SR·η(q), the annual Sharpe ratio of autocorrelated returns of Lo (2002).

    Autocorrelations end at `newey_west_bandwidth`. Beside `sharpe`, which is SR·√q,
    it shows how much of that rests on independence.

    Args:
      returns: [T].
      periods_a_year: q, a whole number.

    Returns:
      The ratio; NaN where `sharpe` or `lo_annualisation` is.

    Raises:
      ValueError: a return is not finite, or q is no whole number.
    """
    sr = performance.sharpe(returns, periods_a_year=1)
    if math.isnan(sr):
        return math.nan
    rho = autocorrelations(returns, newey_west_bandwidth(len(returns)))
    return sr * lo_annualisation(rho, periods_a_year)


def _variance(sr: float, skew: float, kurtosis: float) -> float:
    """Returns T·Var(SR) to first order, or NaN if it is not positive."""
    variance = 1.0 - skew * sr + (kurtosis - 1.0) / 4.0 * sr**2
    if variance > 0.0 and kurtosis < 1.0 - 1e-9:
        raise ValueError(
            f"kurtosis is {kurtosis:g}, and no returns have one below 1: it must be "
            "the raw kurtosis, 3 for a normal, not the excess over that"
        )
    return variance if variance > 0.0 else math.nan
