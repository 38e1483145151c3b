"""Packaged panels are what their table says; a user's folder is counted and checked."""

import dataclasses
import hashlib
import json
import sys

import numpy as np
import pandas as pd
import pytest

from thesis_rl.data import prices


@dataclasses.dataclass
class Config:
    """Stands in for config.data."""

    source: str
    path: str = ""
    start: str = ""
    end: str = ""


def write(folder, **texts: str):
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


@pytest.mark.parametrize(
    "source, shape, first, last, has_volume",
    [
        ("us20", (8313, 20), "1990-01-02", "2022-12-28", False),
        ("us6", (2699, 6), "2013-01-02", "2023-09-21", True),
    ],
)
def test_packaged_panels(source, shape, first, last, has_volume):
    loaded = prices.load(Config(source))
    report = loaded.report
    assert loaded.close.shape == shape
    assert (report["first"], report["last"]) == (first, last)
    assert report["num_days"] == shape[0]
    assert report["tickers"] == sorted(loaded.close.columns)
    assert loaded.close.index.dtype == "datetime64[ns]"
    assert loaded.close.index.name == "date"
    assert loaded.close.index.tz is None
    assert loaded.close.index.is_monotonic_increasing
    for frame in (loaded.volume, loaded.open, loaded.dollar_volume):
        assert (frame is not None) == has_volume
    assert set(report["masked"].values()) == {0}
    assert "Survivorship" in report["caveats"][0]
    assert json.loads(json.dumps(report)) == report
    content = (prices.FILES / prices.PACKAGED[source].file).read_bytes()
    assert report["sha256"] == hashlib.sha256(content).hexdigest()


def test_packaged_panel_agrees_with_a_plain_reading_of_the_file():
    """Apple adjusted for dividends; what stands beside it is of the same row."""
    raw = pd.read_csv(prices.FILES / "us6_ohlcv.csv.gz", parse_dates=["date"])
    loaded = prices.load(Config("us6"))
    for row in raw.sample(50, random_state=0).itertuples():
        assert loaded.close.at[row.date, row.ticker] == pytest.approx(row.adj_close)
        assert loaded.volume.at[row.date, row.ticker] == row.volume
        value = loaded.dollar_volume.at[row.date, row.ticker]
        assert value == pytest.approx(row.volume * row.close)
        open_to_close = loaded.close / loaded.open
        assert open_to_close.at[row.date, row.ticker] == pytest.approx(
            row.close / row.open
        )


def test_value_traded_is_that_of_the_day_before_adjustment_for_dividends():
    """560,518,000 split-adjusted Apple shares at 19.60821342: 11.0 billion dollars."""
    value = prices.load(Config("us6")).dollar_volume.at["2013-01-02", "AAPL"]
    assert value == pytest.approx(10_990_756_569.75, rel=1e-9)


def test_every_packaged_file_is_in_the_provenance_table():
    table = (prices.FILES / "PROVENANCE.md").read_text()
    for file in [*prices.FILES.glob("*.gz"), *prices.FILES.glob("*.csv")]:
        assert f"`{file.name}`" in table


