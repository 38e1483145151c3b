"""Membership and delistings: who belonged to the universe, and when that was known.

config.membership names a CSV file with the columns

ticker              the name
event               add, remove, or delist
announced           when it was published: a day, or a day and an hour of New York
                    (2020-06-12 17:15); "" where that is not known
effective           the day: the first as a member, the first no longer as one, or the
                    last on which the name traded
delisting_return    of a delist, from the last close to what its holders were left
                    with; "" where that is not known
"""

import functools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from thesis_rl.data import clock
from thesis_rl.data.prices import cells
from thesis_rl.data.sources.fetching import FILE
from thesis_rl.data.sources.keys import BadResponse, SourceError
from thesis_rl.data.sources.parsed import Parsed, consolidate
from thesis_rl.data.store.raw import Response

NAME = "membership"
TITLE = "Members of the universe, and delistings"
ADDRESS = ""
RATE = 1e6  # Files wait for nobody.
KEY = None
LICENCE = "the user's own file, on its own terms"
COLUMNS = ("ticker", "event", "announced", "effective")
RETURN = "delisting_return"
EVENTS = ("add", "remove", "delist")
SOON = pd.Timedelta(seconds=1)


def check(content: bytes) -> None:
    """Raises a BadResponse for an empty file; `parse` checks what is in it."""
    if not content.strip():
        raise BadResponse("the file is empty")


def fetch(get, group: str, config) -> None:
    """Stores the file that config.membership names, for a ticker.

    Raises:
        SourceError: it names none.
    """
    if not config.get("membership", ""):
        raise SourceError("config.membership is ''; it must name a CSV file")
    get(FILE, config.membership)


def parse(responses: Sequence[Response]) -> Parsed:
    """Reads what happened to a ticker.

    Fields: member, 1 from an addition and 0 from a removal, or from the session after a
    delisting; delisting, its return, NaN where not known. Each is about the close of
    its day, or of the next session where that day is none. It is known when announced,
    at the end of the day where no hour is given; with no announcement, at that close.
    What adds a member or removes what is none is left out and counted.

    Raises:
        ValueError: with file, line and field.
    """
    rows, rejected = [], Counter()
    for response in responses:
        told, wrong = _read(response)
        rows.extend((event, response.received) for event in told)
        rejected |= wrong  # The greater count: later versions repeat earlier ones.
    return Parsed(consolidate(rows), dict(rejected))


def _read(response: Response) -> tuple[list[dict], Counter]:
    table = _table(response.content, Path(response.request.path))
    own = table[table["ticker"] == response.request.group]
    made, wrong, member = [], Counter(), False
    for line, row in own.sort_values("effective", kind="stable").iterrows():
        common = {
            "source": NAME,
            "name": response.request.group,
            "document": Path(response.request.path).name,
            "raw": response.sha256,
        }
        adds, close = row["event"] == "add", _close(row["effective"])
        if row["event"] == "delist":
            place = f"line {line}, column delisting_return"
            about = _about(close, row["announced"], "delisting", row["return"], place)
            made.append(common | about)
            close = _close(close + SOON)
        elif adds == member:
            wrong[f"{row['event']} of what is {'' if adds else 'not '}a member"] += 1
        if adds != member:
            place = f"line {line}, column event"
            about = _about(close, row["announced"], "member", float(adds), place)
            made.append(common | about)
        member = adds
    return made, wrong


def _about(
    close: pd.Timestamp, announced: pd.Timestamp, field: str, value: float, place: str
) -> dict:
    known = close if announced is pd.NaT else announced
    return {
        "event_time": close,
        "knowledge_time": known,
        "field": field,
        "value": value,
        "place": place,
    }


def _close(instant: pd.Timestamp) -> pd.Timestamp:
    """Finds the first close at or after an instant; a day counts from its midnight.

    Midnight by UTC is an evening in New York, after the close of the day before.
    """
    return clock.next_close([instant])[0]


# The file holds every ticker, and so is read once for all of them.
@functools.lru_cache(maxsize=4)
def _table(content: bytes, path: Path) -> pd.DataFrame:
    """Reads the file: ticker, event, announced (UTC), effective (day) and return."""
    frame = cells.own_csv(content, path, COLUMNS, (RETURN,))
    event = frame["event"].str.strip().str.lower()
    rule = f"must be one of {', '.join(EVENTS)}"
    cells.refuse(frame["event"], ~event.isin(EVENTS), rule, path)
    earned = cells.numbers(frame[RETURN], path)
    cells.refuse(frame[RETURN], earned < -1, "must be -1, a total loss, or more", path)
    other = earned.notna() & (event != "delist")
    cells.refuse(frame[RETURN], other, "must be empty but for delist", path)
    return pd.DataFrame(
        {
            "ticker": cells.filled(frame["ticker"], path),
            "event": event,
            "announced": _announced(frame["announced"], path),
            "effective": cells.days(frame["effective"], path),
            "return": earned,
        }
    )


def _announced(column: pd.Series, path: Path) -> pd.Series:
    """Reads days, known at their end, and days with an hour of New York: UTC."""
    text = column.astype(str).str.strip()
    days = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
    hours = pd.to_datetime(text, format="%Y-%m-%d %H:%M", errors="coerce")
    rule = "must be a day such as 2020-01-31, or 2020-01-31 17:15, or empty"
    cells.refuse(column, column.notna() & days.isna() & hours.isna(), rule, path)
    return clock.end_of_day(days).fillna(clock.new_york(hours))
