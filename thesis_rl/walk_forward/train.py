"""One stage of training after another, of all networks side by side."""

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from ml_collections import FrozenConfigDict

from thesis_rl.learning import network
from thesis_rl.learning.network import Job, Stages
from thesis_rl.learning.optimizer import State
from thesis_rl.types import Metrics, Panel, Params
from thesis_rl.walk_forward import devices


class Watch(Protocol):
    """Follows a training from outside, and decides how far it goes at a time."""

    def resume(self, stage: str, start: State) -> tuple[State, int]:
        """Returns where a stage goes on, and how many steps it has behind it."""

    def until(self, stage: str, step: int, num_steps: int) -> int:
        """Returns the step before which to stop next."""

    def after(
        self, stage: str, step: int, stop: int, num_runs: int, state: State
    ) -> None:
        """Sees the state after the steps from `step` until before `stop`.

        Its leading axes begin with `num_runs` networks; others fill up a group.
        """


class Unwatched:
    """Trains every stage in one go."""

    def resume(self, stage: str, start: State) -> tuple[State, int]:
        return start, 0

    def until(self, stage: str, step: int, num_steps: int) -> int:
        return num_steps

    def after(
        self, stage: str, step: int, stop: int, num_runs: int, state: State
    ) -> None:
        pass


UNWATCHED = Unwatched()


def train(
    jobs: Job,
    num_runs: dict[str, int],
    panel: Panel,
    config: FrozenConfigDict,
    watch: Watch,
    label: str = "",
) -> Stages:
    """Trains networks in several stages, on every device.

    Args:
      jobs: [R], the same on every process.
      num_runs: by stage, sft the first, how many of them go through it.
      panel: all rows; shared by all networks, never copied.
      config: the experiment's.
      watch: told of every stop.
      label: goes before a stage's name when it is told.

    Returns:
      NumPy arrays by stage, parameters [R, ...] and metrics [R, num_steps].
    """
    mesh = devices.make_mesh()
    panel = devices.replicate(panel, mesh)
    programs = {
        stage: Program(stage, jobs, num, panel, config, mesh)
        for stage, num in num_runs.items()
    }
    compile_side_by_side(programs)
    learned, warm = {}, None
    for stage, program in programs.items():
        params, start = program.begin(warm)
        state, step = watch.resume(label + stage, start)
        num_steps = network.settings(stage, config).num_steps
        while step < num_steps:
            stop = watch.until(label + stage, step, num_steps)
            state = program.advance(params, state, step, stop)
            watch.after(label + stage, step, stop, num_runs[stage], state)
            step = stop
        learned[stage] = program.finish(params, state)
        warm = learned["sft"][0]
    return network.by_part(learned)


class Program:
    """One stage of training of some networks, on their devices.

    Args:
      stage: of `network.stages`.
      jobs: [R, ...].
      num_runs: how many of them go through it.
      panel: all rows, on every device.
      config: the experiment's.
      mesh: of `devices.make_mesh`.
    """

    def __init__(self, stage, jobs, num_runs, panel, config, mesh):
        group = devices.group_size(num_runs, config.group_size, mesh)
        self._lay_out = lambda tree: devices.share_out(
            jax.tree.map(lambda x: x[:num_runs], tree), group, mesh
        )
        self._jobs, self._num_runs, self._panel = self._lay_out(jobs), num_runs, panel
        self._static = {"stage": stage, "config": config, "mesh": mesh}
        self._grouped = self._static | {"group": group}

    def blank(self) -> Params:
        """Returns zeros in the shapes of the first parameters, [R, ...]."""
        start = functools.partial(begin, **self._static)
        shapes, _ = jax.eval_shape(start, self._jobs, None, self._panel)
        zeros = lambda x: np.zeros((self._num_runs, *x.shape[1:]), x.dtype)  # noqa: E731
        return jax.tree.map(zeros, shapes)

    def compile(self, warm: Params) -> None:
        """Compiles by taking no step at all, from parameters of the right shapes."""
        params, state = self.begin(warm)
        finish(params, self.advance(params, state, 0, 0), **self._grouped)

    def begin(self, warm: Params | None) -> tuple[Params, State]:
        """Stands at the start, with what imitation left, [R, ...]."""
        warm = None if warm is None else self._lay_out(warm)
        return begin(self._jobs, warm, self._panel, **self._static)

    def advance(self, params: Params, state: State, first: int, stop: int) -> State:
        """Takes the steps from `first` until before `stop`."""
        own = self._jobs, params, state
        return advance(*own, self._panel, first, stop, **self._grouped)

    def finish(self, params: Params, state: State) -> tuple[Params, Metrics]:
        """Brings what was learned to every process, as NumPy arrays."""
        return devices.collect(finish(params, state, **self._grouped), self._num_runs)


def compile_side_by_side(programs: dict[str, Program]) -> None:
    """Compiles the programs of all stages at once."""
    warm = programs["sft"].blank()
    with ThreadPoolExecutor(len(programs)) as pool:
        list(pool.map(lambda program: program.compile(warm), programs.values()))


_of_stage = functools.partial(
    jax.jit, static_argnames=("stage", "config", "group", "mesh")
)


@functools.partial(jax.jit, static_argnames=("stage", "config", "mesh"))
def begin(
    jobs: Job,
    warm: Params | None,
    panel: Panel,
    *,
    stage: str,
    config: FrozenConfigDict,
    mesh: Mesh,
) -> tuple[Params, State]:
    """Stands all networks at the start of a stage, laid out by `devices.share_out`."""

    def one(own, panel):
        job, warm = own
        params = network.start(stage, job, warm, panel, config)
        return params, network.begin(stage, job, params, panel, config)

    one_by_one = devices.spread(one, 1, mesh)  # Drawing in groups is slow to compile.
    return one_by_one((jobs, warm), panel)


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
        return network.advance(stage, *own, panel, steps, config)

    steps = jnp.int32(first), jnp.int32(stop)
    return devices.spread(one, group, mesh)((jobs, params, state), (panel, steps))


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
    one = lambda own, _: network.finish(stage, *own, config)  # noqa: E731
    return devices.spread(one, group, mesh)((params, state), ())
