"""A sweep against lone runs, against the ledger, and against its own luck."""

import json
import math
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import small_run
from ml_collections import ConfigDict

from experiments import sweep as command
from experiments.command import call
from thesis_rl import configs, stats
from thesis_rl.runs import deflation, fingerprint, trials
from thesis_rl.runs.folder import HEADLINE_RETURNS
from thesis_rl.runs.sweep import grid
from thesis_rl.runs.sweep import program as points_lib
from thesis_rl.runs.sweep import run as run_lib
from thesis_rl.walk_forward.train import advance

SETTINGS = "rft.peak_lr=0.02,0.1", "reward.weights=(.2,.3,.5),(0,0,1)"
LOUD = {  # Every limit binds and every cost is charged.
    "labels.recipe": "absolute",
    "labels.thresholds": (-0.6, -0.1, 0.1, 0.6),
    "reward.validity_share": 0.2,
    "backtest.max_position": 0.004,
    "backtest.max_gross": 0.01,
    "backtest.participation_cap": 1e-4,
    "backtest.cash_rate": 0.02,
}


@pytest.fixture(scope="module")
def config():
    return ConfigDict(small_run.config().to_dict())


@pytest.fixture(scope="module")
def points(config):
    return grid.points(grid.parse(SETTINGS, config), config)


def run(points):
    ((experiment, shared),) = run_lib.prepare(points)
    assert shared == points
    with tempfile.TemporaryDirectory() as saves:
        return run_lib.run(experiment, shared, lambda text: None, Path(saves))


@pytest.fixture(scope="module")
def tried(points):
    return run(points)


def headline(tried):
    return tried.book.headline_net


def test_a_point_is_the_run_alone(tried, points):
    alone = small_run.result()
    assert points[0].config.rft.peak_lr == alone.experiment.config.rft.peak_lr
    expected = alone.books["ensemble"]
    for got, want in zip(tried[0].book, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(
        tried[0].headline["sharpe"], alone.summary["headline"]["sharpe"], rtol=1e-3
    )
    hashes = [
        fingerprint.config_hash(e.config.to_dict())
        for e in (tried[0].experiment, alone.experiment)
    ]
    assert hashes[0] == hashes[1]  # So that the ledger counts them as one.


@pytest.mark.slow
def test_an_array_is_the_constant_it_stands_for(tried, points):
    for index in (1, 2, 3):
        assert abs(headline(tried[index]) - headline(tried[0])).max() > 1e-5
    fixed = points[3]._replace(program=points[3].config, values={})
    (alone,) = run([fixed])
    np.testing.assert_allclose(headline(tried[3]), headline(alone), 1e-3, 1e-7)


def test_all_points_share_one_compilation(tried, config):
    sizes = lambda: [x._cache_size() for x in (advance, points_lib.trade)]  # noqa: E731
    compiled = sizes()
    others = "rft.peak_lr=0.03,1e30", "reward.weights=(0,1,0),(1,1,1)"
    again = run(grid.points(grid.parse(others, config), config))
    assert sizes() == compiled
    assert [bool(t.failure) for t in again] == [False, False, True, True]
    assert again[2].book is None and "training diverged" in again[2].failure


@pytest.mark.slow
def test_every_array_reaches_the_result(config):
    """One program with all arrays: to change any must change a book."""
    base = configs.with_changes(config, grid.ASIDE | LOUD)
    ((experiment, _),) = run_lib.prepare([grid.Point("", {}, base, base)])
    market = experiment.dataset.market
    market = market._replace(dollar_volume=jnp.full_like(market.returns, 1e6))
    flat, keys = configs.flatten(base.to_dict()), sorted(grid.ARRAYS)
    values = {key: np.array([flat[key]] * (1 + len(keys)), np.float32) for key in keys}
    for i, key in enumerate(keys, 1):
        values[key][i] = values[key][i] * 0.5 + (0.1 if not flat[key] else 0.0)
        if key.endswith("weights"):
            values[key][i, 0] *= 3.0
    traded = jax.device_get(
        points_lib.train_and_trade(
            jax.random.key(0),
            experiment.dataset.panel,
            market,
            jax.tree.map(jnp.asarray, experiment.folds),
            jnp.asarray(experiment.baselines["equal_weight"], jnp.float32),
            values,
            base,
        )
    )
    net = traded.ledger.net + traded.ledger.weights.sum(-1)
    idle = [key for i, key in enumerate(keys, 1) if np.array_equal(net[i], net[0])]
    assert not idle
    assert not traded.broken.any()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, config):
    folder = tmp_path_factory.mktemp("runs") / "sweep"
    settings = "rft.peak_lr=0.02,1e30", SETTINGS[1], "model.hidden=(8,),(4,)"
    command.run(config, settings, str(folder), lambda text: None)
    return folder


