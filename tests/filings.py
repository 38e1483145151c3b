"""Histories of filings for tests: what each said, as the source of facts makes it."""

import pandas as pd

from thesis_rl.data import clock, events


def filing(name, day, said, *, hour="10:30"):
    """Makes the events of one filing: concept -> (start, end) or end -> value."""
    known = clock.new_york(f"{day} {hour}")
    return [
        {
            "source": "sec",
            "name": name,
            "field": f"us-gaap:{concept}",
            "event_time": clock.end_of_day(period[-1]),
            "period_start": clock.new_york(period[0]) if len(period) > 1 else pd.NaT,
            "knowledge_time": known,
            "value": float(value),
            "document": f"{name} of {day}",
            "place": f"/facts/us-gaap/{concept}/units/USD/{place}",
        }
        for concept, periods in said.items()
        for place, (period, value) in enumerate(
            (key if isinstance(key, tuple) else (key,), value)
            for key, value in periods.items()
        )
    ]


def table(*filings):
    """Makes a table of the events of filings."""
    return events.table([row for rows in filings for row in rows])


def closes(*days):
    """Names decisions, at 21:00 UTC."""
    return pd.DatetimeIndex([f"{day} 21:00" for day in days])
