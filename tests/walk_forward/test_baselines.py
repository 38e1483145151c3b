"""Strategies that learn little: what they hold, and that they cannot see ahead."""

import sys

import jax
import numpy as np
import pandas as pd
import pytest
import small_problems

from thesis_rl.data.panel import Dataset
from thesis_rl.learning import preprocess
from thesis_rl.thesis.vocabulary import DECISION_POSITIONS
from thesis_rl.types import Market
from thesis_rl.walk_forward import baselines
from thesis_rl.walk_forward.folds import make_folds

T, N, REACH = 400, 6, 5
FOLDS = make_folds(T, train_days=60, test_days=30, label_horizon=REACH)
FIRST = FOLDS.test_start[0]


@pytest.fixture
def returns():
    return np.random.default_rng(0).normal(0.0, 0.01, (T, N))


def frame(returns):
    dates = pd.bdate_range("2020-01-01", periods=T)
    return pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), dates)


def dataset(returns, panel):
    close = frame(returns)
    return Dataset(
        panel=panel,
        market=Market(returns, close.notna().to_numpy()),
        close=close,
        feature_names=small_problems.FEATURES,
        label_reach=REACH,
        signal=None,
        report={},
    )


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


def test_feature_signs_are_of_the_distance_to_the_mean_of_the_names_seen():
    # The mean of 1, 2 and 6 is 3, and of the signs -1, -1, 1 it is -1/3.
    features = np.array([[[1.0], [2.0], [6.0], [-99.0]]], np.float32)
    available = features > 0
    held = baselines.feature_signs(features, available, ("rsi",))
    assert list(held) == ["sign_of_rsi"]
    np.testing.assert_allclose(held["sign_of_rsi"], [[-2 / 3, -2 / 3, 4 / 3, 0]])


def test_a_name_at_the_mean_is_not_held_for_a_rounding_error():
    features = np.full((1, 20, 1), 0.1, np.float32)
    features[0, :2, 0] *= np.array([0, 2], np.float32)  # The mean is .1 still.
    held = baselines.feature_signs(features, np.ones_like(features, bool), ("vol",))
    np.testing.assert_array_equal(held["sign_of_vol"][0], [-1, 1] + [0] * 18)


def test_positions_are_neutral_but_for_those_that_are_long_only(returns):
    panel = jax.device_get(small_problems.noise_panel(T, N))
    held = baselines.positions(dataset(returns, panel), FOLDS)
    features = [name for name in small_problems.FEATURES if name != "vol_rel"]
    signs = [f"sign_of_{name}" for name in features]
    assert list(held) == ["equal_weight", "momentum", "hold", "best_constant", *signs]
    for name, positions in held.items():
        assert positions.shape == (FOLDS.test_stop[-1] - FIRST, N)
        assert positions.dtype == np.float32
        if name not in baselines.UNHEDGED:
            np.testing.assert_allclose(positions.sum(axis=1), 0.0, atol=1e-6)
    for name in features:
        i = small_problems.FEATURES.index(name)
        missing = ~panel.available[FIRST : FOLDS.test_stop[-1], :, i]
        assert missing.any() and not held[f"sign_of_{name}"][missing].any()


@pytest.mark.parametrize(
    "names, kept",
    [
        (("vol", "vol_rel"), ["sign_of_vol"]),
        (("vol_rel", "rsi"), ["sign_of_vol_rel", "sign_of_rsi"]),
    ],
)
def test_a_feature_and_its_distance_to_the_mean_make_one_book(names, kept):
    values = np.random.default_rng(3).normal(size=(4, N, 2)).astype(np.float32)
    held = baselines.feature_signs(values, np.ones_like(values, bool), names)
    assert list(held) == kept
    # Whichever is listed, the book is the same: the mean is taken off in any case.
    relative = values - values.mean(axis=1, keepdims=True)
    again = baselines.feature_signs(relative, np.ones_like(values, bool), names)
    for name in kept:
        np.testing.assert_allclose(held[name], again[name], atol=1e-6)


def test_positions_of_a_day_do_not_know_later_days(returns):
    day = 350
    scrambled = returns.copy()
    scrambled[day + 1 :] *= -3.0
    panel = jax.device_get(small_problems.noise_panel(T, N))
    moved = panel._replace(features=panel.features.copy())
    moved.features[day + 1 :] *= -3.0
    before, after = (
        baselines.positions(dataset(*given), FOLDS)
        for given in ((returns, panel), (scrambled, moved))
    )
    for name in before:
        np.testing.assert_array_equal(
            before[name][: day + 1 - FIRST], after[name][: day + 1 - FIRST], name
        )
        changes = name not in ("equal_weight", "hold")
        assert np.any(before[name] != after[name]) == changes, name


@pytest.mark.parametrize("fit", [baselines.ridge, baselines.boosting])
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
    found = baselines.walk_forward(panel, folds, fit)
    assert np.corrcoef(found.ravel(), signal[unseen].ravel())[0, 1] > 0.8
    wild = payoff.copy()
    wild[folds.train_stop[0] :] *= -9.0
    again = baselines.walk_forward(panel._replace(payoff=wild), folds, fit)
    np.testing.assert_array_equal(found[:60], again[:60])
    assert np.any(found[-60:] != again[-60:])


def test_ridge_solves_its_normal_equations():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(500, 3)), rng.normal(size=500)
    sklearn = pytest.importorskip("sklearn.linear_model")
    oracle = sklearn.Ridge(alpha=baselines.RIDGE_PENALTY, fit_intercept=False)
    np.testing.assert_allclose(
        baselines.ridge(x, y)(x), oracle.fit(x, y).predict(x), rtol=1e-6
    )


