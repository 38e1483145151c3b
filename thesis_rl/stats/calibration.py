"""Whether stated probabilities come true as often as they say.

Bins are the `num_bins` equal parts of [0, 1], each open below and closed above: a
confidence of exactly 1/15 is in the first of 15, and so is a confidence of 0.
"""

import math
from typing import NamedTuple

import numpy as np

from thesis_rl.stats.checks import finite_array

_SUM_TOLERANCE = 1e-5  # What float32 softmax may leave of one.
_ROUNDING = 1e-7  # A float32 that stands for an edge may lie this far above it.


class Reliability(NamedTuple):
    """What was promised and what came true, bin by bin; NaN where a bin is empty."""

    confidence: np.ndarray  # [num_bins] float64, the mean stated probability.
    accuracy: np.ndarray  # [num_bins] float64, the share that came true.
    count: np.ndarray  # [num_bins] int64


def reliability(
    confidence: np.ndarray, correct: np.ndarray, num_bins: int = 15
) -> Reliability:
    """Returns the reliability diagram of stated probabilities.

    Args:
      confidence: [n] in [0, 1].
      correct: [n] bool (or 0 and 1), whether it came true.
      num_bins: at least 1.

    Raises:
      ValueError: a confidence lies outside [0, 1], `correct` is not of truths, the
        lengths differ, or `num_bins` < 1.
    """
    confidence = _unit("confidence", confidence, "n")
    correct = finite_array("correct", correct, "n")
    if len(correct) != len(confidence):
        raise ValueError(
            f"want one truth for each confidence, got {len(correct)} for "
            f"{len(confidence)}"
        )
    if (bad := np.flatnonzero((correct != 0.0) & (correct != 1.0))).size:
        raise ValueError(f"correct[{bad[0]}] = {correct[bad[0]]:g}, want 0 or 1")
    if num_bins < 1:
        raise ValueError(f"num_bins must be at least 1, got {num_bins}")
    edges = np.arange(1, num_bins) / num_bins + _ROUNDING
    bins = np.searchsorted(edges, confidence, side="left")
    count = np.bincount(bins, minlength=num_bins)
    empty = np.full(num_bins, math.nan)

    def mean(values: np.ndarray) -> np.ndarray:
        total = np.bincount(bins, values, num_bins)
        return np.divide(total, count, out=empty.copy(), where=count > 0)

    return Reliability(mean(confidence), mean(correct), count)


def expected_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, num_bins: int = 15
) -> float:
    """Returns Σ_b (n_b/n)·|accuracy_b − confidence_b|, empty bins counting 0.

    Guo, Pleiss, Sun and Weinberger (2017), "On Calibration of Modern Neural
    Networks", where the confidence is the largest probability of a prediction.

    Args:
      confidence: [n] in [0, 1], the probability of the predicted class.
      correct: [n] bool (or 0 and 1), whether the prediction was right.
      num_bins: equal-width bins (low, high].

    Returns:
      The error in [0, 1]; NaN where n = 0.

    Raises:
      ValueError: as `reliability`.
    """
    bins = reliability(confidence, correct, num_bins)
    total = bins.count.sum()
    if total == 0:
        return math.nan
    filled = bins.count > 0
    gap = np.abs(bins.accuracy - bins.confidence)[filled]
    return float(bins.count[filled] @ gap / total)


def classwise_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, num_bins: int = 15
) -> float:
    """Returns the mean over classes of each class's calibration error.

    The confidence of class k is p_k, its truth is label = k, and every observation
    counts for every class (Kull et al. 2019, "Beyond temperature scaling").

    Args:
      probabilities: [n, A], each row sums to one.
      labels: [n] integers in [0, A).
      num_bins: equal-width bins (low, high].

    Returns:
      The error in [0, 1]; NaN where n = 0.

    Raises:
      ValueError: as `brier_score`, or `num_bins` < 1.
    """
    probabilities, outcome = _forecast(probabilities, labels)
    errors = [
        expected_calibration_error(stated, happened, num_bins)
        for stated, happened in zip(probabilities.T, outcome.T, strict=True)
    ]
    return float(np.mean(errors))


def brier_score(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Returns mean_n Σ_k (p_k − 1[label = k])², between 0 and 2.

    Brier (1950), "Verification of Forecasts Expressed in Terms of Probability": the
    sum over classes, so with two classes it is twice the score of the one.

    Args:
      probabilities: [n, A], each row sums to one (within 1e-5).
      labels: [n] integers in [0, A).

    Returns:
      The score; NaN where n = 0.

    Raises:
      ValueError: a probability lies outside [0, 1], a row does not sum to one, or a
        label is no class.
    """
    probabilities, outcome = _forecast(probabilities, labels)
    if not len(outcome):
        return math.nan
    return float(((probabilities - outcome) ** 2).sum(axis=1).mean())


def ranked_probability_score(
    probabilities: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Returns Σ_{k<A−1} (P(class ≤ k) − 1[label ≤ k])² of each observation.

    For classes in order: mass one class off costs less than mass four classes off.
    It is the sum over the A − 1 thresholds, not divided by their number. Epstein
    (1969), "A Scoring System for Probability Forecasts of Ranked Categories", in the
    form of Murphy (1971).

    Args:
      probabilities: [n, A], each row sums to one.
      labels: [n] integers in [0, A).

    Returns:
      [n] float64 in [0, A − 1].

    Raises:
      ValueError: as `brier_score`.
    """
    probabilities, outcome = _forecast(probabilities, labels)
    gap = np.cumsum(probabilities - outcome, axis=1)[:, :-1]
    return (gap**2).sum(axis=1)


def _forecast(
    probabilities: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns probabilities and one-hot outcomes, both [n, A] float64."""
    probabilities = _unit("probabilities", probabilities, "nA")
    num_obs, num_classes = probabilities.shape
    total = probabilities.sum(axis=1)
    if (bad := np.flatnonzero(np.abs(total - 1.0) > _SUM_TOLERANCE)).size:
        raise ValueError(f"probabilities[{bad[0]}] sum to {total[bad[0]]:.6g}, want 1")
    labels = np.asarray(labels) if num_obs else np.zeros(0, np.int64)
    if labels.shape != (num_obs,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"want integer labels [{num_obs}], got {labels.dtype} {labels.shape}"
        )
    if (bad := np.flatnonzero((labels < 0) | (labels >= num_classes))).size:
        raise ValueError(
            f"labels[{bad[0]}] = {labels[bad[0]]}, want 0 to {num_classes - 1}"
        )
    return probabilities, np.eye(num_classes)[labels]


def _unit(name: str, values: np.ndarray, axes: str) -> np.ndarray:
    """Returns `values` in float64, all in [0, 1], or raises ValueError."""
    values = finite_array(name, values, axes)
    if (bad := np.argwhere((values < 0.0) | (values > 1.0))).size:
        place = ", ".join(map(str, bad[0]))
        raise ValueError(
            f"{name}[{place}] = {values[tuple(bad[0])]:g} is no probability, want one "
            "from 0 to 1"
        )
    return values
