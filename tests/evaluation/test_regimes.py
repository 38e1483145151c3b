"""Regimes: known when decided, complete, and by hand on small records."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from thesis_rl import files, stats
from thesis_rl.evaluation import regimes
from thesis_rl.walk_forward.folds import make_folds

T, FIRST, LAST = 900, 300, 840
FOLDS = make_folds(T, train_days=290, test_days=180, label_horizon=10)
DATES = pd.bdate_range("2001-01-01", periods=T)
KNOWN = (regimes.known_volatility, regimes.known_trend)


@pytest.fixture
def market():
    rng = np.random.default_rng(0)
    return rng.normal(0.0002, 0.01, T) * rng.uniform(0.5, 2.0, T // 50).repeat(50)


@pytest.fixture
def headline():
    return np.random.default_rng(1).normal(0.0003, 0.008, LAST - FIRST)


def test_the_folds_are_those_that_the_tests_speak_of():
    assert (FOLDS.test_start[0], FOLDS.test_stop[-1]) == (FIRST, LAST)


def test_known_volatility_by_hand(market):
    known = regimes.known_volatility(market)
    for t in (65, 300, T - 1):
        assert known[t] == pytest.approx(np.std(market[t - 64 : t - 1], ddof=1))
    assert np.isnan(known[:64]).all() and np.isfinite(known[64:]).all()


def test_known_trend_by_hand(market):
    known, index = regimes.known_trend(market), [1.0]
    for r in market:
        index.append(index[-1] * (1 + r))  # index[t + 1] is the close of day t.
    for t in (202, 300, T - 1):
        closes = index[t - 200 : t]
        assert len(closes) == 200
        assert known[t] == pytest.approx(index[t - 1] / np.mean(closes) - 1, abs=1e-12)
    assert np.isnan(known[:201]).all() and np.isfinite(known[201:]).all()


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("day", [250, 500])
def test_a_regime_was_known_when_the_book_was_decided(known, day, market):
    """The return of day t is the first that may move a regime, on day t + 2."""
    scrambled = market.copy()
    scrambled[day:] = -5 * market[day:][::-1]
    before, after = known(market), known(scrambled)
    np.testing.assert_array_equal(before[: day + 2], after[: day + 2])
    assert before[day + 2] != after[day + 2]


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("length", [0, 1, 2, 30, 64])
def test_a_short_history_knows_nothing(known, length, market):
    np.testing.assert_array_equal(known(market[:length]), np.full(length, np.nan))


@pytest.mark.parametrize("first", [FIRST, 10])
def test_each_table_has_every_day_once(first, market, headline):
    market, dates = market[FIRST - first :], DATES[FIRST - first :]
    folds = type(FOLDS)(*(bound - (FIRST - first) for bound in FOLDS))
    table = regimes.tabulate(headline, market, dates, folds)
    assert list(table) == ["year", "volatility", "trend", "fold", "worst"]
    for name in ("year", "volatility", "trend", "fold"):
        days = np.array([line["days"] for line in table[name]])
        returns = np.array([line["return"] for line in table[name]])
        assert days.sum() == len(headline) and days.all()
        assert days @ returns / days.sum() == pytest.approx(headline.mean() * 252)
        unknown = {"volatility": 64 - first, "trend": 201 - first}.get(name, 0)
        found = {x["regime"]: x["days"] for x in table[name]}
        assert found.get("unknown", 0) == max(unknown, 0)


def test_lines_hold_the_days_that_they_name(market, headline):
    table = regimes.tabulate(headline, market, DATES, FOLDS)
    days = {
        (name, line["regime"]): line
        for name in ("year", "volatility", "trend", "fold")
        for line in table[name]
    }
    volatility, trend = (known(market)[FIRST:LAST] for known in KNOWN)
    rank = volatility.argsort().argsort()
    members = {
        ("year", "2003"): DATES.year[FIRST:LAST] == 2003,
        ("volatility", "low"): rank < 180,
        ("volatility", "middle"): (rank >= 180) & (rank < 360),
        ("volatility", "high"): rank >= 360,
        ("trend", "above"): trend > 0,
        ("trend", "below"): trend <= 0,
        ("fold", "1"): np.arange(LAST - FIRST) // 180 == 1,
    }
    for key, chosen in members.items():
        line, returns = days[key], headline[chosen]
        assert line["days"] == len(returns) > 20, key
        assert line["return"] == pytest.approx(returns.mean() * 252)
        assert line["sharpe"] == stats.sharpe(returns)
        assert line["interval"] == list(stats.sharpe_interval(returns))
    assert [line["regime"] for line in table["year"]] == ["2002", "2003", "2004"]
    assert [line["regime"] for line in table["volatility"]] == ["low", "middle", "high"]
    assert [line["regime"] for line in table["fold"]] == ["0", "1", "2"]


def test_a_regime_of_few_days_has_a_return_but_no_sharpe(market, headline):
    for days, known in ((19, False), (20, True)):
        dates = pd.bdate_range(end="2002-12-31", periods=FIRST + days).append(
            pd.bdate_range("2003-01-01", periods=T - FIRST - days)
        )
        line = regimes.tabulate(headline, market, dates, FOLDS)["year"][0]
        assert (line["regime"], line["days"]) == ("2002", days)
        assert line["return"] == pytest.approx(headline[:days].mean() * 252)
        assert math.isfinite(line["sharpe"]) == known
        assert np.isfinite(line["interval"]).all() == known


def test_worst_windows_by_brute_force(headline):
    dates = DATES[FIRST:LAST]
    for line, days in zip(
        regimes.worst_windows(headline, dates), (63, 252), strict=True
    ):
        sums = {
            i: headline[i : i + days].sum() for i in range(len(headline) - days + 1)
        }
        start = min(sums, key=sums.get)
        assert line["days"] == days
        assert line["return"] == pytest.approx(sums[start])
        assert line["first"] == str(dates[start].date())
        assert line["last"] == str(dates[start + days - 1].date())


def test_worst_windows_that_just_fit_and_do_not(headline):
    for length, windows in ((62, []), (63, [63]), (251, [63]), (252, [63, 252])):
        found = regimes.worst_windows(headline[:length], DATES[:length])
        assert [line["days"] for line in found] == windows
    assert found[-1]["return"] == pytest.approx(headline[:252].sum())


def test_a_table_is_json(market, headline):
    table = regimes.tabulate(headline, market, DATES, FOLDS)
    assert json.loads(files.to_json(table)) == table


def test_records_that_do_not_fit_are_refused(market, headline):
    bad = market.copy()
    bad[7] = np.nan
    with pytest.raises(ValueError, match="the first at 7"):
        regimes.tabulate(headline, bad, DATES, FOLDS)
    with pytest.raises(ValueError, match="540 headline returns, .* 900, 900 and 539"):
        regimes.tabulate(headline[1:], market, DATES, FOLDS)
    with pytest.raises(ValueError, match="got 899, 900 and 540"):
        regimes.tabulate(headline, market[1:], DATES, FOLDS)
