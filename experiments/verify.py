"""Checks the evidence of a finished run, from every claim back to the bytes.

    python experiments/verify.py --run=RUN

RUN is the folder of a run. The prices, responses and packaged files that its theses
cite are hashed and parsed anew, and every quoted number is computed again. Exit code 1
where anything is not as the theses say.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from absl import flags  # noqa: E402
from rich import box  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from experiments.command import Command, run_from_shell  # noqa: E402


def tabulate(found: dict) -> Table:
    """Lays out what was checked and what was right."""
    from thesis_rl.report import calibration

    sheet = calibration.audit_table({"theses": {"evidence": found}})
    table = Table(box=box.SIMPLE_HEAD)
    for heading in sheet.headings:
        table.add_column(heading.title, justify="right" if table.columns else "left")
    for row in sheet.rows:
        table.add_row(*row)
    return table


def declare(own: flags.FlagValues) -> None:
    """Declares the arguments."""
    flags.DEFINE_string("run", None, "The folder of a run.", own)


def main(given: flags.FlagValues) -> int:
    """Verifies and prints; the exit code is 1 where a thesis says what is not so.

    Raises:
      ValueError: the run is of a simulated market, or its config is not this code's.
      OSError: a file is missing or cannot be read.
    """
    from thesis_rl.evaluation.audit import verify
    from thesis_rl.runs import load

    folder = pathlib.Path(given.run)
    config = load.load_run(folder).config
    if config.data.source == "synthetic":
        raise ValueError(
            f"{folder} is of a simulated market, whose theses cite nothing"
        )
    lines = (folder / "theses.jsonl").read_text(encoding="utf-8").splitlines()
    found = verify(map(json.loads, lines), config)
    console = Console()
    console.print(tabulate(found))
    for problem in found["problems"]:
        console.print(problem, style="red", markup=False)
    return int(found["num_problems"] > 0)


COMMAND = Command(__doc__, declare, main, needs={"run": "runs/NAME"})

if __name__ == "__main__":
    run_from_shell(COMMAND)
