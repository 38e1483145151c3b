"""Ratios by their definition, with loops: what `fundamentals` must agree with.

At every instant everything is found afresh from the rows that were known by then.
"""

import functools
import math

import numpy as np
import pandas as pd

from thesis_rl.data.features import ratios

CLOSEST = sorted(range(-3, 4), key=lambda gap: (abs(gap), gap))


def last_day(time):
    return (time - pd.Timedelta(hours=5)).toordinal()


def known_at(facts, instant):
    """Returns {(concept, start or None, end): value} by the latest words on each."""
    found = {}
    seen = facts[facts["knowledge_time"] <= instant]
    for row in seen.sort_values(["knowledge_time", "seq"]).itertuples():
        start = None if pd.isna(row.period_start) else row.period_start.toordinal()
        found[row.field, start, last_day(row.event_time)] = row.value
    return {key: value for key, value in found.items() if not math.isnan(value)}


def steps_from(flows, day, end):
    """Lists (value, where it arrives) of every step from a day, in order."""
    found = []
    for gap in CLOSEST:
        for of_concept in flows:
            for start, last, value in of_concept:
                if last == day + gap <= end and start > end - 760:
                    found.append((value, start - 1))
    for gap in CLOSEST:
        for of_concept in flows:
            for start, last, value in reversed(of_concept):
                if start - 1 == day + gap and last <= end:
                    found.append((-value, last))
    return found


def year(flows, end):
    """Sums the flows of the year to `end`: (sum, the day before it), or None."""

    @functools.cache
    def steps(day):
        return steps_from(flows, day, end)

    @functools.cache
    def walk(day, length):
        """Finds the first walk of just this length: its parts and where it arrives."""
        if length == 0:
            return ((), day) if 350 <= end - day <= 380 else None
        for value, there in steps(day):
            if rest := walk(there, length - 1):
                return (value, *rest[0]), rest[1]
        return None

    for length in range(1, 6):
        if found := walk(end, length):
            return sum(found[0]), found[1]
    return None


def numbers_at(known, end):
    """Finds every number of the period to `end` that follows from what is known."""
    found = {}
    for part, concepts in ratios.STOCKS.items():
        for concept in reversed(concepts):
            if (concept, None, end) in known:
                found[part] = known[concept, None, end]
    if "liabilities" not in found and {"assets", "equity"} <= set(found):
        found["liabilities"] = found["assets"] - found["equity"]
    for flow, concepts in ratios.FLOWS.items():
        flows = [
            sorted(
                (*period, v)
                for (field, *period), v in known.items()
                if field == concept
            )
            for concept in concepts
        ]
        for chosen in [*([each] for each in flows), flows]:
            if now := year(chosen, end):
                before = [year(chosen, now[1] + gap) for gap in CLOSEST]
                before = [sums for sums in before if sums]
                if flow != "revenue":
                    found.setdefault(flow, now[0])
                elif before and "revenue" not in found:
                    found |= {"revenue": now[0], "revenue_before": before[0][0]}
    return found


def ratio_of(ratio, numbers):
    """Computes a ratio; None where a number lacks, NaN where one cannot be right."""
    parts, formula = ratios.RATIOS[ratio]
    if not set(parts) <= set(numbers):
        return None
    values = [numbers[part] for part in parts]
    bad = [
        v
        for p, v in zip(parts, values, strict=True)
        if v < 0 and p not in ratios.SIGNED
    ]
    return math.nan if bad or values[-1] == 0 else formula(*values)


def history(facts):
    """Lists for each instant {(ratio, end): value}, from all that was known then."""
    found = []
    for instant in sorted(set(facts["knowledge_time"])):
        known = known_at(facts, instant)
        ends = {end for _, _, end in known}
        numbers = {end: numbers_at(known, end) for end in ends}
        values = {
            (ratio, end): value
            for ratio in ratios.RATIOS
            for end in ends
            if (value := ratio_of(ratio, numbers[end])) is not None
        }
        found.append((instant, values))
    return found


def ratio_at(told, ratio, decision, max_age):
    """Finds the value and the age, in days, of a ratio at a decision."""
    released, last = {}, {}
    for instant, values in told:
        if instant <= decision:
            last = values
            for of_ratio, end in values:
                if of_ratio == ratio:
                    released.setdefault(end, instant)
    if not released:
        return math.nan, math.nan
    end = max(released)
    age = decision - released[end]
    value = last.get((ratio, end), math.nan) if age <= max_age else math.nan
    return value, age / pd.Timedelta(days=1)


def quality_at(values, ages):
    """Scores names from their ratios [4, N] of a day: [N] and [N]."""
    score, oldest = np.full((2, values.shape[1]), math.nan)
    for name in range(values.shape[1]):
        ranks, used = [], []
        for ratio, age in zip(values, ages, strict=True):
            peers = ratio[~np.isnan(ratio)]
            if len(peers) >= 3 and not math.isnan(ratio[name]):
                below, above = sum(peers < ratio[name]), sum(peers > ratio[name])
                ranks.append((below - above) / (len(peers) - 1))
                used.append(age[name])
        if len(ranks) >= 2:
            score[name], oldest[name] = sum(ranks) / len(ranks), max(used)
    return score, oldest
