"""Tests of forecasts against statsmodels and scipy, and the size that they promise."""

import math

import numpy as np
import pytest
import scipy.stats

from thesis_rl import stats


@pytest.fixture
def losses():
    """Returns two [300] losses whose difference is dependent from date to date."""
    noise = np.random.default_rng(0).normal(size=(2, 303)) ** 2
    smooth = sum(noise[:, k : 300 + k] for k in range(4))
    return smooth[0] + 0.3, smooth[1]


@pytest.fixture
def panel():
    """Returns scores with ties, returns and a mask, all [40, 12]."""
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 5, (40, 12)).astype(float)
    outcomes = 0.3 * scores + rng.normal(size=(40, 12))
    return scores, outcomes, rng.random((40, 12)) < 0.7


@pytest.mark.parametrize("horizon", [1, 4, 20])
def test_diebold_mariano_is_that_of_statsmodels(losses, horizon):
    stattools = pytest.importorskip("statsmodels.tsa.stattools")
    # With an absolute loss and a target of zero, a forecast is its own loss.
    expected = stattools.diebold_mariano_test(
        np.zeros(300),
        *losses,
        lags=horizon - 1,
        criterion="mae",
        harvey_adj=True,
        horizon=horizon,
    )
    result = stats.diebold_mariano(*losses, horizon)
    assert result == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)


def test_diebold_mariano_one_step_ahead_is_the_paired_t_test(losses):
    """At h = 1 the correction is √((n − 1)/n), which makes the ordinary t."""
    expected = scipy.stats.ttest_rel(*losses)
    assert stats.diebold_mariano(*losses) == pytest.approx(tuple(expected))


def test_diebold_mariano_is_antisymmetric(losses):
    statistic, p = stats.diebold_mariano(*losses, 4)
    assert stats.diebold_mariano(*losses[::-1], 4) == pytest.approx((-statistic, p))
    assert statistic > 0  # The first loses more.


def test_diebold_mariano_of_equals_is_nan(losses):
    assert all(map(math.isnan, stats.diebold_mariano(losses[0], losses[0], 3)))


@pytest.mark.parametrize(
    "slices, horizon, message",
    [
        ((slice(9), slice(8)), 1, "same dates, got 9 and 8"),
        ((slice(9), slice(9)), 9, "horizon must lie between 1 and T - 1 = 8, got 9"),
        ((slice(9), slice(9)), 0, "horizon must lie between 1"),
    ],
)
def test_diebold_mariano_refuses(losses, slices, horizon, message):
    with pytest.raises(ValueError, match=message):
        stats.diebold_mariano(losses[0][slices[0]], losses[1][slices[1]], horizon)


def test_a_panel_of_losses_is_refused():
    with pytest.raises(ValueError, match=r"want loss_a \[T\], got shape \(5, 2\)"):
        stats.diebold_mariano(np.zeros((5, 2)), np.zeros((5, 2)))


@pytest.mark.parametrize("lags", [0, 3, 25])
def test_newey_west_is_that_of_statsmodels(losses, lags):
    api = pytest.importorskip("statsmodels.api")
    x = losses[0] - losses[1]
    fit = api.OLS(x, np.ones(300)).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
    )
    assert stats.newey_west_t(x, lags) == pytest.approx(fit.tvalues[0], rel=1e-9)


def test_newey_west_without_lags_is_the_t_test(losses):
    t = scipy.stats.ttest_1samp(losses[0], 0.0).statistic
    assert stats.newey_west_t(losses[0], 0) == pytest.approx(t * math.sqrt(300 / 299))


def test_newey_west_refuses():
    assert math.isnan(stats.newey_west_t(np.full(9, 0.1), 2))
    with pytest.raises(ValueError, match="lags must lie between 0 and T - 1 = 8"):
        stats.newey_west_t(np.arange(9), 9)
    with pytest.raises(ValueError, match=r"x\[1\] = inf"):
        stats.newey_west_t([0.0, np.inf], 0)


def test_rank_ic_is_that_of_scipy_date_by_date(panel):
    ic = stats.rank_ic(*panel)
    for t, (score, outcome, seen) in enumerate(zip(*panel, strict=True)):
        expected = scipy.stats.spearmanr(score[seen], outcome[seen]).statistic
        assert ic[t] == pytest.approx(expected, abs=1e-12)


def test_rank_ic_never_reads_behind_the_mask(panel):
    scores, outcomes, mask = panel
    hidden = np.where(mask, outcomes, np.nan)
    np.testing.assert_array_equal(
        stats.rank_ic(np.where(mask, scores, np.inf), hidden, mask),
        stats.rank_ic(*panel),
    )


def test_rank_ic_knows_only_order_within_the_date(panel):
    scores, outcomes, mask = panel
    shift = np.arange(40.0)[:, None]
    moved = stats.rank_ic(np.exp(scores) + shift, outcomes**3 - shift, mask)
    np.testing.assert_allclose(moved, stats.rank_ic(*panel), atol=1e-12)
    order = np.random.default_rng(2).permutation(12)
    permuted = stats.rank_ic(*(values[:, order] for values in panel))
    np.testing.assert_allclose(permuted, stats.rank_ic(*panel), atol=1e-12)


def test_dates_without_a_rank_ic():
    mask = np.ones((4, 6), bool)
    mask[0, 4:] = False  # Four names.
    mask[3, 5] = False  # Five.
    scores = np.tile(np.arange(6.0), (4, 1))
    scores[1] = 0.1 + 0.2  # Constant, and no round number.
    outcomes = scores.copy()
    outcomes[1] = np.arange(6)
    outcomes[2] = 0.3
    ic = stats.rank_ic(scores, outcomes, mask)
    np.testing.assert_allclose(ic, [np.nan, np.nan, np.nan, 1.0])


