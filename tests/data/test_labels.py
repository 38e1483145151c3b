"""Labels against closed forms; what they read, and what they must not."""

import numpy as np
import pandas as pd
import pytest
from ml_collections import config_dict

from thesis_rl.data import labels

RECIPES = ("absolute", "cross_sectional", "trading_r1")


def make_config(**changes) -> config_dict.ConfigDict:
    config = config_dict.create(
        recipe="absolute",
        horizons=(5, 21),
        entry_lag=1,
        vol_window=60,
        root_horizon=True,
        thresholds=(-1.0, -0.25, 0.25, 1.0),
    )
    config.update(changes)
    return config


def walk(num_days: int = 150, num_names: int = 6, seed: int = 0) -> pd.DataFrame:
    steps = np.random.default_rng(seed).normal(0, 0.01, (num_days, num_names))
    days = pd.bdate_range("2020-01-01", periods=num_days, name="date")
    return pd.DataFrame(
        100 * np.exp(steps.cumsum(axis=0)), days, [f"S{i}" for i in range(num_names)]
    )


def alternating(num_days: int, up: float, down: float) -> pd.DataFrame:
    """Returns `up`, `down`, `up`, …: the volatility of an even window is known."""
    growth = np.where(np.arange(num_days) % 2, 1 + up, 1 + down)
    days = pd.bdate_range("2020-01-01", periods=num_days)
    return pd.DataFrame({"A": 100 * growth.cumprod()}, days)


@pytest.mark.parametrize("root_horizon", [True, False])
def test_absolute_label_in_closed_form(root_horizon):
    """Over 4 sessions an alternating path earns ((1 + u)(1 + d))² - 1, always."""
    up, down, window = 0.02, -0.01, 10
    config = make_config(horizons=(4,), vol_window=window, root_horizon=root_horizon)
    made = labels.make(alternating(60, up, down), config)
    sd = (up - down) / 2 * np.sqrt(window / (window - 1))
    earned = ((1 + up) * (1 + down)) ** 2 - 1
    z = earned / sd / (2 if root_horizon else 1)
    np.testing.assert_allclose(made.score[made.labelled], z, rtol=1e-5)
    np.testing.assert_array_equal(made.score, made.payoff)
    assert made.labelled[:, 0].nonzero()[0].tolist() == list(range(window, 60 - 5))


def test_absolute_label_is_the_mean_over_horizons_from_the_entry():
    close, lag = walk(), 2
    made = labels.make(close, make_config(entry_lag=lag))
    p = close.to_numpy()
    day, name = 80, 3
    path = p[day - 60 : day + 1, name]
    sd = np.std(np.diff(path) / path[:-1], ddof=1)
    entry = p[day + lag, name]
    z = [(p[day + lag + h, name] / entry - 1) / sd / np.sqrt(h) for h in (5, 21)]
    np.testing.assert_allclose(made.score[day, name], np.mean(z), rtol=1e-5)


def test_cross_sectional_payoff_is_market_neutral_and_ranked():
    close = walk()
    absolute = labels.make(close, make_config())
    made = labels.make(close, make_config(recipe="cross_sectional"))
    np.testing.assert_array_equal(made.labelled, absolute.labelled)
    np.testing.assert_allclose(made.payoff.sum(axis=1), 0, atol=1e-5)
    day = 80
    demeaned = absolute.payoff[day] - absolute.payoff[day].mean()
    np.testing.assert_allclose(made.payoff[day], demeaned, rtol=1e-4)
    rank = demeaned.argsort().argsort() + 1
    np.testing.assert_allclose(made.score[day], (rank - 0.5) / 6, rtol=1e-6)


def test_cross_sectional_quintiles_are_equally_frequent():
    made = labels.make(walk(num_names=20), make_config(recipe="cross_sectional"))
    days = made.labelled.all(axis=1)
    assert days.sum() == 150 - 60 - 22
    quintile = np.digitize(made.score[days], (0.2, 0.4, 0.6, 0.8))
    counts = np.stack([(quintile == q).sum(axis=1) for q in range(5)])
    assert (counts == 4).all()


def test_cross_sectional_ties_share_their_rank_and_small_days_have_no_label():
    close = walk(num_names=6)
    close["S1"] = close["S0"]
    close.iloc[:70, 3] = np.nan  # S3 has volatility from day 130 on, S4 not ever.
    close.iloc[::2, 4] = np.nan
    made = labels.make(close, make_config(recipe="cross_sectional", vol_window=50))
    assert not made.labelled[:120].any()
    five = made.labelled[120:128]
    assert five[:, [0, 1, 2, 3, 5]].all() and not five[:, 4].any()
    np.testing.assert_array_equal(made.score[:, 0], made.score[:, 1])
    np.testing.assert_allclose(made.score[120:128].sum(axis=1), 2.5, rtol=1e-6)


def test_trading_r1_against_plain_recomputation():
    close, lag, day = walk(), 1, 80
    made = labels.make(close, make_config(recipe="trading_r1"))
    p = close.to_numpy()[:, 2]
    smooth = np.full(len(p), np.nan)
    smooth[2] = p[:3].mean()
    for t in range(3, len(p)):
        smooth[t] = (smooth[t - 1] + p[t]) / 2
    path = smooth[day - 20 : day + 1]
    sd = np.std(np.diff(path) / path[:-1], ddof=1)
    ahead = {h: smooth[day + lag + h] / smooth[day + lag] - 1 for h in (3, 7, 15)}
    score = (0.3 * ahead[3] + 0.5 * ahead[7] + 0.2 * ahead[15]) / sd
    np.testing.assert_allclose(made.score[day, 2], score, rtol=1e-5)
    absolute = labels.make(close, make_config(horizons=(3, 7, 15)))
    np.testing.assert_array_equal(made.payoff, absolute.payoff)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("lag", [1, 3])
