"""One file of quotes: the layouts it may have, and what is refused in it.

The header tells three layouts apart:

one ticker   date, close or adj_close, and any of open, high, low and volume; the
             file is named after the ticker
long         the same and ticker, rows of many tickers
wide         date, and one column of closes a ticker
"""

from pathlib import Path

import numpy as np
import pandas as pd

from thesis_rl.data.prices import cells

SUFFIXES = (".csv", ".csv.gz", ".parquet")
PRICES = ("open", "high", "low", "close", "adj_close")
FIELDS = ("date", "ticker", *PRICES, "volume")
NOT_WIDE = {"ticker", "close", "adj_close", "high", "volume"}  # Never tickers.
TOLERANCE = 1e-3  # Relative: sources round the fields of one row differently.


def parse(content: bytes, path: Path) -> pd.DataFrame:
    """Reads a file into one row a quote, and refuses what cannot be right.

    Args:
        content: the bytes of the file.
        path: names the file in errors; its suffix is one of `SUFFIXES`.

    Returns:
        Columns date (datetime64[ns]), ticker, close (adj_close where the file has
        it; NaN where not quoted), open (scaled by adj_close/close where the file has
        adj_close; NaN where not given or without a close to scale by), volume and
        dollars, the value traded, close · volume with the file's own close, or with
        adj_close where it has no other (both NaN where not given). The index is the
        line in a CSV file, the header being line 1, or the row in a Parquet file.

    Raises:
        ValueError: with the file, line and field at fault, and what would be right.
        ImportError: where a Parquet file is met and pyarrow is not installed.
    """
    given = read(content, path)
    close = given["adj_close" if "adj_close" in given else "close"]
    own = given.get("close", close)
    absent = pd.Series(np.nan, given.index)
    scaled = "open" in given and "close" in given
    opens = given["open"] * (close / own) if scaled else absent
    volume = given.get("volume", absent)
    return given[["date", "ticker"]].assign(
        close=close, open=opens, volume=volume, dollars=own * volume
    )


def read(content: bytes, path: Path) -> pd.DataFrame:
    """Reads a file into one row a quote, as it is given; arguments as `parse`.

    Returns:
        Columns date (datetime64[ns]), ticker and those of `PRICES` and volume that
        the file has, float64, NaN where empty. The index is that of `parse`.

    Raises:
        ValueError: as `parse`.
        ImportError: as `parse`.
    """
    frame = cells.read(content, path)
    plain = frame.columns.str.strip().str.lower().str.replace(" ", "_")
    wide = NOT_WIDE.isdisjoint(plain)
    frame.columns = frame.columns.where(plain != "date", "date") if wide else plain
    _check_header(frame, wide, path)
    if frame.empty:
        raise ValueError(f"{path} has a header and no rows below it")
    table = _wide(frame, path) if wide else _long(frame, path)
    _check_order(table, path)
    return table


def actions(content: bytes, path: Path, field: str) -> pd.DataFrame:
    """Reads a CSV file of splits or dividends: date, ticker and the field.

    Args:
        content: the bytes of the file.
        path: names the file in errors.
        field: split, new shares per old, or dividend, cash a share.

    Returns:
        The three columns, indexed by line.

    Raises:
        ValueError: with the file, line and field at fault.
    """
    frame = cells.own_csv(content, path, ("date", "ticker", field))
    value = cells.positive(frame[field], path)
    cells.refuse(frame[field], value.isna(), "must be a number above 0", path)
    return pd.DataFrame(
        {
            "date": cells.days(frame["date"], path),
            "ticker": cells.filled(frame["ticker"], path),
            field: value,
        }
    )


def ticker_of(path: Path) -> str:
    """Names the ticker of a file: its name up to the suffix, BRK.B of BRK.B.csv."""
    suffix = next(suffix for suffix in SUFFIXES if path.name.endswith(suffix))
    return path.name.removesuffix(suffix)


def _check_header(frame: pd.DataFrame, wide: bool, path: Path) -> None:
    names = pd.Index(frame.columns)
    columns = ", ".join(names)
    if (names.str.strip() == "").any():
        raise ValueError(f"{path} has a column without a name in its header: {columns}")
    if names.has_duplicates:
        twice = names[names.duplicated()][0]
        raise ValueError(f"{path} has the column {twice} twice; one is right")
    if "date" not in names:
        raise ValueError(f"{path} has no column date; it has {columns}")
    if wide and len(names) < 2:
        raise ValueError(f"{path} has dates and no prices: add a column a ticker")
    unknown = [name for name in names if name not in FIELDS]
    if not wide and unknown:
        raise ValueError(
            f"{path} has the unknown column {unknown[0]}; allowed are "
            f"{', '.join(FIELDS)}, or, without any of these but date, a column of "
            "closes a ticker"
        )
    if not wide and names.intersection(["close", "adj_close"]).empty:
        raise ValueError(f"{path} has neither close nor adj_close; it has {columns}")


def _wide(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    closes = frame.drop(columns="date").apply(cells.positive, path=path)
    return closes.assign(date=cells.days(frame["date"], path)).melt(
        "date", var_name="ticker", value_name="close", ignore_index=False
    )


def _long(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    given = {n: cells.positive(frame[n], path) for n in PRICES if n in frame}
    _check_range(given, path)
    ticker = ticker_of(path)
    if "ticker" in frame:
        ticker = frame["ticker"]
        cells.refuse(ticker, ticker.isna(), "must name the stock", path)
        ticker = ticker.astype(str)
    if "volume" in frame:
        given["volume"] = cells.numbers(frame["volume"], path)
        negative = given["volume"] < 0
        cells.refuse(frame["volume"], negative, "must be 0 or more", path)
    date = cells.days(frame["date"], path)
    return pd.DataFrame({"date": date, "ticker": ticker} | given)


def _check_range(prices: dict[str, pd.Series], path: Path) -> None:
    absent = pd.Series(np.nan, next(iter(prices.values())).index)
    high, low = (prices.get(name, absent) for name in ("high", "low"))
    cells.refuse(high, high < low, "must not be below low", path)
    for name in ("close", "open"):
        price = prices.get(name, absent)
        slack = TOLERANCE * price
        outside = (price > high + slack) | (price < low - slack)
        cells.refuse(price, outside, "must lie between low and high", path)


def _check_order(table: pd.DataFrame, path: Path) -> None:
    late = (table.groupby("ticker")["date"].diff() < pd.Timedelta(0)).to_numpy()
    if late.any():
        row = late.argmax()
        ticker, day = table["ticker"].iloc[row], table["date"].iloc[row]
        above = table[table["ticker"] == ticker].loc[: table.index[row]].iloc[-2]
        raise ValueError(
            f"{cells.place(path, table.index[row])}: date {day:%Y-%m-%d} of {ticker} "
            f"stands below {above['date']:%Y-%m-%d} of line {above.name}; sort the "
            "rows by date, oldest first"
        )
