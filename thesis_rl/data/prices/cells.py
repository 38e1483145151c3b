"""The cells of a user's own table, and how they are refused: by file, line and field.

Every table is indexed by the line in a CSV file, the header being line 1, or by the row
in a Parquet file.
"""

import io
import zlib
from pathlib import Path

import numpy as np
import pandas as pd


def read(content: bytes, path: Path) -> pd.DataFrame:
    """Reads CSV or Parquet, as the suffix of `path` says, with its columns as they are.

    Returns:
        The cells: text in a CSV file, NaN where empty; typed in a Parquet file.

    Raises:
        ValueError: the content is damaged or of another format.
        ImportError: where a Parquet file is met and pyarrow is not installed.
    """
    return (_parquet if path.suffix == ".parquet" else _csv)(content, path)


def own_csv(
    content: bytes, path: Path, needed: tuple, optional: tuple = ()
) -> pd.DataFrame:
    """Reads a CSV file whose columns are known by name.

    Args:
        content: the bytes of the file.
        path: names the file in errors.
        needed: columns that it must have.
        optional: columns that it may have; where it has none, they are NaN.

    Raises:
        ValueError: a column that is missing, unknown or there twice, or what `read`
            refuses.
    """
    frame = read(content, path)
    frame.columns = frame.columns.str.strip().str.lower()
    columns = ", ".join(frame.columns)
    lacking = [name for name in needed if name not in frame]
    if lacking:
        raise ValueError(f"{path} has no column {lacking[0]}; it has {columns}")
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"{path} has the column {twice} twice; one is right")
    known = (*needed, *optional)
    unknown = [name for name in frame if name not in known]
    if unknown:
        raise ValueError(
            f"{path} has the unknown column {unknown[0]}; allowed are "
            f"{', '.join(known)}"
        )
    return frame.reindex(columns=known)


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


def days(column: pd.Series, path: Path) -> pd.Series:
    """Reads days, datetime64[ns] without a zone; refuses what is none."""
    if pd.api.types.is_datetime64_any_dtype(column):
        read = column.dt.tz_localize(None)
    else:
        text = column.astype(str)
        read = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
    fits = read.between(pd.Timestamp.min, pd.Timestamp.max)
    good = fits & (read == read.dt.normalize())
    refuse(column, ~good, "must be a day such as 2020-01-31", path)
    return read.astype("datetime64[ns]")


def numbers(column: pd.Series, path: Path) -> pd.Series:
    """Reads finite numbers, NaN where a cell is empty; refuses what is none."""
    read = pd.to_numeric(column, errors="coerce").astype(np.float64)
    rule = "must be a number, or empty where there is no quote"
    refuse(column, column.notna() & read.isna(), rule, path)
    refuse(column, np.isinf(read), "must be finite", path)
    return read


def positive(column: pd.Series, path: Path) -> pd.Series:
    """Reads numbers above 0, NaN where a cell is empty."""
    read = numbers(column, path)
    refuse(column, read <= 0, "must be above 0", path)
    return read


def filled(column: pd.Series, path: Path) -> pd.Series:
    """Reads texts; refuses an empty cell."""
    refuse(column, column.isna(), "must not be empty", path)
    return column.astype(str)


def refuse(column: pd.Series, bad: pd.Series, rule: str, path: Path) -> None:
    """Raises a ValueError if a row is `bad`, for the first one that is."""
    if bad.any():
        line = bad.idxmax()
        value = "nothing" if pd.isna(column[line]) else column[line]
        where = place(path, line)
        raise ValueError(f"{where}: {column.name} {rule}, got {value}")
