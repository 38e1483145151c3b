"""Facts are known when their own filing was; `frame`, `fy` and `fp` count nowhere."""

import json
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sec_responses import RECEIVED, company_facts, fact, response

from thesis_rl.data import events
from thesis_rl.data.sources import facts
from thesis_rl.data.sources.parsed import consolidate

CIK = 320193
PATH = "/api/xbrl/companyfacts/CIK0000320193.json"
Q1, Q2, Q1_LATER, AMENDED = (f"0000320193-22-{number:06d}" for number in range(4))
ACCEPTED = pd.Series(
    {
        Q1: pd.Timestamp("2022-02-01 23:01:00"),
        Q2: pd.Timestamp("2022-05-02 22:01:00"),
        Q1_LATER: pd.Timestamp("2023-02-01 23:01:00"),
        AMENDED: pd.Timestamp("2023-03-01 23:01:00"),
    }
)
ASSETS, INCOME = "us-gaap:Assets", "us-gaap:NetIncomeLoss"


def read(held, **options):
    """Returns the events of company facts, and what was left out."""
    content = company_facts(CIK, held)
    found, rejected = facts.rows(
        [response("facts", PATH, content, **options)], "AAPL", ACCEPTED
    )
    return consolidate(found), rejected


def assets(*rows):
    return read({ASSETS: {"USD": list(rows)}})


def as_of(table, day):
    return events.as_of(table, ["AAPL"], [pd.Timestamp(day)])[0].item()


def test_a_fact_becomes_an_event():
    table, rejected = read(
        {
            INCOME: {
                "USD": [fact("2021-12-31", 34, Q1, "2022-02-02", start="2021-10-01")]
            }
        }
    )
    assert rejected == {}
    event = table.iloc[0]
    assert (event["source"], event["name"]) == ("sec", "AAPL")
    assert (event["field"], event["value"], event["document"]) == (INCOME, 34, Q1)
    assert str(event["event_time"]) == "2022-01-01 04:59:59"  # New York's midnight.
    assert str(event["period_start"]) == "2021-10-01 04:00:00"  # In summer time.
    assert event["knowledge_time"] == ACCEPTED[Q1]
    assert event["place"] == "/facts/us-gaap/NetIncomeLoss/units/USD/0"
    table, _ = assets(fact("2021-12-31", 34, Q1, "2022-02-02"))
    assert table["period_start"].isna().all()


def test_places_lead_back_to_the_numbers():
    held = {
        ASSETS: {
            "USD": [fact(f"202{n}-12-31", n, Q1_LATER, "2023-02-01") for n in (0, 1)]
        },
        "dei:EntityCommonStockSharesOutstanding": {
            "shares": [fact("2023-01-20", 9, Q1_LATER, "2023-02-01")]
        },
    }
    content = json.loads(company_facts(CIK, held))
    table, _ = read(held)
    assert len(table) == 3
    for event in table.to_dict("records"):
        found = content
        for step in event["place"].split("/")[1:]:
            found = found[int(step)] if isinstance(found, list) else found[step]
        assert (found["val"], found["accn"]) == (event["value"], event["document"])


def test_a_filing_that_no_list_has_counts_as_accepted_when_the_door_closed():
    table, _ = assets(fact("2021-12-31", 1, "0000950170-22-000009", "2022-02-02"))
    assert table["knowledge_time"].astype(str).item() == "2022-02-03 03:00:00"


def test_frame_fy_and_fp_change_nothing():
    """`frame` stands on the last filing only: to select on it is to know it late."""
    first = fact("2021-12-31", 1, Q1, "2022-02-02")
    again = fact("2021-12-31", 1, Q1_LATER, "2023-02-02")
    plain, _ = assets(first, again)
    framed, _ = assets(
        fact("2021-12-31", 1, Q1, "2022-02-02", fy=1999, fp="FY", form="8-K"),
        fact("2021-12-31", 1, Q1_LATER, "2023-02-02", frame="CY2021Q4I"),
    )
    kept = plain.columns.drop("raw")
    pd.testing.assert_frame_equal(plain[kept], framed[kept])
    assert plain["knowledge_time"].to_list() == [ACCEPTED[Q1], ACCEPTED[Q1_LATER]]


