"""SEC EDGAR: a company's filings, its facts, and the trades of its insiders."""

import json
import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from thesis_rl.data.sources import facts, form4, submissions
from thesis_rl.data.sources.keys import BadResponse, NotFound, SourceError, Unavailable
from thesis_rl.data.sources.parsed import Parsed, consolidate
from thesis_rl.data.store.raw import Response

NAME = "sec"
TITLE = "SEC EDGAR: filings, company facts, Form 4"
ADDRESS = "https://data.sec.gov"
ARCHIVE = "https://www.sec.gov/Archives/edgar/data"
RATE = 8.0  # The SEC refuses more than 10.
KEY = None
LICENCE = "public, free to use"
INSIDERS = ("4", "4/A")
TIMED = ("10-K", "10-K/A", "10-Q", "10-Q/A", "20-F", "40-F", *INSIDERS)
MOST_REFUSED = 3  # Answers of one company, before the others are left for later.
CONTENTS = ("filings", "accessionNumber", "facts")  # Each JSON has one of them.
AGENT = re.compile(r"[!-~][ -~]* [!-?A-~]+@[!-?A-~]+\.[!-?A-~]+")
CIK = re.compile(r"CIK(\d{10})")
# What the SEC's pages of refusal say; they come with status 403, or 200.
REFUSALS = {
    b"Request Rate Threshold Exceeded": "wait ten minutes and run again, with no other "
    "program asking the SEC meanwhile",
    b"Undeclared Automated Tool": "write your name and e-mail address into "
    "config.user_agent",
}


def headers(config) -> dict[str, str]:
    """Makes the headers without which the SEC answers no program.

    Args:
        config: its user_agent is a name and an e-mail address.

    Returns:
        Values by header.

    Raises:
        Unavailable: user_agent is missing, or is not of that form.
    """
    agent = config.get("user_agent") or ""
    if not AGENT.fullmatch(agent):
        raise Unavailable(
            f"config.user_agent is {agent!r}; the SEC wants to know who asks: write "
            "your name, a space, and your e-mail address, without accents"
        )
    return {"User-Agent": agent}


def check(content: bytes) -> None:
    """Refuses what is cut short, or is a page of refusal in place of an answer.

    Raises:
        BadResponse: with the reason.
    """
    text = content.removeprefix(b"\xef\xbb\xbf").strip()
    if text.startswith(b"{"):
        _check_json(text)
    elif b"<html" in text[:1000].lower():
        for phrase, advice in REFUSALS.items():
            if phrase in text:
                raise BadResponse(f"the SEC says {phrase.decode()}: {advice}")
        raise BadResponse("an HTML page, where JSON, XML or SGML was asked for")
    elif text.startswith((b"<SEC-", b"<SUBMISSION>")):
        if not submissions.HEADER_TIME.search(text):
            raise BadResponse("an SGML header without <ACCEPTANCE-DATETIME>")
    elif text.startswith(b"<"):
        _check_xml(text)
    else:
        raise BadResponse(f"{len(content)} bytes that are no JSON object, XML or SGML")


def _check_json(text: bytes) -> None:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise BadResponse(f"JSON that is cut short or damaged: {error}") from None
    if not any(key in body for key in CONTENTS):
        raise BadResponse(
            f"JSON with {', '.join(body) or 'nothing in it'}; want one of "
            f"{', '.join(CONTENTS)}"
        )


def _check_xml(text: bytes) -> None:
    try:
        form4.read(text)
    except ET.ParseError as error:
        # Some filers' XML is damaged for good; to ask again would not mend it.
        if not text.endswith(b"</ownershipDocument>"):
            raise BadResponse(f"XML that is cut short: {error}") from None


