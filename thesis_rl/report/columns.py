"""What is measured of every strategy: how it is called, computed and printed."""

from collections.abc import Callable
from typing import Any, NamedTuple

from thesis_rl.report import numbers
from thesis_rl.report.numbers import multiple, percent, probability, ratio

CONTROLLED = "ensemble_cvar"  # Reported apart from the signal.


class Column(NamedTuple):
    """One metric of the table."""

    path: tuple[str, ...]  # Where it lies under a strategy.
    title: str
    show: Callable[[Any], str]
    formula: str
    short: str = ""  # In 80 characters of console; "" leaves it out there.


COLUMNS = (
    Column(
        ("net", "headline_sharpe"),
        "Headline Sharpe",
        ratio,
        "Mean / sd · √252, sd with T − 1, of the daily net return in excess of cash "
        "less Σ w·β times the equal-weight return of the same names, β trailing 252 "
        "days and lagged; for a long-only book and the long-only baselines, of the net "
        "return less that of the equal-weight book.",
        "Headline",
    ),
    Column(
        ("seed_sd", "net", "headline_sharpe"),
        "± seeds",
        ratio,
        "Standard deviation over seeds of the headline Sharpe, with S − 1.",
        "± sd",
    ),
    Column(
        ("comparison", "sharpe_difference"),
        "Ensemble less this",
        ratio,
        "Headline Sharpe of the ensemble less that of this strategy. None where a "
        "headline is zero by definition, as that of equal weight and of cash: there "
        "the headline's own interval says it.",
    ),
    Column(
        ("comparison", "interval"),
        "95% interval",
        numbers.interval,
        "Difference ± the 95% quantile of |d* − d| over 2,000 stationary bootstrap "
        "records that draw the same days of both (Ledoit and Wolf 2008).",
    ),
    Column(
        ("comparison", "p"),
        "p",
        probability,
        "(1 + #{|d* − d| ≥ |d|}) / (1 + draws) of the same bootstrap: two-sided, of no "
        "difference. Uncorrected for the number of comparisons.",
        "p",
    ),
    Column(
        ("comparison", "dm_p"),
        "DM p",
        probability,
        "Diebold and Mariano (1995) with the correction of Harvey, Leybourne and "
        "Newbold (1997), two-sided, of a day's loss −Σ w·payoff / Σ |w| of the "
        "positions taken, payoffs in units of volatility and clipped at ±2, Bartlett "
        "weights over the days that labels overlap. Where they overlap by weeks it "
        "rejects a true null about one time in ten at 5%. Uncorrected.",
    ),
    Column(
        ("net", "sharpe"),
        "Sharpe",
        ratio,
        "Mean / sd · √252 of the daily net return in excess of cash, unhedged.",
        "Sharpe",
    ),
    Column(
        ("net", "annual_return"),
        "Return",
        percent,
        "A year: V_T^(252/T) − 1, V the net worth of 1 in excess of cash, compounded "
        "daily.",
        "Return",
    ),
    Column(
        ("net", "volatility"),
        "Volatility",
        percent,
        "A year: sd · √252 of the daily net return in excess of cash, sd with T − 1.",
        "Vol",
    ),
    Column(
        ("net", "max_drawdown"),
        "Max drawdown",
        percent,
        "Minimum over t of V_t / max V_s (s ≤ t) − 1, V as for the return, its start "
        "included.",
        "Max DD",
    ),
    Column(
        ("net", "turnover"),
        "Turnover",
        multiple,
        "A year: 252 · mean of Σ |w − w_drifted|, two-way, in times the capital.",
        "Turns",
    ),
    Column(
        ("gross", "headline_sharpe"),
        "Gross",
        ratio,
        "The headline Sharpe before all costs, in excess of cash.",
    ),
)

EXPLANATIONS = {
    "ensemble": "The mean of all seeds' decision probabilities after the last stage.",
    "rft": "Single networks after reinforcement, averaged over seeds.",
    "rft_ensemble": "The mean of all seeds' decision probabilities, held in sleeves.",
    "paced": "Single networks after reinforcement, traded at the folds' pace.",
    "sft_ensemble": "The mean of all seeds' decision probabilities before it.",
    "sft": "Single networks after imitation alone, averaged over seeds.",
    CONTROLLED: "The ensemble, scaled down while its trailing tail loss is too large.",
    "equal_weight": "Every quoted name, long, in equal parts.",
    "momentum": "Long what beat the day's mean 12-1 month return, short the rest.",
    "hold": "Always hold: cash.",
    "best_constant": "Each fold's one decision that its training window paid best.",
    "logistic": "Logistic regression of the decision on the features, fold by fold.",
    "boosting": "Gradient boosting of the decision on the features, fold by fold.",
}


def find(record: dict, path: tuple[str, ...]) -> Any:
    """Returns what lies at a path of a nested dictionary, or None."""
    for key in path:
        if key not in record:
            return None
        record = record[key]
    return record
