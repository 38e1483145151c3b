"""A user's bars: as traded, known at their close, each once, and refused by line."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ml_collections import config_dict

from thesis_rl.data import clock
from thesis_rl.data.prices import adjust
from thesis_rl.data.sources import bars
from thesis_rl.data.sources.keys import BadResponse, NotFound, SourceError
from thesis_rl.data.store.raw import Request, Response

HEADER = "date,open,high,low,close,volume\n"
# The eve of Thanksgiving, the early close after it, and the Monday.
THREE = (
    "2020-11-25,10,12,9,11,100\n2020-11-27,11,13,10,12,200\n2020-11-30,12,14,11,13,0\n"
)
NOW = pd.Timestamp("2021-01-04 12:00")


def response(
    text: str | bytes, path="A.csv", holds="bar", group="A", received=NOW
) -> Response:
    content = text if isinstance(text, bytes) else text.encode()
    request = Request("bars", group, "file", path, (("holds", holds),), "2021-01-04")
    return Response(request, content, hashlib.sha256(content).hexdigest(), received)


def of(table: pd.DataFrame, field: str) -> pd.DataFrame:
    return table[table["field"] == field].reset_index(drop=True)


def test_a_bar_is_five_events_known_at_the_close_of_its_session():
    (events, rejected) = bars.parse([response(HEADER + THREE)])
    assert rejected == {}
    assert len(events) == 15
    assert set(events["source"]) == {"bars"} and set(events["name"]) == {"A"}
    wanted = {"open": [10, 11, 12], "high": [12, 13, 14], "low": [9, 10, 11]}
    for field, values in (wanted | {"close": [11, 12, 13]}).items():
        assert of(events, field)["value"].to_list() == values
    close = of(events, "close")
    # 13:00 in New York on the day after Thanksgiving, else 16:00.
    hours = pd.to_datetime(["2020-11-25 21:00", "2020-11-27 18:00", "2020-11-30 21:00"])
    assert close["event_time"].to_list() == hours.to_list()
    assert (events["knowledge_time"] == events["event_time"]).all()
    assert close["place"].to_list() == [f"line {i}, column close" for i in (2, 3, 4)]
    assert set(close["document"]) == {"A.csv"}
    assert set(close["raw"]) == {hashlib.sha256((HEADER + THREE).encode()).hexdigest()}


def test_the_close_is_the_traded_one_whatever_stands_in_adj_close():
    text = "Date,Close,Adj Close,Volume\n2020-11-25,11,7,100\n"
    events, _ = bars.parse([response(text)])
    assert of(events, "close")["value"].to_list() == [11]
    assert set(events["field"]) == {"close", "volume"}


def test_long_file_gives_each_ticker_its_own_and_parquet_counts_rows():
    frame = pd.DataFrame(
        {
            "date": pd.to_datetime(["2020-11-25", "2020-11-25", "2020-11-27"]),
            "ticker": ["A", "B", "A"],
            "close": [1.0, 2.0, 3.0],
            "volume": [10, 20, 30],
        }
    )
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    for group, values, places in (("A", [1, 3], ["1", "3"]), ("B", [2], ["2"])):
        held = response(buffer.getvalue(), "all.parquet", group=group)
        close = of(bars.parse([held]).events, "close")
        assert close["value"].to_list() == values
        assert close["place"].to_list() == [f"row {i}, column close" for i in places]


def test_days_without_trade_and_rows_without_a_close_are_counted():
    """Thanksgiving, a Saturday, and two rows whose close is empty."""
    text = (
        HEADER + "2020-11-25,10,12,9,11,100\n2020-11-26,10,12,9,11,100\n"
        "2020-11-27,,,,,\n2020-11-28,10,12,9,11,100\n2020-11-30,10,12,9,,100\n"
    )
    events, rejected = bars.parse([response(text)])
    assert rejected == {"no session of XNYS": 2, "no close": 2}
    assert len(of(events, "close")) == 1
    assert len(events) == 5


def test_identical_bars_are_counted_and_contradicting_ones_refused():
    again = HEADER + THREE + "2020-11-30,12,14,11,13,0\n"
    events, rejected = bars.parse([response(again)])
    assert rejected == {"duplicated bar": 1}
    pd.testing.assert_frame_equal(
        events.drop(columns="raw"),
        bars.parse([response(HEADER + THREE)]).events.drop(columns="raw"),
    )
    message = "A.csv, line 5: A on 2020-11-30 stands already in A.csv, line 4, with oth"
    with pytest.raises(ValueError, match=message):
        bars.parse([response(HEADER + THREE + "2020-11-30,12,14,11,13,1\n")])
    with pytest.raises(ValueError, match="line 5: A on 2020-11-30 stands already"):
        bars.parse([response(HEADER + THREE + "2020-11-30,12,14,11,13,\n")])


def test_a_day_in_two_files_is_held_to_the_same_rule():
    long = "date,ticker,open,high,low,close,volume\n2020-11-30,A,12,14,11,{close},0\n"
    first = response(HEADER + THREE)
    events, rejected = bars.parse([first, response(long.format(close=13), "long.csv")])
    assert rejected == {"duplicated bar": 1} and len(events) == 15
    with pytest.raises(
        ValueError, match="long.csv, line 2: .* already in A.csv, line 4"
    ):
        bars.parse([first, response(long.format(close=12), "long.csv")])


def test_a_file_that_grew_repeats_nothing_and_one_that_changed_is_known_when_received():
    later = NOW + pd.Timedelta(days=1)
    grown = HEADER + THREE + "2020-12-01,13,15,12,14,1\n"
    grown = grown.replace("2020-11-27,11,13,10,12", "2020-11-27,11,13,10,10.5")
    grown = grown.replace("2020-11-25", "2020-11-24,9,9,9,9,9\n2020-11-25")
    versions = [response(HEADER + THREE), response(grown, received=later)]
    events, rejected = bars.parse(versions)
    close = of(events, "close")
    assert rejected == {}
    assert close["value"].to_list() == [11, 12, 13, 9, 10.5, 14]
    assert close["knowledge_time"][4] == later
    made = adjust.prices(events, ["A"], clock.sessions("2020-11-24", "2020-12-01"))
    assert made.close["A"].to_list() == [9, 11, 12, 13, 14]


def test_rejects_are_counted_once_however_often_a_file_is_read():
    text = HEADER + "2020-11-25,10,12,9,11,100\n2020-11-26,10,12,9,11,100\n"
    later = response(
        text + "2020-11-27,10,12,9,11,1\n", received=NOW + pd.Timedelta("1D")
    )
    assert bars.parse([response(text), later]).rejected == {"no session of XNYS": 1}


def test_splits_and_dividends_are_known_at_the_close_of_their_day():
    split = "date,ticker,split\n2020-11-27,A,4\n2020-11-27,B,7\n"
    dividend = "Date,Ticker,Dividend\n2020-11-30,A,0.205\n"
    events, rejected = bars.parse(
        [
            response(HEADER + THREE),
            response(split, "splits.csv", "split"),
            response(dividend, "dividends.csv", "dividend"),
        ]
    )
    assert rejected == {}
    (row,) = of(events, "split").to_dict("records")
    assert (row["value"], row["place"]) == (4.0, "line 2, column split")
    assert (
        row["event_time"] == row["knowledge_time"] == pd.Timestamp("2020-11-27 18:00")
    )
    (row,) = of(events, "dividend").to_dict("records")
    assert row["value"] == 0.205
    assert (
        row["event_time"] == row["knowledge_time"] == pd.Timestamp("2020-11-30 21:00")
    )


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "date,ticker,split\n2020-11-28,A,2\n",
            "line 2: date must be a session of XNYS",
        ),
        ("date,ticker,split\n2020-11-27,A,0\n", "line 2: split must be above 0, got 0"),
        (
            "date,ticker,split\n2020-11-27,A,\n",
            "split must be a number above 0, got no",
        ),
        ("date,ticker,split\n2020-11-27,,2\n", "line 2: ticker must not be empty"),
        ("date,ticker,split\n27.11.2020,A,2\n", "line 2: date must be a day such as"),
        (
            "date,ticker,ratio\n2020-11-27,A,2\n",
            "has no column split; it has date, tick",
        ),
        (
            "date,ticker,split,x\n2020-11-27,A,2,1\n",
            "unknown column x; allowed are dat",
        ),
        ("date,ticker,split,Split\n2020-11-27,A,2,1\n", "has the column split twice"),
        (
            "date,ticker,split\n2020-11-27,A,2\n2020-11-27,A,3\n",
            "splits.csv, line 3: A on 2020-11-27 stands already in splits.csv, line 2",
        ),
    ],
)
def test_a_bad_split_is_refused_by_line(text, message):
    with pytest.raises(ValueError, match=message):
        bars.parse([response(text, "splits.csv", "split")])


@pytest.mark.parametrize(
    "text, message",
    [
        ("date,adj_close,volume\n2020-11-25,1,1\n", "has no column close; bars need"),
        ("date,close\n2020-11-25,1\n", "has no column volume; bars need"),
        ("date,A,B\n2020-11-25,1,1\n", "has no column volume; bars need"),
        (HEADER + "2020-11-25,10,12,9,13,1\n", "line 2: close must lie between low"),
        (HEADER + "2020-11-25,10,12,9,-1,1\n", "line 2: close must be above 0"),
    ],
)
def test_a_file_that_holds_no_bars_as_traded_is_refused(text, message):
    with pytest.raises(ValueError, match=f"A.csv.*{message}"):
        bars.parse([response(text)])


def test_an_empty_file_is_no_response():
    with pytest.raises(BadResponse, match="empty"):
        bars.check(b" \n")
    bars.check(b"date")


def fetched(folder: Path, group: str, **keys) -> list[tuple]:
    asked = []

    def get(kind, path, params=()):
        asked.append((kind, Path(path).name, dict(params)["holds"]))

    bars.fetch(get, group, config_dict.create(bars=str(folder), **keys))
    return asked


def test_fetch_asks_for_the_files_that_hold_a_ticker(tmp_path):
    long = "date,ticker,close,volume\n2020-11-25,A,1,1\n2020-11-25,B,1,1\n"
    for name, text in (
        ("A.csv", HEADER + THREE),
        ("long.csv", long),
        ("splits.csv", "date,ticker,split\n2020-11-25,A,2\n"),
        (".hidden.csv", "date\n"),
        ("notes.txt", ""),
    ):
        (tmp_path / name).write_text(text)
    splits = str(tmp_path / "splits.csv")
    assert fetched(tmp_path, "A", splits=splits, dividends="") == [
        ("file", "splits.csv", "split"),
        ("file", "A.csv", "bar"),
        ("file", "long.csv", "bar"),
    ]
    assert fetched(tmp_path, "B", splits=splits) == [
        ("file", "splits.csv", "split"),
        ("file", "long.csv", "bar"),
    ]
    assert fetched(tmp_path / "A.csv", "A") == [("file", "A.csv", "bar")]
    with pytest.raises(NotFound, match="holds no bars of C"):
        fetched(tmp_path, "C", splits=splits)


def test_fetch_sees_a_ticker_that_a_file_gained(tmp_path):
    file = tmp_path / "long.csv"
    text = "date,ticker,close,volume\n2020-11-25,A,1,1\n"
    file.write_text(text)
    with pytest.raises(NotFound):
        fetched(tmp_path, "B")
    file.write_text(text + "2020-11-25,B,1,1\n")
    assert len(fetched(tmp_path, "B")) == 1


@pytest.mark.parametrize("folder", ["", "no/such/folder"])
def test_a_folder_that_is_none_is_refused_by_key(folder):
    with pytest.raises(SourceError, match="config.bars is .*; it must name a folder"):
        bars.fetch(None, "A", config_dict.create(bars=folder))


def test_bars_become_prices_adjusted_by_their_split():
    split = response("date,ticker,split\n2020-11-27,A,2\n", "s.csv", "split")
    events, _ = bars.parse([response(HEADER + THREE), split])
    sessions = clock.sessions("2020-11-25", "2020-11-30")
    made = adjust.prices(events, ["A"], sessions)
    np.testing.assert_array_equal(made.close["A"], [11, 24, 26])
    np.testing.assert_array_equal(made.volume["A"], [100, 100, 0])
    np.testing.assert_array_equal(made.dollar_volume["A"], [1100, 2400, 0])
