"""What a source's responses say, once each, and silent changes told apart."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from thesis_rl.data import events

KEY = ("name", "field", "event_time", "period_start", "document", "knowledge_time")


class Parsed(NamedTuple):
    """The events of one group, and what was left out."""

    events: pd.DataFrame  # As `events.table` makes it, seq counting from 0.
    rejected: dict[str, int]  # Rows left out, by reason.


def consolidate(rows: Iterable[tuple[dict, pd.Timestamp]]) -> pd.DataFrame:
    """Keeps every version of every fact once, known when it was first said.

    Later responses repeat what earlier ones said: the first row stays. Where one says
    something else under the same `KEY`, its date of publication is that of the old
    version and must not be believed: the new one was known when it was received.
    Rows of one response that share their `KEY` and differ are all kept; those alike in
    all but place become one, so equal transactions of one document need texts or
    values that set them apart.

    Args:
        rows: each an event as `events.table` takes it, with its raw, and when its
            response was received (UTC without a zone). Any order of responses; within
            one, as they stand there.

    Returns:
        The table of events, seq counting in the order of receipt. The events of some
        responses begin the events of these and later ones.

    Raises:
        ValueError: what `events.table` refuses.
    """
    rows = sorted(rows, key=lambda pair: pair[1])
    if not rows:
        return events.table([])
    frame = events.table([row for row, _ in rows])
    received = pd.DatetimeIndex([when for _, when in rows]).to_numpy("datetime64[ns]")
    keep, changed = _versions(frame, received)
    late = np.maximum(received, frame["knowledge_time"].to_numpy())
    frame["knowledge_time"] = frame["knowledge_time"].where(~changed, late)
    frame = frame[keep].reset_index(drop=True)
    return frame.assign(seq=np.arange(len(frame)))


def _versions(frame: pd.DataFrame, received: np.ndarray) -> tuple[np.ndarray, ...]:
    """Marks the rows that say something new [rows], and those that change the old."""
    keep, changed = np.zeros(len(frame), bool), np.zeros(len(frame), bool)
    keys = list(frame[list(KEY)].itertuples(index=False, name=None))
    bits = frame["value"].to_numpy().view(np.int64)  # NaN equals itself.
    said = list(zip(frame["source"], bits, frame["text"], strict=True))
    responses = list(zip(received, frame["raw"], strict=True))
    together: dict[tuple, dict] = {}
    for row, (response, key) in enumerate(zip(responses, keys, strict=True)):
        together.setdefault((response, key), {}).setdefault(said[row], row)
    before: dict[tuple, list] = {}
    for (_, key), now in together.items():
        old, new = before.get(key, []), list(now)
        before[key] = new
        differs = old and (old[-1] != new[-1] or not set(new) <= set(old))
        for version, row in now.items():
            # The last word of a response counts, also where it is an old one again.
            keep[row] = version not in old or (differs and version == new[-1])
            changed[row] = keep[row] and bool(old)
    return keep, changed