def test_every_point_has_a_folder_and_a_line(folder):
    lines = trials.read(folder.parent / deflation.LEDGER)
    assert len(lines) == len({t.key for t in lines}) == 8
    assert {t.excuse for t in lines} == {"synthetic"} and not trials.count(lines)
    for trial in lines:
        file = folder.parent / trial.returns_file
        config = json.loads((file.parent / "config.json").read_text())
        assert fingerprint.config_hash(config) == trial.config_hash
        if config["rft"]["peak_lr"] == 1e30:
            assert math.isnan(trial.sharpe) and not file.exists()
            continue
        assert fingerprint.file_hash(file) == trial.returns_sha256
        table = pd.read_csv(file)
        daily = stats.sharpe(table[HEADLINE_RETURNS].to_numpy(), 1)
        assert daily == pytest.approx(trial.sharpe, rel=1e-4)
        assert len(table["date"]) == 2 * 20


def test_results_of_a_synthetic_sweep_are_deflated_by_its_own_points(folder):
    summary = json.loads((folder / "results.json").read_text())
    assert summary["excuse"] == "synthetic"
    assert summary["trials"]["num_trials"] == 8
    assert summary["trials"]["num_undefined"] == 4
    ranked = [p.get("sharpe") for p in summary["points"]]
    assert ranked[:4] == sorted(ranked[:4], reverse=True) and ranked[4:] == [None] * 4
    assert "of this sweep alone" in " ".join(command.notes(summary))


def test_batches_are_of_one_length_and_miss_no_point(points, monkeypatch):
    for most in range(1, len(points) + 2):
        monkeypatch.setattr(run_lib, "POINTS_AT_A_TIME", most)
        batches = run_lib.batches(points)
        assert {len(batch) for batch in batches} == {len(batches[0])}
        assert len(batches[0]) <= most
        joined = [point for batch in batches for point in batch]
        assert joined[: len(points)] == points


def test_a_sweep_that_was_cut_off_goes_on(tmp_path, config, monkeypatch):
    """Cut off after its first batch, it trains the second alone, and ends the same."""
    monkeypatch.setattr(run_lib, "POINTS_AT_A_TIME", 1)
    settings = ["rft.peak_lr=0.02,0.03"]
    command.run(config, settings, str(tmp_path / "a" / "whole"), lambda text: None)
    trained = []

    def train(experiment, points):
        trained.append([point.name for point in points])
        if len(trained) == 2:
            raise KeyboardInterrupt
        return points_lib.train(experiment, points)

    monkeypatch.setattr(run_lib, "train", train)
    cut = str(tmp_path / "b" / "cut")
    with pytest.raises(KeyboardInterrupt):
        command.run(config, settings, cut, lambda text: None)
    with pytest.raises(ValueError, match="of another config: config.seed was"):
        other = ConfigDict(config.to_dict() | {"seed": 1})
        command.run(other, settings, cut, print, resume=True)
    found = command.run(config, settings, cut, lambda text: None, resume=True)
    assert trained[2:] == trained[1:2] != trained[:1]
    whole = json.loads((tmp_path / "a" / "whole" / "results.json").read_text())
    assert json.loads(json.dumps(found["points"])) == whole["points"]
    assert len(trials.read(tmp_path / "b" / deflation.LEDGER)) == 2
    with pytest.raises(FileExistsError, match="nothing to resume"):
        command.run(config, settings, cut, print, resume=True)


def test_a_folder_that_holds_a_sweep_is_refused(folder, config):
    with pytest.raises(FileExistsError, match="name another folder"):
        command.run(config, SETTINGS, str(folder), lambda text: None)


def test_a_sweep_that_cannot_run_leaves_nothing_behind(tmp_path, config):
    with pytest.raises(ValueError, match="too few for one fold"):
        command.run(
            config, ["data.synthetic.num_days=200,90"], str(tmp_path / "x"), print
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:the load_module")  # Of ml_collections.
def test_a_missing_argument_is_named(tmp_path):
    with pytest.raises(ValueError, match="Give --config="):
        call(command.COMMAND, [f"--workdir={tmp_path / 'x'}"])
