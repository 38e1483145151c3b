"""Calibration errors and proper scores against loops, scikit-learn and hand counts."""

import math

import numpy as np
import pytest

from thesis_rl import stats


@pytest.fixture
def forecast():
    """Returns probabilities [500, 5] and the labels [500] that were drawn from them."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(5), 500)
    labels = np.array([rng.choice(5, p=p) for p in probabilities])
    return probabilities, labels


def looped_error(confidence, correct, num_bins):
    total = 0.0
    for b in range(num_bins):
        low, high = b / num_bins, (b + 1) / num_bins
        inside = (confidence > low) & (confidence <= high)
        if b == 0:
            inside |= confidence == 0.0
        if inside.any():
            gap = correct[inside].mean() - confidence[inside].mean()
            total += inside.mean() * abs(gap)
    return total


def test_error_by_hand():
    # Bins (0, ½] and (½, 1]: stated .25, true ½; stated .9, true 1. Two of each.
    error = stats.expected_calibration_error([0.2, 0.3, 0.8, 1.0], [0, 1, 1, 1], 2)
    assert error == pytest.approx((0.25 + 0.1) / 2)


@pytest.mark.parametrize("num_bins", [1, 7, 15])
def test_error_is_that_of_a_loop(forecast, num_bins):
    probabilities, labels = forecast
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    assert stats.expected_calibration_error(
        confidence, correct, num_bins
    ) == pytest.approx(looped_error(confidence, correct, num_bins), abs=1e-12)
    assert stats.classwise_calibration_error(
        probabilities, labels, num_bins
    ) == pytest.approx(
        np.mean(
            [looped_error(probabilities[:, k], labels == k, num_bins) for k in range(5)]
        ),
        abs=1e-12,
    )


@pytest.mark.parametrize("num_bins", [3, 7, 10, 15, 49])
def test_an_edge_belongs_to_the_bin_below(num_bins):
    edges = np.arange(num_bins + 1) / num_bins
    count = stats.reliability(edges, np.ones(num_bins + 1), num_bins).count
    # Each edge closes its bin; 0 joins the first.
    assert count.tolist() == [2] + [1] * (num_bins - 1)


def test_reliability_tells_empty_bins_from_wrong_ones():
    bins = stats.reliability([0.7, 0.9, 0.8], [True, False, False], 3)
    assert bins.count.tolist() == [0, 0, 3]
    np.testing.assert_allclose(bins.confidence, [np.nan, np.nan, 0.8])
    np.testing.assert_allclose(bins.accuracy, [np.nan, np.nan, 1 / 3])


def test_certainty_is_right_or_wrong():
    assert stats.expected_calibration_error(np.ones(4), np.ones(4)) == 0.0
    assert stats.expected_calibration_error(np.ones(4), np.zeros(4)) == 1.0
    assert stats.expected_calibration_error(np.zeros(4), np.ones(4)) == 1.0


def test_a_calibrated_forecast_has_little_error():
    rng = np.random.default_rng(1)
    confidence = rng.random(200_000)
    correct = rng.random(200_000) < confidence
    assert stats.expected_calibration_error(confidence, correct) < 0.01
    overconfident = np.clip(2 * confidence - 0.5, 0, 1)
    assert stats.expected_calibration_error(overconfident, correct) > 0.1


def test_classwise_sees_what_the_top_label_hides():
    """The top class is right as stated; the other two are swapped."""
    probabilities = np.tile([0.6, 0.4, 0.0], (10, 1))
    labels = np.array([0] * 6 + [2] * 4)
    top = stats.expected_calibration_error(probabilities[:, 0], labels == 0)
    assert top == pytest.approx(0.0)
    classwise = stats.classwise_calibration_error(probabilities, labels)
    assert classwise == pytest.approx((0.0 + 0.4 + 0.4) / 3)


def test_brier_is_that_of_a_loop_and_twice_the_binary_one(forecast):
    probabilities, labels = forecast
    looped = np.mean(
        [
            sum((p[k] - (k == label)) ** 2 for k in range(5))
            for p, label in zip(probabilities, labels, strict=True)
        ]
    )
    assert stats.brier_score(probabilities, labels) == pytest.approx(looped)
    metrics = pytest.importorskip("sklearn.metrics")
    first = probabilities[:, 0]
    two = np.stack([1 - first, first], axis=1)
    happened = (labels == 0).astype(int)
    assert stats.brier_score(two, happened) == pytest.approx(
        2 * metrics.brier_score_loss(happened, first)
    )


@pytest.mark.parametrize(
    "probabilities, label, brier, ranked",
    [
        ([1, 0, 0, 0, 0], 0, 0.0, 0.0),
        ([1, 0, 0, 0, 0], 1, 2.0, 1.0),  # One threshold off,
        ([1, 0, 0, 0, 0], 4, 2.0, 4.0),  # or all four.
        # Uniform, the truth in the middle: Σ(.2, .4, −.4, −.2)² and .8² + 4·.2².
        ([0.2] * 5, 2, 0.8, 0.4),
    ],
)
def test_scores_by_hand(probabilities, label, brier, ranked):
    assert stats.brier_score([probabilities], [label]) == pytest.approx(brier)
    scores = stats.ranked_probability_score([probabilities], [label])
    assert scores == pytest.approx([ranked])


def test_ranked_score_is_that_of_a_loop(forecast):
    probabilities, labels = forecast
    scores = stats.ranked_probability_score(probabilities, labels)
    looped = [
        sum((p[: k + 1].sum() - (label <= k)) ** 2 for k in range(4))
        for p, label in zip(probabilities, labels, strict=True)
    ]
    np.testing.assert_allclose(scores, looped, atol=1e-12)


def test_ranked_score_is_the_energy_of_the_classes(forecast):
    """Σ(F − 1)² = E|X − y| − ½E|X − X'|, the energy form of the same score."""
    probabilities, labels = forecast
    apart = np.abs(np.arange(5)[:, None] - np.arange(5))
    energy = (probabilities * apart[labels]).sum(axis=1)
    energy -= 0.5 * np.einsum("ni,ij,nj->n", probabilities, apart, probabilities)
    scores = stats.ranked_probability_score(probabilities, labels)
    np.testing.assert_allclose(scores, energy, atol=1e-12)


