"""The command itself: what it writes, and how it answers a mistake."""

import copy
import errno
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys

import jax
import numpy as np
import pandas as pd
import pytest
import small_run
from ml_collections import ConfigDict, FrozenConfigDict

from experiments import run as command
from experiments.command import call
from thesis_rl import thesis
from thesis_rl.runs import checkpoint, deflation, trials
from thesis_rl.runs import run as run_lib
from thesis_rl.walk_forward import program
from thesis_rl.walk_forward.experiment import check_training_rows, prepare

ROOT = pathlib.Path(__file__).parents[2]
METRICS = {
    "sharpe",
    "headline_sharpe",
    "annual_return",
    "volatility",
    "max_drawdown",
    "turnover",
}
STRATEGIES = {
    "rft",
    "sft",
    "ensemble",
    "sft_ensemble",
    "equal_weight",
    "momentum",
    "hold",
    "best_constant",
    *(f"sign_of_{name}" for name in small_run.FEATURES if name != "mom10_rel"),
}
SECTIONS = {
    "headline",
    "comparisons",
    "superiority",
    "rank_ic",
    "calibration",
    "costs",
    "capacity",
    "paths",
    "regimes",
    "folds",
    "theses",
    "trials",
    "timing",
    "data",
    "git",
    "config",
    "predictions_sha256",
}


def run(folder, ledger=None):
    """Runs the command on what the small run found, rather than train it again."""
    found = small_run.result()
    found = found._replace(summary=copy.deepcopy(found.summary))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_lib, "run", lambda prepared, say: found)
        command.run(small_run.config(), str(folder), lambda text: None, ledger)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs") / "new" / "run")


@pytest.fixture(scope="module")
def results(folder):
    return json.loads((folder / "results.json").read_text())


def shell(*arguments):
    """Runs the command as a user would, to its end."""
    return subprocess.run(
        [sys.executable, "experiments/run.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def changed(changes):
    config = ConfigDict(small_run.config().to_dict())
    config.update_from_flattened_dict(changes)
    return FrozenConfigDict(config)


def test_folder_holds_everything_promised(folder):
    assert {path.name for path in folder.iterdir()} == {
        "results.json",
        "report.html",
        "report.md",
        "config.json",
        "metrics.jsonl",
        "theses.jsonl",
        "theses",
        "daily_returns.csv",
        "weights.csv",
        "decisions.csv",
        "checkpoint.npz",
    }


def test_results_hold_every_number_promised(results):
    assert set(results["strategies"]) == STRATEGIES
    for strategy in results["strategies"].values():
        assert set(strategy["gross"]) == set(strategy["net"]) == METRICS
    for key in ("schema_validity", "claim_precision", "claim_recall"):
        assert 0 <= results["theses"][key] <= 1
    assert set(results) >= SECTIONS
    assert results["synthetic"] and "SYNTHETIC" in results["data"]["description"]


def test_a_simulated_run_leaves_an_excused_line_beside_its_folder(folder, results):
    (trial,) = trials.read(folder.parent / deflation.LEDGER)
    assert trial.excuse == results["trials"]["excuse"] == "synthetic"
    assert results["trials"]["num_trials"] == 1
    assert trial.returns_file == f"{folder.name}/daily_returns.csv"
    file = (folder / "daily_returns.csv").read_bytes()
    assert trial.returns_sha256 == hashlib.sha256(file).hexdigest()
    assert trial.predictions_sha256 == results["predictions_sha256"]


def test_a_ledger_named_elsewhere_is_kept_there(tmp_path):
    ledger = tmp_path / "elsewhere" / "all.jsonl"
    folder = run(tmp_path / "runs" / "run", str(ledger))
    (trial,) = trials.read(ledger)
    assert pathlib.Path(trial.returns_file) == folder / "daily_returns.csv"
    assert not (folder.parent / deflation.LEDGER).exists()


def test_a_damaged_ledger_is_refused_before_anything_is_trained(tmp_path):
    ledger = tmp_path / "all.jsonl"
    ledger.write_text('{"time": "2025', encoding="utf-8")
    done = shell(
        "--config=experiments/rft.py:smoke",
        f"--workdir={tmp_path / 'run'}",
        f"--ledger={ledger}",
    )
    assert done.returncode == 1 and "Loading prices" not in done.stdout
    (line,) = done.stderr.strip().splitlines()
    assert f"{ledger}, line 1 was cut short" in line
    assert list(tmp_path.iterdir()) == [ledger]


def test_tables_agree_with_the_results(folder, results):
    daily = pd.read_csv(folder / "daily_returns.csv", index_col="date")
    net = daily["ensemble.headline_net"]
    sharpe = net.mean() / net.std(ddof=1) * np.sqrt(252)
    assert sharpe == pytest.approx(results["headline"]["sharpe"], rel=1e-4)
    assert daily.index.is_unique and len(daily) == 2 * 20
    decisions = pd.read_csv(folder / "decisions.csv")
    assert len(decisions) == 2 * 20 * 5
    held = pd.read_csv(folder / "weights.csv", index_col="date")
    np.testing.assert_array_equal(held.index, daily.index)
    np.testing.assert_allclose(held.sum(axis=1), 0.0, atol=1e-6)  # Dollar-neutral.


def test_every_thesis_written_is_valid(folder, results):
    lines = (folder / "theses.jsonl").read_text().splitlines()
    assert len(lines) == results["theses"]["written"] > 0
    for line in lines:
        thesis.validate(json.loads(line))


def test_parameters_after_imitation_are_kept(folder):
    arrays, meta = checkpoint.load(folder / "checkpoint.npz")
    assert set(arrays["params"]) == {"sft", "rft"}
    assert set(arrays["calibrators"]) == {"temperature", "vector", "cutoffs"}
    assert meta["folds"][-1]["final"] and len(meta["folds"]) == 3


def test_a_folder_that_holds_a_run_is_refused(folder):
    with pytest.raises(FileExistsError, match="already holds a run .* name another"):
        command.run(small_run.config(), str(folder), lambda text: None)


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"data.synthetic.num_days": 90},
            "90 days are too few for one fold: .* needed",
        ),
        ({"data.synthetic.num_names": 1}, "absolute"),
        ({"data.synthetic.num_names": 0}, "num_names >= 1"),
        (
            {"data.synthetic.num_names": 1, "labels.recipe": "absolute"},
            "SYN0 alone, .* config.backtest.book=long_short",
        ),
        ({"backtest.fill": "open"}, "source=synthetic have no open; set it to close"),
        ({"calibration.share": 0.9}, "kept apart to calibrate on"),
        ({"combinatorial.num_groups": 2}, "one of the 2 groups is left to train on"),
        ({"data.start": "2020-01-01"}, "leave them '' for a synthetic market"),
        ({"data.source": "us21"}, "config.data.source must be one of us20, us6"),
        ({"data.source": "files", "data.path": "/nowhere"}, "/nowhere"),
        ({"data.source": "us20", "data.start": "2020-13-01"}, "config.data.start"),
    ],
)
def test_data_that_cannot_run_is_explained(changes, message):
    with pytest.raises(ValueError, match=message):
        prepare(changed(changes))


