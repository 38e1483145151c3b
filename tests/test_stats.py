"""Measures against closed forms, published anchors and simulation."""

import math

import numpy as np
import pytest
import scipy.stats

from thesis_rl import stats

LOSSES = np.array([-2, -6, -7, -1, -9, -2, -6, -8, -5]) / 100
RECORD_MEASURES = [
    stats.sharpe,
    stats.sortino,
    stats.volatility,
    stats.annual_return,
    stats.max_drawdown,
    stats.calmar,
    stats.sharpe_interval,
]


@pytest.fixture
def returns():
    return np.random.default_rng(0).normal(0.0005, 0.01, 1000)


def test_sharpe_by_hand():
    # Mean 1, sd 1 (T − 1) over 1, 0, 2: the ratio is the root of the year alone.
    assert stats.sharpe([0.01, 0.0, 0.02]) == pytest.approx(math.sqrt(252))
    assert stats.sharpe([0.01, 0.0, 0.02], 12, risk_free=0.01) == pytest.approx(0.0)


def test_sortino_by_hand():
    # d = (0, −1, 0, 0): √(mean d²) = ½ and the mean is ½, over all four periods.
    record = np.array([1, -1, 2, 0]) / 100
    assert stats.sortino(record) == pytest.approx(math.sqrt(252))
    # MAR = 1%: d = (0, −2, 0, −1), mean − MAR = −½.
    assert stats.sortino(record, 4, target=0.01) == pytest.approx(-1 / math.sqrt(1.25))


@pytest.mark.parametrize(
    "record, expected",
    [
        (LOSSES, -0.378589157),
        ([-0.5, 0.1, 0.1], -0.5),  # The starting capital is a peak.
        ([0.1, 0.2], 0.0),
        ([1.0, -0.5, 0.1, -0.5], -0.725),
        ([0.5, -1.0], -1.0),
        ([], 0.0),
    ],
)
def test_max_drawdown(record, expected):
    assert stats.max_drawdown(record) == pytest.approx(expected, abs=5e-10)


def test_max_drawdown_is_the_worst_pair_of_days(returns):
    wealth = np.concatenate([[1.0], np.cumprod(1 + returns)])
    worst = min((wealth[i:] / wealth[i] - 1).min() for i in range(len(wealth)))
    assert stats.max_drawdown(returns) == pytest.approx(worst, rel=1e-12)


def test_annual_return_compounds():
    assert stats.annual_return([0.1, 0.1], 1) == pytest.approx(0.1)
    assert stats.annual_return([0.21], 0.5) == pytest.approx(0.1)  # Two years.
    assert stats.annual_return(np.full(252, 0.001)) == pytest.approx(1.001**252 - 1)
    assert stats.annual_return([0.5, -1.0]) == -1.0


def test_calmar_is_growth_over_drawdown():
    assert stats.calmar([0.5, -0.2, 0.2], 3) == pytest.approx(0.44 / 0.2)


def test_volatility_grows_with_the_root_of_time(returns):
    assert stats.volatility(returns) == pytest.approx(returns.std(ddof=1) * 252**0.5)


@pytest.mark.parametrize(
    "measure, record",
    [
        (stats.sharpe, [0.01]),
        (stats.sharpe, [0.01] * 100),
        (stats.sortino, [0.01]),
        (stats.sortino, [0.01, 0.02]),
        (stats.volatility, [0.01]),
        (stats.annual_return, []),
        (stats.calmar, [-0.01]),
        (stats.calmar, [0.01, 0.0]),
    ],
)
def test_what_cannot_be_measured_is_nan(measure, record):
    assert math.isnan(measure(record))


