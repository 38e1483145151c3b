"""How fast the point-in-time join is, beside pandas.merge_asof.

    python experiments/bench/as_of.py
    python experiments/bench/as_of.py --repeats=9
    python experiments/bench/as_of.py --json

500 names × 2,500 daily decisions × 5 sources: values and ages of each, limited in age.
Events stand as they are stored, name after name. merge_asof takes the version that was
known last, whatever period it is about, so it is no substitute: it is here as what
pandas needs for as many rows. Its table of decisions and its events sorted by time are
made beforehand; the last column is with that sort.

Every time is a median over repeats that take turns, in one process.
"""

import functools
import json
import pathlib
import statistics
import sys
import time
from collections.abc import Callable

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from absl import flags  # noqa: E402

from experiments.command import Command, run_from_shell  # noqa: E402
from thesis_rl.data import events  # noqa: E402

DAY = 86_400 * 10**9  # In nanoseconds.
MAX_AGE_DAYS = {"fundamentals": 200, "filings": 200, "insiders": 90, "macro": 62}
MAX_AGE_DAYS |= {"news": 15}


def random_sources(names: np.ndarray, days: pd.DatetimeIndex) -> dict:
    """Draws the events of five sources, with the delays and revisions of each kind."""
    rng = np.random.default_rng(0)
    span = (days[-1] - days[0]).days
    quarters, months = np.arange(0, span, 91), np.arange(0, span, 30)

    def made(about, delay):
        return _source(rng, names, days[0].value, about, delay)

    def scattered(a_name):
        return rng.uniform(0, span, (len(names), a_name))

    filed = rng.uniform(20, 60, (len(names), len(quarters), 1))
    printed = rng.uniform(5, 15, (len(names), len(months), 1))
    insider = scattered(200)
    return {
        # Each quarter is filed, and filed again a year later.
        "fundamentals": made(quarters[:, None], filed + [0, 365]),
        "filings": made(scattered(150), 0.0),
        "insiders": made(insider, rng.lognormal(np.log(2), 1, insider.shape)),
        "macro": made(months[:, None], printed + [0, 30, 60]),
        "news": made(scattered(2000), 1.0),
    }


def _source(rng, names, start: int, about, delay) -> pd.DataFrame:
    """Makes events of times in days since the start, [N, ...], name after name."""
    known = about + delay
    about = np.broadcast_to(about, known.shape).reshape(len(names), -1)
    known = known.reshape(about.shape)
    order = np.argsort(known, axis=1)
    about, known = (np.take_along_axis(times, order, 1) for times in (about, known))
    times = [(start + times.ravel() * DAY).astype(np.int64) for times in (about, known)]
    return pd.DataFrame(
        {
            "name": np.repeat(names, about.shape[1]),
            "event_time": times[0].view("datetime64[ns]"),
            "knowledge_time": times[1].view("datetime64[ns]"),
            "value": rng.normal(size=about.size),
            "seq": np.arange(about.size),
        }
    )


def merged(
    decisions: pd.DataFrame, right: pd.DataFrame, names: int, max_age, sort: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Joins with merge_asof to values and ages, [T, N]."""
    if sort:
        right = right.sort_values("time")
    frame = pd.merge_asof(decisions, right, on="time", by="name", tolerance=max_age)
    age = (frame["time"] - frame["known"]).to_numpy() / np.timedelta64(1, "D")
    return frame["value"].to_numpy().reshape(-1, names), age.reshape(-1, names)


def milliseconds(calls: list[Callable], repeats: int) -> list[float]:
    """Returns the median time of each call; the calls take turns, warmed up."""
    for call in calls:
        call()
    times = [[] for _ in calls]
    for _ in range(repeats):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            taken.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(taken) for taken in times]


def time_source(
    source: pd.DataFrame, names, days, max_age, repeats: int
) -> list[float]:
    """Times ours, merge_asof, and merge_asof with the sort that it needs."""
    stored = source.assign(
        time=source["knowledge_time"], known=source["knowledge_time"]
    )
    stored = stored[["time", "name", "value", "known"]]
    decisions = pd.DataFrame(
        {"time": np.repeat(days, len(names)), "name": np.tile(names, len(days))}
    )
    theirs = functools.partial(merged, decisions, names=len(names), max_age=max_age)
    calls = [
        functools.partial(events.as_of, source, names, days, max_age=max_age),
        functools.partial(theirs, right=stored.sort_values("time"), sort=False),
        functools.partial(theirs, right=stored, sort=True),
    ]
    return milliseconds(calls, repeats)


def declare(own: flags.FlagValues) -> None:
    """Declares the arguments."""
    flags.DEFINE_integer("repeats", 7, "Timed calls of each.", flag_values=own)
    flags.DEFINE_integer("names", 500, "N.", flag_values=own)
    flags.DEFINE_integer("days", 2500, "T.", flag_values=own)
    flags.DEFINE_bool("json", False, "Print numbers alone.", own)


def measure(num_names: int, num_days: int, repeats: int) -> dict[str, dict]:
    """Returns, by source and of all, the number of events and milliseconds of each."""
    names = np.array([f"N{number:03d}" for number in range(num_names)], object)
    days = pd.bdate_range("2014-01-02 21:00", periods=num_days).as_unit("ns")
    columns = "events", "ours", "merge_asof", "with_sort"
    found = {}
    for name, source in random_sources(names, days).items():
        max_age = pd.Timedelta(days=MAX_AGE_DAYS[name])
        taken = time_source(source, names, days, max_age, repeats)
        found[name] = dict(zip(columns, [len(source), *taken], strict=True))
    total = {column: sum(row[column] for row in found.values()) for column in columns}
    return found | {"all": total}


def main(given: flags.FlagValues) -> None:
    """Measures and prints."""
    found = measure(given.names, given.days, given.repeats)
    if given.json:
        print(json.dumps(found))
        return
    print(f"{given.names:,} names × {given.days:,} decisions, milliseconds")
    print(f"{'':14}{'rows':>12}{'as_of':>9}{'merge_asof':>12}{'ratio':>7}{'+ sort':>9}")
    for name, row in found.items():
        ratio = row["ours"] / row["merge_asof"]
        print(
            f"{name:14}{row['events']:12,}{row['ours']:9.1f}{row['merge_asof']:12.1f}"
            f"{ratio:7.2f}{row['with_sort']:9.1f}"
        )


COMMAND = Command(__doc__, declare, main)

if __name__ == "__main__":
    run_from_shell(COMMAND)
