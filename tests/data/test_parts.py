"""A part holds every event to the bit, and its hash is of what the events say."""

import datetime
import io

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from hypothesis import given, settings

from thesis_rl.data import events
from thesis_rl.data.store import parts

T0 = pd.Timestamp("2024-01-02 21:00")
INSTANTS = st.integers(-8 * 10**18, 8 * 10**18).map(pd.Timestamp)
EVENTS = st.fixed_dictionaries(
    {
        "source": st.just("sec"),
        "name": st.sampled_from(["AAPL", "Zürich", "None", "nan", ""]),
        "field": st.sampled_from(["us-gaap:Assets", "価格"]),
        "event_time": INSTANTS,
        "knowledge_time": INSTANTS,
        "value": st.floats(),
        "seq": st.integers(0, 2**63 - 1),
        "period_start": st.just(pd.NaT) | INSTANTS,
        "document": st.text(),
        "raw": st.sampled_from(["a" * 64, ""]),
        "place": st.text(),
        "text": st.text(),
    }
)


def event(**changes):
    row = {"source": "sec", "name": "AAPL", "field": "f", "value": 1.0}
    row |= {"event_time": T0, "knowledge_time": T0, "document": "d", "seq": 0}
    return row | changes


def bits(frame):
    values = frame["value"].to_numpy().view(np.int64)
    return frame.assign(value=np.where(frame["value"].isna(), -1, values))


@given(st.lists(EVENTS, max_size=20))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_events_come_back_to_the_bit_and_type(rows):
    table = events.table(rows)
    back = parts.decode(parts.encode(table))
    pd.testing.assert_frame_equal(bits(back), bits(table), check_exact=True)
    assert (back.dtypes == parts.empty().dtypes).all()
    for name in events.TEXTS:
        assert back[name].dtype == object
        assert all(type(text) is str for text in back[name])
    assert parts.content_hash(back) == parts.content_hash(table)


def test_columns_of_the_file_have_types_that_any_reader_knows():
    data = parts.encode(events.table([event(), event(value=np.nan)]))
    file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
    types = {field.name: str(field.type) for field in file.schema_arrow}
    assert list(types) == list(events.COLUMNS)
    assert {types[name] for name in events.TIMES} == {"timestamp[ns]"}
    assert {types[name] for name in events.TEXTS} == {"string"}
    assert (types["value"], types["seq"]) == ("double", "int64")
    assert file.read()["value"].null_count == 0, "a retraction is NaN, not nothing"


def test_texts_that_repeat_are_stored_once_and_are_one_object_when_read():
    table = events.table([event(text="long " * 1000, seq=i) for i in range(1000)])
    data = parts.encode(table)
    columns = pyarrow.parquet.ParquetFile(io.BytesIO(data)).metadata.row_group(0)
    stored = columns.column(list(events.COLUMNS).index("text"))
    assert stored.total_uncompressed_size < 2 * len(table["text"][0])
    back = parts.decode(data)
    assert back["text"].iloc[0] is back["text"].iloc[-1]


def test_other_columns_are_refused():
    file = io.BytesIO()
    pd.DataFrame({name: [0] for name in list(events.COLUMNS)[1:]}).to_parquet(file)
    with pytest.raises(ValueError, match="want the columns .*'source'.* got"):
        parts.decode(file.getvalue())


@pytest.mark.parametrize("name", parts.SAID)
def test_hash_changes_with_anything_said(name):
    other = {
        **dict.fromkeys(events.TIMES, T0 + pd.Timedelta(1, "ns")),
        **dict.fromkeys(events.TEXTS, "other"),
        "value": np.nan,
    }
    table = events.table([event(), event(seq=1)])
    changed = events.table([event(), event(seq=1) | {name: other[name]}])
    assert parts.content_hash(changed) != parts.content_hash(table)


def test_hash_keeps_neighbours_apart():
    def hashed(*pairs):
        return parts.content_hash(
            events.table([event(document=a, text=b) for a, b in pairs])
        )

    assert len({hashed(("ab", "c")), hashed(("a", "bc")), hashed(("abc", ""))}) == 3
    assert hashed(("a", ""), ("", "")) != hashed(("", ""), ("a", ""))


def test_hash_is_blind_to_arrival_and_to_where_it_was_read():
    rows = [event(knowledge_time=T0 + pd.Timedelta(i, "D"), seq=i) for i in range(9)]
    table = events.table(rows)
    moved = events.table(rows[::-1]).assign(seq=range(9), raw="b" * 64, place="p")
    assert parts.content_hash(moved) == parts.content_hash(table)
    zero, minus = (events.table([event(value=value)]) for value in (0.0, -0.0))
    assert parts.content_hash(zero) == parts.content_hash(minus)


def test_hash_keeps_the_order_of_rows_that_seq_alone_ranks():
    """The later of two versions with the same times counts, so order is content."""
    first = events.table([event(value=1, seq=0), event(value=2, seq=1)])
    second = events.table([event(value=1, seq=1), event(value=2, seq=0)])
    assert parts.content_hash(first) != parts.content_hash(second)
    numbered_on = first.assign(seq=first["seq"] + 100)
    assert parts.content_hash(numbered_on) == parts.content_hash(first)


@pytest.mark.parametrize("name", events.TEXTS)
@pytest.mark.parametrize("wrong", [None, np.nan, 7, "half \ud83d"])
def test_text_that_is_none_is_refused_by_row_and_column(name, wrong):
    table = events.table([event(), event()])
    table[name] = pd.Series([table[name][0], wrong], dtype=object)
    with pytest.raises(ValueError, match=f"events, row 1: {name} is .*; want a text"):
        parts.checked(table)


def test_table_that_lacks_a_column_is_refused_by_its_name():
    table = events.table([event()]).drop(columns="place")
    with pytest.raises(ValueError, match="events have no column place"):
        parts.checked(table)


def test_table_of_other_types_and_order_takes_those_of_a_part():
    table = events.table([event(value=2.0)])
    other = table.assign(
        value=np.array([2], np.int32),
        event_time=table["event_time"].astype("datetime64[s]"),
        name=table["name"].astype("string"),
        more=datetime.date(2024, 1, 1),
    )[["more", *reversed(list(table.columns))]].set_axis([5])
    pd.testing.assert_frame_equal(parts.checked(other), table)
