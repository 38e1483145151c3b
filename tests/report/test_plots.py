"""Figures draw the numbers they are given."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thesis_rl import stats
from thesis_rl.evaluation.books import Book
from thesis_rl.report import baselines, calibration, canvas, costs, learning, regimes
from thesis_rl.report import headline as headline_lib


@pytest.mark.parametrize("num_days", [1, 7, 1000, 5544])
def test_thinned_series_keeps_its_lowest_day(num_days):
    values = np.random.default_rng(0).normal(size=num_days)
    thin = headline_lib.thin(values)
    assert thin.min() == values.min() and thin[0] <= values[0]
    assert min(num_days, 500) <= len(thin) <= headline_lib.MAX_POINTS


def test_drawdown_is_as_deep_as_the_metric_says():
    returns = np.random.default_rng(0).normal(0.0, 0.02, 300)
    deepest = headline_lib.draw_drawdown(np.cumprod(1 + returns)).min()
    assert deepest == pytest.approx(stats.max_drawdown(returns))


def test_curve_is_the_mean_and_sd_over_runs():
    runs = np.random.default_rng(0).normal(size=(2, 3, 4))
    mean, sd = learning.mean_and_sd(runs)
    np.testing.assert_allclose(mean, runs.mean((0, 1)))
    np.testing.assert_allclose(sd, runs.std((0, 1)))


def test_curve_leaves_out_runs_that_diverged():
    runs = np.ones((2, 2, 3))
    runs[0, 0, 1], runs[1, 1, 1], runs[:, :, 2] = np.nan, np.inf, np.nan
    mean, sd = learning.mean_and_sd(runs)
    np.testing.assert_array_equal(mean, [1.0, 1.0, np.nan])
    np.testing.assert_array_equal(sd, [0.0, 0.0, np.nan])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=6))
def test_labels_keep_their_order_and_their_distance(heights):
    axes = canvas.new(2, 2).subplots()
    axes.set_ylim(0, 1)
    ends = [(height, f"{height}", canvas.INK) for height in heights]
    canvas.label_ends(axes, ends, gap=0.1)
    placed = [text.get_position()[1] for text in axes.texts]
    named = [float(text.get_text()) for text in axes.texts]
    assert named == sorted(height for height in heights if height == height)
    assert all(np.diff(placed) >= 0.1 - 1e-9) and max(placed, default=0) <= 1


def test_label_stands_at_the_height_of_its_line():
    axes = canvas.new(2, 2).subplots()
    axes.plot([0, 1], [0, 8])
    canvas.label_ends(axes, [(4.0, "middle", canvas.INK)], gap=0.1)
    assert axes.texts[0].get_position()[1] == pytest.approx(0.5)


def test_figure_of_one_day_and_of_no_quoted_row_is_drawn():
    dates = pd.DatetimeIndex(["2020-01-02"])
    quoted = np.zeros((1, 2), bool)
    svg = learning.draw_decision_mix(np.zeros((1, 2), int), quoted, dates)
    assert svg.startswith("<svg") and "strong sell" in svg


def test_unknown_metrics_are_drawn_and_none_are_not():
    runs = np.ones((1, 2, 3))
    assert "kl divergence" in learning.draw_training({"x": {"kl_divergence": runs}})
    assert learning.draw_training({"sft": {"loss": np.ones((1, 2, 0))}}) is None
    assert learning.draw_training({}) is None


def test_figures_are_reproducible():
    runs = {"sft": {"loss": np.ones((1, 2, 3))}}
    assert learning.draw_training(runs) == learning.draw_training(runs)


def test_capacity_that_is_off_is_not_drawn():
    assert costs.draw_capacity([], 1e6) is None
    table = [{"capital": 10.0**i, "sharpe": 3.0 - i / 3} for i in range(5, 11)]
    svg = costs.draw_capacity(table, 1e6)
    assert "thousand" in svg and "run at 1 million" in svg


def test_costs_are_drawn_where_the_book_never_varied():
    sweep = [{"bps": bps, "sharpe": None} for bps in (0.0, 2.0, 20.0)]
    assert "charged: 5" in costs.draw_costs(sweep, 5.0)


def test_differences_that_do_not_exist_are_left_out():
    nothing = {"sharpe_difference": None, "interval": [None, None]}
    known = {"sharpe_difference": 0.4, "interval": [-0.1, 0.9]}
    assert baselines.draw_differences({"hold": nothing}) is None
    svg = baselines.draw_differences({"hold": nothing, "equal_weight": known})
    assert "equal weight" in svg and "hold" not in svg


@pytest.mark.parametrize("num_years", [1, 5, 27])
def test_each_regime_has_its_place_and_years_stay_legible(num_years):
    def line(regime, sharpe=0.5):
        return {"regime": regime, "sharpe": sharpe, "interval": [None, None]}

    tables = {
        "year": [line(str(1996 + i)) for i in range(num_years)],
        "volatility": [line("low"), line("high", None)],
        "trend": [line("above")],
    }
    svg = regimes.draw_regimes(tables)
    written = sum(f">{1996 + i}<" in svg for i in range(num_years))
    assert 1 <= written <= regimes.MAX_LABELS and ">1996<" in svg


@pytest.mark.parametrize("headline", [None, float("nan"), 0.3])
def test_paths_are_drawn_beside_whatever_the_headline_is(headline):
    assert "walk-forward" in regimes.draw_paths([0.1, -0.4, None], headline)


def test_reliability_is_drawn_with_empty_bins():
    def bins(*filled):
        count = [7 * (i in filled) for i in range(15)]
        share = [i / 15 if n else None for i, n in enumerate(count)]
        return {"bins": {"confidence": share, "accuracy": share, "count": count}}

    drawn = {"before": bins(3, 9), "temperature": bins(4), "vector": bins()}
    svg = calibration.draw_reliability(drawn)
    assert "as the networks state them" in svg and "vector scaling" in svg


def test_a_record_of_decades_is_drawn_in_little_space():
    rng, num_days = np.random.default_rng(0), 6900
    book = Book(*rng.normal(0.0, 0.01, (7, num_days)))
    dates = pd.bdate_range("1996-01-01", periods=num_days)
    books = {"ensemble": book, "equal_weight": book}
    for svg in (
        headline_lib.draw_equity(books, dates),
        headline_lib.draw_exposure(book, dates),
    ):
        assert len(svg) < 300_000
