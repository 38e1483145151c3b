"""Responses of the SEC in their true formats, small: a company of one's own making.

filings = [filing("0000320193-23-000006", "10-Q", "2023-02-02T18:01:30.000Z")]
submissions(320193, filings)                      the list, at /submissions/
older_page(filings)                               a further page of it
company_facts(320193, {"us-gaap:Assets": {"USD": [fact("2022-12-31", 346e9, ...)]}})
form4(320193, [trade("2023-05-01", "S", "1000", "165.02")])
sgml_header("0000320193-23-000006", "10-Q", "20230202180130")
response("submissions", "/submissions/CIK0000320193.json", content)
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

import pandas as pd

from thesis_rl.data.store.raw import Request, Response

RECEIVED = pd.Timestamp("2024-01-02 12:00")
ARCHIVE = "https://www.sec.gov/Archives/edgar/data"


def filing(
    accession: str,
    form: str,
    accepted: str,
    *,
    filed: str | None = None,
    primary: str = "filing.htm",
    period: str = "",
    xbrl: int = 1,
) -> dict:
    """One row of the list, key by key as the service names them.

    `accepted` is as 2023-02-02T18:01:30.000Z; `filed` is its day unless given; the
    primary document of a Form 4 is as xslF345X05/wf-form4.xml.
    """
    return {
        "accessionNumber": accession,
        "filingDate": accepted[:10] if filed is None else filed,
        "reportDate": period,
        "acceptanceDateTime": accepted,
        "act": "34",
        "form": form,
        "fileNumber": "001-36743",
        "filmNumber": "23582658",
        "items": "",
        "core_type": form,
        "size": 4096,
        "isXBRL": xbrl,
        "isInlineXBRL": xbrl,
        "primaryDocument": primary,
        "primaryDocDescription": form,
    }


def older_page(filings: Sequence[dict]) -> bytes:
    """A page of filings.files: the columns themselves, nothing around them."""
    return json.dumps(_columns(filings)).encode()


def submissions(
    cik: int, filings: Sequence[dict], files: Mapping[str, Sequence[dict]] = {}
) -> bytes:
    """The list of a company's latest filings; `files` are further pages by name."""
    pages = [
        {
            "name": name,
            "filingCount": len(page),
            "filingFrom": min(row["filingDate"] for row in page),
            "filingTo": max(row["filingDate"] for row in page),
        }
        for name, page in files.items()
    ]
    body = {
        "cik": f"{cik:010d}",
        "entityType": "operating",
        "sic": "3571",
        "sicDescription": "Electronic Computers",
        "insiderTransactionForOwnerExists": 0,
        "insiderTransactionForIssuerExists": 1,
        "name": "COMPANY A",
        "tickers": ["AAPL"],
        "exchanges": ["Nasdaq"],
        "fiscalYearEnd": "0928",
        "filings": {"recent": _columns(filings), "files": pages},
    }
    return json.dumps(body).encode()


def _columns(filings: Sequence[dict]) -> dict[str, list]:
    keys = filing("", "", "")
    return {key: [row[key] for row in filings] for key in keys}


def fact(
    end: str,
    val: float,
    accn: str,
    filed: str,
    *,
    start: str | None = None,
    form: str = "10-Q",
    fy: int = 2023,
    fp: str = "Q1",
    frame: str | None = None,
) -> dict:
    """One number; a flow has a start. fy, fp and form are the filing's."""
    row = {"start": start} if start else {}
    row |= {"end": end, "val": val, "accn": accn, "fy": fy, "fp": fp, "form": form}
    return row | {"filed": filed} | ({"frame": frame} if frame else {})


def company_facts(cik: int, facts: Mapping[str, Mapping[str, list]]) -> bytes:
    """All numbers: by concept, as us-gaap:Assets, and by unit, as USD."""
    body: dict[str, dict] = {}
    for field, units in facts.items():
        taxonomy, concept = field.split(":")
        held = {"label": concept, "description": f"{concept}.", "units": dict(units)}
        body.setdefault(taxonomy, {})[concept] = held
    return json.dumps({"cik": cik, "entityName": "COMPANY A", "facts": body}).encode()