@pytest.mark.parametrize("measure", RECORD_MEASURES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_returns_are_refused_and_located(measure, bad, returns):
    returns[[3, 5]] = bad
    with pytest.raises(ValueError, match="2 of 1000 returns .* first at 3"):
        measure(returns)


@pytest.mark.parametrize("measure", RECORD_MEASURES)
def test_a_matrix_is_refused(measure, returns):
    with pytest.raises(ValueError, match=r"\[T\], got \(500, 2\)"):
        measure(returns.reshape(500, 2))


@pytest.mark.parametrize(
    "measure", [stats.max_drawdown, stats.annual_return, stats.calmar]
)
def test_losing_more_than_everything_does_not_compound(measure):
    with pytest.raises(ValueError, match=r"returns\[1\] = -1.5 loses more"):
        measure([0.1, -1.5, 0.1])


def test_standard_error_of_a_normal_is_that_of_lo():
    assert stats.sharpe_standard_error(0.1, 101) == pytest.approx(
        math.sqrt((1 + 0.1**2 / 2) / 100)
    )


def test_standard_error_gives_the_published_psr():
    """Bailey and López de Prado (2012): Φ(SR/se) on 24 months of a skewed fund."""
    error = stats.sharpe_standard_error(0.458, 24, skew=-2.448, kurtosis=10.164)
    assert scipy.stats.norm.cdf(0.458 / error) == pytest.approx(0.9133611, abs=1e-6)


def test_standard_error_that_does_not_exist_is_nan():
    assert math.isnan(stats.sharpe_standard_error(0.1, 2))
    assert math.isnan(stats.sharpe_standard_error(1.0, 100, skew=2.0, kurtosis=3.0))


def test_interval_uses_biased_skew_and_raw_kurtosis():
    record = np.random.default_rng(1).exponential(size=24) - 0.7
    sr = stats.sharpe(record, 1)
    error = stats.sharpe_standard_error(
        sr,
        24,
        skew=scipy.stats.skew(record, bias=True),
        kurtosis=scipy.stats.kurtosis(record, bias=True, fisher=False),
    )
    low, high = stats.sharpe_interval(record, 0.9, periods_per_year=12)
    assert (low, high) == pytest.approx(
        tuple(
            (sr + z * error) * math.sqrt(12) for z in scipy.stats.norm.ppf([0.05, 0.95])
        )
    )


def test_interval_of_too_little_is_nan():
    assert all(map(math.isnan, stats.sharpe_interval([0.01, 0.02])))
    assert all(map(math.isnan, stats.sharpe_interval([0.01] * 50)))


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95])
def test_confidence_is_a_share(confidence, returns):
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        stats.sharpe_interval(returns, confidence)


@pytest.mark.parametrize("name", ["normal", "skewed"])
def test_interval_covers_the_truth_as_often_as_it_says(name):
    rng = np.random.default_rng(2)
    draws = {
        "normal": lambda: rng.normal(size=(1000, 500)) + 0.1,
        "skewed": lambda: 1.2 - rng.gamma(1.0, size=(1000, 500)),
    }[name]()
    truth = {"normal": 0.1, "skewed": 0.2}[name] * math.sqrt(252)
    bounds = np.array([stats.sharpe_interval(draw) for draw in draws])
    covered = (bounds[:, 0] <= truth) & (truth <= bounds[:, 1])
    assert 0.92 <= covered.mean() <= 0.97


def test_detectable_sharpe_is_found_as_often_as_it_says():
    num_obs = 2520
    true = stats.detectable_sharpe(num_obs)
    assert true == pytest.approx((1.959964 + 0.841621) / math.sqrt(10), rel=1e-6)
    rng = np.random.default_rng(3)
    records = rng.normal(true / math.sqrt(252), 1.0, (1000, num_obs))
    lows = [stats.sharpe_interval(record)[0] for record in records]
    assert 0.75 <= np.mean(np.array(lows) > 0) <= 0.85


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_obs": 0}, "num_obs must be at least 1"),
        ({"num_obs": 9, "power": 1.0}, "power must lie"),
        ({"num_obs": 9, "size": 5}, "size must lie"),
    ],
)
def test_detectable_sharpe_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        stats.detectable_sharpe(**arguments)
