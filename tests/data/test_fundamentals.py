"""Quality agrees with its definition, and nothing filed later changes it."""

import numpy as np
import pandas as pd
import pytest

from tests import plain_ratios
from tests.filings import closes, filing, table
from thesis_rl.data.features import fundamentals, ratios

NAMES = ["A", "B", "C", "D"]
FLOWS = ("NetIncomeLoss", "Revenues", "SalesRevenueNet")
CASH = "NetCashProvidedByUsedInOperatingActivities"
ENDS = pd.date_range("2021-06-30", "2023-03-31", freq="QE")


def quarters_of(end):
    """Names the periods that end on a day: the quarter and the year to date."""
    first = end - pd.offsets.MonthBegin(3)
    return (
        {first, pd.Timestamp(end.year, 1, 1)}
        if end.month < 12
        else {end.replace(month=1, day=1)}
    )


def report(rng, name, end):
    """Makes a 10-Q or 10-K: some facts lack, some comparatives are restated."""
    said = {}
    for concept in (*FLOWS, CASH, "ProfitLoss"):
        for year in (0, 1):
            for start in quarters_of(end):
                period = tuple(
                    f"{day - pd.DateOffset(years=year):%Y-%m-%d}"
                    for day in (start, end)
                )
                if rng.random() < 0.75:
                    said.setdefault(concept, {})[period] = rng.integers(-3, 30)
    for concept in ("Assets", "Liabilities", "StockholdersEquity"):
        if rng.random() < 0.8:
            said[concept] = {f"{end:%Y-%m-%d}": rng.integers(-1, 60)}
    delay = pd.Timedelta(days=int(rng.integers(20, 150)))
    return filing(name, f"{end + delay:%Y-%m-%d}", said)


def market(seed):
    """Makes facts of four names, in any order, some of them retracted."""
    rng = np.random.default_rng(seed)
    reports = [report(rng, name, end) for name in NAMES for end in ENDS]
    facts = table(*reports)
    gone = facts.sample(frac=0.03, random_state=seed).assign(value=np.nan)
    gone["knowledge_time"] += pd.to_timedelta(rng.integers(0, 90, len(gone)), unit="D")
    gone["seq"] += len(facts)
    return pd.concat([facts, gone], ignore_index=True).sample(frac=1, random_state=seed)


DAYS = pd.bdate_range("2021-08-02", "2023-12-29", freq="15B") + pd.Timedelta(hours=21)


@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_its_definition(seed):
    facts = market(seed)
    found = fundamentals.compute(facts, NAMES, DAYS)
    shape = (len(ratios.RATIOS), len(DAYS), len(NAMES))
    values, ages = np.empty((2, *shape))
    for n, name in enumerate(NAMES):
        told = plain_ratios.history(facts[facts["name"] == name])
        for r, ratio in enumerate(ratios.RATIOS):
            for t, day in enumerate(DAYS):
                at = told, ratio, day, pd.Timedelta(days=200)
                values[r, t, n], ages[r, t, n] = plain_ratios.ratio_at(*at)
    for r, ratio in enumerate(ratios.RATIOS):
        assert np.isfinite(values[r]).mean() > 0.1, ratio
        np.testing.assert_array_equal(found[ratio].values, values[r])
        np.testing.assert_allclose(found[ratio].age_days, ages[r], rtol=1e-12)
    for t in range(len(DAYS)):
        score, oldest = plain_ratios.quality_at(values[:, t], ages[:, t])
        np.testing.assert_allclose(found["f_quality"].values[t], score, rtol=1e-12)
        np.testing.assert_allclose(found["f_quality"].age_days[t], oldest, rtol=1e-12)
    assert np.isfinite(found["f_quality"].values).any()


def test_what_is_filed_later_changes_no_bit():
    """After the cut all values are wild, and periods of the past are restated."""
    facts, cut = market(7), DAYS[20]
    later = facts["knowledge_time"] > cut
    poisoned = facts.assign(value=facts["value"].where(~later, 1e15))
    early = facts[~later].assign(value=-1e9, knowledge_time=cut + pd.Timedelta(1))
    poisoned = pd.concat([poisoned.sample(frac=1, random_state=0), early])
    before = fundamentals.compute(facts, NAMES, DAYS)
    after = fundamentals.compute(poisoned, NAMES, DAYS)
    for feature, aged in before.items():
        for part, again in zip(aged, after[feature], strict=True):
            assert part[:21].tobytes() == again[:21].tobytes(), feature
    assert not np.array_equal(
        before["accruals"].values[21:], after["accruals"].values[21:]
    )


