"""Tries every combination of some values, and counts every one of them.

    python experiments/sweep.py --config=experiments/rft.py --vary=rft.peak_lr=.01,.02
    python experiments/sweep.py --config=experiments/rft.py:smoke \\
        --vary=rft.entropy_coef=0,0.01 '--vary=model.hidden=(32,32),(64,64)'

Numbers that no shape hangs on (rates, coefficients, weights, thresholds, costs: see
`thesis_rl/runs/sweep/grid.py`) run side by side in one compiled program; any other
value has a program of its own, one after another. Each point is a trial: it has a
folder and a line in the ledger, and the best is deflated by all of them.

Two shared cores: four smoke runs of other rates took 154 s of processor time, nearly
all of it compiling; one sweep of the same four 28 s, and the same numbers.
"""

import datetime
import math
import pathlib
import shutil
import sys
import time
from collections.abc import Callable, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # Lab books import one another as `experiments.…`.

from absl import flags  # noqa: E402
from ml_collections import ConfigDict  # noqa: E402
from rich import box  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from rich.text import Text  # noqa: E402

from experiments.command import (  # noqa: E402
    Command,
    prepare_machine,
    run_from_shell,
)
from experiments.run import declare_folder, default_workdir  # noqa: E402

WIDTH = 80
NOTHING = "–"  # Shown where a number does not exist.


def run(
    config: ConfigDict,
    settings: Sequence[str],
    workdir: str,
    say: Callable[[str], None],
    ledger: str | None = None,
    resume: bool = False,
) -> dict:
    """Runs a sweep and fills its folder, a folder a point below it.

    Args:
      config: the experiment's.
      settings: of `grid.parse`.
      workdir: the sweep's folder, made if absent.
      say: told what is about to happen.
      ledger: the file that counts trials; beside the folder if not given.
      resume: go on with a sweep that was cut off, if the folder holds one.

    Returns:
      What `results.json` holds.

    Raises:
      ValueError: a setting, a point's config or the data is wrong, or the ledger is
        damaged.
      OSError: the folder holds another sweep, or cannot be written.
    """
    from thesis_rl import files
    from thesis_rl.runs import deflation, fingerprint, trials
    from thesis_rl.runs import folder as folder_lib
    from thesis_rl.runs.sweep import grid, judge
    from thesis_rl.runs.sweep import run as run_lib

    started = time.perf_counter()
    now = datetime.datetime.now(datetime.UTC)
    points = grid.points(grid.parse(settings, config), config)
    ledger = pathlib.Path(ledger or pathlib.Path(workdir).parent / deflation.LEDGER)
    trials.read(ledger)  # A damaged one is refused before an hour is spent.
    say("Loading prices; making features, claims and labels")
    programs = run_lib.prepare(points)
    trials.open_for_lines(ledger)
    claim = folder_lib.reclaim if resume else folder_lib.claim
    # Other points are another sweep, and may not be written over these.
    folder = claim(workdir, config.to_dict() | {"vary": list(settings)})
    git = fingerprint.git_state(ROOT)
    tried, made = [], []
    for experiment, shared in programs:
        for point in run_lib.run(experiment, shared, say, folder / "saves"):
            trial = judge.keep(point, folder, ledger, now, git["revision"])
            tried, made = [*tried, point], [*made, trial]
    say("Counting trials")
    summary = {
        "title": config.title,
        "varied": list(settings),
        "ledger": str(ledger),
        **judge.judge(tried, made, ledger),
        "git": git,
        "config": config.to_dict(),
        "timing": {"total": time.perf_counter() - started},
    }
    files.write_json(folder / "results.json", summary)
    shutil.rmtree(folder / "saves")
    return summary


