"""From a number in a thesis to the events it rests on, and to their bytes.

A citation names a source, a document and what stands there, when that was known, and
the SHA-256 of the bytes it was read from.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from thesis_rl.data import features, join
from thesis_rl.data.join import Evidence
from thesis_rl.data.prices import adjust
from thesis_rl.data.prices.frames import Prices

Citation = dict[str, Any]
ACTIONS = ("split", "dividend")


def of_row(
    evidence: Evidence, names: Iterable[str], day: int, name: int
) -> dict[str, list[Citation]]:
    """Cites what the features of one row rest on.

    Args:
        evidence: of the data set.
        names: features, each available in that row.
        day: index of the row's day.
        name: index of the row's name.

    Returns:
        For each feature its citations; none where a feature rests on no events, as in
        a simulated market.
    """
    cited = {}
    for feature in names:
        base = feature.removesuffix("_rel").removesuffix("_age")
        if base in features.FEATURES:
            cited[feature] = _prices(evidence, base, day, name)
        else:
            rows = join.behind(evidence, base, day, name)
            cited[feature] = [_citation(row) for row in rows.to_dict("records")]
    return cited


def _prices(evidence: Evidence, feature: str, day: int, name: int) -> list[Citation]:
    """Cites closes, or volumes; splits and dividends between them too."""
    prices = evidence.prices
    _, back, field = features.FEATURES[feature]
    days = np.arange(day + 1) if back is None else day - np.array(back)
    if "bars" not in evidence.tables:
        return _quotes(prices, name, field, days)
    bars = evidence.bars[prices.close.columns[name]]
    times = bars["event_time"]
    closes = evidence.decision_times
    wanted = (bars["field"] == field) & times.isin(closes[days])
    between = (times > closes[days[0]]) & (times <= closes[days[-1]])
    wanted |= bars["field"].isin(ACTIONS) & between
    used = adjust.in_time(bars[wanted], ["field", "event_time"]).sort_index()
    by_document = used.groupby(["field", "document", "raw"], sort=False)
    return [_together(rows) for _, rows in by_document]


def _quotes(prices: Prices, name: int, field: str, days: np.ndarray) -> list:
    """Cites the files that quotes were read from, as they stand there."""
    ticker, dates = prices.close.columns[name], prices.close.index.values
    frames = [(field, prices.volume if field == "volume" else prices.close, days)]
    if prices.as_traded is not None:
        between = np.arange(days[0] + 1, days[-1] + 1)
        frames = [(field, getattr(prices.as_traded, field), days)]
        frames += [(kind, getattr(prices.as_traded, kind), between) for kind in ACTIONS]
    cited = []
    for kind, frame, rows in frames:
        values = frame.to_numpy()[rows, name]
        seen = ~np.isnan(values)
        times = np.datetime_as_string(dates[rows[seen]].astype("datetime64[D]"))
        cited += [
            {
                "source": prices.report["source"],
                "name": ticker,
                "field": kind,
                "event_times": times.tolist(),
                "known": str(times[-1]),
                "values": values[seen].tolist(),
                "document": file["file"],
                "raw": file["sha256"],
            }
            for file in prices.report.get("files", ())
            if seen.any() and ticker in file["tickers"] and kind in file["fields"]
        ]
    return cited


def _together(rows: pd.DataFrame) -> Citation:
    """Cites events of one field and document as one."""
    first = _citation(rows.iloc[0].to_dict())
    return first | {
        "event_times": [iso(time) for time in rows["event_time"]],
        "known": iso(rows["knowledge_time"].max()),
        "values": rows["value"].tolist(),
    }


def _citation(row: dict[str, Any]) -> Citation:
    """Cites one event; a text with the span that speaks most for its score."""
    cited = {
        "source": row["source"],
        "name": row["name"],
        "field": row["field"],
        "event_times": [iso(row["event_time"])],
        "known": iso(row["knowledge_time"]),
        "values": [row["value"]],
        "document": row["document"],
        "raw": row["raw"],
        "place": row["place"],
    }
    if "start" in row:
        start, stop = int(row["start"]), int(row["stop"])
        cited |= {"quote": row["text"][start:stop], "span": [start, stop]}
    return cited


def iso(time: pd.Timestamp) -> str:
    """Writes an instant, UTC."""
    return f"{time:%Y-%m-%dT%H:%M:%S}Z"
