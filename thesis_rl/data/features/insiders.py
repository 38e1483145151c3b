"""f_insider: what insiders bought on the open market, less what they sold."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from thesis_rl.data.events import NONE, Aged, as_of, resolve

WINDOW = pd.Timedelta(days=90)
SIGNS = {"purchase": 1.0, "sale": -1.0}
VERSIONS = [
    "name",
    "field",
    "document",
    "place",
]  # Rows of the same trade agree in them.
UNIT = 1e5  # USD; trades far below it hardly count, those above by their logarithm.


def compute(
    events: pd.DataFrame,
    names: Sequence[str],
    decision_times,
    dollar_volume: np.ndarray | None = None,
    *,
    window: pd.Timedelta = WINDOW,
) -> dict[str, Aged]:
    """Computes the net purchases of every name's insiders.

        net[t] = Σ purchases - Σ sales, USD
        f_insider[t] = net[t] / dollar_volume[t], days of trading, where that is given,
                       else sign(net[t]) · log(1 + |net[t]| / 100,000)

    A trade counts once its filing is public, for as long as it is of the last `window`
    by its own date, and until a later row for the same document and place takes it
    back (NaN) or restates it.

    Args:
        events: fields purchase and sale, in USD. Others are left alone, the list of
            filings too: it names forms that nobody may have read.
        names: N tickers.
        decision_times: T instants, UTC, in any order.
        dollar_volume: [T, N], trailing mean of the USD traded a day.
        window: from a trade's date to the last decision that counts it.

    Returns:
        f_insider [T, N]: 0 where no trade counts; missing where none of the name was
        ever filed, or dollar_volume is given and not above 0. It is as old as the
        latest filing of a trade or of its amendment.

    Raises:
        ValueError: a trade without document or place, or what `events.as_of` refuses.
    """
    filed, age = as_of(_filings(events), names, decision_times)
    decided = pd.DatetimeIndex(decision_times).to_numpy("datetime64[ns]")
    order = np.argsort(decided, kind="stable")
    net = np.zeros(filed.shape)
    columns, trades = pd.Index(names), _trades(events, window)
    for name, of_name in trades.groupby("name", sort=False):
        if name in columns:
            net[order, columns.get_loc(name)] = _sums(of_name, decided[order])
    return {"f_insider": Aged(_scaled(net, dollar_volume) * filed, age)}


def cite(
    events: pd.DataFrame,
    feature: str,
    name: str,
    decision_time,
    *,
    window: pd.Timedelta = WINDOW,
) -> pd.DataFrame:
    """Finds the trades behind f_insider of one name at one decision.

    Args:
        events: as `compute` takes them.
        feature: f_insider.
        name: a ticker.
        decision_time: an instant, UTC.
        window: as in `compute`.

    Returns:
        Rows of `events` in their order: the trades that count; where none does, the
        latest filing; none at all where no filing is known.

    Raises:
        ValueError: another feature.
    """
    if feature != "f_insider":
        raise ValueError(f"trades are behind f_insider alone, not {feature!r}")
    of_name = events[events["name"] == name]
    trades = _trades(of_name, window)
    instant = pd.Timestamp(decision_time)
    counts = (trades["enters"] <= instant) & (instant < trades["replaced"])
    counts &= instant <= trades["expires"]
    rows = sorted(trades["row"][counts])
    if not rows:
        filings = _filings(of_name)
        latest = resolve(filings, [name], [decision_time])[0, 0]
        rows = [] if latest == NONE else [filings["row"].iloc[latest]]
    return of_name.iloc[rows]


def _filings(events: pd.DataFrame) -> pd.DataFrame:
    """Makes an event of value 1, about the instant it is seen, of every filed row."""
    chosen = events["field"].isin(list(SIGNS)).to_numpy()
    filings = events[["name", "event_time", "knowledge_time", "seq"]][chosen]
    seen = _seen(filings)
    return filings.assign(
        event_time=seen, knowledge_time=seen, value=1.0, row=np.flatnonzero(chosen)
    )


def _seen(events: pd.DataFrame) -> np.ndarray:
    """Finds the first instant at which the join lets each event be seen."""
    return np.maximum(
        events["event_time"].to_numpy(), events["knowledge_time"].to_numpy()
    )


def _trades(events: pd.DataFrame, window: pd.Timedelta) -> pd.DataFrame:
    """Lists what trades may count, and from and until when, in order of knowledge."""
    chosen = events["field"].isin(list(SIGNS)).to_numpy()
    trades = events[[*VERSIONS, "event_time", "knowledge_time", "value", "seq"]][chosen]
    nowhere = (trades["document"] == "") | (trades["place"] == "")
    if nowhere.any():
        trade = trades[nowhere].iloc[0]
        raise ValueError(
            f"events: a {trade['field']} of {trade['name']} known at "
            f"{trade['knowledge_time']} has no document or no place; both are needed "
            "to tell which trade an amendment takes back"
        )
    trades = trades.assign(row=np.flatnonzero(chosen))
    trades = trades.sort_values(["knowledge_time", "seq"], kind="stable")
    replaced = trades.groupby(VERSIONS, sort=False)["knowledge_time"].shift(-1)
    return trades.assign(
        enters=_seen(trades),
        expires=trades["event_time"] + window,
        replaced=replaced.fillna(pd.Timestamp.max),
        signed=trades["value"] * trades["field"].map(SIGNS),
    ).dropna(subset="signed")


def _sums(trades: pd.DataFrame, decided: np.ndarray) -> np.ndarray:
    """Sums at each decision [T] the trades that count, in order of knowledge.

    Each trade is added where it counts and nowhere else. Running totals would leave
    rounding errors of past trades behind where 0 is right.
    """
    start = np.searchsorted(decided, trades["enters"].to_numpy())
    stop = np.minimum(
        np.searchsorted(decided, trades["expires"].to_numpy(), "right"),
        np.searchsorted(decided, trades["replaced"].to_numpy()),
    )
    length = np.maximum(stop - start, 0)
    before = np.cumsum(length) - length
    day = np.arange(length.sum()) + np.repeat(start - before, length)
    weights = np.repeat(trades["signed"].to_numpy(), length)
    return np.bincount(day, weights, minlength=len(decided))


def _scaled(net: np.ndarray, dollar_volume: np.ndarray | None) -> np.ndarray:
    if dollar_volume is None:
        return np.sign(net) * np.log1p(np.abs(net) / UNIT)
    volume = np.asarray(dollar_volume, np.float64)
    return net / np.where(volume > 0, volume, np.nan)
