"""Ratios of a company's last four quarters, a version for every filing that moved one.

A filing derives anew the ratios of each period that it says something new about. What
comes of it is an event like any other: about the end of the period, and known when the
last of the facts was that it is made of.

Quarters, years to date and whole years are steps between two days. A year that ends on
some day is a walk from there to a day one year before; steps back add their flow, steps
forward subtract it. The walk of fewest steps is the whole year if it is stated, else
the year to date, plus the last fiscal year, minus last year's to date, else four
quarters, one of which may be the fiscal year minus its first nine months.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import pandas as pd

YEAR = range(350, 381)  # Days; years of 52 and 53 weeks have 364 and 371.
SLACK = (0, -1, 1, -2, 2, -3, 3)  # Days between an end and the start that follows it.
MAX_STEPS = 5  # Four quarters, the fourth of them in two steps.


class Flow(NamedTuple):
    """What a company earned, sold or was paid from one day to another."""

    after: int  # The day before the first, in days since 1970.
    end: int  # The last day.
    value: float  # USD
    row: int  # Where it stands among the events.


class Flows(NamedTuple):
    """The flows of one concept that are known, by either end and then the other."""

    ending: dict[int, dict[int, Flow]]
    starting: dict[int, dict[int, Flow]]


Step = tuple[int, Flow]  # Its sign in the sum: 1 back in time, -1 forward.
Walk = tuple[Step, ...]


def put(flows: Flows, flow: Flow) -> None:
    """Makes a flow the known version of its period, in place of an earlier one."""
    flows.ending.setdefault(flow.end, {})[flow.after] = flow
    flows.starting.setdefault(flow.after, {})[flow.end] = flow


def remove(flows: Flows, after: int, end: int) -> None:
    """Takes back what was known of a period, if anything was."""
    flows.ending.get(end, {}).pop(after, None)
    flows.starting.get(after, {}).pop(end, None)


def total(walk: Walk) -> float:
    """Sums the flows of a walk, each with its sign."""
    return sum(sign * flow.value for sign, flow in walk)


def years(concepts: Sequence[Flows], end: int, count: int) -> tuple[Walk, ...]:
    """Finds the walks over the last `count` years, each ending where the next begins.

    All are made of one concept where one suffices, the first in order that does; else
    of several, so that a change of tags between two years does no harm.

    Args:
        concepts: that mean the same, the best first.
        end: the last day of the last year, in days since 1970.
        count: years, 1 or more.

    Returns:
        The walks, the last year's first; none unless all were found.
    """
    stated = tuple(flows for flows in concepts if flows.ending)
    mixed = (stated,) if len(stated) > 1 else ()
    for chosen in (*((flows,) for flows in stated), *mixed):
        found, day = [_walk(chosen, end)], end
        while found[-1] and len(found) < count:
            day = _arrival(found[-1], day)
            before = (_walk(chosen, day + slack) for slack in SLACK)
            found.append(next(filter(None, before), ()))
        if found[-1]:
            return tuple(found)
    return ()


def _walk(concepts: Sequence[Flows], end: int) -> Walk:
    """Finds the walk of fewest steps over the year to `end`; empty where there is none.

    Of walks equally short the one whose steps come first in the order of `_steps`
    counts. No step touches a day after `end`, whose flow might not be known by then.
    """
    walks, met = deque([()]), {end}
    while walks:
        walk = walks.popleft()
        for step in _steps(concepts, _arrival(walk, end), end):
            longer = (*walk, step)
            day = _arrival(longer, end)
            if end - day in YEAR:
                return longer
            if day not in met and len(longer) < MAX_STEPS:
                met.add(day)
                walks.append(longer)
    return ()


def _steps(concepts: Sequence[Flows], day: int, end: int) -> Iterator[Step]:
    """Lists the steps from a day, those back first, then the closest, the longest."""
    oldest = end - 2 * YEAR[-1]
    for slack in SLACK:
        for flows in concepts:
            if day + slack <= end and (back := flows.ending.get(day + slack)):
                yield from (
                    (1, back[after]) for after in sorted(back) if after >= oldest
                )
    for slack in SLACK:
        for flows in concepts:
            if ahead := flows.starting.get(day + slack):
                ends = sorted(ahead, reverse=True)
                yield from ((-1, ahead[last]) for last in ends if last <= end)


def _arrival(walk: Walk, end: int) -> int:
    """Finds the day on which a walk from `end` arrives."""
    if not walk:
        return end
    sign, flow = walk[-1]
    return flow.after if sign > 0 else flow.end


# What a number may be called in a filing, the best first.
FLOWS = {
    "income": ("us-gaap:NetIncomeLoss", "us-gaap:ProfitLoss"),
    "revenue": (
        "us-gaap:Revenues",
        "us-gaap:RevenueFromContractWithCustomerExcludingAssessedTax",
        "us-gaap:RevenueFromContractWithCustomerIncludingAssessedTax",
        "us-gaap:SalesRevenueNet",
        "us-gaap:RevenuesNetOfInterestExpense",
    ),
    "cash_flow": (
        "us-gaap:NetCashProvidedByUsedInOperatingActivities",
        "us-gaap:NetCashProvidedByUsedInOperatingActivitiesContinuingOperations",
    ),
}
STOCKS = {
    "assets": ("us-gaap:Assets",),
    "liabilities": ("us-gaap:Liabilities",),
    "equity": (
        "us-gaap:StockholdersEquityIncludingPortionAttributableToNoncontrollingInterest",
        "us-gaap:StockholdersEquity",
    ),
}
FLOW_CONCEPTS = tuple(concept for same in FLOWS.values() for concept in same)
STOCK_CONCEPTS = tuple(concept for same in STOCKS.values() for concept in same)
# The numbers of each flow, a year each, back from the last.
YEARS = {
    "income": ("income",),
    "revenue": ("revenue", "revenue_before"),
    "cash_flow": ("cash_flow",),
}
# What each ratio is made of, the denominator last. More is better in all of them.
RATIOS = {
    "profitability": (("income", "assets"), lambda income, assets: income / assets),
    "accruals": (
        ("income", "cash_flow", "assets"),
        lambda income, cash_flow, assets: (cash_flow - income) / assets,
    ),
    "growth": (("revenue", "revenue_before"), lambda now, before: now / before - 1),
    "leverage": (("liabilities", "assets"), lambda owed, assets: -owed / assets),
}
SIGNED = ("income", "cash_flow")  # Below 0 anything else is a filer's mistake.
# Days from a flow's start to the last end it matters to: two years of growth, and what
# is walked through beyond them.
REACH = 3 * (YEAR[-1] + max(SLACK))
NIGHT = np.timedelta64(5, "h")  # A New York day ends 4 or 5 hours into the next in UTC.
COLUMNS = ("name", "field", "event_time", "knowledge_time", "value", "rows")


class Number(NamedTuple):
    """A number, and the positions of the events that it is made of."""

    value: float
    rows: tuple[int, ...]


MISSING = Number(np.nan, ())


class Known(NamedTuple):
    """What is known of a company at some instant; days count from 1970."""

    flows: dict[str, Flows]  # By concept.
    stocks: dict[str, dict[int, Number]]  # By concept and day.
    ends: dict[int, pd.Timestamp]  # The event_time of each day that ends a period.


def derive(events: pd.DataFrame) -> pd.DataFrame:
    """Derives every version of every ratio of every period.

    Args:
        events: facts of any names, in any order: name, field, event_time,
            knowledge_time, value, seq, and period_start of flows. A flow without one,
            and fields other than those of `FLOWS` and `STOCKS`, are left alone.

    Returns:
        A row a version: name, field (the ratio), event_time (the period's end),
        knowledge_time, value (NaN where the ratio is undefined, or follows no longer
        from what is known), seq, and rows, the positions in `events` of its facts.
    """
    flows = events["field"].isin(FLOW_CONCEPTS) & events["period_start"].notna()
    facts = pd.DataFrame(
        {
            "name": events["name"],
            "field": events["field"],
            "after": _day(events["period_start"]) - 1,
            "end": _day(events["event_time"] - NIGHT),
            "about": events["event_time"],
            "known": events["knowledge_time"],
            "value": events["value"],
            "seq": events["seq"],
            "row": np.arange(len(events)),
        }
    )
    facts = facts[(flows | events["field"].isin(STOCK_CONCEPTS)).to_numpy()]
    facts = facts.sort_values(["known", "seq"], kind="stable")
    derived = [
        version
        for name, of_name in facts.groupby("name", sort=False)
        for version in _versions(name, list(of_name.itertuples(index=False)))
    ]
    table = pd.DataFrame(derived, columns=list(COLUMNS))
    times = {name: "datetime64[ns]" for name in ("event_time", "knowledge_time")}
    return table.astype(times | {"value": float}).assign(seq=np.arange(len(table)))


def _day(times: pd.Series) -> np.ndarray:
    """Counts days since 1970; what NaT gives is never read."""
    return times.to_numpy().astype("datetime64[D]").astype(np.int64)


def _versions(name: str, facts: Iterable) -> Iterator[tuple]:
    """Lists the versions of one name's ratios, from facts in the order of knowledge."""
    known = Known(
        {concept: Flows({}, {}) for concept in FLOW_CONCEPTS},
        {concept: {} for concept in STOCK_CONCEPTS},
        {},
    )
    made_of = {}
    for instant, filed in groupby(facts, attrgetter("known")):
        moved = [reach for fact in filed if (reach := _learn(known, fact))]
        ends = {end for end in known.ends for a, b in moved if a <= end <= b}
        for end in sorted(ends):
            for ratio, number in _ratios(known, end).items():
                if number.rows != made_of.get((ratio, end), ()):
                    made_of[ratio, end] = number.rows
                    yield name, ratio, known.ends[end], instant, *number


def _learn(known: Known, fact) -> tuple[int, int] | None:
    """Takes note of a fact: the first and last end it matters to; None if nothing new.

    A number that is merely said again leaves the filing that said it first in place.
    """
    if fact.field in known.stocks:
        held, span = known.stocks[fact.field], (fact.end, fact.end)
        old = held.get(fact.end)
    else:
        held, span = known.flows[fact.field], (fact.end, fact.after + REACH)
        old = held.ending.get(fact.end, {}).get(fact.after)
    retracted = np.isnan(fact.value)
    if (old is None and retracted) or (old is not None and old.value == fact.value):
        return None
    known.ends[fact.end] = fact.about
    if fact.field in known.stocks:
        held.pop(fact.end, None)
        held |= {} if retracted else {fact.end: Number(fact.value, (fact.row,))}
    elif retracted:
        remove(held, fact.after, fact.end)
    else:
        put(held, Flow(fact.after, fact.end, fact.value, fact.row))
    return span


def _ratios(known: Known, end: int) -> dict[str, Number]:
    """Derives the ratios of the period to `end`; one that lacks a fact has no rows."""
    numbers = _numbers(known, end)
    found = {}
    for ratio, (parts, _) in RATIOS.items():
        of_ratio = [numbers.get(part, MISSING) for part in parts]
        found[ratio] = MISSING
        if all(number.rows for number in of_ratio):
            rows = tuple(row for number in of_ratio for row in number.rows)
            value = _value(ratio, [number.value for number in of_ratio])
            found[ratio] = Number(value, rows)
    return found


def _value(ratio: str, values: list[float]) -> float:
    """Computes a ratio, NaN where one of its numbers cannot be right."""
    parts, formula = RATIOS[ratio]
    signs = zip(parts, values, strict=True)
    sound = values[-1] > 0 and all(x >= 0 or part in SIGNED for part, x in signs)
    value = formula(*values) if sound and np.isfinite(values).all() else np.nan
    return value if np.isfinite(value) else np.nan


def _numbers(known: Known, end: int) -> dict[str, Number]:
    """Finds what is known of the four quarters to `end`, and of that day's balance."""
    found = {}
    for part, concepts in STOCKS.items():
        stated = (known.stocks[concept].get(end) for concept in concepts)
        found[part] = next(filter(None, stated), MISSING)
    assets, equity = found["assets"], found["equity"]
    if not found["liabilities"].rows and assets.rows and equity.rows:
        rows = assets.rows + equity.rows
        found["liabilities"] = Number(assets.value - equity.value, rows)
    for flow, parts in YEARS.items():
        concepts = [known.flows[concept] for concept in FLOWS[flow]]
        walks = years(concepts, end, len(parts))
        for part, walk in zip(parts, walks, strict=False):
            rows = tuple(step.row for _, step in walk)
            found[part] = Number(total(walk), rows)
    return found
