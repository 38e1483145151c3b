"""Stated probabilities against what came true, each fold by its own calibrator."""

import jax
import numpy as np
import pytest

from thesis_rl import files
from thesis_rl.evaluation.calibration import cutoffs, labels, measure, rescaled
from thesis_rl.learning import calibration, preprocess
from thesis_rl.learning.calibration import Calibrator, Scaling

F, TEST_DAYS, N, A, C = 3, 4, 2, 5, 3


@pytest.fixture(scope="module")
def calibrators():
    """Of F folds and a final model, whose own says NaN: nobody may read it here."""
    rng = np.random.default_rng(0)

    def per_fold(*shape):
        values = rng.uniform(0.5, 2.0, (F + 1, *shape)).astype(np.float32)
        values[-1] = np.nan
        return values

    temperature, vector = (Scaling(per_fold(A), per_fold(A)) for _ in range(2))
    return Calibrator(temperature, vector, per_fold(C))


@pytest.mark.parametrize("scaling", ["temperature", "vector"])
def test_each_fold_is_rescaled_by_what_it_learned_itself(calibrators, scaling):
    rng = np.random.default_rng(1)
    stated = rng.dirichlet(np.ones(A), (F * TEST_DAYS, N)).astype(np.float32)
    found = rescaled(stated, calibrators, scaling)
    for day in range(F * TEST_DAYS):
        fitted = getattr(calibrators, scaling)
        own = Scaling(*(x[day // TEST_DAYS] for x in fitted))
        expected = calibration.apply(own, stated[day])
        np.testing.assert_allclose(found[day], expected, rtol=1e-5)


def test_each_day_has_the_cutoffs_of_its_fold(calibrators):
    found = cutoffs(calibrators, F * TEST_DAYS)
    assert found.shape == (F * TEST_DAYS, 1, C)
    for day in range(F * TEST_DAYS):
        own = calibrators.cutoffs[day // TEST_DAYS]
        np.testing.assert_array_equal(found[day, 0], own)


def test_labels_are_cut_as_in_training_by_the_thresholds_of_the_fold():
    rng = np.random.default_rng(2)
    thresholds = np.sort(rng.normal(size=(F + 1, A - 1)), axis=1).astype(np.float32)
    score = rng.normal(size=(F * TEST_DAYS, N)).astype(np.float32)
    score[5, 1] = thresholds[1, 2]  # At a threshold, which is above it.
    found = labels(score, thresholds)
    label = jax.vmap(preprocess.label, in_axes=(0, None))
    for day in range(F * TEST_DAYS):
        expected = label(score[day], thresholds[day // TEST_DAYS])
        np.testing.assert_array_equal(found[day], expected)


def test_measures_by_hand():
    """Four rows, .8 sure each, three of them right: 5 points too sure."""
    stated = np.full((4, A), 0.05)
    stated[:, 3] = 0.8
    found = measure(stated, np.array([3, 3, 3, 0]))
    assert found["accuracy"] == 0.75
    assert found["ece"] == pytest.approx(0.05)
    right, wrong = 0.2**2 + 4 * 0.05**2, 0.8**2 + 0.95**2 + 3 * 0.05**2
    assert found["brier"] == pytest.approx((3 * right + wrong) / 4)
    assert found["brier_constant"] == pytest.approx(1 - 0.75**2 - 0.25**2)
    assert sum(found["bins"]["count"]) == 4 and len(found["bins"]["count"]) == 15
    files.to_json(found)


def test_the_frequencies_themselves_are_calibrated_and_score_the_constant():
    label = np.repeat(np.arange(A), [10, 20, 40, 20, 10])
    stated = np.tile(np.bincount(label) / len(label), (len(label), 1))
    found = measure(stated, label)
    assert found["ece"] == pytest.approx(0.0, abs=1e-12)
    assert found["classwise_ece"] == pytest.approx(0.0, abs=1e-12)
    assert found["brier"] == pytest.approx(found["brier_constant"])
    certain = measure(np.eye(A)[label], label)
    assert certain["brier"] == certain["rps"] == certain["ece"] == 0.0
