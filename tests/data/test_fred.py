"""Every number is known from its own vintage on, however the history is cut up."""

import json
import math
from datetime import date, timedelta

import fred_responses
import ml_collections
import pandas as pd
import pytest
from fred_responses import fred as service
from fred_responses import fred_error
from hypothesis import given, settings
from hypothesis import strategies as st
from macro_news_responses import collect, response

from thesis_rl.data import clock, events
from thesis_rl.data.sources import fred
from thesis_rl.data.sources.keys import BadResponse
from thesis_rl.data.store.raw import Request

SERIES = "CPIAUCSL"
RECEIVED = "2030-01-01 12:00"
VINTAGES = [f"2020-01-{day:02d}" for day in range(1, 13)]
# By observation: the value at each of some vintages, "." missing, None left out.
HISTORIES = st.dictionaries(
    st.sampled_from(["2019-10-01", "2019-11-01", "2019-12-01"]),
    st.dictionaries(
        st.sampled_from(VINTAGES),
        st.sampled_from(["1.0", "2.0", "-3.5", ".", None]),
        min_size=1,
    ),
    min_size=1,
)


def fetched(history, until="2029-12-31", received=RECEIVED):
    config = ml_collections.ConfigDict({"until": until})
    return collect(fred, service(history, until), SERIES, config, received)


def parsed(history, **options):
    return fred.parse(fetched(history, **options))


def told(table):
    """Lists (observation, vintage, value) of events, days read off their documents."""
    about = table["event_time"].dt.tz_localize("UTC").dt.tz_convert(clock.NEW_YORK)
    known = table["document"].str.removeprefix(f"{SERIES}@")
    return list(zip(about.dt.strftime("%Y-%m-%d"), known, table["value"], strict=True))


def daily(count: int, first="2001-01-01") -> dict[str, dict[str, str]]:
    """Makes a series of yields, each known the day after and never revised."""
    days = [date.fromisoformat(first) + timedelta(number) for number in range(count)]
    return {
        str(day): {str(day + timedelta(1)): f"{number % 700 / 100:.2f}"}
        for number, day in enumerate(days)
    }


def vintages(*days):
    body = {"count": len(days), "offset": 0, "vintage_dates": days}
    request = Request("fred", SERIES, fred.VINTAGES, fred_responses.VINTAGES_PATH)
    return response(request, json.dumps(body).encode(), RECEIVED)


def chunk(start, end, *rows):
    """Makes one response of observations; rows are (start, end, day, value)."""
    keys = ("realtime_start", "realtime_end", "date", "value")
    said = [dict(zip(keys, row, strict=True)) for row in rows]
    body = {"realtime_start": start, "realtime_end": end, "count": len(rows)}
    path = fred_responses.OBSERVATIONS_PATH
    request = Request("fred", SERIES, fred.OBSERVATIONS, path)
    content = json.dumps(body | {"observations": said}).encode()
    return response(request, content, RECEIVED)


@settings(max_examples=60, deadline=None)
@given(HISTORIES, st.integers(1, 5), st.integers(1, 4))
def test_what_is_known_on_each_day_is_what_fred_said_then(history, chunk_size, page):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fred, "CHUNK", chunk_size)
        patch.setattr(fred, "MOST_OBSERVATIONS", page)
        patch.setattr(fred, "MOST_VINTAGES", page)
        table = parsed(history).events
    versions = sorted(told(table), key=lambda version: version[:2])
    known = clock.end_of_day([vintage for _, vintage, _ in told(table)])
    assert list(known) == list(table["knowledge_time"])
    for today in VINTAGES:
        latest = {day: value for day, vintage, value in versions if vintage <= today}
        standing = {day: x for day, x in latest.items() if not math.isnan(x)}
        truth = {}
        for day, said in history.items():
            past = [said[vintage] for vintage in sorted(said) if vintage <= today]
            if past and past[-1] not in (".", None):
                truth[day] = float(past[-1])
        assert standing == truth
    assert len({version[:2] for version in versions}) == len(versions)


@settings(max_examples=25, deadline=None)
@given(HISTORIES, st.sampled_from(VINTAGES))
def test_a_later_fetch_adds_rows_and_changes_none(history, until):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fred, "CHUNK", 2)
        early = fetched(history, until=until)
        late = fetched(history, received="2031-01-01")
    before = fred.parse(early).events
    both = fred.parse(early + late).events
    columns = [name for name in events.COLUMNS if name != "seq"]
    pd.testing.assert_frame_equal(before[columns], both[columns].iloc[: len(before)])
    whole = fred.parse(late).events
    assert sorted(map(str, told(both))) == sorted(map(str, told(whole)))


