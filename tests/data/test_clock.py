"""New York's clock is read late where unclear; the exchange's calendar is kept."""

import datetime
import sys

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest

from thesis_rl.data import clock


def utc(*texts: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(texts).as_unit("ns")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2024-01-15T12:00:00", "2024-01-15 17:00:00"),
        ("2024-07-15T12:00:00", "2024-07-15 16:00:00"),
        ("20240715T120000", "2024-07-15 16:00:00"),  # As Alpha Vantage writes.
        ("2024-07-15T12:00:00.000", "2024-07-15 16:00:00"),  # As the SEC writes.
        # Spring: 02:00 to 03:00 does not exist. Before and after it nothing moves.
        ("2024-03-10T01:59:59", "2024-03-10 06:59:59"),
        ("2024-03-10T02:00:00", "2024-03-10 07:00:00"),
        ("2024-03-10T02:30:00", "2024-03-10 07:30:00"),
        ("2024-03-10T03:00:00", "2024-03-10 07:00:00"),
        # Autumn: 01:00 to 02:00 comes twice.
        ("2024-11-03T00:59:59", "2024-11-03 04:59:59"),
        ("2024-11-03T01:00:00", "2024-11-03 06:00:00"),
        ("2024-11-03T01:59:59", "2024-11-03 06:59:59"),
        ("2024-11-03T02:00:00", "2024-11-03 07:00:00"),
    ],
)
def test_new_york_is_read_as_its_clock_shows(text, expected):
    (expected,) = utc(expected)
    assert clock.new_york(text) == expected
    assert clock.new_york(pd.Timestamp(text)) == expected
    assert clock.new_york([text])[0] == expected
    assert clock.new_york(pd.Series([text])).iloc[0] == expected


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(
    st.one_of(
        st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2037, 1, 1)),
        st.builds(
            lambda day, second: day + datetime.timedelta(seconds=second),
            st.sampled_from(
                [datetime.datetime(2024, 3, 10), datetime.datetime(2024, 11, 3)]
            ),
            st.integers(0, 5 * 3600),
        ),
    )
)
def test_of_two_readings_the_later_is_taken(local):
    """Both readings of a clock are local + 4 h and local + 5 h, where they fit.

    A reading fits if its instant shows that local time; where none does, the clock was
    put forward over it, and the later one counts.
    """
    readings = [pd.Timestamp(local) + pd.Timedelta(hours=hours) for hours in (4, 5)]
    shown = [
        reading.tz_localize("UTC").tz_convert("America/New_York").tz_localize(None)
        for reading in readings
    ]
    fitting = [
        reading
        for reading, face in zip(readings, shown, strict=True)
        if face == pd.Timestamp(local)
    ]
    assert clock.new_york(local) == max(fitting or readings)


@pytest.mark.parametrize(
    "day, expected",
    [
        ("2024-01-15", "2024-01-16 04:59:59"),
        ("2024-07-15", "2024-07-16 03:59:59"),
        ("2024-03-09", "2024-03-10 04:59:59"),
        ("2024-03-10", "2024-03-11 03:59:59"),
        ("2024-11-02", "2024-11-03 03:59:59"),
        ("2024-11-03", "2024-11-04 04:59:59"),
    ],
)
def test_a_date_is_known_at_its_last_second_in_new_york(day, expected):
    (expected,) = utc(expected)
    for one in (day, pd.Timestamp(day), datetime.date.fromisoformat(day)):
        assert clock.end_of_day(one) == expected
    for many in ([day], utc(day), pd.Series([day]), pd.Series(utc(day))):
        (found,) = clock.end_of_day(many)
        assert found == expected


@pytest.mark.parametrize("read", [clock.new_york, clock.end_of_day])
@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_every_unit_gives_nanoseconds_and_a_series_keeps_its_index(read, unit):
    days = utc("2024-01-15", "2024-07-15").as_unit(unit)
    index = read(days)
    assert isinstance(index, pd.DatetimeIndex)
    assert index.dtype == "datetime64[ns]"
    series = read(pd.Series(days, index=[7, 3], name="filed"))
    pd.testing.assert_series_equal(series, pd.Series(index, [7, 3], name="filed"))
    assert read(days[0]).unit == "ns"
    assert read(days[0]) == index[0]


@pytest.mark.parametrize("read", [clock.new_york, clock.end_of_day])
def test_what_is_missing_stays_missing(read):
    for missing in (None, "", pd.NaT, np.nan):
        assert read(missing) is pd.NaT
    np.testing.assert_array_equal(read(["2024-01-15", None, ""]).isna(), [0, 1, 1])
    read_series = read(pd.Series(["2024-01-15", None], index=[5, 6]))
    np.testing.assert_array_equal(read_series.isna(), [0, 1])
    assert len(read(pd.Series([], dtype=object))) == 0


