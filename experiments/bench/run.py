"""How fast it is, beside what one would otherwise run, and beside what the machine can.

    python experiments/bench/run.py
    python experiments/bench/run.py --parts=training,growth --repeats=9
    python experiments/bench/run.py --quick

training: rows a second of reinforcement and imitation, many runs at once; the same
    steps in PyTorch, eager and compiled; and the matrix products of a step alone.
growth: what one run costs, from 1 run to 512.
compile: seconds to compile, with nothing kept and with the cache of a run before.
backtest: one book beside vectorbt. join: point in time, beside pandas.merge_asof.
whole: `rft.py` from a cold start and again, and where the time goes.

Parts that need `pip install -e '.[bench]'` say so where it is missing. Everything that
is compared takes turns, and a number is the median over the rounds; peak memory is a
process's own. `runs/bench.json` has them all; `--out` writes it elsewhere.
"""

import datetime
import os
import pathlib
import platform
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from absl import flags  # noqa: E402
from rich import box  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from experiments.bench import parts  # noqa: E402
from experiments.command import Command, run_from_shell  # noqa: E402
from thesis_rl import files  # noqa: E402


def declare(own: flags.FlagValues) -> None:
    """Declares the arguments."""
    every = list(parts.PARTS)
    flags.DEFINE_list("parts", every, f"Some of {','.join(every)}.", own)
    flags.DEFINE_integer("repeats", 5, "Rounds of turns.", 1, flag_values=own)
    flags.DEFINE_bool("quick", False, "Tiny, to see it work.", own)
    flags.DEFINE_string("out", "runs/bench.json", "The file to write.", own)
    flags.DEFINE_string(
        "torch_python", sys.executable, "An interpreter with PyTorch.", own
    )
    flags.DEFINE_string(
        "vectorbt_python", sys.executable, "One with JAX and vectorbt.", own
    )
    flags.DEFINE_string(
        "yardstick",
        None,
        "A PyTorch script to time as well; it prints its rows a second.",
        own,
    )


def tabulate(title: str, records: list[dict]) -> Table:
    """Lays out records, a row each; a column for every key that any of them has."""
    keys = list(dict.fromkeys(key for record in records for key in record))
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for key in keys:
        words = any(isinstance(record.get(key), str) for record in records)
        table.add_column(key, justify="left" if words else "right")
    for record in records:
        table.add_row(*(spell_out(record.get(key)) for key in keys))
    return table


def spell_out(value: str | float | None) -> str:
    """Writes a number with three digits or, if it is large, all before the point."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def machine() -> dict:
    """Says what the numbers were measured on."""
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": platform.machine(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def main(given: flags.FlagValues) -> None:
    """Measures every part that is asked for, prints and writes as it goes."""
    if unknown := sorted(set(given.parts) - set(parts.PARTS)):
        raise ValueError(
            f"--parts knows no {', '.join(unknown)}, only {', '.join(parts.PARTS)}"
        )
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 130)
    out = pathlib.Path(given.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    results = machine() | {"repeats": given.repeats, "parts": {}}
    for name in given.parts:
        with console.status(f"Measuring {name}"):
            tables, notes = parts.PARTS[name](given)
        for title, records in tables.items():
            console.print(tabulate(title, records))
        for note in notes:
            console.print(note, highlight=False, markup=False)
        results["parts"][name] = {"tables": tables, "notes": notes}
        files.write_json(out, results)
    console.print(f"Written to {out}")


COMMAND = Command(__doc__, declare, main)

if __name__ == "__main__":
    run_from_shell(COMMAND)
