"""How good a record of daily returns is, and how sure one can be of it."""

from thesis_rl.stats.bootstrap import optimal_block_length, stationary_bootstrap
from thesis_rl.stats.calibration import (
    brier_score,
    classwise_calibration_error,
    expected_calibration_error,
    ranked_probability_score,
    reliability,
)
from thesis_rl.stats.exposure import rolling_beta
from thesis_rl.stats.forecasts import (
    diebold_mariano,
    newey_west_t,
    rank_ic,
    rank_ic_test,
)
from thesis_rl.stats.overfitting import (
    deflated_sharpe,
    effective_trials,
    expected_max_sharpe,
    min_backtest_length,
    overfitting_logits,
    overfitting_under_null,
    probability_of_overfitting,
)
from thesis_rl.stats.performance import (
    annual_return,
    calmar,
    conditional_value_at_risk,
    kurtosis,
    max_drawdown,
    sharpe,
    skewness,
    sortino,
    value_at_risk,
    volatility,
)
from thesis_rl.stats.resampled_sharpe import (
    sharpe_bootstrap,
    sharpe_difference_bootstrap,
    sharpe_differences_bootstrap,
)
from thesis_rl.stats.sharpe import (
    autocorrelations,
    detectable_sharpe,
    lo_annualisation,
    lo_sharpe,
    min_track_record,
    newey_west_bandwidth,
    probabilistic_sharpe,
    sharpe_interval,
    sharpe_standard_error,
)
from thesis_rl.stats.superiority import step_m, superior_predictive_ability

__all__ = [
    "annual_return",
    "autocorrelations",
    "brier_score",
    "calmar",
    "classwise_calibration_error",
    "conditional_value_at_risk",
    "deflated_sharpe",
    "detectable_sharpe",
    "diebold_mariano",
    "effective_trials",
    "expected_calibration_error",
    "expected_max_sharpe",
    "kurtosis",
    "lo_annualisation",
    "lo_sharpe",
    "max_drawdown",
    "min_backtest_length",
    "min_track_record",
    "newey_west_bandwidth",
    "newey_west_t",
    "optimal_block_length",
    "overfitting_logits",
    "overfitting_under_null",
    "probabilistic_sharpe",
    "probability_of_overfitting",
    "rank_ic",
    "rank_ic_test",
    "ranked_probability_score",
    "reliability",
    "rolling_beta",
    "sharpe",
    "sharpe_bootstrap",
    "sharpe_difference_bootstrap",
    "sharpe_differences_bootstrap",
    "sharpe_interval",
    "sharpe_standard_error",
    "skewness",
    "sortino",
    "stationary_bootstrap",
    "step_m",
    "superior_predictive_ability",
    "value_at_risk",
    "volatility",
]
