"""Measurements in processes of their own, which answer one at a time, in turns.

What is compared is started and warmed up beforehand, each in its own process and, where
it must, its own interpreter. Then one after the other measures once, and again, so that
a machine which slows down or speeds up does so for all of them. Peak memory is what the
system says of a process when it ends.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

Measures = dict[str, Callable[[], float]]
PLAIN_ERRORS = {"JAX_TRACEBACK_FILTERING": "off"}  # Their last line says what is wrong.


def serve(prepare: Callable[[], tuple[Measures, dict]]) -> None:
    """Answers on the standard output, until the standard input ends.

    Args:
      prepare: returns by name what a line with that name asks for, and facts that are
        said before the first measurement.
    """
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Whatever a library prints is no reply.
    measures, facts = prepare()
    print(json.dumps(facts), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(measures[line.strip()]()), file=replies, flush=True)


class Worker:
    """A process that measures when asked to, until it is closed."""

    def __init__(self, command: list[str], env: dict[str, str] | None = None):
        """Starts a process and waits until it is ready.

        Args:
          command: its arguments; it calls `serve`.
          env: added to this process's own environment.

        Raises:
          OSError: it ended instead; says with what last words.
        """
        self._command = command
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=os.environ | PLAIN_ERRORS | (env or {}),
            text=True,
        )
        self.peak_bytes = 0
        self.facts = self._reply()

    def measure(self, name: str) -> float:
        """Asks for one measurement by its name."""
        print(name, file=self._process.stdin, flush=True)
        return self._reply()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def close(self) -> int:
        """Ends the process.

        Returns:
          The most memory that it held, in bytes.
        """
        if self._process.returncode is None:
            for stream in (self._process.stdin, self._process.stdout, self._log):
                stream.close()
            _, status, usage = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self.peak_bytes = peak_bytes(usage)
        return self.peak_bytes

    def _reply(self):
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        why = last_line(self._log)
        self.close()
        raise OSError(f"{' '.join(self._command)} failed: {why}")


def finish(
    command: list[str], env: dict[str, str] | None = None
) -> tuple[str, int, float]:
    """Runs a command to its end.

    Args:
      command: its arguments.
      env: added to this process's own environment.

    Returns:
      What it printed, the most memory that it held in bytes, and its seconds.

    Raises:
      OSError: it failed; says with what last words.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command,
            stdout=printed,
            stderr=log,
            env=os.environ | PLAIN_ERRORS | (env or {}),
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        if process.returncode:
            raise OSError(f"{' '.join(command)} failed: {last_line(log)}")
        printed.seek(0)
        return printed.read(), peak_bytes(usage), seconds


def last_line(log) -> str:
    """Returns the last words of a process."""
    log.seek(0)
    return (log.read().strip() or "it said nothing").splitlines()[-1]


def peak_bytes(usage) -> int:
    """Returns the peak memory of `resource` usage, whose unit depends on the system."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def take_turns(
    entries: dict[str, tuple[Worker, str]], repeats: int
) -> dict[str, dict[str, float]]:
    """Measures every entry once a round.

    Args:
      entries: by label, who measures and what.
      repeats: how many rounds.

    Returns:
      By label the median, and the spread from lowest to highest in per cent of it.
    """
    found = {label: [] for label in entries}
    for _ in range(repeats):
        for label, (worker, name) in entries.items():
            found[label].append(worker.measure(name))
    medians = {label: statistics.median(x) for label, x in found.items()}
    return {
        label: {"median": middle, "spread": 100 * (max(x) - min(x)) / middle}
        for (label, x), middle in zip(found.items(), medians.values(), strict=True)
    }
