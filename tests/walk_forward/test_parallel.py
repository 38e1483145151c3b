"""Networks shared out over devices and processes learn what they learn on one."""

import os
import pathlib
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thesis_rl.walk_forward import devices

ROOT = pathlib.Path(__file__).parents[2]


def start(file, num_devices, *others):
    command = [sys.executable, "tests/device_run.py", file, num_devices, *others]
    return subprocess.Popen(
        [str(x) for x in command],
        cwd=ROOT,
        # Compiled as users compile it: other flags round in other ways.
        env=os.environ | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def learned(file, process):
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    with np.load(file) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def on_two(tmp_path_factory):
    file = tmp_path_factory.mktemp("two") / "learned.npz"
    return learned(file, start(file, 2))


def test_eight_devices_learn_what_two_do_bit_for_bit(on_two, tmp_path):
    file = tmp_path / "learned.npz"
    on_eight = learned(file, start(file, 8))
    assert set(on_eight) == set(on_two)
    for name, expected in on_two.items():
        np.testing.assert_array_equal(on_eight[name], expected, name)


@pytest.mark.slow
def test_one_device_learns_the_same_to_rounding(on_two, tmp_path):
    file = tmp_path / "learned.npz"
    on_one = learned(file, start(file, 1))
    for name, expected in on_two.items():
        np.testing.assert_allclose(on_one[name], expected, 1e-4, 1e-5, err_msg=name)


@pytest.mark.slow
def test_two_processes_learn_what_one_does_bit_for_bit(on_two, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    files = [tmp_path / f"learned_{i}.npz" for i in range(2)]
    processes = [start(file, 2, coordinator, 2, i) for i, file in enumerate(files)]
    for file, process in zip(files, processes, strict=True):
        found = learned(file, process)
        for name, expected in on_two.items():
            np.testing.assert_array_equal(found[name], expected, name)


@pytest.mark.parametrize("num_runs, wanted", [(1, 0), (5, 2), (8, 4), (9, 0)])
def test_groups_are_full_and_every_run_is_there_once(num_runs, wanted):
    mesh = devices.make_mesh()
    group = devices.group_size(num_runs, wanted, mesh)
    assert 1 <= group <= (wanted or num_runs)
    index = devices.filled_up(num_runs, group, mesh)
    assert len(index) % (group * mesh.size) == 0
    assert len(index) - num_runs < group * mesh.size
    np.testing.assert_array_equal(index[:num_runs], np.arange(num_runs))
    own = devices.share_out({"x": jnp.arange(float(num_runs))}, group, mesh)
    shared = devices.replicate(jnp.array([3.0]), mesh)
    double = jax.jit(
        devices.spread(lambda own, shared: 2 * own["x"] + shared[0], group, mesh)
    )
    done = devices.collect(double(own, shared), num_runs)
    np.testing.assert_array_equal(done, 2 * np.arange(num_runs) + 3)


@pytest.mark.parametrize("shared", [False, True])
def test_runs_in_groups_come_back_in_their_order(shared):
    mesh = devices.make_mesh() if shared else None
    square = jax.jit(lambda: devices.in_groups(lambda i: i * i, 7, 3, mesh))
    np.testing.assert_array_equal(square(), np.arange(7) ** 2)
