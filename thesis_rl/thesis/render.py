"""A row of policy output as a thesis, untouched or repaired, and as a one-page note."""

import re
from typing import Any

import numpy as np

from thesis_rl.thesis import schema
from thesis_rl.thesis.evidence import Finding, Row, Rules, entries, examine
from thesis_rl.thesis.vocabulary import (
    DECISION_LABELS,
    SECTION_NAMES,
    expected_position,
)

DECIMALS = 6  # Of probabilities; float32 carries no more.
NOT_COVERED = "Not covered: no point-in-time evidence."


def generate_thesis(row: Row, rules: Rules, repair: bool = False) -> dict[str, Any]:
    """Writes a valid thesis of one row.

    With `repair`, a section that the policy did not write is added as not covered, a
    claim asserted without evidence is withdrawn, and "repairs" says so. A thesis
    without any evidence is beyond repair.

    Raises:
      ThesisError: if the thesis is not valid, naming what is missing.
      ValueError: if the row and the rules do not belong together.
    """
    thesis = to_dict(row, rules)
    if repair:
        thesis = _repaired(thesis)
    schema.validate(thesis)
    return thesis


def to_dict(row: Row, rules: Rules) -> dict[str, Any]:
    """Writes a thesis exactly as the policy left it, valid or not.

    It is valid if and only if all P sections are written, no unknown claim is
    asserted and at least one claim is known.

    Raises:
      ValueError: if the row and the rules do not belong together.
    """
    findings = examine(row, rules)
    return {
        "schema_version": schema.SCHEMA_VERSION,
        "ticker": row.ticker,
        "as_of": row.as_of,
        "sections": _sections(row, findings),
        "claims": [
            {
                "claim_id": finding.claim_id,
                "sentence": finding.sentence,
                "status": _status(finding),
            }
            for finding in findings
            if finding.asserted
        ],
        "evidence": entries(row, findings),
        "decision": _decision(row),
        "repairs": [],
    }


def _sections(row: Row, findings: list[Finding]) -> dict[str, dict[str, list[str]]]:
    """Writes the sections [P] that the policy chose, in the order of the vocabulary."""
    statements = {name: [] for name in SECTION_NAMES}
    for finding in findings:
        if finding.section not in statements:
            raise ValueError(
                f"claim {finding.claim_id}: unknown section {finding.section!r}, "
                f"expected one of {', '.join(SECTION_NAMES)}"
            )
        if finding.known:
            statements[finding.section].append(_statement(finding))
    written = zip(SECTION_NAMES, np.asarray(row.sections).tolist(), strict=True)
    return {
        name: {"statements": statements[name] or [_no_evidence(name)]}
        for name, is_written in written
        if is_written
    }


def _statement(finding: Finding) -> str:
    sentence = finding.sentence.rstrip(".")
    if not finding.asserted:
        return f"Checked and not claimed: {sentence} ({finding.numbers})."
    doubt = "" if finding.truth else "contradicted: "
    return f"{sentence} ({doubt}{finding.numbers})."


def _no_evidence(section: str) -> str:
    return f"No point-in-time evidence was available for {section}."


def _status(finding: Finding) -> str:
    if not finding.known:
        return "unsupported"
    return "supported" if finding.truth else "contradicted"


def _decision(row: Row) -> dict[str, Any]:
    """Writes the likeliest of the decisions [A] and the expected position."""
    shares = [round(p, DECIMALS) for p in np.asarray(row.probabilities).tolist()]
    likeliest, confidence = int(np.argmax(row.probabilities)), row.confidence
    return {
        "label": DECISION_LABELS[likeliest],
        "probabilities": dict(zip(DECISION_LABELS, shares, strict=True)),
        "conviction": shares[likeliest],
        "position": round(float(expected_position(shares)), DECIMALS),
        "horizons": [int(sessions) for sessions in row.horizons],
        **({} if confidence is None else {"confidence": round(confidence, DECIMALS)}),
    }


def _repaired(thesis: dict[str, Any]) -> dict[str, Any]:
    """Adds missing sections, withdraws unsupported claims, and notes both."""
    written, claims = thesis["sections"], thesis["claims"]
    withdrawn = [c["claim_id"] for c in claims if c["status"] == "unsupported"]
    return thesis | {
        "sections": {
            name: written.get(name, {"statements": [NOT_COVERED]})
            for name in SECTION_NAMES
        },
        "claims": [claim for claim in claims if claim["claim_id"] not in withdrawn],
        "repairs": [
            *(f"section {n}: not covered" for n in SECTION_NAMES if n not in written),
            *(f"claim {name}: withdrawn, no evidence" for name in withdrawn),
        ],
    }


# What CommonMark and its tables read as markup. An underscore inside a word is none.
MARKUP = re.compile(r"[\\`*<>\[\]|#~&$]|(?<!\w)_|_(?!\w)")


def to_markdown(thesis: dict[str, Any]) -> str:
    """Writes a thesis, also an invalid one of `to_dict`, as a Markdown page.

    Words that look like markup are escaped, so that they read as they are.
    """
    blocks = [
        *_decision_lines(thesis),
        *_section_lines(thesis["sections"]),
        *_evidence(thesis),
    ]
    if thesis["repairs"]:
        blocks += ["## Repairs", _bullets(thesis["repairs"])]
    return "\n\n".join(blocks) + "\n"


def _decision_lines(thesis: dict[str, Any]) -> list[str]:
    decision = thesis["decision"]
    ticker, as_of = _plain(thesis["ticker"]), _plain(thesis["as_of"])
    sessions = " and ".join(str(horizon) for horizon in decision["horizons"])
    shares = decision["probabilities"]
    confidence = decision.get("confidence")
    calibrated = "" if confidence is None else f" (calibrated {confidence:.0%})"
    return [
        f"# {ticker}, {as_of}: {_words(decision['label'])}",
        f"Conviction {decision['conviction']:.0%}{calibrated}, position "
        f"{decision['position']:+.2f}, judged over {sessions} sessions.",
        _table(
            [_words(label) for label in DECISION_LABELS],
            [[f"{shares[label]:.1%}" for label in DECISION_LABELS]],
        ),
    ]


def _section_lines(sections: dict[str, dict[str, list[str]]]) -> list[str]:
    blocks = []
    for name in SECTION_NAMES:
        written = sections.get(name)
        body = _bullets(written["statements"]) if written else "Not written."
        blocks += [f"## {name.capitalize()}", body]
    return blocks


def _evidence(thesis: dict[str, Any]) -> list[str]:
    status = {claim["claim_id"]: claim["status"] for claim in thesis["claims"]}
    rows = [
        [
            entry["claim_id"],
            status.get(entry["claim_id"], entry["stance"]),
            entry["quote"],
            entry["source"],
            entry["time"],
        ]
        for entry in thesis["evidence"]
    ]
    blocks = [
        "## Evidence",
        _table(["Claim", "Verdict", "Quote", "Source", "Time"], rows)
        if rows
        else "None.",
    ]
    unsupported = [name for name in status if status[name] == "unsupported"]
    if unsupported:
        names = ", ".join(_plain(name) for name in unsupported)
        blocks.append(f"Asserted without evidence: {names}.")
    return blocks


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header)]
    lines += [[_plain(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {_plain(line)}" for line in lines)


def _plain(text: str) -> str:
    """Escapes markup and joins lines."""
    return MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def _words(label: str) -> str:
    return label.replace("_", " ")
