"""How numbers are printed; what does not exist is printed as a dash."""

import math
from collections.abc import Sequence

NOTHING = "–"  # Shown where a number does not exist.
LARGE = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand"))


def ratio(value: float | None) -> str:
    """Prints a Sharpe ratio or another plain number with two decimals."""
    return _printed(value, "{:z.2f}")


def fine(value: float | None) -> str:
    """Prints a number that is small by nature with three decimals."""
    return _printed(value, "{:z.3f}")


def one_decimal(value: float | None) -> str:
    """Prints years, days or basis points with one decimal."""
    return _printed(value, "{:z,.1f}")


def percent(value: float | None) -> str:
    """Prints a share as a percentage with one decimal."""
    return _printed(value, "{:z.1%}")


def fine_percent(value: float | None) -> str:
    """Prints a small share, such as a day's loss, as a percentage with two decimals."""
    return _printed(value, "{:z.2%}")


def multiple(value: float | None) -> str:
    """Prints a multiple of the capital with one decimal."""
    return _printed(value, "{:z.1f}×")


def probability(value: float | None) -> str:
    """Prints a probability or p-value with three decimals, and never as 0 or 1."""
    if not exists(value):
        return NOTHING
    if value < 0.001:
        return "<0.001"
    return ">0.999" if value > 0.999 else f"{value:.3f}"


def interval(bounds: Sequence[float | None] | None) -> str:
    """Prints an interval of ratios."""
    low, high = bounds or (None, None)
    if not (exists(low) and exists(high)):
        return NOTHING
    return f"{ratio(low)} to {ratio(high)}"


def money(value: float) -> str:
    """Prints a capital in words: 1e6 is 1 million."""
    for size, word in LARGE:
        if value >= size:
            return f"{value / size:g} {word}"
    return f"{value:g}"


def count(value: float | None) -> str:
    """Prints a whole number with its thousands set apart."""
    return _printed(value, "{:,.0f}")


def exists(value: float | None) -> bool:
    """Says whether there is a finite number to print."""
    return value is not None and math.isfinite(value)


def _printed(value: float | None, pattern: str) -> str:
    return pattern.format(value) if exists(value) else NOTHING
