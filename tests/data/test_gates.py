"""Each gate finds what it is for, by name and day, and lets real moves pass."""

import sys
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from ml_collections import ConfigDict

from thesis_rl import files
from thesis_rl.data import clock, events, prices
from thesis_rl.data.prices import adjust, quotes
from thesis_rl.data.prices.frames import Prices
from thesis_rl.data.quality import gates, quote_gates
from thesis_rl.data.quality.findings import SEVERITIES, Finding
from thesis_rl.data.sources import treasury

CRASH = ("AAPL", "2000-09-29")
SPLITS = {("AAPL", "2000-06-21"), ("MSFT", "2003-02-18"), ("AAPL", "2005-02-28")}


def shipped(source):
    return prices.load(
        ConfigDict({"source": source, "path": "", "start": "", "end": ""})
    )


def as_traded():
    """Reads us5_raw as if nobody had told of its splits."""
    path = prices.FILES / "us5_raw_ohlcv.csv.gz"
    wide = quotes.read(path.read_bytes(), path).pivot(index="date", columns="ticker")
    none = wide["close"] * np.nan
    bars = adjust.Bars(wide["open"], wide["close"], wide["volume"], none, none)
    return adjust.adjusted(bars, {})


def calm_prices(num_days=300, names=("A", "B"), seed=0):
    """Draws prices of 1% a day on sessions, with opens and volume."""
    rng = np.random.default_rng(seed)
    index = clock.sessions("2020-01-02", "2026-01-02")[:num_days].rename("date")
    shape = (num_days, len(names))
    close = 50 * np.exp(np.cumsum(0.01 * rng.normal(size=shape), axis=0))
    volume = 1e6 * np.exp(0.3 * rng.normal(size=shape))
    opens = close * np.exp(0.003 * rng.normal(size=shape))
    frames = (
        pd.DataFrame(values, index, names)
        for values in (close, volume, opens, close * volume)
    )
    close, volume, opens, dollars = frames
    return Prices(close, volume, {}, {}, opens, dollars)


def of_gate(found, gate):
    return [finding for finding in found if finding.gate == gate]


def places(found, gate, severity):
    chosen = [f for f in of_gate(found, gate) if f.severity == severity]
    return {(finding.name, finding.first) for finding in chosen}


def test_calm_prices_pass():
    assert gates.inspect(calm_prices(), {}) == []


@pytest.mark.parametrize("source", ["us6", "us5_raw"])
def test_shipped_prices_with_volume_have_nothing_wrong(source):
    (outliers,) = gates.inspect(shipped(source), {})
    assert (outliers.gate, outliers.severity) == ("outlier", "note")


def test_shipped_prices_without_volume_have_what_a_person_should_look_at():
    """RRC stood below 0.02 before 1995, rounded to 0.001: one tick is a tenth."""
    found = gates.inspect(shipped("us20"), {"treasury": treasury.shipped()})
    worst = [(f.gate, f.name, f.first) for f in found if f.severity != "note"]
    assert worst == [
        ("stale", "RRC", "1990-01-02"),
        ("split", "RRC", "1990-04-10"),
        ("split", *CRASH),
    ]
    late = prices.between(shipped("us20"), "1995-01-01", "")
    assert places(gates.inspect(late, {}), "split", "warn") == {CRASH}
    assert [f.severity for f in found if f.name == "treasury"] == ["note"]


def test_splits_left_in_are_told_from_the_crash():
    raw = as_traded()
    for source in (raw, raw._replace(open=None)):
        found = gates.inspect(source, {})
        assert places(found, "split", "stop") == SPLITS
        assert places(found, "split", "warn") == set()
    assert gates.inspect(shipped("us5_raw"), {})[0].gate == "outlier"


def test_without_volume_a_crash_and_a_split_are_both_but_warnings():
    blind = as_traded()._replace(volume=None, dollar_volume=None)
    found = gates.inspect(blind, {})
    assert places(found, "split", "warn") == SPLITS | {CRASH}
    assert places(found, "split", "stop") == set()


@pytest.mark.parametrize("ratio", [1.5, 2.0, 3.0, 7.0, 20.0])
def test_most_splits_are_found_and_little_else(ratio):
    """Splits planted in real prices, forth and back every 50 sessions."""
    source = shipped("us6")
    days = np.arange(50, len(source.close), 50)
    power = np.zeros(len(source.close))
    power[days] = np.resize([-1.0, 1.0], len(days))
    factor = ratio ** np.cumsum(power)[:, None]
    split = source._replace(close=source.close * factor, open=source.open * factor)
    found = of_gate(gates.inspect(split, {}), "split")
    planted = set(source.close.index[days].strftime("%Y-%m-%d"))
    named = [finding for finding in found if finding.first in planted]
    assert len(found) == len(named)
    assert len(named) >= 0.9 * source.close.iloc[days].notna().to_numpy().sum()
    told = (f"{ratio:g} for 1", f"1 for {ratio:g}")
    assert np.mean([any(t in f.sentence for t in told) for f in named]) > 0.95


