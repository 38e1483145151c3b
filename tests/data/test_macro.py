"""Rates are those that were known, and unrest is measured against the past alone."""

import numpy as np
import pandas as pd
import pytest

from thesis_rl.data import clock, events
from thesis_rl.data.features import macro

DAYS = pd.bdate_range("2020-01-02", "2021-12-31") + pd.Timedelta(hours=21)
NAMES = ["A", "B", "C"]


def treasury(tenor, day, percent):
    known = clock.end_of_day(day)
    return {
        "source": "treasury",
        "name": tenor,
        "field": "yield",
        "event_time": known,
        "knowledge_time": known,
        "value": percent,
    }


def fred(series, day, vintage, percent):
    return {
        "source": "fred",
        "name": series,
        "field": "value",
        "event_time": clock.end_of_day(day),
        "knowledge_time": clock.end_of_day(vintage),
        "value": percent,
        "document": f"{series}@{vintage}",
    }


def curve(seed=0, missing=0.1):
    """Makes yields of the Treasury on every weekday, some of them missing."""
    rng = np.random.default_rng(seed)
    rows = [
        treasury(tenor, day.normalize(), float(rng.normal(2, 1)))
        for day in DAYS
        for tenor in ("10year", "3month", "2year")
        if rng.random() > missing
    ]
    return events.table(rows)


def closes(seed=0, num_days=522):
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.01, (num_days, len(NAMES)))
    close = 100 * np.exp(np.cumsum(steps, axis=0))
    close[rng.random(close.shape) < 0.02] = np.nan
    return close


def computed(rows, days=DAYS, **kwargs):
    """Returns the features of the first name, each [T]."""
    close = np.full((len(days), len(NAMES)), 1.0)
    found = macro.compute(events.table(rows), NAMES, days, close, **kwargs)
    return {feature: aged.values[:, 0] for feature, aged in found.items()}


def test_every_name_shares_every_feature():
    found = macro.compute(curve(), NAMES, DAYS, closes())
    assert tuple(found) == macro.FEATURES
    for aged in found.values():
        for part in aged:
            assert part.shape == (len(DAYS), len(NAMES))
            np.testing.assert_array_equal(part, np.repeat(part[:, :1], 3, axis=1))
            assert np.isfinite(part[-1]).all()


def test_a_yield_counts_from_the_day_after_it_was_set():
    rows = [
        treasury("10year", "2020-01-06", 1.8),
        treasury("3month", "2020-01-06", 1.5),
    ]
    days = pd.to_datetime(["2020-01-06 21:00", "2020-01-07 21:00"])
    found = computed(rows, days)
    np.testing.assert_array_equal(found["rate_level"], [np.nan, 1.8])
    np.testing.assert_array_equal(found["term_spread"], [np.nan, 1.8 - 1.5])


def test_an_inverted_curve_has_a_spread_below_0():
    rows = [
        treasury("10year", "2020-01-06", 1.5),
        treasury("3month", "2020-01-06", 5.5),
    ]
    assert computed(rows, DAYS[3:4])["term_spread"] == [-4]


def test_a_yield_is_missing_after_a_week_or_as_long_as_is_said():
    rows = [treasury("10year", "2020-01-06", 1.8)]
    set_at = clock.end_of_day("2020-01-06")
    days = pd.DatetimeIndex(
        [set_at + macro.DAILY, set_at + macro.DAILY + pd.Timedelta(1)]
    )
    np.testing.assert_array_equal(computed(rows, days)["rate_level"], [1.8, np.nan])
    monthly = computed(rows, days, max_age=macro.MONTHLY)["rate_level"]
    np.testing.assert_array_equal(monthly, [1.8, 1.8])


def test_a_spread_is_as_old_as_the_older_of_its_yields():
    rows = [
        treasury("10year", "2020-01-06", 1.8),
        treasury("3month", "2020-01-03", 1.5),
    ]
    days = pd.DatetimeIndex([clock.end_of_day("2020-01-07")])
    found = macro.compute(events.table(rows), ["A"], days, np.ones((1, 1)))
    assert found["term_spread"].age_days == 4
    assert found["rate_level"].age_days == 1


