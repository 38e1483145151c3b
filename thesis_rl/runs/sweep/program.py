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
from thesis_rl.runs.sweep.grid import Point
from thesis_rl.trading import books
from thesis_rl.trading.backtest import Ledger
from thesis_rl.trading.costs import line
from thesis_rl.types import Fold, Market, Panel
from thesis_rl.walk_forward import devices
from thesis_rl.walk_forward.experiment import Experiment


class Traded(NamedTuple):
    """What the program finds out about V points."""

    stated: jax.Array  # [V, T', N, A], mean over seeds of the decisions' probabilities.
    ledger: Ledger  # [V, T', ...], of those, under the headline's mapping.
    equal_weight: Ledger  # [V, T', ...]
    broken: jax.Array  # [V] int32, parameters that are not finite.


@functools.partial(jax.jit, static_argnames="config")
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

    A network is trained as `walk_forward.run` trains it, from the same keys. What a
    headline does not need is left out: the final model, calibration, ablations.

    Args:
      key: consumed.
      panel: all rows.
      market: [T, N].
      folds: bounds, [F].
      equal_weight: [T', N] positions of that baseline.
      arrays: values in place of the config's, by dotted key, [V, ...].
      config: what the points share.

    Returns:
      By point.
    """
    num_points = max((len(x) for x in arrays.values()), default=1)
    num_folds, num_seeds = len(folds.train_stop), config.num_seeds
    num_days = num_folds * config.folds.test_days

    def of_point(i):
        return configs.with_changes(config, {k: x[i] for k, x in arrays.items()})

    of_days = preprocess.moments(panel)

    def scale(i):
        fold = jax.tree.map(lambda x: x[i % num_folds], folds)
        return preprocess.fit(panel, fold, of_point(i // num_folds).labels, of_days)

    scalers = jax.lax.map(scale, jnp.arange(num_points * num_folds))

    def run(i):
        seed, index = i // num_folds % num_seeds, i % num_folds
        point = i // (num_seeds * num_folds)
        changed = of_point(point)
        fold = jax.tree.map(lambda x: x[index], folds)
        scaler = jax.tree.map(lambda x: x[point * num_folds + index], scalers)
        seed_key = jax.random.fold_in(key, seed)
        stages, _ = network.train_fold(seed_key, panel, scaler, fold, changed)
        params = stages[network.final_stage(stages)]
        forecasts = network.predict(
            params, panel, scaler, fold.test_start, config.folds.test_days, changed
        )
        broken = sum(jnp.sum(~jnp.isfinite(x)) for x in jax.tree.leaves(params))
        return forecasts.decision, broken

    num_runs = num_points * num_seeds * num_folds
    mesh = devices.make_mesh()
    stated, broken = devices.in_groups(run, num_runs, config.group_size, mesh)
    stated = stated.reshape(num_points, num_seeds, num_days, *stated.shape[2:])
    unseen = jax.tree.map(
        lambda x: jax.lax.dynamic_slice_in_dim(x, folds.test_start[0], num_days), market
    )

    def trade(x):
        stated, changed = x[0], of_point(x[1])
        ledger = books.trade_paths(stated[None], unseen, changed)
        other = books.trade_as_given(equal_weight[None], unseen, changed)
        return line(ledger, 0), line(other, 0)

    stated = stated.mean(1)
    ledgers = jax.lax.map(trade, (stated, jnp.arange(num_points)))
    return Traded(stated, *ledgers, broken.reshape(num_points, -1).sum(1))


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
