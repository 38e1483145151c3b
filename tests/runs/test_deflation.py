"""N is counted, a deleted sibling still counts, and one trial is not deflated."""

import math
import shutil

import jax
import numpy as np
import pandas as pd
import pytest

from thesis_rl import files, stats
from thesis_rl.runs import deflation, fingerprint, trials
from thesis_rl.runs.folder import HEADLINE_RETURNS

DATES = pd.bdate_range("2015-01-01", periods=400)


class Lab:
    """A folder of runs and the ledger beside them."""

    def __init__(self, folder):
        self.ledger = folder / "trials.jsonl"

    def run(self, name, returns, dates=DATES, **changes):
        """Writes a run's returns and its line; returns the line."""
        file = self.ledger.parent / name / "daily_returns.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        index = pd.DatetimeIndex(dates, name="date")
        table = pd.DataFrame({HEADLINE_RETURNS: returns}, index)
        files.write_text(file, table.assign(other=1.0).to_csv())
        trial = trials.Trial(
            time=f"2025-01-01T00:00:{len(trials.read(self.ledger)):02}+00:00",
            title=f"The run {name}",
            config_hash=f"config of {name}",
            data_hash="data of all",
            seed=0,
            num_seeds=1,
            folds=[],
            returns_file=trials.locate(file, self.ledger),
            returns_sha256=fingerprint.file_hash(file),
            predictions_sha256=f"predictions of {name}",
            revision="",
            excuse="",
            **trials.moments(returns),
        )._replace(**changes)
        trials.append(self.ledger, trial)
        return trial

    def summarise(self, current):
        return summarise(trials.read(self.ledger), self.ledger, current)


def summarise(lines, ledger, current):
    return deflation.summarise(jax.random.key(0), lines, ledger, current)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(deflation, "NULL_DRAWS", 3)


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path / "runs")


@pytest.fixture
def noise():
    """Five independent records, [T, 5], the last the best."""
    noise = np.random.default_rng(0).normal(0, 0.01, (len(DATES), 5))
    return noise + np.array([0, 0, 0, 0, 0.001])


def psr(trial):
    return stats.probabilistic_sharpe(
        trial.sharpe, 0.0, trial.num_obs, trial.skew, trial.kurtosis
    )


def dsr(trial, sd, num_trials):
    return stats.deflated_sharpe(
        trial.sharpe, trial.num_obs, trial.skew, trial.kurtosis, sd, num_trials
    )


def returns_of(summary):
    return {s["title"]: s["returns"] for s in summary["siblings"]}


def test_one_trial_is_not_deflated(lab, noise):
    current = lab.run("a", noise[:, 4])
    found = lab.summarise(current)
    assert found["num_trials"] == found["num_effective"] == 1
    assert found["dsr"] == found["dsr_effective"] == found["psr"] == psr(current)
    assert 0.9 < found["psr"] < 1
    assert found["trial_sd"] is None and found["siblings"] == []
    assert found["pbo"] is None and "fewer than two" in found["pbo_missing"]


def test_n_and_the_spread_are_counted_from_the_ledger(lab, noise):
    tried = [lab.run(f"{i}", noise[:, i]) for i in range(5)]
    found = lab.summarise(tried[-1])
    sd = np.std([t.sharpe for t in tried], ddof=1)
    assert found["num_trials"] == found["num_compared"] == 5
    assert found["num_days"] == len(DATES)
    assert found["trial_sd"] == pytest.approx(sd, rel=1e-12)
    assert found["dsr"] == pytest.approx(dsr(tried[-1], sd, 5), rel=1e-9)
    assert 4.5 < found["num_effective"] <= 5  # Independent, but for 400 days' chance.
    assert found["dsr"] <= found["dsr_effective"] < found["psr"] - 0.05
    assert [s["title"] for s in found["siblings"]] == [f"The run {i}" for i in range(4)]
    annual = [s["sharpe"] for s in found["siblings"]]
    expected = [stats.sharpe(noise[:, i]) for i in range(4)]
    np.testing.assert_allclose(annual, expected, rtol=1e-12)


def test_the_line_may_be_written_before_or_after(lab, noise):
    lab.run("a", noise[:, 0])
    current = lab.run("b", noise[:, 1])
    lines = trials.read(lab.ledger)
    before = summarise(lines[:1], lab.ledger, current)
    assert before == summarise(lines, lab.ledger, current)


def test_a_rerun_is_no_new_trial_but_other_predictions_are_reported(lab, noise):
    lab.run("a", noise[:, 0])
    first = lab.run("b", noise[:, 1])
    once = lab.summarise(first)
    again = lab.summarise(lab.run("b", noise[:, 1]))
    assert again == once and once["num_changed_reruns"] == 0
    changed = lab.run("b", noise[:, 1], predictions_sha256="of other code")
    assert lab.summarise(changed) == once | {"num_changed_reruns": 1}
    assert lab.summarise(first)["siblings"][0]["first_time"].endswith(":00+00:00")


def test_trials_that_are_the_same_book_are_one_effective_trial(lab, noise):
    for i in range(3):
        lab.run(f"{i}", noise[:, 4])
    current = lab.run("last", noise[:, 4])
    found = lab.summarise(current)
    assert found["num_trials"] == 4
    assert found["num_effective"] == pytest.approx(1, abs=1e-6)


