"""SEC Form 4: the purchases and sales of a company's insiders.

Only what an insider decided on the open market counts: codes P and S of the table of
shares, and nothing under a plan of Rule 10b5-1. The delay between a trade and its
filing is a matter of days, or of years, so a trade is known when its filing was
accepted and never sooner.
"""

import datetime
import math
import re
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from thesis_rl.data import clock
from thesis_rl.data.sources.keys import BadResponse

ROOT = "ownershipDocument"
SHARES = "nonDerivativeTable/nonDerivativeTransaction"
DERIVATIVES = "derivativeTable/derivativeTransaction"
PRICE = "transactionAmounts/transactionPricePerShare"
NOTE = "footnoteId"
FIELDS = {"P": "purchase", "S": "sale"}
SIDES = {"P": "A", "S": "D"}  # Shares acquired, shares disposed of.
ROLES = {
    "isDirector": "director",
    "isOfficer": "officer",
    "isTenPercentOwner": "10% owner",
    "isOther": "other",
}
FALSE = ("", "0", "false")  # What else stands in a flag counts as true.
# As people write it: 10b5-1, 10b-5-1, 10(b)5-1, with any dash. That a trade was not
# under such a plan is said so rarely that these few are left out too.
PLAN = re.compile(r"10\s*\(?b\)?[\s\-\u2010-\u2015]*5[\s\-\u2010-\u2015]*\(?1", re.I)
DATE = re.compile(r"(\d{4}-\d\d-\d\d)(Z|[+-]\d\d:\d\d)?")  # Some dates have a zone.
OLDEST = datetime.timedelta(days=20 * 365)  # True trades are filed years late at most.


class Document(NamedTuple):
    """One filing of the form."""

    accession: str
    accepted: pd.Timestamp  # UTC without a zone.
    content: bytes  # XML.
    raw: str  # SHA-256 of the content.


class Trade(NamedTuple):
    """One transaction of code P or S, as an amendment would name it."""

    owners: frozenset[str]  # Their CIKs.
    day: datetime.date | None
    field: str
    event: dict | None  # None where it does not count.


class _NoDoctype(ET.TreeBuilder):
    def doctype(self, name, public, system):
        raise BadResponse(
            "the XML has a DOCTYPE, which no Form 4 has: entities may hide in it"
        )


def read(content: bytes) -> ET.Element:
    """Parses the XML of a form, and refuses entities of its own.

    Raises:
        BadResponse: it has a DOCTYPE, another root, or an unknown encoding.
        xml.etree.ElementTree.ParseError: it is no XML.
    """
    try:
        root = ET.fromstring(content, ET.XMLParser(target=_NoDoctype()))
    except (LookupError, ValueError) as error:
        raise BadResponse(f"XML in an encoding that cannot be read: {error}") from None
    if root.tag != ROOT:
        raise BadResponse(f"XML with the root {root.tag}, where a Form 4 has {ROOT}")
    return root


def rows(
    documents: Iterable[Document], name: str, cik: int
) -> tuple[list[dict], dict[str, int]]:
    """Reads the trades of one company's insiders.

    An amendment (4/A) takes back, with rows of value NaN, what earlier filings said of
    the same owner, day and code, whether or not its own version counts.

    Args:
        documents: in any order, each once.
        name: the ticker.
        cik: of the company. Where it is itself the owner, the shares are another's.

    Returns:
        Events in the order in which they were known, value = shares * price in USD;
        and how many transactions, or whole filings, were left out, by reason.
    """
    found, rejected = [], Counter()
    in_force: dict[tuple, list[Trade]] = defaultdict(list)
    for document in sorted(documents, key=lambda each: (each.accepted, each.accession)):
        try:
            form = read(document.content)
        except (ET.ParseError, BadResponse):
            rejected["filing that is no Form 4 in XML"] += 1
            continue
        if _text(form, "issuer/issuerCik").lstrip("0") != str(cik):
            rejected["filing about another issuer"] += 1
            continue
        trades = _trades(form, document, name, rejected)
        if _text(form, "documentType") == "4/A":
            found += _retractions(trades, in_force, document)
        for trade in trades:
            if trade.event:
                in_force[trade.day, trade.field].append(trade)
                found.append(trade.event)
    return found, {reason: count for reason, count in rejected.items() if count}


