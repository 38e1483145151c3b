"""The look-ahead audit: change all that was not yet public, and see what moves.

Features are built twice, from the events as they are and from events in which all that
was not visible at a cut is wild. What a decision up to the cut rests on is the same in
both, so its features must be the same, bit for bit.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from thesis_rl.data import clock
from thesis_rl.data.quality.findings import Finding

Tables = Mapping[str, pd.DataFrame]  # Events, by source.
Built = tuple[np.ndarray, np.ndarray]  # Values and whether they are available.
CUTS = (0.0, 0.1, 0.4, 0.7)  # The first decision: what is filled back reaches it.
GATE = "look-ahead"
WILD = 3.0  # Standard deviation of the log by which values are changed.
WORDS = " Collapse, fraud and ruin; record triumph."


def audit(
    build: Callable[[Tables], Built],
    tables: Tables,
    decision_times: pd.DatetimeIndex,
    names: Sequence[str],
    features: Sequence[str],
    *,
    cuts: Sequence[float] = CUTS,
    seed: int = 0,
) -> list[Finding]:
    """Looks for features that know what was not yet public.

    It sees what a builder does with the times that the tables state. A source that
    states them wrongly, such as a vendor that fills in its history later, is beyond it.

    Args:
        build: makes features of tables, values [T, N, D] and availability [T, N, D];
            the same every time, and the shape whatever the values.
        tables: events by source, bars among them.
        decision_times: [T] closes, UTC without a zone, ascending.
        names: [N].
        features: [D].
        cuts: where to cut, as shares of the T decisions.
        seed: of the wild values.

    Returns:
        A stop for each feature that differs, naming the first day and name; a warning
        where nothing differs after a cut either, so that nothing was shown. Nothing
        where all is well.

    Raises:
        ValueError: `build` gave another shape than [T, N, D].
    """
    shape = len(decision_times), len(names), len(features)
    rng = np.random.default_rng(seed)
    clean = _checked(build(tables), shape)
    found, moved = {}, False
    for share in cuts:
        row = min(int(share * shape[0]), shape[0] - 1)
        cut = decision_times[row]
        wild = {source: poison(events, cut, rng) for source, events in tables.items()}
        dirty = _checked(build(wild), shape)
        differs = _differs(clean, dirty)
        moved |= differs[row + 1 :].any()
        seen = differs[: row + 1]
        for d in np.flatnonzero(seen.any(axis=(0, 1))):
            day, name = np.argwhere(seen[:, :, d])[0]
            place = decision_times[day], names[name], features[d]
            pair = clean[0][day, name, d], dirty[0][day, name, d]
            leak = _leak(*place, cut, pair, int(seen[:, :, d].sum()))
            found.setdefault(features[d], leak)
    if not found and not moved:
        return [Finding(GATE, "warn", "", "", 0, _NOTHING_MOVED)]
    return list(found.values())


def poison(
    events: pd.DataFrame, cut: pd.Timestamp, rng: np.random.Generator
) -> pd.DataFrame:
    """Makes wild whatever was not visible at a cut, and adds to it.

    What was visible stays as it is. Each such row gets a second version that is public
    a nanosecond after the cut, and each row that was not visible a wild twin.

    Args:
        events: as `events.table` makes them.
        cut: an instant, UTC without a zone.
        rng: draws the values.

    Returns:
        The events, in another order.
    """
    visible = (events["knowledge_time"] <= cut) & (events["event_time"] <= cut)
    past, future = events[visible], events[~visible]
    restated = past.assign(knowledge_time=cut + pd.Timedelta(1, "ns"))
    added = pd.concat([restated, future], ignore_index=True)
    first = events["seq"].max() + 1 if len(events) else 0
    added["seq"] = np.arange(first, first + len(added))
    wild = _wild(pd.concat([future, added], ignore_index=True), rng)
    return pd.concat([past, wild], ignore_index=True)


def _wild(events: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Changes every number by a wild factor, its sign kept, and every text."""
    factor = np.exp(WILD * rng.normal(size=len(events)))
    value = events["value"].to_numpy()
    empty = np.isnan(value) | (value == 0)
    text = events["text"].where(events["text"] == "", events["text"] + WORDS)
    return events.assign(value=np.where(empty, factor, value * factor), text=text)


def _checked(built: Built, shape: tuple[int, int, int]) -> Built:
    values, available = (np.asarray(array) for array in built)
    for array in (values, available):
        if array.shape != shape:
            raise ValueError(
                f"build gave an array of shape {array.shape}; decision_times, names "
                f"and features make it {shape}"
            )
    return values, available


def _differs(one: Built, other: Built) -> np.ndarray:
    """Compares bits, so that NaN equals itself and 0.0 is not -0.0; [T, N, D]."""
    bits = [
        [np.ascontiguousarray(array).view(f"u{array.itemsize}") for array in built]
        for built in (one, other)
    ]
    return (bits[0][0] != bits[1][0]) | (bits[0][1] != bits[1][1])


def _leak(day, name: str, feature: str, cut, pair: tuple, count: int) -> Finding:
    here = day.tz_localize("UTC").tz_convert(clock.NEW_YORK)
    text = (
        f"{feature} of {name} on {here:%Y-%m-%d} was {pair[0]:g} and becomes "
        f"{pair[1]:g} when nothing is changed but what was not yet public at {cut} "
        f"UTC, and so do {count:,} rows in all: it knows the future. Find what reads "
        "past knowledge_time, or scales by the whole sample."
    )
    return Finding(GATE, "stop", feature, f"{here:%Y-%m-%d}", count, text)


_NOTHING_MOVED = (
    "The look-ahead audit showed nothing: no feature changed after a cut either, so "
    "that what is built does not rest on these events, or they end before the cuts."
)
