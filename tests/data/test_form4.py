"""Only what insiders chose to buy and sell counts, once, from acceptance on."""

import itertools

import pandas as pd
import pytest
import sec_responses as sec_lib
from hypothesis import given, settings
from hypothesis import strategies as st
from sec_responses import owner, trade

from thesis_rl.data import events
from thesis_rl.data.sources import form4
from thesis_rl.data.sources.keys import BadResponse

CIK = 320193
MAY_3 = pd.Timestamp("2023-05-03 22:30:00")
MAY_9 = pd.Timestamp("2023-05-09 22:30:00")
MAY_12 = pd.Timestamp("2023-05-12 22:30:00")
NUMBERS = (f"0000320193-23-{number:06d}" for number in itertools.count(1))
FIRST, SECOND, THIRD = itertools.islice(NUMBERS, 3)
BOUGHT = trade("2023-05-01", "P", "100", "2.50")
SOLD = trade("2023-05-01", "S", "1000", "165.02")


def document(*trades, accession=FIRST, accepted=MAY_3, **options):
    content = sec_lib.form4(CIK, trades, **options)
    return form4.Document(accession, accepted, content, f"hash of {accession}")


def read(*documents):
    found, rejected = form4.rows(documents, "AAPL", CIK)
    return events.table(found), rejected


def test_purchases_and_sales_become_events():
    table, rejected = read(document(BOUGHT, SOLD))
    assert rejected == {}
    assert table["field"].to_list() == ["purchase", "sale"]
    assert table["value"].to_list() == [250.0, pytest.approx(165_020)]
    assert set(table["event_time"].astype(str)) == {"2023-05-02 03:59:59"}
    assert set(table["knowledge_time"]) == {MAY_3}
    assert set(table["source"]) == {"sec"} and set(table["name"]) == {"AAPL"}
    assert set(table["document"]) == {FIRST}
    assert set(table["raw"]) == {f"hash of {FIRST}"}
    places = ["nonDerivativeTransaction[1]", "nonDerivativeTransaction[2]"]
    assert table["place"].to_list() == places
    assert table["text"].str.startswith("officer, Chief Financial Officer").all()


def test_places_are_those_of_the_document():
    """The third transaction keeps its place, though the first two do not count."""
    grant = trade("2023-05-01", "A", "100", "0")
    made = document(grant, trade("2023-05-01", "S", "100", None), SOLD)
    table, _ = read(made)
    path = f"nonDerivativeTable/{table['place'].item()}"
    shares = form4.read(made.content).findtext(
        f"{path}/transactionAmounts/transactionShares/value"
    )
    assert shares == "1000"


@pytest.mark.parametrize("code", ["A", "M", "F", "G", "D", "X", "J", ""])
def test_other_codes_do_not_count(code):
    table, rejected = read(document(trade("2023-05-01", code, "100", "2.5")))
    assert table.empty and rejected == {"code other than P and S": 1}


def test_derivatives_do_not_count():
    table, rejected = read(document(SOLD, derivatives=2))
    assert len(table) == 1 and rejected == {"transaction in derivatives": 2}


@pytest.mark.parametrize(
    "flag, planned",
    [("1", True), ("true", True), ("0", False), ("false", False), (None, False)],
)
def test_a_form_marked_as_a_plan_does_not_count(flag, planned):
    table, rejected = read(document(SOLD, BOUGHT, flag=flag))
    assert len(table) == (0 if planned else 2)
    assert rejected == ({"10b5-1 plan": 2} if planned else {})


@pytest.mark.parametrize(
    "words",
    [
        "pursuant to a Rule 10b5-1 trading plan adopted on May 1, 2022.",
        "under a 10b-5-1 plan",
        "under Rule 10(b)5-1",
        "under Rule 10b5\u20111",
        "under Rule 10B5\u20131",
        "under Rule 10b5 -1(c)",
    ],
)
def test_a_footnote_on_a_plan_takes_out_its_own_transaction(words):
    notes = {"F1": f"The sale was effected {words}", "F2": "Held by a trust."}
    planned = trade("2023-05-01", "S", "10", "1", notes=["F1"])
    at_price = trade("2023-05-01", "S", "10", "1", price_notes=["F2", "F1"])
    free = trade("2023-05-01", "S", "10", "7", notes=["F2"])
    table, rejected = read(document(planned, at_price, free, footnotes=notes))
    assert table["value"].to_list() == [70]
    assert rejected == {"10b5-1 plan": 2}


@pytest.mark.parametrize(
    "words", ["under Rule 10b-5", "Rule 16b-3", "10 shares, 5-1 vote"]
)
def test_other_rules_are_no_plans(words):
    noted = trade("2023-05-01", "S", "10", "1", notes=["F1"])
    table, _ = read(document(noted, footnotes={"F1": words}))
    assert len(table) == 1


