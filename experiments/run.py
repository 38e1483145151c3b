"""Runs one experiment and writes its report.

python experiments/run.py --config=experiments/rft.py
python experiments/run.py --config=experiments/rft.py:smoke --workdir=DIR
python experiments/run.py --config=experiments/rft.py --config.rft.num_steps=400
"""

import concurrent.futures
import datetime
import os
import pathlib
import sys
import threading
import time
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # Lab books import one another as `experiments.…`.

from absl import app, flags, logging  # noqa: E402
from ml_collections import FrozenConfigDict, config_flags  # noqa: E402
from rich.console import Console  # noqa: E402

_CONFIG = config_flags.DEFINE_config_file("config", lock_config=True)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; runs/<config>-<UTC time> if not given."
)
_LEDGER = flags.DEFINE_string(
    "ledger", None, "File that counts trials; trials.jsonl beside the run's folder."
)


def run(
    config: FrozenConfigDict,
    workdir: str,
    say: Callable[[str], None],
    ledger: str | None = None,
) -> dict:
    """Runs an experiment and fills its folder.

    Args:
      config: the experiment's.
      workdir: the run's folder, made if absent.
      say: told what is about to happen.
      ledger: the file that counts trials; beside the folder if not given.

    Returns:
      What `results.json` holds.

    Raises:
      ValueError: the config or the data is wrong, or the ledger is damaged.
      OSError: the folder holds another run, or cannot be written.
    """
    from thesis_rl import (
        experiment,
        files,
        fingerprint,
        record,
        registry,
        report,
        trials,
    )

    started = time.perf_counter()
    now = datetime.datetime.now(datetime.UTC)
    ledger = pathlib.Path(ledger or pathlib.Path(workdir).parent / registry.LEDGER)
    trials.read(ledger)  # A damaged one is refused before an hour is spent.
    say("Loading prices; making features, claims and labels")
    prepared = experiment.prepare(config)
    for notice in prepared.dataset.report.get("notices", ()):
        say(notice)
    loaded = time.perf_counter()
    trials.open_for_lines(ledger)
    folder = record.claim_folder(workdir, config.to_dict())
    result = experiment.run(prepared, say)
    say("Writing theses, tables and the report")
    summary, git = result.summary, fingerprint.git_state(ROOT)
    summary |= {"git": git, "config": config.to_dict()}
    record.write_returns(result, folder)  # Counted as soon as there is one to see.
    summary["trials"] = registry.register(result, folder, ledger, now, git["revision"])
    summary["theses"] |= record.write(result, folder)
    summary["timing"] |= {
        "load": loaded - started,
        "total": time.perf_counter() - started,
    }
    report.write(result, summary, folder)
    summary["timing"]["total"] = time.perf_counter() - started
    files.write_json(folder / "results.json", summary)
    return summary


def keep_compiled_programs() -> None:
    """Lets a second run of the same program skip its compilation."""
    import jax

    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    if jax.config.jax_compilation_cache_dir is None:
        folder = str(pathlib.Path(cache) / "thesis_rl")
        jax.config.update("jax_compilation_cache_dir", folder)


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
    logging.set_verbosity(logging.WARNING)
    console = Console(log_path=False)
    workdir = _WORKDIR.value or default_workdir(datetime.datetime.now(datetime.UTC))
    keep_compiled_programs()
    with console.status("Starting") as status:

        def say(text: str) -> None:
            console.log(text)
            status.update(text)

        summary = run(FrozenConfigDict(_CONFIG.value), workdir, say, _LEDGER.value)

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
