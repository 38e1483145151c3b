"""Gates of quotes: gaps, stale runs, repeated bars, twins, outliers, the calendar."""

import numpy as np
import pandas as pd

from thesis_rl.data import clock
from thesis_rl.data.prices.frames import Prices
from thesis_rl.data.quality.findings import Finding
from thesis_rl.data.quality.splits import NORMAL

LONG_GAP = 5  # Sessions in a row without a quote that are more than a halt.
STALE_TRADED, STALE = 5, 10  # Sessions at one close, with volume and without any.
USUAL = 60  # Sessions before a return that say what is usual,
USUAL_MINIMUM = 30  # and so many of them at least.
OUTLIER = 10.0  # Times a name's usual return.
TWINS = 1e-6  # Squared difference of two names' returns over their own squares.
SHARED = 60  # Returns that two names share before they can be told to be one.


def inspect(prices: Prices) -> list[Finding]:
    """Looks at frames of prices [T, N] alone."""
    return [
        *_calendar(prices.close.index),
        *_gaps(prices.close),
        *_stale(prices),
        *_repeated(prices),
        *_twins(prices.close),
        *_outliers(prices.close),
    ]


def run_lengths(mask: np.ndarray) -> np.ndarray:
    """Counts the rows in a row that are True, up to each and including it, [T, N]."""
    count = mask.cumsum(axis=0)
    return count - np.maximum.accumulate(np.where(mask, 0, count), axis=0)


def _calendar(index: pd.DatetimeIndex) -> list[Finding]:
    try:
        sessions = clock.sessions(index[0], index[-1])
    except ImportError:
        text = (
            "Days were not held against the exchange's calendar: pip install "
            "'thesis_rl[data]'."
        )
        return [Finding("calendar", "note", "", "", 0, text)]
    lacking, stray = sessions.difference(index), index.difference(sessions)
    said = (
        (lacking, "sessions of {} have no quote of any name. Add them, or windows span "
         "more days than they count."),
        (stray, "days have quotes and are no session of {}. Leave them out, or windows "
         "span fewer days than they count."),
    )  # fmt: skip
    return [
        Finding("calendar", "warn", "", _day(days[0]), len(days), _sentence(days, text))
        for days, text in said
        if len(days)
    ]


def _sentence(days: pd.DatetimeIndex, text: str) -> str:
    return f"{len(days):,} {text.format(clock.EXCHANGE)} The first is {_day(days[0])}."


def _gaps(close: pd.DataFrame) -> list[Finding]:
    quoted = close.notna().to_numpy()
    listed = np.maximum.accumulate(quoted) & np.maximum.accumulate(quoted[::-1])[::-1]
    gap = listed & ~quoted
    length = run_lengths(gap)
    found = []
    for i in np.flatnonzero(gap.any(axis=0)):
        name, count, longest = (
            close.columns[i],
            int(gap[:, i].sum()),
            length[:, i].max(),
        )
        text = (
            f"{name} has no quote on {count:,} sessions of its listing, at most "
            f"{longest:,} in a row. Features whose window touches one are masked; add "
            "them if the exchange traded."
        )
        severity = "warn" if longest > LONG_GAP else "note"
        first = _day(close.index[gap[:, i].argmax()])
        found.append(Finding("gap", severity, name, first, count, text))
    return found


def _stale(prices: Prices) -> list[Finding]:
    close = prices.close
    same = (close == close.shift(1)).to_numpy()
    if prices.volume is None:
        volume = np.full(same.shape, np.nan)
    else:
        volume = prices.volume.to_numpy()
    kinds = (
        (same & (volume > 0), STALE_TRADED, "although it traded"),
        (
            same & np.isnan(volume),
            STALE,
            "and there is no volume to say that it traded",
        ),
    )
    found = []
    for mask, limit, although in kinds:
        length = run_lengths(mask) + 1
        for i in np.flatnonzero((length >= limit).any(axis=0)):
            name, ends = close.columns[i], np.flatnonzero(length[:, i] == limit)
            text = (
                f"{name} stands at one close for {limit} sessions or more, "
                f"{len(ends):,} times, at most {length[:, i].max():,} sessions, "
                f"{although}. Such returns of 0 may be a feed that stood still, or "
                "prices rounded too coarsely: start later, or leave them empty."
            )
            first = _day(close.index[ends[0] - limit + 1])
            found.append(Finding("stale", "warn", name, first, len(ends), text))
    return found


def _repeated(prices: Prices) -> list[Finding]:
    if prices.volume is None:
        return []
    compared = [prices.close, prices.volume]
    compared += [] if prices.open is None else [prices.open]
    same = [(frame == frame.shift(1)).to_numpy() for frame in compared]
    again = np.all([(prices.volume > 0).to_numpy(), *same], axis=0)
    found = []
    for i in np.flatnonzero(again.any(axis=0)):
        name, count = prices.close.columns[i], int(again[:, i].sum())
        text = (
            f"{name} repeats the bar of the session before, volume and all, "
            f"{count:,} times. No market does: leave the copy out."
        )
        first = _day(prices.close.index[again[:, i].argmax()])
        found.append(Finding("repeated bar", "warn", name, first, count, text))
    return found


def _twins(close: pd.DataFrame) -> list[Finding]:
    """Finds names of one history: Σ (r_i - r_j)² over shared days is next to none."""
    change = (close / close.shift(1) - 1).to_numpy()
    there = np.isfinite(change).astype(np.float64)
    change = np.where(there > 0, change, 0.0)
    shared, squares = there.T @ there, np.square(change).T @ there
    apart = squares + squares.T - 2 * change.T @ change
    alike = (shared >= SHARED) & (squares > 0) & (apart < TWINS * squares)
    found = []
    for i, j in np.argwhere(np.triu(alike, k=1)):
        one, other, days = close.columns[i], close.columns[j], int(shared[i, j])
        text = (
            f"{one} and {other} have the same returns on all {days:,} days that they "
            "share: one history under two names counts twice. Leave one out."
        )
        first = _day(close.index[(there[:, i] * there[:, j]).argmax()])
        found.append(Finding("twins", "stop", one, first, days, text))
    return found


def _outliers(close: pd.DataFrame) -> list[Finding]:
    change = close / close.shift(1) - 1
    size = change.abs()
    usual = size.rolling(USUAL, min_periods=USUAL_MINIMUM).median().shift(1)
    score = (size / (NORMAL * usual.where(usual > 0))).to_numpy()
    out = score > OUTLIER
    if not out.any():
        return []
    day, i = np.unravel_index(np.nanargmax(score), score.shape)
    name, count, first = close.columns[i], int(out.sum()), out.any(axis=1).argmax()
    text = (
        f"{count:,} returns of {int(out.any(axis=0).sum()):,} names are beyond "
        f"{OUTLIER:g} times what was usual in the {USUAL} sessions before, farthest "
        f"that of {name} on {_day(close.index[day])}, {change.iat[day, i]:+.1%} or "
        f"{score[day, i]:.0f} times. They are kept: earnings days look so, and so do "
        "errors."
    )
    return [Finding("outlier", "note", "", _day(close.index[first]), count, text)]


def _day(day: pd.Timestamp) -> str:
    return f"{day:%Y-%m-%d}"
