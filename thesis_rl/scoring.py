"""Books to numbers: every metric is computed once, here, in float64."""

from typing import NamedTuple

import numpy as np

from thesis_rl import stats
from thesis_rl.backtest import FILL_LAG, Ledger

BETA_WINDOW = 252


class Benchmark(NamedTuple):
    """What a book is compared with on each out-of-sample day."""

    market: np.ndarray  # [T'], mean return of the names quoted, without costs.
    betas: np.ndarray  # [T', N], trailing and lagged; 0 where not quoted.
    equal_weight_gross: np.ndarray  # [T'], of the equal-weight book in the harness.
    equal_weight_net: np.ndarray  # [T']


class Book(NamedTuple):
    """One strategy's daily record."""

    gross: np.ndarray  # [T']
    net: np.ndarray  # [T']
    headline_gross: np.ndarray  # [T'], hedged, or in excess of equal weight.
    headline_net: np.ndarray  # [T']
    turnover: np.ndarray  # [T']
    gross_exposure: np.ndarray  # [T']
    net_exposure: np.ndarray  # [T']


def make_benchmark(
    returns: np.ndarray, tradable: np.ndarray, first: int, equal_weight: Ledger
) -> Benchmark:
    """Prepares the market return, the betas and the equal-weight book.

    Args:
      returns: [T, N], of the whole panel: betas may look further back than the test.
      tradable: [T, N].
      first: first out-of-sample day.
      equal_weight: ledger of that book, [T'].

    Returns:
      The benchmark. A beta used on day t was known when day t's book was decided,
      `FILL_LAG` closes before.
    """
    seen = np.where(tradable, returns.astype(np.float64), np.nan)
    market = np.nansum(seen, axis=1) / np.maximum(tradable.sum(axis=1), 1)
    betas = stats.rolling_beta(seen, market, BETA_WINDOW)
    lagged = np.ones_like(betas)
    lagged[FILL_LAG:] = betas[:-FILL_LAG]
    gross, net = gross_and_net(equal_weight)
    days = slice(first, first + len(gross))
    # What is not quoted earns nothing that day, so there is nothing to hedge.
    betas = np.where(tradable, lagged, 0.0)[days]
    return Benchmark(market[days], betas, gross, net)


def gross_and_net(ledger: Ledger) -> tuple[np.ndarray, np.ndarray]:
    """Forms net = gross - costs in float64, [T'] each."""
    gross, commission, half_spread = (
        np.asarray(x, np.float64)
        for x in (ledger.gross, ledger.commission, ledger.half_spread)
    )
    return gross, gross - commission - half_spread


def make_book(ledger: Ledger, benchmark: Benchmark, hedged: bool) -> Book:
    """Adds the headline returns to a ledger.

      hedged: r - (Σ w β) · market;   else: r - r(equal-weight book)

    Args:
      ledger: of one strategy, [T', ...].
      benchmark: of the same days.
      hedged: which of the two headlines applies.

    Returns:
      The book.
    """
    gross, net = gross_and_net(ledger)
    weights = np.asarray(ledger.weights, np.float64)
    hedge = (weights * benchmark.betas).sum(axis=1) * benchmark.market
    return Book(
        gross=gross,
        net=net,
        headline_gross=gross - (hedge if hedged else benchmark.equal_weight_gross),
        headline_net=net - (hedge if hedged else benchmark.equal_weight_net),
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
        "turnover": float(turnover.mean() * 252),
    }


def over_seeds(books: list[Book]) -> dict:
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


def headline(book: Book) -> dict:
    """Gives the net headline Sharpe with its interval, and what it could have told.

    Args:
      book: of the strategy that the run is judged by.

    Returns:
      sharpe, interval [low, high] (95%), detectable_sharpe, num_days, years.
    """
    returns = book.headline_net
    low, high = stats.sharpe_interval(returns)
    return {
        "sharpe": stats.sharpe(returns),
        "interval": [low, high],
        "detectable_sharpe": stats.detectable_sharpe(len(returns)),
        "num_days": len(returns),
        "years": len(returns) / 252,
    }
