"""Every book that the program traded, scored under one rule."""

import itertools
from typing import NamedTuple

import numpy as np
import pandas as pd

from thesis_rl import stats
from thesis_rl.evaluation import books as books_lib
from thesis_rl.evaluation.books import Benchmark, Book
from thesis_rl.trading import portfolio
from thesis_rl.trading.costs import line
from thesis_rl.walk_forward import baselines
from thesis_rl.walk_forward.experiment import Experiment
from thesis_rl.walk_forward.program import Outcome

CONTROLLED = "ensemble_cvar"  # The ensemble under the exposure controller.


class Scores(NamedTuple):
    """Every book under the headline's mapping, and the table of all mappings."""

    table: dict
    books: dict[str, Book]  # Ensembles and baselines.
    seed_books: list[Book]  # Of the final stage's single networks.
    benchmark: Benchmark


def unseen(experiment: Experiment) -> slice:
    """Returns the out-of-sample days."""
    folds = experiment.folds
    return slice(int(folds.test_start[0]), int(folds.test_stop[-1]))


def score(experiment: Experiment, outcome: Outcome, final: str) -> Scores:
    """Scores single networks, ensembles and baselines.

    Args:
      experiment: as prepared.
      outcome: as run.
      final: the stage whose ensemble is the headline.

    Returns:
      The scores.
    """
    config, dataset, folds, others = experiment
    rules, names = config.backtest, list(others)
    hedged = books_lib.is_hedged(rules)
    benchmark = books_lib.make_benchmark(
        dataset.market,
        int(folds.test_start[0]),
        line(outcome.baselines, names.index("equal_weight")),
        rules.fill_lag,
        rules.cash_rate,
    )
    table, books, seed_books = {}, {}, []
    for stage, ledgers in outcome.ledgers.items():
        ensemble = "ensemble" if stage == final else f"{stage}_ensemble"
        by_mapping = {
            m: [
                books_lib.make_book(line(ledgers[m], i), benchmark, hedged)
                for i in range(config.num_seeds + 1)
            ]
            for m in portfolio.MAPPINGS
        }
        for book in itertools.chain(*by_mapping.values()):
            check_solvent(stage, book, dataset.dates[unseen(experiment)])
        single = {m: books_lib.over_seeds(b[:-1]) for m, b in by_mapping.items()}
        joint = {m: books_lib.metrics(b[-1]) for m, b in by_mapping.items()}
        table[stage] = single[rules.mapping] | {"by_mapping": single}
        table[ensemble] = joint[rules.mapping] | {"by_mapping": joint}
        books[ensemble] = by_mapping[rules.mapping][-1]
        if stage == final:
            seed_books = by_mapping[rules.mapping][:-1]
    if outcome.sensitivity.controlled is not None:
        books[CONTROLLED] = books_lib.make_book(
            outcome.sensitivity.controlled, benchmark, hedged
        )
        check_solvent(CONTROLLED, books[CONTROLLED], dataset.dates[unseen(experiment)])
        table[CONTROLLED] = books_lib.metrics(books[CONTROLLED])
    for i, name in enumerate(names):
        books[name] = books_lib.make_book(
            line(outcome.baselines, i), benchmark, name not in baselines.UNHEDGED
        )
        check_solvent(name, books[name], dataset.dates[unseen(experiment)])
        table[name] = books_lib.metrics(books[name])
    return Scores(table, books, seed_books, benchmark)


def check_solvent(name: str, book: Book, dates: pd.DatetimeIndex) -> None:
    """Raises a ValueError that names the day on which a book lost everything."""
    if (book.net <= -1).any():
        day = dates[int(np.argmax(book.net <= -1))].date()
        raise ValueError(
            f"the book {name} lost more than its capital on {day}; look there for a "
            "price jump such as a split left in the data"
        )


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
