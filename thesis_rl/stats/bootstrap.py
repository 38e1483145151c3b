"""The stationary bootstrap, and how long its blocks should be.

Blocks of days keep their order, so what is drawn is as dependent from day to day as
the record itself, up to the length of a block.
"""

import math

import jax
import numpy as np

from thesis_rl.stats.checks import finite_array

_TINY = 1e-12  # A standard deviation below this is rounding, not risk.
_CELLS_AT_ONCE = 2**21  # Days times draws held in memory, about 50 MB of work.
_MIN_OBSERVATIONS = 9  # The fewest with the lags that the block length looks at.


def stationary_bootstrap(
    key: jax.Array, num_obs: int, mean_block: float, num_draws: int
) -> np.ndarray:
    """Returns day indices of bootstrap records, in blocks of geometric length.

    From one place to the next, a draw goes on to the following day with probability
    1 − 1/b, wrapping round at the end, and else leaps to a day chosen at random. With
    b = 1 it is the bootstrap of independent days.

    Politis and Romano (1994), "The Stationary Bootstrap". The key seeds a generator
    of the host, an order of magnitude faster there than the draws of a device.

    Args:
      key: jax.random.key.
      num_obs: T, at least 1.
      mean_block: b, the expected length of a block, at least 1.
      num_draws: number of records, at least 1.

    Returns:
      [num_draws, T] int32 in [0, T).

    Raises:
      ValueError: an argument is below 1, or `mean_block` is not finite.
    """
    _check_draws(num_obs, mean_block, num_draws)
    return _draw_indices(_generator(key), num_obs, mean_block, num_draws)


