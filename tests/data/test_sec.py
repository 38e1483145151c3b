"""When each filing was known, what is fetched of a company, and what is refused."""

import json

import ml_collections
import numpy as np
import pandas as pd
import pytest
import sec_responses as sec_lib
from sec_responses import company_facts, fact, filing, response

from thesis_rl.data import events
from thesis_rl.data.sources import sec
from thesis_rl.data.sources.keys import BadResponse, NotFound, SourceError, Unavailable

CIK = 320193
LIST = "/submissions/CIK0000320193.json"
OLDER = "CIK0000320193-submissions-001.json"
FACTS = "/api/xbrl/companyfacts/CIK0000320193.json"
ONE, TWO, THREE = (f"0000320193-23-{number:06d}" for number in (1, 2, 3))
FORM4 = "xslF345X05/wf-form4_1.xml"
REFUSAL = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" \
"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
<head><title>SEC.gov | {title}</title></head>
<body><h1>{title}</h1></body></html>"""


def listing(*filings, **options):
    return response("submissions", LIST, sec_lib.submissions(CIK, filings), **options)


def header(accession, accepted, **options):
    path = f"{sec.ARCHIVE}/{CIK}/{accession.replace('-', '')}/{accession}.hdr.sgml"
    content = sec_lib.sgml_header(accession, "10-Q", accepted)
    return response("header", path, content, **options)


def known(*responses):
    """Returns when each filing was known, by accession number."""
    table = sec.parse(responses).events
    table = table[table["field"] == "filing"]
    assert (table["event_time"] == table["knowledge_time"]).all()
    return dict(
        zip(table["document"], table["knowledge_time"].astype(str), strict=True)
    )


@pytest.mark.parametrize(
    "stamp, instant",
    [
        ("2023-02-02T18:01:30.000Z", "2023-02-02 23:01:30"),  # Winter.
        ("2023-08-03T18:01:30.000Z", "2023-08-03 22:01:30"),  # Summer.
        ("2023-11-05T01:30:00.000Z", "2023-11-05 06:30:00"),  # Twice: the later one.
        ("2023-03-12T02:30:00.000Z", "2023-03-12 07:30:00"),  # Never: winter goes on.
        ("1994-01-26T00:00:00.000Z", "1994-01-27 04:59:59"),  # A date only.
        ("1994-01-26T05:00:00.000Z", "1994-01-27 04:59:59"),  # The same, seen from UTC.
    ],
)
def test_the_z_is_new_york_time(stamp, instant):
    assert known(listing(filing(ONE, "10-Q", stamp))) == {ONE: instant}


def test_without_a_time_a_filing_is_known_when_the_door_closed():
    row = filing(ONE, "10-Q", "", filed="2023-02-03")
    assert known(listing(row)) == {ONE: "2023-02-04 03:00:00"}
    nothing = filing(ONE, "10-Q", "", filed="")
    parsed = sec.parse([listing(nothing)])
    assert parsed.events.empty and parsed.rejected["filing without a date"] == 1


def test_the_sgml_header_settles_the_time_of_its_own_filing_only():
    """Of a filer whose Z does mean UTC the header says the earlier instant."""
    filings = [
        filing(ONE, "10-Q", "2023-02-03T21:01:12.000Z"),
        filing(TWO, "8-K", "2023-02-03T21:01:12.000Z"),
    ]
    assert known(listing(*filings), header(ONE, "20230203160112")) == {
        ONE: "2023-02-03 21:01:12",
        TWO: "2023-02-04 02:01:12",
    }


def test_a_filing_cites_its_form_and_the_place_in_its_list():
    filings = [filing(ONE, "10-Q", "2023-02-02T18:01:30.000Z")]
    page = [
        filing(THREE, "8-K", "2009-02-02T18:01:30.000Z"),
        filing(TWO, "10-K/A", "2010-02-02T18:01:30.000Z"),
    ]
    recent = response("submissions", LIST, sec_lib.submissions(CIK, filings))
    older = response("older", f"/submissions/{OLDER}", sec_lib.older_page(page))
    table = sec.parse([recent, older]).events.set_index("document")
    assert set(table["source"]) == {"sec"} and set(table["name"]) == {"AAPL"}
    assert set(table["value"]) == {1.0}
    assert table["text"].to_dict() == {ONE: "10-Q", TWO: "10-K/A", THREE: "8-K"}
    assert table["raw"].to_dict() == {
        ONE: recent.sha256,
        TWO: older.sha256,
        THREE: older.sha256,
    }
    for accession, event in table.iterrows():
        here = recent if event["raw"] == recent.sha256 else older
        found = json.loads(here.content)
        for step in event["place"].split("/")[1:]:
            found = found[int(step)] if isinstance(found, list) else found[step]
        assert found == accession


def test_a_second_days_list_adds_only_what_is_new():
    old = filing(ONE, "10-Q", "2023-02-02T18:01:30.000Z")
    new = filing(TWO, "8-K", "2023-02-04T18:01:30.000Z")
    later = sec_lib.RECEIVED + pd.Timedelta(days=1)
    first, both = listing(old), listing(new, old, received=later)
    table = sec.parse([first, both]).events
    assert table["document"].to_list() == [ONE, TWO]
    assert table["raw"].to_list() == [first.sha256, both.sha256]
    pd.testing.assert_frame_equal(table.iloc[:1], sec.parse([first]).events)


def test_notes_of_banks_are_counted_but_time_their_facts():
    row = filing(ONE, "424B2", "2023-02-02T18:01:30.000Z")
    held = {"us-gaap:Assets": {"USD": [fact("2022-12-31", 1, ONE, "2023-02-02")]}}
    facts = response("facts", FACTS, company_facts(CIK, held))
    parsed = sec.parse([listing(row), facts])
    assert parsed.events["field"].to_list() == ["us-gaap:Assets"]
    assert parsed.events["knowledge_time"].astype(str).item() == "2023-02-02 23:01:30"
    assert parsed.rejected == {"prospectus of a single note": 1}


def test_a_company_without_facts_or_submissions_is_counted():
    row = filing(ONE, "10-Q", "2023-02-02T18:01:30.000Z")
    assert sec.parse([listing(row)]).rejected == {"no company facts": 1}
    empty = sec.parse([])
    assert empty.events.empty and list(empty.events.columns) == list(events.COLUMNS)
    assert empty.rejected == {"company without submissions": 1}


def test_a_form_4_is_read_once_and_one_that_is_missing_is_counted():
    rows = [
        filing(ONE, "4", "2023-05-03T18:30:00.000Z", primary=FORM4),
        filing(TWO, "4", "2023-05-04T18:30:00.000Z", primary=FORM4),
        filing(THREE, "4/A", "2003-05-04T18:30:00.000Z", primary=""),
    ]
    later = sec_lib.RECEIVED + pd.Timedelta(days=1)
    content = sec_lib.form4(CIK, [sec_lib.trade("2023-05-01", "S", "100", "2.5")] * 2)
    other = sec_lib.form4(CIK, [sec_lib.trade("2023-05-01", "S", "100", "9.9")])
    path = sec_lib.form4_path(CIK, ONE)
    unlisted = sec_lib.form4_path(CIK, "0000320193-23-000099")
    parsed = sec.parse(
        [
            listing(*rows),
            response("form4", path, content),
            response("form4", unlisted, content),
            response("form4", path, content, received=later),
            response("form4", path, other, received=later),
        ]
    )
    trades = parsed.events[parsed.events["field"] == "sale"]
    assert trades["value"].to_list() == [250, 250]
    assert set(trades["knowledge_time"].astype(str)) == {"2023-05-03 22:30:00"}
    assert parsed.rejected == {
        "no company facts": 1,
        "Form 4 not fetched": 2,
        "Form 4 of which no list says when it was accepted": 1,
        "Form 4 that changed after it was first read": 1,
    }


class Service:
    """Answers by path, as `get` does, and remembers what was asked."""

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def __call__(self, kind, path, params=()):
        self.asked.append((kind, path))
        answer = self.answers.get(path, NotFound(f"{path}: status 404"))
        if isinstance(answer, Exception):
            raise answer
        return answer


def config(**changes):
    tickers = {"AAPL": {"cik": CIK, "query": ""}}
    basic = {"start": "2020-01-01", "tickers": tickers, "user_agent": "name n@mail.org"}
    return ml_collections.ConfigDict(basic | changes)


def service(xbrl=1):
    page = [
        filing(TWO, "4", "2020-03-02T18:01:30.000Z", primary="xslF345X03/doc4.xml"),
        filing(THREE, "4", "2019-03-02T18:01:30.000Z", primary="xslF345X03/doc4.xml"),
    ]
    filings = [
        filing(
            "0000320193-23-000009", "4/A", "2023-05-03T18:30:00.000Z", primary=FORM4
        ),
        filing("0000320193-23-000008", "4", "2023-05-03T18:30:00.000Z", primary=""),
        filing(ONE, "10-Q", "2023-02-02T18:01:30.000Z", xbrl=xbrl),
    ]
    for row in (*page, *filings[:2]):
        row["isXBRL"] = 0
    return Service(
        {
            LIST: sec_lib.submissions(CIK, filings, {OLDER: page}),
            f"/submissions/{OLDER}": sec_lib.older_page(page),
            FACTS: company_facts(CIK, {}),
        }
    )


def test_fetch_asks_for_every_page_the_facts_and_the_xml_of_each_form_4():
    """The XML lies without the folder of the style sheet; none is older than start."""
    asked = service()
    sec.fetch(asked, "AAPL", config())
    archive = "https://www.sec.gov/Archives/edgar/data/320193"
    assert asked.asked == [
        ("submissions", LIST),
        ("older", f"/submissions/{OLDER}"),
        ("facts", FACTS),
        ("form4", f"{archive}/000032019323000009/wf-form4_1.xml"),
        ("form4", f"{archive}/000032019323000002/doc4.xml"),
    ]


def test_fetch_goes_on_where_a_company_has_no_facts():
    without = service(xbrl=0)
    sec.fetch(without, "AAPL", config())
    assert "facts" not in dict(without.asked)
    gone = service()
    del gone.answers[FACTS]
    sec.fetch(gone, "AAPL", config())
    assert len(gone.asked) == 5


def test_fetch_asks_for_headers_where_the_config_wants_them():
    asked = service()
    sec.fetch(asked, "AAPL", config(sec_headers=True))
    paths = [path for kind, path in asked.asked if kind == "header"]
    assert len(paths) == 4
    assert paths[-2].endswith(f"/320193/000032019323000001/{ONE}.hdr.sgml")


def test_fetch_asks_on_after_a_damaged_answer_and_says_so_at_the_end():
    asked = service()
    asked.answers[FACTS] = BadResponse("facts are cut short")
    with pytest.raises(BadResponse, match="facts are cut short"):
        sec.fetch(asked, "AAPL", config())
    assert len(asked.asked) == 5
    asked = service()
    asked.answers[FACTS] = Unavailable("no network")
    with pytest.raises(Unavailable):
        sec.fetch(asked, "AAPL", config())
    assert len(asked.asked) == 3


def test_fetch_leaves_a_company_whose_answers_are_all_refused():
    filings = [
        filing(f"0000320193-23-{n:06d}", "4", "2023-05-03T18:30:00.000Z", primary=FORM4)
        for n in range(50)
    ]
    asked = Service({LIST: sec_lib.submissions(CIK, filings)})
    for row in filings:
        path = sec_lib.form4_path(CIK, row["accessionNumber"], "wf-form4_1.xml")
        asked.answers[path] = BadResponse("an HTML page")
    with pytest.raises(BadResponse):
        sec.fetch(asked, "AAPL", config())
    assert len(asked.asked) < 10


def test_fetch_needs_a_cik():
    with pytest.raises(SourceError, match="no cik of AAPL.*cik=320193"):
        sec.fetch(service(), "AAPL", config(tickers={"AAPL": {"query": ""}}))


@pytest.mark.parametrize(
    "agent", [None, "", "name", "n@mail.org", "name email", "é n@m.fr"]
)
def test_a_user_agent_without_name_or_address_is_refused(agent):
    given = config()
    with given.ignore_type():
        given.user_agent = agent
    with pytest.raises(Unavailable, match="user_agent is .*your name, a space"):
        sec.headers(given)
    given.user_agent = "first last n@mail.org"
    assert sec.headers(given) == {"User-Agent": "first last n@mail.org"}


GOOD = {
    "submissions": sec_lib.submissions(CIK, []),
    "older": sec_lib.older_page([]),
    "facts": company_facts(CIK, {}),
    "form4": sec_lib.form4(CIK, []),
    "header": sec_lib.sgml_header(ONE, "10-Q", "20230203160112"),
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_whole_answer_is_accepted_and_one_cut_short_is_not(kind):
    content = GOOD[kind]
    sec.check(content)
    sec.check(b"\xef\xbb\xbf" + content)
    end = 60 if kind == "header" else len(content.rstrip())
    for stop in np.linspace(0, end - 1, 30).astype(int):
        with pytest.raises(BadResponse):
            sec.check(content[:stop])


@pytest.mark.parametrize(
    "title, advice",
    [
        ("Request Rate Threshold Exceeded", "wait ten minutes"),
        ("Your Request Originates from an Undeclared Automated Tool", "user_agent"),
        ("Site Temporarily Unavailable", "an HTML page"),
    ],
)
def test_a_page_of_refusal_is_no_answer(title, advice):
    with pytest.raises(BadResponse, match=advice):
        sec.check(REFUSAL.format(title=title).encode())


@pytest.mark.parametrize(
    "content, reason",
    [
        (b'{"message": "Internal server error"}', "JSON with message; want one of"),
        (b"{}", "nothing in it"),
        (
            b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
            b"<Message>The specified key does not exist.</Message></Error>",
            "the root Error",
        ),
        (b"<SEC-HEADER>0000320193-23-000006.hdr.sgml : 20230203\n", "ACCEPTANCE"),
        (b"", "0 bytes"),
    ],
)
def test_an_error_with_status_200_is_no_answer(content, reason):
    with pytest.raises(BadResponse, match=reason):
        sec.check(content)


def test_a_form_that_is_damaged_for_good_is_kept_and_counted():
    """To ask again would bring the same bytes for ever."""
    content = sec_lib.form4(CIK, []).replace(b"COMPANY A", b"COMPANY & A")
    sec.check(content)
    row = filing(ONE, "4", "2023-05-03T18:30:00.000Z", primary=FORM4)
    form = response("form4", sec_lib.form4_path(CIK, ONE), content)
    rejected = sec.parse([listing(row), form]).rejected
    assert rejected["filing that is no Form 4 in XML"] == 1
