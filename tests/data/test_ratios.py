"""Ratios follow from what had been filed: each trap of filings, by hand.

The company of most tests sells 100 a quarter in 2022 and 110 in 2023, earns a tenth of
it, is paid a fifth of it, and has assets of 1,000 and liabilities of 400 throughout.
"""

import numpy as np
import pandas as pd
import pytest

from tests.filings import closes, filing, table
from thesis_rl.data import clock
from thesis_rl.data.features import fundamentals, ratios

YEARS = {2022: ("2022-01-01", "2022-12-31"), 2023: ("2023-01-01", "2023-12-31")}
CASH = "NetCashProvidedByUsedInOperatingActivities"
BALANCE = {"Assets": 1000, "Liabilities": 400}


def annual(year, day, sales=None, **balance):
    sales = sales or {2022: 400, 2023: 440}[year]
    period = YEARS[year]
    said = {"Revenues": {period: sales}, "NetIncomeLoss": {period: sales / 10}}
    said[CASH] = {period: sales / 5}
    said |= {name: {period[1]: value} for name, value in (BALANCE | balance).items()}
    return filing("A", day, said)


def first_quarter(day="2023-05-04", *, sales=110, last=100, **balance):
    """A 10-Q, which says again what the quarter of the year before was."""
    now, before = ("2023-01-01", "2023-03-31"), ("2022-01-01", "2022-03-31")
    said = {
        "Revenues": {before: last, now: sales},
        "NetIncomeLoss": {now: sales / 10, before: last / 10},
        CASH: {before: last / 5, now: sales / 5},
    }
    ends = {name: {now[1]: value} for name, value in (BALANCE | balance).items()}
    ends["Assets"]["2022-12-31"] = 1000.0
    return filing("A", day, said | ends)


def ratios_at(day, *filings, **kwargs):
    """Returns the four ratios of A at the close of a day, by name."""
    found = fundamentals.compute(table(*filings), ["A"], closes(day), **kwargs)
    return {ratio: found[ratio].values[0, 0] for ratio in ratios.RATIOS}


def check(found, **expected):
    """Compares ratios; those that are not named must be missing."""
    missing = dict.fromkeys(ratios.RATIOS, np.nan)
    np.testing.assert_equal(found, missing | expected)


def test_a_stated_year():
    """40 of 1,000; minus (40 - 80) of 1,000; minus 400 of 1,000; no year before."""
    found = ratios_at("2023-03-01", annual(2022, "2023-02-01"))
    check(found, profitability=0.04, accruals=0.04, leverage=-0.4)


def test_growth_compares_with_the_year_before():
    both = annual(2022, "2023-02-01"), annual(2023, "2024-02-01")
    assert ratios_at("2024-03-01", *both)["growth"] == 440 / 400 - 1


def test_a_quarter_takes_the_last_year_minus_the_quarter_of_the_year_before():
    """Comparatives stand in the same filing, before or after, and are not the last."""
    filings = annual(2022, "2023-02-01"), first_quarter()
    found = ratios_at("2023-06-01", *filings)
    check(found, profitability=41 / 1000, accruals=0.041, leverage=-0.4)


def test_cash_flows_are_told_from_quarters_by_their_dates():
    """The second quarter states income of three months, but cash flow of six."""
    half, quarter = ("2023-01-01", "2023-06-30"), ("2023-04-01", "2023-06-30")
    before = ("2022-01-01", "2022-06-30")
    said = {
        CASH: {half: 60, before: 40},
        "NetIncomeLoss": {quarter: 12, half: 23, before: 20},
        "Assets": {half[1]: 1000},
    }
    filings = annual(2022, "2023-02-01"), filing("A", "2023-08-01", said)
    income, cash = 23 + 40 - 20, 60 + 80 - 40
    found = ratios_at("2023-09-01", *filings)
    check(found, profitability=income / 1000, accruals=(cash - income) / 1000)


def test_a_fourth_quarter_is_known_once_both_the_year_and_nine_months_are():
    """A newly listed company: quarters of 2023 alone, and then the first of 2024."""
    stated = {
        "2023-08-01": {("2023-04-01", "2023-06-30"): 10},
        "2023-11-01": {
            ("2023-07-01", "2023-09-30"): 11,
            ("2023-01-01", "2023-09-30"): 30,
        },
        "2024-05-01": {("2024-01-01", "2024-03-31"): 13},
        "2024-06-03": {YEARS[2023]: 42},  # The annual report came late.
    }
    filings = [
        filing("A", day, {"NetIncomeLoss": flows, "Assets": {"2024-03-31": 100}})
        for day, flows in stated.items()
        if day > "2024"
    ] + [
        filing("A", day, {"NetIncomeLoss": f})
        for day, f in stated.items()
        if day < "2024"
    ]
    check(ratios_at("2024-05-31", *filings))
    check(
        ratios_at("2024-06-03", *filings), profitability=(13 + 42 - 30 + 11 + 10) / 100
    )


