"""How good a record of daily returns is, and how sure one can be of it."""

from thesis_rl.stats.exposure import rolling_beta
from thesis_rl.stats.performance import (
    annual_return,
    calmar,
    max_drawdown,
    sharpe,
    sortino,
    volatility,
)
from thesis_rl.stats.significance import (
    detectable_sharpe,
    sharpe_interval,
    sharpe_standard_error,
)

__all__ = [
    "annual_return",
    "calmar",
    "detectable_sharpe",
    "max_drawdown",
    "rolling_beta",
    "sharpe",
    "sharpe_interval",
    "sharpe_standard_error",
    "sortino",
    "volatility",
]
