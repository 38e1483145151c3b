"""Walk-forward: train every fold and seed, predict unseen days, trade them."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl.learning import network
from thesis_rl.learning.calibration import Calibrator
from thesis_rl.learning.network import Forecasts as Forecasts
from thesis_rl.learning.network import final_stage as final_stage
from thesis_rl.learning.preprocess import Scaler
from thesis_rl.trading import books, pace, portfolio
from thesis_rl.trading.backtest import Ledger
from thesis_rl.trading.books import Sensitivity
from thesis_rl.trading.pace import Orders, Rule
from thesis_rl.types import Fold, Market, Metrics, Panel, Params
from thesis_rl.walk_forward import combinatorial
from thesis_rl.walk_forward.combinatorial import Combination
from thesis_rl.walk_forward.folds import make_folds as make_folds
from thesis_rl.walk_forward.folds import with_final_fold as with_final_fold
from thesis_rl.walk_forward.forecast import Trained
from thesis_rl.walk_forward.forecast import calibration_days as calibration_days
from thesis_rl.walk_forward.forecast import train_and_predict as train_and_predict
from thesis_rl.walk_forward.train import UNWATCHED, Watch


class Windows(NamedTuple):
    """Which days train and which are judged, in every role."""

    folds: Fold  # [F + 1], the final model's window last.
    held_out: Fold  # [F + 1], within the training days of the same fold.
    combination: Combination | None  # Of the cross-validation, where asked for.
    lead: jax.Array | None = None  # [L], days before the first test; for a pace.


class Outcome(NamedTuple):
    """Everything a run learned. Dicts have one entry a stage: sft, rft, ablations.

    The last of the F + 1 trained folds is the final model, trained up to the last
    labelled day; it has no test days.
    """

    scalers: Scaler  # [F + 1, ...]
    params: dict[str, Params]  # [S, F + 1, ...]
    metrics: dict[str, Metrics]  # [S, F + 1, num_steps]
    calibrators: Calibrator  # [F + 1, ...], of the final stage.
    forecasts: dict[str, Forecasts]  # [S, T', N, ...], T' = F · test_days.
    ledgers: dict[str, dict[str, Ledger]]  # by mapping: [S + 1, T', ...], mean last.
    baselines: Ledger  # [number of baselines, T', ...]
    sensitivity: Sensitivity  # Of the headline's book, [..., T', ...].
    paths: Ledger | None  # [num_paths, T, ...], of the ensemble.
    rules: Rule | None = None  # [F + 1], of `config.pace`; None for sleeves.


def run(
    key: jax.Array,
    panel: Panel,
    market: Market,
    windows: Windows,
    baselines: jax.Array,
    config: FrozenConfigDict,
    watch: Watch = UNWATCHED,
) -> Outcome:
    """Trains every seed of every fold, predicts the unseen days and trades them.

    Each stage of training is one compiled program that all networks run through, on
    every device; what follows is one more.

    Args:
      key: of the run.
      panel: all rows.
      market: returns, tradability and what trading costs, [T, N].
      windows: which days train and which are judged.
      baselines: [number of baselines, T', N] positions of other strategies.
      config: the whole experiment; hashable, so static.
      watch: follows the training.

    Returns:
      The outcome.
    """
    trained = train_and_predict(
        key, panel, windows.folds, windows.held_out, config, watch
    )
    stated = None
    if windows.combination is not None:
        stated = combinatorial.train_and_predict(
            key, panel, windows.combination, config, watch
        )
    outcome = trade(trained, stated, panel, market, windows, baselines, config)
    forecasts = trained.forecasts
    if windows.lead is not None:
        forecasts = forecasts | {"paced": forecasts[final_stage(forecasts)]}
    return outcome._replace(forecasts=forecasts)  # What goes through is copied.


@functools.partial(jax.jit, static_argnames="config")
def trade(
    trained: Trained,
    stated: jax.Array | None,
    panel: Panel,
    market: Market,
    windows: Windows,
    baselines: jax.Array,
    config: FrozenConfigDict,
) -> Outcome:
    """Trades the unseen days as the networks of every stage decide them.

    Args:
      trained: of all windows.
      stated: of `combinatorial.train_and_predict`; None without cross-validation.
      panel: all rows.
      market: [T, N].
      windows: which days train and which are judged.
      baselines: [number of baselines, T', N].
      config: the experiment's.

    Returns:
      The outcome but for its forecasts, which `run` puts in.
    """
    folds = windows.folds
    num_days = baselines.shape[1]
    unseen = jax.tree.map(
        lambda x: jax.lax.dynamic_slice_in_dim(x, folds.test_start[0], num_days), market
    )
    forecasts = trained.forecasts
    ledgers = {
        stage: books.trade(f.decision, unseen, config) for stage, f in forecasts.items()
    }
    others = books.trade_as_given(baselines, unseen, config)
    final, mapping = final_stage(forecasts), config.backtest.mapping
    headline = network.over_seeds(forecasts[final]).decision
    orders = books.sleeves(headline, mapping, unseen, config)
    rules = None
    if windows.lead is not None:
        ledgers["paced"], orders, rules = act(
            trained, forecasts[final].decision, panel, market, windows, config
        )
    paths = None
    if stated is not None:
        paths = books.trade_paths(network.over_seeds(stated), market, config)
    return Outcome(
        trained.scalers,
        trained.params,
        trained.metrics,
        trained.calibrators,
        {},
        ledgers,
        others,
        books.sensitivity(orders, unseen, config),
        paths,
        rules,
    )


def act(
    trained: Trained,
    probabilities: jax.Array,
    panel: Panel,
    market: Market,
    windows: Windows,
    config: FrozenConfigDict,
) -> tuple[dict[str, Ledger], Orders, Rule]:
    """Sets a rule for each window and trades the unseen days by them.

    Args:
      trained: of all windows.
      probabilities: [S, T', N, A], of the stage that is traded.
      panel: all rows.
      market: [T, N].
      windows: with lead days.
      config: the experiment's.

    Returns:
      Ledgers by mapping [S + 1, T'], the headline's orders, and rules [F + 1].
    """
    num_lead, first = len(windows.lead), windows.lead[0]
    params, scaler = trained.hold_out
    lead = network.predict(params, panel, scaler, first, num_lead, config).decision
    num_days = num_lead + probabilities.shape[1]
    around = jax.tree.map(
        lambda x: jax.lax.dynamic_slice_in_dim(x, first, num_days), market
    )
    stops = jnp.minimum(windows.folds.train_stop - first, num_days)
    stated = jnp.concatenate([lead, network.over_seeds(probabilities)])
    series = portfolio.positions(stated, config.backtest.mapping)
    rules = pace.set_rules(series, around, stops, config)
    judged = jax.tree.map(lambda x: x[:-1], rules)
    ledgers, orders = books.trade_at_pace(
        probabilities, lead, around, judged, stops[:-1], config
    )
    return ledgers, orders, rules
