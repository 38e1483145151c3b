"""How many theses are valid, and how true their claims are, over a whole panel."""

import numpy as np

from thesis_rl.learning.rewards import is_valid
from thesis_rl.types import Thesis


def measure_truth(
    thesis: Thesis, truth: np.ndarray, known: np.ndarray, rows: np.ndarray
) -> dict[str, float]:
    """Measures validity before any repair, and the truth of what is claimed.

      precision = true asserted / asserted,   recall = true asserted / true

    An asserted claim without evidence counts as asserted and not true.

    Args:
      thesis: modes, [T', N, ...].
      truth: [T', N, C] bool.
      known: [T', N, C] bool.
      rows: [T', N] bool, the rows that count.

    Returns:
      schema_validity, claim_precision, claim_recall, and the share of asserted claims
      that lacked evidence; NaN where there is nothing to divide by.
    """
    sections, asserted = thesis.sections[rows], thesis.claims[rows]
    truth, known = truth[rows], known[rows]
    # Rows come last where they are trained, and first here.
    turned = Thesis(sections.T, asserted.T, thesis.decision[rows])
    valid = np.asarray(is_valid(turned, known.T))
    hits = (asserted & truth).sum()
    return {
        "schema_validity": _ratio(valid.sum(), valid.size),
        "claim_precision": _ratio(hits, asserted.sum()),
        "claim_recall": _ratio(hits, truth.sum()),
        "unsupported_claims": _ratio((asserted & ~known).sum(), asserted.sum()),
    }


def _ratio(part, whole) -> float:
    return float(part / whole) if whole else float("nan")
