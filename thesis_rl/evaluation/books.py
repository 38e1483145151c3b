"""Every book that the program traded, scored under one rule, once, in float64."""

import itertools
from typing import NamedTuple

import numpy as np
import pandas as pd

from thesis_rl import stats
from thesis_rl.trading import portfolio
from thesis_rl.trading.backtest import DAYS_A_YEAR, Ledger
from thesis_rl.trading.costs import line
from thesis_rl.types import PERIODS_A_YEAR, Market
from thesis_rl.walk_forward import baselines
from thesis_rl.walk_forward.experiment import Experiment
from thesis_rl.walk_forward.program import Outcome


class Benchmark(NamedTuple):
    """What a book is compared with on each out-of-sample day."""

    market: np.ndarray  # [T'], mean return of the names quoted, without costs.
    betas: np.ndarray  # [T', N], trailing and lagged; 0 where not quoted.
    cash: np.ndarray  # [T'], return of cash.
    equal_weight_gross: np.ndarray  # [T'], of the equal-weight book in the harness.
    equal_weight_net: np.ndarray  # [T']


class Book(NamedTuple):
    """One strategy's daily record."""

    gross: np.ndarray  # [T'], in excess of cash like the rest.
    net: np.ndarray  # [T']
    headline_gross: np.ndarray  # [T'], hedged, or in excess of equal weight.
    headline_net: np.ndarray  # [T']
    turnover: np.ndarray  # [T']
    gross_exposure: np.ndarray  # [T']
    net_exposure: np.ndarray  # [T']


def is_hedged(rules) -> bool:
    """Says whether `config.backtest` hedges the headline: all books but long-only."""
    return rules.book != "long_only"


def market_return(market: Market) -> np.ndarray:
    """Returns the mean return of the names quoted that day, [T]; 0 where none is."""
    tradable = np.asarray(market.tradable)
    seen = np.where(tradable, np.asarray(market.returns, np.float64), 0.0)
    return seen.sum(axis=1) / np.maximum(tradable.sum(axis=1), 1)


def make_benchmark(
    market: Market,
    first: int,
    equal_weight: Ledger,
    fill_lag: int = 1,
    cash_rate: float = 0.0,
) -> Benchmark:
    """Prepares the market return, the betas and the equal-weight book.

    Args:
      market: of the whole panel, with betas: the first may be older than the test.
      first: first out-of-sample day.
      equal_weight: ledger of that book, [T'].
      fill_lag: closes from a decision to its fill.
      cash_rate: a year.

    Returns:
      The benchmark. A beta used on day t was known when day t's book was decided,
      `fill_lag` + 1 closes before.
    """
    days = slice(first, first + len(equal_weight.gross))
    lag = fill_lag + 1
    betas = np.asarray(market.beta, np.float64)
    lagged = np.concatenate([np.ones_like(betas[:lag]), betas[:-lag]])
    # What is not quoted earns nothing that day, so there is nothing to hedge.
    lagged = np.where(np.asarray(market.tradable), lagged, 0.0)
    cash = np.asarray(market.days, np.float64)[days] * cash_rate / DAYS_A_YEAR
    gross, net = gross_and_net(equal_weight, cash)
    return Benchmark(market_return(market)[days], lagged[days], cash, gross, net)


