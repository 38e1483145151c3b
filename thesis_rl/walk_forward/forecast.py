"""Every network of every window: trained, asked about unseen days, and calibrated."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import FrozenConfigDict

from thesis_rl.learning import calibration, network, preprocess
from thesis_rl.learning.calibration import Calibrator
from thesis_rl.learning.network import Forecasts, Job
from thesis_rl.learning.preprocess import Scaler
from thesis_rl.types import Fold, Metrics, Panel, Params
from thesis_rl.walk_forward import train
from thesis_rl.walk_forward.train import Watch


class Trained(NamedTuple):
    """What the networks of all windows learned, and what they say of unseen days."""

    scalers: Scaler  # [F + 1, ...]
    params: dict[str, Params]  # [S, F + 1, ...]
    metrics: dict[str, Metrics]  # [S, F + 1, num_steps]
    forecasts: dict[str, Forecasts]  # [S, T', N, ...], T' = F · test_days.
    calibrators: Calibrator  # [F + 1, ...]
    hold_out: tuple[Params, Scaler]  # Of the first fold, it missed its last days.


def train_and_predict(
    key: jax.Array,
    panel: Panel,
    folds: Fold,
    held_out: Fold,
    config: FrozenConfigDict,
    watch: Watch = train.UNWATCHED,
) -> Trained:
    """Trains and applies all seeds of all folds; rows are shared, never copied.

    One more network a fold is trained on the first part of the fold's training rows;
    the rest say how far to trust the fold.

    Args:
      key: of the run.
      panel: all rows.
      folds: bounds, each [F + 1].
      held_out: [F + 1], bounds whose test days end each fold's training days.
      config: the experiment's.
      watch: follows the training.

    Returns:
      By seed and fold.
    """
    windows = jax.tree.map(lambda *x: np.concatenate(x), folds, held_out)
    scalers, jobs = lay_out(key, panel, windows, config)
    num_runs = len(jobs.scaler.mean)
    num_seeded = num_runs - len(folds.train_stop)  # Of ablations no other is asked.
    runs = dict.fromkeys(network.stages(config), num_seeded)
    runs |= dict.fromkeys(network.stages(config)[:2], num_runs)
    params, metrics = train.train(jobs, runs, panel, config, watch)
    return predict_unseen(params, metrics, panel, windows, scalers, config)


@functools.partial(jax.jit, static_argnames="config")
def lay_out(
    key: jax.Array, panel: Panel, windows: Fold, config: FrozenConfigDict
) -> tuple[Scaler, Job]:
    """Lists every network to be trained: all seeds of all folds, then hold-outs.

    Args:
      key: of the run.
      panel: all rows; a window's scaler reads those of its training days.
      windows: [2 (F + 1)], bounds of the folds, and then of the held-out windows, each
        of which tests the last training days of its fold.
      config: the experiment's.

    Returns:
      Scalers [2 (F + 1), ...], and jobs [(S + 1) · (F + 1)], a seed's folds side by
      side.
    """
    days = windows.trains_on(panel.score.shape[0])
    scalers = preprocess.fit_all(panel, days, config.labels)
    num_folds = windows.train_stop.shape[0] // 2
    index = jnp.arange((config.num_seeds + 1) * num_folds)
    is_seeded = index < config.num_seeds * num_folds
    seed = jnp.where(is_seeded, index // num_folds, 0)
    window = jnp.where(is_seeded, 0, num_folds) + index % num_folds
    stop, days, fitted = at(window, (windows.train_stop, days, scalers))

    def job_key(seed, train_stop):
        return jax.random.fold_in(jax.random.fold_in(key, seed), train_stop)

    return scalers, Job(jax.vmap(job_key)(seed, stop), days, fitted)


@functools.partial(jax.jit, static_argnames="config")
def predict_unseen(
    params: dict[str, Params],
    metrics: dict[str, Metrics],
    panel: Panel,
    windows: Fold,
    scalers: Scaler,
    config: FrozenConfigDict,
) -> Trained:
    """Asks every network about its unseen days.

    Args:
      params: by stage, of the jobs of `lay_out`; those of hold-outs may be missing
        where nobody asks for them.
      metrics: likewise.
      panel: all rows.
      windows: as of `lay_out`.
      scalers: [2 (F + 1), ...].
      config: the experiment's.

    Returns:
      By seed and fold.
    """
    num_folds = windows.train_stop.shape[0] // 2
    num_seeded = config.num_seeds * num_folds
    folds, own = at(slice(num_folds), (windows, scalers))
    judges = at(slice(num_folds, None), (scalers, windows))
    final = params[network.final_stage(params)]
    hold_outs = jax.tree.map(lambda x: x[num_seeded:], final)
    grid = config.num_seeds, num_folds
    by_fold = lambda x: x.reshape(*grid, *x.shape[1:])  # noqa: E731
    first = jax.tree.map(lambda x: by_fold(x[:num_seeded]), (params, metrics))

    def forecast(i):
        seed, index = jnp.divmod(i, num_folds)
        fold, scaler = at(index, (folds, own))
        days = fold.test_start, config.folds.test_days
        return {
            stage: network.predict(x, panel, scaler, *days, config)
            for stage, x in at((seed, index), first[0]).items()
        }

    # The final window tests nothing. What was grouped would be held twice.
    tested = jnp.arange(num_seeded).reshape(grid)[:, :-1]
    forecasts = jax.lax.map(forecast, tested.ravel())
    calibrators = jax.lax.map(
        lambda x: calibrate(*x, panel, config), (hold_outs, *judges)
    )
    hold_out = at(0, (hold_outs, judges[0]))
    by_seed = lambda x: x.reshape(grid[0], -1, *x.shape[2:])  # noqa: E731
    return Trained(own, *first, jax.tree.map(by_seed, forecasts), calibrators, hold_out)


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
    forecasts = network.predict(
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
        preprocess.label(rows.score, scaler.thresholds),
        rows.truth,
        rows.labelled.astype(jnp.float32),
    )


def calibration_days(config: FrozenConfigDict) -> int:
    """Returns how many of a fold's training days are kept to calibrate on."""
    return max(round(config.calibration.share * config.folds.train_days), 1)


def at(index, tree):
    """Takes entry `index` of the leading axes of every array."""
    return jax.tree.map(lambda x: x[index], tree)