def fetch(get: Callable[..., bytes], group: str, config) -> None:
    """Gets all that one company filed: lists, facts, and the Form 4s since the start.

    Args:
        get: (kind, path) to the response's bytes.
        group: the ticker.
        config: start, ISO day; tickers[group].cik; sec_headers, which may be absent:
            if true, the SGML header of each report and Form 4 is asked for too. It has
            the exact time, at the price of twice the requests.

    Raises:
        SourceError: what `get` raises, or the ticker has no cik. What is not there is
            no error: `parse` counts it. Nor does an answer that is refused keep the
            next ones from being asked for.
    """
    cik = config.tickers[group].get("cik")
    if not cik:
        raise SourceError(
            f"config.tickers has no cik of {group}, and the SEC knows companies by it "
            "alone: add it, as cik=320193 for AAPL"
        )
    refused = []
    for kind, path in _wanted(get, int(cik), config):
        try:
            get(kind, path)
        except NotFound:
            continue
        except BadResponse as error:
            refused.append(str(error))
            if len(refused) == MOST_REFUSED:
                break
    if refused:
        raise BadResponse("; ".join(refused))


def _wanted(get: Callable[..., bytes], cik: int, config) -> Iterable[tuple[str, str]]:
    """Gets the lists of filings, then names all else to get, as (kind, path)."""
    recent = get("submissions", f"/submissions/CIK{cik:010d}.json")
    pages = json.loads(recent)["filings"]["files"]
    older = [get("older", f"/submissions/{page['name']}") for page in pages]
    lists = [submissions.columns(content)[0] for content in (recent, *older)]
    if any(any(listed["isXBRL"]) for listed in lists):
        yield "facts", f"/api/xbrl/companyfacts/CIK{cik:010d}.json"
    for listed in lists:
        filings = zip(*(listed[key] for key in submissions.COLUMNS), strict=True)
        for accession, form, filed, _, primary in filings:
            if filed < config.start:
                continue
            folder = f"{ARCHIVE}/{cik}/{accession.replace('-', '')}"
            if form in INSIDERS and primary.endswith(".xml"):
                # The same name in the folder xslF345X05/ is a page made of the XML.
                yield "form4", f"{folder}/{primary.rpartition('/')[2]}"
            if form in TIMED and config.get("sec_headers", False):
                yield "header", f"{folder}/{accession}.hdr.sgml"


def parse(responses: Sequence[Response]) -> Parsed:
    """Reads the events of one company.

    Args:
        responses: all of one ticker, in order of receipt, the submissions among them.

    Returns:
        Fields filing (value 1, text the form), those of `facts.CONCEPTS`, as
        us-gaap:Assets, purchase and sale; and how many rows were left out, by reason.
    """
    by_kind = defaultdict(list)
    for response in responses:
        by_kind[response.request.kind].append(response)
    lists = [each for each in responses if each.request.kind in submissions.KINDS]
    if not lists:
        return Parsed(consolidate([]), {"company without submissions": 1})
    name = lists[0].request.group
    filings, undated = submissions.read(lists, by_kind["header"])
    filed = submissions.rows(filings, name)
    accepted = filings.set_index("accession")["accepted"]
    told, unfit = facts.rows(by_kind["facts"], name, accepted)
    cik = int(CIK.search(lists[0].request.path)[1])
    traded, unread = _insiders(by_kind["form4"], filings, name, cik)
    rejected = {k: count for k, count in (undated | unfit | unread).items() if count}
    return Parsed(consolidate([*filed, *told, *traded]), rejected)


def _insiders(
    responses: Sequence[Response], filings: pd.DataFrame, name: str, cik: int
) -> tuple[list[tuple[dict, pd.Timestamp]], dict[str, int]]:
    """Reads each Form 4 once, as it first came."""
    accepted = dict(zip(filings["accession"], filings["accepted"], strict=True))
    first, later, unknown = {}, 0, 0
    for response in responses:
        accession = submissions.accession_of(response.request.path)
        held = first.setdefault(accession, response)
        later += held.sha256 != response.sha256
        unknown += accession not in accepted and held is response
    documents = [
        form4.Document(accession, accepted[accession], each.content, each.sha256)
        for accession, each in first.items()
        if accession in accepted
    ]
    events, rejected = form4.rows(documents, name, cik)
    listed = filings.loc[filings["form"].isin(INSIDERS), "accession"]
    rejected |= {
        "Form 4 not fetched": int((~listed.isin(first)).sum()),
        "Form 4 of which no list says when it was accepted": unknown,
        "Form 4 that changed after it was first read": later,
    }
    received = {each.sha256: each.received for each in reversed(first.values())}
    return [(event, received[event["raw"]]) for event in events], rejected
