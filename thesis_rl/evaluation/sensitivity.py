"""What the headline would have been at other costs, other sizes, on other paths."""

import numpy as np

from thesis_rl import stats
from thesis_rl.evaluation.books import (
    Benchmark,
    Book,
    is_hedged,
    make_benchmark,
    make_book,
    market_return,
)
from thesis_rl.trading.books import CAPITALS, COST_SWEEP_BPS, Sensitivity
from thesis_rl.trading.costs import Ledger, line
from thesis_rl.types import PERIODS_A_YEAR, Market

ITEMS = ("commission", "half_spread", "impact", "borrow", "interest")


def cost_items(ledger: Ledger) -> dict[str, float]:
    """Returns what a book paid a year for each kind of cost, and its cash earned."""
    return {
        name: float(
            np.asarray(getattr(ledger, name), np.float64).mean() * PERIODS_A_YEAR
        )
        for name in ITEMS
    }


def cost_sweep(traded: Sensitivity, benchmark: Benchmark, hedged: bool) -> dict:
    """Tabulates the headline over costs, and finds the cost that eats it all.

    Args:
      traded: as the program traded it.
      benchmark: of the same days.
      hedged: which headline applies.

    Returns:
      sweep: bps and net headline Sharpe; break_even_bps: the cost of the value traded
      at which the mean net headline return is zero, impact and borrowing paid; NaN
      where it is below zero at no cost, or nothing is traded.
    """
    books = [
        make_book(line(traded.costs, i), benchmark, hedged)
        for i in range(len(COST_SWEEP_BPS))
    ]
    sweep = [
        {"bps": bps, "sharpe": solvent_sharpe(book)}
        for bps, book in zip(COST_SWEEP_BPS, books, strict=True)
    ]
    return {"sweep": sweep, "break_even_bps": break_even(books)}


def solvent_sharpe(book: Book) -> float:
    """Returns the net headline Sharpe; NaN for a book that lost all its capital."""
    ruined = (book.net <= -1).any()
    return float("nan") if ruined else stats.sharpe(book.headline_net)


def break_even(books: list[Book]) -> float:
    """Extends the line of mean returns over costs, which is straight, to zero."""
    first, last = books[0].headline_net.mean(), books[-1].headline_net.mean()
    a_bps = (first - last) / (COST_SWEEP_BPS[-1] - COST_SWEEP_BPS[0])
    return float(first / a_bps) if first > 0 and a_bps > 0 else float("nan")


def capacity(traded: Sensitivity, benchmark: Benchmark, hedged: bool) -> list[dict]:
    """Tabulates the headline over capital; empty where the panel has no volume.

    Args:
      traded: as the program traded it.
      benchmark: of the same days, its equal-weight book at the config's capital.
      hedged: which headline applies.

    Returns:
      capital, net headline Sharpe, impact a year and mean gross exposure of each.
    """
    if traded.capacity is None:
        return []
    table = []
    for i, capital in enumerate(CAPITALS):
        ledger = line(traded.capacity, i)
        book = make_book(ledger, benchmark, hedged)
        table.append(
            {
                "capital": capital,
                "sharpe": solvent_sharpe(book),
                "impact": cost_items(ledger)["impact"],
                "gross_exposure": float(book.gross_exposure.mean()),
            }
        )
    return table


def paths(ledgers: Ledger, market: Market, config) -> dict:
    """Tabulates the headline Sharpe of every cross-validated path.

    Args:
      ledgers: [num_paths, T, ...].
      market: [T, N].
      config: the experiment's.

    Returns:
      sharpes, NaN for a path that did not trade or lost everything; of the others the
      mean, sd (ddof 1) and the share below zero. Paths share their training days, so
      the sd is no standard error.
    """
    rules = config.backtest
    still = line(ledgers, 0)._replace(**{name: np.zeros(1) for name in Ledger._fields})
    benchmark = make_benchmark(
        market,
        0,
        still._replace(gross=market_return(market)),
        rules.fill_lag,
        rules.cash_rate,
    )
    hedged = is_hedged(rules)
    sharpes = [
        solvent_sharpe(make_book(line(ledgers, i), benchmark, hedged))
        for i in range(len(ledgers.gross))
    ]
    known = np.array([sharpe for sharpe in sharpes if sharpe == sharpe])
    nothing = float("nan")
    return {
        "sharpes": sharpes,
        "mean": float(known.mean()) if known.size else nothing,
        "sd": float(known.std(ddof=1)) if known.size > 1 else nothing,
        "share_negative": float((known < 0).mean()) if known.size else nothing,
    }
