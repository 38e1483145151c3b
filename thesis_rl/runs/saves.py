"""A training followed: how fast it goes, what it earns, and saved to go on from."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from thesis_rl import files
from thesis_rl.data.panel import Dataset
from thesis_rl.learning.optimizer import State
from thesis_rl.walk_forward import devices

_MADE_FOR = "made_for.json"


class Saves:
    """The last save of every stage of one training.

    Args:
      folder: of the saves; made at the first.
      identify: finds what a training must share with one that goes on from its saves,
        plain values by name; asked where there is something to compare or to save.

    Raises:
      ValueError: the folder holds saves of another training; says what differs.
    """

    def __init__(self, folder: Path, identify: Callable[[], dict[str, Any]]):
        self._folder, self._identify = folder.absolute(), identify
        self._managers: dict = {}
        if (folder / _MADE_FOR).is_file():
            made_for = json.loads((folder / _MADE_FOR).read_text("utf-8"))
            identity = identify()
            other = [k for k, x in identity.items() if made_for.get(k) != x]
            if other:
                now = ", ".join(f"{k} {made_for.get(k)} then" for k in other)
                here = ", ".join(f"{identity[k]} now" for k in other)
                raise ValueError(
                    f"{folder} was saved by a training unlike this one ({now}, {here}) "
                    "and would not end the same; run it as it was started, or delete "
                    "the folder to train anew"
                )

    def load(self, stage: str, start: State) -> tuple[State, int]:
        """Reads where a stage was, [R, ...], and how many steps it had behind it.

        Args:
          stage: its name.
          start: the state before its first step, returned where nothing was saved.
        """
        if not (self._folder / stage).is_dir():
            return start, 0
        manager = self._manager(stage)
        step = manager.latest_step()
        if step is None:
            return start, 0
        wanted = {
            name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)
            for name, x in _by_name(start).items()
        }
        found = manager.restore(step, args=_orbax().args.StandardRestore(wanted))
        leaves = [found[name] for name in wanted]
        return jax.tree.unflatten(jax.tree.structure(start), leaves), step

    def save(self, stage: str, step: int, state: State) -> None:
        """Begins to write the state after `step` steps, and returns before it is done.

        A save counts once it is whole; until then the one before does.
        """
        if not (self._folder / _MADE_FOR).is_file() and jax.process_index() == 0:
            self._folder.mkdir(parents=True, exist_ok=True)
            files.write_json(self._folder / _MADE_FOR, self._identify())
        arguments = _orbax().args.StandardSave(_by_name(state))
        self._manager(stage).save(step, args=arguments)

    def close(self) -> None:
        """Waits until what was begun is written."""
        for manager in self._managers.values():
            manager.close()
        self._managers.clear()

    def delete(self) -> None:
        """Removes all saves, of a training that is through."""
        self.close()
        if jax.process_index() == 0:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _manager(self, stage: str):
        if stage not in self._managers:
            options = _orbax().CheckpointManagerOptions(max_to_keep=1)
            self._managers[stage] = _orbax().CheckpointManager(
                self._folder / stage, options=options
            )
        return self._managers[stage]


def identity(config: dict, dataset: Dataset, code: str) -> dict[str, Any]:
    """Lists what two trainings must share to be the same, bit for bit.

    Args:
      config: the experiment's, as plain values.
      dataset: what it trains on and trades.
      code: of `fingerprint.code_hash`.
    """
    device = jax.devices()[0]
    data = hashlib.sha256()
    for array in (*dataset.panel, *dataset.market):
        if array is not None:
            data.update(np.ascontiguousarray(array))
    return {
        "config": hashlib.sha256(files.to_json(config).encode()).hexdigest()[:12],
        "data": data.hexdigest()[:12],
        "code": code,
        "jax": jax.__version__,
        "devices": f"{jax.device_count()} {device.device_kind}",
    }


def _by_name(state: State) -> dict[str, jax.Array]:
    """Names every array of a state by its place; a file knows no named tuples."""
    leaves, _ = jax.tree.flatten_with_path(state)
    return {jax.tree_util.keystr(path): x for path, x in leaves}


def _orbax():
    # Imported where something is saved or read: a second that most runs need not spend.
    import orbax.checkpoint

    return orbax.checkpoint


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
