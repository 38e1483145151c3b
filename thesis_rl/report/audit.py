"""Whether claims rest on evidence, and whether the evidence says what they quote."""

from thesis_rl.report.numbers import NOTHING, percent
from thesis_rl.report.sheet import Heading, Sheet

HEADINGS = (
    Heading("Of the theses written"),
    Heading("Right"),
    Heading("Checked"),
    Heading("Share"),
)
CHECKS = {
    "bytes": "Citations whose bytes are there, their hash right",
    "facts": "Citations whose bytes, parsed anew, say what is cited",
    "time": "Citations known by the close of the thesis",
    "basis": "Claims whose citations are what they rest on, no more and no less",
    "numbers": "Quoted numbers that come out again from the bytes",
}


def audit_table(summary: dict) -> Sheet | None:
    """Tabulates coverage and correctness of evidence; None for simulated markets."""
    found = summary["theses"].get("evidence")
    if found is None:
        return None
    counts = [("Claims asserted that cite what they rest on", *_coverage(found))]
    counts += [(title, *found["checks"][check]) for check, title in CHECKS.items()]
    rows = [
        (title, f"{right:,}", f"{made:,}", percent(right / made) if made else NOTHING)
        for title, right, made in counts
    ]
    return Sheet(HEADINGS, rows)


def audit_problems(summary: dict) -> str:
    """Says which citations and numbers were wrong; "" where none was."""
    found = summary["theses"].get("evidence")
    if not found or not found["num_problems"]:
        return ""
    return (
        f"{found['num_problems']:,} checks of evidence failed; the first: "
        f"{found['problems'][0]}"
    )


def _coverage(found: dict) -> tuple[int, int]:
    return found["cited"], found["claims"]