def test_an_amendment_of_an_old_period_replaces_no_current_one():
    """2021 is restated while 2023 is current; no ratio of 2023 is made of it."""
    old = ("2021-01-01", "2021-12-31")
    late = filing(
        "A", "2024-04-01", {"NetIncomeLoss": {old: -9}, "Assets": {old[1]: 5}}
    )
    filings = annual(2022, "2023-02-01"), annual(2023, "2024-02-01")
    for day in ("2024-04-02", "2024-08-01"):
        assert ratios_at(day, *filings, late) == ratios_at(day, *filings)


def test_a_restated_leg_counts_from_when_it_was_filed_and_leaves_the_age():
    """The quarter of 2022 turns from 100 to 90 a month after the 10-Q of 2023."""
    amended = filing(
        "A", "2023-06-05", {"NetIncomeLoss": {("2022-01-01", "2022-03-31"): 9}}
    )
    facts = table(annual(2022, "2023-02-01"), first_quarter(), amended)
    days = closes("2023-05-04", "2023-06-02", "2023-06-05", "2023-06-06")
    found = fundamentals.compute(facts, ["A"], days)["profitability"]
    np.testing.assert_array_equal(found.values[:, 0], [0.041, 0.041, 0.042, 0.042])
    released = clock.new_york("2023-05-04 10:30")
    np.testing.assert_allclose(
        found.age_days[:, 0], (days - released) / pd.Timedelta("1D")
    )
    first = fundamentals.compute(facts, ["A"], days, mode="first_release")
    assert (first["profitability"].values == 0.041).all()


def test_a_restated_current_period_counts_from_when_it_was_filed():
    amended = annual(2022, "2023-03-06", sales=300)
    filings = annual(2022, "2023-02-01"), amended
    assert ratios_at("2023-03-03", *filings)["profitability"] == 0.04
    assert ratios_at("2023-03-06", *filings)["profitability"] == 0.03


def test_a_filing_counts_from_the_very_instant_of_its_acceptance():
    facts = table(annual(2022, "2023-02-01"), first_quarter("2023-05-04"))
    accepted = clock.new_york("2023-05-04 10:30")
    days = pd.DatetimeIndex([accepted - pd.Timedelta(1), accepted])
    found = fundamentals.compute(facts, ["A"], days)["profitability"].values
    np.testing.assert_array_equal(found[:, 0], [0.04, 0.041])


def test_years_of_53_weeks():
    """53 weeks to 30 December 2023, of which the last quarter has 14, then 13 more."""
    year, quarter = ("2022-12-25", "2023-12-30"), ("2023-12-31", "2024-03-30")
    before = ("2022-12-25", "2023-03-25")
    filings = (
        filing(
            "A", "2024-02-20", {"NetIncomeLoss": {year: 53}, "Assets": {year[1]: 100}}
        ),
        filing(
            "A",
            "2024-05-01",
            {"NetIncomeLoss": {quarter: 15, before: 13}, "Assets": {quarter[1]: 100}},
        ),
    )
    check(ratios_at("2024-03-01", *filings), profitability=0.53)
    check(ratios_at("2024-06-03", *filings), profitability=(15 + 53 - 13) / 100)


@pytest.mark.parametrize(
    "start, found",
    [
        ("2023-01-04", True),
        ("2023-01-05", False),
        ("2022-12-29", True),
        ("2022-12-28", False),
    ],
)
def test_a_start_three_days_from_the_last_end_still_follows_it(start, found):
    """As days of New York: in UTC a period ends on the next day."""
    year, before = ("2022-01-01", "2022-12-31"), ("2022-01-01", "2022-03-31")
    now = (start, "2023-03-31")
    filings = (
        filing("A", "2023-02-01", {"NetIncomeLoss": {year: 40, before: 10}}),
        filing(
            "A", "2023-05-04", {"NetIncomeLoss": {now: 11}, "Assets": {now[1]: 100}}
        ),
    )
    check(ratios_at("2023-06-01", *filings), profitability=0.41 if found else np.nan)


def test_a_tag_that_changed_between_years():
    """2022 was stated under the old tag alone, both quarters under the new."""
    tag = "RevenueFromContractWithCustomerExcludingAssessedTax"
    now, before = ("2023-01-01", "2023-03-31"), ("2022-01-01", "2022-03-31")
    earlier = ("2021-01-01", "2021-12-31"), ("2021-01-01", "2021-03-31")
    filings = (
        filing("A", "2022-05-02", {"SalesRevenueNet": {earlier[1]: 80, before: 100}}),
        filing(
            "A", "2023-02-01", {"SalesRevenueNet": {YEARS[2022]: 400, earlier[0]: 360}}
        ),
        filing("A", "2023-05-04", {tag: {now: 110, before: 100}}),
    )
    growth = (110 + 400 - 100) / (100 + 360 - 80) - 1
    check(ratios_at("2023-06-01", *filings), growth=growth)