def trade(
    day: str,
    code: str,
    shares: str,
    price: str | None,
    *,
    side: str | None = None,
    notes: Sequence[str] = (),
    price_notes: Sequence[str] = (),
) -> str:
    """One nonDerivativeTransaction; a price of None stands in a footnote only.

    `side` is A (acquired) or D (disposed of), by default as the code has it; `notes`
    are footnotes of the code, `price_notes` of the price.
    """
    side = side or ("A" if code in "PMA" else "D")
    said = "" if price is None else f"<value>{price}</value>"
    return f"""
        <nonDerivativeTransaction>
            <securityTitle>
                <value>Common Stock</value>
            </securityTitle>
            <transactionDate>
                <value>{day}</value>
            </transactionDate>
            <transactionCoding>
                <transactionFormType>4</transactionFormType>
                <transactionCode>{code}</transactionCode>
                <equitySwapInvolved>0</equitySwapInvolved>{_notes(notes)}
            </transactionCoding>
            <transactionAmounts>
                <transactionShares>
                    <value>{shares}</value>
                </transactionShares>
                <transactionPricePerShare>{said}{_notes(price_notes)}
                </transactionPricePerShare>
                <transactionAcquiredDisposedCode>
                    <value>{side}</value>
                </transactionAcquiredDisposedCode>
            </transactionAmounts>
            <postTransactionAmounts>
                <sharesOwnedFollowingTransaction>
                    <value>20000</value>
                </sharesOwnedFollowingTransaction>
            </postTransactionAmounts>
            <ownershipNature>
                <directOrIndirectOwnership>
                    <value>D</value>
                </directOrIndirectOwnership>
            </ownershipNature>
        </nonDerivativeTransaction>"""


def owner(
    cik: str = "0001111111",
    name: str = "OWNER A",
    *,
    director: str = "0",
    officer: str = "1",
    ten_percent: str = "0",
    title: str = "Chief Financial Officer",
) -> str:
    """One reportingOwner; flags are 0 or 1, or false or true."""
    return f"""
    <reportingOwner>
        <reportingOwnerId>
            <rptOwnerCik>{cik}</rptOwnerCik>
            <rptOwnerName>{name}</rptOwnerName>
        </reportingOwnerId>
        <reportingOwnerRelationship>
            <isDirector>{director}</isDirector>
            <isOfficer>{officer}</isOfficer>
            <isTenPercentOwner>{ten_percent}</isTenPercentOwner>
            <isOther>0</isOther>
            <officerTitle>{title}</officerTitle>
        </reportingOwnerRelationship>
    </reportingOwner>"""


def form4(
    cik: int,
    trades: Sequence[str],
    *,
    owners: Sequence[str] = (owner(),),
    kind: str = "4",
    flag: str | None = None,
    footnotes: Mapping[str, str] = {},
    remarks: str = "",
    derivatives: int = 0,
) -> bytes:
    """The XML of a Form 4, or of a 4/A; `flag` is what aff10b5One says, if there."""
    options = "<derivativeTransaction></derivativeTransaction>" * derivatives
    notes = "".join(
        f'\n        <footnote id="{name}">{escape(text)}</footnote>'
        for name, text in footnotes.items()
    )
    planned = "" if flag is None else f"\n    <aff10b5One>{flag}</aff10b5One>"
    return f"""<?xml version="1.0"?>
<ownershipDocument>

    <schemaVersion>X0508</schemaVersion>

    <documentType>{kind}</documentType>

    <periodOfReport>2023-05-01</periodOfReport>

    <issuer>
        <issuerCik>{cik:010d}</issuerCik>
        <issuerName>COMPANY A</issuerName>
        <issuerTradingSymbol>AAPL</issuerTradingSymbol>
    </issuer>
{"".join(owners)}
{planned}

    <nonDerivativeTable>{"".join(trades)}
    </nonDerivativeTable>

    <derivativeTable>{options}</derivativeTable>

    <footnotes>{notes}
    </footnotes>

    <remarks>{escape(remarks)}</remarks>

    <ownerSignature>
        <signatureName>OWNER A</signatureName>
        <signatureDate>2023-05-03</signatureDate>
    </ownerSignature>
</ownershipDocument>
""".encode()


def _notes(names: Sequence[str]) -> str:
    return "".join(f'<footnoteId id="{name}"/>' for name in names)


def sgml_header(accession: str, form: str, accepted: str) -> bytes:
    """The head of a filing; `accepted` is fourteen digits of New York's clock."""
    return f"""<SEC-HEADER>{accession}.hdr.sgml : {accepted[:8]}
<ACCEPTANCE-DATETIME>{accepted}
ACCESSION NUMBER:\t\t{accession}
CONFORMED SUBMISSION TYPE:\t{form}
PUBLIC DOCUMENT COUNT:\t\t1
FILED AS OF DATE:\t\t{accepted[:8]}
DATE AS OF CHANGE:\t\t{accepted[:8]}
</SEC-HEADER>
""".encode()


def form4_path(cik: int, accession: str, name: str = "wf-form4.xml") -> str:
    """Where the XML of a Form 4 stands."""
    return f"{ARCHIVE}/{cik}/{accession.replace('-', '')}/{name}"


def response(
    kind: str,
    path: str,
    content: bytes,
    *,
    received: pd.Timestamp = RECEIVED,
    group: str = "AAPL",
) -> Response:
    """A response as the raw store gives it back."""
    request = Request("sec", group, kind, path, (), f"{received:%Y-%m-%d}")
    return Response(request, content, hashlib.sha256(content).hexdigest(), received)
