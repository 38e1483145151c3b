"""A FRED of one series, which answers requests as the real one does.

It cuts versions off at the edges of the real-time period that was asked for, pages, and
refuses periods of more than 2,000 vintages.
"""

from datetime import date, timedelta

from macro_news_responses import Answer, as_json

VINTAGES_PATH = "/fred/series/vintagedates"
OBSERVATIONS_PATH = "/fred/series/observations"
FOREVER = "9999-12-31"


def fred(history: dict[str, dict[str, str | None]], today: str = FOREVER) -> Answer:
    """Makes a FRED that has one series.

    Args:
        history: by observation's day, by vintage's day, the value as text; None where
            that vintage left the observation out.
        today: the vintages after it do not exist yet.
    """
    days = {vintage for said in history.values() for vintage in said}
    vintages = sorted(day for day in days if day <= today)

    def answer(path: str, params: dict[str, str]) -> bytes:
        if path == VINTAGES_PATH:
            return _vintage_dates(vintages, params)
        return _observations(history, vintages, params)

    return answer


def fred_error(code: int, message: str) -> bytes:
    return as_json({"error_code": code, "error_message": message})


def _vintage_dates(vintages: list[str], params: dict[str, str]) -> bytes:
    start, end = params["realtime_start"], params["realtime_end"]
    found = [day for day in vintages if start <= day <= end]
    limit, offset = int(params["limit"]), int(params["offset"])
    body = {
        "realtime_start": start,
        "realtime_end": end,
        "order_by": "vintage_date",
        "sort_order": "asc",
        "count": len(found),
        "offset": offset,
        "limit": limit,
        "vintage_dates": found[offset : offset + limit],
    }
    return as_json(body)


def _observations(history, vintages: list[str], params: dict[str, str]) -> bytes:
    start, end = params["realtime_start"], params["realtime_end"]
    spanned = sum(start <= day <= end for day in vintages)
    if spanned > 2000:
        return fred_error(
            400,
            f"Bad Request.  There are {spanned} vintage dates in the specified "
            f"real-time period: {start} to {end}. This exceeds the maximum number of "
            "vintage dates allowed for this file type (2000).",
        )
    found = [
        {
            "realtime_start": max(known, start),
            "realtime_end": min(until, end),
            "date": day,
            "value": value,
        }
        for day in sorted(history)
        for known, until, value in _versions(history[day], vintages)
        if known <= end and until >= start and value is not None
    ]
    limit, offset = int(params["limit"]), int(params["offset"])
    body = {
        "realtime_start": start,
        "realtime_end": end,
        "observation_start": "1600-01-01",
        "observation_end": FOREVER,
        "units": "lin",
        "output_type": 1,
        "file_type": "json",
        "order_by": "observation_date",
        "sort_order": "asc",
        "count": len(found),
        "offset": offset,
        "limit": limit,
        "observations": found[offset : offset + limit],
    }
    return as_json(body)


def _versions(said: dict[str, str | None], vintages: list[str]):
    """Lists (first day, last day, value), values that stay the same joined."""
    changes: list[tuple[str, str | None]] = []
    for day in sorted(day for day in said if day <= vintages[-1]):
        if not changes or changes[-1][1] != said[day]:
            changes.append((day, said[day]))
    ends = [_day_before(day) for day, _ in changes[1:]] + [FOREVER]
    return [(day, ends[place], value) for place, (day, value) in enumerate(changes)]


def _day_before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(1)).isoformat()
