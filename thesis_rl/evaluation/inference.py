"""What a sceptic asks of a record: how sure, against what, and whether by luck."""

import math

import jax
import numpy as np
import pandas as pd

from thesis_rl import stats
from thesis_rl.evaluation.books import Book
from thesis_rl.types import PERIODS_A_YEAR

NUM_DRAWS = 2000
ROUNDING = 1e-7  # Daily returns no further apart are one book, in float32.
STATISTICS = 2**31 - 1  # No training seed has this number.
HEADLINE, COMPARISONS, SUPERIORITY, DEFLATION = range(4)  # Questions of `key_for`.


def key_for(seed: int, question: int) -> jax.Array:
    """Returns the key of one statistic of a run, unlike any that training uses."""
    root = jax.random.fold_in(jax.random.key(seed), STATISTICS)
    return jax.random.fold_in(root, question)


def headline(key: jax.Array, book: Book, hold_days: int) -> dict:
    """Judges the net headline returns of the strategy that a run stands by.

    Args:
      key: of the bootstrap.
      book: of that strategy.
      hold_days: sessions a position is held, the least length of a block.

    Returns:
      sharpe, annual; interval, 95% by stationary bootstrap; interval_iid, which takes
      days to be independent; sharpe_lo, annualised with autocorrelations; skew and
      raw kurtosis; psr; min_track_record_years, infinite where the Sharpe is not
      positive; value_at_risk and conditional_value_at_risk a day; sortino, calmar;
      detectable_sharpe, num_days, years, mean_block.
    """
    returns = book.headline_net
    num_days = len(returns)
    sharpe = stats.sharpe(returns)
    mean_block = max(stats.optimal_block_length(returns), hold_days)
    interval = stats.sharpe_bootstrap(key, returns, mean_block=mean_block)
    moments = stats.skewness(returns), stats.kurtosis(returns)
    daily = sharpe / math.sqrt(PERIODS_A_YEAR)
    track_record = stats.min_track_record(daily, 0.0, *moments)
    return {
        "sharpe": sharpe,
        "interval": list(interval),
        "interval_iid": list(stats.sharpe_interval(returns)),
        "mean_block": mean_block,
        "sharpe_lo": stats.lo_sharpe(returns),
        "skew": moments[0],
        "kurtosis": moments[1],
        "psr": stats.probabilistic_sharpe(daily, 0.0, num_days, *moments),
        "min_track_record_years": track_record / PERIODS_A_YEAR,
        "sortino": stats.sortino(returns),
        "calmar": stats.calmar(returns),
        "max_drawdown": stats.max_drawdown(returns),
        "value_at_risk": stats.value_at_risk(returns),
        "conditional_value_at_risk": stats.conditional_value_at_risk(returns),
        "detectable_sharpe": stats.detectable_sharpe(num_days),
        "num_days": num_days,
        "years": num_days / PERIODS_A_YEAR,
    }


def position_loss(positions: np.ndarray, payoff: np.ndarray) -> np.ndarray:
    """Returns each day's loss of the positions taken, [T'].

      loss_t = -Σ_n w·payoff / Σ_n |w|,   0 on a day without a position

    Args:
      positions: w, [T', N].
      payoff: volatility units that a long position earned, 0 without a label.

    Returns:
      One loss a day: names of a day share its news, so days are what is counted.
    """
    held = np.abs(positions).sum(axis=1)
    earned = (positions * payoff).sum(axis=1)
    return -np.divide(earned, held, out=np.zeros(len(held)), where=held > 0)