def test_raw_panel_is_adjusted_for_its_splits_without_a_calendar(monkeypatch):
    """Apple split two for one twice, Microsoft once, the others never."""
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    loaded = prices.load(Config("us5_raw"))
    report = loaded.report
    assert loaded.close.shape == (3270, 5)
    assert (report["first"], report["last"]) == ("2000-03-01", "2013-03-01")
    assert loaded.close.index.dtype == "datetime64[ns]"
    assert loaded.close.index.name == "date"
    raw = pd.read_csv(prices.FILES / "us5_raw_ohlcv.csv.gz", parse_dates=["date"])
    factor = {"AAPL": 4, "MSFT": 2, "IBM": 1, "GOOG": 1, "FB": 1}
    for ticker, times in factor.items():
        first, *_, last = raw[raw["ticker"] == ticker].itertuples()
        assert loaded.close.at[first.date, ticker] == first.close
        assert loaded.close.at[last.date, ticker] == last.close * times
        assert loaded.open.at[last.date, ticker] == last.open * times
        assert loaded.volume.at[last.date, ticker] == last.volume / times
        value = loaded.dollar_volume.at[last.date, ticker]
        assert value == last.close * last.volume
    assert [file["file"] for file in report["files"]] == [
        "us5_raw_ohlcv.csv.gz",
        "us5_splits.csv",
    ]
    assert "Survivorship" in report["caveats"][0]
    assert "Dividends are left out" in report["caveats"][1]
    assert report["masked"] == {
        "gap": 0,
        "not listed": 3270 - 196 + 3270 - 2148,
        "no volume": 0,
        "no open": 0,
        "volume of 0": 0,
    }
    assert json.loads(json.dumps(report)) == report


def test_range_is_inclusive_and_open_where_empty():
    whole = prices.load(Config("us6"))
    first, last = "2015-01-02", "2015-12-31"
    year = prices.load(Config("us6", start=first, end=last))
    assert (year.report["first"], year.report["last"]) == (first, last)
    pd.testing.assert_frame_equal(year.close, whole.close.loc[first:last])
    for name in ("volume", "open", "dollar_volume"):
        cut, uncut = getattr(year, name), getattr(whole, name)
        pd.testing.assert_frame_equal(cut, uncut.loc[first:last])
    assert prices.load(Config("us6", start=first)).report["last"] == "2023-09-21"


def test_range_cuts_signals_too():
    whole = prices.load(Config("us6"))
    whole = whole._replace(signals={"f_quality": whole.close})
    cut = prices.between(whole, "2020-01-01", "2020-12-31")
    pd.testing.assert_frame_equal(cut.signals["f_quality"], cut.close)


@pytest.mark.parametrize(
    "config, message",
    [
        (Config("us5"), "config.data.source must be one of us20, us6, us5_raw, synth"),
        (Config("files"), "config.data.path must name a folder"),
        (Config("files", path="no/such"), "there is no folder or file no/such"),
        (Config("us6", start="2015"), "config.data.start must be a day"),
        (Config("us6", end="31.12.2015"), "config.data.end must be a day"),
        (Config("us6", start="2030-01-01"), "leave 0 of the sessions from 2013-01-02"),
        (Config("us6", start="2015-01-02", end="2015-01-02"), "leave 1 of the session"),
    ],
)
def test_bad_config_is_refused_by_key(config, message):
    with pytest.raises(ValueError, match=message):
        prices.load(config)


def test_gaps_and_unlisted_days_are_masked_and_counted(tmp_path):
    """A misses the 2nd (a gap), B the 1st and the 4th (not listed), in two ways."""
    folder = write(
        tmp_path,
        A="date,close,volume\n2020-01-01,1,5\n2020-01-03,3,\n2020-01-04,4,5\n",
        B="date,close\n2020-01-02,2\n2020-01-03,3\n2020-01-04,\n",
    )
    loaded = prices.read_folder(folder)
    nan = np.nan
    np.testing.assert_array_equal(
        loaded.close.to_numpy(), [[1, nan], [nan, 2], [3, 3], [4, nan]]
    )
    masked = {"gap": 1, "not listed": 2, "no volume": 3, "volume of 0": 0}
    assert loaded.report["masked"] == masked


def test_quotes_without_an_open_are_counted(tmp_path):
    """A lacks one of its opens, B its one quote's."""
    folder = write(
        tmp_path,
        A="date,open,close\n2020-01-01,1,1\n2020-01-02,,2\n2020-01-03,,\n",
        B="date,close\n2020-01-02,2\n",
    )
    loaded = prices.read_folder(folder)
    np.testing.assert_array_equal(loaded.open, [[1, np.nan], [np.nan, np.nan]])
    assert loaded.report["masked"]["no open"] == 2
    assert loaded.dollar_volume is None


