"""Measures against closed forms, published anchors and simulation."""

import math

import numpy as np
import pytest
import scipy.linalg
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
    stats.value_at_risk,
    stats.conditional_value_at_risk,
    stats.skewness,
    stats.kurtosis,
    stats.lo_sharpe,
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
        (stats.value_at_risk, []),
        (stats.conditional_value_at_risk, []),
        (stats.skewness, [0.01]),
        (stats.kurtosis, [0.01] * 100),
        (stats.lo_sharpe, [0.01] * 100),
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


def test_value_at_risk_by_hand():
    # Losses 9, 8, 7, 6, 6, 5, 2, 2, 1: Q(p) lies at place 8p from the worst.
    assert stats.value_at_risk(LOSSES, 0.75) == pytest.approx(0.07)
    assert stats.value_at_risk(LOSSES, 0.9375) == pytest.approx(0.085)
    # A third of nine periods are three; a quarter, two and a quarter of the next.
    assert stats.conditional_value_at_risk(LOSSES, 2 / 3) == pytest.approx(0.08)
    assert stats.conditional_value_at_risk(LOSSES, 0.75) == pytest.approx(
        (0.09 + 0.08 + 0.07 / 4) / 2.25
    )
    assert stats.conditional_value_at_risk(LOSSES, 0.95) == pytest.approx(0.09)


@pytest.mark.parametrize("num_obs", [1, 7, 100, 1003])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_conditional_value_at_risk_is_the_minimum_of_rockafellar_and_uryasev(
    num_obs, level
):
    losses = -np.random.default_rng(num_obs).standard_t(3, num_obs) / 100
    excess = np.maximum(losses - losses[:, None], 0.0).mean(axis=1)
    minimum = (losses + excess / (1 - level)).min()
    measured = stats.conditional_value_at_risk(-losses, level)
    assert measured == pytest.approx(minimum, rel=1e-9)
    assert measured >= stats.value_at_risk(-losses, level) - 1e-15


def test_tail_of_a_normal():
    record = np.random.default_rng(5).normal(0.001, 0.01, 200_000)
    z = scipy.stats.norm.ppf(0.95)
    tail = scipy.stats.norm.pdf(z) / 0.05
    assert stats.value_at_risk(record) == pytest.approx(0.01 * z - 0.001, rel=0.01)
    assert stats.conditional_value_at_risk(record) == pytest.approx(
        0.01 * tail - 0.001, rel=0.01
    )


@pytest.mark.parametrize(
    "measure", [stats.value_at_risk, stats.conditional_value_at_risk]
)
@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_level_is_a_share(measure, level, returns):
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        measure(returns, level)


def test_moments_are_biased_and_the_kurtosis_raw():
    record = np.random.default_rng(6).exponential(size=24)
    assert stats.skewness(record) == pytest.approx(scipy.stats.skew(record))
    assert stats.kurtosis(record) == pytest.approx(
        scipy.stats.kurtosis(record, fisher=False)
    )


@pytest.mark.parametrize("num_obs", [100, 1000])
def test_measures_agree_with_empyrical(num_obs):
    """On these lengths 5% of the periods are a whole number, as its CVaR needs."""
    empyrical = pytest.importorskip("empyrical")
    record = np.random.default_rng(7).normal(0.0005, 0.01, num_obs)
    pairs = [
        (stats.sharpe, empyrical.sharpe_ratio),
        (stats.sortino, empyrical.sortino_ratio),
        (stats.max_drawdown, empyrical.max_drawdown),
        (stats.calmar, empyrical.calmar_ratio),
        (stats.annual_return, empyrical.annual_return),
        (stats.volatility, empyrical.annual_volatility),
        (lambda r: -stats.value_at_risk(r), empyrical.value_at_risk),
        (
            lambda r: -stats.conditional_value_at_risk(r),
            empyrical.conditional_value_at_risk,
        ),
    ]
    for ours, theirs in pairs:
        assert ours(record) == pytest.approx(theirs(record), rel=1e-9)


