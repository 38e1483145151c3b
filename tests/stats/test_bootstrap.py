"""The stationary bootstrap against its law, arch, and its promise of coverage."""

import math

import jax
import numpy as np
import pytest

from thesis_rl import stats
from thesis_rl.stats.bootstrap import resampled_means

KEY = jax.random.key(0)


def autoregression(rng, coefficient, shape):
    """Returns [..., T] with unit variance and mean zero."""
    x = rng.normal(size=shape)
    for t in range(1, shape[-1]):
        x[..., t] *= math.sqrt(1 - coefficient**2)
        x[..., t] += coefficient * x[..., t - 1]
    return x


def garch(rng, shape):
    """Returns [n, T] with variance one on average, in spells of calm and storm."""
    x = rng.normal(size=shape)
    variance = np.ones(shape[0])
    for t in range(shape[1]):
        x[:, t] *= np.sqrt(variance)
        variance = 0.02 + 0.08 * x[:, t] ** 2 + 0.90 * variance
    return x


@pytest.fixture
def returns():
    return np.random.default_rng(0).normal(0.0005, 0.01, 500)


def test_blocks_are_geometric_and_wrap_around():
    num_obs, mean_block = 40, 5.0
    indices = stats.stationary_bootstrap(KEY, num_obs, mean_block, 4000)
    assert indices.shape == (4000, num_obs) and indices.dtype == np.int32
    assert indices.min() == 0 and indices.max() == num_obs - 1
    follows = (indices[:, 1:] - indices[:, :-1]) % num_obs == 1
    # A leap lands on the following day by chance, once in T.
    expected = 1 - 1 / mean_block + 1 / mean_block / num_obs
    assert follows.mean() == pytest.approx(expected, abs=0.005)
    # No memory: after a leap the chance to go on is what it always is.
    assert follows[:, 1:][~follows[:, :-1]].mean() == pytest.approx(expected, abs=0.01)
    assert ((indices[:, :-1] == num_obs - 1) & (indices[:, 1:] == 0)).any()


def test_every_day_is_as_likely_at_every_place():
    indices = stats.stationary_bootstrap(KEY, 10, 3.5, 20000)
    for place in (0, 9):
        share = np.bincount(indices[:, place], minlength=10) / 20000
        assert share == pytest.approx(np.full(10, 0.1), abs=0.01)


def test_blocks_of_one_day_are_independent_days():
    indices = stats.stationary_bootstrap(KEY, 10, 1, 5000)
    follows = (indices[:, 1:] - indices[:, :-1]) % 10 == 1
    assert follows.mean() == pytest.approx(0.1, abs=0.01)


def test_a_key_is_a_draw():
    first, again = (stats.stationary_bootstrap(KEY, 50, 4.0, 3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = stats.stationary_bootstrap(jax.random.key(1), 50, 4.0, 3)
    assert (again != other).any()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, 1.0, 5), "num_obs and num_draws must be at least 1"),
        ((5, 1.0, 0), "num_obs and num_draws must be at least 1"),
        ((5, 0.5, 5), "mean_block must be a number from 1 up, got 0.5"),
        ((5, math.nan, 5), "mean_block must be a number from 1 up"),
    ],
)
def test_an_impossible_draw_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        stats.stationary_bootstrap(KEY, *arguments)


@pytest.mark.parametrize("mean_block", [1.0, 4.0, 500.0])
def test_means_are_those_of_the_drawn_days(mean_block):
    series = np.random.default_rng(0).normal(size=(60, 3))
    indices = stats.stationary_bootstrap(KEY, 60, mean_block, 20)
    means = resampled_means(KEY, series, mean_block, 20)
    np.testing.assert_allclose(means, series[indices].mean(axis=1), atol=1e-14)


def test_means_drawn_in_parts_are_different_draws(monkeypatch):
    monkeypatch.setattr("thesis_rl.stats.bootstrap._CELLS_AT_ONCE", 600)
    series = np.random.default_rng(0).normal(size=(60, 2))
    means = resampled_means(KEY, series, 4.0, 25)  # Parts of 10, 10 and 5.
    assert len(np.unique(means[:, 0])) == len(means) == 25