def test_fred_counts_where_it_is_known_and_the_treasury_elsewhere():
    """FRED tells of 6 January a day later, and of 8 January not at all."""
    rows = [
        treasury("10year", "2020-01-06", 1.81),
        fred("DGS10", "2020-01-06", "2020-01-07", 1.80),
        treasury("10year", "2020-01-07", 1.83),
        treasury("10year", "2020-01-16", 1.90),
    ]
    days = pd.to_datetime(["2020-01-07 21:00", "2020-01-08 21:00", "2020-01-17 21:00"])
    found = computed(rows, days)
    np.testing.assert_array_equal(found["rate_level"], [1.81, 1.80, 1.90])


def test_a_spread_takes_both_yields_from_one_publisher():
    day = "2020-01-06"
    rows = [
        treasury("10year", day, 1.8),
        treasury("3month", day, 1.5),
        fred("DGS10", day, day, 9.9),
    ]
    assert computed(rows, DAYS[3:4])["term_spread"] == [1.8 - 1.5]
    rows.append(fred("DGS3MO", day, day, 9.0))
    assert computed(rows, DAYS[3:4])["term_spread"] == [9.9 - 9.0]
    rows.append(fred("T10Y3M", day, day, 0.7))
    assert computed(rows, DAYS[3:4])["term_spread"] == [0.7]


def test_a_revision_counts_from_its_vintage_or_never():
    rows = [
        fred("DGS10", "2020-01-06", "2020-01-07", 1.80),
        fred("DGS10", "2020-01-06", "2020-01-09", 1.85),
    ]
    days = pd.to_datetime(["2020-01-09 21:00", "2020-01-10 21:00"])
    np.testing.assert_array_equal(computed(rows, days)["rate_level"], [1.80, 1.85])
    first = computed(rows, days, mode="first_release")["rate_level"]
    np.testing.assert_array_equal(first, [1.80, 1.80])


def test_a_change_compares_what_was_known_on_either_day():
    """The old yield is revised between the two days; what was known then stays."""
    days = DAYS[: macro.CHANGE + 3]
    then, now = days[1].normalize(), days[macro.CHANGE + 1].normalize()
    rows = [
        fred("DGS10", then, then, 1.0),
        fred("DGS10", then, days[20].normalize(), 1.7),
        fred("DGS10", now, now, 1.5),
    ]
    change = computed(rows, days)["rate_change"]
    assert np.isnan(change[:-1]).all()
    assert change[-1] == 0.5


def test_a_tenor_that_is_no_feature_and_other_fields_are_left_alone():
    rows = [treasury("30year", "2020-01-06", 3.0)]
    rows.append(treasury("10year", "2020-01-06", 3.0) | {"field": "close"})
    assert np.isnan(computed(rows)["rate_level"]).all()


def plain_as_of(rows, series, day):
    """Finds the latest yield that was known and fresh."""
    best = None
    for row in rows.itertuples():
        if row.name == series and max(row.event_time, row.knowledge_time) <= day:
            key = row.event_time, row.knowledge_time, row.seq
            if best is None or key > best[0]:
                best = key, row.value
    if best is None or day - best[0][0] > macro.DAILY:
        return np.nan
    return best[1]


def test_rates_agree_with_their_definition():
    rows, days = curve(1, missing=0.6), DAYS[:100]
    long, short = (
        np.array([plain_as_of(rows, tenor, day) for day in days])
        for tenor in ("10year", "3month")
    )
    found = macro.compute(rows, NAMES, days, closes(num_days=100))
    assert 0 < np.isnan(long).sum() < 50
    change = [long[t] - long[t - 63] if t >= 63 else np.nan for t in range(100)]
    expected = {"rate_level": long, "term_spread": long - short, "rate_change": change}
    for feature, values in expected.items():
        np.testing.assert_array_equal(found[feature].values[:, 1], values)


def test_the_regime_agrees_with_its_definition():
    close = closes(2)
    market = [np.nan]
    for t in range(1, len(close)):
        moves = close[t] / close[t - 1] - 1
        market.append(
            np.mean(moves[~np.isnan(moves)]) if (moves == moves).any() else np.nan
        )
    calm = [
        np.std(market[t - 20 : t + 1], ddof=1) if t >= 21 else np.nan
        for t in range(len(close))
    ]
    found = macro.compute(events.table([]), NAMES, DAYS, close)["vol_regime"]
    for t in range(len(close)):
        past = [v for v in calm[: t + 1] if not np.isnan(v)]
        expected = calm[t] / np.median(past) if len(past) >= 252 else np.nan
        np.testing.assert_allclose(found.values[t, 0], expected, rtol=1e-12)
    assert (
        np.isnan(found.values[: 252 + 20]).all()
        and np.isfinite(found.values[272:]).all()
    )
    np.testing.assert_array_equal(
        found.age_days, np.where(np.isnan(found.values), np.nan, 0)
    )


