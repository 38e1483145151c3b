"""What theses rest on, read anew: nothing of a run is believed."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from thesis_rl.data import (
    citations,
    features,
    point_in_time,
    prices,
    quotes,
    raw,
    sources,
)
from thesis_rl.data.frames import Prices
from thesis_rl.data.sources import treasury

FACT = ("source", "name", "field", "document", "raw")
QUOTED = {"close", "volume", "split"}


class Sources(NamedTuple):
    """All that theses rest on, read anew."""

    hashes: set[str]  # SHA-256 of the files that prices and packaged sources are in.
    store: str  # The folder where responses are.
    facts: dict[tuple, list[dict]]  # By `FACT` and event time.
    features: dict[str, pd.DataFrame]  # [T, N], NaN where not available.
    closes: dict[str, str]  # When each day's decisions were taken, where known.
    evidence: point_in_time.Evidence | None = None  # Joined anew.


def read(config) -> Sources:
    """Reads files and raw responses anew, and computes every feature from them.

    Args:
      config: the experiment's.

    Returns:
      What theses are checked against.
    """
    tables, _ = point_in_time.read(config.data, parse)
    quoted, joined = point_in_time.assemble(tables, config.data)
    values, available = features.compute(quoted, config.features)
    values = np.where(available, values, np.nan)
    index, columns = quoted.close.index, quoted.close.columns
    contents = _contents(quoted, config.data)
    times = () if joined.decision_times is None else joined.decision_times
    return Sources(
        hashes={_sha256(content) for _, content in contents}
        | {treasury.packaged().sha256},
        store=config.data.events.store,
        facts=_facts(tables) | _quotes(quoted, contents),
        features={
            name: pd.DataFrame(values[..., i], index, columns)
            for i, name in enumerate(config.features)
        },
        closes={
            f"{day:%Y-%m-%d}": citations.iso(time)
            for day, time in zip(index, times, strict=False)
        },
        evidence=joined,
    )


def parse(root: str, source: str) -> pd.DataFrame:
    """Parses all raw responses of a source anew; its events, as in the store."""
    modules = [module for module in sources.ALL if source == module.NAME]
    groups = [raw.responses(root, source, group) for group in raw.groups(root, source)]
    tables = [module.parse(rows).events for module in modules for rows in groups]
    events = pd.concat(tables, ignore_index=True)
    return events.assign(seq=range(len(events)))


def _contents(quoted: Prices, config) -> list[tuple[Path, bytes]]:
    """Reads the files that prices came from; none where they are raw responses."""
    if config.source == "store":
        return []
    folder = Path(config.path) if config.source == "files" else prices.FILES
    folder = folder.parent if folder.is_file() else folder
    paths = [folder / file["file"] for file in quoted.report.get("files", ())]
    return [(path, path.read_bytes()) for path in paths]


def _facts(tables: point_in_time.Tables) -> dict[tuple, list[dict]]:
    facts = {}
    for table in tables.values():
        about, known = (_iso(table[f"{time}_time"]) for time in ("event", "knowledge"))
        said = zip(known, table["value"], table["text"], strict=True)
        named = zip(*(table[name] for name in FACT), about, strict=True)
        for fact, (since, value, text) in zip(named, said, strict=True):
            version = {"known": since, "value": value, "text": text}
            facts.setdefault(fact, []).append(version)
    return facts


def _iso(times: pd.Series) -> list[str]:
    """Writes many instants as `citations.iso` writes one."""
    seconds = np.datetime_as_string(times.to_numpy("datetime64[s]"))
    return [f"{text}Z" for text in seconds.tolist()]


def _quotes(quoted: Prices, contents) -> dict[tuple, list[dict]]:
    """Reads what stands in files of quotes, by date."""
    facts = {}
    for path, content in contents:
        table, sha256 = _table(quoted, path, content), _sha256(content)
        days = np.datetime_as_string(table["date"].to_numpy("datetime64[D]")).tolist()
        source, document, tickers = quoted.report["source"], path.name, table["ticker"]
        for field in QUOTED.intersection(table.columns):
            rows = zip(tickers.tolist(), days, table[field].tolist(), strict=True)
            for ticker, day, value in rows:
                fact = source, ticker, field, document, sha256, day
                facts[fact] = [{"value": value, "text": "", "known": day}]
    return facts


def _table(quoted: Prices, path: Path, content: bytes) -> pd.DataFrame:
    if quoted.as_traded is None:
        return quotes.parse(content, path)
    if path.name == prices.PACKAGED[quoted.report["source"]].splits:
        return quotes.actions(content, path, "split")
    return quotes.read(content, path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
