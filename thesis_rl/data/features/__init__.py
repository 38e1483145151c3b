"""What is computed of prices, filings, trades, yields and news, day by day."""

from thesis_rl.data.features.technical import (
    AGED,
    FEATURES,
    FUNDAMENTALS,
    KNOWN,
    MACRO,
    SIGNALS,
    check_names,
    compute,
    ema,
    volatility,
)

__all__ = [
    "AGED",
    "FEATURES",
    "FUNDAMENTALS",
    "KNOWN",
    "MACRO",
    "SIGNALS",
    "check_names",
    "compute",
    "ema",
    "volatility",
]
