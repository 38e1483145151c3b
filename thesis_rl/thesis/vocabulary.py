"""The words a thesis is written in, and the numbers that stand for decisions."""

import numpy as np

SECTION_NAMES = (
    "market",
    "fundamentals",
    "sentiment",
    "technicals",
    "insiders",
    "risks",
)
DECISION_LABELS = ("strong_sell", "sell", "hold", "buy", "strong_buy")
DECISION_SIGNS = (-1.0, -1.0, 0.0, 1.0, 1.0)
DECISION_POSITIONS = (-1.0, -0.5, 0.0, 0.5, 1.0)


def expected_position(probabilities: np.ndarray) -> np.ndarray:
    """Returns Σₐ p(a) · position(a) of probabilities [..., A] on the host, float64.

    It adds up in the order of the labels: a product of matrices has its order, and so
    the last bit, from the machine.
    """
    shares = np.moveaxis(np.asarray(probabilities, np.float64), -1, 0)
    return sum(p * held for p, held in zip(shares, DECISION_POSITIONS, strict=True))