def test_cited_facts_alone_give_the_same_ratios():
    facts = market(11)
    found = fundamentals.compute(facts, NAMES, DAYS)
    cited = 0
    for t in range(0, len(DAYS), 5):
        for ratio in ratios.RATIOS:
            value = found[ratio].values[t, 1]
            rows = fundamentals.cite(facts, ratio, "B", DAYS[t])
            assert rows.empty == np.isnan(value)
            assert (rows["knowledge_time"] <= DAYS[t]).all()
            again = fundamentals.compute(rows, ["B"], DAYS[[t]])[ratio].values[0, 0]
            np.testing.assert_equal(again, value)
            cited += len(rows)
    assert cited > 30


def test_quality_cites_the_facts_of_all_its_ratios():
    facts, day = market(11), DAYS[20]
    of_ratios = [fundamentals.cite(facts, ratio, "B", day) for ratio in ratios.RATIOS]
    rows = fundamentals.cite(facts, "f_quality", "B", day)
    assert set(rows.index) == set().union(*(each.index for each in of_ratios))
    assert rows.index.is_unique and len(rows) > 2


def test_cites_the_very_legs():
    """The first quarter of 2023: to date, the year 2022, minus the quarter of 2022."""
    now, year, before = (
        ("2023-01-01", "2023-03-31"),
        ("2022-01-01", "2022-12-31"),
        ("2022-01-01", "2022-03-31"),
    )
    facts = table(
        filing(
            "A", "2023-02-01", {"NetIncomeLoss": {year: 40}, "Assets": {year[1]: 90}}
        ),
        filing("A", "2023-05-04", {"NetIncomeLoss": {before: 10, now: 11}}),
        filing("A", "2023-05-05", {"Assets": {now[1]: 100}, "Revenues": {now: 1}}),
    )
    rows = fundamentals.cite(facts, "profitability", "A", closes("2023-06-01")[0])
    assert rows["value"].to_list() == [40, 10, 11, 100]
    assert rows["document"].to_list() == [
        "A of 2023-02-01",
        "A of 2023-05-04",
        "A of 2023-05-04",
        "A of 2023-05-05",
    ]
    assert list(rows.columns) == list(facts.columns)


def company(name, income, liabilities, day="2023-02-01"):
    year = ("2022-01-01", "2022-12-31")
    said = {"NetIncomeLoss": {year: income}, "Assets": {year[1]: 100}}
    return filing(name, day, said | {"Liabilities": {year[1]: liabilities}})


def quality(*companies, names=NAMES, **kwargs):
    days = closes("2023-03-01")
    return fundamentals.compute(table(*companies), names, days, **kwargs)["f_quality"]


def test_more_profit_and_less_debt_are_better_and_the_middle_is_0():
    three = company("A", 30, 10), company("B", 20, 20), company("C", 10, 30)
    np.testing.assert_array_equal(quality(*three).values, [[1, 0, -1, np.nan]])
    four = *three, company("D", 10, 10)
    mean = [[(1 + 2 / 3) / 2, 0, (-2 / 3 - 1) / 2, 0]]
    np.testing.assert_allclose(quality(*four).values, mean, atol=1e-15)


def test_fewer_than_three_names_are_not_ranked():
    two = company("A", 30, 10), company("B", 20, 20)
    assert np.isnan(quality(*two).values).all()


def test_one_ratio_is_no_score():
    bare = filing(
        "D",
        "2023-02-01",
        {"Assets": {"2022-12-31": 9}, "Liabilities": {"2022-12-31": 1}},
    )
    three = company("A", 30, 10), company("B", 20, 20), company("C", 10, 30)
    assert np.isnan(quality(*three, bare).values).tolist() == [[False] * 3 + [True]]


def test_it_is_as_old_as_its_oldest_ratio():
    late = filing("A", "2023-02-11", {CASH: {("2022-01-01", "2022-12-31"): 9}})
    three = company("A", 30, 10), company("B", 20, 20), company("C", 10, 30)
    ages = quality(*three, late).age_days
    assert ages[0, 0] == ages[0, 1] > 28
    assert np.isnan(ages[0, 3])


def test_only_the_universe_is_ranked():
    four = [company(name, 10 * n, 5 * n) for n, name in enumerate(NAMES, 1)]
    members = np.array([[True, True, True, False]])
    found = quality(*four, universe=members)
    alone = quality(*four[:3])
    np.testing.assert_array_equal(found.values, alone.values)


def test_names_without_facts_are_missing_throughout():
    found = fundamentals.compute(table(), NAMES, DAYS)
    for aged in found.values():
        assert aged.values.shape == aged.age_days.shape == (len(DAYS), len(NAMES))
        assert np.isnan(aged.values).all()
    assert fundamentals.cite(table(), "f_quality", "A", DAYS[0]).empty


def test_a_feature_without_facts_is_refused():
    with pytest.raises(ValueError, match="leverage, not 'f_insider'"):
        fundamentals.cite(table(), "f_insider", "A", DAYS[0])


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="mode is 'first'"):
        quality(company("A", 1, 1), mode="first")
