"""A whole year's flow, put together from the periods that filings state.

Quarters, years to date and whole years are steps between two days. A year that ends on
some day is a walk from there to a day one year before; steps back add their flow, steps
forward subtract it. The walk of fewest steps is the whole year if it is stated, else
the year to date, plus the last fiscal year, minus last year's to date, else four
quarters, one of which may be the fiscal year minus its first nine months.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

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
