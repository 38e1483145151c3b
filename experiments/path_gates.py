"""What trading rewards are worth net of costs, in one table.

    python experiments/path_gates.py                  # 16 PLANTED and 32 NULL markets
    python experiments/path_gates.py --source=us20    # real prices

Every recipe trades the same networks' forecasts of unseen days at the same costs, and
learns its pace or finds its band on the same days: those that were forecast before
they were seen, up to the last training day. `sleeves` hold each day's decision for 21
days; `start` is a trader before it learned. The Sharpe ratio is the headline's: hedged,
net of all costs.
"""

import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # Lab books import one another as `experiments.…`.

import numpy as np  # noqa: E402
from absl import flags  # noqa: E402
from ml_collections import ConfigDict, FrozenConfigDict  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from scipy.stats import t as student_t  # noqa: E402

from experiments import gates, rft_path, traded  # noqa: E402
from experiments.command import (  # noqa: E402
    Command,
    prepare_machine,
    run_from_shell,
)
from experiments.traded import COSTS_BPS, RECIPES, Record  # noqa: E402
from thesis_rl import (  # noqa: E402
    experiment,
    files,
    inference,
    scoring,
    stats,
    training,
)
from thesis_rl.sensitivity import line  # noqa: E402

JUDGED = ("rft, path", "rft, book")
COLUMNS = ("gross", "net", "turnover, %", "of gross, %", "flips, %", "fall, vols")
RIVALS = ("rft, sleeves", "rft, start", "rft, band", "sft, band", "ridge, band")
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


def real_table(source: str, console: Console) -> None:
    """Tabulates every recipe on real prices, deflated by recipes times costs."""
    config = rft_path.get_config()
    if source == "us6":
        config.data.update(source="us6", start="")
    static = FrozenConfigDict(config)
    market = experiment.prepare(static)
    ledgers = traded.run(market, static)
    benchmark = traded.make_benchmark(market, ledgers)
    for i, bps in enumerate(COSTS_BPS):
        records = {k: traded.record(line(x, i), benchmark) for k, x in ledgers.items()}
        books = {
            k: scoring.make_book(line(x, i), benchmark, hedged=True)
            for k, x in ledgers.items()
            if records[k].turnover
        }
        spread = np.std([records[k].net for k in books], ddof=1) / np.sqrt(252)
        shown = Table("recipe", title=f"{source}, {bps:g} bps")
        for column in ("net, 95% interval", *COLUMNS[2:], "PSR", "DSR"):
            shown.add_column(column, justify="right")
        for recipe, scores in records.items():
            cells = [f"{100 * x:.2f}" for x in scores[2:5]] + [f"{scores.drawdown:.2f}"]
            if recipe not in books:
                shown.add_row(recipe, "stood still")
                continue
            key = inference.key_for(config.seed, i)
            judged = inference.headline(key, books[recipe], config.backtest.hold_days)
            low, high = judged["interval"]
            dsr = stats.deflated_sharpe(
                scores.net / np.sqrt(252),
                judged["num_days"],
                judged["skew"],
                judged["kurtosis"],
                spread,
                len(RECIPES) * len(COSTS_BPS),
            )
            net = f"{scores.net:+.2f} [{low:+.2f}, {high:+.2f}]"
            shown.add_row(recipe, net, *cells, f"{judged['psr']:.3f}", f"{dsr:.3f}")
        console.print(shown)


def declare(own: flags.FlagValues) -> None:
    """Declares the arguments."""
    gates.declare(own)
    flags.DEFINE_integer(
        "first", 1000, "Seed of the first PLANTED market.", flag_values=own
    )
    flags.DEFINE_enum(
        "source", None, ["us20", "us6"], "Real prices, not simulated ones.", own
    )


def main(given: flags.FlagValues) -> None:
    """Trades every recipe on every cell and prints tables."""
    prepare_machine()
    console, started, saved = Console(width=120), time.perf_counter(), {}
    if given.source:
        real_table(given.source, console)
        return
    seeds = range(given.first, given.first + given.markets)
    nulls = range(given.first + 1000, given.first + 1000 + given.null_markets)
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
        if given.output:
            files.write_json(given.output, saved)
    console.print(f"{time.perf_counter() - started:.0f} s")


COMMAND = Command(__doc__, declare, main)

if __name__ == "__main__":
    run_from_shell(COMMAND)
