"""The one compiled program: train every fold and seed, predict unseen days, trade."""

import functools
from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict, FrozenConfigDict

from thesis_rl import backtest, preprocess, rft, sft
from thesis_rl.backtest import Costs, Ledger
from thesis_rl.folds import make_folds as make_folds
from thesis_rl.folds import with_final_fold as with_final_fold
from thesis_rl.preprocess import Scaler
from thesis_rl.types import Fold, Market, Metrics, Panel, Params


class Forecasts(NamedTuple):
    """Out-of-sample probabilities of every section, claim and decision."""

    sections: jax.Array  # [..., P]
    claims: jax.Array  # [..., C]
    decision: jax.Array  # [..., A]


class Outcome(NamedTuple):
    """Everything a run learned. Dicts have one entry a stage: sft, rft, exact.

    The last of the F + 1 trained folds is the final model, trained up to the last
    labelled day; it has no test days.
    """

    scalers: Scaler  # [F + 1, ...]
    params: dict[str, Params]  # [S, F + 1, ...]
    metrics: dict[str, Metrics]  # [S, F + 1, num_steps]
    forecasts: dict[str, Forecasts]  # [S, T', N, ...], T' = F · test_days.
    ledgers: dict[str, dict[str, Ledger]]  # by mapping: [S + 1, T', ...], mean last.
    baselines: Ledger  # [number of baselines, T', ...]


def final_stage(stages: Iterable[str]) -> str:
    """Names the stage whose ensemble is the headline: rft, or sft in a run without."""
    return "rft" if "rft" in stages else "sft"


def train_fold(
    key: jax.Array, panel: Panel, scaler: Scaler, fold: Fold, config: FrozenConfigDict
) -> tuple[dict[str, Params], dict[str, Metrics]]:
    """Trains one seed of one fold from scratch. The key is consumed.

    Args:
      key: of the seed; the fold's last training day is folded in, so that a window
        trains the same whatever other folds run beside it.
      panel: all rows.
      scaler: fitted on the fold.
      fold: day bounds.
      config: the experiment's.

    Returns:
      Parameters and metrics by stage.
    """
    key = jax.random.fold_in(key, fold.train_stop)
    init_key, sft_key, rft_key, exact_key = jax.random.split(key, 4)
    model = sft.make_model(config)
    params = model.init(init_key, jnp.zeros(2 * panel.features.shape[-1]))
    warm, sft_metrics = sft.fit(sft_key, params, panel, scaler, fold, config)
    stages = {"sft": (warm, sft_metrics)}
    if config.rft.num_steps:
        stages["rft"] = rft.fit(rft_key, warm, panel, scaler, fold, config)
    if config.rft.num_steps and config.exact_baseline:
        exact = with_estimator(config, "exact")
        stages["exact"] = rft.fit(exact_key, warm, panel, scaler, fold, exact)
    return tuple({name: s[i] for name, s in stages.items()} for i in range(2))


def with_estimator(config: FrozenConfigDict, estimator: str) -> FrozenConfigDict:
    """Returns the same experiment with another policy-gradient estimator."""
    changed = ConfigDict(config.to_dict())
    changed.rft.estimator = estimator
    return FrozenConfigDict(changed)


def predict(
    params: Params, panel: Panel, scaler: Scaler, fold: Fold, config: FrozenConfigDict
) -> Forecasts:
    """Forecasts every row of a fold's test window.

    Args:
      params: of one seed and fold.
      panel: all rows; only features of the test window are read.
      scaler: fitted on the fold.
      fold: day bounds.
      config: the experiment's; `config.folds.test_days` long.

    Returns:
      Forecasts with leading axes [test_days, N].
    """
    days = functools.partial(
        jax.lax.dynamic_slice_in_dim,
        start_index=fold.test_start,
        slice_size=config.folds.test_days,
    )

    def forecast(features, available):
        inputs = preprocess.inputs(features, available, scaler)
        logits = sft.make_model(config).apply(params, inputs)
        return Forecasts(
            sections=jax.nn.sigmoid(logits.sections),
            claims=jax.nn.sigmoid(logits.claims),
            decision=jax.nn.softmax(logits.decision),
        )

    return jax.vmap(jax.vmap(forecast))(days(panel.features), days(panel.available))


