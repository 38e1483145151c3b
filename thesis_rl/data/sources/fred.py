"""FRED and ALFRED: economic series as they stood on every day of their past.

A request spans a real-time period of at most 2,000 vintages, so long histories come in
chunks. FRED moves the `realtime_start` of what was known before a chunk to the chunk's
edge. The chunks here begin on vintage dates and leave no day between them: a row at an
edge either goes on from the chunk before, and is that version again, or is a new one.

A version that ends, with no other after it, was withdrawn: a missing value is no
event, but one that stands where a number stood retracts it, and so does an observation
that a later vintage leaves out.
"""

import bisect
import functools
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from thesis_rl.data import clock
from thesis_rl.data.sources.client import json_object, shown
from thesis_rl.data.sources.keys import BadResponse
from thesis_rl.data.sources.parsed import Parsed, consolidate
from thesis_rl.data.store.raw import Response

NAME = "fred"
TITLE = "FRED/ALFRED: economic series by vintage"
ADDRESS = "https://api.stlouisfed.org"
RATE = 1.5  # FRED allows 120 requests a minute.
KEY = "FRED_API_KEY"
KEY_IN = ("query", "api_key")
LICENCE = "FRED terms of use; some series belong to others, see each series' page"

VINTAGES, OBSERVATIONS = "vintages", "observations"  # Kinds of request.
FIRST_DAY, FOREVER = "1776-07-04", "9999-12-31"  # Of FRED's real-time periods.
CHUNK = 2_000  # Vintages that a request in JSON may span.
MOST_VINTAGES, MOST_OBSERVATIONS = 10_000, 100_000  # In one response.
MISSING = "."

BLANK = "missing (.)"
NO_NUMBER = "value is no number"
CARRIED = "repeated from the chunk before"
EDGE = "realtime_start is no vintage date but a chunk's edge"


class Version(NamedTuple):
    """What one observation was from one day to another, both included."""

    start: str  # ISO days, of the real-time period.
    end: str
    text: str  # The number as FRED wrote it.
    place: str
    response: Response


class Cover(NamedTuple):
    """A real-time period of which every observation was received."""

    start: str
    end: str
    response: Response  # The last page.


def check(content: bytes) -> None:
    """Raises a BadResponse where FRED says that it failed, or the JSON is not whole."""
    body = json_object(content)
    if "error_code" in body or "error_message" in body:
        message = shown(body.get("error_message", "no message"))
        raise BadResponse(f"FRED error {body.get('error_code')}: {message}")
    if "vintage_dates" not in body and "observations" not in body:
        raise BadResponse("FRED sent neither vintage_dates nor observations")


def fetch(get, group: str, config) -> None:
    """Fetches every vintage of a series up to a day.

    Args:
        get: `get(kind, path, params) -> bytes`.
        group: id of the series, such as CPIAUCSL.
        config: its until is the last vintage's day (ISO) at the latest.
    """
    days = [day for day in _vintage_dates(get, group) if day <= config.until]
    for first in range(0, len(days), CHUNK):
        after = days[first + CHUNK : first + CHUNK + 1]
        last = _shift(after[0], -1) if after else days[-1]
        span = (("realtime_start", days[first]), ("realtime_end", last))
        path, about = "/fred/series/observations", (*span, ("output_type", "1"))
        for _ in _pages(get, OBSERVATIONS, path, group, about, MOST_OBSERVATIONS):
            pass


def _vintage_dates(get, group: str) -> list[str]:
    span = (("realtime_start", FIRST_DAY), ("realtime_end", FOREVER))
    path = "/fred/series/vintagedates"
    pages = _pages(get, VINTAGES, path, group, span, MOST_VINTAGES)
    return sorted({day for body in pages for day in body["vintage_dates"]})


def _pages(get, kind: str, path: str, group: str, params, limit: int) -> Iterator[dict]:
    about = (("series_id", group), ("file_type", "json"), *params)
    for page in itertools.count():
        paging = (("limit", str(limit)), ("offset", str(page * limit)))
        body = json_object(get(kind, path, (*about, *paging)))
        yield body
        if (page + 1) * limit >= body["count"]:
            return


