"""Deflation and CSCV against published values, plain loops and simulation."""

import itertools
import math

import jax
import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from thesis_rl import stats
from thesis_rl.stats import overfitting


def noise(seed, num_obs=200, num_trials=5):
    return np.random.default_rng(seed).normal(0.0002, 0.01, (num_obs, num_trials))


def plain_logits(returns, num_blocks, measure):
    """CSCV as the paper tells it: cut, join, rank, one split at a time."""
    num_trials = returns.shape[1]
    length = len(returns) // num_blocks
    blocks = np.split(returns[len(returns) % num_blocks :], num_blocks)
    assert all(len(block) == length for block in blocks)
    logits = []
    for chosen in itertools.combinations(range(num_blocks), num_blocks // 2):
        inside = np.concatenate([blocks[i] for i in chosen])
        outside = np.concatenate(
            [blocks[i] for i in range(num_blocks) if i not in chosen]
        )
        winner = np.argmax([measure(column) for column in inside.T])
        ranks = scipy.stats.rankdata([measure(column) for column in outside.T])
        share = ranks[winner] / (num_trials + 1)
        logits.append(math.log(share / (1 - share)))
    return np.array(logits)


@pytest.mark.parametrize("num_trials", [2, 3, 4, 7])
@pytest.mark.parametrize("num_blocks", [2, 4, 6, 8])
@pytest.mark.parametrize("num_obs", [40, 45])
def test_logits_are_those_of_the_plain_loop(num_trials, num_blocks, num_obs):
    returns = noise(num_trials, num_obs, num_trials)
    expected = plain_logits(returns, num_blocks, stats.sharpe)
    logits = stats.overfitting_logits(returns, num_blocks)
    np.testing.assert_allclose(logits, expected, atol=1e-12)
    assert stats.probability_of_overfitting(returns, num_blocks) == np.mean(
        expected <= 1e-12
    )
    np.testing.assert_allclose(
        stats.overfitting_logits(returns, num_blocks, overfitting.split_means),
        plain_logits(returns, num_blocks, np.mean),
        atol=1e-12,
    )


def test_sixteen_blocks_are_the_default():
    logits = stats.overfitting_logits(noise(0))
    assert logits.shape == (12870,) and logits.dtype == np.float64
    assert isinstance(stats.probability_of_overfitting(noise(0)), float)


@pytest.mark.parametrize("num_trials", [2, 5, 8])
def test_what_won_on_demeaned_columns_must_lose(num_trials):
    returns = noise(1, 160, num_trials)
    returns -= returns.mean(axis=0)
    by_mean = overfitting.split_means
    assert stats.probability_of_overfitting(returns, measure=by_mean) == 1.0
    # The best of one half is the worst of the other, whatever the split.
    logits = stats.overfitting_logits(returns, measure=by_mean)
    np.testing.assert_allclose(logits, -math.log(num_trials))


@pytest.mark.parametrize(
    "measure", [overfitting.split_sharpes, overfitting.split_means]
)
def test_a_dominant_trial_is_no_accident(measure):
    returns = noise(2)
    returns[:, 3] += 0.02
    assert stats.probability_of_overfitting(returns, measure=measure) == 0.0


@pytest.mark.parametrize("num_trials, expected", [(2, 1 / 2), (3, 2 / 3), (8, 1 / 2)])
def test_without_skill_the_winner_is_a_coin(num_trials, expected):
    """The median of an odd number of trials counts as overfit: λ = 0 there."""
    found = [
        stats.probability_of_overfitting(noise(seed, 80, num_trials), 6)
        for seed in range(400)
    ]
    error = np.std(found) / math.sqrt(len(found))
    assert abs(np.mean(found) - expected) < 3 * error < 0.06


def test_ties_share_their_rank():
    one = noise(3, num_trials=1)
    # The same book at two sizes: neither is better, gain or loss, so w = 1.5/3.
    for shift in (0.0, 0.02, -0.02):
        assert np.all(stats.overfitting_logits((one + shift) * [1.0, 3.0], 8) == 0.0)
    # The winner ties with its copy above the worst: w = 2.5/4.
    three = np.concatenate([one + 0.02, one - 0.05, one + 0.02], axis=1)
    np.testing.assert_allclose(stats.overfitting_logits(three, 8), math.log(5 / 3))


def test_the_order_of_trials_is_nothing():
    returns = noise(4)
    np.testing.assert_array_equal(
        stats.overfitting_logits(returns, 8),
        stats.overfitting_logits(returns[:, [3, 0, 4, 2, 1]], 8),
    )


def test_the_oldest_rows_are_dropped():
    returns = noise(5, 87)
    logits = stats.overfitting_logits(returns, 8)
    returns[:7] = 1.0
    np.testing.assert_array_equal(stats.overfitting_logits(returns, 8), logits)
    returns[7] = 1.0
    assert np.any(stats.overfitting_logits(returns, 8) != logits)


def test_a_book_that_stands_still_earns_nothing():
    losers = noise(6) - 0.02
    losers[:, 2] = 0.0  # Always the best, before and after.
    assert stats.probability_of_overfitting(losers, 8) == 0.0
    winners = noise(6) + 0.02
    winners[:100, 2] = 0.0  # Flat in half of the record: last there, first never.
    blocks = winners.reshape(8, 25, 5)
    halves = np.array([[1.0] * 4 + [0.0] * 4])
    assert overfitting.split_sharpes(halves, blocks)[0, 2] == 0.0
    # Cash, then noise: rounding must not pass for a spread.
    cash = winners.reshape(8, 25, 5).copy()
    cash[:4] = [0.001, -0.001, 0.0003, 0.0, 0.007]
    np.testing.assert_array_equal(
        overfitting.split_sharpes(halves, cash), [[np.inf, -np.inf, np.inf, 0, np.inf]]
    )


def test_a_small_spread_survives_a_large_mean():
    blocks = noise(7).reshape(8, 25, 5) / 10 + 1e4
    halves = np.array([[1.0] * 4 + [0.0] * 4])
    inside = blocks[:4].reshape(100, 5)
    np.testing.assert_allclose(
        overfitting.split_sharpes(halves, blocks)[0],
        inside.mean(axis=0) / inside.std(axis=0, ddof=1),
        rtol=1e-7,
    )


def test_the_null_takes_skill_away_and_nothing_else():
    returns = noise(8, 160, 4)
    returns[:, 0] += 0.01
    assert stats.probability_of_overfitting(returns, 8) == 0.0
    null = stats.overfitting_under_null(jax.random.key(0), returns, 8, 200)
    assert null.shape == (200,)
    assert abs(null.mean() - 0.5) < 0.06
    # Splits share their days: their PBO errs far more than 70 coins would.
    assert null.std() > 2 * math.sqrt(0.25 / 70)


@pytest.mark.parametrize(
    "returns, num_blocks, message",
    [
        (noise(9), 7, "num_blocks must be even"),
        (noise(9), 0, "num_blocks must be even and at least 2, got 0"),
        (noise(9, 15), 16, r"at least 16 rows and 2 trials, got \(15, 5\)"),
        (noise(9, 3), 2, "at least 4 rows"),
        (noise(9, 64, 1), 16, r"2 trials, got \(64, 1\)"),
        (noise(9)[:, 0], 16, r"got \(200,\)"),
        (np.where(np.arange(5) == 2, np.nan, noise(9)), 8, r"returns\[0, 2\] is nan"),
    ],
)
def test_what_cannot_be_split_is_refused(returns, num_blocks, message):
    with pytest.raises(ValueError, match=message):
        stats.probability_of_overfitting(returns, num_blocks)
    with pytest.raises(ValueError, match=message):
        stats.overfitting_under_null(jax.random.key(0), returns, num_blocks, 2)


@pytest.mark.parametrize(
    "num_trials, expected",
    [
        (1, 0.0),
        (2, 1 / math.sqrt(math.pi)),
        (3, 1.5 / math.sqrt(math.pi)),
        (4, 6 * math.atan(math.sqrt(2)) / math.pi**1.5),
        (5, 1.25 / math.sqrt(math.pi) * (1 + 6 / math.pi * math.asin(1 / 3))),
    ],
)
def test_expected_maximum_of_few_is_exact(num_trials, expected):
    assert stats.expected_max_sharpe(num_trials) == pytest.approx(expected, abs=1e-12)


def test_expected_maximum_of_nine_is_the_tabled_one():
    """Harter (1961), "Expected Values of Normal Order Statistics", to five places."""
    assert stats.expected_max_sharpe(9) == pytest.approx(1.48501, abs=5e-6)


@pytest.mark.parametrize("num_trials", [6, 10, 45, 300])
def test_expected_maximum_against_draws(num_trials):
    draws = np.random.default_rng(11).normal(size=(20_000, num_trials)).max(axis=1)
    # From 10 on the approximation is up to 0.036 above the truth.
    slack = 0.04 if num_trials >= 10 else 0.0
    difference = stats.expected_max_sharpe(num_trials) - draws.mean()
    assert -0.015 < difference < 0.015 + slack


def test_expected_maximum_grows_through_fractions():
    counts = [1, 1.001, 1.5, 2, 2.7, 9.99, 10, 10.5, 1000, 1e6]
    values = [stats.expected_max_sharpe(n) for n in counts]
    assert values == sorted(values) and len(set(values)) == len(values)
    assert values[1] < 0.002


@pytest.mark.parametrize("num_trials", [0, 0.5, -3, math.nan])
def test_less_than_one_trial_is_refused(num_trials):
    with pytest.raises(ValueError, match="num_trials must be at least 1"):
        stats.expected_max_sharpe(num_trials)


@pytest.mark.parametrize(
    "num_trials, skew, kurtosis, expected",
    [(100, -3.0, 10.0, 0.9004), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505)],
)
def test_deflated_sharpe_is_the_published_one(num_trials, skew, kurtosis, expected):
    """Bailey and López de Prado (2014): annual SR 2.5 over five years of 250 days."""
    root = math.sqrt(250)
    spread = math.sqrt(0.5) / root
    deflated = stats.deflated_sharpe(
        2.5 / root, 1250, skew, kurtosis, spread, num_trials
    )
    assert deflated == pytest.approx(expected, abs=5e-5)


