"""What the method finds where the truth is known: every learner, in one table.

    python experiments/known_truth.py                  # 16 PLANTED and 32 NULL markets
    python experiments/known_truth.py --markets=2 --null_markets=2

PLANTED: every learner on the same markets, through the same folds and harness,
dollar-neutral. A share is a gross Sharpe divided by that of `oracle_signal`, which
trades the sign of the planted signal; the net Sharpe is the headline's of expected
positions, at so many basis points of the value traded. `path` is the recipe of
`rft_path.py`: its networks in sleeves, by partial adjustment and in the best band.
NULL: the same program on markets whose features carry nothing. Every figure is a mean
over markets with its standard error.
"""

import functools
import pathlib
import sys
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # Lab books import one another as `experiments.…`.

import jax  # noqa: E402
import numpy as np  # noqa: E402
from absl import flags, logging  # noqa: E402
from ml_collections import ConfigDict, FrozenConfigDict  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from scipy.stats import t as student_t  # noqa: E402

from experiments import planted, rft_path  # noqa: E402
from experiments.command import (  # noqa: E402
    Command,
    prepare_machine,
    run_from_shell,
)
from thesis_rl import configs, files, stats  # noqa: E402
from thesis_rl.evaluation import books as scored  # noqa: E402
from thesis_rl.evaluation import judge  # noqa: E402
from thesis_rl.learning import network, preprocess  # noqa: E402
from thesis_rl.thesis.vocabulary import DECISION_POSITIONS, DECISION_SIGNS  # noqa: E402
from thesis_rl.trading.backtest import Ledger  # noqa: E402
from thesis_rl.trading.costs import line  # noqa: E402
from thesis_rl.trading.portfolio import MAPPINGS  # noqa: E402
from thesis_rl.walk_forward import baselines as rivals  # noqa: E402
from thesis_rl.walk_forward import experiment, program  # noqa: E402
from thesis_rl.walk_forward.experiment import Experiment  # noqa: E402
from thesis_rl.walk_forward.program import Outcome  # noqa: E402

CELLS = (("linear", 1260), ("nonlinear", 1260), ("linear", 320), ("nonlinear", 320))
FIRST, FIRST_NULL = 1000, 2000  # Seeds of markets that no tuning has seen.
COSTS_BPS = (10.0, 20.0)  # Of the value traded, all told but borrowing.
PACES = {"partial": "partial adjustment", "band": "best band"}


class Score(NamedTuple):
    """One book on one market."""

    sharpe: float  # Gross headline.
    net: tuple[float, ...]  # Net headline Sharpe at `COSTS_BPS`.
    reward: float  # Mean utility of its decisions on labelled unseen rows.
    drawdown: float  # Deepest fall, in units of a year's volatility; negative.


class Honesty(NamedTuple):
    """How true the final stage's theses are on unseen rows, before any repair."""

    ece: float  # Of the decision, calibrated.
    claim_precision: float
    claim_recall: float
    schema_validity: float


class Scores(NamedTuple):
    """What one market taught."""

    books: dict[str, Score]  # By `learner.mapping`.
    honesty: Honesty


def cell_config(kind: str, train_days: int, num_seeds: int = 1) -> ConfigDict:
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


def path_recipe(config: ConfigDict) -> ConfigDict:
    """Returns the cell with the networks and the pace of `rft_path.py`."""
    changed, recipe = ConfigDict(config.to_dict()), rft_path.get_config()
    changed.pace = recipe.pace
    changed.rft.update(keep=recipe.rft.keep, peak_lr=recipe.rft.peak_lr)
    return changed


