"""Strategies that learn little: what they hold, and that they cannot see ahead."""

import numpy as np
import pandas as pd
import pytest
import small_problems

from thesis_rl import baselines, regressors
from thesis_rl.folds import make_folds

T, N, REACH = 400, 6, 5
FOLDS = make_folds(T, train_days=60, test_days=30, label_horizon=REACH)
FIRST = FOLDS.test_start[0]


@pytest.fixture
def returns():
    return np.random.default_rng(0).normal(0.0, 0.01, (T, N))


def frame(returns):
    dates = pd.bdate_range("2020-01-01", periods=T)
    return pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), dates)


def test_momentum_buys_what_rose_over_the_year_but_for_the_last_month(returns):
    close = frame(returns)
    held = baselines.momentum(close)
    past = close.to_numpy()[300 - 21] / close.to_numpy()[300 - 252] - 1
    signs = np.sign(past - past.mean())
    np.testing.assert_allclose(held[300], signs - signs.mean(), rtol=1e-6)
    assert not held[:252].any() and held[252:].any(axis=1).all()


def test_best_constant_follows_the_training_window_alone(returns):
    held = baselines.best_constant(returns, FOLDS)
    for i, (start, stop) in enumerate(zip(*FOLDS[:2], strict=True)):
        window = held[30 * i : 30 * (i + 1)]
        np.testing.assert_array_equal(window, np.sign(returns[start:stop].mean()))


def test_positions_of_a_day_do_not_know_later_days(returns):
    day = 350
    scrambled = returns.copy()
    scrambled[day + 1 :] *= -3.0
    before, after = (
        baselines.positions(frame(r), r, FOLDS) for r in (returns, scrambled)
    )
    for name in before:
        np.testing.assert_array_equal(
            before[name][: day + 1 - FIRST], after[name][: day + 1 - FIRST], name
        )
    assert np.any(before["momentum"] != after["momentum"])


@pytest.mark.parametrize("fit", [regressors.ridge, regressors.boosting])
def test_regressions_find_a_linear_payoff_and_read_training_rows_alone(fit):
    folds = make_folds(T, train_days=240, test_days=60, label_horizon=REACH)
    unseen = slice(folds.test_start[0], folds.test_stop[-1])
    panel = small_problems.noise_panel(T, N)
    features = np.array(panel.features)
    signal = features[..., 0] - features[..., 0].mean(axis=1, keepdims=True)
    payoff = signal + 0.1 * np.random.default_rng(1).normal(size=signal.shape)
    full = np.ones_like(panel.labelled)
    panel = panel._replace(
        features=features,
        available=np.ones_like(panel.available),
        payoff=payoff,
        labelled=full,
    )
    found = regressors.walk_forward(panel, folds, fit)
    assert np.corrcoef(found.ravel(), signal[unseen].ravel())[0, 1] > 0.8
    wild = payoff.copy()
    wild[folds.train_stop[0] :] *= -9.0
    again = regressors.walk_forward(panel._replace(payoff=wild), folds, fit)
    np.testing.assert_array_equal(found[:60], again[:60])
    assert np.any(found[-60:] != again[-60:])


def test_ridge_solves_its_normal_equations():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(500, 3)), rng.normal(size=500)
    sklearn = pytest.importorskip("sklearn.linear_model")
    oracle = sklearn.Ridge(alpha=regressors.RIDGE_PENALTY, fit_intercept=False)
    np.testing.assert_allclose(
        regressors.ridge(x, y)(x), oracle.fit(x, y).predict(x), rtol=1e-6
    )
