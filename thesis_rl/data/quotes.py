"""One file of quotes: the layouts it may have, and what is refused in it.

The header tells three layouts apart:

one ticker   date, close or adj_close, and any of open, high, low and volume; the
             file is named after the ticker
long         the same and ticker, rows of many tickers
wide         date, and one column of closes a ticker
"""

import io
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

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
    read = _parquet if path.suffix == ".parquet" else _csv
    frame = read(content, path)
    plain = frame.columns.str.strip().str.lower().str.replace(" ", "_")
    wide = NOT_WIDE.isdisjoint(plain)
    frame.columns = frame.columns.where(plain != "date", "date") if wide else plain
    _check_header(frame, wide, path)
    if frame.empty:
        raise ValueError(f"{path} has a header and no rows below it")
    table = _wide(frame, path) if wide else _long(frame, path)
    _check_order(table, path)
    return table


def ticker_of(path: Path) -> str:
    """Names the ticker of a file: its name up to the suffix, BRK.B of BRK.B.csv."""
    suffix = next(suffix for suffix in SUFFIXES if path.name.endswith(suffix))
    return path.name.removesuffix(suffix)


def place(path: Path, line: int) -> str:
    """Says where in a file, as a person who opens it would count."""
    return f"{path}, {'row' if Path(path).suffix == '.parquet' else 'line'} {line}"


def _csv(content: bytes, path: Path) -> pd.DataFrame:
    try:
        rows = pd.read_csv(
            io.BytesIO(content),
            header=None,  # So that pandas renames no column and the index is the line.
            dtype=object,
            keep_default_na=False,  # NA and TRUE are tickers.
            na_values=["", "nan", "NaN"],
            skip_blank_lines=False,
            encoding="utf-8-sig",
            compression="gzip" if path.suffix == ".gz" else None,
        )
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read as CSV: {error}") from error
    rows.index += 1
    frame = rows.iloc[1:].dropna(how="all")
    return frame.set_axis(rows.iloc[0].fillna("").to_list(), axis=1)


def _parquet(content: bytes, path: Path) -> pd.DataFrame:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ImportError(f"{path} needs pyarrow: pip install pyarrow") from None
    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read as Parquet: {error}") from error
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return frame.set_axis(frame.columns.astype(str), axis=1)


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
    closes = frame.drop(columns="date").apply(_price, path=path)
    table = closes.assign(date=_dates(frame["date"], path)).melt(
        "date", var_name="ticker", value_name="close", ignore_index=False
    )
    return table.assign(open=np.nan, volume=np.nan, dollars=np.nan)


def _long(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    prices = {name: _price(frame[name], path) for name in PRICES if name in frame}
    _check_range(prices, path)
    ticker = ticker_of(path)
    if "ticker" in frame:
        ticker = frame["ticker"]
        _refuse(ticker, ticker.isna(), "must name the stock", path)
        ticker = ticker.astype(str)
    volume = np.nan
    if "volume" in frame:
        volume = _numbers(frame["volume"], path)
        _refuse(frame["volume"], volume < 0, "must be 0 or more", path)
    close = prices["adj_close" if "adj_close" in prices else "close"]
    own = prices.get("close", close)
    opens = np.nan
    if "open" in prices and "close" in prices:
        opens = prices["open"] * (close / own)
    return pd.DataFrame(
        {
            "date": _dates(frame["date"], path),
            "ticker": ticker,
            "close": close,
            "open": opens,
            "volume": volume,
            "dollars": own * volume,
        }
    )


def _dates(column: pd.Series, path: Path) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(column):
        days = column.dt.tz_localize(None)
    else:
        text = column.astype(str)
        days = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
    fits = days.between(pd.Timestamp.min, pd.Timestamp.max)
    good = fits & (days == days.dt.normalize())
    _refuse(column, ~good, "must be a day such as 2020-01-31", path)
    return days.astype("datetime64[ns]")


def _numbers(column: pd.Series, path: Path) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    rule = "must be a number, or empty where there is no quote"
    _refuse(column, column.notna() & numbers.isna(), rule, path)
    _refuse(column, np.isinf(numbers), "must be finite", path)
    return numbers


def _price(column: pd.Series, path: Path) -> pd.Series:
    numbers = _numbers(column, path)
    _refuse(column, numbers <= 0, "must be above 0", path)
    return numbers


def _check_range(prices: dict[str, pd.Series], path: Path) -> None:
    absent = pd.Series(np.nan, next(iter(prices.values())).index)
    high, low = (prices.get(name, absent) for name in ("high", "low"))
    _refuse(high, high < low, "must not be below low", path)
    for name in ("close", "open"):
        price = prices.get(name, absent)
        slack = TOLERANCE * price
        outside = (price > high + slack) | (price < low - slack)
        _refuse(price, outside, "must lie between low and high", path)


def _check_order(table: pd.DataFrame, path: Path) -> None:
    late = (table.groupby("ticker")["date"].diff() < pd.Timedelta(0)).to_numpy()
    if late.any():
        row = late.argmax()
        ticker, day = table["ticker"].iloc[row], table["date"].iloc[row]
        above = table[table["ticker"] == ticker].loc[: table.index[row]].iloc[-2]
        raise ValueError(
            f"{place(path, table.index[row])}: date {day:%Y-%m-%d} of {ticker} stands "
            f"below {above['date']:%Y-%m-%d} of line {above.name}; sort the rows by "
            "date, oldest first"
        )


def _refuse(column: pd.Series, bad: pd.Series, rule: str, path: Path) -> None:
    """Raises if a row is `bad`, for the first one that is."""
    if bad.any():
        line = bad.idxmax()
        value = "nothing" if pd.isna(column[line]) else column[line]
        where = place(path, line)
        raise ValueError(f"{where}: {column.name} {rule}, got {value}")
