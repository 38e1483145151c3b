"""Fetches real data into a store, and says what is there.

    python experiments/fetch.py --config=experiments/data/us20.py
    python experiments/fetch.py --config=experiments/data/us20.py \\
        --config.sources="('sec',)" --config.user_agent="name name@example.com"

Keys come from the environment: FRED_API_KEY, NEWS_API_KEY, ALPHAVANTAGE_API_KEY. A
source without its key is passed over, and the others go on. Started again on the same
day, or with the same config.until, it asks for nothing that the store has.
"""

import pathlib
import shlex
import sys
from collections.abc import Callable
from typing import NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import pandas as pd  # noqa: E402
from absl import flags  # noqa: E402
from ml_collections import ConfigDict  # noqa: E402
from rich import box  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.markup import escape  # noqa: E402
from rich.progress import Progress  # noqa: E402
from rich.table import Table  # noqa: E402

from experiments.command import Command, run_from_shell  # noqa: E402
from thesis_rl.data import store  # noqa: E402
from thesis_rl.data.sources import ALL, fetching, name_of  # noqa: E402
from thesis_rl.data.store import ingest  # noqa: E402


class Fetched(NamedTuple):
    """What came of one source, and what the store has of it now."""

    name: str  # As in config.sources.
    outcome: fetching.Outcome
    ingested: ingest.Ingested
    coverage: ingest.Coverage | None  # None where the store has nothing.

    @property
    def failures(self) -> dict[str, list[str]]:
        """Groups by what became of them; "" stands for all that are left."""
        groups: dict[str, list[str]] = {}
        for group, reason in (self.outcome.failed | self.ingested.failed).items():
            groups.setdefault(reason, []).append(group)
        if self.outcome.ended:
            groups[self.outcome.ended] = list(self.outcome.left)
        return groups


def utc_now() -> pd.Timestamp:
    """Returns the present, UTC without a zone."""
    return pd.Timestamp.now("UTC").tz_localize(None)


def last_day(config: ConfigDict, now: pd.Timestamp) -> str:
    """Returns config.until, or today where it is "".

    Raises:
        ValueError: start or until is no day, or until is still to come.
    """
    today = f"{now:%Y-%m-%d}"
    until = config.until or today
    for key, day in (("start", config.start), ("until", until)):
        try:
            good = f"{pd.Timestamp(day):%Y-%m-%d}" == day
        except ValueError:
            good = False
        if not good:
            raise ValueError(f"{key} is {day!r}; want a day such as 2016-01-31")
    if not config.start <= until <= today:
        raise ValueError(
            f"start is {config.start} and until {until}; want start before until, and "
            f"neither after today, {today}"
        )
    return until


def chosen(config: ConfigDict) -> list:
    """Lists the modules that config.sources names, in its order.

    Raises:
        ValueError: it names one that is not there.
    """
    known = {name_of(source): source for source in ALL}
    unknown = [name for name in config.sources if name not in known]
    if unknown:
        raise ValueError(
            f"sources names {unknown[0]!r}; known are {', '.join(sorted(known))}"
        )
    return [known[name] for name in config.sources]


def fetch(
    config: ConfigDict,
    console: Console,
    now: Callable[[], pd.Timestamp] = utc_now,
    client_of: Callable = fetching.client_of,
) -> list[Fetched]:
    """Fetches and parses all sources of a config, one after the other.

    Args:
        config: of the data, as `experiments/data/us20.py` makes it; where its until
            is "", it is set to today.
        console: where progress is shown.
        now: UTC without a zone.
        client_of: makes a client of (source, config, say).

    Returns:
        What came of each source.

    Raises:
        ValueError: the config is wrong, or the store damaged.
        OSError: the store cannot be written; what it had is whole.
    """
    config.until = last_day(config, now())
    results = []
    with Progress(console=console) as progress:
        for source in chosen(config):
            name = name_of(source)
            groups = fetching.groups(source, config)
            task = progress.add_task(name, total=len(groups))

            def say(text: str, name: str = name) -> None:
                progress.console.print(f"{name}: {escape(text)}", highlight=False)

            outcome = fetching.fetch_source(
                source,
                groups,
                config,
                connect=lambda source=source, say=say: client_of(source, config, say),
                now=now,
                done=lambda group, task=task: progress.advance(task),
            )
            ingested = ingest.ingest(config.store, source)
            if outcome.ended:
                say(outcome.ended)
            results.append(Fetched(name, outcome, ingested, covered(config, source)))
    return results


def covered(config: ConfigDict, source) -> ingest.Coverage | None:
    """Measures what the store has of a source; None where it has nothing."""
    if source.NAME not in store.sources(config.store):
        return None
    return ingest.coverage(store.load(config.store, source.NAME))


def summary(results: list[Fetched]) -> Table:
    """Tabulates what there is, a row a source."""
    table = Table(title="What the store has", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("Source")
    for title in ("Asked", "Had", "New rows", "Rows", "Names"):
        table.add_column(title, justify="right")
    table.add_column("From")
    table.add_column("To")
    table.add_column("Longest gap")
    for result in results:
        there, outcome = result.coverage, result.outcome
        row = [result.name, f"{outcome.asked:,}", f"{outcome.found:,}"]
        row.append(f"{result.ingested.added:,}")
        row += ["0", "0", "", "", ""] if there is None else _spans(there)
        table.add_row(*map(escape, row))
    return table


def _spans(there: ingest.Coverage) -> list[str]:
    gap = f"{there.gap_name}, {there.gap_days:.0f} days" if there.gap_name else ""
    days = [f"{day:%Y-%m-%d}" if day is not pd.NaT else "" for day in there[2:4]]
    return [f"{there.rows:,}", f"{there.names:,}", *days, gap]


def left_out(results: list[Fetched]) -> Table:
    """Tabulates what was rejected and why, and what failed."""
    table = Table(title="What is not in it", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("Source")
    table.add_column("How much")
    table.add_column("Why")
    for result in results:
        for reason, count in sorted(result.ingested.rejected.items()):
            table.add_row(result.name, f"{count:,} rows", escape(reason))
        for reason, groups in result.failures.items():
            names = ", ".join(groups[:3]) + (", …" if len(groups) > 3 else "")
            shown = f"failed: {len(groups)} ({names})"
            table.add_row(result.name, escape(shown), escape(reason), style="red")
    return table


def main(given: flags.FlagValues) -> int:
    """Fetches and prints; the exit code is 1 where something failed."""
    console = Console()
    results = fetch(given.config, console)
    console.print(summary(results))
    lacking = left_out(results)
    if lacking.row_count:
        console.print(lacking)
    failed = any(result.failures for result in results)
    if failed:
        again = shlex.join(["python", *sys.argv])
        console.print(f"What failed is asked for again by\n    {escape(again)}")
    return int(failed)


COMMAND = Command(
    __doc__, lambda own: None, main, needs={"config": "experiments/data/us20.py"}
)

if __name__ == "__main__":
    run_from_shell(COMMAND)