def parse(responses: Sequence[Response]) -> Parsed:
    """Reads every version of every observation.

    Args:
        responses: of one series, in order of receipt.

    Returns:
        Events of field value, in the units of the series, about the end of the
        observation's day and known at the end of the vintage's, New York; and what
        was left out, each observation and vintage counted once.
    """
    found, rejected = [], set()
    fetches = defaultdict(list)
    for response in responses:
        fetches[response.request.until].append(response)
    for fetched in fetches.values():
        vintages, versions, covers = _read(fetched)
        for day, history in sorted(versions.items()):
            history = _joined(sorted(history, key=_order), day, rejected)
            for known, *said in _events(history, day, vintages, covers, rejected):
                found.append((day, known, *said))
    days = sorted({day for about, known, *_ in found for day in (about, known)})
    ends = dict(zip(days, clock.end_of_day(days), strict=True))
    rows = [(_row(*event, ends), event[-1].received) for event in found]
    return Parsed(consolidate(rows), dict(Counter(reason for reason, *_ in rejected)))


def _read(responses: Sequence[Response]):
    """Reads one fetch: vintage dates, versions by day, and what is covered."""
    vintages, versions = set(), defaultdict(list)
    lacking, last = Counter(), {}
    for response in responses:
        body = json_object(response.content)
        if response.request.kind == VINTAGES:
            vintages |= set(body["vintage_dates"])
            continue
        span = body["realtime_start"], body["realtime_end"]
        lacking[span] += len(body["observations"]) - (span not in last) * body["count"]
        last[span] = response
        for place, row in enumerate(body["observations"]):
            version = Version(
                row["realtime_start"],
                row["realtime_end"],
                str(row["value"]),
                f"/observations/{place}",
                response,
            )
            versions[row["date"]].append(version)
    covers = [Cover(*span, last[span]) for span in sorted(last) if lacking[span] >= 0]
    return vintages, versions, covers


def _order(version: Version) -> tuple[str, str]:
    return version.start, version.end


def _joined(history: list[Version], day: str, rejected: set) -> list[Version]:
    """Joins the pieces that chunks cut a version into; the first names its start."""
    whole: list[Version] = []
    for piece in history:
        before = whole[-1] if whole else None
        if before and piece.text == before.text and piece.start <= _after(before.end):
            whole[-1] = before._replace(end=max(before.end, piece.end))
            rejected.add((CARRIED, day, piece.start))
        else:
            whole.append(piece)
    return whole


def _events(
    history: list[Version],
    day: str,
    vintages: set[str],
    covers: list[Cover],
    rejected: set,
) -> Iterator[tuple]:
    """Yields (day known, value, place, response) of each version of an observation."""
    stands = False  # Whether the version before is a number that was told.
    following = [version.start for version in history[1:]] + [FOREVER]
    for version, successor in zip(history, following, strict=True):
        value, fault = _value(version, vintages, stands)
        if fault:
            rejected.add((fault, day, version.start))
        else:
            yield version.start, value, version.place, version.response
            stands = version.text != MISSING
        cover = _cover(version.end, covers)
        if stands and cover and _after(version.end) < successor:
            yield _after(version.end), math.nan, "/observations", cover.response
            stands = False


def _value(version: Version, vintages: set[str], stands: bool) -> tuple[float, str]:
    """Returns the value, and why it is left out or ""."""
    if version.start not in vintages:
        return math.nan, EDGE
    if version.text == MISSING:
        return math.nan, "" if stands else BLANK
    try:
        number = float(version.text)
    except ValueError:
        return math.nan, NO_NUMBER
    return number, "" if math.isfinite(number) else NO_NUMBER


def _cover(end: str, covers: list[Cover]) -> Cover | None:
    """Finds what would show a version that comes right after another's end."""
    after = _after(end)
    place = bisect.bisect_right(covers, after, key=lambda cover: cover.start) - 1
    if end == FOREVER or place < 0 or after > covers[place].end:
        return None
    return covers[place]


def _row(day: str, known: str, value: float, place: str, response: Response, ends):
    series = response.request.group
    return {
        "source": NAME,
        "name": series,
        "field": "value",
        "event_time": ends[day],
        "knowledge_time": ends[known],
        "value": value,
        "document": f"{series}@{known}",
        "raw": response.sha256,
        "place": place,
    }


def _after(day: str) -> str:
    return day if day == FOREVER else _shift(day, 1)


@functools.lru_cache(maxsize=2**16)
def _shift(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days)).isoformat()
