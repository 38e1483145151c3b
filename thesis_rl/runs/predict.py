"""One thesis from a finished run, by a network that had not seen what it predicts.

What moved its decision is the position's gradient, added up from a plain row to this.
"""

import datetime
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from ml_collections import FrozenConfigDict

from thesis_rl import policy
from thesis_rl.data.panel import Dataset, build
from thesis_rl.learning import calibration, network, preprocess
from thesis_rl.learning.calibration import Scaling
from thesis_rl.learning.preprocess import Scaler
from thesis_rl.runs import record
from thesis_rl.runs.load import Run, load_run
from thesis_rl.thesis import generate_thesis
from thesis_rl.trading import portfolio
from thesis_rl.types import Params
from thesis_rl.walk_forward.program import Forecasts

NUM_STEPS = 512  # For `explain`: a kinked policy's shares sum to within 1e-3.


def integrated_gradients(
    fn: Callable[[jax.Array], jax.Array],
    inputs: jax.Array,
    baseline: jax.Array,
    num_steps: int = 64,
) -> jax.Array:
    """Shares a function's change among its inputs.

      a_i = (x_i - b_i) · ∫₀¹ ∂fn/∂x_i (b + s (x - b)) ds

    Integrated gradients of Sundararajan, Taly and Yan (2017), "Axiomatic Attribution
    for Deep Networks", by the midpoint rule. The shares sum to fn(x) - fn(b), up to
    the rule's error; of a sum of functions of one input each they are the exact
    Shapley values.

    Args:
      fn: [I] -> [], differentiable almost everywhere.
      inputs: x, [I].
      baseline: b, [I].
      num_steps: points on the straight line from b to x.

    Returns:
      The shares, [I].
    """
    steps = (jnp.arange(num_steps) + 0.5) / num_steps
    at = lambda s: jax.grad(fn)(baseline + s * (inputs - baseline))  # noqa: E731
    return (inputs - baseline) * jax.vmap(at)(steps).mean(axis=0)


def plain_row(inputs: jax.Array, scaler: Scaler) -> jax.Array:
    """Returns the row that a row is compared with: the training mean, all present.

    A feature that the training rows lacked, or that never varied there, taught the
    network nothing; its columns stay as the row has them, so that its share is 0.

    Args:
      inputs: [2 D] of `preprocess.inputs`.
      scaler: that made them.

    Returns:
      [2 D].
    """
    taught = scaler.inverse_sd > 0
    return jnp.where(jnp.concatenate([taught, taught]), 0.0, inputs)


def by_feature(shares: jax.Array) -> jax.Array:
    """Adds the share of a feature's missing flag to that of its value: [2 D] -> [D]."""
    return shares.reshape(2, -1).sum(axis=0)


def explain(
    params: Params,
    features: jax.Array,
    available: jax.Array,
    scaler: Scaler,
    config: FrozenConfigDict,
) -> tuple[Forecasts, jax.Array, jax.Array]:
    """Forecasts one row with an ensemble, and shares its position among features.

    Args:
      params: of one fold, [S, ...].
      features: [D] raw.
      available: [D] bool.
      scaler: fitted on the fold.
      config: the experiment's.

    Returns:
      Mean forecasts over seeds; the shares [D] of the expected position; and the
      expected position of the row that they start from, [].
    """
    inputs = preprocess.inputs(features, available, scaler)
    plain = plain_row(inputs, scaler)

    def position(inputs):
        decision = ensemble(params, inputs, config).decision
        return portfolio.positions(decision, "expected")

    shares = integrated_gradients(position, inputs, plain, NUM_STEPS)
    return ensemble(params, inputs, config), by_feature(shares), position(plain)


def ensemble(params: Params, inputs: jax.Array, config: FrozenConfigDict) -> Forecasts:
    """Averages the probabilities of all seeds [S, ...] for the inputs [2 D]."""
    logits = jax.vmap(policy.make_model(config).apply, in_axes=(0, None))(
        params, inputs
    )
    said = jax.vmap(network.spell_out)(logits)
    return network.over_seeds(said)


__all__ = ["Prediction", "Run", "choose_fold", "find_row", "load_run", "predict"]

_explain = jax.jit(explain, static_argnames="config")


class Prediction(NamedTuple):
    """What a run's ensemble says about one ticker at the close of one day."""

    thesis: dict
    attribution: dict[str, float]  # Share of each feature in the position, by size.
    plain_position: float  # Of the row that the shares start from.
    features: dict[str, float | None]  # Raw; None where not available.
    fold: dict  # index, train and test days, final; no test days in the final model.
    out_of_sample: bool


