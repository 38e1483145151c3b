"""One market, and what every way to trade the same forecasts made of it."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import FrozenConfigDict

from thesis_rl import (
    execution,
    experiment,
    portfolio,
    regressors,
    scoring,
    stats,
    trading,
    training,
    walk_forward,
)
from thesis_rl.backtest import Ledger
from thesis_rl.preparation import Experiment
from thesis_rl.sensitivity import line
from thesis_rl.types import Fold

COSTS_BPS = (10.0, 20.0)  # Of the value traded, all told but impact and borrow.
# What a recipe trades, and how: sleeves, the best band, or a trader by its reward.
RECIPES = {
    "sft, sleeves": ("sft", None),
    "sft, band": ("sft", {"rule": "band"}),
    "ridge, band": ("ridge", {"rule": "band"}),
    "rft, sleeves": ("rft", None),
    "rft, band": ("rft", {"rule": "band"}),
    "sft, path": ("sft", {"reward": "path", "credit": "to_go"}),
    "rft, start": ("rft", {"peak_lr": 0.0}),
    "rft, path": ("rft", {"reward": "path", "credit": "to_go"}),
    "rft, book": ("rft", {"reward": "book", "credit": "leave_one_out"}),
}


class Record(NamedTuple):
    """One recipe on one market at one cost."""

    gross: float  # Headline Sharpe ratio before costs.
    net: float  # After costs; 0 of a book that stood still.
    turnover: float  # A day, of the capital.
    pace: float  # Turnover a day, of the gross exposure.
    flips: float  # Share of a day's positions that change their sign.
    drawdown: float  # Deepest fall, in units of a year's volatility; negative.


@functools.partial(jax.jit, static_argnames="config")
def trade_recipes(key, panel, market, windows, ridge, config) -> dict[str, Ledger]:
    """Trains the networks once and trades every recipe at every cost.

    Args:
      key: consumed.
      panel: all rows.
      market: [T, N].
      windows: with lead days.
      ridge: [L + T', N], positions of ridge on lead and unseen days.
      config: the experiment's.

    Returns:
      By recipe, ledgers with leading axes [costs, T'].
    """
    first, num_days = windows.lead[0], len(ridge)
    stops = jnp.minimum(windows.folds.train_stop - first, num_days)[:-1]
    around = jax.tree.map(
        lambda x: jax.lax.dynamic_slice_in_dim(x, first, num_days), market
    )
    imitation = training.with_changes(config, {"rft.num_steps": 0})
    series = {
        "sft": forecast(key, panel, windows, imitation),
        "rft": forecast(jax.random.clone(key), panel, windows, config),
        "ridge": ridge,
    }
    trader_key = jax.random.fold_in(jax.random.clone(key), config.num_seeds + 1)

    def recipe(positions, changes, bps):
        charged = {"backtest.commission_bps": 0.0, "backtest.half_spread_bps": bps}
        changes = {f"path.{k}": v for k, v in (changes or {"rule": ""}).items()}
        changed = training.with_changes(config, charged | changes)
        unseen = jax.tree.map(lambda x: x[len(windows.lead) :], around)
        if not changed.path.rule:
            held = positions[len(windows.lead) :]
            weights, _ = portfolio.target_weights(held, unseen, changed.backtest)
            return trading.simulate(weights, unseen, changed)
        traders, _ = execution.train_traders(
            jax.random.clone(trader_key), positions, around, stops, changed
        )
        wanted = execution.paced(
            positions, around, traders, stops, len(windows.lead), changed
        )
        return trading.simulate(wanted.weights, unseen, changed, pace=wanted.pace)

    return {
        name: jax.lax.map(
            functools.partial(recipe, series[signal], changes), jnp.array(COSTS_BPS)
        )
        for name, (signal, changes) in RECIPES.items()
    }


def forecast(key, panel, windows, config) -> jax.Array:
    """Trains networks and returns their mean positions on lead and unseen days."""
    trained = walk_forward.train_and_predict(
        key, panel, windows.folds, windows.held_out, config
    )
    params, scaler = trained.outsider
    lead = training.predict(
        params, panel, scaler, windows.lead[0], len(windows.lead), config
    )
    unseen = trained.forecasts[training.final_stage(trained.forecasts)].decision
    series = jnp.concatenate([lead.decision, unseen.mean(0)])
    return portfolio.positions(series, config.backtest.mapping)


def ridge_positions(market: Experiment) -> np.ndarray:
    """Fits ridge as the networks are fitted, and once without the lead days, [·, N]."""
    windows, panel = market.windows, market.dataset.panel
    first, start = windows.lead[0], market.folds.test_start[0]
    held_out = windows.held_out
    bounds = held_out.train_start[0], held_out.train_stop[0], first, start
    outside = Fold(*(np.array([bound]) for bound in bounds))
    return np.concatenate(
        [
            regressors.walk_forward(panel, folds, regressors.ridge)
            for folds in (outside, market.folds)
        ]
    )


def score(market: Experiment, ledgers: dict[str, Ledger]) -> dict[str, list[Record]]:
    """Scores every recipe at every cost."""
    benchmark = make_benchmark(market, ledgers)
    return {
        name: [record(line(x, i), benchmark) for i in range(len(COSTS_BPS))]
        for name, x in ledgers.items()
    }


def make_benchmark(market: Experiment, ledgers: dict[str, Ledger]) -> scoring.Benchmark:
    """Prepares what hedges the books, which no book of equal weights does."""
    first = int(market.folds.test_start[0])
    idle = next(iter(ledgers.values()))
    idle = idle._replace(**{k: np.zeros(1) for k in Ledger._fields})
    days = slice(first, int(market.folds.test_stop[-1]))
    equal = idle._replace(gross=scoring.market_return(market.dataset.market)[days])
    return scoring.make_benchmark(market.dataset.market, first, equal)


def record(ledger: Ledger, benchmark: scoring.Benchmark) -> Record:
    """Scores one book; one that stood still earned 0 and paid 0."""
    if not np.any(ledger.turnover):
        return Record(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    book = scoring.make_book(ledger, benchmark, hedged=True)
    signs, returns = np.sign(ledger.weights), book.headline_net
    return Record(
        gross=stats.sharpe(book.headline_gross),
        net=stats.sharpe(returns),
        turnover=float(book.turnover.mean()),
        pace=float(book.turnover.mean() / book.gross_exposure.mean()),
        flips=float(np.mean(signs[1:] * signs[:-1] < 0)),
        drawdown=stats.max_drawdown(returns) / stats.volatility(returns),
    )


def run(market: Experiment, config: FrozenConfigDict) -> dict[str, Ledger]:
    """Trains and trades one market.

    Args:
      market: as prepared.
      config: of the program. It may be that of another market of the same shape: what
        is compiled for one serves all.

    Returns:
      By recipe, ledgers with leading axes [costs, T'].
    """
    key, panel, traded, windows, _ = experiment.arguments(market)
    ridge = jnp.asarray(ridge_positions(market), jnp.float32)
    ledgers = trade_recipes(key, panel, traded, windows, ridge, config)
    return jax.tree.map(np.asarray, ledgers)