def table(summary: dict) -> Table:
    """Lays the points out for the console, the best first."""
    printed = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1))
    points = summary["points"]
    keys = list(points[0]["values"])
    for name in ("Point", *keys, "Net Sharpe", "95% interval"):
        lines = Text(name.replace(".", ".\n"))
        printed.add_column(
            lines, justify="right", overflow="fold", no_wrap=name not in keys
        )
    for point in points:
        values = [show(point["values"][key]) for key in keys]
        if point["failure"]:
            numbers = ["failed", NOTHING]
        else:
            low, high = point["interval"]
            numbers = [number(point["sharpe"]), f"{number(low)} to {number(high)}"]
        printed.add_row(*map(Text, [point["name"], *values, *numbers]))
    return printed


def notes(summary: dict) -> list[str]:
    """Says below the table what the best point is worth; its verdict comes last."""
    lines = [f"{p['name']}: {p['failure']}" for p in summary["points"] if p["failure"]]
    lines += [
        f"{', '.join(names)} earned the same: what they vary made no difference."
        for names in summary["alike"]
    ]
    if summary["best"]:
        lines += judgement(summary)
    if summary["excuse"]:
        lines.append(
            f"{summary['excuse']}: deflated by the points of this sweep alone, and "
            "none of them is a trial in the ledger."
        )
    return [*lines, summary["verdict"]]


def judgement(summary: dict) -> list[str]:
    """Lists the statistics of the best point, a line each."""
    trials, overfitting = summary["trials"], summary["overfitting"]
    source = "this sweep" if summary["excuse"] else summary["ledger"]
    lines = [
        f"N = {trials['num_trials']} trials counted in {source}, as different as "
        f"{trials['num_effective']:.1f} independent ones.",
        f"Deflated Sharpe ratio of {summary['best']}: {number(trials['dsr'])}; "
        f"{number(trials['psr'])} had it been the only try.",
    ]
    if overfitting["pbo_missing"]:
        lines.append(f"No probability of overfitting: {overfitting['pbo_missing']}.")
    else:
        lines.append(
            f"Probability of overfitting: {number(overfitting['pbo'])}; of points "
            f"without any skill {number(overfitting['pbo_null'])} ± "
            f"{number(overfitting['pbo_null_sd'])}."
        )
    if tested := summary["superiority"]:
        survivors = ", ".join(tested["survivors"]) or "none"
        lines.append(
            f"Best against zero, SPA: p = {number(tested['p'])}. Survivors of StepM at "
            f"5%: {survivors}."
        )
    return lines


def number(value: float | None) -> str:
    """Prints two digits, or a dash for what does not exist."""
    missing = value is None or math.isnan(value)
    return NOTHING if missing else f"{value:.2f}"


def show(value) -> str:
    """Prints a value of the config."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def declare(own: flags.FlagValues) -> None:
    """Declares the arguments."""
    flags.DEFINE_multi_string(
        "vary",
        [],
        "KEY=VALUE,VALUE of the config; more than one spans the full grid.",
        own,
    )
    declare_folder(own)


def main(given: flags.FlagValues) -> None:
    """Runs the sweep and prints its points, the best first."""
    console, now = Console(log_path=False), datetime.datetime.now(datetime.UTC)
    if given.config.distributed:
        raise ValueError("a sweep runs in one process; set config.distributed=False")
    if given.resume and not given.workdir:
        raise ValueError("which sweep goes on? Give its folder, --workdir=DIR")
    named = default_workdir(given["config"], now).replace("runs/", "runs/sweep-")
    workdir = given.workdir or named
    prepare_machine()
    with console.status("Starting") as status:

        def say(text: str) -> None:
            console.log(text)
            status.update(text)

        summary = run(
            given.config, given.vary, workdir, say, given.ledger, given.resume
        )
    width = min(WIDTH, console.width)
    console.print(table(summary), width=width)
    console.print()
    for note in notes(summary):
        console.print(Text(note), width=width)
    console.print(Text(f"Points: {workdir}"), width=width)


COMMAND = Command(__doc__, declare, main, needs={"config": "experiments/rft.py"})

if __name__ == "__main__":
    run_from_shell(COMMAND)