def test_standard_error_of_a_normal_is_that_of_lo():
    assert stats.sharpe_standard_error(0.1, 100) == pytest.approx(
        math.sqrt((1 + 0.1**2 / 2) / 100)
    )


def test_standard_error_gives_the_published_psr():
    """Bailey and López de Prado (2012), T − 1 for T, on 24 months of a skewed fund."""
    error = stats.sharpe_standard_error(0.458, 23, skew=-2.448, kurtosis=10.164)
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
    low, high = stats.sharpe_interval(record, 0.9, periods_a_year=12)
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


def test_probabilistic_sharpe_of_months_is_the_published_one():
    """Daily numbers would hide an excess kurtosis taken for a raw one."""
    fund = {"sr": 0.458, "benchmark_sr": 0.0, "num_obs": 24, "skew": -2.448}
    raw = stats.probabilistic_sharpe(**fund, kurtosis=10.164)
    assert raw == pytest.approx(0.9133611, abs=1e-7)
    assert abs(stats.probabilistic_sharpe(**fund, kurtosis=7.164) - raw) > 0.005


def test_probabilistic_sharpe_agrees_with_skfolio():
    measures = pytest.importorskip("skfolio.measures")
    record = 0.8 - np.random.default_rng(8).exponential(size=36)
    ours = stats.probabilistic_sharpe(
        stats.sharpe(record, 1), 0.1, 36, stats.skewness(record), stats.kurtosis(record)
    )
    theirs = measures.probabilistic_sharpe_ratio(record, benchmark_sharpe_ratio=0.1)
    assert ours == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
def test_probabilistic_sharpe_is_as_sure_as_it_should_be(sign):
    """At the true ratio it is uniform; a skew of the wrong sign would show."""
    rng = np.random.default_rng(9)
    records = sign * (rng.exponential(size=(2000, 240)) - 1) + 0.3
    sure = [
        stats.probabilistic_sharpe(
            stats.sharpe(r, 1), 0.3, 240, stats.skewness(r), stats.kurtosis(r)
        )
        for r in records
    ]
    assert 0.02 <= np.mean(np.array(sure) > 0.95) <= 0.08
    assert 0.44 <= np.mean(np.array(sure) > 0.5) <= 0.56


def test_probabilistic_sharpe_that_does_not_exist_is_nan():
    assert math.isnan(stats.probabilistic_sharpe(0.1, 0.0, 2, 0.0, 3.0))
    assert math.isnan(stats.probabilistic_sharpe(1.0, 0.0, 100, 2.0, 3.0))
    assert math.isnan(stats.probabilistic_sharpe(math.nan, 0.0, 100, 0.0, 3.0))


@pytest.mark.parametrize(
    "measure",
    [
        lambda kurtosis: stats.sharpe_standard_error(0.1, 100, 0.0, kurtosis),
        lambda kurtosis: stats.probabilistic_sharpe(0.1, 0.0, 100, 0.0, kurtosis),
        lambda kurtosis: stats.min_track_record(0.1, 0.0, 0.0, kurtosis),
    ],
)
def test_excess_kurtosis_is_refused_where_it_shows(measure):
    with pytest.raises(ValueError, match="raw kurtosis, 3 for a normal"):
        measure(0.0)
    coin = stats.kurtosis(np.tile([0.011, -0.009], 50))  # 1, but for rounding.
    assert math.isfinite(measure(coin))


