"""Bars as traded to prices whose past no later split or dividend rescales.

Levels are those of the first bar: they grow forward with every split and dividend, on
the day it takes effect. Back-adjusted prices divide by what came later instead, so
their past levels change with each split. Ratios of prices, and so returns and all
features, are the same in both.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from thesis_rl.data.clock import NEW_YORK
from thesis_rl.data.prices.frames import Bars, Prices, given, with_coverage


def prices(
    events: pd.DataFrame, names: Sequence[str], sessions: pd.DatetimeIndex
) -> Prices:
    """Makes adjusted prices of the events of bars; see `adjusted`.

    A row of the frames holds what was known at the close of its session. A version
    that came later is not used there, and counted in the report.

    Args:
        events: of source bars, with the columns of `events.COLUMNS`; others are left
            aside.
        names: N names; one without bars is NaN throughout.
        sessions: T trading days at midnight, without a zone, ascending.

    Returns:
        Prices [T, N].

    Raises:
        ValueError: an event on a day between the first and the last session that is
            none of them, or a split or dividend that is not above 0.
    """
    index = pd.DatetimeIndex(sessions).as_unit("ns").rename("date")
    own = events[events["field"].isin(Bars._fields) & events["name"].isin(names)]
    own = own.assign(session=_session(own, index))
    own = own[own["session"].between(index[0], index[-1])]
    used = in_time(own, ["name", "field", "session"])
    bars = Bars(*(_frame(used, field, index, names) for field in Bars._fields))
    late = int((own["knowledge_time"] > own["event_time"]).sum())
    return adjusted(bars, _report(own, late))


def in_time(events: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Keeps the events that prices rest on: known by their close, the newest version.

    Args:
        events: of bars.
        keys: columns that versions of one event agree in.

    Returns:
        Rows of `events`, in the order in which they were known.
    """
    known = events[events["knowledge_time"] <= events["event_time"]]
    newest = known.sort_values(["knowledge_time", "seq"], kind="stable")
    return newest.drop_duplicates(keys, keep="last")


def adjusted(bars: Bars, report: dict) -> Prices:
    """Adjusts bars for splits and dividends, as shares of the first bar.

        close[t] = P[t] S[t] Π_{u<=t} (1 + D[u]/P[u])
        close[t]/close[t-1] = S[t]/S[t-1] (P[t] + D[t])/P[t-1]

    with P the price as traded, S the product of all splits since the first bar and D
    the dividend: cash is put into shares at the close of the ex-day. What falls on a
    day without a bar takes effect at the next one. Volume is divided by S; the value
    traded, dollar_volume, is P times the volume as traded.

    Args:
        bars: as traded.
        report: of the source; coverage is added to it.

    Returns:
        Prices [T, N]; row t rests on rows up to t, bit for bit.
    """
    quoted = bars.close.notna()
    held = quoted.cummax().shift(1, fill_value=False)
    shares = bars.split.where(held).fillna(1.0).cumprod()
    growth = shares * _reinvested(bars, held, shares)
    return with_coverage(
        Prices(
            close=bars.close * growth,
            volume=given(bars.volume.where(quoted) / shares),
            signals={},
            report=report,
            open=given(bars.open.where(quoted) * growth),
            dollar_volume=given(bars.close * bars.volume),
            as_traded=bars,
        )
    )


def _reinvested(bars: Bars, held: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    """Grows one share by its dividends, Π (1 + D/P) over the bars up to each day.

    Cash is counted in shares of the first bar, so that it may wait for the next bar
    over a split.
    """
    cash = (bars.dividend.where(held).fillna(0.0) * shares).cumsum()
    spent = cash.where(bars.close.notna()).ffill()
    waiting = cash - spent.shift(1).fillna(0.0)
    bought = waiting / (bars.close * shares)
    return (1.0 + bought.fillna(0.0)).cumprod()


def _session(rows: pd.DataFrame, index: pd.DatetimeIndex) -> pd.Series:
    """Finds the trading day of each event: that of its close in New York."""
    close = rows["event_time"].dt.tz_localize("UTC").dt.tz_convert(NEW_YORK)
    session = close.dt.tz_localize(None).dt.normalize()
    stray = session.between(index[0], index[-1]) & ~session.isin(index)
    if stray.any():
        row = rows[stray].iloc[0]
        raise ValueError(
            f"{row['field']} of {row['name']} at {row['event_time']} UTC falls on none "
            "of the sessions; give every session from the first to the last"
        )
    return session


def _frame(rows: pd.DataFrame, field: str, index, names: Sequence[str]) -> pd.DataFrame:
    own = rows[rows["field"] == field]
    if field in ("split", "dividend") and (own["value"] <= 0).any():
        row = own[own["value"] <= 0].iloc[0]
        raise ValueError(
            f"{field} of {row['name']} on {row['session']:%Y-%m-%d} is "
            f"{row['value']}; it must be above 0"
        )
    wide = own.pivot(index="session", columns="name", values="value")
    wide = wide.reindex(index=index, columns=list(names)).astype(np.float64)
    return wide.rename_axis(index="date", columns="ticker")


def _report(rows: pd.DataFrame, late: int) -> dict:
    documents = rows[["document", "raw", "name"]].drop_duplicates()
    files = [
        {"file": document, "sha256": raw, "tickers": sorted(part["name"])}
        for (document, raw), part in documents.groupby(["document", "raw"])
    ]
    caveats = []
    if late:
        caveats.append(
            f"{late} versions of bars, splits or dividends came after the close of "
            "their session; prices rest on what was known at that close."
        )
    if not (rows["field"] == "dividend").any():
        caveats.append("No dividends: returns are those of the price alone.")
    if not (rows["field"] == "split").any():
        caveats.append("No splits: one that happened counts as a fall of the price.")
    digest = hashlib.sha256("".join(file["sha256"] for file in files).encode())
    return {
        "source": "bars",
        "description": "Unadjusted daily bars, adjusted for splits and dividends",
        "sha256": digest.hexdigest(),
        "files": files,
        "caveats": caveats,
        "synthetic": False,
    }