def resampled_means(
    key: jax.Array, series: np.ndarray, mean_block: float, num_draws: int
) -> np.ndarray:
    """Returns the means of bootstrap records, all series drawn on the same days.

    Args:
      key: jax.random.key.
      series: [T, k], finite.
      mean_block: expected length of a block, at least 1.
      num_draws: number of records, at least 1.

    Returns:
      [num_draws, k] float64.

    Raises:
      ValueError: as `stationary_bootstrap`, or a value is not finite.
    """
    series = finite_array("series", series, "Tk")
    num_obs = len(series)
    _check_draws(num_obs, mean_block, num_draws)
    generator = _generator(key)
    at_once = max(1, _CELLS_AT_ONCE // num_obs)
    means = []
    for start in range(0, num_draws, at_once):
        draws = min(at_once, num_draws - start)
        blocks = _draw_blocks(generator, num_obs, mean_block, draws)
        means.append(_times_drawn(*blocks) @ series / num_obs)
    return np.concatenate(means)


def optimal_block_length(x: np.ndarray) -> float:
    """Returns the mean block that suits the stationary bootstrap of a mean.

    b = (T·g²/σ⁴)^(1/3), with g = Σ λ(k/m)·|k|·γ_k and σ² = Σ λ(k/m)·γ_k over
    |k| ≤ m, γ_k the autocovariances and λ(s) = min(1, 2(1 − |s|)). Here m is twice
    the first lag of the first K = max(5, ⌊log₁₀ T⌋) running whose autocorrelations
    all lie within ±2√(log₁₀ T/T), and ⌈√T⌉ + K at most.

    Politis and White (2004), "Automatic Block-Length Selection for the Dependent
    Bootstrap", with the constant of Patton, Politis and White (2009).

    Args:
      x: [T], finite.

    Returns:
      Periods, between 1 and ⌈min(3√T, T/3)⌉; 1 for a constant series, or one of
      fewer than 9 observations.

    Raises:
      ValueError: `x` is no series, or a value is not finite.
    """
    x = finite_array("x", x, "T")
    num_obs = len(x)
    if num_obs < _MIN_OBSERVATIONS or x.std() < _TINY:
        return 1.0
    deviation = x - x.mean()
    run = max(5, int(math.log10(num_obs)))
    max_lag = math.ceil(math.sqrt(num_obs)) + run
    lags = np.arange(max_lag + 1)
    covariance = np.array([deviation[k:] @ deviation[: num_obs - k] for k in lags])
    bandwidth = _bandwidth(deviation, covariance, run)

    k = lags[1 : bandwidth + 1]
    weighted = 2.0 * np.minimum(1.0, 2.0 * (1.0 - k / bandwidth)) * covariance[k]
    long_run = covariance[0] + weighted.sum()
    longest = math.ceil(min(3.0 * math.sqrt(num_obs), num_obs / 3.0))
    if long_run == 0.0:
        return float(longest)
    length = (num_obs * ((k * weighted).sum() / long_run) ** 2) ** (1.0 / 3.0)
    return float(min(max(length, 1.0), longest))


def _bandwidth(deviation: np.ndarray, covariance: np.ndarray, run: int) -> int:
    """Returns m, twice the lag from which `run` autocorrelations are all small.

    Each is scaled by the two stretches that it correlates, not by the whole series.
    """
    num_obs, max_lag = len(deviation), len(covariance) - 1
    energy = np.concatenate([[0.0], np.cumsum(deviation**2)])
    k = np.arange(max_lag)
    scale = np.sqrt((energy[-1] - energy[k]) * energy[num_obs - k])
    band = 2.0 * math.sqrt(math.log10(num_obs) / num_obs)
    small = np.abs(covariance[:-1]) < band * scale
    runs = np.lib.stride_tricks.sliding_window_view(small, run).all(axis=1)
    if not runs.any():
        return max_lag
    return min(2 * int(np.argmax(runs)), max_lag)


def _generator(key: jax.Array) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def _draw_indices(
    generator: np.random.Generator, num_obs: int, mean_block: float, num_draws: int
) -> np.ndarray:
    """Returns indices [num_draws, T] int32."""
    leap, target = _draw_blocks(generator, num_obs, mean_block, num_draws)
    place = np.arange(num_obs, dtype=np.int32)
    last_leap = np.maximum.accumulate(np.where(leap, place, np.int32(0)), axis=1)
    start = np.take_along_axis(target, last_leap, axis=1)
    return (start + (place - last_leap)) % np.int32(num_obs)


def _draw_blocks(
    generator: np.random.Generator, num_obs: int, mean_block: float, num_draws: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns where a block begins, bool, and with which day it would, int32.

    Both are [num_draws, T].
    """
    shape = (num_draws, num_obs)
    leap = generator.random(shape, dtype=np.float32) < 1.0 / mean_block
    target = generator.integers(0, num_obs, shape, dtype=np.int32)
    leap[:, 0] = True
    return leap, target


def _times_drawn(leap: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Counts how often each day is drawn, [num_draws, T], from ends of blocks alone.

    A block adds one from its first day on until its last; what of it lies past the
    end of the record begins anew on the first day.
    """
    num_draws, num_obs = leap.shape
    begins = np.flatnonzero(leap)
    record = begins // num_obs * num_obs
    first = target.ravel()[begins]
    stop = first + np.diff(begins, append=leap.size)
    wraps = stop > num_obs
    steps = np.zeros(leap.size + 1, np.int64)
    np.add.at(steps, record + first, 1)
    np.add.at(steps, record + np.minimum(stop, num_obs), -1)
    np.add.at(steps, record[wraps], 1)
    np.add.at(steps, record[wraps] + stop[wraps] - num_obs, -1)
    return np.cumsum(steps[:-1]).reshape(num_draws, num_obs)


def _check_draws(num_obs: int, mean_block: float, num_draws: int) -> None:
    if num_obs < 1 or num_draws < 1:
        raise ValueError(
            f"num_obs and num_draws must be at least 1, got {num_obs} and {num_draws}"
        )
    if not 1.0 <= mean_block < math.inf:
        raise ValueError(f"mean_block must be a number from 1 up, got {mean_block}")
