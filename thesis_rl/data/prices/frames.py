"""Frames of prices: what was quoted by date and ticker, and what of it is missing."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd


class Bars(NamedTuple):
    """Unadjusted bars, one row a session, one column a name; all frames [T, N]."""

    open: pd.DataFrame  # NaN where not quoted.
    close: pd.DataFrame  # NaN where not quoted.
    volume: pd.DataFrame  # Shares of that day, NaN where not given.
    split: pd.DataFrame  # New shares per old on their first day, NaN for no split.
    dividend: pd.DataFrame  # Cash a share of the ex-day, NaN for none.


class Prices(NamedTuple):
    """What was quoted, one row a session, one column a ticker.

    The index is datetime64[ns] without a time zone and is named date. All frames
    share index and columns.
    """

    close: pd.DataFrame  # [T, N] adjusted for splits and dividends; NaN if not quoted.
    volume: pd.DataFrame | None  # [T, N] shares, where the source has them.
    signals: dict[str, pd.DataFrame]  # [T, N] features that come with the source.
    report: dict  # JSON-able: source, range, hash, counts of what is masked, caveats.
    open: pd.DataFrame | None = None  # [T, N] adjusted as the close is.
    dollar_volume: pd.DataFrame | None = None  # [T, N] currency value traded that day.
    as_traded: Bars | None = None  # What the adjusted prices were made of.
    member: pd.DataFrame | None = None  # [T, N] bool, in the universe, as known then.
    # What a position earned when its name was delisted, simple, where that is known.
    delisting_returns: Mapping[str, float] = MappingProxyType({})


def given(frame: pd.DataFrame) -> pd.DataFrame | None:
    """Returns the frame, or None where it holds no number at all."""
    return frame if frame.notna().any(axis=None) else None


def with_coverage(prices: Prices) -> Prices:
    """Reports what is quoted; a gap lies between a ticker's first and last quote."""
    close = prices.close
    quoted = close.notna()
    listed = quoted.cummax() & quoted[::-1].cummax()[::-1]
    masked = {
        "gap": int((listed & ~quoted).to_numpy().sum()),
        "not listed": int((~listed).to_numpy().sum()),
    }
    for reason, frame in (("no volume", prices.volume), ("no open", prices.open)):
        if frame is not None:
            masked[reason] = int((quoted & frame.isna()).to_numpy().sum())
    if prices.volume is not None:
        masked["volume of 0"] = int((quoted & (prices.volume == 0)).to_numpy().sum())
    coverage = {
        "first": f"{close.index[0]:%Y-%m-%d}",
        "last": f"{close.index[-1]:%Y-%m-%d}",
        "num_days": len(close),
        "tickers": list(close.columns),
        "masked": masked,
    }
    return prices._replace(report=prices.report | coverage)
