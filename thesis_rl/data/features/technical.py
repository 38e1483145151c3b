"""Features of a row, each known at the close of its day.

What a window needs and does not find is missing, never filled: a gap in the prices
masks every feature whose window touches it, and a feature that its source does not
carry is masked throughout. A name that ends in _rel is the feature minus its mean
across the names of the universe that have it that day.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from thesis_rl.data.prices import Prices


def compute(prices: Prices, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Computes the named features.

    Args:
        prices: frames [T, N].
        names: D of the known names, see `check_names`.

    Returns:
        Raw values [T, N, D] float32, 0 where missing, and whether each value is
        available, [T, N, D] bool.

    Raises:
        ValueError: what `check_names` refuses.
    """
    check_names(names)
    values = np.empty((*prices.close.shape, len(names)), np.float32)
    for i, name in enumerate(names):  # One float64 frame at a time is in memory.
        relative = name.endswith("_rel")
        values[..., i] = (_relative if relative else _base)(prices, name)
    available = np.isfinite(values)
    values[~available] = 0.0
    return values, available


def check_names(names: tuple[str, ...]) -> None:
    """Raises a ValueError unless all names are known and none stands twice."""
    if isinstance(names, str) or not names:
        raise ValueError(f"config.features must be a tuple of names, got {names!r}")
    for name in names:
        if name.removesuffix("_rel") not in KNOWN:
            raise ValueError(
                f"config.features names {name!r}, which is unknown; known are "
                f"{', '.join(KNOWN)}, each also with _rel behind it"
            )
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise ValueError(f"config.features names {twice[0]!r} twice; once is right")


def _base(prices: Prices, name: str) -> pd.DataFrame:
    if name in prices.signals:
        return prices.signals[name]
    if name in SIGNALS:
        return pd.DataFrame(np.nan, prices.close.index, prices.close.columns)
    return FEATURES[name].compute(prices)


def _relative(prices: Prices, name: str) -> pd.DataFrame:
    frame = _base(prices, name.removesuffix("_rel"))
    others = frame.where(prices.close.notna())
    others = others if prices.member is None else others.where(prices.member)
    comparable = others.notna().sum(axis=1) >= 2
    return frame.sub(others.mean(axis=1).where(comparable), axis=0)


def ema(values: pd.DataFrame, span: int, alpha: float) -> pd.DataFrame:
    """Smooths exponentially, afresh in every column and after every gap.

        m[t] = m[t-1] + alpha (x[t] - m[t-1])

    started from the mean of the first `span` values, as in Wilder (1978), "New
    Concepts in Technical Trading Systems".

    Args:
        values: [T, N], NaN where missing.
        span: values that must stand since the start or the last gap.
        alpha: weight of the newest value: 2/(span + 1), or Wilder's 1/span.

    Returns:
        [T, N], NaN until `span` values stand.
    """
    mean = values.rolling(span).mean()
    first = mean.notna() & mean.shift(1).isna()
    seeded = values.where(~first, mean).where(mean.notna()).to_numpy()
    starts = np.isnan(seeded)
    starts[:1] = True
    run = starts.ravel("F").cumsum()
    column = pd.Series(seeded.ravel("F"))
    smooth = column.groupby(run).ewm(alpha=alpha, adjust=False).mean().to_numpy()
    smooth = smooth.reshape(values.shape, order="F")
    return pd.DataFrame(smooth, values.index, values.columns)


def volatility(close: pd.DataFrame, window: int) -> pd.DataFrame:
    """Standard deviation of the last `window` simple returns, per day, ddof = 1."""
    return (close / close.shift(1) - 1).rolling(window).std()


def _change(close: pd.DataFrame, start: int, stop: int = 0) -> pd.DataFrame:
    """close[t - stop] / close[t - start] - 1, every session between them quoted."""
    whole = close.notna().rolling(start + 1).sum() == start + 1
    return (close.shift(stop) / close.shift(start) - 1).where(whole)


def _rsi(prices: Prices) -> pd.DataFrame:
    """Wilder's RSI over 14 changes, as RSI/50 - 1; missing while prices stand still.

    RSI/100 = gains/(gains + losses), so RSI/50 - 1 = changes/|changes|, averaged.
    """
    change = prices.close.diff()
    return ema(change, 14, 1 / 14) / ema(change.abs(), 14, 1 / 14)


def _macd(prices: Prices) -> pd.DataFrame:
    """Appel's MACD (12, 26) minus its signal line (9), as a fraction of the price."""
    line = ema(prices.close, 12, 2 / 13) - ema(prices.close, 26, 2 / 27)
    return (line - ema(line, 9, 2 / 10)) / prices.close


def _average_gap(prices: Prices, window: int) -> pd.DataFrame:
    return prices.close / prices.close.rolling(window).mean() - 1


def _drawdown(prices: Prices, window: int) -> pd.DataFrame:
    """Distance from the highest close of the window, all of its sessions quoted."""
    return prices.close / prices.close.rolling(window).max() - 1


def _volume_ratio(prices: Prices, window: int) -> pd.DataFrame:
    """log of volume over its mean in the window; missing on days without trade."""
    if prices.volume is None:
        return prices.close * np.nan
    volume = prices.volume.where(prices.close.notna())
    return np.log(volume.where(volume > 0) / volume.rolling(window).mean())


class Feature(NamedTuple):
    """A feature of prices, and what of them it rests on, to be cited."""

    compute: Callable[[Prices], pd.DataFrame]
    back: Sequence[int] | None  # Sessions back from its day; None: all since the first.
    field: str = "close"  # Or volume.


def _between(start: int, stop: int = 0) -> Feature:
    return Feature(lambda prices: _change(prices.close, start, stop), (start, stop))


def _over(
    window: int,
    compute: Callable[[Prices, int], pd.DataFrame],
    before: int = 0,
    field: str = "close",
) -> Feature:
    back = range(window + before - 1, -1, -1)
    return Feature(lambda prices: compute(prices, window), back, field)


AGED = ("f_quality", "f_sentiment", "f_insider")
FUNDAMENTALS = ("profitability", "accruals", "growth", "leverage")
MACRO = ("term_spread", "rate_level", "rate_change", "vol_regime")
# From the source or from events, or masked; days since the evidence was first public.
SIGNALS = (*AGED, *FUNDAMENTALS, *MACRO, *(f"{name}_age" for name in AGED))
FEATURES = {
    "f_momentum": _between(252, 21),
    "mom10": _between(10),
    "mom30": _between(30),
    # So many returns take one close more.
    "vol": _over(60, lambda prices, n: volatility(prices.close, n), before=1),
    "rsi": Feature(_rsi, None),
    "macd": Feature(_macd, None),
    "sma50_gap": _over(50, _average_gap),
    "sma200_gap": _over(200, _average_gap),
    "drawdown": _over(252, _drawdown),
    "volume_ratio": _over(20, _volume_ratio, field="volume"),
}
KNOWN = (*SIGNALS, *FEATURES)
