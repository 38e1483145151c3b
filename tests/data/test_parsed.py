"""Repeated rows appear once; a silent change is known when it was received."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from thesis_rl.data import events
from thesis_rl.data.sources import parsed

PERIOD = pd.Timestamp("2020-03-31 23:59:59")
KNOWN = pd.Timestamp("2020-05-01 20:30")
FIRST, SECOND, THIRD = pd.to_datetime(["2020-06-01", "2020-07-01", "2020-08-01"])


def row(value, received=FIRST, place="/0", **others) -> tuple[dict, pd.Timestamp]:
    fact = {
        "source": "sec",
        "name": "AAPL",
        "field": "us-gaap:Assets",
        "event_time": PERIOD,
        "knowledge_time": KNOWN,
        "value": value,
        "document": "0000320193-20-000052",
        "raw": f"{received:%Y%m%d}",
        "place": place,
    }
    return fact | others, received


def said(*rows) -> list[tuple[float, pd.Timestamp]]:
    table = parsed.consolidate(rows)
    assert table["seq"].to_list() == list(range(len(table)))
    return list(zip(table["value"], table["knowledge_time"], strict=True))


def test_what_a_later_response_repeats_stays_as_first_said():
    table = parsed.consolidate([row(1.0, SECOND, "/5"), row(1.0), row(1.0, THIRD)])
    assert table["raw"].to_list() == ["20200601"]
    assert table["place"].to_list() == ["/0"]
    assert table["knowledge_time"].to_list() == [KNOWN]


def test_silent_change_is_known_when_received_and_so_is_its_way_back():
    assert said(row(1.0), row(2.0, SECOND)) == [(1, KNOWN), (2, SECOND)]
    back = said(row(1.0), row(2.0, SECOND), row(1.0, THIRD))
    assert back == [(1, KNOWN), (2, SECOND), (1, THIRD)]


def test_missing_values_equal_one_another():
    nan = float("nan")
    assert len(said(row(nan), row(nan, SECOND))) == 1
    changed = said(row(nan), row(1.0, SECOND))
    assert np.isnan(changed[0][0]) and changed[1] == (1, SECOND)


def test_changed_text_is_a_change():
    table = parsed.consolidate([row(1.0, text="up"), row(1.0, SECOND, text="down")])
    assert table["text"].to_list() == ["up", "down"]
    assert table["knowledge_time"].to_list() == [KNOWN, SECOND]


def test_change_is_never_known_before_what_the_source_itself_says():
    """A free plan's article is known a day after the response that brought it."""
    later = SECOND + pd.Timedelta("24h")
    rows = [row(1.0, knowledge_time=later), row(2.0, SECOND, knowledge_time=later)]
    assert said(*rows) == [(1, later), (2, later)]


def test_an_amendment_is_another_document_and_believes_its_own_date():
    filed = pd.Timestamp("2020-06-15")
    amended = row(2.0, SECOND, document="0000320193-20-000061", knowledge_time=filed)
    assert said(row(1.0), amended) == [(1, KNOWN), (2, filed)]


def test_rows_of_one_response_that_differ_all_stay():
    two = [row(1.0, place="/0"), row(2.0, place="/1")]
    assert said(*two) == [(1, KNOWN), (2, KNOWN)]
    again = [row(1.0, SECOND, "/0"), row(2.0, SECOND, "/1")]
    assert said(*two, *again) == [(1, KNOWN), (2, KNOWN)]
    swapped = [row(2.0, SECOND, "/0"), row(1.0, SECOND, "/1")]
    assert said(*two, *swapped)[2:] == [(1, SECOND)]


def test_nothing_makes_an_empty_table():
    table = parsed.consolidate([])
    assert list(table.columns) == list(events.COLUMNS) and table.empty


answers = st.lists(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([1.0, 2.0])), max_size=4),
    max_size=5,
)


@settings(deadline=None, max_examples=25)
@given(answers)
def test_more_responses_only_add_rows_and_the_latest_word_counts(answers):
    """The end of the table says what the last response to name a field said of it."""
    rows, latest = [], {}
    shorter = parsed.consolidate([])
    for day, answer in enumerate(answers):
        received = FIRST + pd.Timedelta(days=day)
        rows += [row(value, received, str(day), field=name) for name, value in answer]
        longer = parsed.consolidate(rows)
        pd.testing.assert_frame_equal(longer.head(len(shorter)), shorter)
        shorter = longer
        # Of one response's rows the first of two alike stays, so the last new one wins.
        for name in {name for name, _ in answer}:
            latest[name] = list(dict.fromkeys(v for n, v in answer if n == name))[-1]
    for name, value in latest.items():
        of_field = shorter[shorter["field"] == name]
        found, _ = events.as_of(of_field, ["AAPL"], [pd.Timestamp("2021-01-01")])
        assert found.item() == value
