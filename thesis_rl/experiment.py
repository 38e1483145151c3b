"""One experiment on the host: load, compile, run, score."""

import hashlib
import itertools
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd

from thesis_rl import backtest, baselines, scoring, stats, walk_forward
from thesis_rl.preparation import Experiment, arguments
from thesis_rl.preparation import prepare as prepare
from thesis_rl.scoring import Book
from thesis_rl.thesis import quality
from thesis_rl.types import Thesis
from thesis_rl.walk_forward import Forecasts, Outcome

Say = Callable[[str], None]


class Result(NamedTuple):
    """What a run found, in memory; `record.py` puts it on disk."""

    experiment: Experiment
    outcome: Outcome  # NumPy arrays.
    forecasts: dict[str, Forecasts]  # by stage, mean over seeds, [T', N, ...].
    theses: Thesis  # The ensemble's modes, [T', N, ...].
    books: dict[str, Book]  # Ensembles and baselines, under the headline's mapping.
    seed_books: list[Book]  # Of the last stage's single networks, likewise.
    summary: dict  # Every number of the report.

    @property
    def final_stage(self) -> str:
        """The stage whose ensemble is the headline."""
        return walk_forward.final_stage(self.forecasts)


def execute(
    experiment: Experiment, say: Say = lambda text: None
) -> tuple[Outcome, dict[str, float]]:
    """Compiles and runs the one program.

    Args:
      experiment: as prepared.
      say: told what is about to happen.

    Returns:
      The outcome as NumPy arrays, and seconds spent compiling and running.
    """
    given, config = arguments(experiment), experiment.config
    num_folds = len(experiment.folds.test_start)
    num_runs = config.num_seeds * (num_folds + 1)
    started = time.perf_counter()
    say(f"Compiling the program for {num_runs} runs")
    program = walk_forward.run.lower(*given, config).compile()
    compiled = time.perf_counter()
    say(
        f"Training {num_runs} runs: {num_folds} folds and a final model, "
        f"{config.num_seeds} seeds each"
    )
    outcome = jax.tree.map(np.asarray, program(*given))
    _check_finite(outcome.params)
    seconds = {
        "compile": compiled - started,
        "train_predict_trade": time.perf_counter() - compiled,
    }
    return outcome, seconds


def _check_finite(params: dict) -> None:
    for stage in sorted(params, key=("sft", "rft", "exact").index):
        leaves = jax.tree.leaves(params[stage])
        bad = sum(np.size(x) - np.isfinite(x).sum() for x in leaves)
        if bad:
            raise ValueError(
                f"training diverged: {bad} parameters after {stage} are not finite; "
                f"lower config.{'sft' if stage == 'sft' else 'rft'}.peak_lr"
            )


def _check_solvent(name: str, book: Book, dates: pd.DatetimeIndex) -> None:
    if (book.net <= -1).any():
        day = dates[int(np.argmax(book.net <= -1))].date()
        raise ValueError(
            f"the book {name} lost more than its capital on {day}; look there for a "
            "price jump such as a split left in the data"
        )


def run(experiment: Experiment, say: Say = lambda text: None) -> Result:
    """Runs an experiment and scores everything it traded.

    Args:
      experiment: as prepared.
      say: told what is about to happen.

    Returns:
      The result.
    """
    outcome, seconds = execute(experiment, say)
    say("Scoring every book")
    config, dataset, folds, _ = experiment
    first, last = folds.test_start[0], folds.test_stop[-1]
    forecasts = {
        stage: Forecasts(*(x.mean(axis=0) for x in f))
        for stage, f in outcome.forecasts.items()
    }
    final = walk_forward.final_stage(forecasts)
    rows = np.asarray(dataset.market.tradable)[first:last]
    truth, known = (
        np.asarray(x)[first:last] for x in (dataset.panel.truth, dataset.panel.known)
    )
    modes = {stage: quality.mode(*f) for stage, f in forecasts.items()}
    quality_of = {s: quality.measure(m, truth, known, rows) for s, m in modes.items()}
    strategies, books, seed_books = score(experiment, outcome, final)
    summary = {
        "title": config.title,
        "synthetic": dataset.report["synthetic"],
        "headline": {
            "strategy": "ensemble",
            "mapping": config.backtest.mapping,
            **scoring.headline(books["ensemble"]),
        },
        "strategies": strategies,
        "folds": fold_table(experiment, books["ensemble"], seed_books),
        "theses": {**quality_of[final], "by_stage": quality_of},
        "timing": seconds,
        "data": dataset.report,
        "predictions_sha256": hashlib.sha256(
            np.ascontiguousarray(forecasts[final].decision).tobytes()
        ).hexdigest(),
    }
    return Result(
        experiment, outcome, forecasts, modes[final], books, seed_books, summary
    )


