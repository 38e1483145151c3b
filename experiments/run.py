"""Runs one experiment and writes its report.

python experiments/run.py --config=experiments/rft.py
python experiments/run.py --config=experiments/rft.py:smoke --workdir=DIR
python experiments/run.py --config=experiments/rft.py --config.rft.num_steps=400
"""

import concurrent.futures
import contextlib
import datetime
import functools
import math
import os
import pathlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # Lab books import one another as `experiments.…`.

from absl import app, flags, logging  # noqa: E402
from ml_collections import FrozenConfigDict, config_flags  # noqa: E402
from rich.console import Console  # noqa: E402

from experiments.display import Display  # noqa: E402

_CONFIG = config_flags.DEFINE_config_file("config", lock_config=True)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; runs/<config>-<UTC time> if not given."
)
_LEDGER = flags.DEFINE_string(
    "ledger", None, "File that counts trials; trials.jsonl beside the run's folder."
)
_RESUME = flags.DEFINE_bool(
    "resume", False, "Go on with the run in --workdir that was cut off."
)
_SAVE_SECONDS = flags.DEFINE_float(
    "save_seconds", 60.0, "Between two saves of the training; 0 saves nothing."
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "HOST:PORT of process 0; with config.distributed."
)
_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many there are.")
_PROCESS = flags.DEFINE_integer("process_id", None, "Which this is; 0 writes.")


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
      tell: told how far the training is, a `progress.Standing`.
      resume: go on with a run that was cut off, if the folder holds one.
      save_seconds: between two saves of the training; 0 saves nothing.

    Returns:
      What `results.json` holds; None in a process that only helps.

    Raises:
      ValueError: the config or the data is wrong, or the ledger is damaged.
      OSError: the folder holds another run, or cannot be written.
    """
    import jax

    from thesis_rl import (
        experiment,
        files,
        fingerprint,
        judgement,
        preparation,
        record,
        registry,
        report,
        run_folder,
        trials,
    )
    from thesis_rl.data import panel
    from thesis_rl.resume import Saves, identity

    started = time.perf_counter()
    now = datetime.datetime.now(datetime.UTC)
    ledger = pathlib.Path(ledger or pathlib.Path(workdir).parent / registry.LEDGER)
    writes = jax.process_index() == 0
    with agreement():
        if writes:
            trials.read(ledger)  # A damaged one is refused before an hour is spent.
    began = {}

    def note(text: str) -> None:
        began[text] = time.perf_counter()
        say(text)

    prepared = preparation.prepare(config, note)
    for notice in prepared.dataset.report.get("notices", ()):
        say(notice)
    loaded = time.perf_counter()
    git, folder = fingerprint.git_state(ROOT), pathlib.Path(workdir)
    saves = None
    with agreement():
        if writes:
            trials.open_for_lines(ledger)
            claim = run_folder.reclaim if resume else run_folder.claim
            folder = claim(workdir, config.to_dict())
        if save_seconds:
            code = fingerprint.code_hash()  # Now: it is what was imported.
            same = functools.partial(identity, config.to_dict(), prepared.dataset, code)
            saves = Saves(folder / "saves", same)
    outcome = experiment.execute(prepared, say, tell, saves, save_seconds)
    if not writes:
        return None
    result = judgement.judge(prepared, *outcome, say)
    judged = time.perf_counter()
    say("Writing theses, tables and the report")
    summary = result.summary | {"git": git, "config": config.to_dict()}
    record.write_returns(result, folder)  # Counted as soon as there is one to see.
    summary["trials"] = registry.register(result, folder, ledger, now, git["revision"])
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
    from thesis_rl import parallel

    failure = None
    try:
        yield
    except (ValueError, OSError) as error:
        failure = error
    if parallel.any_process(failure is not None):
        raise failure or ValueError("another process stopped; it says why")


def prepare_machine() -> None:
    """Makes use of every core, and of programs that were compiled before."""
    from thesis_rl import machine

    machine.use_every_core()
    machine.keep_compiled_programs()


def default_workdir(now: datetime.datetime) -> str:
    """Names a folder after the config file and the time."""
    config_file = config_flags.get_config_filename(flags.FLAGS["config"])
    stem = pathlib.Path(config_file).stem
    return f"runs/{stem}-{now:%Y%m%dT%H%M%SZ}"


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise ValueError(f"unknown argument {argv[1]!r}; --help lists what there is")
    if _CONFIG.value is None:
        raise ValueError("which experiment? Give --config=experiments/rft.py")
    if _RESUME.value and not _WORKDIR.value:
        raise ValueError("which run goes on? Give its folder, --workdir=DIR")
    if not 0 <= _SAVE_SECONDS.value < math.inf:
        raise ValueError(f"--save_seconds={_SAVE_SECONDS.value} is no number from 0 up")
    if _RESUME.value and not _SAVE_SECONDS.value:
        raise ValueError("--resume reads what was saved; leave out --save_seconds=0")
    joining = _COORDINATOR.value, _PROCESSES.value, _PROCESS.value
    if any(x is not None for x in joining) and not _CONFIG.value.distributed:
        raise ValueError("several processes need --config.distributed=True as well")
    logging.set_verbosity(logging.WARNING)
    console = Console(log_path=False)
    config = FrozenConfigDict(_CONFIG.value)
    workdir = _WORKDIR.value or default_workdir(datetime.datetime.now(datetime.UTC))
    prepare_machine()
    if config.distributed:
        from thesis_rl import machine

        if not _WORKDIR.value:
            raise ValueError("several processes share one folder: give --workdir=DIR")
        machine.join_processes(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
    with Display(console) as display:
        summary = run(
            config,
            workdir,
            display.say,
            _LEDGER.value,
            tell=display.tell,
            resume=_RESUME.value,
            save_seconds=_SAVE_SECONDS.value,
        )
    if summary is None:
        return

    from thesis_rl import report

    report.print_summary(summary, console)
    console.print(f"Report: {pathlib.Path(workdir) / 'report.html'}")


def parse(argv: list[str]) -> list[str]:
    """Reads the arguments, and says in one line what is wrong with them."""
    try:
        return flags.FLAGS(argv)
    except (KeyError, AttributeError) as error:
        sys.exit(f"Error: the config has no such key: {error}")
    except (flags.Error, TypeError, ValueError, OSError) as error:
        # A lab book that fails brings its whole traceback; the cause comes last.
        sys.exit(f"Error: {str(error).strip().splitlines()[-1]}")


def run_from_shell(main: Callable[[list[str]], None]) -> None:
    """Runs a command; whatever a user can get wrong ends in one clear line.

    The work is done in a thread that nobody waits for: while XLA compiles it answers
    no signal, and Ctrl-C must not wait for it.
    """
    done = concurrent.futures.Future()

    def work(argv: list[str]) -> None:
        try:
            done.set_result(main(argv))
        except BaseException as error:
            done.set_exception(error)

    def start(argv: list[str]) -> None:
        threading.Thread(target=work, args=(argv,), daemon=True).start()
        done.result()

    try:
        app.run(start, flags_parser=parse)
    except KeyboardInterrupt:
        print("Stopped by Ctrl-C; every file written is whole.", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(130)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"Error: {' '.join(str(error).split())}")


if __name__ == "__main__":
    run_from_shell(main)