def test_what_a_range_leaves_without_a_number_is_absent(tmp_path):
    """A's volumes and opens end in 2019: a range after that has neither."""
    text = (
        "date,open,close,volume\n2019-12-30,1,1,1\n2019-12-31,1,1,1\n"
        "2020-01-02,,1,\n2020-01-03,,1,\n"
    )
    whole = prices.read_folder(write(tmp_path, A=text))
    late = prices.between(whole, "2020-01-01", "")
    assert (late.volume, late.open, late.dollar_volume) == (None, None, None)
    assert late.report["masked"] == {"gap": 0, "not listed": 0}


def test_layouts_of_a_folder_agree(tmp_path):
    rows = {"A": [1.0, 2.0, 3.0], "B": [4.0, 5.0, 6.0]}
    days = pd.Index(["2020-01-02", "2020-01-03", "2020-01-06"], name="date")
    wide = pd.DataFrame(rows, days)
    folders = [tmp_path / name for name in ("each", "wide", "long", "parquet")]
    for folder in folders:
        folder.mkdir()
    for ticker in wide:
        wide[[ticker]].set_axis(["close"], axis=1).to_csv(folders[0] / f"{ticker}.csv")
    wide.to_csv(folders[1] / "all.csv")
    long = wide.reset_index().melt("date", var_name="ticker", value_name="close")
    long.iloc[:2].to_csv(folders[2] / "one.csv", index=False)
    long.iloc[2:].to_csv(folders[2] / "two.csv", index=False)
    wide.set_axis(pd.to_datetime(days)).to_parquet(folders[3] / "all.parquet")
    first, *others = (prices.read_folder(folder).close for folder in folders)
    np.testing.assert_array_equal(first.to_numpy(), wide.to_numpy())
    for other in others:
        pd.testing.assert_frame_equal(first, other)


def test_quote_that_stands_twice_is_refused_within_and_across_files(tmp_path):
    text = "date,ticker,close\n2020-01-02,A,1\n2020-01-03,A,1\n"
    write(tmp_path, one=text + "2020-01-03,A,2\n")
    with pytest.raises(ValueError, match="line 4: A on 2020-01-03 .*one.csv, line 3"):
        prices.read_folder(tmp_path)
    write(tmp_path, one=text, two="date,ticker,close\n2020-01-03,A,1\n")
    with pytest.raises(ValueError, match="two.csv, line 2: .*one.csv, line 3"):
        prices.read_folder(tmp_path)


def test_empty_universes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no file in .csv, .csv.gz, .parquet"):
        prices.read_folder(tmp_path)
    write(tmp_path, A="date,close\n2020-01-02,\n2020-01-03,\n")
    with pytest.raises(ValueError, match="quotes on 0 dates; at least 2"):
        prices.read_folder(tmp_path)
    write(tmp_path, A="date,close\n2020-01-02,1\n")
    with pytest.raises(ValueError, match="quotes on 1 dates; at least 2"):
        prices.read_folder(tmp_path)


def test_one_ticker_and_one_file_are_legal(tmp_path):
    text = "date,close\n2020-01-02,1\n2020-01-03,\n2020-01-06,2\n"
    loaded = prices.read_folder(write(tmp_path, A=text) / "A.csv")
    assert loaded.report["tickers"] == ["A"]
    assert loaded.close["A"].to_list() == [1, 2]
    assert "1 dates without any quote were left out." in loaded.report["caveats"]


def test_files_that_are_not_read_are_named(tmp_path):
    write(tmp_path, A="date,close\n2020-01-02,1\n2020-01-03,1\n")
    (tmp_path / "B.xlsx").write_bytes(b"")
    (tmp_path / ".hidden.csv").write_bytes(b"")
    assert "B.xlsx" in prices.read_folder(tmp_path).report["caveats"][-1]
