"""The numbers hold on processors with other instructions than this one's."""

import os
import pathlib
import subprocess
import sys

import conftest
import pytest

ROOT = pathlib.Path(__file__).parents[1]
# What computes: all other rooms read, write and print what these return.
ROOMS = ("learning", "trading", "walk_forward", "evaluation", "test_policy.py")


@pytest.mark.slow
def test_the_suite_passes_with_the_oldest_instructions():
    flags = f"{conftest.QUICK} --xla_cpu_max_isa=SSE4_2"
    rooms = [str(ROOT / "tests" / room) for room in ROOMS]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "not slow"]
    done = subprocess.run(
        [*command, *rooms],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": flags},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