def test_rank_ic_refuses(panel):
    scores, outcomes, mask = panel
    with pytest.raises(ValueError, match="want a bool mask"):
        stats.rank_ic(scores, outcomes, 0.5 * mask)
    with pytest.raises(ValueError, match=r"want scores \(40, 12\) like the mask"):
        stats.rank_ic(scores[:, 1:], outcomes, mask)
    mask[3, 2] = True
    outcomes[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"forward_returns\[3, 2\] = nan"):
        stats.rank_ic(scores, outcomes, mask)


def test_without_overlap_it_is_the_t_test():
    ic = np.random.default_rng(3).normal(0.02, 0.1, 200)
    expected = scipy.stats.ttest_1samp(ic, 0.0)
    assert stats.rank_ic_test(ic, 1) == pytest.approx((ic.mean(), *expected))


def test_overlap_by_brute_force():
    """Every pair of dates closer than H, written out."""
    ic = np.random.default_rng(4).normal(0.02, 0.1, 60)
    ic[[5, 6, 40]] = np.nan
    horizon, dates = 7, np.flatnonzero(~np.isnan(ic))
    deviation = ic - np.nanmean(ic)
    near = [(j, k) for j in dates for k in dates if abs(j - k) < horizon]
    independent = 57**2 / len(near)
    total = sum(deviation[j] * deviation[k] for j, k in near)
    se = math.sqrt(total / 57**2 / (1 - 1 / independent))
    mean, t, p = stats.rank_ic_test(ic, horizon)
    assert (mean, t) == pytest.approx((np.nanmean(ic), mean / se))
    expected = 2 * scipy.stats.t.sf(abs(t), independent - 1)
    assert p == pytest.approx(expected)


def test_dates_without_an_ic_are_left_out_in_place():
    ic = np.random.default_rng(5).normal(0.02, 0.1, 100)
    apart = np.full(300, np.nan)
    apart[::3] = ic
    # Three days apart, labels of three days share no return.
    assert stats.rank_ic_test(apart, 3) == pytest.approx(stats.rank_ic_test(ic, 1))


def test_a_variance_that_is_not_positive_is_weighted():
    """Reversals: ±1 in turn, so that pairs a day apart outweigh the days themselves."""
    ic = 0.1 * (-1.0) ** np.arange(40) + 0.01
    deviation = ic - ic.mean()
    assert deviation @ deviation + 2 * deviation[1:] @ deviation[:-1] < 0
    mean, t, p = stats.rank_ic_test(ic, 2)
    independent = 40**2 / (40 + 2 * 39)
    total = deviation @ deviation + deviation[1:] @ deviation[:-1]
    assert t == pytest.approx(mean * 40 * math.sqrt((1 - 1 / independent) / total))
    assert 0 < p < 1


def test_too_little_to_test_is_nan():
    assert all(map(math.isnan, stats.rank_ic_test(np.full(9, np.nan), 1)))
    mean, t, p = stats.rank_ic_test(np.full(100, 0.1), 5)
    assert mean == pytest.approx(0.1) and math.isnan(t) and math.isnan(p)
    mean, t, p = stats.rank_ic_test(np.arange(20.0), 20)  # One label, in effect.
    assert mean == 9.5 and math.isnan(t) and math.isnan(p)


def test_rank_ic_test_refuses():
    with pytest.raises(ValueError, match="label_horizon must be at least 1"):
        stats.rank_ic_test(np.zeros(9), 0)
    with pytest.raises(ValueError, match=r"ic\[0\] = inf"):
        stats.rank_ic_test(np.array([np.inf, 0.1]), 1)


def null_rejections(num_simulations, num_dates, horizon, persistent):
    """Returns the share of p-values below 5% where scores know nothing.

    Eight names, independent returns, labels that sum the `horizon` days ahead. A
    persistent score ranks the names alike every day, which makes the ICs as dependent
    as their labels; a fresh one makes them white.
    """
    rng = np.random.default_rng(horizon * num_dates + persistent)
    rejected = []
    for _ in range(num_simulations):
        returns = rng.normal(size=(num_dates + horizon, 8))
        total = np.cumsum(returns, axis=0)
        labels = total[horizon:] - total[:-horizon]
        scores = rng.normal(size=(1 if persistent else num_dates, 8))
        scores = np.broadcast_to(scores, labels.shape)
        ic = stats.rank_ic(scores, labels, np.ones(labels.shape, bool))
        rejected.append(
            [
                stats.rank_ic_test(ic, horizon)[2] < 0.05,
                abs(stats.newey_west_t(ic, 0)) > 1.96,
            ]
        )
    return np.mean(rejected, axis=0)


@pytest.mark.parametrize("horizon", [5, 20])
def test_overlapping_labels_reject_a_true_null_as_often_as_they_say(horizon):
    rate, naive = null_rejections(400, 500, horizon, persistent=True)
    # 3–8%, and two standard errors of 400 simulations.
    assert 0.013 <= rate <= 0.102
    assert naive > 0.25  # What taking the dates for independent would do.


@pytest.mark.slow
@pytest.mark.parametrize("num_dates", [500, 1250])
@pytest.mark.parametrize("horizon", [5, 20])
@pytest.mark.parametrize("persistent", [True, False])
def test_size_of_overlapping_labels_in_full(num_dates, horizon, persistent):
    rate, _ = null_rejections(3000, num_dates, horizon, persistent)
    assert 0.03 <= rate <= 0.08
