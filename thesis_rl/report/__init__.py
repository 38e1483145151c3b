"""What a run found, for the eye: a console page, a Markdown page, one HTML file."""

from pathlib import Path

from rich.console import Console

from thesis_rl import files
from thesis_rl.evaluation.judge import Result
from thesis_rl.report import console as console_page
from thesis_rl.report import data, page

__all__ = ["calibration", "print_summary", "write"]


def write(result: Result, summary: dict, folder: Path) -> None:
    """Writes `report.html`, `report.md` and, of data that are real, `data.html`.

    Args:
      result: as run; figures are drawn from its arrays.
      summary: every number that is printed, and the config.
      folder: the run's.

    Raises:
      OSError: the folder cannot be written.
    """
    files.write_text(folder / "report.html", page.html(result, summary))
    files.write_text(folder / "report.md", page.markdown(summary))
    config, dataset, _, _ = result.experiment
    if not dataset.report["synthetic"]:
        data.write(dataset, folder / "data.html", config.data.events.store)


def print_summary(summary: dict, console: Console) -> None:
    """Prints the report in short."""
    console.print(console_page.write(summary))
