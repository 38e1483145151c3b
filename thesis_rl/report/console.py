"""The report in a terminal: the same order and the same numbers, in 80 columns."""

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from thesis_rl.report import (
    baselines,
    calibration,
    costs,
    headline,
    how,
    regimes,
    sheet,
)
from thesis_rl.report.baselines import COLUMNS, find
from thesis_rl.report.sheet import plural, words


def write(summary: dict) -> Group:
    """Lays out the report for a terminal of 80 columns or more."""
    loud = [Text(said, style="bold red") for said in how.warnings(summary)]
    said = (
        costs.break_even(summary),
        costs.capacity_off(summary),
        regimes.worst_window(summary),
        calibration.in_short(summary),
    )
    return Group(
        Text(sheet.title(summary), style="bold"),
        *loud,
        Text(""),
        Text(sheet.verdict(summary), style="bold"),
        Text(headline.survives(summary)),
        Text(sheet.power(summary)),
        Text(""),
        table(summary),
        Text(caption(summary), style="dim"),
        Text(""),
        Text(baselines.superiority(summary)),
        *(Text(sentence) for sentence in said if sentence),
    )


def table(summary: dict) -> Table:
    """Tabulates the strategies under the headline's mapping, 80 characters wide."""
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    drawn.add_column("Strategy", overflow="fold")
    shown = [column for column in COLUMNS if column.short]
    for column in shown:
        drawn.add_column(column.short, justify="right", no_wrap=True)
    for line in baselines.console_lines(summary):
        cells = (column.show(find(line.numbers, column.path)) for column in shown)
        judged = line.strategy == summary["headline"]["strategy"]
        style = "bold" if judged else None
        drawn.add_row(Text(words(line.strategy)), *map(Text, cells), style=style)
    return drawn


def caption(summary: dict) -> str:
    """Says what the table shows and what it leaves out."""
    mapping = summary["headline"]["mapping"]
    said = f"Net of costs, mapping {mapping}; p: no difference from the ensemble."
    num_signs = len(baselines.signs(summary).rows)
    if num_signs > 2:
        said += f" Of {plural(num_signs, 'sign')} of features the best and the worst."
    return said
