"""A thesis as a one-page note."""

import re
from typing import Any

from thesis_rl.thesis.vocabulary import DECISION_LABELS, SECTION_NAMES

# What CommonMark and its tables read as markup. An underscore inside a word is none.
MARKUP = re.compile(r"[\\`*<>\[\]|#~&$]|(?<!\w)_|_(?!\w)")


def to_markdown(thesis: dict[str, Any]) -> str:
    """Writes a thesis, also an invalid one of `to_dict`, as a Markdown page.

    Words that look like markup are escaped, so that they read as they are.
    """
    blocks = [
        *_decision(thesis),
        *_sections(thesis["sections"]),
        *_evidence(thesis),
    ]
    if thesis["repairs"]:
        blocks += ["## Repairs", _bullets(thesis["repairs"])]
    return "\n\n".join(blocks) + "\n"


def _decision(thesis: dict[str, Any]) -> list[str]:
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


def _sections(sections: dict[str, dict[str, list[str]]]) -> list[str]:
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