def test_a_split_over_a_gap_and_an_adjustment_made_twice_are_found():
    source = calm_prices()
    halved = np.where(np.arange(300) >= 200, 0.5, 1.0)[:, None]
    close, opens = source.close * halved, source.open * halved
    close.iloc[197:200, 0] = opens.iloc[197:200, 0] = np.nan
    found = gates.inspect(source._replace(close=close, open=opens), {})
    day = f"{close.index[200]:%Y-%m-%d}"
    assert places(found, "split", "stop") == {("A", day), ("B", day)}
    twice = source._replace(close=source.close / halved, open=source.open / halved)
    (first, _) = of_gate(gates.inspect(twice, {}), "split")
    assert "1 for 2" in first.sentence and "adjusted for twice" in first.sentence


@pytest.mark.parametrize(
    "usual, factor, split",
    [(0.01, 0.5, True), (0.08, 0.5, True), (0.06, 0.56, False), (0.25, 0.5, False)],
)
def test_a_wild_name_falls_by_itself(usual, factor, split):
    """What is far from any fraction, or usual for the name, is no split."""
    moves = usual * np.resize([1.0, -1.0], 300)
    moves[200] = np.log(factor)
    close = calm_prices().close[["A"]] * 0 + 50 * np.exp(np.cumsum(moves))[:, None]
    found = of_gate(gates.inspect(Prices(close, None, {}, {}), {}), "split")
    assert [f.first for f in found] == [f"{close.index[200]:%Y-%m-%d}"] * split


def test_a_fall_by_half_with_ten_times_the_value_is_no_split():
    source = calm_prices()
    halved = np.where(np.arange(300) >= 200, 0.5, 1.0)[:, None]
    dollars = source.dollar_volume.copy()
    dollars.iloc[200] *= 10
    fell = source._replace(
        close=source.close * halved, open=source.open * halved, dollar_volume=dollars
    )
    assert of_gate(gates.inspect(fell, {}), "split") == []


@given(arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 3))))
def test_run_lengths_count_as_a_loop_does(mask):
    expected = np.zeros(mask.shape, int)
    for (day, i), there in np.ndenumerate(mask):
        before = expected[day - 1, i] if day else 0
        expected[day, i] = before + 1 if there else 0
    np.testing.assert_array_equal(quote_gates.run_lengths(mask), expected)


@pytest.mark.parametrize("length, severity", [(5, "note"), (6, "warn")])
def test_gaps_lie_inside_a_listing_and_long_ones_are_warned_of(length, severity):
    source = calm_prices()
    close = source.close.copy()
    close.iloc[:10, 0] = close.iloc[290:, 0] = np.nan  # Not listed: no gap.
    close.iloc[50, 0] = np.nan
    close.iloc[100 : 100 + length, 0] = np.nan
    (gap,) = of_gate(gates.inspect(source._replace(close=close), {}), "gap")
    first = f"{close.index[50]:%Y-%m-%d}"
    assert gap[1:5] == (severity, "A", first, length + 1)
    assert f"at most {length} in a row" in gap.sentence


@pytest.mark.parametrize(
    "length, volume, stale",
    [
        (5, 1e6, True),
        (4, 1e6, False),
        (10, np.nan, True),
        (9, np.nan, False),
        (10, None, True),
        (9, None, False),
        (40, 0.0, False),
    ],
)
def test_a_close_that_stands_still_is_stale_only_if_it_traded(length, volume, stale):
    source = calm_prices()
    close, shares = source.close.copy(), source.volume.copy()
    close.iloc[100 : 100 + length, 0] = 42.0
    shares.iloc[100 : 100 + length, 0] = np.nan if volume is None else volume
    shares = None if volume is None else shares
    found = gates.inspect(Prices(close, shares, {}, {}), {})
    day = f"{close.index[100]:%Y-%m-%d}"
    assert [f[1:5] for f in of_gate(found, "stale")] == [("warn", "A", day, 1)] * stale