def test_the_regime_is_1_in_even_times_and_2_when_moves_double():
    moves = np.where(np.arange(400) % 2, 0.01, -0.01) * np.where(
        np.arange(400) < 350, 1, 2
    )
    close = np.cumprod(1 + moves)[:, None]
    found = macro.compute(events.table([]), ["A"], DAYS[:400], close)["vol_regime"]
    np.testing.assert_allclose(found.values[[300, 349], 0], 1, rtol=0.01)
    np.testing.assert_allclose(found.values[399, 0], 2, rtol=0.01)


def test_a_market_that_stands_still_or_is_short_has_no_regime():
    for num_days in (1, 20, 400):
        close = np.ones((num_days, 3))
        found = macro.compute(events.table([]), NAMES, DAYS[:num_days], close)
        assert np.isnan(found["vol_regime"].values).all()
    quiet = np.full((400, 3), np.nan)
    found = macro.compute(events.table([]), NAMES, DAYS[:400], quiet)
    assert np.isnan(found["vol_regime"].values).all()


def test_what_comes_later_changes_no_bit():
    rows, close, cut = curve(3), closes(3), 350
    later = rows["knowledge_time"] > DAYS[cut]
    wild = rows.assign(value=rows["value"].where(~later, 1e9))
    known = DAYS[cut] + pd.Timedelta(1)
    extra = [
        fred("DGS10", day.normalize(), known.normalize(), 7.0) for day in DAYS[:cut]
    ]
    again = rows[~later].assign(value=-5.0, knowledge_time=known, seq=10**6)
    poisoned = pd.concat([events.table(extra), again, wild], ignore_index=True)
    spoiled = close.copy()
    spoiled[cut + 1 :] *= np.linspace(1, 1e6, len(close) - cut - 1)[:, None]
    before = macro.compute(rows, NAMES, DAYS, close)
    after = macro.compute(poisoned, NAMES, DAYS, spoiled)
    for feature, aged in before.items():
        for part, other in zip(aged, after[feature], strict=True):
            assert part[: cut + 1].tobytes() == other[: cut + 1].tobytes()
        assert aged.values.tobytes() != after[feature].values.tobytes()


def test_cited_yields_alone_give_the_same_numbers():
    rows = pd.concat([curve(4, missing=0.5), events.table(vintages(5))])
    found = macro.compute(rows, NAMES, DAYS, closes())
    documents = set()
    for t in range(0, 200, 9):
        for feature in ("term_spread", "rate_level", "rate_change"):
            value = found[feature].values[t, 1]
            cited = macro.cite(rows, feature, "B", DAYS[t], DAYS)
            assert cited.empty == np.isnan(value)
            assert (cited["knowledge_time"] <= DAYS[t]).all()
            again = macro.compute(cited, ["B"], DAYS, closes()[:, :1])[feature]
            np.testing.assert_equal(again.values[t, 0], value)
            documents |= set(cited["source"])
    assert documents == {"treasury", "fred"}


def vintages(seed):
    """Makes FRED's ten-year yield of some days, known late and revised."""
    rng = np.random.default_rng(seed)
    days = [day.normalize() for day in DAYS[:200] if rng.random() < 0.3]
    return [
        fred(
            "DGS10", day, day + pd.Timedelta(days=int(rng.integers(0, 9))), rng.normal()
        )
        for day in days
        for _ in range(2)
    ]


def test_a_regime_cites_no_event():
    assert macro.cite(curve(), "vol_regime", "A", DAYS[300], DAYS).empty
    assert macro.cite(curve(), "rate_change", "A", DAYS[10], DAYS).empty


def test_what_cannot_be_is_refused():
    none = events.table([])
    with pytest.raises(ValueError, match="must ascend"):
        macro.compute(none, NAMES, DAYS[::-1], closes())
    with pytest.raises(ValueError, match=r"shape \(522, 3\); want .* the 2 names"):
        macro.compute(none, NAMES[:2], DAYS, closes())
    with pytest.raises(ValueError, match="rate_change, vol_regime, not behind 'vix'"):
        macro.cite(none, "vix", "A", DAYS[0], DAYS)
    with pytest.raises(ValueError, match="none of the decision_times"):
        macro.cite(none, "rate_level", "A", DAYS[0] + pd.Timedelta(1), DAYS)