def compare(
    key: jax.Array,
    books: dict[str, Book],
    losses: dict[str, np.ndarray],
    judged: str,
    mean_block: float,
    label_reach: int,
) -> dict[str, dict]:
    """Compares the strategy a run stands by with every other.

    Args:
      key: of the bootstrap.
      books: every strategy's, the judged one's among them.
      losses: [T'] of `position_loss`, by the same names.
      judged: name of the strategy the run stands by.
      mean_block: of the bootstrap.
      label_reach: sessions that a payoff looks ahead, the test's horizon unless the
        record is shorter than four of them.

    Returns:
      By name, sharpe_difference with interval and p, by a bootstrap of the same days;
      dm and dm_p, Diebold and Mariano's test of the losses, negative where the judged
      one is better. Interval and p are NaN for the same book under another name.
    """
    names = [name for name in books if name != judged]
    found = stats.sharpe_differences_bootstrap(
        key,
        books[judged].headline_net,
        np.column_stack([books[name].headline_net for name in names]),
        mean_block,
        NUM_DRAWS,
    )
    horizon = min(label_reach, len(losses[judged]) // 4)
    table = {}
    for name, difference, low, high, p in zip(names, *found, strict=True):
        apart = np.abs(books[judged].headline_net - books[name].headline_net).max()
        if apart < ROUNDING:
            difference, low, high, p = 0.0, math.nan, math.nan, math.nan
        dm, dm_p = stats.diebold_mariano(losses[judged], losses[name], horizon=horizon)
        table[name] = {
            "sharpe_difference": float(difference),
            "interval": [float(low), float(high)],
            "p": float(p),
            "dm": dm,
            "dm_p": dm_p,
        }
    return table


def superiority(key: jax.Array, books: dict[str, Book], mean_block: float) -> dict:
    """Asks whether the best of all strategies beats nothing at all by more than luck.

    The benchmark is zero: headline returns are in excess of it by their definition.

    Args:
      key: of the bootstrap.
      books: every strategy under the headline's mapping.
      mean_block: of the bootstrap.

    Returns:
      p of the studentised test of superior predictive ability; best, the name with
      the highest headline Sharpe; survivors of StepM at 5%; num_models that varied.
    """
    sharpes = {name: stats.sharpe(book.headline_net) for name, book in books.items()}
    names = [name for name, sharpe in sharpes.items() if not math.isnan(sharpe)]
    if not names:
        return {"p": math.nan, "best": "", "survivors": [], "num_models": 0}
    performance = np.stack([books[name].headline_net for name in names], axis=1)
    spa_key, step_key = jax.random.split(key)
    survive = stats.step_m(step_key, performance, mean_block, NUM_DRAWS)
    return {
        "p": stats.superior_predictive_ability(
            spa_key, performance, mean_block, NUM_DRAWS
        ),
        "best": max(names, key=sharpes.get),
        "survivors": [n for n, kept in zip(names, survive, strict=True) if kept],
        "num_models": len(names),
    }


def forward_returns(close: pd.DataFrame, entry_lag: int, reach: int) -> np.ndarray:
    """Returns P[t + reach] / P[t + entry_lag] - 1, [T, N]; NaN where not known."""
    return (close.shift(-reach) / close.shift(-entry_lag) - 1).to_numpy()


def rank_ic(
    probabilities: np.ndarray, forward: np.ndarray, quoted: np.ndarray, reach: int
) -> dict:
    """Correlates the expected decision with what prices then did, day by day.

    Args:
      probabilities: [T', N, A].
      forward: raw forward returns [T', N], NaN where not known.
      quoted: [T', N] bool.
      reach: sessions over which the forward returns of neighbouring days overlap.

    Returns:
      mean, t and p; sparse_t and sparse_p of every `reach`-th day alone, a check that
      no overlap can disturb; days that had a correlation, and days without.
    """
    scores = probabilities @ np.arange(probabilities.shape[-1])
    mask = quoted & np.isfinite(forward)
    ic = stats.rank_ic(scores, np.where(mask, forward, 0.0), mask)
    mean, t, p = stats.rank_ic_test(ic, reach)
    _, sparse_t, sparse_p = stats.rank_ic_test(ic[::reach], 1)
    days = int(np.isfinite(ic).sum())
    return {
        "mean": mean,
        "t": t,
        "p": p,
        "sparse_t": sparse_t,
        "sparse_p": sparse_p,
        "days": days,
        "without": len(ic) - days,
    }
