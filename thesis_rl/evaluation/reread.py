"""What theses rest on, read anew: nothing of a run is believed."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from thesis_rl.data import citations, features, join, prices, sources
from thesis_rl.data.prices import quotes
from thesis_rl.data.prices.frames import Prices
from thesis_rl.data.sources import treasury
from thesis_rl.data.store import raw

FACT = ("source", "name", "field", "document", "raw")
QUOTED = {"close", "volume", "split"}


class Sources(NamedTuple):
    """All that theses rest on, read anew."""

    hashes: set[str]  # SHA-256 of the files that prices and packaged sources are in.
    store: str  # The folder where responses are.
    facts: dict[tuple, dict[str, list[dict]]]  # By `FACT`, then by event time.
    quotes: dict[tuple, dict[str, float]]  # Of files, by `FACT`, then by day.
    features: dict[str, np.ndarray]  # [T, N] as the prices, NaN where not available.
    days: dict[str, int]  # Where in the prices each day is,
    names: dict[str, int]  # and each name.
    closes: dict[str, str]  # When each day's decisions were taken, where known.
    evidence: join.Evidence | None = None  # Joined anew.


def read(config) -> Sources:
    """Reads files and raw responses anew, and computes every feature from them.

    Args:
      config: the experiment's.

    Returns:
      What theses are checked against.
    """
    tables, _ = join.read(config.data, parse)
    quoted, joined = join.assemble(tables, config.data)
    values, available = features.compute(quoted, config.features)
    values = np.where(available, values, np.nan)
    contents = _contents(quoted, config.data)
    times = () if joined.decision_times is None else joined.decision_times
    days = [f"{day:%Y-%m-%d}" for day in quoted.close.index]
    return Sources(
        hashes={_sha256(content) for _, content in contents}
        | {treasury.packaged().sha256},
        store=config.data.events.store,
        facts=_facts(tables),
        quotes=_quotes(quoted, contents),
        features={name: values[..., i] for i, name in enumerate(config.features)},
        days={day: i for i, day in enumerate(days)},
        names={name: i for i, name in enumerate(quoted.close.columns)},
        closes=dict(zip(days, map(citations.iso, times), strict=False)),
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


def _facts(tables: join.Tables) -> dict[tuple, dict[str, list[dict]]]:
    facts = {}
    for table in tables.values():
        about, known = (_iso(table[f"{time}_time"]) for time in ("event", "knowledge"))
        said = zip(about, known, table["value"], table["text"], strict=True)
        named = zip(*(table[name] for name in FACT), strict=True)
        for fact, (time, since, value, text) in zip(named, said, strict=True):
            version = {"known": since, "value": value, "text": text}
            facts.setdefault(fact, {}).setdefault(time, []).append(version)
    return facts


def _iso(times: pd.Series) -> list[str]:
    """Writes many instants as `citations.iso` writes one."""
    seconds = np.datetime_as_string(times.to_numpy("datetime64[s]"))
    return [f"{text}Z" for text in seconds.tolist()]


def _quotes(quoted: Prices, contents) -> dict[tuple, dict[str, float]]:
    """Reads what stands in files of quotes, by date."""
    facts, source = {}, quoted.report["source"]
    for path, content in contents:
        table, sha256 = _table(quoted, path, content), _sha256(content)
        for ticker, rows in table.groupby("ticker", sort=False):
            days = np.datetime_as_string(rows["date"].to_numpy("datetime64[D]"))
            for field in QUOTED.intersection(table.columns):
                fact = source, ticker, field, path.name, sha256
                facts[fact] = dict(zip(days.tolist(), rows[field], strict=True))
    return facts


def _table(quoted: Prices, path: Path, content: bytes) -> pd.DataFrame:
    if quoted.as_traded is None:
        return quotes.parse(content, path)
    if path.name == prices.PACKAGED[quoted.report["source"]].splits:
        return quotes.actions(content, path, "split")
    return quotes.read(content, path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
