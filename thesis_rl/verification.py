"""An auditor of theses: from each claim to the bytes it rests on, and back again.

Nothing of the run is believed. Bytes are hashed and parsed anew, features are computed
anew from what they say, and every quoted number must come out again.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from thesis_rl import files, reread
from thesis_rl.data import citations, raw
from thesis_rl.reread import FACT, Sources
from thesis_rl.thesis import evidence, schema

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
        anew = reread.read(config)
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
        yield "bytes", _bytes_problem(citation, anew)
        yield "facts", _fact_problem(citation, anew)
        yield "time", _time_problem(citation, thesis["as_of"], anew)
    if "citations" in entry:
        yield "basis", _basis_problem(thesis, entry, anew, config)
    yield "numbers", _number_problem(thesis, entry, anew, config)


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
    if value is None or np.isnan(value):  # A retraction; JSON writes it as null.
        return np.isnan(version["value"])
    return version["value"] == value


def _basis_problem(thesis: dict, entry: dict, anew: Sources, config) -> str | None:
    """Compares what is cited with what the claim's features rest on."""
    day, ticker = pd.Timestamp(thesis["as_of"]), thesis["ticker"]
    close = anew.evidence.prices.close
    if day not in close.index or ticker not in close.columns:
        return f"its sources have no prices of {ticker} on {thesis['as_of']}"
    asked = {name for name, _, _ in config.claims[entry["claim_id"]]["conditions"]}
    names = [n for n in asked if np.isfinite(anew.features[n].at[day, ticker])]
    place = close.index.get_loc(day), close.columns.get_loc(ticker)
    rests = citations.of_row(anew.evidence, names, *place)
    right = {_told(each) for cited in rests.values() for each in cited}
    told = {_told(each) for each in entry["citations"]}
    if told == right:
        return None
    return (
        f"{len(told - right)} of {len(told)} citations are not what the claim rests "
        f"on, and {len(right - told)} of {len(right)} are missing"
    )


def _told(citation: dict) -> str:
    return files.to_json({k: v for k, v in citation.items() if k != "place"})


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