def test_reach_is_the_number_of_days_masked_at_the_end(recipe, lag):
    config = make_config(recipe=recipe, entry_lag=lag)
    reach = labels.label_reach(config)
    assert reach == {"trading_r1": 15}.get(recipe, 21) + lag
    made = labels.make(walk(), config)
    assert not made.labelled[-reach:].any()
    assert made.labelled[60:-reach].all()
    assert not made.labelled[:60].any()
    assert not made.score[~made.labelled].any()
    assert not made.payoff[~made.labelled].any()
    assert [x.dtype for x in made] == [np.float32, np.float32, bool]


@pytest.mark.parametrize("recipe", RECIPES)
def test_label_reads_to_its_reach_and_no_further(recipe):
    close, day, config = walk(), 80, make_config(recipe=recipe)
    reach = labels.label_reach(config)
    whole = labels.make(close, config)
    beyond, within = close.copy(), close.copy()
    beyond.iloc[day + reach + 1 :] *= walk(seed=1).iloc[day + reach + 1 :] / 10
    within.iloc[day + reach, :3] *= 1.5
    for a, b in zip(whole, labels.make(beyond, config), strict=True):
        np.testing.assert_array_equal(a[: day + 1], b[: day + 1])
    changed = labels.make(within, config)
    assert (changed.payoff[day, :3] != whole.payoff[day, :3]).all()
    assert (changed.score[day] != whole.score[day]).any()
    np.testing.assert_array_equal(changed.score[:day], whole.score[:day])


def test_the_close_that_decides_is_no_fill():
    """Moving the close of day t moves its volatility, not what it earned."""
    close, day = walk(num_names=1), 80
    config = make_config(vol_window=10, horizons=(5,))
    moved = close.copy()
    moved.iloc[day] *= 1.1
    z = [labels.make(c, config).payoff[day, 0] for c in (close, moved)]
    sd = [c.pct_change().iloc[day - 9 : day + 1, 0].std() for c in (close, moved)]
    np.testing.assert_allclose(z[0] * sd[0], z[1] * sd[1], rtol=1e-4)


@pytest.mark.parametrize("recipe", RECIPES)
def test_tickers_may_come_in_any_order(recipe):
    close, order = walk(), [3, 0, 5, 1, 4, 2]
    config = make_config(recipe=recipe)
    whole = labels.make(close, config)
    shuffled = labels.make(close.iloc[:, order], config)
    for a, b in zip(whole, shuffled, strict=True):
        np.testing.assert_allclose(a[:, order], b, rtol=1e-4, atol=1e-5)


def test_missing_price_masks_the_rows_that_touch_it():
    close, gap = walk(num_days=200), 100
    close.iloc[gap, 0] = np.nan
    made = labels.make(close, make_config(vol_window=20))
    touched = [gap - 22, gap - 6, gap - 1, *range(gap, gap + 21)]
    untouched = np.setdiff1d(np.arange(20, 200 - 22), touched)
    assert not made.labelled[touched, 0].any()
    assert made.labelled[untouched, 0].all()
    assert made.labelled[20:-22, 1:].all()


@pytest.mark.parametrize("level", [7.0, 7.3, 0.1, 123.456])
def test_a_price_that_stands_still_has_no_label(level):
    close = walk(num_names=2)
    close["S0"] = level
    for recipe in ("absolute", "trading_r1"):
        made = labels.make(close, make_config(recipe=recipe))
        assert not made.labelled[:, 0].any()
        assert made.labelled[:, 1].any()


def test_an_average_at_rest_has_no_label_though_volatility_remembers():
    """What a rolling deviation keeps of moves long past is rounding, and no unit."""
    close = walk(num_names=2)
    close.iloc[30:, 0] = 7.3
    config = make_config(vol_window=110)
    assert labels.make(close, config).labelled[115, 0]
    made = labels.make(close, make_config(recipe="trading_r1", vol_window=110))
    assert not made.labelled[115, 0]
    assert made.labelled[115, 1]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"recipe": "triple"}, "recipe must be one of absolute, cross_sectional, trad"),
        ({"horizons": ()}, "horizons must be whole sessions, each 1 or more"),
        ({"horizons": (5, 0)}, "horizons must be whole sessions, .* got .5, 0."),
        ({"entry_lag": 0}, "entry_lag must be 1 or more"),
        ({"vol_window": 1}, "vol_window must be 2 or more"),
        ({"thresholds": (-1.0, 0.25, 0.25, 1.0)}, "thresholds must be 4 increasing"),
        ({"thresholds": (-1.0, 1.0)}, "thresholds must be 4 increasing numbers"),
    ],
)
def test_bad_config_is_refused_by_key(changes, message):
    config = make_config(**changes)
    for call in (
        lambda: labels.make(walk(), config),
        lambda: labels.label_reach(config),
    ):
        with pytest.raises(ValueError, match=f"config.labels.{message}"):
            call()


def test_one_ticker_cannot_be_ranked():
    close = walk(num_names=1)
    with pytest.raises(ValueError, match="have 1: use config.labels.recipe=absolute"):
        labels.make(close, make_config(recipe="cross_sectional"))
    assert labels.make(close, make_config()).labelled.any()


def test_names_are_ranked_among_the_members_of_their_day():
    close, config = walk(num_names=9), make_config(recipe="cross_sectional")
    member = pd.DataFrame(True, close.index, close.columns)
    member.iloc[:, 6:] = False
    found = labels.make(close, config, member)
    alone = labels.make(close.iloc[:, :6], config)
    for all_names, members in zip(found, alone, strict=True):
        np.testing.assert_array_equal(all_names[:, :6], members)
    assert not found.labelled[:, 6:].any()