def test_remarks_on_a_plan_take_out_the_form():
    table, rejected = read(document(SOLD, remarks="Sold under a Rule 10b5-1 plan."))
    assert table.empty and rejected == {"10b5-1 plan": 1}


@pytest.mark.parametrize(
    "entry, reason",
    [
        (
            trade("2023-05-01", "S", "9", None, price_notes=["F1"]),
            "price in a footnote",
        ),
        (trade("2023-05-01", "S", "9", None), "price no number above 0"),
        (trade("2023-05-01", "S", "9", "0"), "price no number above 0"),
        (trade("2023-05-01", "S", "9", "inf"), "price no number above 0"),
        (trade("2023-05-01", "S", "9", "2.5 USD"), "price no number above 0"),
        (trade("2023-05-01", "S", "", "2.5"), "shares no number above 0"),
        (trade("2023-05-01", "S", "-9", "2.5"), "shares no number above 0"),
        (trade("2023-05-01", "S", "nan", "2.5"), "shares no number above 0"),
        (trade("2023-05-01", "P", "9", "1", side="D"), "bought yet disposed of"),
        (trade("2023-05-01", "S", "9", "1", side="A"), "sold yet acquired"),
        (trade("2023-05-04", "S", "9", "1"), "transaction dated after its filing"),
        (trade("2032-05-01", "S", "9", "1"), "transaction dated after its filing"),
        (trade("0023-05-01", "S", "9", "1"), "more than 20 years before its filing"),
        (trade("2023-02-30", "S", "9", "1"), "transaction date is no date"),
        (trade("05/01/2023", "S", "9", "1"), "transaction date is no date"),
        (trade("", "S", "9", "1"), "transaction date is no date"),
    ],
)
def test_what_cannot_be_right_is_left_out_and_counted(entry, reason):
    table, rejected = read(document(entry, SOLD, footnotes={"F1": "Weighted average."}))
    assert table["place"].to_list() == ["nonDerivativeTransaction[2]"]
    ((found, count),) = rejected.items()
    assert reason in found and count == 1


def test_a_price_with_a_footnote_beside_it_counts():
    noted = trade("2023-05-01", "S", "10", "7", price_notes=["F1"])
    table, rejected = read(document(noted, footnotes={"F1": "From $6.90 to $7.10."}))
    assert table["value"].to_list() == [70] and rejected == {}


def test_a_date_may_carry_a_zone():
    table, _ = read(document(trade("2023-05-01-05:00", "S", "10", "7")))
    assert table["event_time"].astype(str).item() == "2023-05-02 03:59:59"


def test_a_trade_filed_years_late_is_known_when_filed():
    """The delay is what it is: a join on the day of the trade would leak it."""
    table, rejected = read(document(trade("2019-01-02", "S", "10", "7")))
    assert rejected == {}
    assert table["knowledge_time"].item() == MAY_3
    assert table["event_time"].astype(str).item() == "2019-01-03 04:59:59"


def test_a_trade_may_be_filed_in_the_evening_of_its_day():
    """22:00 in New York is the next day in UTC."""
    late = pd.Timestamp("2023-05-02 02:00:00")
    tomorrow = trade("2023-05-02", "S", "10", "7")
    table, rejected = read(document(SOLD, tomorrow, accepted=late))
    assert table["place"].to_list() == ["nonDerivativeTransaction[1]"]
    assert rejected == {"transaction dated after its filing": 1}


def test_several_owners_of_one_filing_count_once():
    fund = owner("0002222222", "OWNER B", officer="false", ten_percent="true", title="")
    board = owner("0003333333", "OWNER C", director="true", officer="0", title="")
    table, rejected = read(document(BOUGHT, owners=[fund, board]))
    assert len(table) == 1 and rejected == {}
    assert table["text"].item().startswith("10% owner; director")


def test_equal_lots_of_one_day_all_count():
    """They differ in nothing but their place, and the store must not merge them."""
    table, _ = read(document(SOLD, SOLD, SOLD))
    assert len(table) == 3
    assert not table.drop(columns=["seq", "raw", "place"]).duplicated().any()


def test_shares_of_another_company_do_not_count():
    """A company that owns others' shares has their Form 4s in its own list."""
    other = form4.Document(FIRST, MAY_3, sec_lib.form4(797468, [BOUGHT]), "")
    table, rejected = read(other)
    assert table.empty and rejected == {"filing about another issuer": 1}


def amended(*trades, accession=SECOND, accepted=MAY_9, **options):
    return document(
        *trades, accession=accession, accepted=accepted, kind="4/A", **options
    )


def in_force(table, at):
    """Returns the values that count at an instant, by document and place."""
    seen = table[table["knowledge_time"] <= at].sort_values(["knowledge_time", "seq"])
    latest = seen.drop_duplicates(["document", "place"], keep="last")
    return sorted(latest["value"].dropna())