@pytest.mark.parametrize("coefficient", [-0.3, 0.0, 0.3, 0.8])
def test_optimal_block_is_that_of_arch(coefficient):
    oracle = pytest.importorskip("arch.bootstrap").optimal_block_length
    for x in autoregression(np.random.default_rng(0), coefficient, (10, 800)):
        expected = max(1.0, oracle(x)["stationary"].iloc[0])
        assert stats.optimal_block_length(x) == pytest.approx(expected, rel=1e-9)


def test_optimal_block_of_an_autoregression():
    """In truth g/σ² = 2ρ/(1 − ρ²), so b = (T·(2ρ/(1 − ρ²))²)^(1/3): 11.2 at ρ = ½."""
    records = autoregression(np.random.default_rng(1), 0.5, (50, 800))
    lengths = [stats.optimal_block_length(x) for x in records]
    assert np.mean(lengths) == pytest.approx(11.2, rel=0.15)


def test_optimal_block_has_bounds():
    assert stats.optimal_block_length(np.full(100, 0.3)) == 1.0
    assert stats.optimal_block_length([1.0, -1.0, 1.0]) == 1.0
    assert stats.optimal_block_length(np.arange(400.0)) <= 60  # 3√T.


def test_optimal_block_refuses_a_gap():
    with pytest.raises(ValueError, match=r"1 of 20 values of x .* x\[7\] = nan"):
        stats.optimal_block_length(np.where(np.arange(20) == 7, np.nan, 1.0))


def test_interval_is_symmetric_and_grows_with_confidence(returns):
    sr = stats.sharpe(returns)
    low, high = stats.sharpe_bootstrap(KEY, returns)
    assert (low + high) / 2 == pytest.approx(sr)
    wide = stats.sharpe_bootstrap(KEY, returns, confidence=0.99)
    assert wide[0] < low < sr < high < wide[1]


def test_interval_of_independent_normals_is_the_closed_form(returns):
    low, high = stats.sharpe_bootstrap(KEY, returns, 20000, mean_block=1)
    reach = 1.96 * stats.sharpe_standard_error(0.05, 500) * math.sqrt(252)
    assert (high - low) / 2 == pytest.approx(reach, rel=0.05)


def test_interval_is_annual_by_the_root_of_the_year(returns):
    daily = np.array(stats.sharpe_bootstrap(KEY, returns, periods_a_year=1))
    annual = stats.sharpe_bootstrap(KEY, returns)
    np.testing.assert_allclose(annual, daily * math.sqrt(252))


def test_blocks_widen_the_interval_of_a_holding_period():
    """A 10-day position: daily returns that repeat, so the sd is √10 times as wide."""
    held = np.repeat(np.random.default_rng(1).normal(size=100), 10)
    width = {
        block: np.ptp(stats.sharpe_bootstrap(KEY, held, 1000, 1, block))
        for block in (1, 40)
    }
    assert 2.4 < width[40] / width[1] < math.sqrt(10)
    chosen = np.ptp(stats.sharpe_bootstrap(KEY, held, 1000))
    assert chosen > 2 * width[1]


def test_difference_draws_both_on_the_same_days():
    rng = np.random.default_rng(2)
    shared = rng.normal(size=600)
    a, b = shared + 0.01 * rng.normal(size=600), shared
    difference, low, high, _ = stats.sharpe_difference_bootstrap(KEY, a, b)
    assert difference == pytest.approx(stats.sharpe(a) - stats.sharpe(b))
    assert low < difference < high
    # Drawn apart, the interval would be about √2 · 2 · 1.96 · √(252/600) = 3.6 wide.
    assert high - low < 0.1


def test_difference_of_a_record_and_itself_is_nothing(returns):
    result = stats.sharpe_difference_bootstrap(KEY, returns, returns)
    assert result == (0.0, 0.0, 0.0, 1.0)
    # Leverage changes no Sharpe ratio, in the record or in any draw.
    result = stats.sharpe_difference_bootstrap(KEY, returns, 3 * returns)
    assert result[:3] == pytest.approx((0, 0, 0), abs=1e-12)


