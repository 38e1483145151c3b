"""The best of a sweep, on made-up returns whose worth is known."""

import datetime
import json
import math

import numpy as np
import pytest
import small_run
from ml_collections import ConfigDict

from experiments import sweep as command
from thesis_rl import configs, files, stats
from thesis_rl.evaluation import inference
from thesis_rl.evaluation.books import Book
from thesis_rl.runs import deflation, trials
from thesis_rl.runs.sweep import grid, judge, run
from thesis_rl.walk_forward.experiment import prepare

NOW = datetime.datetime(2025, 1, 2, tzinfo=datetime.UTC)
REAL = {"size": "full", "data.synthetic.num_days": 520, "folds.num_folds": 15}
NUM_DAYS = 300


@pytest.fixture(scope="module")
def experiment():
    """Simulated prices that pass for real ones."""
    config = configs.with_changes(small_run.config(), REAL)
    prepared = prepare(config)
    report = prepared.dataset.report | {"synthetic": False}
    return prepared._replace(dataset=prepared.dataset._replace(report=report))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sweep").mkdir()
    return tmp_path / "sweep"


def noise(num, skill=0.0):
    """Returns whose daily Sharpe ratios are 0, but for the last one's."""
    draws = np.random.default_rng(0).standard_normal((NUM_DAYS, num))
    draws = 0.01 * (draws - draws.mean(0)) / draws.std(0, ddof=1)
    draws += 0.01 * np.random.default_rng(1).normal(0, 0.02, num)
    draws[:, -1] += 0.01 * skill
    return draws.T


def as_tried(experiment, returns):
    """One point a row; a row of NaN is one that failed."""
    rates = ",".join(str(0.01 * (1 + i)) for i in range(len(returns)))
    config = ConfigDict(experiment.config.to_dict())
    points = grid.points(grid.parse([f"rft.peak_lr={rates}"], config), config)
    made = []
    for point, row in zip(points, returns, strict=True):
        given = experiment._replace(config=point.config)
        if np.isnan(row).any():
            made.append(run.Tried(point, given, None, {}, "p", "training diverged"))
            continue
        book = Book(*[row] * len(Book._fields))
        headline = inference.headline(inference.key_for(given.config.seed, 0), book, 5)
        made.append(run.Tried(point, given, book, headline, "p", ""))
    return made


def judged(experiment, returns, folder):
    ledger = folder.parent / "trials.jsonl"
    tried = as_tried(experiment, returns)
    lines = [judge.keep(t, folder, ledger, NOW, None) for t in tried]
    return judge.judge(tried, lines, ledger)


def test_skill_survives_and_luck_does_not(experiment, tmp_path):
    verdicts = {}
    for name, skill in (("luck", 0.0), ("skill", 0.4)):
        (tmp_path / name / "sweep").mkdir(parents=True)
        returns = noise(4, skill)
        found = judged(experiment, returns, tmp_path / name / "sweep")
        verdicts[name] = found
        sharpes = [p["sharpe"] for p in found["points"]]
        assert sharpes == sorted(map(stats.sharpe, returns), reverse=True)
    luck, skill = verdicts["luck"], verdicts["skill"]
    assert skill["best"] == "4" and skill["superiority"]["survivors"] == ["4"]
    assert skill["superiority"]["p"] < 0.01 and skill["trials"]["dsr"] > 0.99
    assert skill["overfitting"]["pbo"] < 0.01
    assert luck["superiority"]["p"] > 0.2 and luck["trials"]["dsr"] < 0.6
    assert luck["verdict"].endswith("Nothing survives.")
    assert skill["verdict"].endswith("Survivors: 4.")


def test_n_is_counted_from_the_ledger_and_pbo_from_the_sweep(experiment, folder):
    ledger = folder.parent / "trials.jsonl"
    (older,) = as_tried(experiment, noise(1))
    sibling = configs.with_changes(older.experiment.config, {"seed": 9})
    older = older._replace(experiment=older.experiment._replace(config=sibling))
    (folder.parent / "older").mkdir()
    judge.keep(older, folder.parent / "older", ledger, NOW, None)
    found = judged(experiment, noise(3), folder)
    counted = trials.count(trials.read(ledger))
    assert found["trials"]["num_trials"] == len(counted) == 4 and not found["excuse"]
    best = next(t for t in counted if t.sharpe == max(x.sharpe for x in counted[1:]))
    spread = np.std([t.sharpe for t in counted], ddof=1)
    assert found["trials"]["dsr"] == pytest.approx(
        stats.deflated_sharpe(
            best.sharpe, best.num_obs, best.skew, best.kurtosis, spread, 4
        )
    )
    returns = np.round(noise(3).T, 10)
    expected = stats.probability_of_overfitting(returns, deflation.NUM_BLOCKS)
    assert found["overfitting"]["pbo"] == pytest.approx(expected, abs=0.01)
    assert "more than the luck of 4 trials" in found["verdict"]


def test_a_point_that_failed_is_counted(experiment, folder):
    returns = noise(3)
    returns[1] = np.nan
    found = judged(experiment, returns, folder)
    assert found["trials"]["num_trials"] == 3
    assert found["trials"]["num_undefined"] == 1
    assert found["points"][-1]["failure"] == "training diverged"
    assert found["superiority"]["num_models"] == 2
    assert "training diverged" in command.notes(found | {"ledger": "x"})[0]


def test_a_sweep_in_which_nothing_moved_says_so(experiment, folder):
    returns = np.zeros((2, NUM_DAYS))
    returns[1] = np.nan
    found = judged(experiment, returns, folder)
    assert found["best"] == "" and found["superiority"] is None
    assert found["verdict"] == "None of 2 has a Sharpe ratio."
    assert command.notes(found | {"ledger": "x"})[-1] == found["verdict"]
    files.to_json(found)


def test_points_that_vary_nothing_are_named(experiment, folder):
    returns = noise(3)
    returns[2] = returns[0]
    found = judged(experiment, returns, folder)
    assert found["alike"] == [["1", "3"]]
    assert "1, 3 earned the same" in command.notes(found | {"ledger": "x"})[0]


def test_a_smoke_sweep_is_deflated_by_its_own_points(experiment, folder):
    config = configs.with_changes(experiment.config, {"size": "smoke"})
    found = judged(experiment._replace(config=config), noise(3), folder)
    assert found["excuse"] == "smoke" and found["trials"]["num_trials"] == 3
    assert not trials.count(trials.read(folder.parent / "trials.jsonl"))
    text = " ".join(command.notes(found | {"ledger": "x"}))
    assert "smoke: deflated by the points of this sweep alone" in text


def test_one_point_alone_is_not_deflated(experiment, folder):
    found = judged(experiment, noise(1, 0.1), folder)
    assert found["trials"]["dsr"] == found["trials"]["psr"]
    assert "probability that it is above zero" in found["verdict"]
    assert found["overfitting"]["pbo"] is None


def test_what_is_printed_fits_eighty_columns(experiment, folder):
    from rich.console import Console

    returns = noise(4)
    returns[1] = np.nan
    found = judged(experiment, returns, folder)
    keys = ("rft.claims_anchor_coef", "reward.weights", "model.hidden", "x.peak_lr")
    for point in found["points"]:
        point["values"] = dict.fromkeys(keys, (0.25, 0.25, 0.5))
    console = Console(width=200)
    with console.capture() as capture:
        console.print(command.table(json.loads(files.to_json(found))), width=80)
    assert max(map(len, capture.get().splitlines())) <= 80
    assert "failed" in capture.get()
    assert math.isnan(found["points"][-1].get("sharpe", math.nan))