def test_one_trial_is_not_deflated():
    record = (0.1, 500, -0.5, 6.0)
    expected = stats.probabilistic_sharpe(record[0], 0.0, *record[1:])
    for trial_sd in (0.0, 1.0, math.nan):  # One trial has no spread.
        assert stats.deflated_sharpe(*record, trial_sd, 1) == expected
    assert stats.deflated_sharpe(*record, 0.0, 50) == expected
    assert stats.deflated_sharpe(*record, 0.02, 2) < expected


def test_deflated_sharpe_without_an_answer():
    assert math.isnan(stats.deflated_sharpe(0.1, 2, 0.0, 3.0, 0.05, 10))
    assert math.isnan(stats.deflated_sharpe(math.nan, 99, 0.0, 3.0, 0.05, 10))
    with pytest.raises(ValueError, match="trial_sd must not be negative"):
        stats.deflated_sharpe(0.1, 99, 0.0, 3.0, -0.05, 10)
    with pytest.raises(ValueError, match="num_trials must be at least 1"):
        stats.deflated_sharpe(0.1, 99, 0.0, 3.0, 0.05, 0)


def test_deflated_sharpe_agrees_with_skfolio():
    measures = pytest.importorskip("skfolio.measures")
    trials = noise(12, 500, 20)
    sharpes = np.array([stats.sharpe(column, 1) for column in trials.T])
    best = trials[:, sharpes.argmax()]
    ours = stats.deflated_sharpe(
        sharpes.max(),
        500,
        stats.skewness(best),
        stats.kurtosis(best),
        sharpes.std(ddof=1),
        20,
    )
    theirs = measures.deflated_sharpe_ratio(best, sharpes)
    assert ours == pytest.approx(theirs, rel=1e-9)


