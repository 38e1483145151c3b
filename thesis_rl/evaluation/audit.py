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

from thesis_rl.data import citations, features, join, prices, sources
from thesis_rl.data.prices import quotes
from thesis_rl.data.prices.frames import Prices
from thesis_rl.data.sources import treasury
from thesis_rl.data.store import raw
from thesis_rl.thesis import evidence, schema

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


MAX_PROBLEMS = 20  # Told in words; the rest are counted.
CHECKS = ("bytes", "facts", "time", "basis", "numbers")


def verify(theses: Iterable[dict], config) -> dict:
    """Checks every citation and every quoted number of some theses.

    basis: what is cited is what the claim's features rest on, no more and no less.
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
    told, problems = [], []
    for thesis in theses:
        broken = schema.problems(thesis)
        problems += [f"a thesis breaks its contract: {line}" for line in broken]
        told += [(thesis, entry) for entry in ([] if broken else thesis["evidence"])]
    asserted = [entry for _, entry in told if entry["stance"] == "asserted"]
    made, right = dict.fromkeys(CHECKS, 0), dict.fromkeys(CHECKS, 0)
    try:
        anew = read(config)
    except (OSError, ValueError) as error:
        told, problems = [], [f"nothing could be checked: {error}"]
    for thesis, entry in told:
        where = f"{thesis['ticker']}, {thesis['as_of']}, {entry['claim_id']}"
        if entry["stance"] == "asserted" and not entry.get("citations"):
            problems.append(f"{where}: cites nothing")
        for check, problem in _examine(thesis, entry, anew, config):
            made[check] += 1
            right[check] += problem is None
            if problem:
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
        versions = _versions(citation, anew)
        yield "bytes", _bytes_problem(citation, anew)
        yield "facts", _fact_problem(citation, versions)
        yield "time", _time_problem(citation, versions, thesis["as_of"], anew)
    place, absent = _place(thesis, anew), None
    if place is None:
        named = f"{thesis['ticker']} on {thesis['as_of']}"
        absent = f"its sources have no prices of {named}"
    conditions = config.claims[entry["claim_id"]]["conditions"]
    row = {} if absent else _row(conditions, place, anew)
    if "citations" in entry:
        yield "basis", absent or _basis_problem(entry, row, place, anew)
    yield "numbers", absent or _number_problem(entry, row, conditions)


def _bytes_problem(citation: dict, anew: Sources) -> str | None:
    if citation["raw"] in anew.hashes:
        return None
    if "place" not in citation:  # Of a file of prices, which no store keeps.
        return f"{citation['document']} was changed, or is no file that was read"
    try:
        raw.read(anew.store, citation["source"], citation["raw"])
    except (OSError, ValueError) as error:
        return f"{citation['document']}: {error}"
    return None


def _fact_problem(citation: dict, versions: list[list[dict]]) -> str | None:
    document, field = citation["document"], citation["field"]
    for value, said in zip(citation["values"], versions, strict=True):
        if not said:
            words = f"{citation['quote']!r}" if "quote" in citation else value
            return f"{document} does not say {field} {words} at the cited times"
    return None


def _time_problem(
    citation: dict, versions: list[list[dict]], as_of: str, anew: Sources
) -> str | None:
    """Says where a citation was known at another time, or after the close."""
    document, cited = citation["document"], citation["known"]
    known = [[version["known"] for version in said] for said in versions if said]
    since = max(map(min, known), default=cited)
    if known and (cited < since or not any(cited in times for times in known)):
        return f"{document} was known {since}, not {cited}"
    if cited > anew.closes.get(as_of, as_of):
        return f"{document} was known {cited}, after the close"
    return None


def _versions(citation: dict, anew: Sources) -> list[list[dict]]:
    """Finds for each cited value what the bytes have that says the same."""
    fact = tuple(citation[name] for name in FACT)
    facts, quotes = anew.facts.get(fact, {}), anew.quotes.get(fact, {})
    found = []
    for time, value in zip(citation["event_times"], citation["values"], strict=True):
        versions = facts.get(time, [])
        if time in quotes:
            versions = [{"known": time, "value": quotes[time], "text": ""}]
        found.append([each for each in versions if _says(each, value, citation)])
    return found


def _says(version: dict, value: float, citation: dict) -> bool:
    if "quote" in citation:
        start, stop = citation["span"]
        return version["text"][start:stop] == citation["quote"]
    if value is None or value != value:  # A retraction; JSON writes it as null.
        return np.isnan(version["value"])
    return version["value"] == value


def _place(thesis: dict, anew: Sources) -> tuple[int, int] | None:
    """Finds a thesis's day and name among the prices read anew, if they have them."""
    day, name = anew.days.get(thesis["as_of"]), anew.names.get(thesis["ticker"])
    return None if day is None or name is None else (day, name)


def _row(conditions, place: tuple[int, int], anew: Sources) -> dict[str, float | None]:
    """Reads the features that conditions ask of, None where not available."""
    values = {name: float(anew.features[name][place]) for name, _, _ in conditions}
    return {name: x if np.isfinite(x) else None for name, x in values.items()}


def _basis_problem(
    entry: dict, row: dict, place: tuple[int, int], anew: Sources
) -> str | None:
    """Compares what is cited with what the claim's features rest on."""
    names = [name for name, value in row.items() if value is not None]
    rests = citations.of_row(anew.evidence, names, *place)
    right = _distinct(each for cited in rests.values() for each in cited)
    told = _distinct(entry["citations"])
    false = sum(each not in right for each in told)
    missing = sum(each not in told for each in right)
    if not false and not missing:
        return None
    return (
        f"{false} of {len(told)} citations are not what the claim rests "
        f"on, and {missing} of {len(right)} are missing"
    )


def _distinct(cited: Iterable[dict]) -> list[dict]:
    """Keeps each citation once, whatever its place, and null for what is retracted."""
    kept = []
    for citation in cited:
        values = [None if value != value else value for value in citation["values"]]
        told = citation | {"values": values}
        told.pop("place", None)
        if told not in kept:
            kept.append(told)
    return kept


def _number_problem(entry: dict, row: dict, conditions) -> str | None:
    found = evidence.quote(entry["claim_id"], conditions, row)
    if found == entry["quote"]:
        return None
    return f"quotes {entry['quote']!r}, but its sources give {found!r}"
