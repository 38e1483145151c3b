"""Whether stated probabilities came true, before calibration and after."""

import numpy as np

from thesis_rl import stats
from thesis_rl.learning import calibration, preprocess
from thesis_rl.learning.calibration import Calibrator, Scaling

NUM_BINS = 15


def rescaled(
    probabilities: np.ndarray, calibrators: Calibrator, scaling: str
) -> np.ndarray:
    """Applies each fold's scaling to the forecasts of its test days.

    Args:
      probabilities: [T', N, A], T' = F · test_days.
      calibrators: [F + 1], the final model's last.
      scaling: temperature or vector.

    Returns:
      [T', N, A].
    """
    fitted = getattr(calibrators, scaling)
    of_fold = Scaling(*(np.asarray(x)[:-1, None, None] for x in fitted))
    by_fold = probabilities.reshape(len(of_fold.scale), -1, *probabilities.shape[1:])
    return calibration.apply(of_fold, by_fold).reshape(probabilities.shape)


def cutoffs(calibrators: Calibrator, num_days: int) -> np.ndarray:
    """Returns the claim cut-offs of each unseen day, [T', 1, C]."""
    fitted = np.asarray(calibrators.cutoffs)[:-1]
    return np.repeat(fitted, num_days // len(fitted), axis=0)[:, None, :]


def labels(score: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Cuts the scores of unseen days [T', N] by each fold's thresholds [F + 1, A - 1].

    Returns:
      Decision labels [T', N].
    """
    cuts = np.repeat(thresholds[:-1], len(score) // (len(thresholds) - 1), axis=0)
    return preprocess.label(score, cuts.T[..., None])


def measure(probabilities: np.ndarray, label: np.ndarray) -> dict:
    """Measures how well probabilities of decisions came true.

    Args:
      probabilities: [n, A].
      label: [n].

    Returns:
      accuracy; ece, top-label in 15 bins; classwise_ece; brier, and brier_constant of
      the labels' own frequencies; rps; bins: confidence, accuracy and count of each.
    """
    confidence = probabilities.max(axis=-1)
    correct = probabilities.argmax(axis=-1) == label
    shares = np.bincount(label, minlength=probabilities.shape[-1]) / len(label)
    bins = stats.reliability(confidence, correct, NUM_BINS)
    return {
        "accuracy": float(correct.mean()),
        "ece": stats.expected_calibration_error(confidence, correct, NUM_BINS),
        "classwise_ece": stats.classwise_calibration_error(
            probabilities, label, NUM_BINS
        ),
        "brier": stats.brier_score(probabilities, label),
        "brier_constant": float(1 - (shares**2).sum()),
        "rps": float(np.mean(stats.ranked_probability_score(probabilities, label))),
        "bins": {
            name: np.asarray(column).tolist() for name, column in bins._asdict().items()
        },
    }
