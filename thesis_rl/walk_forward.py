"""The one compiled program: train every fold and seed, predict unseen days, trade."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import calibration, combinatorial, preprocess, trading, training
from thesis_rl.backtest import Ledger
from thesis_rl.calibration import Calibrator
from thesis_rl.combinatorial import Combination
from thesis_rl.folds import make_folds as make_folds
from thesis_rl.folds import with_final_fold as with_final_fold
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


class Trained(NamedTuple):
    """What the networks of all windows learned, and what they say of unseen days."""

    scalers: Scaler  # [F + 1, ...]
    params: dict[str, Params]  # [S, F + 1, ...]
    metrics: dict[str, Metrics]  # [S, F + 1, num_steps]
    forecasts: dict[str, Forecasts]  # [S, F + 1, test_days, N, ...]
    calibrators: Calibrator  # [F + 1, ...]


def train_and_predict(
    key: jax.Array,
    panel: Panel,
    folds: Fold,
    held_out: Fold,
    config: FrozenConfigDict,
) -> Trained:
    """Trains and applies all seeds of all folds; rows are shared, never copied.

    One more network a fold is trained on the first part of the fold's training rows
    and asked about the rest: so much can the fold's networks be trusted.

    Args:
      key: consumed.
      panel: all rows.
      folds: bounds, each [F + 1].
      held_out: [F + 1], bounds whose test days end each fold's training days.
      config: the experiment's.

    Returns:
      By seed and fold.
    """
    num_folds = folds.train_stop.shape[0]
    num_seeded = config.num_seeds * num_folds
    windows = jax.tree.map(lambda *x: jnp.concatenate(x), folds, held_out)
    scalers = jax.lax.map(
        lambda fold: preprocess.fit(panel, fold, config.labels), windows
    )

    def window(i):
        is_seeded = i < num_seeded
        seed = jnp.where(is_seeded, i // num_folds, 0)
        index = jnp.where(is_seeded, i % num_folds, i - num_seeded + num_folds)
        fold, scaler = jax.tree.map(lambda x: x[index], (windows, scalers))
        run_key = jax.random.fold_in(key, seed)
        return jax.random.fold_in(run_key, fold.train_stop), fold, scaler

    def forecast(params, fold, scaler):
        days = fold.test_start, config.folds.test_days
        return {
            name: training.predict(p, panel, scaler, *days, config)
            for name, p in params.items()
        }

    def run(i):
        run_key, fold, scaler = window(i)
        params, metrics = training.train(run_key, panel, scaler, fold, config)
        return params, metrics, forecast(params, fold, scaler)

    done = training.in_groups(run, num_seeded + num_folds, config.group_size)
    outsiders = jax.tree.map(lambda x: x[num_seeded:], done[0][final_stage(done[0])])
    done = jax.tree.map(lambda x: x[:num_seeded], done)

    def run_ablations(i):
        run_key, fold, scaler = window(i)
        warm = jax.tree.map(lambda x: x[i], done[0]["sft"])
        params, metrics = training.ablate(run_key, warm, panel, scaler, fold, config)
        return params, metrics, forecast(params, fold, scaler)

    others = training.in_groups(run_ablations, num_seeded, config.group_size)
    params, metrics, forecasts = jax.tree.map(
        lambda x: x.reshape(config.num_seeds, num_folds, *x.shape[1:]),
        tuple(mine | other for mine, other in zip(done, others, strict=True)),
    )
    judge = functools.partial(calibrate, panel=panel, config=config)
    calibrators = jax.lax.map(
        lambda x: judge(*x),
        (outsiders, jax.tree.map(lambda x: x[num_folds:], scalers), held_out),
    )
    scalers = jax.tree.map(lambda x: x[:num_folds], scalers)
    return Trained(scalers, params, metrics, forecasts, calibrators)


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
    decisions = {stage: f.decision for stage, f in forecasts.items()}
    ledgers = {s: trading.trade(d, unseen, config) for s, d in decisions.items()}
    others = trading.trade_as_given(baselines, unseen, config)
    headline = decisions[final_stage(decisions)].mean(0)
    sensitivity = trading.sensitivity(headline, unseen, config)
    paths = None
    if windows.combination is not None:
        probabilities = combinatorial.train_and_predict(
            jax.random.fold_in(key, config.num_seeds),  # No seed has this number.
            panel,
            windows.combination,
            config,
        )
        paths = trading.trade_paths(probabilities.mean(0), market, config)
    return Outcome(
        trained.scalers,
        trained.params,
        trained.metrics,
        trained.calibrators,
        forecasts,
        ledgers,
        others,
        sensitivity,
        paths,
    )
