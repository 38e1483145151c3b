"""An auditor of theses: from each claim to the bytes it rests on, and back again.

Nothing of the run is believed. Bytes are hashed and parsed anew, features are computed
anew from what they say, and every quoted number must come out again.
"""

import hashlib
from collections.abc import Iterable
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
from thesis_rl.thesis import evidence

MAX_PROBLEMS = 20  # Told in words; the rest are counted.
FACT = ("source", "name", "field", "document", "raw")
QUOTED = {"close", "volume", "split"}
CHECKS = ("bytes", "facts", "time", "numbers")


class Sources(NamedTuple):
    """All that theses rest on, read anew."""

    hashes: set[str]  # SHA-256 of the files that prices and packaged sources are in.
    store: str  # The folder where responses are.
    facts: dict[tuple, list[dict]]  # By `FACT` and event time.
    features: dict[str, pd.DataFrame]  # [T, N], NaN where not available.
    closes: dict[str, str]  # When each day's decisions were taken, where known.


def verify(theses: Iterable[dict], config) -> dict:
    """Checks every citation and every quoted number of some theses.

    bytes: the cited response is there and has the cited hash. facts: parsing it gives
    the cited values, and for a text the words at the cited place. time: what is cited
    was known when the citation says, and by the close of the thesis. numbers: features
    computed anew give the quoted answer, digit for digit.

    Args:
      theses: as `theses.jsonl` holds them.
      config: the experiment's.

    Returns:
      claims, asserted ones; cited, those of them that cite something; for each check
      how many were made and how many were right; problems, the first of them in words.
      Where files or responses cannot be read, that is the problem, and none is made.
    """
    told = [(thesis, entry) for thesis in theses for entry in thesis["evidence"]]
    asserted = [entry for _, entry in told if entry["stance"] == "asserted"]
    made, right = dict.fromkeys(CHECKS, 0), dict.fromkeys(CHECKS, 0)
    problems = []
    try:
        anew = read(config)
    except (OSError, ValueError) as error:
        told, problems = [], [f"nothing could be checked: {error}"]
    for thesis, entry in told:
        for check, problem in _examine(thesis, entry, anew, config):
            made[check] += 1
            right[check] += problem is None
            if problem:
                where = f"{thesis['ticker']}, {thesis['as_of']}, {entry['claim_id']}"
                problems.append(f"{where}: {problem}")
    return {
        "claims": len(asserted),
        "cited": sum(bool(entry.get("citations")) for entry in asserted),
        "checks": {check: [right[check], made[check]] for check in CHECKS},
        "num_problems": len(problems),
        "problems": problems[:MAX_PROBLEMS],
    }


def _examine(thesis: dict, entry: dict, anew: Sources, config):
    """Yields each check of an entry and what is wrong, None where nothing is."""
    for citation in entry.get("citations", ()):
        yield "bytes", _bytes_problem(citation, anew)
        yield "facts", _fact_problem(citation, anew)
        yield "time", _time_problem(citation, thesis["as_of"], anew)
    yield "numbers", _number_problem(thesis, entry, anew, config)


def _bytes_problem(citation: dict, anew: Sources) -> str | None:
    if citation["raw"] in anew.hashes:
        return None
    try:
        raw.read(anew.store, citation["source"], citation["raw"])
    except (OSError, ValueError) as error:
        return f"{citation['document']}: {error}"
    return None


def _fact_problem(citation: dict, anew: Sources) -> str | None:
    document, field = citation["document"], citation["field"]
    for value, versions in _versions(citation, anew):
        if not versions:
            words = f"{citation['quote']!r}" if "quote" in citation else value
            return f"{document} does not say {field} {words} at the cited times"
    return None


def _time_problem(citation: dict, as_of: str, anew: Sources) -> str | None:
    """Says where a citation was known at another time, or after the close."""
    document, cited = citation["document"], citation["known"]
    said = [versions for _, versions in _versions(citation, anew) if versions]
    known = [[version["known"] for version in versions] for versions in said]
    since = max(map(min, known), default=cited)
    if known and (cited < since or not any(cited in times for times in known)):
        return f"{document} was known {since}, not {cited}"
    if cited > anew.closes.get(as_of, as_of):
        return f"{document} was known {cited}, after the close"
    return None


def _versions(citation: dict, anew: Sources):
    """Yields each cited value, and what the bytes have that says the same."""
    fact = tuple(citation[name] for name in FACT)
    for time, value in zip(citation["event_times"], citation["values"], strict=True):
        versions = anew.facts.get((*fact, time), ())
        yield value, [each for each in versions if _says(each, value, citation)]


def _says(version: dict, value: float, citation: dict) -> bool:
    if "quote" in citation:
        start, stop = citation["span"]
        return version["text"][start:stop] == citation["quote"]
    return version["value"] == value


def _number_problem(thesis: dict, entry: dict, anew: Sources, config) -> str | None:
    rule = config.claims[entry["claim_id"]]
    day, ticker = pd.Timestamp(thesis["as_of"]), thesis["ticker"]
    row = {}
    for name, _, _ in rule["conditions"]:
        feature = anew.features[name]
        if day not in feature.index or ticker not in feature.columns:
            return f"its sources have no prices of {ticker} on {thesis['as_of']}"
        value = feature.at[day, ticker]
        row[name] = float(value) if np.isfinite(value) else None
    found = evidence.quote(entry["claim_id"], rule["conditions"], row)
    if found == entry["quote"]:
        return None
    return f"quotes {entry['quote']!r}, but its sources give {found!r}"


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
        columns = [*FACT, "event_time", "knowledge_time", "value", "text"]
        for row in table[columns].to_dict("records"):
            row["known"] = citations.iso(row["knowledge_time"])
            time = citations.iso(row["event_time"])
            facts.setdefault((*(row[name] for name in FACT), time), []).append(row)
    return facts


def _quotes(quoted: Prices, contents) -> dict[tuple, list[dict]]:
    """Reads what stands in files of quotes, by date."""
    facts = {}
    for path, content in contents:
        table, sha256 = _table(quoted, path, content), _sha256(content)
        days = table["date"].dt.strftime("%Y-%m-%d")
        for field in QUOTED.intersection(table.columns):
            rows = zip(table["ticker"], days, table[field], strict=True)
            for ticker, day, value in rows:
                fact = quoted.report["source"], ticker, field, path.name, sha256
                facts[*fact, day] = [{"value": value, "text": "", "known": day}]
    return facts


def _table(quoted: Prices, path: Path, content: bytes) -> pd.DataFrame:
    if quoted.as_traded is None:
        return quotes.parse(content, path)
    if path.name == prices.PACKAGED[quoted.report["source"]].splits:
        return quotes.actions(content, path, "split")
    return quotes.read(content, path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