def make_market(config: ConfigDict, seed: int, boosting: bool) -> Experiment:
    """Simulates one market, with oracles and regressions in place of baselines."""
    # A frozen config hashes what it was made from: one that changed compiles again.
    changed = configs.with_changes(config, {"data.synthetic.seed": seed})
    prepared = experiment.prepare(changed)
    dataset, folds = prepared.dataset, prepared.folds
    unseen = slice(folds.test_start[0], folds.test_stop[-1])
    score = np.asarray(dataset.panel.score)[unseen]
    true_label = preprocess.label(score, preprocess.QUINTILES)
    labelled = np.asarray(dataset.panel.labelled)[unseen]
    fits = {"ridge": rivals.ridge}
    if boosting:
        fits["boosting"] = rivals.boosting
    forecasts = {
        name: rivals.walk_forward(dataset.panel, folds, fit)
        for name, fit in fits.items()
    }
    random = np.random.default_rng(seed)
    positions = {
        "oracle_signal.signs": np.sign(dataset.signal[unseen]),
        "oracle_signal.expected": dataset.signal[unseen],
        "oracle_labels.signs": np.take(DECISION_SIGNS, true_label) * labelled,
        "oracle_labels.expected": np.take(DECISION_POSITIONS, true_label) * labelled,
        "random_signs.signs": random.choice([-1.0, 1.0], labelled.shape),
        **{f"{name}.signs": np.sign(x) for name, x in forecasts.items()},
        **{f"{name}.expected": x for name, x in forecasts.items()},
    }
    neutral = {k: x - x.mean(axis=1, keepdims=True) for k, x in positions.items()}
    return prepared._replace(
        baselines={"equal_weight": np.ones_like(labelled, float), **neutral}
    )


def score_market(market: Experiment, config: FrozenConfigDict) -> Scores:
    """Trains on one market and scores every book and the theses."""
    market = market._replace(config=config)
    outcome = program.run(*experiment.arguments(market), config)
    outcome = jax.tree.map(np.asarray, outcome)
    return Scores(score_books(market, outcome), measure_honesty(market, outcome))


def measure_honesty(market: Experiment, outcome: Outcome) -> Honesty:
    """Measures the theses and the confidence of the final stage's ensemble."""
    forecasts = {stage: network.over_seeds(f) for stage, f in outcome.forecasts.items()}
    final = program.final_stage(forecasts)
    _, theses = judge.measure_theses(market, outcome, forecasts, final)
    measured = judge.measure_calibration(market, outcome, forecasts[final].decision)
    return Honesty(
        measured[market.config.calibration.scaling]["ece"],
        *(theses[name] for name in Honesty._fields[1:]),
    )


def score_books(market: Experiment, outcome: Outcome) -> dict[str, Score]:
    """Scores every learner, oracle and baseline."""
    names, dataset = list(market.baselines), market.dataset
    benchmark = make_benchmark(market, outcome)
    days = scored.unseen(market)
    labelled = np.asarray(dataset.panel.labelled)[days]
    payoff = np.clip(np.asarray(dataset.panel.payoff)[days], -2, 2)[labelled]

    def score(ledger, positions) -> Score:
        reward = float(np.mean(np.clip(positions, -1, 1)[labelled] * payoff))
        return score_ledger(ledger, benchmark)._replace(reward=reward)

    scores = {
        name: score(line(outcome.baselines, i), market.baselines[name])
        for i, name in enumerate(names)
        if name != "equal_weight"
    }
    for stage, ledgers in outcome.ledgers.items():
        probabilities = outcome.forecasts[stage].decision
        for mapping in MAPPINGS:
            single = [
                score(line(ledgers[mapping], i), positions_of(p))
                for i, p in enumerate(probabilities)
            ]
            scores[f"{stage}.{mapping}"] = mean_score(single)
            if len(single) > 1:
                scores[f"{stage}_ensemble.{mapping}"] = score(
                    line(ledgers[mapping], -1),
                    positions_of(network.over_seeds(probabilities)),
                )
    return scores


def make_benchmark(market: Experiment, outcome: Outcome) -> scored.Benchmark:
    """Prepares what the books of one market are hedged with."""
    index = list(market.baselines).index("equal_weight")
    first = int(market.folds.test_start[0])
    equal = line(outcome.baselines, index)
    return scored.make_benchmark(market.dataset.market, first, equal)


def score_ledger(ledger: Ledger, benchmark: scored.Benchmark) -> Score:
    """Scores one book, without its reward; one that stood still earned 0, paid 0."""
    if not np.any(ledger.turnover):
        return Score(0.0, (0.0,) * len(COSTS_BPS), 0.0, 0.0)
    returns = scored.make_book(ledger, benchmark, True).headline_gross
    return Score(
        sharpe=stats.sharpe(returns),
        net=tuple(net_sharpe(ledger, benchmark, bps) for bps in COSTS_BPS),
        reward=0.0,
        drawdown=stats.max_drawdown(returns) / stats.volatility(returns),
    )