@pytest.mark.parametrize(
    "score", [stats.brier_score, lambda *x: stats.ranked_probability_score(*x).mean()]
)
def test_scores_are_proper(forecast, score):
    """The truth that drew the labels beats a sharper and a flatter forecast."""
    rng = np.random.default_rng(2)
    truth = rng.dirichlet(np.ones(5), 20_000)
    labels = (truth.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    for power in (0.7, 1.4):
        bent = truth**power
        bent /= bent.sum(axis=1, keepdims=True)
        assert score(truth, labels) < score(bent, labels)


def test_float32_softmax_sums_to_one_well_enough():
    logits = np.random.default_rng(3).normal(0, 5, (1000, 5)).astype(np.float32)
    weight = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = weight / weight.sum(axis=1, keepdims=True)
    assert probabilities.dtype == np.float32
    assert 0 < stats.brier_score(probabilities, np.zeros(1000, int)) < 2


def test_nothing_is_nan_or_empty():
    empty = np.zeros((0, 5)), np.zeros(0, int)
    assert math.isnan(stats.expected_calibration_error([], []))
    assert math.isnan(stats.classwise_calibration_error(*empty))
    assert math.isnan(stats.brier_score(*empty))
    assert stats.ranked_probability_score(*empty).shape == (0,)


@pytest.mark.parametrize(
    "confidence, correct, num_bins, message",
    [
        ([0.1, 1.2], [0, 1], 15, r"confidence\[1\] = 1.2 is no probability"),
        ([0.1, np.nan], [0, 1], 15, r"confidence\[1\] = nan"),
        ([0.1, 0.2], [0, 2], 15, r"correct\[1\] = 2, want 0 or 1"),
        ([0.1, 0.2], [0], 15, "got 1 for 2"),
        ([0.1, 0.2], [0, 1], 0, "num_bins must be at least 1"),
    ],
)
def test_bad_confidences_are_refused(confidence, correct, num_bins, message):
    with pytest.raises(ValueError, match=message):
        stats.expected_calibration_error(confidence, correct, num_bins)


@pytest.mark.parametrize(
    "probabilities, labels, message",
    [
        ([[0.5, 0.5], [0.6, 0.5]], [0, 1], r"probabilities\[1\] sum to 1.1, want 1"),
        ([[0.5, 0.5], [1.5, -0.5]], [0, 1], r"probabilities\[1, 0\] = 1.5 is no"),
        ([[0.5, 0.5]], [2], r"labels\[0\] = 2, want 0 to 1"),
        ([[0.5, 0.5]], [-1], r"labels\[0\] = -1, want 0 to 1"),
        ([[0.5, 0.5]], [1.0], "want integer labels"),
        ([[0.5, 0.5]], [0, 1], r"want integer labels \[1\]"),
        ([0.5, 0.5], [0], r"want probabilities \[n, A\]"),
    ],
)
@pytest.mark.parametrize(
    "score",
    [
        stats.brier_score,
        stats.ranked_probability_score,
        stats.classwise_calibration_error,
    ],
)
def test_bad_forecasts_are_refused(score, probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        score(probabilities, labels)
