"""Ratios of a company's last four quarters, a version for every filing that moved one.

A filing derives anew the ratios of each period that it says something new about. What
comes of it is an event like any other: about the end of the period, and known when the
last of the facts was that it is made of.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import pandas as pd

from thesis_rl.data.features import trailing

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
REACH = 3 * (trailing.YEAR[-1] + max(trailing.SLACK))
NIGHT = np.timedelta64(5, "h")  # A New York day ends 4 or 5 hours into the next in UTC.
COLUMNS = ("name", "field", "event_time", "knowledge_time", "value", "rows")


class Number(NamedTuple):
    """A number, and the positions of the events that it is made of."""

    value: float
    rows: tuple[int, ...]


MISSING = Number(np.nan, ())


class Known(NamedTuple):
    """What is known of a company at some instant; days count from 1970."""

    flows: dict[str, trailing.Flows]  # By concept.
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
        {concept: trailing.Flows({}, {}) for concept in FLOW_CONCEPTS},
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
        trailing.remove(held, fact.after, fact.end)
    else:
        trailing.put(held, trailing.Flow(fact.after, fact.end, fact.value, fact.row))
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
        walks = trailing.years(concepts, end, len(parts))
        for part, walk in zip(parts, walks, strict=False):
            rows = tuple(step.row for _, step in walk)
            found[part] = Number(trailing.total(walk), rows)
    return found
