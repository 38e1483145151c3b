"""Clocks: from New York's, and from the exchange's calendar, to UTC.

Where a time of day can be read in two ways, the later reading is taken, so that nothing
is known too early.
"""

import functools
import warnings
import zoneinfo

import pandas as pd

NEW_YORK = zoneinfo.ZoneInfo("America/New_York")
EXCHANGE = "XNYS"
LAST_SECOND = pd.Timedelta("23:59:59")

Times = pd.Timestamp | pd.Series | pd.DatetimeIndex


def new_york(times) -> Times:
    """Reads times off a clock in New York.

    The hour that comes twice in autumn is taken at its second coming; the hour that
    spring skips, as if standard time still held: 02:30 is 03:30 of summer time.

    Args:
        times: without a zone: one text (ISO 8601) or time, or a Series, an index or a
            list of them. What is missing (None, "", NaT) stays missing.

    Returns:
        UTC without a zone, datetime64[ns]: a Timestamp for one, a Series with the same
        index for a Series, else a DatetimeIndex.

    Raises:
        ValueError: a text that is no ISO 8601, or a time with a zone.
    """
    return _read(times, _utc)


def end_of_day(days) -> Times:
    """Finds the last second of days in New York, 23:59:59; arguments as `new_york`.

    Raises:
        ValueError: also a time of day, since a date is what has none.
    """
    return _read(days, _last_second)


def sessions(start, stop) -> pd.DatetimeIndex:
    """Lists the trading days of the New York Stock Exchange.

    Args:
        start: the first day, without a zone; a time of day does not count.
        stop: the last day, included.

    Returns:
        The days at midnight, datetime64[ns] without a zone.

    Raises:
        ValueError: start after stop, or a zone.
        ImportError: without exchange_calendars.
    """
    first, last = _parsed([start, stop]).normalize()
    if not first <= last:
        raise ValueError(f"sessions from {start} to {stop}: give two dates in order")
    days = _calendar(first.year, last.year).index
    return days[(days >= first) & (days <= last)]


def closes(sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Finds when the exchange closes on each of its sessions, early closes included.

    Args:
        sessions: trading days at midnight, without a zone, in any order.

    Returns:
        UTC without a zone, datetime64[ns], in the same order.

    Raises:
        ValueError: a day on which the exchange does not trade, or a zone.
        ImportError: without exchange_calendars.
    """
    days = pd.DatetimeIndex(_parsed(sessions)).as_unit("ns")
    if len(days) == 0:
        return days
    calendar = _calendar(days.min().year, days.max().year)
    places = calendar.index.get_indexer(days)
    if (places < 0).any():
        raise ValueError(f"{days[places < 0][0]} is no session of {EXCHANGE}")
    return pd.DatetimeIndex(calendar.iloc[places])


def next_close(times) -> pd.DatetimeIndex:
    """Finds the first close at or after each instant: its first decision.

    Args:
        times: UTC without a zone, in any order.

    Returns:
        UTC without a zone, datetime64[ns], in the same order.

    Raises:
        ValueError: a time with a zone, or a missing one.
        ImportError: without exchange_calendars.
    """
    instants = pd.DatetimeIndex(_parsed(times)).as_unit("ns")
    if len(instants) == 0:
        return instants
    if instants.hasnans:
        raise ValueError("a missing time has no next close; leave it out")
    calendar = _calendar(instants.min().year, instants.max().year + 1)
    return pd.DatetimeIndex(calendar.iloc[calendar.searchsorted(instants)])


def _read(times, meaning) -> Times:
    """Applies `meaning` to one time, or to many at once."""
    if isinstance(times, pd.Series):
        read = meaning(pd.DatetimeIndex(_parsed(times)))
        return pd.Series(read, times.index, name=times.name)
    if pd.api.types.is_list_like(times):
        return meaning(_parsed(times))
    return _read_one(times, meaning)


# Row after row of a response repeats the same few dates; localizing one takes 0.1 ms.
@functools.lru_cache(maxsize=2**16)
def _read_one(time, meaning) -> pd.Timestamp:
    parsed = pd.NaT if time is None else _parsed(time)
    return parsed if parsed is pd.NaT else meaning(parsed)


def _utc(naive):
    # False reads an hour that comes twice as standard time, which is the second.
    here = naive.as_unit("ns").tz_localize(
        NEW_YORK, ambiguous=False, nonexistent=pd.Timedelta(hours=1)
    )
    return here.tz_convert(None)


def _last_second(days):
    hours = pd.Index([days] if isinstance(days, pd.Timestamp) else days).dropna()
    hours = hours[hours != hours.normalize()]
    if len(hours):
        raise ValueError(f"{hours[0]} is no date but has a time of day; use new_york")
    return _utc(days + LAST_SECOND)


def _parsed(times):
    """Parses text; refuses zones."""
    parsed = pd.to_datetime(times, format="ISO8601")
    zone = (parsed.dt if isinstance(parsed, pd.Series) else parsed).tz
    if zone is not None:
        raise ValueError(f"times have the zone {zone}; give them without one")
    return parsed


@functools.cache
def _calendar(first_year: int, last_year: int) -> pd.Series:
    """Returns the closes of all sessions of some years, indexed by session."""
    try:
        import exchange_calendars
    except ImportError:
        raise ImportError(
            "sessions need exchange_calendars: pip install 'thesis_rl[data]'"
        ) from None
    # Both ends are given: the calendar's own depend on today.
    with warnings.catch_warnings():
        # It calls, of pandas 3.1, what pandas 4 will change.
        warnings.simplefilter("ignore", DeprecationWarning)
        calendar = exchange_calendars.get_calendar(
            EXCHANGE, start=f"{first_year}-01-01", end=f"{last_year}-12-31"
        )
        ends = calendar.closes
    utc = pd.DatetimeIndex(ends).tz_convert(None).as_unit("ns").rename(None)
    return pd.Series(utc, ends.index.as_unit("ns").to_numpy())
