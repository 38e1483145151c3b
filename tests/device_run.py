"""Trains a small problem on so many devices, in a process of its own.

python tests/device_run.py FILE DEVICES [COORDINATOR NUM_PROCESSES PROCESS_ID]
"""

import sys

import jax
import numpy as np
import small_problems

from thesis_rl.runs.saves import Follower
from thesis_rl.walk_forward import experiment, program

NUM_DAYS, NUM_NAMES, REACH = 60, 3, 4
CONFIG = small_problems.config(
    {
        "num_seeds": 2,
        "group_size": 2,
        "folds.train_days": 20,
        "folds.test_days": 10,
        "sft.num_steps": 3,
        "rft.num_steps": 3,
        "calibration.share": 0.2,
    }
)


def train() -> dict[str, np.ndarray]:
    """Returns all that twelve networks learned, by place."""
    panel = jax.device_get(small_problems.noise_panel(NUM_DAYS, NUM_NAMES))
    folds = program.make_folds(
        NUM_DAYS, train_days=20, test_days=10, label_horizon=REACH, embargo_days=2
    )
    folds = program.with_final_fold(folds, NUM_DAYS, label_horizon=REACH)
    windows = experiment.make_windows(folds, NUM_DAYS, REACH, CONFIG)
    trained = program.train_and_predict(
        jax.random.key(0),
        panel,
        windows.folds,
        windows.held_out,
        CONFIG,
        Follower(lambda stage: 1, lambda standing: None),
    )
    leaves, _ = jax.tree.flatten_with_path((trained.params, trained.metrics))
    return {jax.tree_util.keystr(path): np.asarray(x) for path, x in leaves}


if __name__ == "__main__":
    file, num_devices, *others = sys.argv[1:]
    jax.config.update("jax_num_cpu_devices", int(num_devices))
    if others:
        coordinator, num_processes, process_id = others
        jax.distributed.initialize(coordinator, int(num_processes), int(process_id))
    np.savez(file, **train())
