"""The one compiled program: train every fold and seed, predict unseen days, trade."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import (
    calibration,
    combinatorial,
    execution,
    networks,
    portfolio,
    preprocess,
    trading,
    training,
)
from thesis_rl.backtest import Ledger
from thesis_rl.calibration import Calibrator
from thesis_rl.combinatorial import Combination
from thesis_rl.execution import Orders
from thesis_rl.folds import make_folds as make_folds
from thesis_rl.folds import with_final_fold as with_final_fold
from thesis_rl.orders import Trader
from thesis_rl.preprocess import Scaler
from thesis_rl.trading import Sensitivity
from thesis_rl.training import Forecasts as Forecasts
from thesis_rl.training import final_stage as final_stage
from thesis_rl.training import train_fold as train_fold
from thesis_rl.types import Fold, Market, Metrics, Panel, Params


class Windows(NamedTuple):
    """Which days train and which are judged, in every role."""

    folds: Fold  # [F + 1], the final model's window last.
    held_out: Fold  # [F + 1], within the training days of the same fold.
    combination: Combination | None  # Of the cross-validation, where asked for.
    lead: jax.Array | None = None  # [L], days before the first test day, for traders.


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
    traders: Trader | None = None  # [F + 1], where `config.path` trains them.


class Trained(NamedTuple):
    """What the networks of all windows learned, and what they say of unseen days."""

    scalers: Scaler  # [F + 1, ...]
    params: dict[str, Params]  # [S, F + 1, ...]
    metrics: dict[str, Metrics]  # [S, F + 1, num_steps]
    forecasts: dict[str, Forecasts]  # [S, F + 1, test_days, N, ...]
    calibrators: Calibrator  # [F + 1, ...]
    outsider: tuple[Params, Scaler]  # Of the first fold, it missed its last days.


def train_and_predict(
    key: jax.Array,
    panel: Panel,
    folds: Fold,
    held_out: Fold,
    config: FrozenConfigDict,
) -> Trained:
    """Trains and applies all seeds of all folds; rows are shared, never copied.

    One more network a fold is trained on the first part of the fold's training rows;
    the rest say how far to trust the fold and which of `rft.num_choices` to keep.

    Args:
      key: consumed.
      panel: all rows.
      folds: bounds, each [F + 1].
      held_out: [F + 1], bounds whose test days end each fold's training days.
      config: the experiment's.

    Returns:
      By seed and fold.
    """
    windows = jax.tree.map(lambda *x: jnp.concatenate(x), folds, held_out)
    scalers = jax.lax.map(
        lambda fold: preprocess.fit(panel, fold, config.labels), windows
    )
    learned, outsiders = networks.train(
        key, panel, windows, scalers, calibration_days(config), config
    )
    num_folds = folds.train_stop.shape[0]
    apart = (outsiders, jax.tree.map(lambda x: x[num_folds:], scalers), held_out)
    calibrators = jax.lax.map(lambda x: calibrate(*x, panel, config), apart)
    outsider = jax.tree.map(lambda x: x[0], apart[:2])
    scalers = jax.tree.map(lambda x: x[:num_folds], scalers)
    return Trained(scalers, *learned, calibrators, outsider)


def calibrate(
    params: Params, scaler: Scaler, fold: Fold, panel: Panel, config: FrozenConfigDict
) -> Calibrator:
    """Learns how far to trust networks trained the way one was, that missed rows.

    Args:
      params: of the network.
      scaler: fitted on its training rows.
      fold: bounds; its test days are the rows.
      panel: all rows.
      config: the experiment's.

    Returns:
      The calibrator.
    """
    num_days = calibration_days(config)
    forecasts = training.predict(
        params, panel, scaler, fold.test_start, num_days, config
    )
    rows = jax.tree.map(
        lambda x: jax.lax.dynamic_slice_in_dim(x, fold.test_start, num_days), panel
    )
    forecasts, rows = jax.tree.map(
        lambda x: x.reshape(-1, *x.shape[2:]), (forecasts, rows)
    )
    return calibration.fit(
        forecasts,
        jax.vmap(preprocess.label, in_axes=(0, None))(rows.score, scaler.thresholds),
        rows.truth,
        rows.labelled.astype(jnp.float32),
        config.calibration.claim_precision,
    )


def calibration_days(config: FrozenConfigDict) -> int:
    """Returns how many of a fold's training days are kept to calibrate on."""
    return max(round(config.calibration.share * config.folds.train_days), 1)