def predict(
    run: Run,
    ticker: str,
    date: str,
    in_sample: bool = False,
    dataset: Dataset | None = None,
    repair: bool = True,
) -> Prediction:
    """Writes the thesis of one ticker and day, and says what moved its decision.

    Args:
      run: as loaded.
      ticker: one of the data set's.
      date: the day at whose close the thesis is written, YYYY-MM-DD.
      in_sample: whether to answer for a day that the networks trained on.
      dataset: the rows; built anew from the run's config if not given, so that a
        folder of prices that has grown since is read as it is now.
      repair: whether to complete a thesis that the schema refuses.

    Returns:
      The prediction.

    Raises:
      ValueError: an unknown ticker, a day that is none or was not quoted, or one that
        is in sample; says what would be right.
      ThesisError: the thesis is not valid, and not to be repaired or beyond it.
    """
    index, out_of_sample = choose_fold(run, date, in_sample)
    dataset = build(run.config) if dataset is None else dataset
    if dataset.feature_names != tuple(run.config.features):
        raise ValueError(
            f"{run.path} reads the features {tuple(run.config.features)}, but the data "
            f"set has {dataset.feature_names}"
        )
    day, name = find_row(dataset, ticker, date)
    params = jax.tree.map(lambda x: x[:, index], run.arrays["params"][run.final_stage])
    scaler = Scaler(**{k: x[index] for k, x in run.arrays["scalers"].items()})
    forecasts, shares, plain = jax.tree.map(
        np.asarray,
        _explain(
            params,
            dataset.panel.features[day, name],
            dataset.panel.available[day, name],
            scaler,
            run.config,
        ),
    )
    calibrators = run.arrays["calibrators"]
    mode = policy.mode(*forecasts[:3], calibrators["cutoffs"][index])
    scaling = calibrators[run.config.calibration.scaling]
    calibrated = calibration.apply(
        Scaling(**{k: x[index] for k, x in scaling.items()}), forecasts.decision
    )
    row = record.row_of(
        dataset,
        run.config,
        day,
        name,
        mode.sections,
        mode.claims,
        forecasts.decision,
        calibrated[mode.decision],
    )
    order = np.argsort(-np.abs(shares), kind="stable")
    fold = run.meta["folds"][index]
    return Prediction(
        thesis=generate_thesis(row, run.config.claims, repair),
        attribution={dataset.feature_names[i]: float(shares[i]) for i in order},
        plain_position=float(plain),
        features=dict(row.features),
        fold={"index": index} | fold | ({"test": None} if fold["final"] else {}),
        out_of_sample=out_of_sample,
    )


def choose_fold(run: Run, date: str, in_sample: bool = False) -> tuple[int, bool]:
    """Finds the latest network that had not seen a day or anything after it.

    A day of a test window belongs to that window's fold, as in the run's own tables;
    other days belong to the final model once all its labels were known, at the close
    of the run's last day, and before that to the latest fold.

    Args:
      run: as loaded.
      date: YYYY-MM-DD.
      in_sample: whether the first fold may answer for a day before its test window.

    Returns:
      Index of the fold, and whether the day is out of sample for it.

    Raises:
      ValueError: the day is none, or is in sample and that was not asked for.
    """
    date = _iso_day(date)  # ISO days compare as text.
    folds = run.meta["folds"]
    final = next(i for i, fold in enumerate(folds) if fold["final"])
    started = [
        i for i, fold in enumerate(folds) if i != final and fold["test"][0] <= date
    ]
    if started:
        latest = started[-1]
        tested = date <= folds[latest]["test"][1]
        after = date >= run.meta["last_day"]
        return (final if after and not tested else latest), True
    if in_sample:
        return 0, False
    raise ValueError(
        f"{date} is in sample: {run.path} is out of sample from "
        f"{folds[0]['test'][0]} on; ask for a later day, or say --in_sample "
        "(in_sample=True) to see what a network makes of days it may have trained on"
    )


def _iso_day(date: str) -> str:
    try:
        if str(datetime.date.fromisoformat(date)) == date:
            return date
    except (TypeError, ValueError):
        pass
    raise ValueError(f"the date must be a day as YYYY-MM-DD, got {date!r}")


def find_row(dataset: Dataset, ticker: str, date: str) -> tuple[int, int]:
    """Finds a row: the indices of its day and its name.

    Raises:
      ValueError: an unknown ticker, or no quote on that day; names what there is.
    """
    if ticker not in dataset.tickers:
        raise ValueError(
            f"unknown ticker {ticker!r}; there are {', '.join(dataset.tickers)}"
        )
    quoted = dataset.dates[dataset.close[ticker].notna()]
    when = pd.Timestamp(date)
    if when not in quoted:
        at = quoted.searchsorted(when)
        around = " and ".join(f"{d:%Y-%m-%d}" for d in quoted[max(at - 1, 0) : at + 1])
        raise ValueError(
            f"{ticker} was not quoted on {date}; nearest to it, it was on {around}"
        )
    return dataset.dates.get_loc(when), dataset.tickers.index(ticker)