def test_deflation_makes_the_best_of_many_unremarkable():
    """Best of 20 without skill: PSR is nearly sure of it, DSR is not."""
    undeflated, deflated = [], []
    for seed in range(300):
        trials = np.random.default_rng(seed).normal(0, 0.01, (250, 20))
        sharpes = trials.mean(axis=0) / trials.std(axis=0, ddof=1)
        best = sharpes.max()
        undeflated.append(stats.probabilistic_sharpe(best, 0.0, 250, 0.0, 3.0))
        spread = sharpes.std(ddof=1)
        deflated.append(stats.deflated_sharpe(best, 250, 0.0, 3.0, spread, 20))
    assert np.mean(np.array(undeflated) > 0.95) > 0.5
    assert np.mean(np.array(deflated) > 0.95) < 0.05


def test_minimum_backtest_length_of_the_paper():
    """Five years allow no more than 45 trials if the best shall not reach SR 1."""
    assert stats.min_backtest_length(1.0, 45) < 5.0 < stats.min_backtest_length(1.0, 46)
    assert stats.min_backtest_length(2.0, 45) == pytest.approx(
        stats.min_backtest_length(1.0, 45) / 4
    )
    assert stats.min_backtest_length(1.0, 1) == 0.0
    assert stats.min_backtest_length(0.0, 5) == math.inf
    assert stats.min_backtest_length(-1.0, 5) == math.inf
    with pytest.raises(ValueError, match="num_trials must be at least 1"):
        stats.min_backtest_length(1.0, 0)


def test_effective_trials_of_closed_forms():
    one = noise(13, 400, 1)
    assert stats.effective_trials(one) == 1.0
    # A scale, a shift and a sign make no new trial.
    copies = one * [1.0, 2.0, -0.5] + [0.0, 0.01, 0.0]
    assert stats.effective_trials(copies) == pytest.approx(1.0)
    assert stats.effective_trials(copies) >= 1.0
    # Orthogonal columns: the Walsh functions of four periods, less the constant.
    walsh = scipy.linalg.hadamard(4)[:, 1:] / 100
    assert stats.effective_trials(walsh) == pytest.approx(3.0)
    # Correlation ½ between two: eigenvalues 3/2 and 1/2 of 2.
    mixed = np.stack([walsh[:, 0], walsh @ [0.5, math.sqrt(0.75), 0.0]], axis=1)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert stats.effective_trials(mixed) == pytest.approx(math.exp(entropy))


def test_trials_that_stood_still_count_in_full():
    walsh = scipy.linalg.hadamard(4)[:, 1:] / 100
    still = np.concatenate([walsh, np.zeros((4, 1)), np.full((4, 1), 0.001)], axis=1)
    assert stats.effective_trials(still) == pytest.approx(5.0)


@pytest.mark.parametrize(
    "returns, message",
    [
        (noise(14)[:1], r"at least 2 rows and 1 trials, got \(1, 5\)"),
        (noise(14)[:, :0], r"got \(200, 0\)"),
        (noise(14)[:, 0], r"got \(200,\)"),
        (np.where(np.arange(5) == 4, np.inf, noise(14)), r"returns\[0, 4\] is inf"),
    ],
)
def test_effective_trials_refuses(returns, message):
    with pytest.raises(ValueError, match=message):
        stats.effective_trials(returns)
