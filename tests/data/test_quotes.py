"""Every fault of a file is refused with file, line and field; layouts agree."""

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from thesis_rl.data.prices import quotes

HEADER = "date,open,high,low,close,volume\n"
GOOD = "2020-01-02,10,12,9,11,100\n2020-01-03,11,13,10,12,200\n"


def parse(text: str, name: str = "AAPL.csv") -> pd.DataFrame:
    return quotes.parse(text.encode(), Path(name))


def parquet(frame: pd.DataFrame, name: str = "AAPL.parquet") -> pd.DataFrame:
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return quotes.parse(buffer.getvalue(), Path(name))


def test_one_ticker_takes_its_name_from_the_file():
    table = parse(HEADER + GOOD, "BRK.B.csv")
    assert table["ticker"].to_list() == ["BRK.B", "BRK.B"]
    assert table["close"].to_list() == [11, 12]
    assert table["open"].to_list() == [10, 11]
    assert table["volume"].to_list() == [100, 200]
    assert table["dollars"].to_list() == [1100, 2400]
    assert table["date"].dtype == "datetime64[ns]"
    assert table.index.to_list() == [2, 3]


def test_layouts_agree():
    wide = parse("date,A,B\n2020-01-02,1,2\n2020-01-03,3,\n", "wide.csv")
    long = parse(
        "ticker,date,close\nA,2020-01-02,1\nA,2020-01-03,3\n"
        "B,2020-01-02,2\nB,2020-01-03,\n",
        "long.csv",
    )
    columns = ["date", "ticker", "close", "open", "volume", "dollars"]
    pd.testing.assert_frame_equal(
        wide[columns].reset_index(drop=True),
        long[columns].reset_index(drop=True),
        check_dtype=False,
    )


def test_adjusted_close_is_preferred_and_headers_may_be_capitalised():
    table = parse("Date,Close,Adj Close\n2020-01-02,10,9\n")
    assert table["close"].to_list() == [9]


def test_open_is_scaled_as_the_close_is_and_dollars_are_not():
    """A close of 20 adjusted to 10 takes an open of 18 to 9; 5 shares cost 100."""
    table = parse(
        "date,open,close,adj_close,volume\n2020-01-02,18,20,10,5\n"
        "2020-01-03,,20,10,\n2020-01-06,18,,10,5\n2020-01-07,18,20,,5\n"
    )
    nan = np.nan
    np.testing.assert_array_equal(table["close"], [10, 10, 10, nan])
    np.testing.assert_array_equal(table["open"], [9, nan, nan, nan])
    np.testing.assert_array_equal(table["dollars"], [100, nan, nan, 100])


def test_adjusted_close_alone_scales_no_open_but_stands_in_the_value_traded():
    table = parse("date,open,adj_close,volume\n2020-01-02,18,10,5\n")
    assert table["open"].isna().all()
    assert table["dollars"].to_list() == [50]


def test_compressed_and_parquet_files_read_alike():
    text = HEADER + GOOD
    plain = parse(text)
    zipped = quotes.parse(gzip.compress(text.encode()), Path("AAPL.csv.gz"))
    pd.testing.assert_frame_equal(plain, zipped)
    frame = pd.read_csv(io.StringIO(text), parse_dates=["date"])
    for stored in (
        frame,
        frame.set_index("date"),
        frame.assign(date=frame.date.dt.date),
    ):
        table = parquet(stored)
        assert table.index.to_list() == [1, 2]
        pd.testing.assert_frame_equal(plain.set_axis([1, 2]), table)


def test_ticker_that_looks_like_a_missing_value_or_a_field():
    table = parse("date,NA,TRUE,LOW\n2020-01-02,1,2,3\n")
    assert table["ticker"].to_list() == ["NA", "TRUE", "LOW"]
    assert table["close"].to_list() == [1, 2, 3]


def test_blank_lines_hold_no_row_but_count_as_lines():
    table = parse(HEADER + "\n" + GOOD + "\n\n")
    assert table.index.to_list() == [3, 4]


def test_open_is_held_to_its_range_up_to_rounding():
    row = "2020-01-02,{open},12,9,11,100\n"
    for fits in (12, 12.01, 9, 8.995):
        assert parse(HEADER + row.format(open=fits))["open"].to_list() == [fits]
    for outside in (12.1, 8.9):
        message = f"line 2: open must lie between low and high, got {outside}"
        with pytest.raises(ValueError, match=message):
            parse(HEADER + row.format(open=outside))


def test_close_is_held_to_its_range_up_to_rounding_and_before_adjustment():
    row = "2020-01-02,10,{high},9,10,1,{adjusted}\n"
    header = "date,open,high,low,close,volume,adj_close\n"
    table = parse(header + row.format(high=9.999, adjusted=2))
    assert table["close"].to_list() == [2]
    with pytest.raises(ValueError, match="line 2: close must lie between low and high"):
        parse(header + row.format(high=9.9, adjusted=9.5))


