"""Saves of a training, the folder that it goes on in, and who may go on."""

import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_run

from thesis_rl.learning import optimizer
from thesis_rl.runs.folder import claim, reclaim
from thesis_rl.runs.saves import Follower, Saves, Standing, identity, time
from thesis_rl.walk_forward import experiment

SAME = {"config": "a", "devices": "1 cpu"}


def state(step):
    params = {"policy": {"x": jnp.full((4, 3), float(step))}}
    metrics = {"reward": jnp.arange(20.0).reshape(4, 5)}
    return optimizer.State(params, (jnp.int32(step), {"mu": params}), metrics)


def test_the_last_save_of_a_stage_comes_back_as_it_was(tmp_path):
    saves = Saves(tmp_path / "saves", lambda: SAME)
    assert saves.load("rft", state(0))[1] == 0
    for step in (2, 3):
        saves.save("rft", step, state(step))
    saves.close()
    found, step = Saves(tmp_path / "saves", lambda: SAME).load("rft", state(0))
    assert step == 3
    chex.assert_trees_all_equal(found, state(3))
    assert jax.tree.structure(found) == jax.tree.structure(state(3))


def test_saves_of_another_training_are_refused(tmp_path):
    saves = Saves(tmp_path / "saves", lambda: SAME)
    saves.save("sft", 1, state(1))
    saves.close()
    with pytest.raises(ValueError, match="devices 1 cpu then, 8 cpu now"):
        Saves(tmp_path / "saves", lambda: SAME | {"devices": "8 cpu"})
    saves.delete()
    assert not (tmp_path / "saves").exists()
    Saves(tmp_path / "saves", lambda: SAME | {"devices": "8 cpu"})


def test_identity_sees_config_data_code_and_devices():
    prepared = experiment.prepare(small_run.config())
    config, dataset = prepared.config.to_dict(), prepared.dataset
    first = identity(config, dataset, "abc")
    assert first == identity(config, dataset, "abc")
    payoff = np.array(dataset.panel.payoff)
    payoff[3, 0] += 1e-3
    moved = dataset._replace(panel=dataset.panel._replace(payoff=payoff))
    others = (
        (identity(config | {"seed": 9}, dataset, "abc"), "config"),
        (identity(config, moved, "abc"), "data"),
        (identity(config, dataset, "abd"), "code"),
    )
    for other, name in others:
        assert {k for k in first if first[k] != other[k]} == {name}


def test_a_follower_finds_its_pace_and_saves_when_it_is_time(tmp_path, monkeypatch):
    now, told = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    saves = Saves(tmp_path / "saves", lambda: SAME)
    follower = Follower(lambda stage: 10, told.append, saves, 60.0)
    now[0] = 5.0
    assert follower.resume("rft", state(0))[1] == 0
    assert follower.until("rft", 0, 5) == 1
    now[0] = 5.5
    follower.after("rft", 0, 1, 3, state(1))
    assert told[-1] == Standing("rft", 1, 5, 3 * 10 / 0.5, 2.0, 5.0)
    assert follower.until("rft", 1, 5) == 5  # Four steps in two seconds.
    assert follower.until("rft", 1, 100) == 5
    assert not (tmp_path / "saves").exists()
    now[0] = 70.0
    follower.after("rft", 1, 3, 3, state(3))
    saves.close()
    assert Saves(tmp_path / "saves", lambda: SAME).load("rft", state(0))[1] == 3
    assert follower.seconds == {"compile": 5.0, "train": 65.0}


def test_a_folder_is_taken_up_by_the_same_run_alone(tmp_path):
    config = {"seed": 0, "rft": {"weights": (0.1, 0.2)}}
    folder = reclaim(tmp_path / "run", config)
    assert json.loads((folder / "config.json").read_text())["seed"] == 0
    assert reclaim(folder, config) == folder
    with pytest.raises(FileExistsError, match="already holds a run"):
        claim(folder, config)
    with pytest.raises(ValueError, match="config.seed was 0 and is 1"):
        reclaim(folder, config | {"seed": 1})
    (folder / "config.json").write_text("")  # Killed before it was written.
    assert reclaim(folder, config | {"seed": 1}) == folder
    assert json.loads((folder / "config.json").read_text())["seed"] == 1
    (folder / "results.json").write_text("{}")
    with pytest.raises(FileExistsError, match="nothing to resume"):
        reclaim(folder, config | {"seed": 1})
