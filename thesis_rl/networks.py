"""Every network of every window: trained a few at a time, asked about unseen days."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import choice, training
from thesis_rl.preprocess import Scaler
from thesis_rl.training import Forecasts
from thesis_rl.types import Fold, Metrics, Panel, Params


class Networks(NamedTuple):
    """What networks learned, and what they say of unseen days, by stage."""

    params: dict[str, Params]  # [S, F + 1, ...]
    metrics: dict[str, Metrics]  # [S, F + 1, num_steps]
    forecasts: dict[str, Forecasts]  # [S, F + 1, test_days, N, ...]


def train(
    key: jax.Array,
    panel: Panel,
    windows: Fold,
    scalers: Scaler,
    tail_days: int,
    config: FrozenConfigDict,
) -> tuple[Networks, Params]:
    """Trains all seeds of all folds, and one network of each held-out window.

    With several `rft.num_choices` the parameters are those of the step that `choice`
    settles on, and forecasts wait for it.

    Args:
      key: consumed.
      panel: all rows; they are shared, never copied.
      windows: [2 (F + 1)], bounds of the folds, and then of the held-out windows, each
        of which tests the last training days of its fold.
      scalers: [2 (F + 1), ...], fitted on them.
      tail_days: how many days a held-out window tests.
      config: the experiment's.

    Returns:
      The folds' networks, and the final stage's parameters of those of the held-out
      windows, [F + 1, ...].
    """
    num_folds = windows.train_stop.shape[0] // 2
    num_seeded = config.num_seeds * num_folds
    held_out = jax.tree.map(lambda x: x[num_folds:], (scalers, windows))
    choosing = config.rft.num_choices > 1

    def window(i):
        is_seeded = i < num_seeded
        seed = jnp.where(is_seeded, i // num_folds, 0)
        index = jnp.where(is_seeded, i % num_folds, i - num_seeded + num_folds)
        fold, scaler = at(index, (windows, scalers))
        run_key = jax.random.fold_in(key, seed)
        return jax.random.fold_in(run_key, fold.train_stop), fold, scaler

    def train_all(train_one, num_runs):
        def run(i):
            run_key, fold, scaler = window(i)
            params, metrics = train_one(i, run_key, fold, scaler)
            said = {} if choosing else forecast(params, panel, scaler, fold, config)
            return Networks(params, metrics, said)

        def ask(i):
            _, fold, scaler = window(i)
            return forecast(at(i, params), panel, scaler, fold, config)

        networks = training.in_groups(run, num_runs, config.group_size)
        if not choosing:
            return networks
        params = choice.settle(networks.params, *held_out, panel, tail_days, config)
        forecasts = training.in_groups(ask, num_runs, config.group_size)
        return Networks(params, networks.metrics, forecasts)

    def from_scratch(i, run_key, fold, scaler):
        return training.train(run_key, panel, scaler, fold, config)

    def another_way(i, run_key, fold, scaler):
        warm = at(i, done.params["sft"])
        return training.ablate(run_key, warm, panel, scaler, fold, config)

    done = train_all(from_scratch, num_seeded + num_folds)
    # Only a choice asks for the held-out windows' networks of every stage.
    others = train_all(another_way, num_seeded + num_folds * choosing)
    outsiders = done.params[training.final_stage(done.params)]
    by_stage = (one | other for one, other in zip(done, others, strict=True))
    seeded = jax.tree.map(
        lambda x: x[:num_seeded].reshape(config.num_seeds, num_folds, *x.shape[1:]),
        Networks(*by_stage),
    )
    return seeded, jax.tree.map(lambda x: x[num_seeded:], outsiders)


def forecast(
    params: dict[str, Params],
    panel: Panel,
    scaler: Scaler,
    fold: Fold,
    config: FrozenConfigDict,
) -> dict[str, Forecasts]:
    """Forecasts the test days of one network's window, by stage, [test_days, N, ...].

    Args:
      params: by stage.
      panel: all rows.
      scaler: fitted on the window's training rows.
      fold: bounds of the window.
      config: the experiment's.
    """
    days = fold.test_start, config.folds.test_days
    return {
        name: training.predict(p, panel, scaler, *days, config)
        for name, p in params.items()
    }


def at(index: jax.Array, tree: Any) -> Any:
    """Takes entry `index` of the leading axis of every array."""
    return jax.tree.map(lambda x: x[index], tree)