def test_events_carry_the_document_the_place_and_the_ends_of_their_days():
    history = {"2024-01-01": {"2024-02-13": "308.417", "2025-02-12": "309.685"}}
    responses = fetched(history)
    first, second = fred.parse(responses).events.to_dict("records")
    assert (first["source"], first["name"], first["field"]) == ("fred", SERIES, "value")
    assert first["event_time"] == pd.Timestamp("2024-01-02 04:59:59")
    assert first["knowledge_time"] == pd.Timestamp("2024-02-14 04:59:59")
    assert second["knowledge_time"] == pd.Timestamp("2025-02-13 04:59:59")
    assert second["event_time"] == first["event_time"]
    assert (first["value"], second["value"]) == (308.417, 309.685)
    assert second["document"] == "CPIAUCSL@2025-02-12"
    content = {r.sha256: r.content for r in responses}[second["raw"]]
    assert second["place"] == "/observations/1"
    assert json.loads(content)["observations"][1]["value"] == "309.685"


def test_a_missing_value_is_no_event_but_retracts_a_number():
    table, rejected = parsed(
        {
            "2024-07-04": {"2024-07-05": "."},
            "2024-07-03": {
                "2024-07-05": "4.36",
                "2024-07-08": ".",
                "2024-07-09": "4.4",
            },
            "2024-07-02": {"2024-07-05": ".", "2024-07-09": "4.43"},
        }
    )
    days = {day: [] for day, *_ in told(table)}
    for day, vintage, value in told(table):
        days[day].append((vintage, None if math.isnan(value) else value))
    assert days == {
        "2024-07-02": [("2024-07-09", 4.43)],
        "2024-07-03": [("2024-07-05", 4.36), ("2024-07-08", None), ("2024-07-09", 4.4)],
    }
    assert rejected == {fred.BLANK: 2}


@pytest.mark.parametrize("size", [2000, 2, 1])
def test_an_observation_left_out_of_a_vintage_is_retracted_then(monkeypatch, size):
    monkeypatch.setattr(fred, "CHUNK", size)
    history = {
        "2024-01-01": {"2024-02-01": "1.0", "2024-03-01": None},
        "2024-02-01": {"2024-03-01": "2.0", "2024-04-01": "2.5"},
    }
    responses = fetched(history)
    table = fred.parse(responses).events
    (row,) = table[table["value"].isna()].to_dict("records")
    assert row["document"] == "CPIAUCSL@2024-03-01"
    assert row["event_time"] == clock.end_of_day("2024-01-01")
    said = json.loads({r.sha256: r.content for r in responses}[row["raw"]])
    covers = said["realtime_start"] <= "2024-03-01" <= said["realtime_end"]
    assert covers and row["place"] == "/observations"


def test_nothing_is_retracted_by_a_chunk_that_was_not_fetched_whole(monkeypatch):
    monkeypatch.setattr(fred, "CHUNK", 1)
    monkeypatch.setattr(fred, "MOST_OBSERVATIONS", 1)
    history = {
        "2024-01-01": {"2024-03-01": "1.0"},
        "2024-02-01": {"2024-03-01": "2.0", "2024-04-01": "2.5"},
    }
    responses = fetched(history)
    for count in range(1, len(responses) + 1):
        assert fred.parse(responses[:count]).events["value"].notna().all()


def test_more_than_two_thousand_vintages_of_a_series_that_is_never_revised():
    history = daily(4500)
    responses = fetched(history)
    kinds = [r.request.kind for r in responses]
    assert kinds == [fred.VINTAGES] + 3 * [fred.OBSERVATIONS]
    table, rejected = fred.parse(responses)
    want = [
        (day, vintage, float(value))
        for day, said in history.items()
        for vintage, value in said.items()
    ]
    assert sorted(told(table)) == want
    assert rejected == {fred.CARRIED: 2000 + 4000}


def test_requests_hold_no_more_vintages_than_fred_allows():
    asked = []
    answer = service(daily(2001))

    def get(kind, path, params):
        asked.append((path, dict(params)))
        return answer(path, dict(params))

    fred.fetch(get, "DGS10", ml_collections.ConfigDict({"until": "2029-12-31"}))
    (listing, first), (path, second), (_, third) = asked
    assert (listing, path) == ("/fred/series/vintagedates", "/fred/series/observations")
    assert first["realtime_start"] == "1776-07-04"
    assert first["realtime_end"] == "9999-12-31"
    for params in (first, second, third):
        assert (params["series_id"], params["file_type"]) == ("DGS10", "json")
        assert "api_key" not in params
    assert second["output_type"] == "1"
    assert (second["realtime_start"], second["realtime_end"]) == (
        "2001-01-02",
        "2006-06-24",
    )
    assert third["realtime_start"] == third["realtime_end"] == "2006-06-25"
    every = second | {"realtime_end": "9999-12-31"}
    with pytest.raises(BadResponse, match="2001 vintage dates .* number of vintage"):
        fred.check(answer(path, every))


