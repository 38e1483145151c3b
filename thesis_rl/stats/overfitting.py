"""What the best of many trials is worth, given that it is the best of many.

Sharpe ratios are per period unless called annual. `returns` is [T, trials], simple
net returns a period, one column for EVERY configuration that was tried.
"""

import itertools
import math
from collections.abc import Callable
from statistics import NormalDist

import jax
import numpy as np
from scipy import special

from thesis_rl.stats import significance

_TINY = 1e-12  # A standard deviation below this is rounding, not risk.

# (halves [splits, S] of 0 and 1, blocks [S, L, trials]) -> scores [splits, trials].
Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]


def expected_max_sharpe(num_trials: float) -> float:
    """Returns E[max] of N independent standard normals, in standard deviations.

    For N ≥ 10 it is (1 − γ)·Φ⁻¹(1 − 1/N) + γ·Φ⁻¹(1 − 1/(N·e)), γ being Euler's
    constant, of Bailey and López de Prado (2014), "The Deflated Sharpe Ratio". Below
    10, where that is off, it is ∫ x dΦ(x)^N by quadrature, which is exact.

    Args:
      num_trials: N ≥ 1, or ValueError; a fraction will do, as `effective_trials` is.

    Returns:
      0 for one trial.
    """
    num_trials = float(num_trials)
    if not 1 <= num_trials < math.inf:
        raise ValueError(f"num_trials must be at least 1, got {num_trials:g}")
    if num_trials == 1:
        return 0.0
    if num_trials >= 10:
        quantile, gamma = NormalDist().inv_cdf, np.euler_gamma
        return float(
            -(1 - gamma) * quantile(1 / num_trials)
            - gamma * quantile(1 / (num_trials * math.e))
        )
    x, step = np.linspace(-12.0, 12.0, 2401, retstep=True)
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return float(
        num_trials * step * (x * density * special.ndtr(x) ** (num_trials - 1)).sum()
    )


def deflated_sharpe(
    sr: float,
    num_obs: int,
    skew: float,
    kurtosis: float,
    trial_sd: float,
    num_trials: float,
) -> float:
    """Returns DSR = PSR(SR₀), SR₀ = sd(SR of the trials)·E[max of N normals].

    The confidence that the best of N trials has a true Sharpe ratio above zero, of
    Bailey and López de Prado (2014), "The Deflated Sharpe Ratio". With one trial it
    is the probabilistic Sharpe ratio against zero.

    Args:
      sr: of the best trial, per period.
      num_obs: T.
      skew: biased skew of the best trial's returns.
      kurtosis: raw, 3 for a normal.
      trial_sd: standard deviation of the N Sharpe ratios, per period; not read where
        there is one trial.
      num_trials: N, every trial that was run; or the effective number of them.

    Returns:
      In [0, 1]; NaN where `probabilistic_sharpe` is. ValueError as there, or where
      N < 1 or `trial_sd` is negative.
    """
    benchmark = expected_max_sharpe(num_trials)
    if num_trials > 1:
        if trial_sd < 0.0:
            raise ValueError(f"trial_sd must not be negative, got {trial_sd}")
        benchmark *= trial_sd
    return significance.probabilistic_sharpe(sr, benchmark, num_obs, skew, kurtosis)


def min_backtest_length(sr_annual: float, num_trials: float) -> float:
    """Returns (E[max of N normals]/SR)², in years.

    In a shorter backtest the best of N trials without skill is expected to show an
    annual Sharpe ratio above SR. Bailey, Borwein, López de Prado and Zhu (2014),
    "Pseudo-Mathematics and Financial Charlatanism".

    Args:
      sr_annual: SR, annual.
      num_trials: N ≥ 1, or ValueError.

    Returns:
      Years: 0 for one trial, infinite where SR ≤ 0.
    """
    expected = expected_max_sharpe(num_trials)
    return math.inf if sr_annual <= 0.0 else float((expected / sr_annual) ** 2)


def effective_trials(returns: np.ndarray) -> float:
    """Returns exp(−Σ p log p), p the eigenvalues of the correlation over their sum.

    The effective rank of Roy and Vetterli (2007): N for uncorrelated trials, 1 for N
    copies of one. A trial that stood still (sd < 1e-12) correlates with nothing and
    counts in full. With T not far above N, sampling noise correlates the trials by
    chance and the result falls short.

    Args:
      returns: [T, N], T ≥ 2 and all finite, or ValueError.

    Returns:
      In [1, N]; below T if no trial stood still.
    """
    returns = _checked(returns, min_obs=2, min_trials=1)
    centred = returns - returns.mean(axis=0)
    sd = centred.std(axis=0)
    z = np.divide(centred, sd, out=np.zeros_like(centred), where=sd >= _TINY)
    correlation = z.T @ z / len(z)
    np.fill_diagonal(correlation, 1.0)
    shares = np.linalg.eigvalsh(correlation) / len(correlation)
    rank = float(np.exp(special.entr(np.maximum(shares, 0.0)).sum()))
    return max(rank, 1.0)  # Rounding may leave copies of one trial just short of it.