@pytest.mark.parametrize(
    "periods, skew, kurtosis, years",
    [(252, 0, 3, 2.73), (52, 0, 3, 2.83), (12, 0, 3, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_minimum_track_records_of_the_paper(periods, skew, kurtosis, years):
    """Bailey and López de Prado (2012): annual SR of 2, to be above 1, at 95%."""
    root = math.sqrt(periods)
    length = stats.min_track_record(2 / root, 1 / root, skew, kurtosis)
    assert length / periods == pytest.approx(years, abs=0.005)


def test_minimum_track_record_is_just_enough():
    for confidence in (0.6, 0.95, 0.999):
        length = stats.min_track_record(0.1, 0.05, -1.0, 6.0, confidence)
        reached = stats.probabilistic_sharpe(0.1, 0.05, length, -1.0, 6.0)
        assert reached == pytest.approx(confidence, rel=1e-9)
    assert stats.min_track_record(0.1, 0.05, -1.0, 6.0, 0.5) == 1.0


def test_no_record_proves_what_it_does_not_show():
    assert stats.min_track_record(0.1, 0.1, 0.0, 3.0) == math.inf
    assert stats.min_track_record(-0.1, 0.0, 0.0, 3.0) == math.inf
    assert math.isnan(stats.min_track_record(1.0, 0.0, 2.0, 3.0))
    assert math.isnan(stats.min_track_record(math.nan, 0.0, 0.0, 3.0))


@pytest.mark.parametrize("confidence", [0.4, 1.0, 95])
def test_confidence_in_a_track_record_is_a_share(confidence):
    with pytest.raises(ValueError, match=r"confidence must lie in \[0.5, 1\)"):
        stats.min_track_record(0.1, 0.0, 0.0, 3.0, confidence)


@pytest.mark.parametrize("q", [1, 4, 12, 252])
@pytest.mark.parametrize("lags", [0, 1, 3, 300])
def test_lo_annualisation_is_that_of_a_sum_of_periods(q, lags):
    """SR of q periods summed is q/√(1ᵀR1), R their correlation matrix."""
    rho = 0.7 ** np.arange(1, lags + 1)
    column = np.zeros(max(q, lags + 1))
    column[: lags + 1] = [1.0, *rho]
    total = scipy.linalg.toeplitz(column[:q]).sum()
    assert stats.lo_annualisation(rho, q) == pytest.approx(q / math.sqrt(total))


def test_lo_annualisation_without_memory_is_the_root_of_the_year():
    assert stats.lo_annualisation([0.0, 0.0], 252) == pytest.approx(math.sqrt(252))
    assert stats.lo_annualisation([0.1], 12) < math.sqrt(12)
    assert stats.lo_annualisation([-0.1], 12) > math.sqrt(12)
    # 12 − 2·11·0.6 < 0: no series has this correlation at one lag alone.
    assert math.isnan(stats.lo_annualisation([-0.6], 12))


@pytest.mark.parametrize(
    "rho, q, message",
    [
        ([0.1, np.nan], 12, "lag 2 is nan"),
        ([1.5], 12, "lag 1 is 1.5"),
        ([[0.1]], 12, r"shape \[lags\], got \(1, 1\)"),
        ([0.1], 0, "whole number, got 0"),
        ([0.1], 365.25, "whole number, got 365.25"),
    ],
)
def test_lo_annualisation_refuses(rho, q, message):
    with pytest.raises(ValueError, match=message):
        stats.lo_annualisation(rho, q)


def test_autocorrelations_by_hand():
    record = np.array([1, -1, 1, -1]) / 100 + 0.02
    assert stats.autocorrelations(record, 3) == pytest.approx([-3 / 4, 2 / 4, -1 / 4])
    assert stats.autocorrelations(record, 0).shape == (0,)
    assert np.isnan(stats.autocorrelations([0.01] * 9, 2)).all()
    with pytest.raises(ValueError, match="num_lags is 4, with 4 returns"):
        stats.autocorrelations(record, 4)


def test_bandwidth_of_newey_and_west():
    assert [stats.newey_west_bandwidth(n) for n in (1, 100, 252, 1250)] == [1, 4, 4, 7]
    with pytest.raises(ValueError, match="num_obs must be at least 1"):
        stats.newey_west_bandwidth(0)


def test_lo_sharpe_sees_through_smoothed_returns():
    """A mean of neighbours lowers the sd, not the risk of a year: Lo undoes it."""
    raw = np.random.default_rng(10).normal(0.0005, 0.01, 100_000)
    smooth = (raw[1:] + raw[:-1]) / 2
    assert stats.sharpe(smooth) == pytest.approx(2**0.5 * stats.sharpe(raw), rel=0.01)
    assert stats.lo_sharpe(smooth) == pytest.approx(stats.sharpe(raw), rel=0.03)
    assert stats.lo_sharpe(raw) == pytest.approx(stats.sharpe(raw), rel=0.03)