def test_difference_finds_what_is_there(returns):
    better = returns + 0.001 + np.random.default_rng(3).normal(0, 0.002, 500)
    difference, low, _, p = stats.sharpe_difference_bootstrap(KEY, better, returns)
    assert difference > low > 0 and p < 0.01
    mirrored = stats.sharpe_difference_bootstrap(KEY, returns, better)
    assert mirrored == pytest.approx((-difference, -2 * difference + low, -low, p))


def test_p_agrees_with_the_interval(returns):
    rng = np.random.default_rng(4)
    for shift in (0.0, 0.0005, 0.001, 0.002):
        other = returns + shift + rng.normal(0, 0.01, 500)
        _, low, high, p = stats.sharpe_difference_bootstrap(KEY, other, returns, 500)
        assert (p < 0.05) == (not low <= 0 <= high)


def test_what_cannot_be_resampled_is_nan():
    assert all(map(math.isnan, stats.sharpe_bootstrap(KEY, [0.01] * 50)))
    # Of three days, a draw in nine is one day three times.
    assert all(map(math.isnan, stats.sharpe_bootstrap(KEY, [0.01, 0.02, 0.0])))
    still, moving = np.zeros(50), np.random.default_rng(0).normal(size=50)
    assert all(map(math.isnan, stats.sharpe_difference_bootstrap(KEY, still, moving)))


def test_bad_records_are_refused(returns):
    with pytest.raises(ValueError, match="got 500 and 499"):
        stats.sharpe_difference_bootstrap(KEY, returns, returns[1:])
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        stats.sharpe_bootstrap(KEY, returns, confidence=95)
    with pytest.raises(ValueError, match="mean_block must be a number from 1"):
        stats.sharpe_bootstrap(KEY, returns, mean_block=0, min_block=0)
    returns[9] = np.nan
    with pytest.raises(ValueError, match="first at 9"):
        stats.sharpe_bootstrap(KEY, returns)


def coverage(records, truth, num_draws):
    """Returns the share of 95% intervals that hold the true Sharpe ratio a period."""
    bounds = np.array(
        [
            stats.sharpe_bootstrap(
                jax.random.key(seed), record, num_draws, periods_a_year=1
            )
            for seed, record in enumerate(records)
        ]
    )
    return ((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])).mean()


def test_intervals_cover_the_truth():
    records = autoregression(np.random.default_rng(5), 0.1, (400, 250)) + 0.05
    # 92–97%, and two standard errors of 400 simulations.
    assert 0.898 <= coverage(records, 0.05, 200) <= 0.992


@pytest.mark.slow
@pytest.mark.parametrize("num_obs", [500, 1250])
@pytest.mark.parametrize("law", ["normal", "t5", "ar0.1", "ar0.2", "garch"])
def test_intervals_cover_the_truth_in_full(law, num_obs):
    rng = np.random.default_rng(6)
    shape = (1000, num_obs)
    noise = {
        "normal": lambda: rng.normal(size=shape),
        "t5": lambda: rng.standard_t(5, shape) * math.sqrt(3 / 5),
        "ar0.1": lambda: autoregression(rng, 0.1, shape),
        "ar0.2": lambda: autoregression(rng, 0.2, shape),
        "garch": lambda: garch(rng, shape),
    }[law]()
    assert 0.92 <= coverage(noise + 0.05, 0.05, 400) <= 0.97


@pytest.mark.slow
def test_the_difference_has_its_size():
    rng = np.random.default_rng(7)
    rejected = []
    for seed in range(1000):
        shared = rng.normal(size=500)
        a, b = (shared + rng.standard_t(5, 500) for _ in range(2))
        result = stats.sharpe_difference_bootstrap(jax.random.key(seed), a, b, 500)
        rejected.append(result[3] < 0.05)
    assert 0.03 <= np.mean(rejected) <= 0.08