def split_sharpes(halves: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Returns each trial's Sharpe ratio in each half, from sums over its blocks.

    Where the standard deviation is rounding it is the limit: ±∞ with the sign of the
    mean, or 0 for a book that neither gained nor lost.

    Args:
      halves: [splits, S] 0 or 1, which blocks are in.
      blocks: [S, L, N] returns.

    Returns:
      [splits, N]
    """
    num_obs = halves[0].sum() * blocks.shape[1]
    mean = halves @ blocks.sum(axis=1) / num_obs
    # Squares of centred returns: a mean far above its spread would drown the spread.
    centred = blocks - blocks.mean(axis=(0, 1))
    squares = halves @ np.square(centred).sum(axis=1)
    deviation = squares - np.square(halves @ centred.sum(axis=1)) / num_obs
    flat = deviation <= np.maximum(_TINY * squares, _TINY**2 * num_obs)
    sd = np.sqrt(np.where(flat, 1.0, deviation) / (num_obs - 1))
    limit = np.where(mean == 0.0, 0.0, np.copysign(np.inf, mean))
    return np.where(flat, limit, mean / sd)


def split_means(halves: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Returns each trial's mean return in each half; shapes as `split_sharpes`."""
    return halves @ blocks.mean(axis=1) / halves[0].sum()


def overfitting_logits(
    returns: np.ndarray, num_blocks: int = 16, measure: Measure = split_sharpes
) -> np.ndarray:
    """Returns λ = log(w/(1 − w)) of every split, w = rank/(N + 1) of its winner.

    Combinatorially symmetric cross-validation of Bailey, Borwein, López de Prado and
    Zhu (2017), "The Probability of Backtest Overfitting": S blocks of successive
    rows; each choice of S/2 picks the trial that was best in them, the first of equal
    ones, and ranks it among all in the other half, 1 for the worst. Those within a
    billionth of it are ties and share their average rank. The OLDEST rows are dropped
    where T is no multiple of S.

    Args:
      returns: [T, N], N ≥ 2.
      num_blocks: S, even; 16 gives 12,870 splits.
      measure: what a trial is judged by; the Sharpe ratio unless named.

    Returns:
      [splits] float64, in the order of `itertools.combinations`. They all cut one
      record, so they are far from independent and their spread over √splits is no
      error of their mean: `overfitting_under_null` says how far chance takes that.

    Raises:
      ValueError: S odd or below 2, fewer than S rows or 2 in a half, fewer than two
        trials, or a return that is not finite.
    """
    if num_blocks < 2 or num_blocks % 2:
        raise ValueError(f"num_blocks must be even and at least 2, got {num_blocks}")
    returns = _checked(returns, min_obs=max(num_blocks, 4), min_trials=2)
    length, num_trials = len(returns) // num_blocks, returns.shape[1]
    blocks = returns[len(returns) - num_blocks * length :]
    blocks = blocks.reshape(num_blocks, length, num_trials)

    chosen = list(itertools.combinations(range(num_blocks), num_blocks // 2))
    halves = np.zeros((len(chosen), num_blocks))
    np.put_along_axis(halves, np.array(chosen), 1.0, axis=1)
    scores = measure(halves, blocks)
    # In lexicographic order the complement of the i-th choice is the i-th last.
    others = scores[::-1]
    winner = np.take_along_axis(others, scores.argmax(axis=1)[:, None], axis=1)
    # One book at two sizes has one Sharpe ratio, but for rounding: a tie.
    slack = np.copysign(1e-9, winner)
    worse = (others < winner * (1 - slack)).sum(axis=1)
    better = (others > winner * (1 + slack)).sum(axis=1)
    rank = (num_trials + 1 + worse - better) / 2
    return np.log(rank / (num_trials + 1 - rank))


def probability_of_overfitting(
    returns: np.ndarray, num_blocks: int = 16, measure: Measure = split_sharpes
) -> float:
    """Returns PBO, the share of splits with λ ≤ 0, the winner no better than median.

    Without skill its expectation is ⌈N/2⌉/N: a half where N is even, more where it is
    odd. Arguments, source and errors are those of `overfitting_logits`.

    Returns:
      In [0, 1].
    """
    return float((overfitting_logits(returns, num_blocks, measure) <= 0.0).mean())


def overfitting_under_null(
    key: jax.Array, returns: np.ndarray, num_blocks: int = 16, num_draws: int = 100
) -> np.ndarray:
    """Returns PBOs of the same trials with their skill taken away, by Sharpe ratio.

    Each draw gives every row a random sign, one for all trials: the correlation of
    the trials and the size of each day stay, and no trial has a mean. The average is
    the null reference of a PBO and the spread its sampling error.

    Args:
      key: a JAX random key.
      returns: [T, N]; it and `num_blocks` as in `overfitting_logits`, errors too.
      num_blocks: S.
      num_draws: how many.

    Returns:
      [num_draws] float64.
    """
    returns = _checked(returns, min_obs=max(num_blocks, 4), min_trials=2)
    signs = np.asarray(jax.random.rademacher(key, (num_draws, len(returns), 1)))
    return np.array(
        [probability_of_overfitting(returns * sign, num_blocks) for sign in signs]
    )


def _checked(returns: np.ndarray, min_obs: int, min_trials: int) -> np.ndarray:
    returns = np.asarray(returns, np.float64)
    if returns.ndim != 2 or returns.shape[1] < min_trials or len(returns) < min_obs:
        raise ValueError(
            f"want returns [T, trials] with at least {min_obs} rows and {min_trials} "
            f"trials, got {returns.shape}"
        )
    if (bad := np.argwhere(~np.isfinite(returns))).size:
        row, trial = bad[0]
        raise ValueError(f"returns[{row}, {trial}] is {returns[row, trial]}")
    return returns