def train_and_predict(
    key: jax.Array, panel: Panel, folds: Fold, config: FrozenConfigDict
) -> tuple[Scaler, dict[str, Params], dict[str, Metrics], dict[str, Forecasts]]:
    """Trains and applies all seeds of all folds; rows are shared, never copied.

    Runs go through in groups of `config.group_size` side by side: more at once fall
    out of a processor's cache.

    Args:
      key: consumed.
      panel: all rows.
      folds: bounds, each [F + 1].
      config: the experiment's.

    Returns:
      Scalers [F + 1], then parameters, metrics and forecasts by stage, [S, F + 1].
    """
    num_folds, num_seeds = folds.train_stop.shape[0], config.num_seeds
    scalers = jax.lax.map(
        lambda fold: preprocess.fit(panel, fold, config.labels), folds
    )

    def run(seed, fold_index):
        fold, scaler = jax.tree.map(lambda x: x[fold_index], (folds, scalers))
        seed_key = jax.random.fold_in(key, seed)
        params, metrics = train_fold(seed_key, panel, scaler, fold, config)
        apply = functools.partial(
            predict, panel=panel, scaler=scaler, fold=fold, config=config
        )
        return params, metrics, {name: apply(p) for name, p in params.items()}

    num_runs = num_seeds * num_folds
    group = min(config.group_size, num_runs)
    num_groups = -(-num_runs // group)
    runs = jnp.arange(num_groups * group) % num_runs
    runs = runs.reshape(num_groups, group)
    done = jax.lax.map(lambda r: jax.vmap(run)(*jnp.divmod(r, num_folds)), runs)

    def by_seed_and_fold(x):
        x = x.reshape(num_groups * group, *x.shape[2:])[:num_runs]
        return x.reshape(num_seeds, num_folds, *x.shape[1:])

    return scalers, *jax.tree.map(by_seed_and_fold, done)


def trade(
    probabilities: jax.Array, mapping: str, market: Market, config: FrozenConfigDict
) -> Ledger:
    """Trades each seed's decisions, and last the mean of their probabilities.

    Args:
      probabilities: [S, T, N, A].
      mapping: of decisions to positions.
      market: returns and tradability [T, N].
      config: the experiment's.

    Returns:
      Ledger with leading axes [S + 1, T].
    """
    with_mean = jnp.concatenate([probabilities, probabilities.mean(0, keepdims=True)])
    return trade_positions(
        backtest.positions(with_mean, mapping),
        market,
        config,
        config.backtest.dollar_neutral,
    )


def trade_positions(
    positions: jax.Array, market: Market, config: FrozenConfigDict, dollar_neutral: bool
) -> Ledger:
    """Trades several books of positions [V, T, N] through the same harness."""
    costs = Costs(config.backtest.commission_bps, config.backtest.half_spread_bps)

    def book(positions):
        daily = backtest.equal_gross_weights(positions, market.tradable, dollar_neutral)
        sleeves = backtest.sleeve_weights(daily, config.backtest.hold_days)
        return backtest.simulate(sleeves, market, costs)

    return jax.vmap(book)(positions)


@functools.partial(jax.jit, static_argnames="config")
def run(
    key: jax.Array,
    panel: Panel,
    market: Market,
    folds: Fold,
    baselines: jax.Array,
    config: FrozenConfigDict,
) -> Outcome:
    """Trains every seed of every fold, predicts the unseen days and trades them.

    Args:
      key: consumed.
      panel: all rows.
      market: returns and tradability [T, N].
      folds: bounds [F + 1], the final model last.
      baselines: [number of baselines, T', N] positions of other strategies.
      config: the whole experiment; hashable, so static.

    Returns:
      The outcome.
    """
    scalers, params, metrics, forecasts = train_and_predict(key, panel, folds, config)
    num_days = baselines.shape[1]
    unseen = jax.tree.map(
        lambda x: jax.lax.dynamic_slice_in_dim(x, folds.test_start[0], num_days), market
    )
    forecasts = jax.tree.map(
        lambda x: x[:, :-1].reshape(x.shape[0], num_days, *x.shape[3:]), forecasts
    )
    ledgers = {
        stage: {m: trade(f.decision, m, unseen, config) for m in backtest.MAPPINGS}
        for stage, f in forecasts.items()
    }
    others = trade_positions(baselines, unseen, config, dollar_neutral=False)
    return Outcome(scalers, params, metrics, forecasts, ledgers, others)
