"""A table of the report: one content for the page, the Markdown and the glossary."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

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


class Heading(NamedTuple):
    """What a column is called, and how its numbers are made."""

    title: str
    formula: str = ""


class Sheet(NamedTuple):
    """Printed cells, and what they mean."""

    headings: tuple[Heading, ...]
    rows: list[tuple[str, ...]]  # The first cell names the row.
    num_words: int = 1  # So many columns are text, the rest numbers.
    formulas: dict[str, str] = {}  # Of rows, by their name.
    marked: int | None = None  # The row that counts.
    divided: int | None = None  # The first row of another kind.


def plain(*titles: str) -> tuple[Heading, ...]:
    """Makes headings that explain themselves."""
    return tuple(Heading(title) for title in titles)


def glossary(sheets: dict[str, Sheet]) -> dict[str, list[tuple[str, str]]]:
    """Lists the formulas of each table; one that was given before is left out."""
    listed, given = {}, set()
    for name, sheet in sheets.items():
        named = [row[0] for row in sheet.rows if row[0] in sheet.formulas]
        pairs = [
            *((title, formula) for title, formula in sheet.headings if formula),
            *((title, sheet.formulas[title]) for title in named),
        ]
        fresh = [pair for pair in dict.fromkeys(pairs) if pair not in given]
        given.update(fresh)
        if fresh:
            listed[name] = fresh
    return listed


STAGES = ("sft", "rft", "paced")  # In the order of training, before all ablations.
# Reasons to mask that leave the row its close.
QUOTED = ("no volume", "no open", "volume of 0")
DATA = {
    "description": "What",
    "source": "Source",
    "first": "First day",
    "last": "Last day",
    "num_days": "Days",
    "sha256": "SHA-256",
}


def title(summary: dict) -> str:
    """Returns the run's title; one on simulated prices says so first."""
    loud = summary["synthetic"] and not summary["title"].startswith("SYNTHETIC")
    return f"SYNTHETIC: {summary['title']}" if loud else summary["title"]


def verdict(summary: dict) -> str:
    """Says the headline, its interval, and whether it can be told from zero."""
    headline = summary["headline"]
    sharpe = headline["sharpe"]
    length = f"{headline['num_days']:,} unseen days ({headline['years']:.1f} years)"
    if not exists(sharpe):
        return f"There is no headline Sharpe: over {length} the book never varied."
    low, high = headline["interval"]
    return (
        f"Net headline Sharpe {ratio(sharpe)}, 95% interval {ratio(low)} to "
        f"{ratio(high)}, over {length}: {distinguishable(summary)}."
    )


def distinguishable(summary: dict) -> str:
    """Says on which side of zero the 95% interval of the headline lies, if on one."""
    low, high = summary["headline"]["interval"]
    if low is not None and low > 0:
        return "distinguishable from zero"
    if high is not None and high < 0:
        return "distinguishable from zero, and negative"
    return "not distinguishable from zero"


def power(summary: dict) -> str:
    """Says how large a true Sharpe had to be for these days to show it."""
    headline = summary["headline"]
    return (
        f"The smallest true Sharpe that {headline['num_days']:,} days tell from zero "
        f"with 80% power is {ratio(headline['detectable_sharpe'])}."
    )


def written(summary: dict) -> str:
    """Says how many theses the run's folder holds; "" before they are written."""
    theses = summary["theses"]
    if "written" not in theses:
        return ""
    return (
        f"Every {theses['stride_days']} unseen days, {theses['written']:,} theses "
        f"were written out, {theses['repaired']:,} of them repaired; "
        f"{theses['without_evidence']:,} rows had no evidence to write from."
    )


def data_facts(summary: dict) -> list[tuple[str, str]]:
    """Lists where the prices came from."""
    facts = summary["data"]
    listed = [
        (label, f"{facts[key]:,}" if isinstance(facts[key], int) else facts[key])
        for key, label in DATA.items()
        if facts.get(key) is not None
    ]
    return [*listed, ("Names", ", ".join(facts.get("tickers", ())) or NOTHING)]


def masked(summary: dict) -> Sheet:
    """Tabulates the rows left out, by reason."""
    facts = summary["data"]
    rows, quoted = facts["rows"], facts["rows_quoted"]
    counts = [("Rows, one a day and name", rows, rows, "")]
    for reason, count in facts["masked"].items():
        if reason in QUOTED:
            counts.append((f"Quoted, {reason}", count, quoted, " of quoted rows"))
        else:
            counts.append((f"Not quoted: {reason}", count, rows, " of rows"))
    unlabelled = facts["rows_quoted_without_label"]
    counts.append(("Quoted, without a label", unlabelled, quoted, " of quoted rows"))
    counts += [
        (f"Quoted, without {name}", count, quoted, " of quoted rows")
        for name, count in facts["features_missing"].items()
    ]
    cells = [
        (reason, f"{count:,}", percent(count / whole if whole else None) + of)
        for reason, count, whole, of in counts
    ]
    return Sheet(plain("Rows", "Count", "Share"), cells)


def provenance(summary: dict) -> list[tuple[str, str]]:
    """Lists the code's revision, what the run took, and a hash of its forecasts."""
    git = summary.get("git") or {}
    revision = git.get("revision") or "not known"
    state = ", with uncommitted changes" if git.get("dirty") else ""
    timing = [
        (words(name).capitalize(), f"{value:.1f} s")
        for name, value in summary["timing"].items()
    ]
    sha = summary.get("predictions_sha256", NOTHING)
    return [("Git revision", revision + state), *timing, ("Forecasts, SHA-256", sha)]


def in_order(stages: Iterable[str]) -> list[str]:
    """Sorts stages in the order of training; ablations come last, by name."""
    known = {stage: place for place, stage in enumerate(STAGES)}
    return sorted(stages, key=lambda stage: (known.get(stage, len(known)), stage))


def words(name: str) -> str:
    """Returns a key as words."""
    return name.replace("_", " ")


def plural(number: int, noun: str) -> str:
    """Returns a count with its noun: 1 day, 2 days."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
