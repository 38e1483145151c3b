"""Prices to a market: what a book earns, what it may trade, and what trading costs.

With panel.py the crossing from pandas to JAX: every dtype is explicit, dates stay
behind.
"""

import jax.numpy as jnp
import numpy as np
import pandas as pd

from thesis_rl import stats
from thesis_rl.data.prices import Prices
from thesis_rl.types import Market

VOLUME_WINDOW, VOLUME_MINIMUM = 21, 10  # Sessions, and how many must be quoted.
VOLATILITY_WINDOW, VOLATILITY_MINIMUM = 60, 20
BETA_WINDOW = 252
BETA_NAMES = 256  # Computed at a time: the moments of all would fill the memory.


def make(prices: Prices, delisting_return: float, delisting_gap: int) -> Market:
    """Computes what each name earns, when it trades and what is known of its risk.

      returns[t]       = close[t]/close[last quote before t] - 1, 0 where not quoted
      open_to_close[t] = close[t]/open[t] - 1
      dollar_volume[t] = mean value traded on the quoted days among the last 21
      volatility[t]    = sd (ddof 1) of the returns among the last 60 sessions
      beta[t]          = over 252 sessions, on the mean return of the names quoted

    A name trades on a day that quotes it, unless the day's volume is known to be 0.
    The return over a gap is earned on the day the name is quoted again, and counts as
    one return. A first quote earns nothing and is no observation. Row t knows the
    close of day t, and no later one, with one exception: `delisted`.

    A name whose last quote lies `delisting_gap` or more sessions before the last day
    is delisted on the session after that quote, and earns `delisting_return` there. One
    whose delisting return the prices give earns that instead, however short the gap.
    That it never trades again is hindsight on that very day. It decides nothing: the
    name could not be traded in any case, and the flag only turns a position, which
    would otherwise be carried for ever at its last price, into cash. A name that is
    quoted on the last day, or is halted for fewer sessions, is not delisted.

    Args:
      prices: frames [T, N].
      delisting_return: simple return of a position in a name that is delisted, at
        least -1, a total loss.
      delisting_gap: sessions without a quote up to the last day, at least 1.

    Returns:
      The market, [T, N] and, for days, [T]. dollar_volume is 0 before 10 and
      volatility 0 before 20 observations stand in their window; beta is then 1, its
      prior. dollar_volume and open_to_close are None where the source has no volume
      and no open.

    Raises:
      ValueError: a delisting return or gap that is out of range.
    """
    close = prices.close
    returns = _returns(close)
    delisted = np.zeros(close.shape, bool)
    for column, day in _last_quotes(prices, delisting_return, delisting_gap).items():
        delisted[day + 1, column] = True
    at_the_end = [prices.delisting_returns.get(n, delisting_return) for n in close]
    earned = np.where(delisted, at_the_end, returns.fillna(0.0))
    return Market(
        returns=_floats(earned),
        tradable=jnp.asarray(_tradable(prices), jnp.bool_),
        dollar_volume=_dollar_volume(prices),
        volatility=_volatility(returns),
        beta=_beta(returns),
        open_to_close=_open_to_close(prices),
        delisted=jnp.asarray(delisted, jnp.bool_),
        days=_floats(close.index.diff().days.fillna(1)),
        member=None if prices.member is None else jnp.asarray(prices.member, jnp.bool_),
    )


def _tradable(prices: Prices) -> np.ndarray:
    quoted = prices.close.notna().to_numpy()
    if prices.volume is None:
        return quoted
    volume = prices.volume.to_numpy()
    # Zeros before the first volume were never filled in.
    recorded = np.logical_or.accumulate(volume > 0, axis=0)
    return quoted & ~((volume == 0) & recorded)


def describe(prices: Prices, delisting_return: float, delisting_gap: int) -> dict:
    """Reports which names were delisted and what the source cannot tell a backtest.

    Args:
      prices: frames [T, N].
      delisting_return: as in `make`.
      delisting_gap: as in `make`.

    Returns:
      JSON-able: delisted, the last date of each name that was; has_volume; has_open;
      and caveats, the source's own first.

    Raises:
      ValueError: what `make` refuses.
    """
    last = _last_quotes(prices, delisting_return, delisting_gap)
    index, tickers = prices.close.index, prices.close.columns
    caveats = list(prices.report["caveats"])
    if guessed := [n for n in last if tickers[n] not in prices.delisting_returns]:
        names = "name was" if len(guessed) == 1 else "names were"
        caveats.append(
            f"{len(guessed)} {names} delisted: the last quote lies {delisting_gap} or "
            "more sessions before the last day. The session after it a position "
            f"earns {delisting_return:.0%}, an assumption, and becomes cash."
        )
    if prices.dollar_volume is None:
        caveats.append("No volume in the source: impact and capacity are off.")
    return {
        "delisted": {tickers[n]: f"{index[t]:%Y-%m-%d}" for n, t in last.items()},
        "has_volume": prices.dollar_volume is not None,
        "has_open": prices.open is not None,
        "caveats": caveats,
    }


def _returns(close: pd.DataFrame) -> pd.DataFrame:
    """Returns [T, N], NaN where there is no quote or none before it."""
    last = close.ffill()
    return (last / last.shift(1) - 1).where(close.notna())


def _last_quotes(
    prices: Prices, delisting_return: float, delisting_gap: int
) -> dict[int, int]:
    """Maps the column of each name that is delisted to the row of its last quote."""
    if not -1 <= delisting_return < np.inf:
        raise ValueError(
            f"config.backtest.delisting_return is {delisting_return}; it is a simple "
            "return and must be at least -1"
        )
    if not delisting_gap >= 1:
        raise ValueError(
            f"config.backtest.delisting_gap is {delisting_gap}; it must be at least 1 "
            "session"
        )
    quoted = prices.close.notna().to_numpy()
    missed = quoted[::-1].argmax(axis=0)  # Sessions since the last quote.
    told = prices.close.columns.isin(list(prices.delisting_returns))
    gone = quoted.any(axis=0) & (missed >= np.where(told, 1, delisting_gap))
    return {int(n): int(len(quoted) - 1 - missed[n]) for n in np.flatnonzero(gone)}


def _dollar_volume(prices: Prices):
    if prices.dollar_volume is None:
        return None
    traded = prices.dollar_volume.where(prices.close.notna())
    return _floats(traded.rolling(VOLUME_WINDOW, VOLUME_MINIMUM).mean().fillna(0.0))


def _volatility(returns: pd.DataFrame):
    trailing = returns.rolling(VOLATILITY_WINDOW, VOLATILITY_MINIMUM)
    return _floats(trailing.std().fillna(0.0))


def _beta(returns: pd.DataFrame):
    market = returns.mean(axis=1).fillna(0.0)  # 0 while no name has a return.
    values, beta = returns.to_numpy(), np.empty(returns.shape, np.float32)
    for first in range(0, values.shape[1], BETA_NAMES):
        names = slice(first, first + BETA_NAMES)
        beta[:, names] = stats.rolling_beta(
            values[:, names], market.to_numpy(), BETA_WINDOW
        )
    return _floats(beta)


def _open_to_close(prices: Prices):
    return None if prices.open is None else _floats(prices.close / prices.open - 1)


def _floats(values):
    return jnp.asarray(np.asarray(values), jnp.float32)