def net_sharpe(ledger: Ledger, benchmark: scored.Benchmark, bps: float) -> float:
    """Charges the same trades at another rate: without impact all costs are linear."""
    spread = np.asarray(ledger.turnover) * (1 + np.asarray(ledger.gross)) * bps * 1e-4
    charged = ledger._replace(commission=np.zeros_like(spread), half_spread=spread)
    return stats.sharpe(scored.make_book(charged, benchmark, True).headline_net)


def score_paces(market: Experiment, config: FrozenConfigDict) -> dict[str, Score]:
    """Trains the recipe of `rft_path.py` once and trades it at every pace and cost."""
    market = market._replace(config=config)
    key, panel, traded, windows, baselines = experiment.arguments(market)
    trained = program.train_and_predict(
        key, panel, windows.folds, windows.held_out, config
    )
    given = trained, None, panel, traded, windows, baselines
    scores = {}
    for rule, name in PACES.items():
        at_cost = []
        for bps in COSTS_BPS:
            changes = {
                "pace.rule": rule,
                "backtest.commission_bps": 0.0,
                "backtest.half_spread_bps": bps,
            }
            changed = configs.with_changes(config, changes)
            outcome = jax.tree.map(np.asarray, program.trade(*given, changed))
            benchmark = make_benchmark(market, outcome)
            books = {k: x["expected"] for k, x in outcome.ledgers.items()}
            at_cost.append(score_ledger(line(books["paced"], -1), benchmark))
            sleeves = score_ledger(line(books["rft"], -1), benchmark)
        net = tuple(score.net[i] for i, score in enumerate(at_cost))
        scores[f"path, {name}.expected"] = at_cost[0]._replace(net=net)
        scores["path, sleeves.expected"] = sleeves
    return scores


def positions_of(probabilities: np.ndarray) -> np.ndarray:
    """Returns the position of the likeliest decision."""
    return np.take(DECISION_POSITIONS, probabilities.argmax(axis=-1))


def mean_score(scores: list[Score]) -> Score:
    """Averages scores field by field."""
    return jax.tree.map(lambda *x: float(np.mean(x)), *scores)


def run_cell(
    config: ConfigDict, strength: float, seeds: range, boosting: bool
) -> list[Scores]:
    """Scores every learner on several markets of one kind."""
    config.data.synthetic.strength = strength
    ranked = FrozenConfigDict(config)
    longer = config.sft.num_steps + config.rft.num_steps  # As much, in imitation.
    supervised = configs.with_changes(
        ranked, {"sft.num_steps": longer, "rft.num_steps": 0}
    )
    paced = FrozenConfigDict(path_recipe(config))
    results = []
    for seed in seeds:
        market = make_market(config, seed, boosting)
        scores = score_market(market, ranked)
        scores.books.update(score_paces(market, paced))
        if strength > 0:
            others = score_market(market, supervised).books.items()
            scores.books.update(
                {f"sft_longer{k[3:]}": v for k, v in others if k[:3] == "sft"}
            )
        results.append(scores)
    return results


def mean_and_error(values) -> tuple[float, float]:
    """Returns the mean over markets and its standard error."""
    values = np.asarray(values, float)
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))


def show(values) -> str:
    """Formats a mean and its standard error."""
    return "{:.3f} ± {:.3f}".format(*mean_and_error(values))


