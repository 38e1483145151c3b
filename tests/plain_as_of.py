"""The point-in-time rule read aloud, row by row: slow, and plainly right."""

import numpy as np
import pandas as pd

from thesis_rl.data.events import NONE

START = pd.Timestamp("2024-03-01")
SLOT = pd.Timedelta(hours=8)  # Three a day, so that instants coincide and days do not.
DAY = pd.Timedelta(days=1)


def slot(number: int) -> pd.Timestamp:
    return (START + number * SLOT).as_unit("ns")


def frame_of(*rows: tuple) -> pd.DataFrame:
    """Makes events of (name, event slot, knowledge slot, value), seq as they stand."""
    names, about, known, values = zip(*rows, strict=True) if rows else [()] * 4
    return pd.DataFrame(
        {
            "name": pd.Series(names, dtype=object),
            "event_time": _slots(about),
            "knowledge_time": _slots(known),
            "value": np.array(values, np.float64),
            "seq": np.arange(len(rows)),
        }
    )


def _slots(numbers) -> np.ndarray:
    return slot(0).to_numpy() + np.array(numbers, np.int64) * SLOT.to_timedelta64()


def definition(frame, names, decisions, *, max_age=None, mode="latest_known"):
    """Joins as `events.as_of` says; positions of rows, values and ages, each [T, N]."""
    shape = len(decisions), len(names)
    rows = np.full(shape, NONE)
    values, ages = np.full(shape, np.nan), np.full(shape, np.nan)
    columns = ["name", "event_time", "knowledge_time", "seq", "value"]
    facts = [(*fact, row) for row, fact in enumerate(frame[columns].to_numpy())]
    for place in np.ndindex(shape):
        decision, name = decisions[place[0]], names[place[1]]
        visible = [
            fact for fact in facts if fact[0] == name and max(fact[1:3]) <= decision
        ]
        if not visible:
            continue
        period = max(about for _, about, *_ in visible)
        versions = sorted(fact[2:] for fact in visible if fact[1] == period)
        released = versions[0][0]
        _, _, value, row = versions[-1 if mode == "latest_known" else 0]
        rows[place], ages[place] = row, (decision - released) / DAY
        if max_age is None or decision - released <= max_age:
            values[place] = value
    return rows, values, ages
