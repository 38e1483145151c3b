"""Puts finished runs side by side; the first is what the others are measured against.

    python experiments/compare.py RUN RUN
    python experiments/compare.py RUN RUN RUN --output=FILE.md

RUN is the folder of a run.
"""

import math
import pathlib
import sys
from typing import NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from absl import flags  # noqa: E402
from rich import box  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from rich.text import Text  # noqa: E402

from experiments.command import Command, run_from_shell  # noqa: E402

NOTHING = "–"  # Shown where a number does not exist.


class Section(NamedTuple):
    """One table of the comparison, or a sentence where there is none to show."""

    title: str
    note: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def sections(comparison) -> list[Section]:
    """Arranges a comparison for print, its numbers as text."""
    facts = [
        ("Config", comparison.config, "What differs.", "Nothing differs."),
        ("Headline", comparison.headline, "95% interval of the Sharpe.", ""),
        ("Strategies", comparison.strategies, "Net headline Sharpe.", ""),
        ("Theses", comparison.theses, "", ""),
        ("Timing", comparison.timing, "Seconds.", ""),
        ("Data and code", comparison.provenance, "What differs.", "Nothing differs."),
    ]
    printed = [
        _section(title, note if len(table) else otherwise, table)
        for title, table, note, otherwise in facts
    ]
    printed.insert(4, _curves(comparison.curves))
    first = comparison.headline.columns[0]
    for name, change in comparison.changes.items():
        printed += [_returns(first, name, change), _decisions(first, name, change)]
    return printed


def _section(title: str, note: str, table) -> Section:
    rows = tuple((str(key), *map(show, row)) for key, *row in table.itertuples())
    return Section(title, note, ("", *map(str, table.columns)), rows)


def _curves(curves) -> Section:
    names = list(dict.fromkeys(curves.columns.get_level_values(0)))
    rows = tuple(
        (
            f"{stage} {metric}",
            *(" → ".join(map(show, row[name])) for name in names),
        )
        for (stage, metric), row in curves.iterrows()
    )
    note = "First → last training step, means over folds and seeds."
    return Section("Learning curves", note, ("", *names), rows)


def _returns(first: str, other: str, change) -> Section:
    title = f"Returns of {other} against {first}"
    if not change.days:
        return Section(title, "No date was traded by both.")
    low, high = map(show, change.interval)
    return Section(
        title,
        f"On {change.days:,} common dates the net headline returns correlate at "
        f"{show(change.correlation)}; the Sharpe of {other} less that of {first} is "
        f"{show(change.sharpe_difference)}, 95% interval {low} to {high}.",
    )


def _decisions(first: str, other: str, change) -> Section:
    title = f"Decisions of {other} against {first}"
    if not change.rows:
        return Section(title, "No date and ticker was decided by both.")
    note = (
        f"Of {change.rows:,} common dates and tickers {change.changed:.1%} changed "
        f"label; positions moved by {show(change.position_change)} on average. "
        f"Counts, a row the label of {first}, a column that of {other}:"
    )
    return _section(title, note, change.transitions)


def show(value) -> str:
    """Prints one cell: integers whole, other numbers with four digits."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(show, value)) or "()"
    return str(value)


def rich_table(section: Section) -> Table:
    """Lays a section's rows out for the console."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1))
    for i, name in enumerate(section.header):
        table.add_column(Text(name), justify="right" if i else "left", overflow="fold")
    for row in section.rows:
        table.add_row(*map(Text, row))
    return table


def markdown(printed: list[Section]) -> str:
    """Writes the sections as a Markdown page; what looks like markup is escaped."""
    blocks = ["# Runs compared"]
    for section in printed:
        blocks += [f"## {_plain(section.title)}", _plain(section.note)]
        if section.rows:
            lines = [_line(row) for row in (section.header, *section.rows)]
            lines.insert(1, "| --- " * len(section.header) + "|")
            blocks.append("\n".join(lines))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _line(row: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(_plain, row))} |"


def _plain(text: str) -> str:
    from thesis_rl.thesis.render import MARKUP

    return MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def declare(own: flags.FlagValues) -> None:
    """Declares the arguments beside the runs."""
    flags.DEFINE_string("output", None, "Markdown file to write as well.", own)


def main(given: flags.FlagValues, *runs: str) -> None:
    """Compares and prints.

    Raises:
      ValueError: fewer than two runs, or a file of one is damaged.
      OSError: a file is missing, or `--output` cannot be written.
    """
    from thesis_rl import files
    from thesis_rl.runs import compare

    printed = sections(compare.compare(runs))
    console = Console()
    for section in printed:
        console.print(Text(f"\n{section.title}", style="bold"))
        if section.note:
            console.print(Text(section.note))
        if section.rows:
            console.print(rich_table(section))
    if given.output:
        files.write_text(given.output, markdown(printed))
        console.print(Text(f"\nWritten: {given.output}"))


COMMAND = Command(__doc__, declare, main, takes_words=True)

if __name__ == "__main__":
    run_from_shell(COMMAND)