def test_a_sibling_whose_files_are_gone_still_counts(lab, noise):
    for i in range(4):
        lab.run(f"{i}", noise[:, 4])
    current = lab.run("last", noise[:, 4] + noise[:, 3] / 10)
    before = lab.summarise(current)
    shutil.rmtree(lab.ledger.parent / "0")
    with open(lab.ledger.parent / "1" / "daily_returns.csv", "a") as file:
        file.write("2030-01-01,0.5,1.0\n")
    after = lab.summarise(current)
    for key in ("num_trials", "trial_sd", "dsr", "psr"):
        assert after[key] == before[key]
    assert after["num_compared"] == 3
    assert after["num_effective"] == pytest.approx(before["num_effective"] + 2, abs=0.1)
    assert after["dsr_effective"] < before["dsr_effective"]
    assert returns_of(after) == {
        "The run 0": "file missing or unreadable",
        "The run 1": "file changed since",
        "The run 2": "compared",
        "The run 3": "compared",
    }


def test_runs_on_other_days_count_in_full(lab, noise):
    lab.run("disjoint", noise[:, 0], DATES + pd.Timedelta(days=4000))
    lab.run("late", noise[:, 1], DATES + pd.Timedelta(days=140))  # 300 in common.
    lab.run("short", noise[:150, 2], DATES[250:])
    current = lab.run("current", noise[:, 4])
    found = lab.summarise(current)
    assert found["num_trials"] == 4 and found["num_compared"] == 2
    assert found["num_days"] == 300
    assert 3.9 < found["num_effective"] <= 4
    assert returns_of(found) == {
        "The run disjoint": "only 0 days in common",
        "The run late": "compared",
        "The run short": "only 150 days in common",
    }


def test_a_record_of_few_days_is_compared_with_nothing(lab, noise):
    lab.run("a", noise[:59, 0], DATES[:59])
    found = lab.summarise(lab.run("b", noise[:59, 1], DATES[:59]))
    assert found["num_trials"] == found["num_effective"] == 2
    assert found["num_compared"] == 0 and found["pbo"] is None
    assert returns_of(found) == {"The run a": "only 59 days in common"}


def test_a_book_that_never_traded_counts_without_a_sharpe(lab, noise):
    idle = lab.run("idle", np.zeros(len(DATES)))
    assert math.isnan(idle.sharpe)
    two = lab.summarise(lab.run("a", noise[:, 0]))
    assert two["num_trials"] == two["num_effective"] == 2
    assert two["num_undefined"] == 1 and two["num_compared"] == 2
    assert two["trial_sd"] is None and two["dsr"] is two["dsr_effective"] is None
    current = lab.run("b", noise[:, 1])
    three = lab.summarise(current)
    assert three["dsr"] == pytest.approx(dsr(current, three["trial_sd"], 3), rel=1e-9)


def test_pbo_is_of_the_days_in_their_order(lab, noise):
    shuffled = np.random.default_rng(1).permutation(len(DATES))
    for i in range(4):
        lab.run(f"{i}", noise[shuffled, i], DATES[shuffled])
    found = lab.summarise(lab.run("last", noise[:, 4]))
    assert found["pbo"] == stats.probability_of_overfitting(noise, num_blocks=16)
    null = stats.overfitting_under_null(jax.random.key(0), noise, 16, 3)
    assert found["pbo_null"] == null.mean()
    assert found["pbo_null_sd"] == null.std(ddof=1)
    assert found["pbo_missing"] == ""


@pytest.mark.parametrize("excuse", trials.EXCUSES)
def test_runs_with_an_excuse_neither_count_nor_are_deflated(lab, noise, excuse):
    lab.run("a", noise[:, 0])
    lab.run("b", noise[:, 1])
    excused = lab.run("c", noise[:, 4], excuse=excuse)
    found = lab.summarise(excused)
    assert found["excuse"] == excuse and found["num_trials"] == 1
    assert found["dsr"] == found["dsr_effective"] == found["psr"] == psr(excused)
    assert returns_of(found) == dict.fromkeys(["The run a", "The run b"], "not read")
    counted = lab.summarise(lab.run("d", noise[:, 2]))
    assert counted["num_trials"] == 3 and counted["excuse"] == ""


def test_a_ledger_moves_together_with_its_runs(lab, noise, tmp_path):
    lab.run("a", noise[:, 0])
    current = lab.run("b", noise[:, 1])
    before = lab.summarise(current)
    moved = Lab(lab.ledger.parent.rename(tmp_path / "archive"))
    assert moved.summarise(current) == before
    assert before["num_compared"] == 2


def test_a_ledger_elsewhere_finds_the_runs_where_they_are(lab, noise, tmp_path):
    first = lab.run("a", noise[:, 0])
    current = lab.run("b", noise[:, 1])
    away = tmp_path / "away" / "trials.jsonl"
    lines = [
        t._replace(returns_file=trials.locate(lab.ledger.parent / t.returns_file, away))
        for t in (first, current)
    ]
    assert summarise(lines, away, lines[1]) == lab.summarise(current)


def test_everything_in_it_is_json(lab, noise):
    lab.run("idle", np.zeros(len(DATES)))
    lab.run("a", noise[:, 0])
    files.to_json(lab.summarise(lab.run("b", noise[:, 1])))
