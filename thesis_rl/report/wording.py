"""The sentences and short lists that every form of the report says alike."""

from collections.abc import Iterable

from thesis_rl.report.numbers import NOTHING, exists, percent, ratio
from thesis_rl.report.sheet import Sheet, plain

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
