"""US Treasury: par yield curves, one file a year, and a packaged file of the past.

Both come out alike: named by tenor as the packaged file has them (1month to 30year), in
percent. The Treasury fixes a day's curve from quotes near 15:30 New York and publishes
it that evening, and does not revise it.
"""

import contextlib
import csv
import gzip
import hashlib
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from importlib import resources

import pandas as pd

from thesis_rl.data import clock
from thesis_rl.data.sources.client import shown
from thesis_rl.data.sources.keys import BadResponse
from thesis_rl.data.sources.parsed import Parsed, consolidate
from thesis_rl.data.store.raw import Request, Response

NAME = "treasury"
TITLE = "US Treasury: par yield curves"
ADDRESS = "https://home.treasury.gov"
RATE = 1.0  # The site names no limit.
KEY = None
LICENCE = "public domain (works of the US government)"

PATH = "/resource-center/data-chart-center/interest-rates/daily-treasury-rates.csv"
CURVE = "daily_treasury_yield_curve"
PACKAGED = "treasury_curves.csv.gz"  # Of thesis_rl/data/files; see PROVENANCE.md there.
YEARS_BEFORE = 2  # A feature of a year's history and a fold's first days need them.
GZIP = b"\x1f\x8b"
TENOR = re.compile(r"(\d+(?:\.\d+)?)[ ]?(Mo|Month|Yr|Year)s?", re.IGNORECASE)
UNITS = {"mo": "month", "month": "month", "yr": "year", "year": "year"}
BLANKS = ("", "N/A")

BLANK = "no yield that day"
NO_NUMBER = "yield is no number"
NO_DATE = "date is no date"
NO_TENOR = "column is no tenor"


def check(content: bytes) -> None:
    """Raises a BadResponse unless the content is a table of curves in CSV."""
    header, rows = _table(content)
    if not header or header[0].strip().lower() != "date":
        start = shown(content[:60].decode("utf-8", "replace"))
        raise BadResponse(f"no table of yields: it begins with {start!r}")
    if not any(map(_tenor, header[1:])):
        raise BadResponse(f"a table without tenors: {shown(', '.join(header))}")
    for line, cells in rows.items():
        if len(cells) != len(header):
            raise BadResponse(f"line {line} has {len(cells)} of {len(header)} cells")


def fetch(get, group: str, config) -> None:
    """Fetches the years from two before config.start to that of config.until.

    Args:
        get: `get(kind, path, params) -> bytes`.
        group: any; there is one set of curves.
        config: its start and until are ISO days.
    """
    first = pd.Timestamp(config.start).year - YEARS_BEFORE
    for year in range(first, pd.Timestamp(config.until).year + 1):
        params = (
            ("type", CURVE),
            ("field_tdr_date_value", str(year)),
            ("page", ""),
            ("_format", "csv"),
        )
        get("curves", f"{PATH}/{year}/all", params)


def parse(responses: Sequence[Response]) -> Parsed:
    """Reads curves as the Treasury sends them or as the packaged file has them.

    Args:
        responses: in order of receipt.

    Returns:
        Events of field yield, in percent, about the end of their day, New York, and
        known then; and what was left out, each day and tenor counted once.
    """
    rows, rejected = [], set()
    for response in responses:
        found = _events(response, rejected)
        rows += [(row, response.received) for row in found]
    return Parsed(consolidate(rows), dict(Counter(reason for reason, *_ in rejected)))


def shipped() -> pd.DataFrame:
    """Reads the events of the packaged curves, 1990-01-02 to 2017-03-29."""
    return parse([packaged()]).events


def packaged() -> Response:
    """Returns the packaged file, its bytes as they lie there, as a response.

    It counts as received when its last curve was known, the earliest it can have been.
    """
    content = resources.files("thesis_rl.data").joinpath("files", PACKAGED).read_bytes()
    *_, last = _table(content)[1].values()
    request = Request(NAME, "curves", "packaged", PACKAGED)
    sha256 = hashlib.sha256(content).hexdigest()
    return Response(request, content, sha256, clock.end_of_day(last[0]))


def _table(content: bytes) -> tuple[list[str], dict[int, list[str]]]:
    """Reads the header, and the cells of each further line that has any."""
    plain = gzip.decompress(content) if content.startswith(GZIP) else content
    text = plain.decode("utf-8-sig", "replace")
    reader = csv.reader(io.StringIO(text))
    rows = {line: cells for line, cells in enumerate(reader, 1) if cells}
    return rows.pop(1, []), rows


def _events(response: Response, rejected: set) -> Iterator[dict]:
    header, rows = _table(response.content)
    # The packaged file holds fractions, which its header in small letters tells.
    scale = Decimal(100) if header[0] == "date" else Decimal(1)
    columns = [(column, _tenor(column)) for column in header[1:]]
    days = [_day(date) for date, *_ in rows.values()]
    ends = clock.end_of_day(days)
    for (line, (date, *cells)), day, end in zip(rows.items(), days, ends, strict=True):
        for (column, tenor), cell in zip(columns, cells, strict=True):
            value, fault = _percent(cell, scale)
            fault = NO_DATE if day is None else fault if tenor else NO_TENOR
            if fault:
                rejected.add((fault, date, column))
                continue
            yield {
                "source": NAME,
                "name": tenor,
                "field": "yield",
                "event_time": end,
                "knowledge_time": end,
                "value": value,
                "document": f"{CURVE} {day}",
                "raw": response.sha256,
                "place": f"line {line}, column {column}",
            }


def _tenor(column: str) -> str:
    """Names a tenor as the packaged file does, 10year of 10 Yr; "" if it is none."""
    match = TENOR.fullmatch(column.strip())
    return match[1] + UNITS[match[2].lower()] if match else ""


def _day(text: str) -> str | None:
    """Reads 2024-01-31 or 01/31/2024 into the former."""
    for form in ("%m/%d/%Y", "%Y-%m-%d"):
        with contextlib.suppress(ValueError):
            return datetime.strptime(text.strip(), form).date().isoformat()
    return None


def _percent(cell: str, scale: Decimal) -> tuple[float, str]:
    """Returns a yield in percent, and why it is left out or "".

    Decimals make 0.0783 and 7.83 the same number, which 100 * 0.0783 is not.
    """
    if cell.strip() in BLANKS:
        return math.nan, BLANK
    try:
        number = Decimal(cell.strip()) * scale
    except InvalidOperation:
        return math.nan, NO_NUMBER
    return float(number), "" if number.is_finite() else NO_NUMBER
