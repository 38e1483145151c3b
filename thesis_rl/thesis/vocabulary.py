"""The words a thesis is written in, and the numbers that stand for decisions."""

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