def _retractions(
    amended: Sequence[Trade], in_force: dict[tuple, list[Trade]], document: Document
) -> Iterable[dict]:
    """Takes back, and out of force, the trades that an amendment names again."""
    for new in amended:
        held = in_force[new.day, new.field]
        in_force[new.day, new.field] = [
            old for old in held if old.owners.isdisjoint(new.owners)
        ]
        for old in held:
            if not old.owners.isdisjoint(new.owners):
                yield old.event | {
                    "value": math.nan,
                    "knowledge_time": document.accepted,
                    "raw": document.raw,
                }


def _trades(
    form: ET.Element, document: Document, name: str, rejected: Counter
) -> list[Trade]:
    """Lists the transactions of codes P and S; counts those that do not count."""
    owners = form.findall("reportingOwner")
    ciks = frozenset(_text(each, "reportingOwnerId/rptOwnerCik") for each in owners)
    common = {
        "source": "sec",
        "name": name,
        "knowledge_time": document.accepted,
        "document": document.accession,
        "raw": document.raw,
    }
    roles = "; ".join(dict.fromkeys(_role(each) for each in owners))
    whole, notes = _plans(form)
    rejected["transaction in derivatives"] += len(form.findall(DERIVATIVES))
    found = []
    for number, entry in enumerate(form.iterfind(SHARES), 1):
        code = _text(entry, "transactionCoding/transactionCode")
        if code not in FIELDS:
            rejected["code other than P and S"] += 1
            continue
        day, event = _day(_text(entry, "transactionDate/value")), None
        planned = whole or any(note.get("id") in notes for note in entry.iter(NOTE))
        fault = (
            "10b5-1 plan" if planned else _fault(entry, code, day, document.accepted)
        )
        if fault:
            rejected[fault] += 1
        else:
            event = common | {
                "field": FIELDS[code],
                "event_time": clock.end_of_day(day.isoformat()),
                "value": _amount(entry, "Shares") * _amount(entry, "PricePerShare"),
                "place": f"nonDerivativeTransaction[{number}]",
                # Two lots of one size and price are two events: the store tells rows
                # apart by what they say, and not by place.
                "text": f"{roles}; transaction {number}",
            }
        found.append(Trade(ciks, day, FIELDS[code], event))
    return found


def _plans(form: ET.Element) -> tuple[bool, set[str]]:
    """Finds whether the whole form is under a plan, or else which footnotes say so."""
    notes = {
        note.get("id", "")
        for note in form.iterfind("footnotes/footnote")
        if PLAN.search("".join(note.itertext()))
    }
    whole = _true(form, "aff10b5One") or PLAN.search(_text(form, "remarks")) is not None
    return whole, notes


def _fault(
    entry: ET.Element, code: str, day: datetime.date | None, accepted: pd.Timestamp
) -> str:
    """Says why a transaction cannot count; empty where it can."""
    shares, price = _amount(entry, "Shares"), _amount(entry, "PricePerShare")
    side = _text(entry, "transactionAmounts/transactionAcquiredDisposedCode/value")
    filed = accepted.tz_localize("UTC").tz_convert(clock.NEW_YORK).date()
    if side not in ("", SIDES[code]):
        return "bought yet disposed of, or sold yet acquired"
    if not 0 < shares < math.inf:
        return "shares no number above 0"
    if math.isnan(price) and entry.find(f"{PRICE}/{NOTE}") is not None:
        return "price in a footnote"
    if not 0 < price < math.inf:
        return "price no number above 0"
    if day is None:
        return "transaction date is no date"
    if day > filed:
        return "transaction dated after its filing"
    if filed - day > OLDEST:
        return "transaction dated more than 20 years before its filing"
    return ""


def _day(text: str) -> datetime.date | None:
    match = DATE.fullmatch(text)
    try:
        return datetime.date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def _amount(entry: ET.Element, what: str) -> float:
    try:
        return float(_text(entry, f"transactionAmounts/transaction{what}/value"))
    except ValueError:
        return math.nan


def _role(owner: ET.Element) -> str:
    """Names what an owner is to the company, with the title as it was written."""
    told = owner.find("reportingOwnerRelationship")
    if told is None:
        return ""
    flags = [what for flag, what in ROLES.items() if _true(told, flag)]
    titles = [_text(told, "officerTitle"), _text(told, "otherText")]
    return ", ".join([*flags, *filter(None, titles)])


def _true(element: ET.Element, flag: str) -> bool:
    return _text(element, flag).lower() not in FALSE


def _text(element: ET.Element, path: str) -> str:
    return element.findtext(path, "").strip()
