"""The table of strategies: what each column is called, means, and how it is printed."""

import math
from collections.abc import Callable
from typing import NamedTuple

NOTHING = "–"  # Shown where a number does not exist.


def ratio(value: float | None) -> str:
    """Prints a Sharpe ratio or another plain number with two decimals."""
    return _printed(value, "{:z.2f}")


def percent(value: float | None) -> str:
    """Prints a share as a percentage with one decimal."""
    return _printed(value, "{:z.1%}")


def multiple(value: float | None) -> str:
    """Prints a multiple of the capital with one decimal."""
    return _printed(value, "{:z.1f}×")


def _printed(value: float | None, pattern: str) -> str:
    missing = value is None or math.isnan(value)
    return NOTHING if missing else pattern.format(value)


class Column(NamedTuple):
    """One metric of the table."""

    path: tuple[str, ...]  # Where it lies under a strategy.
    title: str
    short: str  # For 80 characters of console.
    show: Callable[[float | None], str]
    formula: str


COLUMNS = (
    Column(
        ("net", "headline_sharpe"),
        "Headline Sharpe",
        "Headline",
        ratio,
        "Mean / sd · √252 of the daily net return less Σ w·β times the equal-weight "
        "return of the same names, β trailing 252 days and lagged, the hedge itself "
        "free of cost; for the long-only baselines, of the net return less that of "
        "the equal-weight book.",
    ),
    Column(
        ("seed_sd", "net", "headline_sharpe"),
        "± seeds",
        "± sd",
        ratio,
        "Standard deviation over seeds of the headline Sharpe, with S − 1.",
    ),
    Column(
        ("net", "sharpe"),
        "Sharpe",
        "Sharpe",
        ratio,
        "Mean / sd · √252 of the daily net return, sd with T − 1, cash at zero.",
    ),
    Column(
        ("net", "annual_return"),
        "Return",
        "Return",
        percent,
        "A year: V_T^(252/T) − 1, V the net worth of 1, compounded daily.",
    ),
    Column(
        ("net", "volatility"),
        "Volatility",
        "Vol",
        percent,
        "A year: sd · √252 of the daily net return, sd with T − 1.",
    ),
    Column(
        ("net", "max_drawdown"),
        "Max drawdown",
        "Max DD",
        percent,
        "Minimum over t of V_t / max V_s (s ≤ t) − 1, the starting capital included.",
    ),
    Column(
        ("net", "turnover"),
        "Turnover",
        "Turns",
        multiple,
        "A year: 252 · mean of Σ |w − w_drifted|, two-way, in times the capital.",
    ),
    Column(
        ("gross", "headline_sharpe"),
        "Gross headline Sharpe",
        "Gross",
        ratio,
        "The headline Sharpe before commission and half-spread.",
    ),
)

STRATEGIES = {
    "ensemble": "The mean of all seeds' decision probabilities after the last stage.",
    "rft": "Single networks after reinforcement, averaged over seeds.",
    "sft_ensemble": "The mean of all seeds' decision probabilities before it.",
    "sft": "Single networks after imitation alone, averaged over seeds.",
    "exact_ensemble": "The same mean, of networks trained on the exact gradient.",
    "exact": "Single networks trained on the exact gradient of the expected reward.",
    "equal_weight": "Every quoted name, long, in equal parts.",
    "momentum": "Long what beat the day's mean 12-1 month return, short the rest.",
    "hold": "Always hold: cash.",
    "best_constant": "Each fold's one decision that its training window paid best.",
}


class Line(NamedTuple):
    """One printed row: a strategy under one mapping of decisions to positions."""

    strategy: str
    mapping: str  # "" for a baseline, whose positions need no mapping.
    cells: tuple[str, ...]  # One a column.
    explanation: str
    is_headline: bool


def lines(summary: dict) -> list[Line]:
    """Prints every strategy: the ensemble first, learned ones next, baselines last.

    A learned strategy has a line a mapping, the headline's mapping first.

    Args:
      summary: the run's.

    Returns:
      The lines of the table.
    """
    table, headline = summary["strategies"], summary["headline"]
    learned = [name for name in table if "by_mapping" in table[name]]
    order = {name: i for i, name in enumerate(STRATEGIES)}
    learned.sort(key=lambda name: order.get(name, len(order)))
    printed = []
    for name in learned:
        by_mapping = table[name]["by_mapping"]
        first = headline["mapping"]
        for mapping in (first, *(m for m in by_mapping if m != first)):
            printed.append(_line(name, mapping, by_mapping[mapping], headline))
    for name in table:
        if name not in learned:
            printed.append(_line(name, "", table[name], headline))
    return printed


def _line(name: str, mapping: str, numbers: dict, headline: dict) -> Line:
    cells = tuple(column.show(_find(numbers, column.path)) for column in COLUMNS)
    is_headline = (name, mapping) == (headline["strategy"], headline["mapping"])
    return Line(name, mapping, cells, STRATEGIES.get(name, ""), is_headline)


def _find(numbers: dict, path: tuple[str, ...]) -> float | None:
    for key in path:
        if key not in numbers:
            return None
        numbers = numbers[key]
    return numbers
