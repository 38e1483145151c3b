"""Bars of one's own: CSV and Parquet files of unadjusted prices, splits and dividends.

The files of config.bars are long or hold one ticker each, as `quotes.read` reads them,
with the close and the volume as traded; an adj_close is not used, since it changes with
what comes later. config.splits and config.dividends name CSV files with the columns
date, ticker, and split (new shares per old) or dividend (cash a share). A bar, a split
and a dividend are all known at the close of their session, early closes included.
"""

import functools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from thesis_rl.data import clock
from thesis_rl.data.prices import cells, quotes
from thesis_rl.data.sources.fetching import FILE
from thesis_rl.data.sources.keys import BadResponse, NotFound, SourceError
from thesis_rl.data.sources.parsed import Parsed, consolidate
from thesis_rl.data.store.raw import Response

NAME = "bars"
TITLE = "Bars of one's own"
ADDRESS = ""
RATE = 1e6  # Files wait for nobody.
KEY = None
LICENCE = "the user's own files, on their own terms"
HOLDS = "holds"  # The parameter of a request that says which kind of file it is.
ACTIONS = {"split": "splits", "dividend": "dividends"}  # Field, and config key.
BAR = ("open", "high", "low", "close", "volume")
NO_SESSION, NO_CLOSE, TWICE = "no session of XNYS", "no close", "duplicated bar"


class _Row(NamedTuple):
    """One row of a file of one response."""

    response: Response
    line: int
    day: pd.Timestamp
    close: pd.Timestamp  # Of that session, UTC.
    values: dict[str, float]  # By field; what is empty is left out.

    def __str__(self) -> str:
        return cells.place(Path(self.response.request.path), self.line)


def check(content: bytes) -> None:
    """Raises a BadResponse for an empty file; `parse` checks what is in it."""
    if not content.strip():
        raise BadResponse("the file is empty")


def fetch(get, group: str, config) -> None:
    """Stores the files that hold bars of a ticker, and those of splits and dividends.

    Args:
        get: of the raw store.
        group: the ticker.
        config: config.bars, a folder or one file; config.splits and config.dividends,
            "" where there is none.

    Raises:
        SourceError: config.bars names nothing.
        NotFound: no file holds the ticker.
        ValueError: what `quotes.read` refuses.
    """
    folder = Path(config.get("bars", "") or "")
    if not config.get("bars", "") or not folder.exists():
        raise SourceError(
            f"config.bars is {config.get('bars', '')!r}; it must name a folder of CSV "
            "or Parquet files"
        )
    found = [folder] if folder.is_file() else sorted(folder.iterdir())
    named = [file for file in found if file.name.endswith(quotes.SUFFIXES)]
    actions = {field: config.get(key, "") for field, key in ACTIONS.items()}
    others = [Path(path) for path in actions.values() if path]
    files = [f for f in named if not f.name.startswith(".") and f not in others]
    holding = [f for f in files if group in _tickers(f, f.stat().st_mtime_ns)]
    if not holding:
        raise NotFound(f"{folder} holds no bars of {group}: no file is named after it")
    # Actions first: bars must not be had without splits that were refused.
    for field, path in actions.items():
        if path:
            get(FILE, path, ((HOLDS, field),))
    for file in holding:
        get(FILE, file, ((HOLDS, "bar"),))


def parse(responses: Sequence[Response]) -> Parsed:
    """Reads the bars, splits and dividends of a ticker.

    A bar on a day without trade, one without a close, and one that stands already,
    word for word, are left out and counted.

    Raises:
        ValueError: with file and line: two bars of one day that contradict each other,
            a split or dividend on a day without trade, or what `quotes` refuses.
    """
    rejected, taken, rows = defaultdict(set), {}, []
    for response in responses:
        if response.request.kind == FILE:
            for row in _rows(response, rejected):
                if _is_new(row, taken, rejected):
                    rows.extend(_events(row))
    counts = {reason: len(places) for reason, places in rejected.items()}
    return Parsed(consolidate(rows), counts)


# A long file is asked for every ticker, and so read once for all of them.
@functools.lru_cache(maxsize=8)
def _read(content: bytes, path: Path, holds: str) -> pd.DataFrame:
    if holds in ACTIONS:
        return quotes.actions(content, path, holds)
    table = quotes.read(content, path)
    for name in ("close", "volume"):
        if name not in table:
            raise ValueError(
                f"{path} has no column {name}; bars need date, close and volume, as "
                "traded, and open, high and low where there are"
            )
    return table


@functools.cache
def _tickers(file: Path, changed: int) -> frozenset[str]:
    """Lists the tickers of a file, again where it was `changed`, in ns."""
    return frozenset(_read(file.read_bytes(), file, "bar")["ticker"])


def _rows(response: Response, rejected: dict[str, set]) -> Iterator[_Row]:
    path, holds = Path(response.request.path), dict(response.request.params)[HOLDS]
    table = _read(response.content, path, holds)
    table = table[table["ticker"] == response.request.group]
    if table.empty:
        return
    days = table["date"]
    traded = days.isin(clock.sessions(days.min(), days.max()))
    if holds in ACTIONS:
        rule = "must be a session of XNYS, the first at the new price"
        cells.refuse(days.dt.strftime("%Y-%m-%d"), ~traded, rule, path)
    fields = [name for name in (holds, *BAR) if name in table]
    for line in table.index[~traded]:
        rejected[NO_SESSION].add((path, line))
    table = table[traded]
    closes = clock.closes(pd.DatetimeIndex(table["date"]))
    lines = zip(table.index, table["date"], closes, strict=True)
    given = table[fields].to_dict("records")
    for (line, day, close), row in zip(lines, given, strict=True):
        values = {name: x for name, x in row.items() if not pd.isna(x)}
        if values.keys() & {"close", *ACTIONS}:
            yield _Row(response, line, day, close, values)
        else:
            rejected[NO_CLOSE].add((path, line))


def _is_new(row: _Row, taken: dict, rejected: dict[str, set]) -> bool:
    """Says whether a row is the first of its day, or another version of its file."""
    path = row.response.request.path
    key = (row.response.request.params, row.day)
    before = taken.get(key)
    again = before is not None and before.response.request.path == path
    if before is None or (again and before.response != row.response):
        taken[key] = row
        return True
    if before.values != row.values:
        raise ValueError(
            f"{row}: {row.response.request.group} on {row.day:%Y-%m-%d} stands already "
            f"in {before}, with other numbers; one row a date and ticker is right"
        )
    rejected[TWICE].add((path, row.line))
    return False


def _events(row: _Row) -> Iterator[tuple[dict, pd.Timestamp]]:
    request = row.response.request
    path = Path(request.path)
    unit = "row" if path.suffix == ".parquet" else "line"
    for field, value in row.values.items():
        event = {
            "source": NAME,
            "name": request.group,
            "field": field,
            "event_time": row.close,
            "knowledge_time": row.close,
            "value": value,
            "document": path.name,
            "raw": row.response.sha256,
            "place": f"{unit} {row.line}, column {field}",
        }
        yield event, row.response.received
