"""Training here beside training in PyTorch, and beside the machine's own limit."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterable
from typing import NamedTuple

from absl import flags

from experiments.bench.process import Worker, finish, take_turns

HERE = pathlib.Path(__file__).parent
MIB = 2**20
OURS, EAGER, COMPILED = "thesis_rl", "PyTorch eager", "torch.compile"
ROOFLINE = "matrix products"
SIZES = {
    "yardstick": "Training: 256 rows a step, 7 features",
    "default": "Training: 520 rows a step, 17 features",
}


class Entry(NamedTuple):
    """One line of the contest."""

    what: str
    stage: str
    runs: int
    threads: int | None = None


class Yardstick:
    """A script that trains in PyTorch and prints rows a second, run anew each time."""

    def __init__(self, python: str, path: str):
        self._command = [python, path]
        self.peak_bytes = 0

    def measure(self, name: str) -> float:
        """Runs it with one argument; reads what stands before `rows/s`."""
        printed, peak, _ = finish([*self._command, name])
        self.peak_bytes = max(self.peak_bytes, peak)
        found = re.search(r"([\d.]+) rows/s", printed)
        if found is None:
            raise ValueError(f"{self._command[1]} printed no rows/s: {printed!r}")
        return float(found[1])


def ours(names: Iterable[str], size: str, num_steps: int) -> list[str]:
    """Returns the command of a process that trains here."""
    command = [sys.executable, str(HERE / "training.py"), *names]
    return [*command, f"--size={size}", f"--steps={num_steps}"]


def theirs(python: str, names, size: str, num_steps: int, threads: int) -> list[str]:
    """Returns the command of a process that trains in PyTorch."""
    command = [python, str(HERE / "torch_training.py"), *names]
    return [*command, f"--size={size}", f"--steps={num_steps}", f"--threads={threads}"]


def has_torch(python: str) -> bool:
    """Tells whether an interpreter can import PyTorch."""
    try:
        done = subprocess.run([python, "-c", "import torch"], capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


def training(given: flags.FlagValues) -> tuple[dict[str, list[dict]], list[str]]:
    """Measures rows a second of training at both sizes."""
    notes = [
        "% limit: of the rate at which the same devices do a step's matrix products "
        "and nothing else. × eager, × compiled: the fastest rival of that kind."
    ]
    with_torch = has_torch(given.torch_python)
    if not with_torch:
        notes.append(
            f"{given.torch_python} has no PyTorch: pip install -e '.[bench]', or give "
            "--torch_python; passed over"
        )
    sizes = list(SIZES)[:1] if given.quick else SIZES
    return {SIZES[size]: contest(size, given, with_torch) for size in sizes}, notes


def contest(size: str, given: flags.FlagValues, with_torch: bool) -> list[dict]:
    """Measures everything of one size in turns.

    Args:
      size: of the step, as `training.py` knows it.
      given: the command's.
      with_torch: whether `given.torch_python` can import it.

    Returns:
      A record an entry.
    """
    runs, num_steps = ((2,), 2) if given.quick else ((8, 64), 200)
    names = [f"{stage} {n}" for n in runs for stage in ("rft", "sft")]
    products = f"gemm {runs[0]}"
    roofline = Entry(ROOFLINE, "", runs[0])
    with contextlib.ExitStack() as stack:
        worker = stack.enter_context(Worker(ours([*names, products], size, num_steps)))
        entries = {Entry(OURS, *pair(n)): (worker, n) for n in names}
        entries[roofline] = worker, products
        if with_torch:
            entries |= rivals(size, given, stack)
        if with_torch and given.yardstick and size == "yardstick":
            script = Yardstick(given.torch_python, given.yardstick)
            entries[Entry(f"{EAGER}, yardstick", "rft", 1)] = script, "eager"
            entries[Entry(f"{COMPILED}, yardstick", "rft", 1)] = script, "compile"
        rates = take_turns(entries, given.repeats)
    peaks = {entry: whose.peak_bytes / MIB for entry, (whose, _) in entries.items()}
    facts = worker.facts
    return [record(entry, rates, peaks[entry], roofline, facts) for entry in rates]


def rivals(
    size: str, given: flags.FlagValues, stack: contextlib.ExitStack
) -> dict[Entry, tuple[Worker, str]]:
    """Starts the same steps in PyTorch, compiled with the threads that suit them."""
    start = lambda command: stack.enter_context(Worker(command))  # noqa: E731
    names = ["rft 1"] if given.quick else ["rft 1", "rft 8"]
    if size == "default" and not given.quick:
        names += ["sft 1", "sft 8"]
    num_steps = 2 if given.quick else 200
    command = lambda *rest: theirs(given.torch_python, *rest)  # noqa: E731
    entries = {}
    eager = {
        threads: start(command(names, size, num_steps, threads))
        for threads in sorted({1, os.cpu_count()})
    }
    better = {
        name: max(eager, key=lambda threads: eager[threads].facts["first"][name])
        for name in names
    }
    for threads, worker in eager.items():
        suited = [name for name in names if better[name] == threads]
        if not suited:
            continue
        compiled = start([*command(suited, size, num_steps, threads), "--compiled"])
        for name in suited:
            entries[Entry(EAGER, *pair(name), threads)] = worker, name
            entries[Entry(COMPILED, *pair(name), threads)] = compiled, name
    return entries


def pair(name: str) -> tuple[str, int]:
    """Reads "rft 8" as the stage and the number of runs."""
    stage, number = name.split()
    return stage, int(number)


def record(
    entry: Entry, rates: dict, peak: float, roofline: Entry, facts: dict
) -> dict:
    """Writes what was found of one entry, beside the best of its rivals."""
    rate = rates[entry]["median"]
    found = entry._asdict() | {
        "rows/s": rate,
        "spread %": rates[entry]["spread"],
        "GFLOP/s": rate * facts["flops_per_row"] / 1e9,
        "peak MiB": peak,
    }
    if entry.what != OURS:
        return found
    found["% limit"] = 100 * rate / rates[roofline]["median"]
    for column, kind in {"× eager": EAGER, "× compiled": COMPILED}.items():
        others = [
            rates[e]["median"]
            for e in rates
            if e.what.startswith(kind) and e.stage == entry.stage
        ]
        if others:
            found[column] = rate / max(others)
    return found
