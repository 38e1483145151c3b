"""One network of one fold: every stage of its training, and its forecasts."""

import zlib
from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import configs, policy
from thesis_rl.learning import ablations, optimizer, preprocess, rft, sft
from thesis_rl.learning.optimizer import State
from thesis_rl.learning.preprocess import Scaler
from thesis_rl.types import Logits, Metrics, Panel, Params

PREDICTED_ROWS = 8192  # At a time.


class Forecasts(NamedTuple):
    """Probabilities of every section, claim and decision."""

    sections: jax.Array  # [..., P]
    claims: jax.Array  # [..., C]
    decision: jax.Array  # [..., A]


def spell_out(logits: Logits) -> Forecasts:
    """Turns the heads of one row into probabilities."""
    return Forecasts(
        sections=jax.nn.sigmoid(logits.sections),
        claims=jax.nn.sigmoid(logits.claims),
        decision=jax.nn.softmax(logits.decision),
    )


def over_seeds(forecasts: Forecasts) -> Forecasts:
    """Averages what all seeds [S, ...] state: the ensemble's probabilities."""
    return jax.tree.map(lambda x: x.mean(axis=0), forecasts)


def final_stage(stages: Iterable[str]) -> str:
    """Names the stage whose ensemble is the headline: the last of sft, rft, paced."""
    return next(name for name in ("paced", "rft", "sft") if name in stages)


Stages = tuple[dict[str, Params], dict[str, Metrics]]  # By name of the stage.


class Job(NamedTuple):
    """One network to be trained: by which draws, on what, and with which numbers."""

    key: jax.Array  # [] or [R]
    days: jax.Array  # [T] or [R, T] bool, the training days.
    scaler: Scaler  # Fitted on the same rows.
    values: dict[str, jax.Array] = {}  # In place of the config's numbers, by key.


def of_job(job: Job, config: FrozenConfigDict) -> FrozenConfigDict:
    """Returns the config of one job, its values in the place of the config's."""
    return configs.with_changes(config, job.values) if job.values else config


def stages(config: FrozenConfigDict) -> tuple[str, ...]:
    """Names the stages of training in their order: sft, rft, and ablations by name."""
    if not config.rft.num_steps:
        return ("sft",)
    return ("sft", "rft", *config.ablations)


def settings(stage: str, config: FrozenConfigDict) -> FrozenConfigDict:
    """Returns the config's `sft`, or the `rft` of a stage after it."""
    return config.sft if stage == "sft" else ablations.of_stage(stage, config).rft


def keys(job_key: jax.Array, stage: str, config: FrozenConfigDict) -> tuple:
    """Splits a network's key into those of its first parameters and of one stage.

    That of an ablation hangs on its name, and not on which others there are.
    """
    whole = jax.random.clone(job_key)  # Every stage takes its part of the same split.
    init_key, sft_key, rft_key, ablation_key = jax.random.split(whole, 4)
    if stage in config.ablations:
        number = zlib.crc32(stage.encode())
        return init_key, jax.random.fold_in(ablation_key, number)
    return init_key, sft_key if stage == "sft" else rft_key


def start(
    stage: str, job: Job, warm: Params | None, panel: Panel, config: FrozenConfigDict
) -> Params:
    """Returns the parameters that a stage of one network begins with.

    Args:
      stage: of `stages`.
      job: the network's.
      warm: what imitation made of it; not read by a stage that imitated nothing.
      panel: all rows; its shapes are read.
      config: the experiment's.
    """
    if stage == "sft" or not ablations.of_stage(stage, config).sft.num_steps:
        return initialise(keys(job.key, stage, config)[0], panel, config)
    return warm


def begin(
    stage: str, job: Job, params: Params, panel: Panel, config: FrozenConfigDict
) -> State:
    """Stands at the start of one stage of one network; arguments as of `advance`."""
    config = of_job(job, config)
    changed = ablations.of_stage(stage, config)
    learned, loss_fn = _objective(stage, job, params, panel, changed)
    return optimizer.begin(learned, loss_fn, settings(stage, config))


def advance(
    stage: str,
    job: Job,
    params: Params,
    state: State,
    panel: Panel,
    steps: tuple[jax.Array, jax.Array],
    config: FrozenConfigDict,
) -> State:
    """Trains one network in one stage for some steps.

    Args:
      stage: of `stages`.
      job: the network's.
      params: of `start`.
      state: before the first of the steps.
      panel: all rows; only rows of training days are read.
      steps: the first, and the one to stop before, [] int32.
      config: the experiment's.

    Returns:
      The state after the last.
    """
    config = of_job(job, config)
    changed = ablations.of_stage(stage, config)
    _, loss_fn = _objective(stage, job, params, panel, changed)
    _, key = keys(job.key, stage, config)
    return optimizer.advance(key, state, loss_fn, settings(stage, config), *steps)


def finish(
    stage: str, params: Params, state: State, config: FrozenConfigDict
) -> tuple[Params, Metrics]:
    """Returns what one network learned in a stage; arguments as of `advance`."""
    end = state.params["policy"]
    if stage == "sft":
        return end, state.metrics
    return rft.average(params, end, settings(stage, config).keep), state.metrics


def _objective(stage, job, params, panel, config):
    objective = sft.objective if stage == "sft" else rft.objective
    return objective(params, panel, job.scaler, job.days, config)


def train(job: Job, panel: Panel, config: FrozenConfigDict) -> Stages:
    """Trains one network through all of its stages, alone and in one go.

    Args:
      job: the network's.
      panel: all rows.
      config: the experiment's.

    Returns:
      Parameters and metrics by stage.
    """
    learned = {}
    for stage in stages(config):
        params = start(stage, job, learned.get("sft", (None,))[0], panel, config)
        state = begin(stage, job, params, panel, config)
        steps = 0, settings(stage, config).num_steps
        state = advance(stage, job, params, state, panel, steps, config)
        learned[stage] = finish(stage, params, state, config)
    return by_part(learned)


def initialise(key: jax.Array, panel: Panel, config: FrozenConfigDict) -> Params:
    """Draws a network's first parameters. The key is consumed."""
    inputs = jnp.zeros(2 * panel.features.shape[-1])
    return policy.make_model(config).init(key, inputs)


def by_part(learned: dict[str, tuple[Params, Metrics]]) -> Stages:
    """Turns pairs by stage into parameters by stage and metrics by stage."""
    return tuple({name: x[i] for name, x in learned.items()} for i in range(2))


def predict(
    params: Params,
    panel: Panel,
    scaler: Scaler,
    first_day: jax.Array,
    num_days: int,
    config: FrozenConfigDict,
) -> Forecasts:
    """Forecasts every row of a stretch of days.

    Args:
      params: of one network.
      panel: all rows; only features of those days are read.
      scaler: fitted on the network's training rows.
      first_day: [] int32.
      num_days: length of the stretch.
      config: the experiment's.

    Returns:
      Forecasts with leading axes [num_days, N].
    """
    model = policy.make_model(config)

    def forecast(features, available):
        inputs = preprocess.inputs(features, available, scaler)
        return spell_out(model.apply(params, inputs))

    day = lambda i: jax.vmap(forecast)(panel.features[i], panel.available[i])  # noqa: E731
    # The hidden units of all days at once would take more memory than the panel.
    at_once = min(num_days, max(PREDICTED_ROWS // panel.features.shape[1], 1))
    return jax.lax.map(day, first_day + jnp.arange(num_days), batch_size=at_once)