def test_a_fold_without_a_single_label_is_named():
    prepared = prepare(small_run.config())
    panel = prepared.dataset.panel
    labelled = np.array(panel.labelled)
    start, stop = prepared.folds.train_start[1], prepared.folds.train_stop[1]
    labelled[start:stop] = False
    dataset = prepared.dataset._replace(panel=panel._replace(labelled=labelled))
    first = prepared.dataset.dates[start].date()
    with pytest.raises(ValueError, match=f"trains from {first} to .* has no row"):
        check_training_rows(dataset, prepared.folds)


@pytest.mark.parametrize(
    "broken, message",
    [
        (("sft", "rft"), "after sft are not finite; lower config.sft.peak_lr"),
        (("rft",), "after rft are not finite; lower config.rft.peak_lr"),
    ],
)
def test_training_that_diverges_is_not_reported(broken, message, monkeypatch):
    """What breaks first is to blame: reinforcement starts where imitation ended."""
    result = small_run.result()
    params = {
        stage: jax.tree.map(lambda x: x * np.nan, p) if stage in broken else p
        for stage, p in result.outcome.params.items()
    }
    outcome = result.outcome._replace(params=params)
    monkeypatch.setattr(program, "run", lambda *_: outcome)
    with pytest.raises(ValueError, match=f"training diverged: .* {message}"):
        run_lib.execute(result.experiment)


def test_a_full_disk_leaves_whole_files_only(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device.*config.json"):
        command.run(small_run.config(), str(tmp_path / "run"), lambda text: None)
    assert not any(path.is_file() for path in (tmp_path / "run").iterdir())


def test_ctrl_c_ends_in_one_line(tmp_path):
    book = ["--config=experiments/rft.py:smoke", f"--workdir={tmp_path / 'run'}"]
    process = subprocess.Popen(
        [sys.executable, "-u", "experiments/run.py", *book],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while "Compiling" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert errors.strip() == "Stopped by Ctrl-C; every file written is whole."
    assert process.returncode == 130


def test_one_ticker_runs_on_absolute_labels():
    prepared = prepare(
        changed(
            {
                "data.synthetic.num_names": 1,
                "labels.recipe": "absolute",
                "backtest.book": "long_short",
            }
        )
    )
    assert prepared.dataset.tickers == ("SYN0",)


@pytest.mark.filterwarnings("ignore:the load_module")  # Of ml_collections.
@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "Give --config="),
        (["--config=experiments/none.py"], "experiments/none.py"),
        (["--config=experiments/rft.py:tiny"], "size must be .* got 'tiny'"),
        (["--config=experiments/rft.py", "--config.sft.nope=1"], "no such key.*nope"),
        (["--config=experiments/rft.py", "--config.num_seeds=x"], "config.num_seeds=x"),
        (["--config=experiments/rft.py", "--bogus=1"], "Unknown .* 'bogus'"),
        (["--config=experiments/rft.py", "extra"], "unknown argument 'extra'"),
    ],
)
def test_a_wrong_argument_is_named(monkeypatch, arguments, message):
    monkeypatch.chdir(ROOT)
    with pytest.raises((ValueError, OSError), match=message):
        call(command.COMMAND, arguments)


def test_a_mistake_at_the_shell_ends_in_one_line():
    done = shell("--config=experiments/rft.py", "--config.sft.nope=1")
    assert done.returncode == 1
    (last,) = done.stderr.strip().splitlines()
    assert "no such key" in last
