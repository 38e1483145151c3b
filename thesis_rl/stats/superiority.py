"""Whether the best of many models beats a benchmark, or only had the most tries.

d [T, models] is the performance of each model in excess of the benchmark, larger is
better. Means are studentised, √T·mean(d)/ω, so that one good model is not drowned by
noisy ones. ω² is the exact variance of √T·mean(d*) over stationary bootstrap draws,

  ω² = γ_0 + 2 Σ_{i=1}^{T−1} κ_i·γ_i,  κ_i = (1 − i/T)·s^i + (i/T)·s^(T−i),

γ_i the autocovariances and s = 1 − 1/b for mean blocks of b periods (Hansen 2005): one
value a model, for the data and for every draw.

A model that never differs from the benchmark (sd and mean below 1e-12) is the
benchmark: its statistic is 0 and it is never superior. One that differs by the same
amount every period is refused, for nothing there can be tested.
"""

import math

import jax
import numpy as np

from thesis_rl.stats.bootstrap import resampled_means
from thesis_rl.stats.checks import finite_array, share

_TINY = 1e-12  # A standard deviation below this is rounding, not risk.
_MIN_OBSERVATIONS = 3  # log log T must be positive.


def superior_predictive_ability(
    key: jax.Array, performance: np.ndarray, mean_block: float, num_draws: int
) -> float:
    """Returns the p-value of "no model is better than the benchmark".

    The statistic is V = max(0, max_k t_k), t_k = √T·mean(d_k)/ω_k; a draw's is
    V* = max(0, max_k √T(mean(d*_k) − g_k)/ω_k). The consistent choice g_k = mean(d_k)
    where t_k ≥ −√(2 log log T), else 0, keeps models that are clearly worse from
    counting as tries. p = (1 + #{V* ≥ V})/(1 + draws).

    Hansen (2005), "A Test for Superior Predictive Ability", SPA_c studentised.

    Args:
      key: jax.random.key.
      performance: [T, models], in excess of the benchmark, larger is better; T ≥ 3.
      mean_block: expected length of a bootstrap block, in periods, at least 1.
      num_draws: number of bootstrap records.

    Returns:
      p in (0, 1]; 1 where no model has a positive mean.

    Raises:
      ValueError: a value is not finite, T < 3, no model, a model that differs by a
        constant, or a block or number of draws below 1.
    """
    statistic, draws = _studentised(key, performance, mean_block, num_draws)
    relevant = statistic >= -math.sqrt(2.0 * math.log(math.log(len(performance))))
    best = max(0.0, statistic.max())
    # A draw is centred on its model's mean; one not relevant is left where it lies.
    best_draws = (draws + np.where(relevant, 0.0, statistic)).max(axis=1)
    beyond = np.count_nonzero(np.maximum(best_draws, 0.0) >= best)
    return float((1 + beyond) / (1 + num_draws))


def step_m(
    key: jax.Array,
    performance: np.ndarray,
    mean_block: float,
    num_draws: int,
    size: float = 0.05,
) -> np.ndarray:
    """Returns the models that beat the benchmark, all tries taken into account.

    A step finds every t_k above the 1 − `size` quantile of max_k (t*_k − t_k) over
    the models not yet found; the steps end when one finds none. The chance of naming
    any model that is no better is at most about `size`. Every draw is centred on its
    model's mean, so poor models cost power here, unlike in the test above.

    Romano and Wolf (2005), "Stepwise Multiple Testing as Formalized Data Snooping".

    Args:
      key: jax.random.key.
      performance: [T, models], in excess of the benchmark, larger is better; T ≥ 3.
      mean_block: expected length of a bootstrap block, in periods, at least 1.
      num_draws: number of bootstrap records.
      size: family-wise error rate, in (0, 1).

    Returns:
      [models] bool.

    Raises:
      ValueError: as `superior_predictive_ability`, or `size` lies outside (0, 1).
    """
    share("size", size)
    statistic, draws = _studentised(key, performance, mean_block, num_draws)
    superior = np.zeros(len(statistic), bool)
    while not superior.all():
        critical = np.quantile(draws[:, ~superior].max(axis=1), 1.0 - size)
        found = ~superior & (statistic > max(critical, 0.0))
        if not found.any():
            break
        superior |= found
    return superior


def _studentised(
    key: jax.Array, performance: np.ndarray, mean_block: float, num_draws: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns t [models] and the draws' t* − t [num_draws, models]."""
    performance = finite_array("performance", performance, "TM")
    num_obs, num_models = performance.shape
    if num_obs < _MIN_OBSERVATIONS or num_models < 1:
        raise ValueError(
            f"want performance of at least {_MIN_OBSERVATIONS} periods and one model, "
            f"got shape {performance.shape}"
        )
    mean = performance.mean(axis=0)
    deviation = performance - mean
    still = performance.std(axis=0) < _TINY
    if (bad := np.flatnonzero(still & (np.abs(mean) >= _TINY))).size:
        raise ValueError(
            f"performance[:, {bad[0]}] is {mean[bad[0]]:g} in every period, and a "
            "difference without variance cannot be tested"
        )
    shift = resampled_means(key, deviation, mean_block, num_draws)
    # A still column reads 0 whatever it is divided by.
    omega = np.where(still, 1.0, _bootstrap_sd(deviation, mean_block))
    root = math.sqrt(num_obs)
    return np.where(still, 0.0, root * mean / omega), root * shift / omega


def _bootstrap_sd(deviation: np.ndarray, mean_block: float) -> np.ndarray:
    """Returns ω [models] of columns [T, models] with mean zero.

    Σ κ_i·γ_i is Σ (1 − i/T)·s^i·c_i over the CIRCULAR autocovariances
    c_i = γ_i + γ_{T−i}, and those are one Fourier transform.
    """
    num_obs = len(deviation)
    power = np.abs(np.fft.rfft(deviation, axis=0)) ** 2
    circular = np.fft.irfft(power, num_obs, axis=0) / num_obs
    lag = np.arange(1, num_obs)
    weight = (1.0 - lag / num_obs) * (1.0 - 1.0 / mean_block) ** lag
    return np.sqrt(circular[0] + 2.0 * weight @ circular[1:])
