"""Events, and what of them was known when: the point-in-time join.

One row is one version of one fact. It is about `event_time`, a period's end, a trading
day or the hour of an article, and was first public at `knowledge_time`. A correction is
a further row; nothing is ever changed. All times are UTC, as datetime64[ns] without a
zone.

The join works on plain arrays. Each row enters at the first decision that may see it.
The frontier of a name is the greatest event_time that has entered; a row that enters
behind it never counts. Of two rows about the frontier the one that enters later is the
later known, so knowledge_time and seq need comparing only between rows that enter
together, and nothing is sorted but these.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

NONE = -1  # In place of a row's position, where nothing is visible.


class Rows(NamedTuple):
    """R versions of facts, in any order; times in nanoseconds."""

    column: np.ndarray  # [R] which of the N names; `NONE` for any other.
    about: np.ndarray  # [R] int64, event_time.
    known: np.ndarray  # [R] int64, knowledge_time.
    seq: np.ndarray  # [R] int64.


class Runs(NamedTuple):
    """What counts from which decision on: K runs of decisions, name after name."""

    start: np.ndarray  # [K] first decision of a run: its place in a flat [N, T].
    row: np.ndarray  # [K] position of the row that counts, or `NONE`.
    first: np.ndarray  # [K] position of the first release of the same period.
    order: np.ndarray  # [T] decisions in order of time.


def runs(rows: Rows, num_names: int, decided: np.ndarray, *, latest: bool) -> Runs:
    """Finds the runs of decisions over which one row counts.

    Args:
        rows: R rows.
        num_names: N.
        decided: [T] int64 nanoseconds, in any order.
        latest: the last known version of a period counts; else its first release.

    Returns:
        K >= N runs (none if T is 0), those of each name in order of time.
    """
    num_days = len(decided)
    order = np.argsort(decided, kind="stable")
    enters = np.searchsorted(decided[order], np.maximum(rows.about, rows.known))
    ids = np.flatnonzero((rows.column != NONE) & (enters < num_days))
    place = rows.column[ids] * num_days + enters[ids]

    frontier = np.full((num_names, num_days), np.iinfo(np.int64).min)
    np.maximum.at(frontier.reshape(-1), place, rows.about[ids])
    np.maximum.accumulate(frontier, axis=1, out=frontier)
    advances = np.ones(frontier.shape, bool)
    advances[:, 1:] = frontier[:, 1:] != frontier[:, :-1]
    current = np.flatnonzero(rows.about[ids] == frontier.reshape(-1)[place])
    ids, place = ids[current], place[current]

    first = _winners(ids, place, frontier.size, -rows.known, -rows.seq)
    if not latest:
        start = np.flatnonzero(advances)
        return Runs(start, first[start], first[start], order)
    last = _winners(ids, place, frontier.size, rows.known, rows.seq)
    start = np.flatnonzero(advances.reshape(-1) | (last != NONE))
    released = np.where(advances.reshape(-1)[start], np.arange(len(start)), 0)
    released = np.maximum.accumulate(released)
    return Runs(start, last[start], first[start[released]], order)


def spread(values: np.ndarray, runs: Runs, num_names: int) -> np.ndarray:
    """Repeats the value of each run over its decisions.

    Args:
        values: [K].
        runs: K runs.
        num_names: N.

    Returns:
        [T, N], decisions in the order in which they were given.
    """
    shape = num_names, len(runs.order)
    lengths = np.diff(runs.start, append=shape[0] * shape[1])
    result = np.empty(shape[::-1], values.dtype)
    result[runs.order] = np.repeat(values, lengths).reshape(shape).T
    return result


def _winners(
    ids: np.ndarray, place: np.ndarray, size: int, known: np.ndarray, seq: np.ndarray
) -> np.ndarray:
    """Finds the row of greatest (known, seq) in each place, [size]; `NONE` in most."""
    winners = np.full(size, NONE)
    winners[place] = ids  # Of several for one place NumPy keeps the last.
    beaten = winners[place] != ids
    if beaten.any():
        contested = np.zeros(size, bool)
        contested[place[beaten]] = True
        rivals = np.flatnonzero(contested[place])
        rivals = rivals[np.lexsort((seq[ids[rivals]], known[ids[rivals]]))]
        winners[place[rivals]] = ids[rivals]
    return winners


TIMES = ("event_time", "knowledge_time", "period_start")
TEXTS = ("source", "name", "field", "document", "raw", "place", "text")
# What the store holds of every event; the join reads the five of `JOINED` alone.
COLUMNS = {
    "source": "who published it, as `sources` names it",
    "name": "the ticker or series it is about",
    "field": "the kind of fact",
    "event_time": "what it is about: period end, trading day, time of the article",
    "knowledge_time": "the first instant at which this version was public",
    "value": "float64; NaN retracts the fact",
    "seq": "int64, order of arrival; among equal knowledge times the later one counts",
    "period_start": "where the period of a flow begins; NaT where there is none",
    "document": "accession number, series and vintage, address or file",
    "raw": "SHA-256 of the response it was parsed from",
    "place": "where in that response it stands",
    "text": "what was written, word for word, where the fact is a text",
}
JOINED = ("name", "event_time", "knowledge_time", "value", "seq")
MODES = ("latest_known", "first_release")


class Aged(NamedTuple):
    """A feature of every decision and name, and how old what it rests on is."""

    values: np.ndarray  # [T, N] float64, NaN where missing.
    age_days: np.ndarray  # [T, N] float64, NaN where nothing is visible.


def table(rows: Sequence[dict]) -> pd.DataFrame:
    """Makes a table of events, every column of `COLUMNS` present and typed.

    Args:
        rows: one dict an event. Where none has a seq, they are numbered as they come;
            without a period_start or a text they have none, without a value they
            retract.

    Returns:
        The table, RangeIndex.

    Raises:
        ValueError: an unknown column, no name or seq, or what `check` refuses.
    """
    frame = pd.DataFrame(list(rows))
    unknown = [name for name in frame.columns if name not in COLUMNS]
    if unknown:
        raise ValueError(
            f"an event has the unknown column {unknown[0]!r}; known are "
            f"{', '.join(COLUMNS)}"
        )
    if "seq" not in frame:
        frame["seq"] = np.arange(len(frame))
    frame = frame.reindex(columns=list(COLUMNS))
    for name in TIMES:
        frame[name] = _naive_ns(frame[name], name)
    for name in ("name", "seq"):
        _refuse_missing(frame[name].isna(), name)
    for name in TEXTS:
        text = frame[name].astype(object)
        frame[name] = text.where(text.notna(), "").astype(str).astype(object)
    frame["value"] = frame["value"].astype(np.float64)
    frame["seq"] = frame["seq"].astype(np.int64)
    check(frame)
    return frame


def check(events: pd.DataFrame) -> None:
    """Raises a ValueError unless a table of events can be joined.

    Args:
        events: with the columns of `JOINED` at least.
    """
    _times(events)
    _refuse_missing(events["name"].isna(), "name")


def as_of(
    events: pd.DataFrame,
    names: Sequence[str],
    decision_times,
    *,
    max_age: pd.Timedelta | None = None,
    mode: str = "latest_known",
) -> tuple[np.ndarray, np.ndarray]:
    """Joins to each decision what was known of each name, and how old it was.

    Visible at decision d are the rows with knowledge_time <= d and event_time <= d.
    Among them the greatest event_time counts, so that an amendment of an old period
    never replaces the current one; then the greatest (knowledge_time, seq), or the
    least in mode first_release.

    Args:
        events: rows of one field, in any order: name, event_time, knowledge_time,
            value, seq. A NaN value retracts the period that it is about.
        names: N names; one that has no events is missing throughout.
        decision_times: T instants, UTC, datetime64 without a zone, in any order.
        max_age: past it, counted from the period's first release, a value is NaN.
        mode: latest_known or first_release.

    Returns:
        values [T, N], NaN where nothing is visible, retracted, or too old; age_days
        [T, N], days since the first release of the period that counts, NaN where
        nothing is visible.

    Raises:
        ValueError: an unknown mode, a column that is missing, a time with a zone or
            none at all, or a name that stands twice.
    """
    runs = _runs(events, names, decision_times, mode)
    known = _instants(events["knowledge_time"], "knowledge_time")
    # Position NONE, -1, is the one appended.
    value = np.append(events["value"].to_numpy(np.float64), np.nan)[runs.row]
    released = np.append(known, np.datetime64("NaT", "ns"))[runs.first]
    values = spread(value, runs, len(names))
    decided = _instants(decision_times, "decision_times")
    age = decided[:, None] - spread(released, runs, len(names))
    if max_age is not None:
        limit = pd.Timedelta(max_age).as_unit("ns").to_timedelta64()
        values = np.where(age > limit, np.nan, values)
    return values, age / np.timedelta64(1, "D")


def resolve(
    events: pd.DataFrame,
    names: Sequence[str],
    decision_times,
    *,
    mode: str = "latest_known",
) -> np.ndarray:
    """Finds the row that counts for each decision and name; arguments as `as_of`.

    Returns:
        Positions of rows in `events`, [T, N] int64, `NONE` where nothing is visible.
    """
    runs = _runs(events, names, decision_times, mode)
    return spread(runs.row, runs, len(names))


def _runs(
    events: pd.DataFrame, names: Sequence[str], decision_times, mode: str
) -> Runs:
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; choose one of {MODES}")
    columns = pd.Index(names)
    if columns.has_duplicates:
        twice = columns[columns.duplicated()][0]
        raise ValueError(f"names has {twice!r} twice; once is right")
    about, known = _times(events)
    codes, named = pd.factorize(events["name"])
    _refuse_missing(codes < 0, "name")
    rows = Rows(
        column=columns.get_indexer(named)[codes],
        about=about.view(np.int64),
        known=known.view(np.int64),
        seq=events["seq"].to_numpy(np.int64),
    )
    decided = _instants(decision_times, "decision_times").view(np.int64)
    return runs(rows, len(columns), decided, latest=mode == "latest_known")


def _times(events: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Returns event_time and knowledge_time, [R] datetime64[ns], once all is there."""
    lacking = [name for name in JOINED if name not in events.columns]
    if lacking:
        raise ValueError(f"events have no column {lacking[0]}; they need {JOINED}")
    about, known = (_instants(events[name], name) for name in TIMES[:2])
    return about, known


def _instants(times, what: str) -> np.ndarray:
    series = times if isinstance(times, pd.Series) else pd.Series(times)
    instants = _naive_ns(series, what)
    _refuse_missing(instants.isna(), what)
    return instants.to_numpy()


def _refuse_missing(missing, what: str) -> None:
    if missing.any():
        row = int(np.argmax(missing))
        raise ValueError(f"{what} is missing in row {row}; every row needs one")


def _naive_ns(times: pd.Series, what: str) -> pd.Series:
    """Casts to datetime64[ns], refusing zones and what is no time."""
    if pd.api.types.is_numeric_dtype(times) and times.notna().any():
        raise ValueError(f"{what} holds numbers; give times, datetime64 in UTC")
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        times = pd.to_datetime(times)
    if isinstance(times.dtype, pd.DatetimeTZDtype):
        raise ValueError(f"{what} has the zone {times.dt.tz}; give UTC without a zone")
    return times.astype("datetime64[ns]")