def make_table(title: str, results: list[dict[str, Score]]) -> Table:
    """Tabulates every learner: shares of the oracle, gross, net, reward, drawdown."""
    table = Table(title=title)
    table.add_column("learner", no_wrap=True)
    net = [f"net, {bps:g} bp" for bps in COSTS_BPS]
    shares = ("share, signs", "share, expected")
    for column in (*shares, "Sharpe, signs", *net, "reward", "drawdown, vols"):
        table.add_column(column, justify="right")
    planted = all(r["oracle_signal.signs"].sharpe > 1 for r in results)

    def cell(key, take) -> str:
        known = key in results[0]
        return show([take(r, r[key]) for r in results]) if known else ""

    share = lambda r, score: score.sharpe / r["oracle_signal.signs"].sharpe  # noqa: E731

    for learner in dict.fromkeys(key.split(".")[0] for key in results[0]):
        signs, expected = f"{learner}.signs", f"{learner}.expected"
        shares = [cell(k, share) if planted else "" for k in (signs, expected)]
        costs = [
            cell(expected, lambda r, s, i=i: s.net[i]) for i in range(len(COSTS_BPS))
        ]
        table.add_row(
            learner,
            *shares,
            cell(signs, lambda r, s: s.sharpe),
            *costs,
            cell(signs, lambda r, s: s.reward),
            cell(signs, lambda r, s: s.drawdown),
        )
    return table


def paired_lines(results: list[dict[str, Score]]) -> list[str]:
    """Compares rivals market by market: means with 95% t intervals."""

    def gain(name: str, other: str, take=lambda s: s.sharpe) -> str:
        mean, error = mean_and_error([take(r[name]) - take(r[other]) for r in results])
        reach = student_t.ppf(0.975, len(results) - 1) * error
        return f"{mean:+.3f} [{mean - reach:+.3f}, {mean + reach:+.3f}]"

    lines = [
        f"{name} less equally long imitation, gross: {gain(name, other)}"
        for name in ("rft.signs", "rft.expected")
        if (other := name.replace("rft", "sft_longer")) in results[0]
    ]
    for rival in ("sleeves", PACES["band"]):
        for i, bps in enumerate(COSTS_BPS):
            pair = f"path, {PACES['partial']}.expected", f"path, {rival}.expected"
            found = gain(*pair, lambda s, i=i: s.net[i])
            lines.append(f"partial adjustment less {rival}, net at {bps:g} bp: {found}")
    return lines


def honesty_line(results: list[Scores]) -> str:
    """Says how true the final stage's theses are, a mean over markets each."""
    parts = [
        f"{name.replace('_', ' ')} {show([getattr(r.honesty, name) for r in results])}"
        for name in Honesty._fields
    ]
    return "Theses: " + ", ".join(parts)


def declare(values: flags.FlagValues) -> None:
    """Defines the flags."""
    number = functools.partial(flags.DEFINE_integer, flag_values=values)
    number("markets", 16, "PLANTED markets a cell.", 2)
    number("null_markets", 32, "NULL markets.", 2)
    number("seeds", 1, "Networks a fold and market.", 1)
    flags.DEFINE_bool("boosting", True, "Also gradient boosting, slow.", values)
    flags.DEFINE_string("output", None, "JSON file of every number.", values)


def main(given: flags.FlagValues) -> None:
    """Runs every cell and prints its table."""
    prepare_machine()
    logging.set_verbosity(logging.WARNING)
    console, started, saved = Console(width=160), time.perf_counter(), {}
    seeds = range(FIRST, FIRST + given.markets)
    nulls = range(FIRST_NULL, FIRST_NULL + given.null_markets)
    cells = [(*cell, 0.05, seeds, given.boosting) for cell in CELLS]
    for kind, train_days, *rest in (*cells, ("linear", 1260, 0.0, nulls, False)):
        strength, chosen, _ = rest
        results = run_cell(cell_config(kind, train_days, given.seeds), *rest)
        name = f"PLANTED {kind}" if strength else "NULL"
        title = f"{name}, {train_days} training days, {len(chosen)} markets"
        books = [scores.books for scores in results]
        console.print(make_table(title, books))
        for text in (*paired_lines(books), honesty_line(results)):
            console.print(text, soft_wrap=True)
        saved[title] = [
            {"books": {k: x._asdict() for k, x in scores.books.items()}}
            | {"honesty": scores.honesty._asdict()}
            for scores in results
        ]
        if given.output:
            files.write_json(given.output, saved)
    console.print(f"{time.perf_counter() - started:.0f} s")


COMMAND = Command(__doc__, declare, main)

if __name__ == "__main__":
    run_from_shell(COMMAND)
