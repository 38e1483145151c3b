"""Rates and the market's own unrest: features that all names share on a day."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from thesis_rl.data.events import Aged, as_of, resolve

FEATURES = ("term_spread", "rate_level", "rate_change", "vol_regime")
DAILY = pd.Timedelta(days=7)  # The longest closure since 1990, of 2001, was of six.
MONTHLY = pd.Timedelta(days=62)
# What each rate is read from, by name: the first that is known and fresh counts, and of
# a pair the first minus the second. FRED's DGS series are the Treasury's own curve.
LEVEL = (("DGS10",), ("10year",))
SPREAD = (("T10Y3M",), ("DGS10", "DGS3MO"), ("10year", "3month"))
FIELDS = ("value", "yield")  # Of FRED and of the Treasury, percent.
CHANGE = 63  # Sessions, a quarter.
WINDOW = 21  # Sessions, a month.
MIN_HISTORY = 252  # Volatilities that a median is taken of, a year.


def compute(
    events: pd.DataFrame,
    names: Sequence[str],
    decision_times,
    close,
    *,
    max_age: pd.Timedelta = DAILY,
    mode: str = "latest_known",
) -> dict[str, Aged]:
    """Computes what every name shares on a day.

        term_spread[t] = 10-year yield - 3-month yield, percentage points
        rate_level[t]  = 10-year yield, percent
        rate_change[t] = rate_level[t] - rate_level[t - 63], percentage points, either
                         as it was known on its day
        vol_regime[t]  = v[t] / median(v[0], ..., v[t]), v the standard deviation of
                         the last 21 daily returns of all names at equal weight

    Args:
        events: of FRED series DGS10, DGS3MO or T10Y3M, of Treasury tenors 10year and
            3month, or both: then FRED's count where they are known. Others are left
            alone.
        names: N tickers.
        decision_times: T closes, UTC, one after the other.
        close: [T, N] adjusted closes of those sessions, NaN where not quoted.
        max_age: past it, from its release, a yield is missing: `DAILY` for daily
            observations, which spans the longest closures, `MONTHLY` for monthly.
        mode: as in `events.as_of`.

    Returns:
        The four features, each [T, N] and the same for all N. A feature is as old as
        the older of its latest yields; vol_regime, which needs 252 volatilities, is
        of the same day.

    Raises:
        ValueError: decisions that do not ascend, closes of another shape, or what
            `events.as_of` refuses.
    """
    decided = pd.DatetimeIndex(decision_times)
    close = np.ascontiguousarray(close, np.float64)
    if not decided.is_monotonic_increasing:
        raise ValueError("decision_times must ascend, a session each")
    if close.shape != (len(decided), len(names)):
        raise ValueError(
            f"close has the shape {close.shape}; want a row for each of the "
            f"{len(decided)} decisions and a column for each of the {len(names)} names"
        )
    level = _first(events, LEVEL, decided, max_age, mode)
    change = _change(level.values)
    regime = _regime(close)
    found = {
        "term_spread": _first(events, SPREAD, decided, max_age, mode),
        "rate_level": level,
        "rate_change": Aged(change, np.where(np.isnan(change), np.nan, level.age_days)),
        "vol_regime": Aged(regime, np.where(np.isnan(regime), np.nan, 0.0)),
    }
    return {feature: _of_all(aged, len(names)) for feature, aged in found.items()}


def cite(
    events: pd.DataFrame,
    feature: str,
    name: str,
    decision_time,
    decision_times,
    *,
    max_age: pd.Timedelta = DAILY,
    mode: str = "latest_known",
) -> pd.DataFrame:
    """Finds the yields behind a feature at one decision.

    Args:
        events: as `compute` takes them.
        feature: one of `FEATURES`.
        name: any ticker; all share what is cited.
        decision_time: one of decision_times.
        decision_times: as `compute` took them, to count sessions back by.
        max_age, mode: as in `compute`.

    Returns:
        Rows of `events` in their order; none where the feature is missing, and of
        vol_regime, which rests on closes alone.

    Raises:
        ValueError: another feature, or a decision_time not among decision_times.
    """
    if feature not in FEATURES:
        raise ValueError(
            f"yields are behind {', '.join(FEATURES)}, not behind {feature!r}"
        )
    decided, instant = pd.DatetimeIndex(decision_times), pd.Timestamp(decision_time)
    if instant not in decided:
        raise ValueError(f"{instant} is none of the decision_times")
    day = decided.get_loc(instant)
    if feature == "rate_change":
        asked = [day - CHANGE, day] if day >= CHANGE else []
    else:
        asked = [] if feature == "vol_regime" else [day]
    options = SPREAD if feature == "term_spread" else LEVEL
    behind = [
        _behind(events, options, decided[[each]], max_age, mode) for each in asked
    ]
    rows = set().union(*behind) if all(behind) else set()
    return events.iloc[sorted(rows)]


def _first(events: pd.DataFrame, options, decided, max_age, mode) -> Aged:
    """Joins at every decision the first option that is known and fresh, [T]."""
    values, age = np.full((2, len(decided)), np.nan)
    for option in options:
        found = _joined(events, option, decided, max_age, mode)
        taken = np.isnan(values) & np.isfinite(found.values)
        values = np.where(taken, found.values, values)
        age = np.where(taken, found.age_days, age)
    return Aged(values, age)


def _joined(events: pd.DataFrame, option, decided, max_age, mode) -> Aged:
    """Joins one series, or a pair of which the second is subtracted, [T]."""
    joined = [
        as_of(
            events.iloc[_rows(events, name)],
            [name],
            decided,
            max_age=max_age,
            mode=mode,
        )
        for name in option
    ]
    values, ages = np.stack(joined, axis=1)[..., 0]
    return Aged(np.subtract.reduce(values, axis=0), ages.max(axis=0))


def _behind(events: pd.DataFrame, options, decided, max_age, mode) -> set[int]:
    """Finds the positions of the rows that `_first` joins to a single decision."""
    for option in options:
        if np.isfinite(_joined(events, option, decided, max_age, mode).values[0]):
            of_series = [(name, _rows(events, name)) for name in option]
            return {
                rows[resolve(events.iloc[rows], [name], decided, mode=mode)].item()
                for name, rows in of_series
            }
    return set()


def _rows(events: pd.DataFrame, series: str) -> np.ndarray:
    """Finds the positions of a series' observations."""
    chosen = (events["name"] == series) & events["field"].isin(FIELDS)
    return np.flatnonzero(chosen)


def _change(level: np.ndarray) -> np.ndarray:
    change = np.full(len(level), np.nan)
    change[CHANGE:] = level[CHANGE:] - level[:-CHANGE]
    return change


def _regime(close: np.ndarray) -> np.ndarray:
    """Compares each day's volatility of the market with all up to then, [T]."""
    returns = close[1:] / close[:-1] - 1
    traded = np.isfinite(returns)
    count = traded.sum(axis=1)
    sums = np.where(traded, returns, 0).sum(axis=1)
    market = np.full(len(close), np.nan)
    market[1:][count > 0] = sums[count > 0] / count[count > 0]
    volatility = np.full(len(close), np.nan)
    if len(close) >= WINDOW:
        windows = np.lib.stride_tricks.sliding_window_view(market, WINDOW)
        volatility[WINDOW - 1 :] = windows.copy().std(axis=1, ddof=1)
    usual = pd.Series(volatility).expanding(MIN_HISTORY).median().to_numpy()
    return volatility / np.where(usual > 0, usual, np.nan)


def _of_all(aged: Aged, num_names: int) -> Aged:
    return Aged(*(np.repeat(part[:, None], num_names, axis=1) for part in aged))
