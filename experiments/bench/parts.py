"""The parts of the benchmark: each measures, and returns tables.

A part is a function of the command's arguments. It returns its tables by title, a
`dict` a row, and sentences that belong beside them.
"""

import json
import pathlib
import sys
import tempfile

from absl import flags

from experiments.bench import contest
from experiments.bench.process import Worker, finish, take_turns

HERE = pathlib.Path(__file__).parent
MIB = 2**20
REFERENCE_RUNS = 8  # What a run costs is measured against its cost among so many.

Found = tuple[dict[str, list[dict]], list[str]]


def growth(given: flags.FlagValues) -> Found:
    """Measures what a run costs as there are more of them."""
    runs, steps = ((1, 8), 2) if given.quick else ((1, 2, 8, 32, 128, 512), 20)
    names = {number: f"rft {number}" for number in runs}
    names[contest.ROOFLINE] = f"gemm {REFERENCE_RUNS}"
    with Worker(contest.ours(names.values(), "default", steps)) as worker:
        entries = {number: (worker, name) for number, name in names.items()}
        rates = take_turns(entries, given.repeats)
    limit = rates.pop(contest.ROOFLINE)["median"]
    peak, batch = worker.peak_bytes / MIB, worker.facts["batch"]
    reference = rates[REFERENCE_RUNS]["median"]
    records = [
        {
            "runs": number,
            "rows/s": rate["median"],
            "spread %": rate["spread"],
            "s per run": 200 * batch / rate["median"],
            f"cost / cost of {REFERENCE_RUNS}": reference / rate["median"],
            "% limit": 100 * rate["median"] / limit,
        }
        for number, rate in rates.items()
    ]
    return {"What a run costs": records}, [
        f"Reinforcement at the default size; s per run are of 200 steps of {batch} "
        f"rows. Peak memory with all of them compiled: {peak:,.0f} MiB. % limit: of "
        "the rate at which the same devices do a step's products and nothing else."
    ]


def compiling(given: flags.FlagValues) -> Found:
    """Measures how long the training programs take to compile, cold and again."""
    runs = (1, 8) if given.quick else (1, 8, 512)
    names = [f"{stage} {number}" for stage in ("sft", "rft") for number in runs]
    command = [*contest.ours(names, "default", 2), "--keep_compiled"]
    found = []
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(2):
            with Worker(command, own_cache(cache)) as worker:
                found.append(worker)
    cold, warm = found
    records = [
        {
            "program": name,
            "cold s": cold.facts["compile"][name],
            "warm s": warm.facts["compile"][name],
        }
        for name in names
    ]
    peaks = [worker.peak_bytes / MIB for worker in found]
    return {"Compiling": records}, [
        "In processes of their own, the second with the compiled programs of the first."
        f" Peak memory {peaks[0]:,.0f} and {peaks[1]:,.0f} MiB."
    ]


def backtest(given: flags.FlagValues) -> Found:
    """Trades one book, beside vectorbt."""
    sizes = ["--days=60", "--names=5"] if given.quick else []
    found, peak = script(given.vectorbt_python, "backtest.py", given.repeats, *sizes)
    ours, theirs = found["seconds"], found["vectorbt_seconds"]
    records = [
        {"what": "thesis_rl, every cost", "ms": 1e3 * ours, "× vectorbt": None},
        {"what": "whole evaluation", "ms": 1e3 * found["evaluation_seconds"]},
    ]
    notes = [f"Peak memory of all of it {peak:,.0f} MiB."]
    if theirs is None:
        notes.append("vectorbt is not installed: pip install -e '.[bench]'")
    else:
        records[0]["× vectorbt"] = theirs / ours
        records.insert(1, {"what": "vectorbt, fees alone", "ms": 1e3 * theirs})
    return {"Trading": records}, notes


def join(given: flags.FlagValues) -> Found:
    """Joins five sources point in time, beside pandas.merge_asof."""
    sizes = ["--days=60", "--names=5"] if given.quick else []
    found, peak = script(sys.executable, "as_of.py", given.repeats, *sizes)
    records = [
        {
            "source": name,
            "events": row["events"],
            "as_of ms": row["ours"],
            "merge_asof ms": row["merge_asof"],
            "with its sort ms": row["with_sort"],
            "× merge_asof": row["merge_asof"] / row["ours"],
        }
        for name, row in found.items()
    ]
    return {"Point-in-time join": records}, [f"Peak memory {peak:,.0f} MiB."]


def own_cache(folder: str) -> dict[str, str]:
    """Returns the environment of a process that keeps its compiled programs there."""
    return {"XDG_CACHE_HOME": folder, "JAX_COMPILATION_CACHE_DIR": ""}


def script(python: str, name: str, repeats: int, *sizes: str) -> tuple[dict, float]:
    """Runs a benchmark of this folder; what it printed, and its peak memory in MiB."""
    command = [python, str(HERE / name), "--json", f"--repeats={repeats}", *sizes]
    printed, peak, _ = finish(command)
    return json.loads(printed.splitlines()[-1]), peak / MIB


def whole(given: flags.FlagValues) -> Found:
    """Runs `rft.py` from a cold start, and again with its programs compiled."""
    config = f"{HERE.parent / 'rft.py'}{':smoke' if given.quick else ''}"
    columns, totals, peaks = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for when in ("cold", "warm"):
            workdir = pathlib.Path(folder) / when
            command = [
                sys.executable,
                str(HERE.parent / "run.py"),
                f"--config={config}",
            ]
            command.append(f"--workdir={workdir}")
            _, peak, totals[when] = finish(command, own_cache(folder))
            results = json.loads((workdir / "results.json").read_text())
            columns[when] = results["timing"]
            peaks[when] = peak / MIB
    stages = [name for name in columns["cold"] if name != "total"]
    records = [
        {"stage": name} | {f"{w} s": columns[w][name] for w in columns}
        for name in stages
    ]
    starting = {w: totals[w] - columns[w]["total"] for w in columns}
    for name, row in {"start": starting, "all": totals}.items():
        records.append({"stage": name} | {f"{w} s": row[w] for w in columns})
    records.append(
        {"stage": "peak memory, MiB"} | {f"{w} s": peaks[w] for w in columns}
    )
    return {"The main experiment": records}, []


PARTS = {
    "training": contest.training,
    "growth": growth,
    "compile": compiling,
    "backtest": backtest,
    "join": join,
    "whole": whole,
}
