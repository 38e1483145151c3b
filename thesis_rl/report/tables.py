"""The report as a console table and as a Markdown page."""

from rich import box
from rich.table import Table
from rich.text import Text

from thesis_rl.report import wording
from thesis_rl.report.columns import COLUMNS, lines
from thesis_rl.thesis.markdown import MARKUP

FOLD_TITLES = ("Train", "Test", "Headline return a year", "Sharpe", "Single seeds")


def headline(summary: dict) -> Text:
    """Writes the verdict for the console."""
    text = Text(wording.verdict(summary), style="bold")
    return text.append(f"\n{wording.power(summary)}", style="not bold")


def console(summary: dict) -> Table:
    """Tabulates every strategy for the console.

    Args:
      summary: the run's.

    Returns:
      A table, one line a strategy and mapping, 78 characters wide.
    """
    table = Table(
        title=Text(wording.title(summary)),
        caption="Net of costs, but for Gross: the headline before costs.",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=0,
    )
    table.add_column("Strategy", no_wrap=True)
    table.add_column("Mapping", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column.short, justify="right", no_wrap=True)
    for line in lines(summary):
        cells = (wording.words(line.strategy), line.mapping, *line.cells)
        table.add_row(*map(Text, cells), style="bold" if line.is_headline else None)
    return table


def markdown(summary: dict) -> str:
    """Writes the report as a Markdown page.

    Args:
      summary: the run's.

    Returns:
      The page; what looks like markup in names and titles is escaped.
    """
    strategies = [
        (wording.words(line.strategy), line.mapping, *line.cells)
        for line in lines(summary)
    ]
    quality = [(stage, *cells) for stage, cells in wording.quality(summary)]
    blocks = [
        f"# {_plain(wording.title(summary))}",
        *(f"> {_plain(caveat)}" for caveat in summary["data"]["caveats"]),
        f"**{_plain(wording.verdict(summary))}** {_plain(wording.power(summary))}",
        "## Strategies",
        "Net of costs, but for the last column.",
        _table(("Strategy", "Mapping", *(c.title for c in COLUMNS)), strategies),
        "## Folds",
        _table(FOLD_TITLES, wording.folds(summary)),
        "## Theses",
        _table(("Stage", *(name for name, _ in wording.QUALITY.values())), quality),
        wording.written(summary),
        "## Data",
        _table(("", ""), wording.data(summary)),
        _table(("Rows", "Count", "Share"), wording.masked(summary)),
        "## Provenance",
        _table(("", ""), wording.provenance(summary)),
        "## What the columns mean",
        "\n".join(f"- {c.title}: {_plain(c.formula)}" for c in COLUMNS),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    plain = [tuple(_plain(cell) for cell in row) for row in rows]
    written = [header, ("---",) * len(header), *plain]
    return "\n".join(f"| {' | '.join(row)} |" for row in written)


def _plain(text: str) -> str:
    """Escapes markup and joins lines."""
    return MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
