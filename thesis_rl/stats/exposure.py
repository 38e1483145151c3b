"""How much of a return is the market's."""

import numpy as np

MIN_OBSERVATIONS = 20  # Fewer tell less about a beta than the prior does.
_MIN_VARIANCE = 1e-16  # A benchmark that stands still (sd < 1e-8) has no beta.


def rolling_beta(returns: np.ndarray, benchmark: np.ndarray, window: int) -> np.ndarray:
    """Returns trailing betas, Cov(r_i, b)/Var(b) over the `window` days ending at t.

    Row t knows the close of day t: lag it by a day before trading on it. The first
    `window` − 1 rows use all days so far. With fewer than 20 observations, or a
    benchmark that stood still over them, beta is its prior of 1.

    Args:
      returns: [T, N]; NaN is left out, for that name, of both moments.
      benchmark: [T], finite.
      window: days, at least 20.

    Returns:
      [T, N] float64, finite everywhere.

    Raises:
      ValueError: `window` below 20, shapes that do not fit, an infinite return or a
        benchmark that is not finite.
    """
    returns, benchmark = _checked(returns, benchmark, window)
    seen = ~np.isnan(returns)
    y = np.where(seen, returns, 0.0)
    x = np.where(seen, benchmark[:, None], 0.0)

    count = _trailing_sum(seen.astype(np.float64), window)
    enough = count >= MIN_OBSERVATIONS
    mean_x = _trailing_sum(x, window) / np.maximum(count, 1.0)
    mean_y = _trailing_sum(y, window) / np.maximum(count, 1.0)
    variance = _trailing_sum(x * x, window) / np.maximum(count, 1.0) - mean_x**2
    covariance = _trailing_sum(x * y, window) / np.maximum(count, 1.0) - mean_x * mean_y

    usable = enough & (variance > _MIN_VARIANCE)
    return np.divide(covariance, variance, out=np.ones_like(y), where=usable)


def _trailing_sum(x: np.ndarray, window: int) -> np.ndarray:
    """Returns sums [T, N] over the `window` rows that end at each row."""
    total = np.cumsum(x, axis=0)
    total[window:] -= total[:-window].copy()
    return total


def _checked(
    returns: np.ndarray, benchmark: np.ndarray, window: int
) -> tuple[np.ndarray, np.ndarray]:
    returns = np.asarray(returns, np.float64)
    benchmark = np.asarray(benchmark, np.float64)
    if returns.ndim != 2 or benchmark.shape != returns.shape[:1]:
        raise ValueError(
            "want returns [T, N] and benchmark [T], got "
            f"{returns.shape} and {benchmark.shape}"
        )
    if window < MIN_OBSERVATIONS:
        raise ValueError(f"window must be at least {MIN_OBSERVATIONS}, got {window}")
    if (bad := np.argwhere(np.isinf(returns))).size:
        raise ValueError(f"returns[{bad[0][0]}, {bad[0][1]}] is infinite")
    if (bad := np.flatnonzero(~np.isfinite(benchmark))).size:
        raise ValueError(f"benchmark[{bad[0]}] is {benchmark[bad[0]]}, want a number")
    return returns, benchmark