def gross_and_net(ledger: Ledger, cash: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Forms returns in excess of cash, before and after costs, in float64.

    Args:
      ledger: of one strategy, [T', ...].
      cash: what cash earned, [T'].

    Returns:
      gross + interest - cash, and the same less every cost, [T'] each.
    """
    daily = ledger._replace(weights=())  # Of no use here, and the largest by far.
    exact = Ledger(*(np.asarray(x, np.float64) for x in daily))
    carry = exact.interest - cash
    # An idle book earns cash but for float32's rounding, which must have no Sharpe.
    carry = np.where(np.abs(carry) <= 1e-6 * cash, 0.0, carry)
    gross = exact.gross + carry
    return gross, gross - exact.cost


def make_book(ledger: Ledger, benchmark: Benchmark, hedged: bool) -> Book:
    """Adds the headline returns to a ledger.

      hedged: r - (Σ w β) · market;   else: r - r(equal-weight book)

    r is in excess of cash. With fills at the open the hedge takes the whole day on the
    weights held from the open on.

    Args:
      ledger: of one strategy, [T', ...].
      benchmark: of the same days.
      hedged: which of the two headlines applies.

    Returns:
      The book.
    """
    gross, net = gross_and_net(ledger, benchmark.cash)
    if hedged:
        weights = np.asarray(ledger.weights, np.float64)
        hedge = (weights * benchmark.betas).sum(axis=1) * benchmark.market
        headline_gross, headline_net = gross - hedge, net - hedge
    else:
        headline_gross = gross - benchmark.equal_weight_gross
        headline_net = net - benchmark.equal_weight_net
    return Book(
        gross=gross,
        net=net,
        headline_gross=headline_gross,
        headline_net=headline_net,
        turnover=np.asarray(ledger.turnover, np.float64),
        gross_exposure=np.asarray(ledger.gross_exposure, np.float64),
        net_exposure=np.asarray(ledger.net_exposure, np.float64),
    )


def metrics(book: Book) -> dict[str, dict[str, float]]:
    """Computes the table's numbers of one book, before and after costs."""
    return {
        "gross": _metrics(book.gross, book.headline_gross, book.turnover),
        "net": _metrics(book.net, book.headline_net, book.turnover),
    }


def _metrics(returns, headline, turnover) -> dict[str, float]:
    return {
        "sharpe": stats.sharpe(returns),
        "headline_sharpe": stats.sharpe(headline),
        "annual_return": stats.annual_return(returns),
        "volatility": stats.volatility(returns),
        "max_drawdown": stats.max_drawdown(returns),
        "turnover": float(turnover.mean() * PERIODS_A_YEAR),
    }


def mean_and_spread(books: list[Book]) -> dict:
    """Averages single networks and gives their spread.

    Args:
      books: one a seed.

    Returns:
      gross and net: means over seeds; seed_sd: the same numbers' standard deviation
      (ddof 1; NaN for one seed); num_seeds.
    """
    each = [metrics(book) for book in books]
    ddof = 1 if len(each) > 1 else 0
    table = {
        side: {name: np.array([m[side][name] for m in each]) for name in each[0]["net"]}
        for side in ("gross", "net")
    }
    mean = {s: {k: float(v.mean()) for k, v in t.items()} for s, t in table.items()}
    spread = {
        s: {k: float(v.std(ddof=ddof)) if ddof else np.nan for k, v in t.items()}
        for s, t in table.items()
    }
    return mean | {"seed_sd": spread, "num_seeds": len(each)}


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
    hedged = is_hedged(rules)
    benchmark = make_benchmark(
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
                make_book(line(ledgers[m], i), benchmark, hedged)
                for i in range(config.num_seeds + 1)
            ]
            for m in portfolio.MAPPINGS
        }
        for book in itertools.chain(*by_mapping.values()):
            check_solvent(stage, book, dataset.dates[unseen(experiment)])
        single = {m: mean_and_spread(b[:-1]) for m, b in by_mapping.items()}
        joint = {m: metrics(b[-1]) for m, b in by_mapping.items()}
        table[stage] = single[rules.mapping] | {"by_mapping": single}
        table[ensemble] = joint[rules.mapping] | {"by_mapping": joint}
        books[ensemble] = by_mapping[rules.mapping][-1]
        if stage == final:
            seed_books = by_mapping[rules.mapping][:-1]
    if outcome.sensitivity.controlled is not None:
        books[CONTROLLED] = make_book(outcome.sensitivity.controlled, benchmark, hedged)
        check_solvent(CONTROLLED, books[CONTROLLED], dataset.dates[unseen(experiment)])
        table[CONTROLLED] = metrics(books[CONTROLLED])
    for i, name in enumerate(names):
        books[name] = make_book(
            line(outcome.baselines, i), benchmark, name not in baselines.UNHEDGED
        )
        check_solvent(name, books[name], dataset.dates[unseen(experiment)])
        table[name] = metrics(books[name])
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
                "headline_return": float(
                    book.headline_net[days].mean() * PERIODS_A_YEAR
                ),
                "headline_sharpe": stats.sharpe(book.headline_net[days]),
                "seed_sharpes": [
                    stats.sharpe(b.headline_net[days]) for b in seed_books
                ],
            }
        )
    return table


def _span(dates: pd.DatetimeIndex, start: int, stop: int) -> list[str]:
    return [str(dates[start].date()), str(dates[stop - 1].date())]
