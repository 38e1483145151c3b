"""Many points of a sweep in one compiled program: trained, and traded."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import FrozenConfigDict

from thesis_rl import configs
from thesis_rl.learning import network, preprocess
from thesis_rl.learning.network import Job
from thesis_rl.runs.sweep.grid import Point
from thesis_rl.trading import books
from thesis_rl.trading.backtest import Ledger
from thesis_rl.trading.costs import line
from thesis_rl.types import Fold, Market, Panel, Params
from thesis_rl.walk_forward.experiment import Experiment
from thesis_rl.walk_forward.train import UNWATCHED
from thesis_rl.walk_forward.train import train as train_jobs


class Traded(NamedTuple):
    """What the program finds out about V points."""

    stated: jax.Array  # [V, T', N, A], mean over seeds of the decisions' probabilities.
    ledger: Ledger  # [V, T', ...], of those, under the headline's mapping.
    equal_weight: Ledger  # [V, T', ...]
    broken: jax.Array  # [V] int32, parameters that are not finite.


def train_and_trade(
    key: jax.Array,
    panel: Panel,
    market: Market,
    folds: Fold,
    equal_weight: jax.Array,
    arrays: dict[str, jax.Array],
    config: FrozenConfigDict,
) -> Traded:
    """Trains every point, fold and seed, and trades each point's ensemble.

    A network is trained as `walk_forward.program.run` trains it, from the same keys.
    What a headline does not need is left out: the final model, calibration, ablations.

    Args:
      key: of the run.
      panel: all rows.
      market: [T, N].
      folds: bounds, [F].
      equal_weight: [T', N] positions of that baseline.
      arrays: values in place of the config's, by dotted key, [V, ...].
      config: what the points share.

    Returns:
      By point.
    """
    jobs = lay_out(key, panel, folds, arrays, config)
    runs = dict.fromkeys(network.stages(config), len(jobs.days))
    params, _ = train_jobs(jobs, runs, panel, config, UNWATCHED)
    final = params[network.final_stage(params)]
    return trade(final, jobs, panel, market, folds, equal_weight, arrays, config)


@functools.partial(jax.jit, static_argnames="config")
def lay_out(
    key: jax.Array,
    panel: Panel,
    folds: Fold,
    arrays: dict[str, jax.Array],
    config: FrozenConfigDict,
) -> Job:
    """Lists every network, [V · S · F] jobs; arguments as `train_and_trade`."""
    num_points, num_folds = num_points_of(arrays), len(folds.train_stop)
    days, of_days = folds.trains_on(panel.score.shape[0]), preprocess.moments(panel)

    def scale(i):
        labels = at_point(arrays, i // num_folds, config).labels
        return preprocess.fit(panel, days[i % num_folds], labels, of_days)

    scalers = jax.lax.map(scale, jnp.arange(num_points * num_folds))

    def job(i):
        point, index = i // (config.num_seeds * num_folds), i % num_folds
        seed_key = jax.random.fold_in(key, i // num_folds % config.num_seeds)
        return Job(
            jax.random.fold_in(seed_key, folds.train_stop[index]),
            days[index],
            jax.tree.map(lambda x: x[point * num_folds + index], scalers),
            {name: x[point] for name, x in arrays.items()},
        )

    return jax.vmap(job)(jnp.arange(num_points * config.num_seeds * num_folds))


@functools.partial(jax.jit, static_argnames="config")
def trade(
    params: Params,
    jobs: Job,
    panel: Panel,
    market: Market,
    folds: Fold,
    equal_weight: jax.Array,
    arrays: dict[str, jax.Array],
    config: FrozenConfigDict,
) -> Traded:
    """Trades each point's ensemble on unseen days; arguments as `train_and_trade`."""
    num_points, num_folds = num_points_of(arrays), len(folds.train_stop)
    length, num_days = config.folds.test_days, num_folds * config.folds.test_days

    def forecast(i):
        own, scaler = jax.tree.map(lambda x: x[i], (params, jobs.scaler))
        first = folds.test_start[i % num_folds]
        said = network.predict(own, panel, scaler, first, length, config)
        broken = sum(jnp.sum(~jnp.isfinite(x)) for x in jax.tree.leaves(own))
        return said.decision, broken

    stated, broken = jax.lax.map(forecast, jnp.arange(len(jobs.days)))
    by_seed = num_points, config.num_seeds, num_days
    stated = jax.vmap(network.over_seeds)(stated.reshape(*by_seed, *stated.shape[2:]))
    unseen = jax.tree.map(
        lambda x: jax.lax.dynamic_slice_in_dim(x, folds.test_start[0], num_days), market
    )

    def book(x):
        stated, changed = x[0], at_point(arrays, x[1], config)
        ledger = books.trade_paths(stated[None], unseen, changed)
        other = books.trade_as_given(equal_weight[None], unseen, changed)
        return line(ledger, 0), line(other, 0)

    ledgers = jax.lax.map(book, (stated, jnp.arange(num_points)))
    return Traded(stated, *ledgers, broken.reshape(num_points, -1).sum(1))


def num_points_of(arrays: dict[str, jax.Array]) -> int:
    """Counts the points of a program: one where nothing is varied within it."""
    return max((len(x) for x in arrays.values()), default=1)


def at_point(
    arrays: dict[str, jax.Array], point: jax.Array, config: FrozenConfigDict
) -> FrozenConfigDict:
    """Returns the config of one point."""
    return configs.with_changes(config, {key: x[point] for key, x in arrays.items()})


def train(experiment: Experiment, points: Sequence[Point]) -> Traded:
    """Trains and trades some points of one program; NumPy arrays."""
    config, dataset, folds, others = experiment
    traded = train_and_trade(
        jax.random.key(config.seed),
        dataset.panel,
        dataset.market,
        jax.tree.map(jnp.asarray, folds),
        jnp.asarray(others["equal_weight"], jnp.float32),
        stack(points),
        config,
    )
    return jax.tree.map(np.asarray, traded)


def stack(points: Sequence[Point]) -> dict[str, np.ndarray]:
    """Lines up the array values of points, by key, [V, ...]."""
    arrays = [point.arrays for point in points]
    return {key: np.array([a[key] for a in arrays], np.float32) for key in arrays[0]}