def config(recipe="cross_sectional", book="dollar_neutral"):
    return small_problems.config({"labels.recipe": recipe, "backtest.book": book})


def fixed_odds(odds, given):
    """A fit that learns nothing, and lists what it was given."""

    def fit(x, y):
        given.append((x, y))
        return lambda new: np.tile(odds, (len(new), 1))

    return fit


@pytest.mark.parametrize("recipe", ["cross_sectional", "absolute", "trading_r1"])
def test_classifiers_are_taught_the_labels_and_inputs_of_the_policy(recipe):
    settings, given = config(recipe, "long_short"), []
    panel = jax.device_get(small_problems.noise_panel(T, N))
    panel = panel._replace(available=panel.available.copy())
    panel.available[::9, 0] = False
    baselines.walk_forward_classifier(
        panel, FOLDS, fixed_odds(np.eye(5)[2], given), settings
    )
    assert len(given) == len(FOLDS.test_start)
    for (x, y), fold in zip(given, map(type(FOLDS), *FOLDS), strict=True):
        days = slice(fold.train_start, fold.train_stop)
        scaler = jax.device_get(
            preprocess.fit(panel, fold.trains_on(T), settings.labels)
        )
        rows = [
            (panel.score[t, n] >= scaler.thresholds, panel.features[t, n])
            for t in range(T)[days]
            for n in range(N)
            if panel.labelled[t, n] and panel.available[t, n].any()
        ]
        np.testing.assert_array_equal(y, [above.sum() for above, _ in rows])
        assert x.shape == (len(rows), 2 * small_problems.NUM_FEATURES)
        z = (np.array([row for _, row in rows]) - scaler.mean) * scaler.inverse_sd
        z, missing = np.where(x[:, 4:], 0.0, z), x[:, 4:]
        np.testing.assert_allclose(x[:, :4], z, rtol=1e-4, atol=1e-5)
        assert 0 < missing.mean() < 0.2 and set(np.unique(missing)) == {0, 1}


def test_the_position_is_the_expected_one_and_neutral_only_where_asked():
    odds = np.array([0.1, 0.1, 0.2, 0.2, 0.4])  # −.1 − .05 + .1 + .4 = .35.
    panel = jax.device_get(small_problems.noise_panel(T, N))
    panel = panel._replace(available=panel.available.copy())
    panel.available[FIRST, 0] = False
    run, fit = baselines.walk_forward_classifier, fixed_odds(odds, [])
    held = run(panel, FOLDS, fit, config(book="long_only"))
    assert odds @ DECISION_POSITIONS == pytest.approx(0.35)
    seen = panel.available[FIRST : FOLDS.test_stop[-1]].any(axis=-1)
    np.testing.assert_allclose(held, np.where(seen, 0.35, 0.0))
    held = run(panel, FOLDS, fit, config(book="market_hedged"))
    np.testing.assert_allclose(held, 0.0, atol=1e-12)


@pytest.mark.parametrize("name", baselines.LEARNED)
def test_classifiers_find_what_can_be_learnt_and_read_training_rows_alone(name):
    pytest.importorskip("sklearn")
    folds = make_folds(T, train_days=240, test_days=60, label_horizon=REACH)
    unseen = slice(folds.test_start[0], folds.test_stop[-1])
    panel = jax.device_get(small_problems.learnable_panel(T, N))
    market = np.random.default_rng(3).normal(0.0, 3.0, (T, 1))
    panel = panel._replace(features=panel.features.copy())
    panel.features[..., 0] += market  # Which the cross-section knows nothing of.
    fit, settings = baselines.LEARNED[name], config()
    held = baselines.walk_forward_classifier(panel, folds, fit, settings)
    payoff = panel.payoff[unseen] - panel.payoff[unseen].mean(axis=1, keepdims=True)
    assert np.corrcoef(held.ravel(), payoff.ravel())[0, 1] > 0.8
    np.testing.assert_allclose(held.sum(axis=1), 0.0, atol=1e-12)
    wild = panel._replace(score=panel.score.copy())
    wild.score[folds.train_stop[0] :] = 1.0 - wild.score[folds.train_stop[0] :]
    again = baselines.walk_forward_classifier(wild, folds, fit, settings)
    np.testing.assert_array_equal(held[:60], again[:60])
    assert np.any(held[-60:] != again[-60:])


@pytest.mark.parametrize("name", baselines.LEARNED)
def test_a_label_that_was_never_seen_has_no_chance(name):
    pytest.importorskip("sklearn")
    x = np.random.default_rng(0).normal(size=(600, 2))
    chances = baselines.LEARNED[name](x, np.where(x[:, 0] > 0, 4, 1))(x)
    assert chances.shape == (600, 5) and not chances[:, [0, 2, 3]].any()
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    assert np.corrcoef(chances[:, 4], x[:, 0])[0, 1] > 0.7


def test_training_rows_of_one_label_are_refused():
    panel = jax.device_get(small_problems.noise_panel(T, N))
    panel = panel._replace(score=np.full_like(panel.score, 0.5))
    with pytest.raises(ValueError, match=r"days 0 to 59 have the labels \['hold'\]"):
        baselines.walk_forward_classifier(panel, FOLDS, baselines.ridge, config())


@pytest.mark.parametrize("fit", [baselines.boosting, *baselines.LEARNED.values()])
def test_a_missing_extra_names_its_cure(fit, monkeypatch):
    for module in ("ensemble", "linear_model"):
        monkeypatch.setitem(sys.modules, f"sklearn.{module}", None)
    with pytest.raises(ImportError, match=r"pip install 'thesis_rl\[boosting\]'"):
        fit(np.zeros((2, 1)), np.array([0, 1]))