def score(
    experiment: Experiment, outcome: Outcome, final: str
) -> tuple[dict, dict[str, Book], list[Book]]:
    """Scores single networks, ensembles and baselines.

    Args:
      experiment: as prepared.
      outcome: as run.
      final: the stage whose ensemble is the headline.

    Returns:
      The table of strategies; the books of ensembles and baselines, and those of the
      final stage's single networks, under the headline's mapping.
    """
    config, dataset, folds, others = experiment
    names = list(others)
    line = lambda ledger, i: jax.tree.map(lambda x: x[i], ledger)  # noqa: E731
    equal_weight = line(outcome.baselines, names.index("equal_weight"))
    benchmark = scoring.make_benchmark(
        np.asarray(dataset.market.returns),
        np.asarray(dataset.market.tradable),
        folds.test_start[0],
        equal_weight,
    )
    mapping = config.backtest.mapping
    dates = dataset.dates[folds.test_start[0] : folds.test_stop[-1]]
    table, books, seed_books = {}, {}, []
    for stage, ledgers in outcome.ledgers.items():
        ensemble = "ensemble" if stage == final else f"{stage}_ensemble"
        by_mapping = {
            m: [
                scoring.make_book(line(ledgers[m], i), benchmark, hedged=True)
                for i in range(config.num_seeds + 1)
            ]
            for m in backtest.MAPPINGS
        }
        for book in itertools.chain(*by_mapping.values()):
            _check_solvent(stage, book, dates)
        single = {m: scoring.over_seeds(b[:-1]) for m, b in by_mapping.items()}
        joint = {m: scoring.metrics(b[-1]) for m, b in by_mapping.items()}
        table[stage] = single[mapping] | {"by_mapping": single}
        table[ensemble] = joint[mapping] | {"by_mapping": joint}
        books[ensemble] = by_mapping[mapping][-1]
        if stage == final:
            seed_books = by_mapping[mapping][:-1]
    for i, name in enumerate(names):
        books[name] = scoring.make_book(
            line(outcome.baselines, i), benchmark, hedged=name not in baselines.UNHEDGED
        )
        _check_solvent(name, books[name], dates)
        table[name] = scoring.metrics(books[name])
    return table, books, seed_books


def fold_table(
    experiment: Experiment, book: Book, seed_books: list[Book]
) -> list[dict]:
    """Lists each fold's dates and what the ensemble and its seeds earned in it."""
    _, dataset, folds, _ = experiment
    table = []
    for i, (start, stop, first, last) in enumerate(zip(*folds, strict=True)):
        days = slice(first - folds.test_start[0], last - folds.test_start[0])
        table.append(
            {
                "fold": i,
                "train": _span(dataset.dates, start, stop),
                "test": _span(dataset.dates, first, last),
                "headline_return": float(book.headline_net[days].mean() * 252),
                "headline_sharpe": stats.sharpe(book.headline_net[days]),
                "seed_sharpes": [
                    stats.sharpe(b.headline_net[days]) for b in seed_books
                ],
            }
        )
    return table


def _span(dates: pd.DatetimeIndex, start: int, stop: int) -> list[str]:
    return [str(dates[start].date()), str(dates[stop - 1].date())]
