"""From the raw store into the store of events, and what is there then."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd

from thesis_rl.data import store
from thesis_rl.data.events import check
from thesis_rl.data.store import raw

UNREADABLE = (ValueError, LookupError, TypeError)  # Answers of another format.
DAY = np.timedelta64(1, "D")


class Ingested(NamedTuple):
    """What came of parsing a source."""

    added: int  # Events that the store had not.
    rejected: dict[str, int]  # Rows left out, by reason, in all groups.
    failed: dict[str, str]  # Why a group could not be parsed at all.


class Coverage(NamedTuple):
    """What the store has of a source."""

    rows: int
    names: int
    first: pd.Timestamp  # event_time; NaT without rows.
    last: pd.Timestamp
    gap_days: float  # The longest stretch of a name without an event; NaN if none.
    gap_name: str  # Whose it is.


def ingest(root, source) -> Ingested:
    """Parses all responses of a source and adds what is new to the store.

    Args:
        root: folder of the store.
        source: a module of `sources`.

    Returns:
        What came of it. A group whose responses cannot be parsed adds nothing; the
        others do.

    Raises:
        ValueError: the store is damaged.
        OSError: it cannot be written; it is then as it was.
        ImportError: pyarrow or filelock is not installed.
    """
    tables, parents, rejected, failed = [], [], Counter(), {}
    for group in raw.groups(root, source.NAME):
        try:
            responses = raw.responses(root, source.NAME, group)
            parsed = source.parse(responses)
        except UNREADABLE as error:
            failed[group] = f"{type(error).__name__}: {error}"
            continue
        tables.append(parsed.events)
        parents += [response.sha256 for response in responses]
        rejected.update(parsed.rejected)
    if not tables:
        return Ingested(0, dict(rejected), failed)
    rows = pd.concat(tables, ignore_index=True)
    rows["seq"] = np.arange(len(rows))  # Group after group, each in its own order.
    added = store.append(
        root,
        source.NAME,
        rows,
        title=source.TITLE,
        licence=source.LICENCE,
        parents=parents,
    )
    return Ingested(added, dict(rejected), failed)


def coverage(events: pd.DataFrame) -> Coverage:
    """Measures how much there is of a source, and its longest gap.

    Args:
        events: as `store.load` gives them.

    Returns:
        The measures. A gap is the time between two events of one name that follow
        each other, whatever their fields.
    """
    check(events)
    about = events[["name", "event_time"]].drop_duplicates()
    about = about.sort_values(["name", "event_time"])
    gaps = about.groupby("name")["event_time"].diff() / DAY
    longest = about.loc[gaps.idxmax()] if gaps.notna().any() else None
    return Coverage(
        rows=len(events),
        names=about["name"].nunique(),
        first=about["event_time"].min(),
        last=about["event_time"].max(),
        gap_days=float(gaps.max()),
        gap_name="" if longest is None else longest["name"],
    )
