"""Run folders and stores that older code wrote still load, and say the same.

`old_run/` was made by revision ab801db, before the package was cut into rooms: a smoke
run of `rft.py` on us6 with one ablation, what it predicted, and a store of 7 events.
"""

import json
import pathlib
import shutil

import numpy as np
import pytest

from thesis_rl import configs
from thesis_rl.data import panel, store
from thesis_rl.runs import folder, load, predict
from thesis_rl.walk_forward.check import check

FOLDER = pathlib.Path(__file__).parent / "old_run"
PREDICTIONS = json.loads((FOLDER / "predictions.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run():
    return predict.load_run(FOLDER / "run")


@pytest.fixture(scope="module")
def dataset(run):
    return panel.build(run.config)


@pytest.mark.parametrize("expected", PREDICTIONS, ids=lambda x: x["date"])
def test_an_old_run_predicts_as_the_code_that_made_it(run, dataset, expected):
    found = predict.predict(run, expected["ticker"], expected["date"], dataset=dataset)
    assert found.fold == expected["fold"]
    assert_alike(found.thesis, expected["thesis"])
    assert_alike(found.attribution, expected["attribution"])
    np.testing.assert_allclose(
        found.plain_position, expected["plain_position"], atol=1e-6
    )


def assert_alike(found, expected):
    """The same, numbers to float32's rounding of terms of up to one."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected:
            assert_alike(found[key], expected[key])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_alike(one, other)
    elif isinstance(expected, float):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)
    else:
        assert found == expected


def test_an_old_run_can_be_compared():
    read = folder.read(FOLDER / "run", "old")
    assert len(read.decisions) == 240 and len(read.returns) == 40
    assert set(read.curves.index.get_level_values("stage")) == {"sft", "rft", "exact"}


def test_an_old_store_is_read_to_the_bit(tmp_path):
    shutil.copytree(FOLDER / "store", tmp_path / "store")
    events = store.load(tmp_path / "store", "sec")
    assert events["value"].tolist() == list(range(7))
    assert events["text"].tolist() == [f"№ {number}" for number in range(7)]
    assert events["knowledge_time"].is_monotonic_increasing


def test_a_run_that_stated_sizes_is_refused_with_what_reads_it(tmp_path):
    config = json.loads((FOLDER / "run/config.json").read_text(encoding="utf-8"))
    config["model"]["sizing"] = True
    with pytest.raises(KeyError, match="model.sizing, which revision"):
        load.rebuild_config(config)


@pytest.mark.parametrize(
    "steps, rule, expected",
    [(0, "learned", "sleeves"), (150, "learned", "partial"), (1, "band", "band")],
)
def test_an_old_trader_is_translated_to_a_pace(steps, rule, expected):
    config = json.loads((FOLDER / "run/config.json").read_text(encoding="utf-8"))
    config["path"] |= {"num_steps": steps, "rule": rule, "evidence": 2.0}
    config["reward"]["curriculum"] = [[0.5, [1, 1, 1, 0.3]]]
    found = load.rebuild_config(config)
    assert found.pace.to_dict() == {"rule": expected, "evidence": 2.0}
    assert found.reward.curriculum == ((0.5, (1, 1, 1)),)
    assert "path" not in found and "kl_target" not in found.rft


@pytest.mark.parametrize(
    "changes",
    [
        {"ablations": ["rft_only"], "rft": {"keep": 0.5}},
        {"ablations": ["exact"], "reward": {"validity_share": 0.5}},
        {"calibration": {"share": 0.03}, "path": {"num_steps": 5}},
    ],
)
def test_what_no_prediction_asks_for_keeps_no_old_run_from_loading(changes):
    config = json.loads((FOLDER / "run/config.json").read_text(encoding="utf-8"))
    for key, value in changes.items():
        config[key] = value if isinstance(value, list) else config[key] | value
    rebuilt = load.rebuild_config(config)
    check(configs.with_changes(rebuilt, load.UNASKED))
    assert load.implied_arrays(rebuilt, 3)["params"]