@pytest.mark.parametrize(
    "read", [clock.new_york, clock.end_of_day, clock.closes, clock.next_close]
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_a_time_with_a_zone_is_refused(read, zone):
    times = utc("2024-01-16").tz_localize(zone)
    with pytest.raises(ValueError, match="times have the zone"):
        read(times)
    if read in (clock.new_york, clock.end_of_day):
        for one in (times[0], pd.Series(times), "2024-01-16T00:00:00Z"):
            with pytest.raises(ValueError, match="times have the zone"):
                read(one)


def test_what_is_no_time_is_refused():
    with pytest.raises(ValueError, match="ISO8601"):
        clock.new_york("May 3, 2024")
    with pytest.raises(ValueError, match="(?i)out of bounds|overflow"):
        clock.end_of_day("9999-12-31")
    for days in ("2024-01-15T10:00", ["2024-01-15", "2024-01-15T10:00"]):
        with pytest.raises(ValueError, match="10:00:00 is no date but has a time"):
            clock.end_of_day(days)


def test_sessions_leave_out_weekends_and_holidays():
    """Christmas of 2021 fell on a Saturday, and was kept on the Friday before."""
    found = clock.sessions("2021-12-22", "2021-12-28")
    expected = ["2021-12-22", "2021-12-23", "2021-12-27", "2021-12-28"]
    pd.testing.assert_index_equal(found, utc(*expected))
    assert len(clock.sessions("2023-01-01", "2023-12-31")) == 250
    assert len(clock.sessions("2024-07-04", "2024-07-04")) == 0
    hours = pd.Timestamp("2024-01-02 21:00"), datetime.date(2024, 1, 3)
    assert len(clock.sessions(*hours)) == 2
    # New Year's Eve was a session, and the next one is in another year.
    across = clock.sessions("2019-12-31", "2020-01-02")
    pd.testing.assert_index_equal(across, utc("2019-12-31", "2020-01-02"))
    # The attacks of September 2001 closed the exchange for four sessions.
    assert len(clock.sessions("2001-09-10", "2001-09-17")) == 2
    with pytest.raises(ValueError, match="from 2024-02-01 to 2024-01-01: give two"):
        clock.sessions("2024-02-01", "2024-01-01")


def test_closes_keep_early_closes_and_daylight_saving():
    """The exchange closes at 13:00 after Thanksgiving and on Christmas Eve."""
    days = utc("2023-11-24", "2023-12-26", "2024-07-03", "2024-07-05", "2024-12-24")
    expected = utc(
        "2023-11-24 18:00",
        "2023-12-26 21:00",
        "2024-07-03 17:00",
        "2024-07-05 20:00",
        "2024-12-24 18:00",
    )
    pd.testing.assert_index_equal(clock.closes(days), expected)
    pd.testing.assert_index_equal(clock.closes(days.as_unit("s")[::-1]), expected[::-1])
    assert len(clock.closes(days[:0])) == 0


def test_a_day_without_trading_has_no_close():
    with pytest.raises(ValueError, match="2023-11-23 00:00:00 is no session of XNYS"):
        clock.closes(utc("2023-11-22", "2023-11-23"))
    with pytest.raises(ValueError, match="2023-11-22 10:00:00 is no session"):
        clock.closes(utc("2023-11-22 10:00"))


def test_next_close_is_the_first_that_may_know():
    days = clock.sessions("2023-11-20", "2024-01-05")
    ends = clock.closes(days)
    second = pd.Timedelta(seconds=1)
    pd.testing.assert_index_equal(clock.next_close(ends), ends)
    pd.testing.assert_index_equal(clock.next_close(ends - second), ends)
    pd.testing.assert_index_equal(clock.next_close(ends[:-1] + second), ends[1:])
    assert len(clock.next_close(ends[:0])) == 0
    with pytest.raises(ValueError, match="a missing time has no next close"):
        clock.next_close([pd.NaT])


def test_calendar_does_not_depend_on_today():
    """Asked with neither start nor end it begins twenty years before today."""
    assert clock.sessions("1975-01-01", "1975-01-03").equals(
        utc("1975-01-02", "1975-01-03")
    )
    assert len(clock.sessions("2060-01-01", "2060-12-31")) > 245


def test_without_the_calendar_says_what_to_install(monkeypatch):
    clock._calendar.cache_clear()
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(ImportError, match=r"pip install 'thesis_rl\[data\]'"):
        clock.sessions("2024-01-01", "2024-01-31")
