"""Membership and delistings: when they took effect, and when that was known."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from ml_collections import config_dict

from thesis_rl.data.sources import membership
from thesis_rl.data.sources.keys import BadResponse, SourceError
from thesis_rl.data.store.raw import Request, Response

HEADER = "ticker,event,announced,effective,delisting_return\n"
NOW = pd.Timestamp("2021-01-04 12:00")


def response(text: str, group="A", received=NOW) -> Response:
    content = text.encode()
    request = Request("membership", group, "file", "sp500.csv", (), "2021-01-04")
    return Response(request, content, hashlib.sha256(content).hexdigest(), received)


def parse(*lines: str, group="A"):
    return membership.parse([response(HEADER + "\n".join(lines) + "\n", group)])


def rows(events: pd.DataFrame) -> list[tuple]:
    columns = ["field", "value", "event_time", "knowledge_time", "place"]
    return [
        (field, value, f"{about:%m-%d %H:%M:%S}", f"{known:%m-%d %H:%M:%S}", place)
        for field, value, about, known, place in events[columns].itertuples(index=False)
    ]


def test_addition_is_about_the_close_of_its_day_and_known_when_announced():
    """A day without an hour ends at 23:59:59 in New York; 17:15 is that."""
    events, rejected = parse(
        "A,add,2020-06-12,2020-06-22,",
        "A,remove,2020-12-11 17:15,2020-12-21,",
        "B,add,2020-06-12,2020-06-22,",
    )
    assert rejected == {}
    assert rows(events) == [
        ("member", 1.0, "06-22 20:00:00", "06-13 03:59:59", "line 2, column event"),
        ("member", 0.0, "12-21 21:00:00", "12-11 22:15:00", "line 3, column event"),
    ]
    assert set(events["source"]) == {"membership"}
    assert set(events["document"]) == {"sp500.csv"}


def test_without_an_announcement_it_is_known_at_the_close_of_its_day():
    """An early close is earlier: 13:00 in New York on the day after Thanksgiving."""
    events, _ = parse("A,add,,2020-11-27,")
    assert rows(events) == [
        ("member", 1.0, "11-27 18:00:00", "11-27 18:00:00", "line 2, column event")
    ]


def test_an_announcement_after_the_fact_is_known_late():
    events, _ = parse("A,add,2020-12-01,2020-11-27,")
    assert events["knowledge_time"][0] > events["event_time"][0]


def test_a_day_that_is_no_session_takes_effect_at_the_next():
    events, _ = parse("A,add,,2020-11-28,", "A,remove,,2020-12-25,")
    assert events["event_time"].to_list() == [
        pd.Timestamp("2020-11-30 21:00"),
        pd.Timestamp("2020-12-28 21:00"),
    ]


def test_delisting_has_its_return_and_ends_the_membership_a_session_later():
    """Friday is the last day of trading; until its close the name is a member."""
    events, rejected = parse(
        "A,add,,2020-06-22,", "A,delist,2020-12-01,2020-12-04,-0.4"
    )
    assert rejected == {}
    assert rows(events)[1:] == [
        (
            "delisting",
            -0.4,
            "12-04 21:00:00",
            "12-02 04:59:59",
            "line 3, column delisting_return",
        ),
        ("member", 0.0, "12-07 21:00:00", "12-02 04:59:59", "line 3, column event"),
    ]


def test_delisting_without_a_return_and_of_what_is_no_member():
    events, rejected = parse("A,delist,,2020-12-04,")
    assert rejected == {}
    (row,) = events.to_dict("records")
    assert row["field"] == "delisting" and np.isnan(row["value"])
    assert row["knowledge_time"] == pd.Timestamp("2020-12-04 21:00")


def test_column_of_returns_may_be_left_out():
    text = "Ticker,Event,Announced,Effective\nA,Delist,,2020-12-04\n"
    (row,) = membership.parse([response(text)]).events.to_dict("records")
    assert np.isnan(row["value"])


def test_rows_count_in_the_order_of_their_days():
    events, rejected = parse(
        "A,remove,,2020-12-21,", "A,add,,2020-06-22,", "A,add,,2020-12-28,"
    )
    assert rejected == {}
    assert events["value"].to_list() == [1.0, 0.0, 1.0]
    assert events["event_time"].is_monotonic_increasing


def test_what_changes_nothing_is_counted_over_all_versions_of_the_file_once():
    text = HEADER + "A,remove,,2020-06-22,\nA,add,,2020-12-21,\nA,add,,2020-12-22,\n"
    later = response(
        text + "A,remove,,2020-12-29,\n", received=NOW + pd.Timedelta("1D")
    )
    events, rejected = membership.parse([response(text), later])
    assert rejected == {
        "remove of what is not a member": 1,
        "add of what is a member": 1,
    }
    assert events["value"].to_list() == [1.0, 0.0]


def test_what_a_later_file_changes_was_known_when_it_came():
    first = response(HEADER + "A,delist,2020-12-01,2020-12-04,-0.4\n")
    second = response(
        HEADER + "A,delist,2020-12-01,2020-12-04,-0.9\n",
        received=NOW + pd.Timedelta(days=30),
    )
    events, _ = membership.parse([first, second])
    assert events["value"].to_list() == [-0.4, -0.9]
    assert events["knowledge_time"][1] == NOW + pd.Timedelta(days=30)


@pytest.mark.parametrize(
    "line, message",
    [
        (
            "A,join,,2020-06-22,",
            "line 2: event must be one of add, remove, delist, got",
        ),
        ("A,,,2020-06-22,", "line 2: event must be one of add, remove, delist, got no"),
        (",add,,2020-06-22,", "line 2: ticker must not be empty"),
        ("A,add,,,", "line 2: effective must be a day .* got nothing"),
        ("A,add,,2020-06-22 09:30,", "line 2: effective must be a day"),
        ("A,add,soon,2020-06-22,", "line 2: announced must be a day .* got soon"),
        ("A,add,2020-06-12T17:15Z,2020-06-22,", "line 2: announced must be a day"),
        ("A,add,,2020-06-22,0.1", "delisting_return must be empty but for delist"),
        (
            "A,delist,,2020-06-22,-1.5",
            "delisting_return must be -1, a total loss, or m",
        ),
        ("A,delist,,2020-06-22,-40%", "delisting_return must be a number"),
    ],
)
def test_a_bad_row_is_refused_by_line_and_field(line, message):
    with pytest.raises(ValueError, match=message):
        parse(line)


def test_a_file_without_a_column_is_refused():
    with pytest.raises(ValueError, match="sp500.csv has no column announced; it has"):
        membership.parse([response("ticker,event,effective\nA,add,2020-06-22\n")])
    with pytest.raises(BadResponse, match="empty"):
        membership.check(b"\n")


def test_fetch_asks_for_the_one_file():
    asked = []
    config = config_dict.create(membership="sp500.csv")
    membership.fetch(lambda *request: asked.append(request), "A", config)
    assert asked == [("file", "sp500.csv")]
    with pytest.raises(SourceError, match="config.membership is ''"):
        membership.fetch(None, "A", config_dict.create(membership=""))