def test_last_years_figure_in_this_years_filing_never_stands_for_this_year():
    table, _ = assets(
        fact("2021-12-31", 100, Q1, "2022-02-02"),
        fact("2022-12-31", 200, Q1_LATER, "2023-02-02"),
        fact("2021-12-31", 111, Q1_LATER, "2023-02-02"),  # Restated, too.
    )
    assert as_of(table, "2022-02-01 23:00:59") != 100
    assert as_of(table, "2022-02-01 23:01") == 100
    assert as_of(table, "2023-02-02") == 200


def test_an_amendment_is_known_when_it_was_accepted():
    table, _ = assets(
        fact("2022-12-31", 200, Q1_LATER, "2023-02-02", form="10-K"),
        fact("2022-12-31", 190, AMENDED, "2023-03-02", form="10-K/A"),
    )
    assert as_of(table, "2023-03-01 23:00:59") == 200
    assert as_of(table, "2023-03-01 23:01:00") == 190


def test_year_to_date_flows_keep_their_start():
    """Six months and three months end on one day, and are two facts."""
    cash = "us-gaap:NetCashProvidedByUsedInOperatingActivities"
    table, rejected = read(
        {
            cash: {
                "USD": [
                    fact("2022-03-31", 60, Q2, "2022-05-03", start="2021-10-01"),
                    fact("2022-03-31", 25, Q2, "2022-05-03", start="2022-01-01"),
                ]
            }
        }
    )
    assert rejected == {}
    starts = table["period_start"].astype(str).to_list()
    assert starts == ["2021-10-01 04:00:00", "2022-01-01 05:00:00"]
    assert table["event_time"].nunique() == 1
    assert table["value"].to_list() == [60, 25]


def test_two_values_of_one_filing_are_both_kept_and_the_later_counts():
    table, rejected = assets(
        fact("2021-12-31", 100, Q1, "2022-02-02"),
        fact("2021-12-31", 101, Q1, "2022-02-02", fp="FY"),
        fact("2021-12-31", 101, Q1, "2022-02-02", fp="Q4"),
    )
    assert table["value"].to_list() == [100, 101]
    assert rejected == {facts.SAID_TWICE: 1}
    assert as_of(table, "2022-03-01") == 101


def test_units_and_other_concepts_are_counted_and_no_events():
    row = [fact("2021-12-31", 1, Q1, "2022-02-02")]
    shares = "dei:EntityCommonStockSharesOutstanding"
    table, rejected = read(
        {
            ASSETS: {"USD": row, "EUR": row * 2},
            shares: {"shares": row, "USD": row},
            "us-gaap:EarningsPerShareBasic": {"USD/shares": row * 3},
            "ifrs-full:Assets": {"USD": row},
            "dei:Assets": {"USD": row},
        }
    )
    assert sorted(table["field"]) == [shares, ASSETS]
    assert rejected == {
        facts.OTHER_CONCEPTS: 5,
        "unit EUR, not USD": 2,
        "unit USD, not shares": 1,
    }


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"val": None}, "val is no number"),
        ({"val": "n/a"}, "val is no number"),
        ({"accn": None}, "no accession number"),
        ({"end": "2021-02-30"}, "end is no date"),
        ({"end": "0021-12-31"}, "end is no date"),
        ({"end": None}, "end is no date"),
        ({"filed": ""}, "filed is no date"),
        ({"start": "99999-01-01"}, "start is no date"),
        ({"start": "2022-01-01"}, "period starts after it ends"),
        ({"end": "2031-12-31"}, "period ends after the filing"),
    ],
)
def test_what_cannot_be_right_is_left_out_and_counted(change, reason):
    good = fact("2021-12-31", 1, Q1, "2022-02-02")
    table, rejected = assets(good, good | change)
    assert len(table) == 1 and rejected == {reason: 1}


