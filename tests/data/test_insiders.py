"""Net purchases agree with their definition, and nothing filed later changes them."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.filings import closes
from thesis_rl.data import clock, events
from thesis_rl.data.features import insiders

NAMES = ["A", "B", "C"]
DAYS = pd.bdate_range("2024-01-02", "2024-12-31") + pd.Timedelta(hours=21)
WINDOW = pd.Timedelta(days=90)


def trade(field, traded, accepted, value, *, name="A", document="1", place=1):
    """Makes a trade as Form 4 tells it: dated by the day, known by the minute."""
    return {
        "source": "sec",
        "name": name,
        "field": field,
        "event_time": clock.end_of_day(traded),
        "knowledge_time": clock.new_york(f"{accepted} 10:30"),
        "value": float(value),
        "document": document,
        "place": f"nonDerivativeTransaction[{place}]",
        "text": "director",
    }


def form(text, accepted, name="A"):
    """Makes the event of a filing, of whatever form."""
    known = clock.new_york(f"{accepted} 10:30")
    times = {"event_time": known, "knowledge_time": known}
    return (
        {"source": "sec", "name": name, "field": "filing", "value": 1.0}
        | times
        | {
            "document": f"{text} of {accepted}",
            "text": text,
        }
    )


def net(rows, *days, **kwargs):
    """Returns net purchases of A, in USD, and the age of each, at closes."""
    volume = np.ones((len(days), 1))
    made = events.table(rows)
    found = insiders.compute(made, ["A"], closes(*days), volume, **kwargs)["f_insider"]
    return found.values[:, 0].tolist(), found.age_days[:, 0]


def test_purchases_count_for_and_sales_against():
    rows = [
        trade("purchase", "2024-03-04", "2024-03-05", 500, place=1),
        trade("sale", "2024-03-04", "2024-03-05", 700, place=2),
        trade("purchase", "2024-03-04", "2024-03-05", 40, name="B"),
    ]
    assert net(rows, "2024-03-06")[0] == [-200]


def test_a_trade_counts_from_its_filing_on_and_until_90_days_after_its_own_date():
    """Bought on 1 March, filed on 1 May: it counts until 30 May, not until 30 July."""
    rows = [trade("purchase", "2024-03-01", "2024-05-01", 500)]
    days = "2024-03-04", "2024-04-30", "2024-05-01", "2024-05-30", "2024-05-31"
    values, age = net(rows, *days)
    np.testing.assert_array_equal(values, [np.nan, np.nan, 500, 500, 0])
    assert np.isnan(age[:2]).all()
    filed = clock.new_york("2024-05-01 10:30")
    np.testing.assert_allclose(
        age[2:], (closes(*days[2:]) - filed) / pd.Timedelta("1D")
    )


def test_both_ends_of_the_window_count_to_the_nanosecond():
    row = trade("purchase", "2024-03-01", "2024-03-05", 500)
    first, last = row["knowledge_time"], row["event_time"] + WINDOW
    moment = pd.Timedelta(1)
    days = pd.DatetimeIndex([first - moment, first, last, last + moment])
    found = insiders.compute(events.table([row]), ["A"], days, np.ones((4, 1)))
    values = found["f_insider"].values[:, 0]
    np.testing.assert_array_equal(values, [np.nan, 500, 500, 0])


def test_a_trade_filed_too_late_never_counts():
    rows = [trade("sale", "2021-03-01", "2024-03-05", 500)]
    assert net(rows, "2024-03-05", "2024-06-03")[0] == [0, 0]


def test_a_trade_filed_on_its_own_day_is_dated_by_the_end_of_that_day():
    rows = [trade("purchase", "2024-03-05", "2024-03-05", 500)]
    np.testing.assert_array_equal(
        net(rows, "2024-03-05", "2024-03-06")[0], [np.nan, 500]
    )


def test_an_amendment_takes_back_what_it_replaces_from_its_own_filing_on():
    """Of two purchases of one filing the second was 50, not 500."""
    rows = [
        trade("purchase", "2024-03-04", "2024-03-05", 300, place=1),
        trade("purchase", "2024-03-04", "2024-03-05", 500, place=2),
        trade("purchase", "2024-03-04", "2024-03-12", math.nan, place=2),
        trade("purchase", "2024-03-04", "2024-03-12", 50, document="2", place=2),
    ]
    for order in (rows, rows[::-1]):
        assert net(order, "2024-03-11", "2024-03-12")[0] == [800, 350]


def test_a_trade_that_is_taken_back_alone_leaves_nothing_but_the_filing():
    rows = [
        trade("sale", "2024-03-04", "2024-03-05", 0.3),
        trade("sale", "2024-03-04", "2024-03-12", math.nan),
    ]
    values, age = net(rows, "2024-03-11", "2024-03-12")
    assert values == [-0.3, 0]
    assert age[1] < 1


def test_the_same_place_in_another_document_is_another_trade():
    rows = [
        trade("sale", "2024-03-04", "2024-03-05", 500, document="1"),
        trade("sale", "2024-03-04", "2024-03-06", 500, document="2"),
    ]
    assert net(rows, "2024-03-05", "2024-03-06")[0] == [-500, -1000]


def test_a_listed_form_that_nobody_read_is_no_evidence_of_a_lack_of_trades():
    rows = [form("4", "2024-03-05"), form("10-Q", "2024-03-06")]
    values, age = net(rows, "2024-03-08")
    assert np.isnan(values).all() and np.isnan(age).all()


def test_it_is_as_old_as_the_latest_filing_of_a_trade():
    rows = [
        trade("sale", "2024-01-04", "2024-01-05", 500),
        trade("sale", "2023-11-06", "2024-03-05", 600, document="2"),
    ]
    values, age = net(rows, "2024-03-04", "2024-03-05", "2024-06-04")
    assert values == [-500, -500, 0]
    filed = pd.to_datetime(["2024-01-05 15:30", "2024-03-05 15:30", "2024-03-05 15:30"])
    passed = closes("2024-03-04", "2024-03-05", "2024-06-04") - filed
    np.testing.assert_allclose(age, passed / pd.Timedelta("1D"))


def test_trades_of_any_size_leave_an_exact_zero():
    """Sums of 0.1, 0.2 and 1e15 differ by their order; an empty window is 0."""
    rows = [
        trade(
            "purchase", f"2024-01-{day:02}", f"2024-01-{day + 1:02}", value, place=day
        )
        for day, value in ((8, 0.1), (9, 1e15), (10, 0.2), (11, 0.3))
    ]
    values, _ = net(rows, "2024-02-01", "2024-04-09", "2024-04-10", "2024-06-03")
    assert values[1:] == [0.2 + 0.3, 0.3, 0]


def test_without_a_volume_it_grows_by_the_logarithm_and_keeps_its_sign():
    rows = [trade("sale", "2024-03-04", "2024-03-05", 9e5)]
    found = insiders.compute(events.table(rows), NAMES, closes("2024-03-05"))[
        "f_insider"
    ]
    np.testing.assert_allclose(found.values, [[-math.log(10), np.nan, np.nan]])


def test_with_a_volume_it_is_in_days_of_trading():
    rows = [trade("purchase", "2024-03-04", "2024-03-05", 500, name=n) for n in NAMES]
    volume = np.array([[1000, 0, np.nan]])
    found = insiders.compute(events.table(rows), NAMES, closes("2024-03-05"), volume)
    np.testing.assert_array_equal(found["f_insider"].values, [[0.5, np.nan, np.nan]])


def test_a_trade_that_no_amendment_could_name_is_refused():
    rows = [trade("sale", "2024-03-04", "2024-03-05", 5) | {"place": ""}]
    with pytest.raises(ValueError, match="sale of A known at 2024-03-05 .* no place"):
        net(rows, "2024-03-06")


def test_no_events_at_all():
    found = insiders.compute(events.table([]), NAMES, DAYS)["f_insider"]
    assert found.values.shape == (len(DAYS), 3)
    assert np.isnan(found.values).all() and np.isnan(found.age_days).all()
    assert insiders.cite(events.table([]), "f_insider", "A", DAYS[0]).empty


def test_another_feature_is_refused():
    with pytest.raises(ValueError, match="f_insider alone, not 'f_quality'"):
        insiders.cite(events.table([]), "f_quality", "A", DAYS[0])


def market(seed, size=150):
    """Makes trades of three names in any order, amended, taken back and repeated."""
    rng = np.random.default_rng(seed)
    traded = pd.Timestamp("2023-10-02") + pd.to_timedelta(
        rng.integers(0, 420, size), "D"
    )
    lag = pd.to_timedelta(np.rint(rng.exponential(12, size) * 1440), "min")
    last = pd.Timedelta("23:59:59")
    rows = [
        {
            "source": "sec",
            "name": NAMES[rng.integers(3)],
            "field": ("purchase", "sale")[rng.integers(2)],
            "event_time": traded[i] + last,
            "knowledge_time": traded[i] + lag[i] + pd.Timedelta("10h"),
            "value": rng.lognormal(3, 4) if rng.random() < 0.85 else math.nan,
            "document": f"document {rng.integers(size // 4)}",
            "place": f"nonDerivativeTransaction[{rng.integers(1, 3)}]",
        }
        for i in range(size)
    ]
    return events.table(rows)


def plain(rows, name, day):
    """Sums what counts at one decision, and finds what was filed last."""
    seen, latest = {}, {}
    filed = None
    for row in rows.sort_values(["knowledge_time", "seq"]).itertuples():
        if row.name != name or row.knowledge_time > day:
            continue
        key = row.field, row.document, row.place
        latest[key] = row.Index
        seen[row.Index] = row
        if row.event_time <= day:
            visible = max(row.knowledge_time, row.event_time)
            filed = visible if filed is None else max(filed, visible)
    total = 0.0
    for index, row in seen.items():
        in_window = row.event_time <= day <= row.event_time + WINDOW
        in_force = latest[row.field, row.document, row.place] == index
        if in_window and in_force and not math.isnan(row.value):
            total += row.value if row.field == "purchase" else -row.value
    return (
        (math.nan, math.nan) if filed is None else (total, (day - filed) / WINDOW * 90)
    )


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_it_agrees_with_its_definition(seed):
    rows, days = market(seed), DAYS[::12]
    expected = [[plain(rows, name, day) for name in NAMES] for day in days]
    volume = np.ones((len(days), 3))
    found = insiders.compute(rows, NAMES, days, volume)["f_insider"]
    np.testing.assert_array_equal(found.values, np.array(expected)[:, :, 0])
    np.testing.assert_allclose(found.age_days, np.array(expected)[:, :, 1], rtol=1e-12)


def test_order_of_rows_and_decisions_is_nothing():
    rows = market(1)
    found = insiders.compute(rows, NAMES, DAYS)["f_insider"]
    again = insiders.compute(rows.sample(frac=1, random_state=0), NAMES, DAYS[::-1])
    for part, other in zip(found, again["f_insider"], strict=True):
        assert part.tobytes() == other[::-1].tobytes()


def test_what_is_filed_later_changes_no_bit():
    """After the cut values are wild, and every trade of the past is taken back."""
    rows, cut = market(2), DAYS[130]
    later = rows["knowledge_time"] > cut
    assert later.sum() > 20 < (~later).sum()
    wild = rows.assign(value=rows["value"].where(~later, 1e300))
    gone = rows[~later].assign(value=np.nan, knowledge_time=cut + pd.Timedelta(1))
    poisoned = pd.concat([gone.assign(seq=-1), wild], ignore_index=True)
    before = insiders.compute(rows, NAMES, DAYS)["f_insider"]
    after = insiders.compute(poisoned, NAMES, DAYS)["f_insider"]
    for part, other in zip(before, after, strict=True):
        assert part[:131].tobytes() == other[:131].tobytes()
        assert part[131:].tobytes() != other[131:].tobytes()


def test_cited_trades_alone_give_the_same_number():
    rows = market(3)
    found = insiders.compute(rows, NAMES, DAYS)["f_insider"].values
    for t in range(0, len(DAYS), 20):
        for n, name in enumerate(NAMES):
            cited = insiders.cite(rows, "f_insider", name, DAYS[t])
            assert cited.empty == np.isnan(found[t, n])
            again = insiders.compute(cited, [name], DAYS[[t]])["f_insider"].values
            np.testing.assert_array_equal(again, found[t, n : n + 1][None])
            assert (cited["knowledge_time"] <= DAYS[t]).all()


def test_an_empty_window_cites_the_latest_filing():
    bought = trade("purchase", "2024-03-06", "2024-03-07", 500)
    late = trade("sale", "2023-03-06", "2024-03-11", 700, document="2")
    rows = events.table([bought, late, form("4", "2024-06-03")])
    last = bought["event_time"] + WINDOW
    assert insiders.cite(rows, "f_insider", "A", last).index.to_list() == [0]
    after = last + pd.Timedelta(1)
    assert insiders.cite(rows, "f_insider", "A", after).index.to_list() == [1]