def test_pages_are_asked_for_until_all_is_there(monkeypatch):
    monkeypatch.setattr(fred, "MOST_VINTAGES", 3)
    monkeypatch.setattr(fred, "MOST_OBSERVATIONS", 4)
    history = daily(9)
    responses = fetched(history)
    offsets = [dict(r.request.params)["offset"] for r in responses]
    assert offsets == ["0", "3", "6", "0", "4", "8"]
    assert len(fred.parse(responses).events) == 9


def test_vintages_after_until_are_not_asked_for():
    history = {"2024-01-01": {"2024-02-13": "1.0", "2024-03-12": "2.0"}}
    config = ml_collections.ConfigDict({"until": "2024-03-11"})
    responses = collect(fred, service(history), SERIES, config, RECEIVED)
    assert told(fred.parse(responses).events) == [("2024-01-01", "2024-02-13", 1.0)]


def test_a_row_that_a_chunk_moved_to_its_edge_is_dropped():
    """2024-03-05 is where the second chunk begins; nothing was published that day."""
    table, rejected = fred.parse(
        [
            vintages("2024-02-13", "2024-03-12"),
            chunk(
                "2024-03-05",
                "2024-03-12",
                ("2024-03-05", "2024-03-12", "2023-12-01", "306.746"),
                ("2024-03-05", "2024-03-11", "2024-01-01", "308.417"),
                ("2024-03-12", "2024-03-12", "2024-01-01", "308.5"),
            ),
        ]
    )
    assert told(table) == [("2024-01-01", "2024-03-12", 308.5)]
    assert rejected == {fred.EDGE: 2}


def test_a_row_at_an_edge_goes_on_from_the_chunk_before():
    """Of the rows at 2024-03-12 one is new, one the old version cut in two."""
    table, rejected = fred.parse(
        [
            vintages("2024-02-13", "2024-03-12"),
            chunk(
                "2024-02-13",
                "2024-03-11",
                ("2024-02-13", "2024-03-11", "2023-12-01", "306.746"),
                ("2024-02-13", "2024-03-11", "2024-01-01", "308.417"),
            ),
            chunk(
                "2024-03-12",
                "9999-12-31",
                ("2024-03-12", "9999-12-31", "2023-12-01", "306.746"),
                ("2024-03-12", "9999-12-31", "2024-01-01", "308.5"),
            ),
        ]
    )
    assert told(table) == [
        ("2023-12-01", "2024-02-13", 306.746),
        ("2024-01-01", "2024-02-13", 308.417),
        ("2024-01-01", "2024-03-12", 308.5),
    ]
    assert rejected == {fred.CARRIED: 1}


def test_a_value_that_is_no_number_is_counted():
    history = {"2024-01-01": {"2024-02-13": "n/a"}, "2024-02-01": {"2024-03-12": "nan"}}
    table, rejected = parsed(history)
    assert table.empty and rejected == {fred.NO_NUMBER: 2}


@pytest.mark.parametrize(
    "content, reason",
    [
        (
            fred_error(400, "Bad Request.  The series does not exist."),
            "FRED error 400: Bad Request. The series does not exist.",
        ),
        (
            fred_error(
                400, "Bad Request.  The value for variable api_key is not registered."
            ),
            "api_key is not registered",
        ),
        (b'{"realtime_start": "2024-01-01", "observ', "damaged JSON"),
        (b"", "0 bytes of no JSON"),
        (b"<html>Service Unavailable</html>", "no JSON"),
        (b"[]", "a JSON list where an object is right"),
        (b"{}", "neither vintage_dates nor observations"),
    ],
)
def test_what_is_no_answer_is_refused(content, reason):
    with pytest.raises(BadResponse, match=reason):
        fred.check(content)


def test_no_error_repeats_a_key():
    key = "0123456789abcdef0123456789abcdef"
    content = fred_error(403, f"Forbidden. The api_key {key} is blocked.")
    with pytest.raises(BadResponse) as caught:
        fred.check(content)
    assert key not in str(caught.value) and "is blocked" in str(caught.value)


def test_a_series_without_vintages_is_empty():
    table, rejected = parsed({})
    assert table.empty and rejected == {}
    assert list(table.columns) == list(events.COLUMNS)


def test_the_service_here_keeps_to_the_true_format():
    """As in FRED's documentation, down to the keys and their types."""
    answer = service({"2024-01-01": {"2024-02-13": "308.417"}})
    params = {"realtime_start": "2024-02-14", "realtime_end": "2024-02-20"}
    params |= {"limit": "100000", "offset": "0"}
    body = json.loads(answer(fred_responses.OBSERVATIONS_PATH, params))
    assert body["observations"] == [
        {
            "realtime_start": "2024-02-14",
            "realtime_end": "2024-02-20",
            "date": "2024-01-01",
            "value": "308.417",
        }
    ]
    assert (body["count"], body["offset"], body["limit"]) == (1, 0, 100000)