def test_a_better_tag_counts_where_both_are_stated():
    said = {"ProfitLoss": {YEARS[2022]: 50}, "Assets": {"2022-12-31": 100}}
    attributable = filing("A", "2023-02-02", {"NetIncomeLoss": {YEARS[2022]: 40}})
    filings = filing("A", "2023-02-01", said), attributable
    check(ratios_at("2023-02-01", *filings), profitability=0.5)
    check(ratios_at("2023-02-02", *filings), profitability=0.4)


def test_liabilities_that_are_not_stated_are_assets_minus_equity():
    ends = {"Assets": {"2022-12-31": 100}, "StockholdersEquity": {"2022-12-31": 30}}
    whole = "StockholdersEquityIncludingPortionAttributableToNoncontrollingInterest"
    filings = [filing("A", "2023-02-01", ends)]
    check(ratios_at("2023-03-01", *filings), leverage=-0.7)
    filings.append(filing("A", "2023-02-02", {whole: {"2022-12-31": 40}}))
    check(ratios_at("2023-03-01", *filings), leverage=-0.6)
    filings.append(filing("A", "2023-02-03", {"Liabilities": {"2022-12-31": 50}}))
    check(ratios_at("2023-03-01", *filings), leverage=-0.5)


def test_a_stale_filer_is_missing_after_200_days():
    facts = table(annual(2022, "2023-02-01"))
    limit = clock.new_york("2023-02-01 10:30") + pd.Timedelta(days=200)
    days = pd.DatetimeIndex([limit, limit + pd.Timedelta(1)])
    found = fundamentals.compute(facts, ["A"], days)["profitability"]
    np.testing.assert_array_equal(found.values[:, 0], [0.04, np.nan])
    assert found.age_days[0, 0] == 200
    longer = fundamentals.compute(facts, ["A"], days, max_age=pd.Timedelta(days=201))
    assert (longer["profitability"].values == 0.04).all()


def test_a_retraction_masks_its_period():
    """The quarter's assets are withdrawn; the year before is not taken instead."""
    gone = filing("A", "2023-06-05", {"Assets": {"2023-03-31": np.nan}})
    filings = annual(2022, "2023-02-01"), first_quarter(), gone
    assert ratios_at("2023-06-02", *filings)["profitability"] == 0.041
    check(ratios_at("2023-06-05", *filings))
    again = filing("A", "2023-06-07", {"Assets": {"2023-03-31": 2000}})
    assert ratios_at("2023-06-07", *filings, again)["profitability"] == 41 / 2000


@pytest.mark.parametrize("assets", [0, -1, np.inf, 1e-320])
def test_assets_that_cannot_divide_mask_their_period(assets):
    check(ratios_at("2023-03-01", annual(2022, "2023-02-01", Assets=assets)))


def test_a_revenue_below_zero_is_a_mistake_on_either_side():
    for sales in ((-400, 440), (400, -440), (0.0, 440)):
        years = zip((2022, 2023), ("2023-02-01", "2024-02-01"), sales, strict=True)
        filings = [
            filing("A", day, {"Revenues": {YEARS[year]: value}})
            for year, day, value in years
        ]
        check(ratios_at("2024-03-01", *filings))


def test_losses_and_outflows_keep_their_sign():
    said = {"NetIncomeLoss": {YEARS[2022]: -30}, CASH: {YEARS[2022]: -50}}
    made = filing("A", "2023-02-01", said | {"Assets": {"2022-12-31": 100}})
    check(ratios_at("2023-03-01", made), profitability=-0.3, accruals=-0.2)


def test_a_number_said_again_moves_nothing():
    """The version, and the facts behind it, stay those of the first filing."""
    once = table(annual(2022, "2023-02-01"))
    twice = table(annual(2022, "2023-02-01"), annual(2022, "2023-03-01"))
    pd.testing.assert_frame_equal(ratios.derive(once), ratios.derive(twice))


def test_of_two_values_in_one_filing_the_later_counts():
    rows = annual(2022, "2023-02-01")
    again = {**rows[1], "value": 70.0}
    assert ratios_at("2023-03-01", [*rows, again])["profitability"] == 0.07
    assert ratios_at("2023-03-01", [again, *rows])["profitability"] == 0.04


def test_no_facts_at_all():
    check(ratios_at("2023-03-01"))
    other = filing("A", "2023-02-01", {"GrossProfit": {YEARS[2022]: 1}})
    check(ratios_at("2023-03-01", other))
