"""What a row's features say about each claim, in numbers a reader can check."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from thesis_rl.thesis.vocabulary import DECISION_LABELS, SECTION_NAMES

Conditions = Sequence[tuple[str, str, float]]
Rules = Mapping[str, Mapping[str, Any]]  # `config.claims`; its order is claim order.

COMPARISONS = {
    ">": ("above", operator.gt),
    ">=": ("at least", operator.ge),
    "<": ("below", operator.lt),
    "<=": ("at most", operator.le),
}
ANSWERS = {True: "yes", False: "no"}


class Row(NamedTuple):
    """What a policy wrote about one (day, name), and what was known that day."""

    ticker: str
    as_of: str  # ISO date of the close at which the thesis is written.
    sections: np.ndarray  # [P] bool, which sections are written.
    claims: np.ndarray  # [C] bool, which claims are asserted.
    probabilities: np.ndarray  # [A] float, of the decisions.
    features: Mapping[str, float | None]  # Raw; None where not available.
    truth: np.ndarray  # [C] bool, the claims that are known to hold.
    known: np.ndarray  # [C] bool, the claims that can be checked.
    source: str
    horizons: tuple[int, ...]  # Sessions.
    confidence: float | None = None  # Calibrated probability of the decision.
    # For each feature, what it rests on, as `data.citations` cites it.
    citations: Mapping[str, list[dict[str, Any]]] | None = None


class Finding(NamedTuple):
    """One claim beside its evidence."""

    claim_id: str
    section: str
    sentence: str
    asserted: bool
    known: bool
    truth: bool
    numbers: str  # "mom10 = +0.0321"
    quote: str  # "mom10 = +0.0321, above 0: yes"
    features: tuple[str, ...]  # What its conditions read.


def collect(row: Row, rules: Rules) -> list[dict[str, Any]]:
    """Lists one evidence entry for every known claim, asserted or declined.

    Raises:
      ValueError: if the row and the rules do not belong together.
    """
    return entries(row, examine(row, rules))


def entries(row: Row, findings: list[Finding]) -> list[dict[str, Any]]:
    """Writes the known findings as the thesis's evidence entries."""
    return [
        {
            "claim_id": finding.claim_id,
            "stance": "asserted" if finding.asserted else "declined",
            "quote": finding.quote,
            "source": row.source,
            "time": row.as_of,
            **_citations(row, finding),
        }
        for finding in findings
        if finding.known
    ]


def _citations(row: Row, finding: Finding) -> dict[str, list]:
    """Gathers what a claim's available features rest on, each event once."""
    if row.citations is None:
        return {}
    cited = [c for name in finding.features for c in row.citations.get(name, ())]
    return {"citations": [c for i, c in enumerate(cited) if c not in cited[:i]]}


def examine(row: Row, rules: Rules) -> list[Finding]:
    """Reads every claim [C] against the row's features.

    A conjunction is three-valued: one known part that fails decides it, all parts
    known to hold make it true, and otherwise it is unknown. The answer must be the
    row's own, or claims in another order and scaled features would pass as evidence.

    Raises:
      ValueError: if the row and the rules do not belong together.
    """
    _check_lengths(row, len(rules))
    claims, truth, known = (
        np.asarray(bits).tolist() for bits in (row.claims, row.truth, row.known)
    )
    findings = []
    for index, (claim_id, rule) in enumerate(rules.items()):
        conditions = rule["conditions"]
        answers, numbers, quotes = _read_all(claim_id, conditions, row.features)
        holds, decided = all(answers), False in answers or None not in answers
        if (truth[index], known[index]) != (holds, decided):
            raise ValueError(
                f"claim {claim_id} on {row.ticker}, {row.as_of}: the row has "
                f"truth={truth[index]}, known={known[index]}, but its features say "
                f"truth={holds}, known={decided} ({'; '.join(quotes)}); give raw "
                "features, and claims in the order of the rules"
            )
        findings.append(
            Finding(
                claim_id=claim_id,
                section=rule["section"],
                sentence=rule["sentence"],
                asserted=claims[index],
                known=decided,
                truth=holds,
                numbers="; ".join(numbers),
                quote="; ".join(quotes),
                features=tuple(dict.fromkeys(name for name, _, _ in conditions)),
            )
        )
    return findings


def quote(
    claim_id: str, conditions: Conditions, features: Mapping[str, float | None]
) -> str:
    """Quotes what features, None where not available, say about a claim."""
    return "; ".join(_read_all(claim_id, conditions, features)[2])


def _read_all(
    claim_id: str, conditions: Conditions, features: Mapping[str, float | None]
) -> tuple[tuple, tuple, tuple]:
    """Returns answers, numbers and quotes, one a condition."""
    read = (_read(claim_id, condition, features) for condition in conditions)
    answers, numbers, quotes = zip(*read, strict=True)
    return answers, numbers, quotes


def _read(
    claim_id: str,
    condition: tuple[str, str, float],
    features: Mapping[str, float | None],
) -> tuple[bool | None, str, str]:
    """Returns a condition's answer, its number, and both as a quote."""
    name, symbol, threshold = condition
    if symbol not in COMPARISONS:
        raise ValueError(
            f"claim {claim_id}: unknown operator {symbol!r}, "
            f"expected one of {', '.join(COMPARISONS)}"
        )
    if name not in features:
        raise ValueError(
            f"claim {claim_id} reads feature {name}, which the row does not have; "
            "where a feature is not available it must be None"
        )
    value = features[name]
    if value is None:
        return None, f"{name} not available", f"{name}: not available"
    if not math.isfinite(value):
        raise ValueError(
            f"claim {claim_id}: feature {name} is {value}; "
            "where a feature is not available it must be None"
        )
    words, compare = COMPARISONS[symbol]
    answer, number = _compare(value, threshold, compare)
    numbers = f"{name} = {number}"
    return answer, numbers, f"{numbers}, {words} {threshold:.9g}: {ANSWERS[answer]}"


def _compare(
    value: float, threshold: float, compare: Callable[[float, float], bool]
) -> tuple[bool, str]:
    """Compares in float32, as the panel does, and prints a number that agrees.

    Four digits, unless rounding to four would move the number across the threshold.
    """
    value = float(np.float32(value))
    answer = compare(value, float(np.float32(threshold)))
    for digits in (4, 6):
        number = f"{value:+.{digits}g}"
        if compare(float(number), threshold) == answer:
            return answer, number
    return answer, f"{value:+.9g}"


def _check_lengths(row: Row, num_claims: int) -> None:
    """Raises ValueError unless the row's arrays have one entry per word."""
    expected = {
        "sections": len(SECTION_NAMES),
        "claims": num_claims,
        "probabilities": len(DECISION_LABELS),
        "truth": num_claims,
        "known": num_claims,
    }
    for field, length in expected.items():
        shape = np.shape(getattr(row, field))
        if shape != (length,):
            raise ValueError(
                f"row {row.ticker}, {row.as_of}: {field} must have shape "
                f"({length},), got {shape}"
            )
