"""What a run found, for the eye: a console table, a Markdown page, one HTML file."""

from pathlib import Path

from rich.console import Console

from thesis_rl import files
from thesis_rl.experiment import Result
from thesis_rl.report import html, tables


def write(result: Result, summary: dict, folder: Path) -> None:
    """Writes `report.html` and `report.md`.

    Args:
      result: as run; figures are drawn from its arrays.
      summary: every number that is printed.
      folder: the run's.

    Raises:
      OSError: the folder cannot be written.
    """
    files.write_text(folder / "report.html", html.page(result, summary))
    files.write_text(folder / "report.md", tables.markdown(summary))


def print_summary(summary: dict, console: Console) -> None:
    """Prints the table of strategies and the verdict."""
    console.print(tables.console(summary))
    console.print(tables.headline(summary))
