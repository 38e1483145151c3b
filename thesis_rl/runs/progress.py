"""Follows a training: how fast it goes, what it earns, and when to save it."""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from thesis_rl.learning.optimizer import State
from thesis_rl.runs.saves import Saves
from thesis_rl.walk_forward import devices

LOOK_SECONDS = 2.0  # Between two looks at a training.


class Standing(NamedTuple):
    """How far a stage of training is."""

    stage: str
    step: int
    num_steps: int
    rows_per_second: float  # Since the last look, over all devices.
    seconds_left: float  # Of the stage.
    reward: float | None  # Of the last step, mean of all networks; None in imitation.


class Follower:
    """Looks at a training every few seconds, and saves it less often.

    Args:
      rows_per_step: by name of a stage, of one network.
      tell: told how far it is.
      saves: where it is saved; None saves nothing.
      save_seconds: between two saves.
    """

    def __init__(
        self,
        rows_per_step: Callable[[str], int],
        tell: Callable[[Standing], None],
        saves: Saves | None = None,
        save_seconds: float = 60.0,
    ):
        self._rows_per_step, self._tell = rows_per_step, tell
        self._saves, self._save_seconds = saves, save_seconds
        self._unsaved: dict[str, tuple[int, State]] = {}  # By stage, the newest.
        self._seconds_a_step: float | None = None
        self._began = self._looked = self._saved = time.monotonic()
        self._compiled: float | None = None

    def resume(self, stage: str, start: State) -> tuple[State, int]:
        """Returns where a stage goes on, and how many steps it has behind it."""
        state, step = (start, 0) if not self._saves else self._saves.load(stage, start)
        self._seconds_a_step, self._looked = None, time.monotonic()
        self._compiled = self._compiled or self._looked
        return state, step

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds spent before the first step, and since, up to the last look."""
        return {
            "compile": self._compiled - self._began,
            "train": self._looked - self._compiled,
        }

    def until(self, stage: str, step: int, num_steps: int) -> int:
        """Goes as far as a few seconds take; one step where the pace is unknown."""
        pace = self._seconds_a_step or LOOK_SECONDS
        steps = devices.agree(max(int(LOOK_SECONDS / pace), 1))
        return min(num_steps, step + steps)

    def after(
        self, stage: str, step: int, stop: int, num_runs: int, state: State
    ) -> None:
        """Measures the pace, tells it, and saves what is due."""
        jax.block_until_ready(state)
        now = time.monotonic()
        pace = max(now - self._looked, 1e-6) / (stop - step)
        self._seconds_a_step, self._looked = pace, now
        num_steps = jax.tree.leaves(state.metrics)[0].shape[1]
        rows = num_runs * self._rows_per_step(stage) / pace
        left = (num_steps - stop) * pace
        reward = _mean_at(state.metrics.get("reward"), stop - 1, num_runs)
        self._tell(Standing(stage, stop, num_steps, rows, left, reward))
        self._unsaved[stage] = stop, state
        due = now - self._saved >= self._save_seconds
        if self._saves and devices.agree(due):
            for name, (done, newest) in self._unsaved.items():
                self._saves.save(name, done, newest)
            self._unsaved.clear()
            self._saved = time.monotonic()


def _mean_at(metric: jax.Array | None, step: int, num_runs: int) -> float | None:
    """Averages a metric at one step over those of the networks that are here."""
    if metric is None:
        return None
    own = [
        np.asarray(shard.data)[: max(num_runs - (shard.index[0].start or 0), 0), step]
        for shard in metric.addressable_shards
    ]
    values = np.concatenate(own)
    return float(values.mean()) if values.size else None