@pytest.mark.parametrize(
    "row, message",
    [
        (",11,13,10,12,1", "date must be a day such as 2020-01-31, got nothing"),
        ("03/01/2020,1,1,1,1,1", "date must be a day .* got 03/01/2020"),
        ("2020-02-30,1,1,1,1,1", "date must be a day .* got 2020-02-30"),
        ("9999-12-31,1,1,1,1,1", "date must be a day .* got 9999-12-31"),
        ("2020-01-03 16:00:00,1,1,1,1,1", "date must be a day"),
        ("2020-01-03,11,13,10,n/a,1", "close must be a number, .* got n/a"),
        ('2020-01-03,11,13,10,"1,200",1', "close must be a number, .* got 1,200"),
        ("2020-01-03,11,13,10,-12,1", "close must be above 0, got -12"),
        ("2020-01-03,0,13,10,12,1", "open must be above 0, got 0"),
        ("2020-01-03,11,inf,10,12,1", "high must be finite, got inf"),
        ("2020-01-03,11,10,13,12,1", "high must not be below low, got 10"),
        ("2020-01-03,11,13,10,14,1", "close must lie between low and high, got 14"),
        ("2020-01-03,11,13,10,9,1", "close must lie between low and high, got 9"),
        ("2020-01-03,11,13,10,12,-1", "volume must be 0 or more, got -1"),
        ("2020-01-01,1,1,1,1,1", "2020-01-01 of X stands below 2020-01-02 of line 2"),
    ],
)
def test_bad_row_is_refused_by_line_and_field(row, message):
    text = HEADER + "2020-01-02,10,12,9,11,100\n" + row + "\n"
    with pytest.raises(ValueError, match=f"^X.csv, line 3: .*{message}"):
        parse(text, "X.csv")


def test_rows_out_of_order_name_the_line_of_the_same_ticker():
    text = (
        "date,ticker,close\n2020-01-06,A,1\n2020-01-02,B,1\n2020-01-07,A,1\n"
        "2020-01-03,B,1\n2020-01-03,A,1\n"
    )
    message = "long.csv, line 6: date 2020-01-03 of A stands below 2020-01-07 of line 4"
    with pytest.raises(ValueError, match=message):
        parse(text, "long.csv")
    with pytest.raises(ValueError, match="line 3: date 2020-01-02 of A stands below"):
        parse("date,A,B\n2020-01-03,1,1\n2020-01-02,1,1\n")


def test_long_row_without_ticker_is_refused():
    with pytest.raises(ValueError, match="line 2: ticker must name the stock, got no"):
        parse("date,ticker,close\n2020-01-02,,1\n")


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "cannot be read as CSV"),
        ("date,close\n", "has a header and no rows"),
        ("day,close\n2020-01-02,1\n", "no column date; it has day, close"),
        ("date\n2020-01-02\n", "has dates and no prices"),
        ("date,open,volume\n2020-01-02,1,1\n", "neither close nor adj_close"),
        ("date,close,vwap\n2020-01-02,1,1\n", "unknown column vwap; allowed are date"),
        ("date,A,B,A\n2020-01-02,1,1,1\n", "has the column A twice"),
        ("date,Close,close\n2020-01-02,1,1\n", "has the column close twice"),
        ("date,A,\n2020-01-02,1,1\n", "a column without a name"),
        ("date,A\n2020-01-02,1,1\n", "cannot be read as CSV.*line 2"),
    ],
)
def test_bad_file_is_refused_by_name(text, message):
    with pytest.raises(ValueError, match=f"^X.csv.*{message}"):
        parse(text, "X.csv")


def test_corrupt_files_are_refused():
    whole = gzip.compress((HEADER + GOOD).encode())
    for name, content in [
        ("X.csv.gz", whole[:20]),
        ("X.csv.gz", b"no gzip"),
        ("X.csv", b"date,close\n\xff\xfe,1\n"),
        ("X.parquet", b"no parquet"),
    ]:
        with pytest.raises(ValueError, match=f"^{name} cannot be read as"):
            quotes.parse(content, Path(name))


def test_parquet_faults_count_rows_from_one():
    frame = pd.DataFrame(
        {"date": pd.to_datetime(["2020-01-02", "2020-01-03"]), "close": [1.0, -1.0]}
    )
    with pytest.raises(ValueError, match="X.parquet, row 2: close must be above 0"):
        parquet(frame, "X.parquet")
    with pytest.raises(ValueError, match="X.parquet, row 2: close must be finite"):
        parquet(frame.assign(close=[1.0, np.inf]), "X.parquet")


def test_parquet_dates_may_have_a_zone_but_no_hour():
    day = pd.Timestamp("2020-01-02", tz="America/New_York")
    table = parquet(pd.DataFrame({"date": [day], "close": [1.0]}))
    assert table["date"].to_list() == [pd.Timestamp("2020-01-02")]
    with pytest.raises(ValueError, match="row 1: date must be a day"):
        parquet(pd.DataFrame({"date": [day + pd.Timedelta("16h")], "close": [1.0]}))


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match="pip install pyarrow"):
        quotes.parse(b"", Path("X.parquet"))