def test_an_amendment_replaces_from_its_acceptance_on():
    twin = trade("2023-05-01", "S", "10", "7")
    mended = trade("2023-05-01", "S", "10", "8")
    table, _ = read(document(twin, BOUGHT), amended(mended))
    assert in_force(table, MAY_9 - pd.Timedelta("1s")) == [70, 250]
    assert in_force(table, MAY_9) == [80, 250]
    back = table[table["value"].isna()].iloc[0]
    old = table.iloc[0]
    same = ["name", "field", "event_time", "document", "place", "text"]
    pd.testing.assert_series_equal(back[same], old[same], check_names=False)
    assert back["knowledge_time"] == MAY_9 and back["raw"] == f"hash of {SECOND}"


def test_an_amendment_takes_back_every_lot_of_its_day_and_code():
    lots = [trade("2023-05-01", "S", "10", price) for price in ("7", "8")]
    table, _ = read(document(*lots), amended(trade("2023-05-01", "S", "10", "9")))
    assert in_force(table, MAY_9) == [90]


@pytest.mark.parametrize(
    "other, options",
    [
        (trade("2023-05-02", "S", "10", "9"), {}),
        (trade("2023-05-01", "P", "10", "9"), {}),
        (trade("2023-05-01", "S", "10", "9"), {"owners": [owner("0009999999")]}),
    ],
    ids=["day", "code", "owner"],
)
def test_an_amendment_leaves_what_it_does_not_name(other, options):
    table, _ = read(
        document(trade("2023-05-01", "S", "10", "7")), amended(other, **options)
    )
    assert in_force(table, MAY_9) == [70, 90]


def test_an_amendment_that_names_a_plan_takes_the_trade_out():
    table, rejected = read(document(SOLD), amended(SOLD, flag="1"))
    assert in_force(table, MAY_3) and in_force(table, MAY_9) == []
    assert rejected == {"10b5-1 plan": 1}


def test_an_amendment_of_an_amendment_replaces_it_alone():
    prices = ("7", "8", "9")
    first, second, third = (trade("2023-05-01", "S", "10", price) for price in prices)
    last = amended(third, accession=THIRD, accepted=MAY_12)
    table, _ = read(last, document(first), amended(second))  # In any order.
    assert [in_force(table, at) for at in (MAY_3, MAY_9, MAY_12)] == [[70], [80], [90]]
    assert table["value"].isna().sum() == 2


def test_a_plain_form_4_takes_nothing_back():
    more = document(SOLD, accession=SECOND, accepted=MAY_9)
    table, _ = read(document(SOLD), more)
    assert len(in_force(table, MAY_9)) == 2


filings = st.lists(
    st.tuples(
        st.booleans(),  # Whether it amends.
        st.sampled_from([("0001",), ("0002",), ("0001", "0002")]),
        st.lists(st.tuples(st.sampled_from("PS"), st.integers(1, 2)), max_size=3),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=60)
@given(filings, st.randoms())
def test_amendments_against_the_rule_itself(drawn, shuffler):
    """At each filing, alive is what no later amendment by a same owner names again."""
    documents = [
        document(
            *(trade(f"2023-05-0{day}", code, "1", str(n + 1)) for code, day in trades),
            accession=f"0000000001-23-{n:06d}",
            accepted=MAY_3 + pd.Timedelta(days=n),
            kind="4/A" if amends else "4",
            owners=[owner(cik) for cik in owners],
        )
        for n, (amends, owners, trades) in enumerate(drawn)
    ]
    shuffler.shuffle(documents)
    table, _ = read(*documents)
    taken_back = table[table["value"].isna()]
    assert not taken_back.duplicated(["document", "place"]).any()
    for last in range(len(drawn)):
        alive = [
            float(n + 1)
            for n in range(last + 1)
            for what in drawn[n][2]
            if not any(
                amends and what in named and set(owners) & set(drawn[n][1])
                for amends, owners, named in drawn[n + 1 : last + 1]
            )
        ]
        assert in_force(table, MAY_3 + pd.Timedelta(days=last)) == alive


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE x SYSTEM "file:///etc/hostname">',
    ],
)
def test_a_document_type_is_refused_in_any_encoding(declared, encoding):
    text = f'<?xml version="1.0"?>{declared}<ownershipDocument>&b;</ownershipDocument>'
    content = text.encode(encoding)
    with pytest.raises(BadResponse, match="DOCTYPE"):
        form4.read(content)
    table, rejected = read(form4.Document(FIRST, MAY_3, content, ""), document(SOLD))
    assert len(table) == 1 and sum(rejected.values()) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"<ownershipDocument><issuer>",
        b"<Error><Code>NoSuchKey</Code></Error>",
        b'<?xml version="1.0" encoding="no-such"?><ownershipDocument/>',
    ],
)
def test_what_is_no_form_is_counted(content):
    table, rejected = read(form4.Document(FIRST, MAY_3, content, ""))
    assert table.empty and rejected == {"filing that is no Form 4 in XML": 1}
