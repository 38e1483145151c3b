"""Combinatorial purged cross-validation: several tracks through every day.

Each split trains on both sides of what it is tested on, so a track is no record that
anybody could have earned. It asks how much of a result hangs on the one path that
history took.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import FrozenConfigDict

from thesis_rl.learning import network, preprocess
from thesis_rl.learning.network import Job
from thesis_rl.learning.preprocess import Scaler
from thesis_rl.types import Panel, Params
from thesis_rl.walk_forward import devices
from thesis_rl.walk_forward.folds import CombinatorialFolds
from thesis_rl.walk_forward.train import Watch, train

NUM_TEST_GROUPS = 2  # Of days, left out together.


class Combination(NamedTuple):
    """Splits, and where each path finds the forecasts of each of its days."""

    train: jax.Array  # [splits, T] bool
    first_days: jax.Array  # [splits, k] int32, of the slice over each tested group.
    split: jax.Array  # [num_paths, T] int32, which split forecasts the day,
    slot: jax.Array  # [num_paths, T] int32, in which of its slices,
    offset: jax.Array  # [num_paths, T] int32, how many days in.


def slice_days(num_days: int, num_groups: int) -> int:
    """Returns the length of the longest group, of which every slice is made."""
    return -(-num_days // num_groups)


def combine(folds: CombinatorialFolds) -> Combination:
    """Lays out splits and paths as the indices that the program needs.

    Args:
      folds: of `folds.combinatorial_folds`.

    Returns:
      NumPy arrays.
    """
    num_days, num_groups = folds.train.shape[1], folds.paths.shape[1]
    groups = np.array_split(np.arange(num_days), num_groups)
    last_start = num_days - slice_days(num_days, num_groups)
    starts = np.array([min(days[0], last_start) for days in groups])
    tested = np.array([[row[days[0]] for days in groups] for row in folds.test])
    num_splits = len(tested)
    of_split = np.nonzero(tested)[1].reshape(num_splits, -1)  # [splits, k] groups
    group = np.repeat(np.arange(num_groups), [len(days) for days in groups])  # [T]
    split = folds.paths[:, group]
    slot = (of_split[split] == group[None, :, None]).argmax(axis=-1)
    offset = np.broadcast_to(np.arange(num_days) - starts[group], split.shape)
    index = (starts[of_split], split, slot, offset)
    return Combination(folds.train, *(x.astype(np.int32) for x in index))


def train_and_predict(
    key: jax.Array,
    panel: Panel,
    combination: Combination,
    config: FrozenConfigDict,
    watch: Watch,
) -> jax.Array:
    """Trains every seed of every split, and joins their forecasts into paths.

    Args:
      key: of the run.
      panel: all rows.
      combination: of `combine`.
      config: the experiment's; ablations are left out.
      watch: follows the training.

    Returns:
      The final stage's decision probabilities, [S, num_paths, T, N, A].
    """
    jobs = lay_out(key, panel, combination, config)
    runs = dict.fromkeys(network.stages(config)[:2], len(jobs.scaler.mean))
    params, _ = train(jobs, runs, panel, config, watch, "paths_")
    final = params[network.final_stage(params)]
    return predict_unseen(final, jobs.scaler, panel, combination, config)


@functools.partial(jax.jit, static_argnames="config")
def lay_out(
    key: jax.Array, panel: Panel, combination: Combination, config: FrozenConfigDict
) -> Job:
    """Lists every network to be trained, [S · splits], a seed's splits side by side.

    Args:
      key: of the run.
      panel: all rows; a split's scaler reads those of its training days.
      combination: of `combine`.
      config: the experiment's.
    """
    num_days, num_splits = panel.score.shape[0], combination.train.shape[0]
    scalers = preprocess.fit_all(panel, combination.train, config.labels)
    own_key = jax.random.fold_in(key, config.num_seeds)  # No seed has this number.
    seed, index = jnp.divmod(jnp.arange(config.num_seeds * num_splits), num_splits)

    def job_key(seed, index):
        # No fold's train stop is past the data, so no fold has this key.
        seed_key = jax.random.fold_in(own_key, seed)
        return jax.random.fold_in(seed_key, num_days + 1 + index)

    fitted = jax.tree.map(lambda x: x[index], (combination.train, scalers))
    return Job(jax.vmap(job_key)(seed, index), *fitted)


@functools.partial(jax.jit, static_argnames="config")
def predict_unseen(
    params: Params,
    scalers: Scaler,
    panel: Panel,
    combination: Combination,
    config: FrozenConfigDict,
) -> jax.Array:
    """Joins what the networks of all splits say of the days that they did not see.

    Args:
      params: of the final stage, [S · splits, ...].
      scalers: [S · splits, ...].
      panel: all rows.
      combination: of `combine`.
      config: the experiment's.

    Returns:
      As `train_and_predict`.
    """
    num_days, num_splits = panel.score.shape[0], combination.train.shape[0]
    length = slice_days(num_days, config.combinatorial.num_groups)

    def run(i):
        own, scaler = jax.tree.map(lambda x: x[i], (params, scalers))

        def forecast(first_day):
            return network.predict(
                own, panel, scaler, first_day, length, config
            ).decision

        return jax.lax.map(forecast, combination.first_days[i % num_splits])

    num_runs = config.num_seeds * num_splits
    done = devices.in_groups(run, num_runs, config.group_size)
    done = done.reshape(config.num_seeds, num_splits, *done.shape[1:])
    return done[:, combination.split, combination.slot, combination.offset]
