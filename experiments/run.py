"""Runs one experiment and writes its report.

python experiments/run.py --config=experiments/rft.py
python experiments/run.py --config=experiments/rft.py:smoke --workdir=DIR
python experiments/run.py --config=experiments/rft.py --config.rft.num_steps=400
"""

import contextlib
import datetime
import functools
import math
import pathlib
import sys
import time
from collections.abc import Callable, Iterator

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # Lab books import one another as `experiments.…`.

from absl import flags  # noqa: E402
from ml_collections import FrozenConfigDict, config_flags  # noqa: E402
from rich.console import Console  # noqa: E402

from experiments.command import (  # noqa: E402
    Command,
    prepare_machine,
    run_from_shell,
)
from experiments.display import Display  # noqa: E402


def run(
    config: FrozenConfigDict,
    workdir: str,
    say: Callable[[str], None],
    ledger: str | None = None,
    *,
    tell: Callable = lambda standing: None,
    resume: bool = False,
    save_seconds: float = 60.0,
) -> dict | None:
    """Runs an experiment and fills its folder.

    Args:
      config: the experiment's.
      workdir: the run's folder, made if absent.
      say: told what is about to happen.
      ledger: the file that counts trials; beside the folder if not given.
      tell: told how far the training is, a `saves.Standing`.
      resume: go on with a run that was cut off, if the folder holds one.
      save_seconds: between two saves of the training; 0 saves nothing.

    Returns:
      What `results.json` holds; None in a process that only helps.

    Raises:
      ValueError: the config or the data is wrong, or the ledger is damaged.
      OSError: the folder holds another run, or cannot be written.
    """
    import jax

    from thesis_rl import files, report
    from thesis_rl.data import panel
    from thesis_rl.evaluation import judge
    from thesis_rl.runs import deflation, fingerprint, record, trials
    from thesis_rl.runs import folder as folder_lib
    from thesis_rl.runs.run import execute
    from thesis_rl.runs.saves import Saves, identity
    from thesis_rl.walk_forward.experiment import prepare

    started = time.perf_counter()
    now = datetime.datetime.now(datetime.UTC)
    ledger = pathlib.Path(ledger or pathlib.Path(workdir).parent / deflation.LEDGER)
    writes = jax.process_index() == 0
    with agreement():
        if writes:
            trials.read(ledger)  # A damaged one is refused before an hour is spent.
    began = {}

    def note(text: str) -> None:
        began[text] = time.perf_counter()
        say(text)

    prepared = prepare(config, note)
    for notice in prepared.dataset.report.get("notices", ()):
        say(notice)
    loaded = time.perf_counter()
    git, folder = fingerprint.git_state(ROOT), pathlib.Path(workdir)
    saves = None
    with agreement():
        if writes:
            trials.open_for_lines(ledger)
            claim = folder_lib.reclaim if resume else folder_lib.claim
            folder = claim(workdir, config.to_dict())
        if save_seconds:
            code = fingerprint.code_hash()  # Now: it is what was imported.
            same = functools.partial(identity, config.to_dict(), prepared.dataset, code)
            saves = Saves(folder / "saves", same)
    outcome = execute(prepared, say, tell, saves, save_seconds)
    if not writes:
        return None
    result = judge.judge(prepared, *outcome, say)
    judged = time.perf_counter()
    say("Writing theses, tables and the report")
    summary = result.summary | {"git": git, "config": config.to_dict()}
    record.write_returns(result, folder)  # Counted as soon as there is one to see.
    summary["trials"] = deflation.register(result, folder, ledger, now, git["revision"])
    summary["theses"] |= record.write(result, folder)
    recorded = time.perf_counter()
    summary["timing"] |= {
        "load": began[panel.MAKING] - started,
        "features": loaded - began[panel.MAKING],
        "record": recorded - judged,
        "total": recorded - started,
    }
    report.write(result, summary, folder)
    ended = time.perf_counter()
    summary["timing"] |= {"report": ended - recorded, "total": ended - started}
    files.write_json(folder / "results.json", summary)
    if saves:
        saves.delete()
    return summary


@contextlib.contextmanager
def agreement() -> Iterator[None]:
    """Stops every process where what one of them does here fails."""
    from thesis_rl.walk_forward import devices

    failure = None
    try:
        yield
    except (ValueError, OSError) as error:
        failure = error
    if devices.any_process(failure is not None):
        raise failure or ValueError("another process stopped; it says why")


def declare_folder(own: flags.FlagValues) -> None:
    """Declares where a run's files are, and whether to go on with them."""
    flags.DEFINE_string(
        "workdir", None, "Folder; runs/<config>-<UTC time> if not given.", own
    )
    flags.DEFINE_string(
        "ledger", None, "File that counts trials; trials.jsonl beside the folder.", own
    )
    flags.DEFINE_bool("resume", False, "Go on in --workdir with what was cut off.", own)


def declare(own: flags.FlagValues) -> None:
    """Declares the arguments."""
    declare_folder(own)
    flags.DEFINE_float(
        "save_seconds",
        60.0,
        "Between two saves of the training; 0 saves nothing.",
        flag_values=own,
    )
    flags.DEFINE_string(
        "coordinator", None, "HOST:PORT of process 0; with config.distributed.", own
    )
    flags.DEFINE_integer("num_processes", None, "How many there are.", flag_values=own)
    flags.DEFINE_integer(
        "process_id", None, "Which this is; 0 writes.", flag_values=own
    )


def default_workdir(config: flags.Flag, now: datetime.datetime) -> str:
    """Names a folder after the file of a config and the time."""
    stem = pathlib.Path(config_flags.get_config_filename(config)).stem
    return f"runs/{stem}-{now:%Y%m%dT%H%M%SZ}"


def check(given: flags.FlagValues) -> None:
    """Raises a ValueError where arguments contradict one another."""
    if given.resume and not given.workdir:
        raise ValueError("which run goes on? Give its folder, --workdir=DIR")
    if not 0 <= given.save_seconds < math.inf:
        raise ValueError(f"--save_seconds={given.save_seconds} is no number from 0 up")
    if given.resume and not given.save_seconds:
        raise ValueError("--resume reads what was saved; leave out --save_seconds=0")
    joining = given.coordinator, given.num_processes, given.process_id
    if any(x is not None for x in joining) and not given.config.distributed:
        raise ValueError("several processes need --config.distributed=True as well")
    if given.config.distributed and not given.workdir:
        raise ValueError("several processes share one folder: give --workdir=DIR")


def main(given: flags.FlagValues) -> None:
    """Runs the experiment, prints the headline and says where the report is."""
    check(given)
    console, now = Console(log_path=False), datetime.datetime.now(datetime.UTC)
    config = FrozenConfigDict(given.config)
    workdir = given.workdir or default_workdir(given["config"], now)
    prepare_machine()
    if config.distributed:
        from thesis_rl.runs import machine

        machine.join_processes(given.coordinator, given.num_processes, given.process_id)
    with Display(console) as display:
        summary = run(
            config,
            workdir,
            display.say,
            given.ledger,
            tell=display.tell,
            resume=given.resume,
            save_seconds=given.save_seconds,
        )
    if summary is None:
        return

    from thesis_rl import report

    report.print_summary(summary, console)
    console.print(f"Report: {pathlib.Path(workdir) / 'report.html'}")


COMMAND = Command(__doc__, declare, main, needs={"config": "experiments/rft.py"})

if __name__ == "__main__":
    run_from_shell(COMMAND)
