"""A year is put together from the fewest stated periods, or not at all."""

import pytest

from thesis_rl.data.features import ratios

QUARTERS = [0, 90, 181, 273, 365, 455, 546, 638, 730]  # The days that end them.


def flows(*stated):
    """Makes the flows of one concept from (after, end, value)."""
    made = ratios.Flows({}, {})
    for row, (after, end, value) in enumerate(stated):
        ratios.put(made, ratios.Flow(after, end, value, row))
    return made


def year(made, end):
    walks = ratios.years([made], end, 1)
    return [(sign, flow.row) for sign, flow in walks[0]] if walks else None


def test_a_stated_year_counts_before_any_sum():
    quarters = [(a, b, 1) for a, b in zip(QUARTERS[:4], QUARTERS[1:5], strict=True)]
    made = flows((0, 365, 10), *quarters, (0, 273, 3))
    assert year(made, 365) == [(1, 0)]


def test_year_to_date_plus_the_last_year_minus_last_years_to_date():
    made = flows((0, 181, 4), (0, 365, 10), (365, 546, 7))
    assert year(made, 546) == [(1, 2), (1, 1), (-1, 0)]
    assert ratios.total(ratios.years([made], 546, 1)[0]) == 7 + 10 - 4


def test_four_quarters_where_nothing_longer_is_stated():
    made = flows((90, 181, 1), (181, 273, 2), (273, 365, 3), (365, 455, 4))
    assert year(made, 455) == [(1, 3), (1, 2), (1, 1), (1, 0)]
    assert year(flows((181, 273, 2), (273, 365, 3), (365, 455, 4)), 455) is None


def test_a_fourth_quarter_is_the_year_minus_nine_months():
    made = flows((90, 181, 2), (181, 273, 3), (0, 273, 4), (0, 365, 9), (365, 455, 6))
    assert year(made, 455) == [(1, 4), (1, 3), (-1, 2), (1, 1), (1, 0)]
    assert ratios.total(ratios.years([made], 455, 1)[0]) == 6 + (9 - 4) + 3 + 2


def test_no_step_leads_past_the_end():
    """The year to day 273 would follow from a later one minus a quarter and a year."""
    made = flows((0, 365, 10), (273, 365, 3), (-92, 0, 2))
    assert year(made, 273) is None
    assert year(flows((0, 366, 1)), 365) is None


@pytest.mark.parametrize("days", [364, 365, 366, 371])
def test_years_of_52_and_53_weeks_are_years(days):
    assert year(flows((0, days, 1)), days) == [(1, 0)]


@pytest.mark.parametrize("days", [91, 273, 343, 392, 730])
def test_other_lengths_are_none(days):
    assert year(flows((0, days, 1)), days) is None


def test_ends_and_starts_may_be_three_days_apart_and_no_more():
    for apart, found in ((0, True), (3, True), (-3, True), (4, False), (-4, False)):
        made = flows((0, 365, 10), (0, 90, 2), (365 + apart, 455, 3))
        assert (year(made, 455) is not None) == found


def test_two_years_follow_each_other_in_one_concept_where_one_suffices():
    old = flows((0, 365, 10))
    new = flows((365, 730, 12))
    both = flows((0, 365, 9), (365, 730, 11))

    def totals(concepts):
        return [ratios.total(walk) for walk in ratios.years(concepts, 730, 2)]

    assert totals([new, old]) == totals([old, new]) == [12, 10]
    assert totals([new, old, both]) == [11, 9]
    assert totals([new]) == []


def test_what_was_taken_back_is_gone():
    made = flows((0, 365, 10))
    ratios.remove(made, 0, 365)
    ratios.remove(made, 0, 90)
    assert year(made, 365) is None
    ratios.put(made, ratios.Flow(0, 365, 11, 5))
    assert year(made, 365) == [(1, 5)]
