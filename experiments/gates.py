"""What the method finds where the truth is known, in one table.

    python experiments/gates.py                  # 16 PLANTED and 32 NULL markets
    python experiments/gates.py --markets=2 --null_markets=2

PLANTED: every learner on the same markets, through the same folds and harness, gross
of costs and dollar-neutral. A share is a Sharpe divided by that of `oracle_signal`,
which trades the sign of the planted signal. NULL: the same program on markets whose
features carry nothing. Every figure is a mean over markets with its standard error.
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

from experiments import planted  # noqa: E402
from experiments.command import (  # noqa: E402
    Command,
    prepare_machine,
    run_from_shell,
)
from experiments.known_truth import (  # noqa: E402
    Honesty,
    Score,
    Scores,
    make_market,
    score_market,
)
from thesis_rl import files  # noqa: E402

COLUMNS = (
    "share, signs",
    "share, expected",
    "Sharpe, signs",
    "reward",
    "drawdown, vols",
)
CELLS = (("linear", 1260), ("nonlinear", 1260), ("linear", 320), ("nonlinear", 320))


def cell_config(kind: str, train_days: int, num_seeds: int) -> ConfigDict:
    """Returns the PLANTED experiment at one window length, with its tuned recipe."""
    config = planted.get_config()
    config.num_seeds = num_seeds
    config.data.synthetic.kind = kind
    config.folds.update(train_days=train_days, test_days=504)
    if train_days < 640:
        config.folds.test_days = 252
        config.sft.num_steps, config.rft.num_steps = 50, 100
        config.sft.weight_decay, config.rft.weight_decay = 3.0, 1.0
    return config


def supervised_config(config: ConfigDict) -> ConfigDict:
    """Returns the same recipe with every step spent on supervision."""
    changed = ConfigDict(config.to_dict())
    changed.sft.num_steps += config.rft.num_steps
    changed.rft.num_steps = 0
    return changed


def run_cell(
    config: ConfigDict, strength: float, seeds: range, boosting: bool
) -> list[Scores]:
    """Scores every learner on several markets of one kind."""
    config.data.synthetic.strength = strength
    ranked = FrozenConfigDict(config)
    supervised = FrozenConfigDict(supervised_config(config))
    results = []
    for seed in seeds:
        market = make_market(config, seed, boosting)
        scores = score_market(market, ranked)
        if strength > 0:
            longer = score_market(market, supervised).books.items()
            scores.books.update(
                {f"sft_longer{k[3:]}": v for k, v in longer if k[:3] == "sft"}
            )
        results.append(scores)
    return results


def mean_and_error(values) -> tuple[float, float]:
    """Returns the mean over markets and its standard error."""
    values = np.asarray(values, float)
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))


def share_table(title: str, results: list[dict[str, Score]]) -> Table:
    """Tabulates shares of `oracle_signal`, Sharpe ratios, rewards and drawdowns."""
    table = Table("learner", title=title)
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for learner in dict.fromkeys(key.split(".")[0] for key in results[0]):
        signs, expected = f"{learner}.signs", f"{learner}.expected"
        share = lambda key: [  # noqa: E731
            r[key].sharpe / r["oracle_signal.signs"].sharpe for r in results
        ]
        cells = [share(signs), share(expected) if expected in results[0] else None]
        cells += [
            [r[signs].sharpe for r in results],
            [r[signs].reward for r in results],
            [r[signs].drawdown for r in results],
        ]
        table.add_row(learner, *("" if c is None else show(c) for c in cells))
    return table


def show(values) -> str:
    """Formats a mean and its standard error."""
    mean, error = mean_and_error(values)
    return f"{mean:.3f} ± {error:.3f}"


def honesty_line(results: list[Scores]) -> str:
    """Says how true the final stage's theses are, a mean over markets each."""
    parts = [
        f"{name.replace('_', ' ')} {show([getattr(r.honesty, name) for r in results])}"
        for name in Honesty._fields
    ]
    return "Theses: " + ", ".join(parts)


def paired_line(results: list[dict[str, Score]]) -> str:
    """Compares RFT with equally long supervision, market by market."""
    parts = []
    names = ("rft.signs", "rft.expected", "rft_ensemble.signs", "rft_ensemble.expected")
    for name in (name for name in names if name in results[0]):
        other = name.replace("rft", "sft_longer")
        mean, error = mean_and_error(
            [r[name].sharpe - r[other].sharpe for r in results]
        )
        reach = student_t.ppf(0.975, len(results) - 1) * error
        low, high = mean - reach, mean + reach
        parts.append(f"{name} {mean:+.3f} [{low:+.3f}, {high:+.3f}]")
    return "RFT minus equally long SFT, Sharpe with 95% interval: " + ", ".join(parts)


def as_dict(scores: Scores) -> dict:
    """Returns one market's scores as JSON takes them."""
    books = {name: score._asdict() for name, score in scores.books.items()}
    return {"books": books, "honesty": scores.honesty._asdict()}


def declare(own: flags.FlagValues) -> None:
    """Declares the arguments."""
    flags.DEFINE_integer("markets", 16, "PLANTED markets a cell.", 2, flag_values=own)
    flags.DEFINE_integer("null_markets", 32, "NULL markets.", 2, flag_values=own)
    flags.DEFINE_integer("seeds", 1, "Networks a fold and market.", 1, flag_values=own)
    flags.DEFINE_bool("boosting", True, "Also fit gradient boosting (slow).", own)
    flags.DEFINE_string("output", None, "JSON file for every market's numbers.", own)


def main(given: flags.FlagValues) -> None:
    """Scores every cell and prints a table each."""
    prepare_machine()
    console, started, saved = Console(width=100), time.perf_counter(), {}
    for kind, train_days in CELLS:
        seeds = range(1000, 1000 + given.markets)
        config = cell_config(kind, train_days, given.seeds)
        results = run_cell(config, 0.05, seeds, given.boosting)
        title = f"PLANTED {kind}, {train_days} training days, {len(seeds)} markets"
        books = [scores.books for scores in results]
        console.print(share_table(title, books))
        console.print(paired_line(books))
        console.print(honesty_line(results))
        saved[title] = results
    seeds = range(2000, 2000 + given.null_markets)
    config = cell_config("linear", 1260, given.seeds)
    results = run_cell(config, 0.0, seeds, boosting=False)
    title = f"NULL, 1260 training days, {len(seeds)} markets: gross headline Sharpe"
    table = Table("book", "mean", "in standard errors", title=title)
    for key in sorted(results[0].books):
        if not key.startswith("oracle_labels"):
            mean, error = mean_and_error([r.books[key].sharpe for r in results])
            table.add_row(key, f"{mean:+.3f} ± {error:.3f}", f"{mean / error:+.1f}")
    console.print(table)
    console.print(f"{time.perf_counter() - started:.0f} s")
    saved[title] = results
    if given.output:
        plain = {title: list(map(as_dict, rows)) for title, rows in saved.items()}
        files.write_json(given.output, plain)


COMMAND = Command(__doc__, declare, main)

if __name__ == "__main__":
    run_from_shell(COMMAND)
