"""Positions to weights, fills, costs and returns."""

__all__ = [
    "backtest",
    "books",
    "costs",
    "pace",
    "portfolio",
]
