"""One data set: every seed, their average and the network distilled from it, traded."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import FrozenConfigDict

from thesis_rl import (
    distillation,
    evaluation,
    parallel,
    preparation,
    preprocess,
    scoring,
    trading,
    training,
)
from thesis_rl.backtest import Ledger
from thesis_rl.preparation import Experiment
from thesis_rl.preprocess import Scaler
from thesis_rl.sensitivity import line
from thesis_rl.training import Forecasts
from thesis_rl.types import Fold, Market, Panel, Params

COSTS_BPS = (5.0, 10.0, 20.0)  # Of the value traded, all told.


def record(prepared: Experiment, config: FrozenConfigDict) -> np.ndarray:
    """Trains and trades on one data set.

    Args:
      prepared: the data and its folds.
      config: of the program, which recompiles for every other one.

    Returns:
      [T', S + 2, 2 + costs] of the seeds, their mean and the distilled network: the
      headline's daily returns, gross and net of each of `COSTS_BPS`, and turnover.

    Raises:
      ValueError: a book lost all its capital.
    """
    days, dates = evaluation.unseen(prepared), prepared.dataset.dates
    key, panel, market = preparation.arguments(prepared)[:3]
    folds = jax.tree.map(jnp.asarray, prepared.folds)
    held = jnp.asarray(prepared.baselines["equal_weight"], jnp.float32)
    traded = train_and_trade(key, panel, market, folds, held, config)
    ledgers, equal_weight = jax.tree.map(np.asarray, traded)
    rules = config.backtest
    benchmark = scoring.make_benchmark(
        market, days.start, equal_weight, rules.fill_lag, rules.cash_rate
    )

    def series(learner: int) -> list[np.ndarray]:
        ledger = jax.tree.map(lambda x: x[:, learner], ledgers)
        books = []
        for i, bps in enumerate(COSTS_BPS):
            hedged = scoring.is_hedged(rules)
            books.append(scoring.make_book(line(ledger, i), benchmark, hedged))
            name = f"{learner} at {bps:.0f} bps"
            evaluation.check_solvent(name, books[-1], dates[days])
        net = [book.headline_net for book in books]
        return [books[0].headline_gross, *net, books[0].turnover]

    return np.array([series(i) for i in range(config.num_seeds + 2)]).transpose(2, 0, 1)


@functools.partial(jax.jit, static_argnames="config")
def train_and_trade(
    key: jax.Array,
    panel: Panel,
    market: Market,
    folds: Fold,
    equal_weight: jax.Array,
    config: FrozenConfigDict,
) -> tuple[Ledger, Ledger]:
    """Trains every seed of every fold, distils each fold's, and trades them all.

    Args:
      key: consumed.
      panel: all rows.
      market: [T, N].
      folds: bounds, each [F].
      equal_weight: [T', N] positions.
      config: the experiment's.

    Returns:
      Ledgers [costs, S + 2, T', ...] of the seeds, their mean and the distilled
      network; and the ledger of the equal-weight book, [T', ...].
    """
    scalers = jax.lax.map(
        lambda fold: preprocess.fit(panel, fold, config.labels), folds
    )
    teachers, seeds = train_seeds(key, panel, scalers, folds, config)
    student_key = jax.random.fold_in(key, config.num_seeds)  # No seed has this number.
    _, _, student = distillation.train_and_predict(
        student_key, teachers, panel, scalers, folds, config
    )
    mean = seeds.decision.mean(0, keepdims=True)
    decisions = jnp.concatenate([seeds.decision, mean, student.decision[None]])
    decisions = decisions.reshape(len(decisions), -1, *decisions.shape[3:])
    days = folds.test_start[0], len(equal_weight)
    unseen = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, *days), market)

    def at_cost(bps):
        rates = {"backtest.commission_bps": 0.0, "backtest.half_spread_bps": bps}
        charged = training.with_changes(config, rates)
        mapping = config.backtest.mapping
        return trading.trade_decisions(decisions, mapping, unseen, charged)

    benchmark = trading.trade_as_given(equal_weight[None], unseen, config)
    return jax.vmap(at_cost)(jnp.array(COSTS_BPS)), line(benchmark, 0)


def train_seeds(
    key: jax.Array, panel: Panel, scalers: Scaler, folds: Fold, config: FrozenConfigDict
) -> tuple[Params, Forecasts]:
    """Trains every seed of every fold, and asks it of the fold's unseen days.

    Args:
      key: consumed.
      panel: all rows.
      scalers: [F, ...], fitted on the folds.
      folds: bounds, each [F].
      config: the experiment's.

    Returns:
      Parameters of the last stage [S, F, ...], and forecasts [S, F, test_days, N, ...].
    """
    num_folds = folds.train_stop.shape[0]

    def train(i):
        seed, index = jnp.divmod(i, num_folds)
        fold, scaler = jax.tree.map(lambda x: x[index], (folds, scalers))
        seed_key = jax.random.fold_in(key, seed)
        params, _ = training.train_fold(seed_key, panel, scaler, fold, config)
        final = params[training.final_stage(params)]
        days = fold.test_start, config.folds.test_days
        return final, training.predict(final, panel, scaler, *days, config)

    num_runs, mesh = config.num_seeds * num_folds, parallel.make_mesh()
    done = parallel.in_groups(train, num_runs, config.group_size, mesh)
    return jax.tree.map(
        lambda x: x.reshape(config.num_seeds, num_folds, *x.shape[1:]), done
    )
