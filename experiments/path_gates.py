"""What trading rewards are worth net of costs, in one table.

    python experiments/path_gates.py                  # 16 PLANTED and 32 NULL markets
    python experiments/path_gates.py --source=us20    # real prices

Every recipe trades the same networks' forecasts of unseen days at the same costs, and
learns its pace or finds its band on the same days: those that were forecast before
they were seen, up to the last training day. `sleeves` hold each day's decision for 21
days. The Sharpe ratio is the headline's: hedged, net of all costs.
"""

import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # Lab books import one another as `experiments.…`.

import numpy as np  # noqa: E402
from absl import flags, logging  # noqa: E402
from ml_collections import ConfigDict, FrozenConfigDict  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from scipy.stats import t as student_t  # noqa: E402

from experiments import gates, rft_path, traded  # noqa: E402
from experiments.run import keep_compiled_programs, run_from_shell  # noqa: E402
from experiments.traded import COSTS_BPS, Record  # noqa: E402
from thesis_rl import experiment, files, training  # noqa: E402

_FIRST = flags.DEFINE_integer("first", 1000, "Seed of the first PLANTED market.")

JUDGED = ("rft, path", "rft, book")
COLUMNS = ("gross", "net", "turnover, %", "of gross, %", "flips, %", "fall, vols")
RIVALS = ("rft, sleeves", "rft, band", "sft, band", "ridge, band")
Results = list[dict[str, list[Record]]]  # By market, recipe and cost.


def cell_config(kind: str, train_days: int, strength: float = 0.05) -> ConfigDict:
    """Returns the PLANTED experiment at one window length, with its tuned recipe."""
    config, recipe = gates.cell_config(kind, train_days, 1), rft_path.get_config()
    config.data.synthetic.strength = strength
    config.path = recipe.path
    config.rft.update(keep=recipe.rft.keep, peak_lr=recipe.rft.peak_lr)
    return config


def run_cell(config: ConfigDict, seeds: range) -> Results:
    """Trades every recipe on several markets of one kind."""
    shared, results = FrozenConfigDict(config), []
    for seed in seeds:
        changed = training.with_changes(shared, {"data.synthetic.seed": seed})
        market = experiment.prepare(changed)
        results.append(traded.score(market, traded.run(market, shared)))
    return results


def table(title: str, results: Results, cost: int) -> Table:
    """Tabulates means over markets with their standard errors, at one cost."""
    shown = Table("recipe", title=title)
    for column in (
        "gross",
        "net",
        "turnover, %",
        "of gross, %",
        "flips, %",
        "fall, vols",
    ):
        shown.add_column(column, justify="right")
    for recipe in results[0]:
        columns = np.array([r[recipe][cost] for r in results]).T
        columns = columns * np.array([1, 1, 100, 100, 100, 1])[:, None]
        shown.add_row(recipe, *map(gates.show, columns))
    return shown


def paired_lines(results: Results, cost: int) -> list[str]:
    """Compares the judged recipes with their rivals, market by market."""
    lines = []
    for judged in JUDGED:
        parts = [judged]
        for rival in RIVALS:
            gain = [r[judged][cost].net - r[rival][cost].net for r in results]
            mean, error = gates.mean_and_error(gain)
            reach = student_t.ppf(0.975, len(gain) - 1) * error
            parts.append(f"{mean:+.3f} [{mean - reach:+.3f}, {mean + reach:+.3f}]")
        lines.append(" | ".join(parts))
    return [f"Net Sharpe less that of {' | '.join(RIVALS)}:", *lines]


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise ValueError(f"unknown argument {argv[1]!r}; --help lists what there is")
    keep_compiled_programs()
    logging.set_verbosity(logging.WARNING)
    console, started, saved = Console(width=120), time.perf_counter(), {}
    seeds = range(_FIRST.value, _FIRST.value + flags.FLAGS.markets)
    nulls = range(_FIRST.value + 1000, _FIRST.value + 1000 + flags.FLAGS.null_markets)
    cells = [(*cell, 0.05, seeds) for cell in gates.CELLS] + [
        ("linear", 1260, 0.0, nulls)
    ]
    for kind, train_days, strength, chosen in cells:
        results = run_cell(cell_config(kind, train_days, strength), chosen)
        name = f"PLANTED {kind}" if strength else "NULL"
        name = f"{name}, {train_days} training days, {len(chosen)} markets"
        for i, bps in enumerate(COSTS_BPS):
            console.print(table(f"{name}, {bps:g} bps", results, i))
            for text in paired_lines(results, i):
                console.print(text, soft_wrap=True)
        saved[name] = [
            {k: [x._asdict() for x in v] for k, v in r.items()} for r in results
        ]
        if flags.FLAGS.output:
            files.write_json(flags.FLAGS.output, saved)
    console.print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    run_from_shell(main)