def test_a_repeated_bar_is_one_whose_volume_repeats_too():
    source = calm_prices()
    frames = [source.close.copy(), source.open.copy(), source.volume.copy()]
    for frame in frames:
        frame.iloc[120, 1] = frame.iloc[119, 1]
    frames[0].iloc[60, 0] = frames[0].iloc[59, 0]
    close, opens, volume = frames
    changed = source._replace(close=close, open=opens, volume=volume)
    (found,) = of_gate(gates.inspect(changed, {}), "repeated bar")
    assert found[1:5] == ("warn", "B", f"{close.index[120]:%Y-%m-%d}", 1)


def test_one_history_under_two_names_stops():
    """Even at another scale and over other days; names that are but close pass."""
    rng = np.random.default_rng(1)
    source = calm_prices(names=("A", "B", "C", "D"))
    close = source.close.copy()
    close["C"] = (close["A"] / 3).round(6).where(np.arange(300) >= 200)
    near = 0.0005 * rng.normal(size=300)
    close["D"] = close["B"] * np.exp(near)
    found = of_gate(gates.inspect(source._replace(close=close, open=None), {}), "twins")
    first = f"{close.index[201]:%Y-%m-%d}"
    assert [f[1:5] for f in found] == [("stop", "A", first, 99)]
    assert found[0].sentence.startswith("A and C have the same returns on all 99 days")


def test_outliers_are_counted_and_the_farthest_is_named():
    source = calm_prices()
    close = source.close.copy()
    close.iloc[100:, 0] *= 1.3
    close.iloc[200:, 1] *= 0.6
    changed = source._replace(close=close, open=None, dollar_volume=None)
    (found,) = of_gate(gates.inspect(changed, {}), "outlier")
    days = close.index.strftime("%Y-%m-%d")
    assert found[1:5] == ("note", "", days[100], 2)
    assert "2 returns of 2 names" in found.sentence
    assert f"farthest that of B on {days[200]}, -39.6%" in found.sentence


def test_a_name_that_mostly_stands_still_has_no_usual_return():
    moves = 0.01 * (np.arange(300) % 3 == 0)
    close = calm_prices().close[["A"]] * 0 + 50 * np.exp(np.cumsum(moves))[:, None]
    assert of_gate(gates.inspect(Prices(close, None, {}, {}), {}), "outlier") == []


def test_days_are_held_against_the_calendar():
    source = calm_prices()
    saturday = pd.Timestamp("2020-06-06")
    kept = source.close.index.delete([100, 150]).append(pd.DatetimeIndex([saturday]))
    kept = kept.sort_values()
    frames = {n: f.reindex(kept).ffill() for n, f in source._asdict().items()
              if isinstance(f, pd.DataFrame)}  # fmt: skip
    found = of_gate(gates.inspect(source._replace(**frames), {}), "calendar")
    days = source.close.index.strftime("%Y-%m-%d")
    assert [f[1:5] for f in found] == [
        ("warn", "", days[100], 2),
        ("warn", "", "2020-06-06", 1),
    ]


def test_without_a_calendar_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    clock._calendar.cache_clear()
    (found,) = gates.inspect(calm_prices_of_any_day(), {})
    assert (found.gate, found.severity) == ("calendar", "note")
    assert "pip install 'thesis_rl[data]'" in found.sentence


def calm_prices_of_any_day():
    index = pd.date_range("2020-01-01", periods=100, name="date")
    close = pd.DataFrame({"A": 50 + np.random.default_rng(0).normal(size=100)}, index)
    return Prices(close, None, {}, {})


def event(source, about, known, name="A", value=1.0, field="value"):
    return {
        "source": source,
        "name": name,
        "field": field,
        "event_time": pd.Timestamp(about),
        "knowledge_time": pd.Timestamp(known),
        "value": value,
    }


def look(source, *rows, names=("A", "B")):
    """Inspects one table of events beside prices of January 2020 to March 2021."""
    return gates.inspect(calm_prices(names=names), {source: events.table(rows)})


END_OF_DAY = "2020-06-02 03:59:59"  # 1 June in New York.


@pytest.mark.parametrize(
    "source, about, known, severity",
    [
        ("sec", END_OF_DAY, "2020-06-01 12:00", None),  # The same day, at noon.
        ("sec", END_OF_DAY, "2020-06-01 03:59:59", "warn"),  # The day before.
        ("treasury", END_OF_DAY, "2020-06-01 03:59:59", "stop"),
        ("bars", "2020-06-01 20:00", "2020-06-01 19:59:59", "stop"),
        ("bars", "2020-06-01 20:00", "2020-06-01 20:00", None),
        ("newsapi", "2020-06-01 20:00", "2020-06-01 16:00", "stop"),
        ("fred", END_OF_DAY, "2020-05-01", "warn"),  # A forecast.
        ("membership", END_OF_DAY, "2020-05-01", None),  # Announced ahead.
    ],
)
def test_what_is_known_before_it_happened_is_found(source, about, known, severity):
    found = of_gate(look(source, event(source, about, known)), "known early")
    assert [f.severity for f in found] == ([severity] if severity else [])
    assert all(f.first == "2020-06-01" and f.count == 1 for f in found)


