"""One stage of training after another, of all networks side by side."""

import functools
from collections.abc import Sequence
from typing import Protocol

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import FrozenConfigDict

from thesis_rl import parallel, training
from thesis_rl.descent import State
from thesis_rl.training import Job, Stages
from thesis_rl.types import Panel, Params


class Watch(Protocol):
    """Follows a training from outside, and decides how far it goes at a time."""

    def resume(self, stage: str, start: State) -> tuple[State, int]:
        """Returns where a stage goes on, and how many steps it has behind it."""

    def until(self, stage: str, step: int, num_steps: int) -> int:
        """Returns the step before which to stop next."""

    def after(self, stage: str, step: int, num_steps: int, state: State) -> None:
        """Sees the state after `step` steps of a stage, [R, ...]."""


class Unwatched:
    """Trains every stage in one go."""

    def resume(self, stage: str, start: State) -> tuple[State, int]:
        return start, 0

    def until(self, stage: str, step: int, num_steps: int) -> int:
        return num_steps

    def after(self, stage: str, step: int, num_steps: int, state: State) -> None:
        pass


UNWATCHED = Unwatched()


def train(
    jobs: Job,
    stages: Sequence[str],
    warm: Params | None,
    panel: Panel,
    config: FrozenConfigDict,
    watch: Watch,
    label: str = "",
) -> Stages:
    """Trains networks in several stages, on every device.

    Args:
      jobs: [R], the same on every process.
      stages: of `training.stages`; all but sft and rft_only begin with what sft left.
      warm: that, [R, ...], if sft is not among the stages.
      panel: all rows; shared by all networks, never copied.
      config: the experiment's.
      watch: told of every stop.
      label: goes before a stage's name when it is told.

    Returns:
      NumPy arrays by stage, parameters [R, ...] and metrics [R, num_steps]; with
      several `rft.num_choices` the parameters of every stage but sft are snapshots.
    """
    mesh = parallel.make_mesh()
    num_runs = len(jobs.scaler.mean)
    group = parallel.group_size(num_runs, config.group_size, mesh)
    jobs, warm = parallel.share_out((jobs, warm), group, mesh)
    panel = parallel.replicate(panel, mesh)
    learned = {}
    for stage in stages:
        given = {"stage": stage, "config": config, "group": group, "mesh": mesh}
        params, start = begin(jobs, warm, panel, **given)
        name = label + stage
        state, step = watch.resume(name, start)
        num_steps = training.settings(stage, config).num_steps
        while step < num_steps:
            stop = watch.until(name, step, num_steps)
            state = advance(jobs, params, state, panel, step, stop, **given)
            step = stop
            watch.after(name, step, num_steps, state)
        learned[stage] = finish(params, state, **given)
        warm = learned["sft"][0] if stage == "sft" else warm
    return training.by_part(parallel.collect(learned, num_runs))


_of_stage = functools.partial(
    jax.jit, static_argnames=("stage", "config", "group", "mesh")
)


@_of_stage
def begin(
    jobs: Job,
    warm: Params | None,
    panel: Panel,
    *,
    stage: str,
    config: FrozenConfigDict,
    group: int,
    mesh: Mesh,
) -> tuple[Params, State]:
    """Stands all networks at the start of a stage, laid out by `parallel.share_out`."""

    def one(own, panel):
        job, warm = own
        params = training.start(stage, job, warm, panel, config)
        return params, training.begin(stage, job, params, panel, config)

    return parallel.spread(one, group, mesh)((jobs, warm), panel)


@_of_stage
def advance(
    jobs: Job,
    params: Params,
    state: State,
    panel: Panel,
    first: int | jax.Array,
    stop: int | jax.Array,
    *,
    stage: str,
    config: FrozenConfigDict,
    group: int,
    mesh: Mesh,
) -> State:
    """Trains all networks in a stage from step `first` until before step `stop`.

    One program serves any two of them, so where a training was interrupted leaves no
    trace in its result.
    """

    def one(own, shared):
        panel, steps = shared
        return training.advance(stage, *own, panel, steps, config)

    steps = jnp.int32(first), jnp.int32(stop)
    return parallel.spread(one, group, mesh)((jobs, params, state), (panel, steps))


@_of_stage
def finish(
    params: Params,
    state: State,
    *,
    stage: str,
    config: FrozenConfigDict,
    group: int,
    mesh: Mesh,
) -> Stages:
    """Returns what all networks learned in a stage, parameters and metrics."""
    one = lambda own, _: training.finish(stage, *own, config)  # noqa: E731
    return parallel.spread(one, group, mesh)((params, state), ())