@functools.partial(jax.jit, static_argnames="config")
def run(
    key: jax.Array,
    panel: Panel,
    market: Market,
    windows: Windows,
    baselines: jax.Array,
    config: FrozenConfigDict,
) -> Outcome:
    """Trains every seed of every fold, predicts the unseen days and trades them.

    Args:
      key: consumed.
      panel: all rows.
      market: returns, tradability and what trading costs, [T, N].
      windows: which days train and which are judged.
      baselines: [number of baselines, T', N] positions of other strategies.
      config: the whole experiment; hashable, so static.

    Returns:
      The outcome.
    """
    folds = windows.folds
    trained = train_and_predict(key, panel, folds, windows.held_out, config)
    num_days = baselines.shape[1]
    unseen = jax.tree.map(
        lambda x: jax.lax.dynamic_slice_in_dim(x, folds.test_start[0], num_days), market
    )
    forecasts = jax.tree.map(
        lambda x: x[:, :-1].reshape(x.shape[0], num_days, *x.shape[3:]),
        trained.forecasts,
    )
    trade = lambda f: trading.trade(f.decision, unseen, config, f.size)  # noqa: E731
    ledgers = {stage: trade(f) for stage, f in forecasts.items()}
    others = trading.trade_as_given(baselines, unseen, config)
    final, mapping = final_stage(forecasts), config.backtest.mapping
    headline = training.stated(forecasts[final], mapping).mean(0)
    orders = execution.sleeves(headline, mapping, unseen, config)
    metrics, traders = trained.metrics, None
    if windows.lead is not None:
        ledgers["path"], orders, traders, learned = act(
            key, trained, forecasts[final].decision, panel, market, windows, config
        )
        metrics, forecasts["path"] = metrics | learned, forecasts[final]
    sensitivity = trading.sensitivity(orders, unseen, config)
    paths = None
    if windows.combination is not None:
        stated = combinatorial.train_and_predict(
            jax.random.fold_in(key, config.num_seeds),  # No seed has this number.
            panel,
            windows.combination,
            config,
        )
        paths = trading.trade_paths(stated.mean(0), market, config)
    return Outcome(
        trained.scalers,
        trained.params,
        metrics,
        trained.calibrators,
        forecasts,
        ledgers,
        others,
        sensitivity,
        paths,
        traders,
    )


def act(
    key: jax.Array,
    trained: Trained,
    probabilities: jax.Array,
    panel: Panel,
    market: Market,
    windows: Windows,
    config: FrozenConfigDict,
) -> tuple[dict[str, Ledger], Orders, Trader, dict[str, Metrics]]:
    """Trains a trader for each window and trades the unseen days as they see fit.

    Args:
      key: of the run; no seed has the number that is folded in.
      trained: of all windows.
      probabilities: [S, T', N, A], of the stage that is traded.
      panel: all rows.
      market: [T, N].
      windows: with lead days.
      config: the experiment's.

    Returns:
      Ledgers by mapping [S + 1, T'], the headline's orders, traders [F + 1], and
      metrics [1, F + 1, num_steps] by stage, none of a band.
    """
    num_lead, first = len(windows.lead), windows.lead[0]
    params, scaler = trained.outsider
    lead = training.predict(params, panel, scaler, first, num_lead, config).decision
    num_days = num_lead + probabilities.shape[1]
    around = jax.tree.map(
        lambda x: jax.lax.dynamic_slice_in_dim(x, first, num_days), market
    )
    stops = jnp.minimum(windows.folds.train_stop - first, num_days)
    stated = jnp.concatenate([lead, probabilities.mean(0)])
    series = portfolio.positions(stated, config.backtest.mapping)
    traders, metrics = execution.train_traders(
        jax.random.fold_in(key, config.num_seeds + 1), series, around, stops, config
    )
    judged = jax.tree.map(lambda x: x[:-1], traders)
    ledgers, orders = trading.trade_at_pace(
        probabilities, lead, around, judged, stops[:-1], config
    )
    learned = {"path": jax.tree.map(lambda x: x[None], metrics)} if metrics else {}
    return ledgers, orders, traders, learned