def test_a_source_is_described_with_its_lags_and_retractions():
    lags = np.array([1.0, 2.0, 3.0, 50.0])
    rows = [
        event("sec", "2020-06-01", pd.Timestamp("2020-06-01") + pd.Timedelta(days=lag))
        for lag in lags
    ]
    rows.append(event("sec", "2020-07-01 12:00", "2020-07-06 12:00", value=np.nan))
    (found,) = [f for f in look("sec", *rows) if f.gate == "events"]
    lags = np.append(lags, 5.0)
    assert found[1:5] == ("note", "sec", "2020-05-31", 5)  # In New York.
    assert "2020-05-31 to 2020-07-01, 1 of them retractions" in found.sentence
    assert f"a median of {np.median(lags):.1f} days" in found.sentence
    assert f"99% within {np.quantile(lags, 0.99):.1f}" in found.sentence
    assert "all within 50.0" in found.sentence


def test_rows_past_the_last_session_and_silent_names_are_counted():
    last = calm_prices().close.index[-1]
    inside = clock.end_of_day(last)
    outside = inside + pd.Timedelta(1, "s")
    found = look("sec", event("sec", inside, inside), event("sec", outside, outside))
    (beyond,) = of_gate(found, "past the end")
    after = f"{last + pd.Timedelta(days=1):%Y-%m-%d}"
    assert beyond[1:5] == ("note", "sec", after, 1)
    (silent,) = of_gate(found, "silent")
    assert silent[1:5] == ("note", "sec", "", 1) and "1 of the 2 names: B." in silent[5]


def test_a_source_of_other_names_or_of_nothing_is_warned_of():
    other = event("newsapi", "2020-06-01", "2020-06-02", name="Z")
    (silent,) = of_gate(look("newsapi", other), "silent")
    assert (silent.severity, silent.count) == ("warn", 2)
    (empty,) = look("newsapi")
    assert (empty.severity, empty.count) == ("warn", 0)
    series = event("fred", "2020-06-01", "2020-06-02", name="DGS10")
    assert of_gate(look("fred", series), "silent") == []


def test_the_worst_comes_first_and_only_stops_are_refused():
    raw = as_traded()
    found = gates.inspect(raw, {"newsapi": events.table([])})
    order = [SEVERITIES.index(finding.severity) for finding in found]
    assert order == sorted(order) and set(order) == {0, 1, 2}
    with pytest.raises(ValueError, match="did not pass") as refused:
        gates.refuse(found)
    text = str(refused.value)
    assert [f.sentence in text for f in found] == [f.severity == "stop" for f in found]
    gates.refuse([f for f in found if f.severity != "stop"])


def test_findings_can_be_written_as_json():
    rows = [
        event("sec", "2020-06-01", "2020-05-01"),
        event("sec", "2040-01-01", "2040"),
    ]
    found = gates.inspect(as_traded(), {"sec": events.table(rows)})
    assert {finding.gate for finding in found} >= {"split", "outlier", "known early"}
    for finding in found:
        assert isinstance(finding, Finding) and type(finding.count) is int
        files.to_json(finding._asdict())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.booleans(), st.booleans())
def test_any_pattern_of_missing_quotes_is_looked_at(seed, share, volume, opens):
    """No error, no warning, nothing changed, and the gaps are those of a loop."""
    rng = np.random.default_rng(seed)
    source = calm_prices(num_days=80)
    close = source.close.where(rng.random(source.close.shape) >= share)
    source = source._replace(
        close=close,
        open=source.open if opens else None,
        volume=source.volume.where(rng.random(close.shape) < 0.5) if volume else None,
        dollar_volume=source.dollar_volume if volume else None,
    )
    before = close.copy()
    found = of_gate(gates.inspect(source, {}), "gap")
    pd.testing.assert_frame_equal(close, before)
    gaps = {}
    for name in close:
        quoted = np.flatnonzero(close[name].notna())
        if len(quoted) and (missing := quoted[-1] - quoted[0] + 1 - len(quoted)):
            gaps[name] = missing
    assert {f.name: f.count for f in found} == gaps


def test_a_long_panel_takes_well_under_a_second():
    source = shipped("us20")
    gates.inspect(source, {})  # The calendar is read once.

    def seconds():
        start = time.process_time()
        gates.inspect(source, {})
        return time.process_time() - start

    assert min(seconds() for _ in range(3)) < 1.0
