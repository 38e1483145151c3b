"""Which row counts at each decision: the point-in-time join, on plain arrays.

Each row enters at the first decision that may see it. The frontier of a name is the
greatest event_time that has entered; a row that enters behind it never counts. Of two
rows about the frontier the one that enters later is the later known, so knowledge_time
and seq need comparing only between rows that enter together, and nothing is sorted but
these.
"""

from typing import NamedTuple

import numpy as np

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
