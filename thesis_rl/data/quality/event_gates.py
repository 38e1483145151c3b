"""Gates of events: how much each source holds, how late it is known, and of whom."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from thesis_rl.data import clock
from thesis_rl.data.quality.findings import Finding

SERIES = ("treasury", "fred")  # Their names are series, no tickers.
ANNOUNCED = ("membership",)  # Known before they happen.
# Filers and forecasters write of days to come; to others it cannot happen.
FORWARD = ("sec", "fred")
SHOWN = 10  # Names in one sentence.


def inspect(tables: Mapping[str, pd.DataFrame], close: pd.DataFrame) -> list[Finding]:
    """Looks at events, source by source.

    Args:
        tables: events by source.
        close: [T, N], the panel that they are for.

    Returns:
        The findings, in the order of the sources.
    """
    found = []
    for source, events in tables.items():
        if events.empty:
            text = f"{source} has no events at all. What rests on it is masked."
            found.append(Finding("events", "warn", source, "", 0, text))
            continue
        found += [_described(source, events)]
        found += _early(source, events)
        found += _past_the_end(source, events, close.index[-1])
        if source not in SERIES:
            found += _silent(source, events, list(close.columns))
    return found


def lags(events: pd.DataFrame) -> np.ndarray:
    """Measures how long after its event each row was public, [R], days."""
    late = events["knowledge_time"] - events["event_time"]
    return (late / pd.Timedelta(days=1)).to_numpy()


def span(events: pd.DataFrame) -> tuple[str, str]:
    """Names the first and the last day that events are about, in New York."""
    first, last = events["event_time"].agg(["min", "max"])
    return _day(first), _day(last)


def _described(source: str, events: pd.DataFrame) -> Finding:
    median, most, longest = np.quantile(lags(events), (0.5, 0.99, 1.0))
    first, last = span(events)
    retracted = int(events["value"].isna().sum())
    text = (
        f"{source} has {len(events):,} rows of {first} to {last}, {retracted:,} of "
        f"them retractions, known a median of {median:,.1f} days after their event, "
        f"99% within {most:,.1f}, all within {longest:,.1f}."
    )
    return Finding("events", "note", source, first, len(events), text)


def _early(source: str, events: pd.DataFrame) -> list[Finding]:
    """Finds what was known before it happened: a date, before its first second."""
    if source in ANNOUNCED:
        return []
    about, known = events["event_time"], events["knowledge_time"]
    there = about.dt.tz_localize("UTC").dt.tz_convert(clock.NEW_YORK)
    clocks = there.dt.tz_localize(None)
    dated = clocks - clocks.dt.normalize() == clock.LAST_SECOND
    early = (known < about.where(~dated, about - clock.LAST_SECOND)).to_numpy()
    if not early.any():
        return []
    row = events.iloc[early.argmax()]
    text = (
        f"{source} has {int(early.sum()):,} rows known before their event, the first "
        f"{row['field']} of {row['name']}, of {row['event_time']} and known "
        f"{row['knowledge_time']} UTC. "
    )
    if source in FORWARD:
        text += "They count from their event on: a filer's slip, or a forecast."
        severity = "warn"
    else:
        text += "A zone or a column was misread: mend the source and ingest it again."
        severity = "stop"
    first = _day(about[early].min())
    return [Finding("known early", severity, source, first, int(early.sum()), text)]


def _past_the_end(source: str, events: pd.DataFrame, last: pd.Timestamp) -> list:
    about, end = events["event_time"], clock.end_of_day(last)
    beyond = about[about > end]
    if beyond.empty:
        return []
    text = (
        f"{source} has {len(beyond):,} rows of days after the last session, "
        f"{_day(end)}. Nothing uses them."
    )
    return [
        Finding("past the end", "note", source, _day(beyond.min()), len(beyond), text)
    ]


def _silent(source: str, events: pd.DataFrame, names: Sequence[str]) -> list[Finding]:
    heard = set(events["name"].unique())
    silent = [name for name in names if name not in heard]
    if not silent:
        return []
    shown = ", ".join(silent[:SHOWN]) + (", …" if len(silent) > SHOWN else "")
    text = (
        f"{source} has no event of {len(silent):,} of the {len(names):,} names: "
        f"{shown}. What rests on it is masked there; fetch them if they should have it."
    )
    severity = "warn" if len(silent) == len(names) else "note"
    return [Finding("silent", severity, source, "", len(silent), text)]


def _day(time: pd.Timestamp) -> str:
    """Names the day that an instant in UTC has in New York."""
    return f"{time.tz_localize('UTC').tz_convert(clock.NEW_YORK):%Y-%m-%d}"