def test_cover_page_shares_may_be_dated_on_the_day_of_filing():
    shares = "dei:EntityCommonStockSharesOutstanding"
    table, rejected = read(
        {shares: {"shares": [fact("2022-02-01", 9, Q1, "2022-02-01")]}}
    )
    assert rejected == {} and as_of(table, "2022-02-02 05:00") == 9


def test_a_silent_change_is_known_when_it_was_received():
    later = RECEIVED + pd.Timedelta(days=30)
    pulls = [
        response(
            "facts",
            PATH,
            company_facts(
                CIK, {ASSETS: {"USD": [fact("2021-12-31", value, Q1, "2022-02-02")]}}
            ),
            received=when,
        )
        for value, when in ((100, RECEIVED), (120, later))
    ]
    table = consolidate(facts.rows(pulls, "AAPL", ACCEPTED)[0])
    assert table["value"].to_list() == [100, 120]
    assert table["knowledge_time"].to_list() == [ACCEPTED[Q1], later]


def test_the_same_bytes_of_many_days_are_read_once():
    content = company_facts(
        CIK, {ASSETS: {"USD": [fact("2021-12-31", 1, Q1, "2022-02-02")]}}
    )
    pulls = [
        response("facts", PATH, content, received=RECEIVED + pd.Timedelta(days=day))
        for day in range(5)
    ]
    found, _ = facts.rows(pulls, "AAPL", ACCEPTED)
    assert len(found) == 1 and found[0][1] == RECEIVED


def test_no_response_and_an_empty_one_are_counted():
    assert facts.rows([], "AAPL", ACCEPTED) == ([], {facts.NONE_FETCHED: 1})
    table, rejected = read({})
    assert table.empty and rejected == {facts.NONE_FETCHED: 1}


days = st.dates(pd.Timestamp("2019-01-01").date(), pd.Timestamp("2022-12-31").date())


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(days, days, st.sampled_from([Q1, "0000000001-22-000001"]))))
def test_each_fact_is_an_event_or_counted(drawn):
    """One by one and with Python's own dates, the facts give what the columns gave."""
    listed = [
        fact(str(end), row, accn, str(filed))
        for row, (end, filed, accn) in enumerate(drawn)
    ]
    table, rejected = assets(*listed)
    wanted = {}
    for row, (end, filed, accn) in enumerate(drawn):
        if end <= filed:
            door = pd.Timestamp(filed) + pd.Timedelta(hours=22)
            utc = door.tz_localize("America/New_York").tz_convert(None)
            wanted[row] = ACCEPTED.get(accn, utc)
    assert len(table) + sum(rejected.values()) - rejected.get(
        facts.SAID_TWICE, 0
    ) == len(listed)
    found = dict(zip(table["value"].astype(int), table["knowledge_time"], strict=True))
    assert found == wanted


def test_a_company_of_many_megabytes_takes_a_moment():
    """Ten thousand numbers that count among a hundred thousand."""
    ends = pd.date_range("2010-03-31", periods=50, freq="QE").strftime("%Y-%m-%d")
    row = [
        fact(
            end, 1e9 + n, Q1_LATER, "2023-02-02", start="2009-01-01", frame="CY2022Q4I"
        )
        for n, end in enumerate(np.repeat(ends, 8))
    ]
    held = {f"us-gaap:{concept}": {"USD": row} for concept in facts.CONCEPTS["us-gaap"]}
    held |= {f"us-gaap:Other{number}": {"USD": row} for number in range(220)}
    pull = response("facts", PATH, company_facts(CIK, held))
    assert len(pull.content) > 15e6
    started = time.process_time()
    found, rejected = facts.rows([pull], "AAPL", ACCEPTED)
    assert time.process_time() - started < 3
    assert rejected[facts.OTHER_CONCEPTS] == 220 * 400
    kept = sum(unit == "USD" for unit in facts.CONCEPTS["us-gaap"].values())
    assert len(found) == kept * 400
