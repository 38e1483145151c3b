"""A run that is killed at any moment and resumed ends as if nothing had happened."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
# Enough steps that most kills hit training, and saves as often as it stops.
COMMAND = (
    *(sys.executable, "experiments/run.py", "--config=experiments/rft.py:smoke"),
    *("--save_seconds=0.01", "--config.sft.num_steps=600"),
    "--config.rft.num_steps=600",
)
NUM_TRIES = 20


def start(folder, *arguments):
    return subprocess.Popen(
        [*COMMAND, f"--workdir={folder}", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(folder, *arguments):
    process = start(folder, *arguments)
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed


def learned(folder):
    forecasts = json.loads((folder / "results.json").read_text())["predictions_sha256"]
    with np.load(folder / "checkpoint.npz") as arrays:
        return forecasts, str(arrays["sha256"])


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_ends_the_same(tmp_path):
    finish(tmp_path / "warm")  # Compiles, for a cache that all others share.
    began = time.monotonic()
    finish(tmp_path / "whole")
    seconds = time.monotonic() - began
    expected = learned(tmp_path / "whole")
    moments = random.Random(0)
    killed_in_training = 0
    for number in range(NUM_TRIES):
        folder = tmp_path / f"killed_{number}"
        for _ in range(moments.choice((1, 2))):
            process = start(folder, "--resume")
            try:
                process.wait(moments.uniform(0.05, 0.95) * seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.communicate()
            killed_in_training += (folder / "saves" / "sft").is_dir()
            if (folder / "results.json").is_file():
                break
        if not (folder / "results.json").is_file():
            finish(folder, "--resume")
        assert learned(folder) == expected, f"try {number}"
        assert not (folder / "saves").exists()
    assert killed_in_training >= NUM_TRIES // 4
