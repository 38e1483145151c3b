"""Two runs side by side: what is known to differ, and nothing else, is what shows."""

import json
import math
import shutil

import numpy as np
import pandas as pd
import pytest
import small_run

from experiments import compare as command
from experiments.command import call, run_from_shell
from thesis_rl import files, stats
from thesis_rl.runs import compare
from thesis_rl.runs.folder import HEADLINE_RETURNS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_run.write(tmp_path_factory.mktemp("runs") / "base")


@pytest.fixture
def other(folder, tmp_path):
    """A copy of the run that a test may change."""
    return shutil.copytree(folder, tmp_path / "other")


def edit_json(file, change):
    value = json.loads(file.read_text(encoding="utf-8"))
    change(value)
    files.write_json(file, value)


def edit_table(file, change):
    table = pd.read_csv(file)
    files.write_text(file, change(table).to_csv(index=False))


def test_a_copy_differs_in_nothing(folder, other):
    found = compare.compare([folder, other])
    assert found.config.empty and found.provenance.empty
    for table in (found.headline, found.strategies, found.theses, found.timing):
        assert len(table) and list(table.columns) == ["base", "other"]
        assert compare.only_differing(table).empty
    change = found.changes["other"]
    assert (change.changed, change.position_change) == (0.0, 0.0)
    assert change.correlation == pytest.approx(1.0)
    assert (change.sharpe_difference, change.interval) == (0.0, (0.0, 0.0))
    counts = pd.read_csv(folder / "decisions.csv")["decision"].value_counts()
    on_diagonal = np.diag(np.diag(change.transitions))
    np.testing.assert_array_equal(change.transitions, on_diagonal)
    assert change.rows == counts.sum()


def test_only_differing_keys_of_the_config_are_listed(folder, other):
    def change(config):
        config["rft"]["entropy_coef"] = 0.5
        config["labels"]["horizons"] = [2, 7]
        config["note"] = "mine"

    edit_json(other / "config.json", change)
    table = compare.compare([folder, other]).config
    assert table.to_dict("index") == {
        "labels.horizons": {"base": [2, 5], "other": [2, 7]},
        "rft.entropy_coef": {"base": 0.01, "other": 0.5},
        "note": {"base": compare.ABSENT, "other": "mine"},
    }


def test_numbers_are_those_of_each_runs_results(folder, other):
    def change(results):
        results["headline"] |= {"sharpe": 9.0, "interval": [8.0, 10.0]}
        results["strategies"]["momentum"]["net"]["headline_sharpe"] = 7.0
        results["strategies"]["invented"] = {"net": {"headline_sharpe": 6.0}}
        results["timing"]["compile"] = 5.0
        results["git"]["revision"] = "abc"
        results["data"]["sha256"] = "def"

    edit_json(other / "results.json", change)
    found = compare.compare([folder, other])
    headline = found.headline["other"]
    keys = ["sharpe", "interval_low", "interval_high"]
    assert headline[keys].tolist() == [9.0, 8.0, 10.0]
    assert found.strategies["other"]["momentum"] == 7.0
    assert found.strategies.loc["invented"].tolist() == [compare.ABSENT, 6.0]
    assert found.timing["other"]["compile"] == 5.0
    assert found.provenance["other"].to_dict() == {
        "data.sha256": "def",
        "git.revision": "abc",
    }


def test_curves_give_the_first_and_the_last_step(folder, other):
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [line for line in map(json.loads, lines) if line["stage"] == "rft"]
    curves = compare.compare([folder, other]).curves
    row = curves.loc[("rft", "reward"), "base"]
    assert row.tolist() == pytest.approx([steps[0]["reward"], steps[-1]["reward"]])
    assert not [name for _, name in curves.index if name.endswith("_sd")]
    assert ("sft", "reward") not in curves.index


def test_changed_decisions_are_counted_on_common_rows(folder, other):
    table = pd.read_csv(folder / "decisions.csv")
    bought = table.index[::4]

    def change(table):
        table.loc[bought, "decision"] = "strong_buy"
        table.loc[bought, "position"] += 0.5
        return table[100:]

    edit_table(other / "decisions.csv", change)
    found = compare.compare([folder, other]).changes["other"]
    common = table[100:]
    moved = common.loc[common.index.isin(bought)]
    relabelled = (moved["decision"] != "strong_buy").sum()
    assert relabelled > 5
    assert found.rows == len(common)
    assert found.changed == pytest.approx(relabelled / len(common))
    assert found.position_change == pytest.approx(0.5 * len(moved) / len(common))
    off_diagonal = found.transitions.to_numpy() - np.diag(np.diag(found.transitions))
    assert off_diagonal.sum() == off_diagonal[:, -1].sum() == relabelled


def test_returns_are_compared_on_common_dates(folder, other):
    def change(table):
        table[HEADLINE_RETURNS] = 0.001 - 2 * table[HEADLINE_RETURNS]
        return table[3:]

    edit_table(other / "daily_returns.csv", change)
    found = compare.compare([folder, other]).changes["other"]
    base = pd.read_csv(folder / "daily_returns.csv")[HEADLINE_RETURNS][3:]
    assert found.days == len(base)
    assert found.correlation == pytest.approx(-1.0)
    expected = stats.sharpe(0.001 - 2 * base) - stats.sharpe(base)
    assert found.sharpe_difference == pytest.approx(expected, rel=1e-6)
    assert found.interval[0] < found.sharpe_difference < found.interval[1]


def test_runs_that_never_met_are_said_to(folder, other):
    later = lambda table: table.assign(  # noqa: E731
        date=table["date"].str.replace("2000", "2010")
    )
    for name in ("decisions.csv", "daily_returns.csv"):
        edit_table(other / name, later)
    found = compare.compare([folder, other])
    change = found.changes["other"]
    assert (change.rows, change.days) == (0, 0)
    assert math.isnan(change.changed) and math.isnan(change.correlation)
    notes = [section.note for section in command.sections(found)]
    assert "No date was traded by both." in notes
    assert "No date and ticker was decided by both." in notes


def test_a_book_that_never_varied_has_no_difference():
    still, noise = np.zeros(50), np.random.default_rng(0).normal(size=50)
    assert math.isnan(compare.correlation(still, noise))


def test_fewer_than_two_runs_are_refused(folder):
    with pytest.raises(ValueError, match="two runs or more, got 1"):
        compare.compare([folder])
    with pytest.raises(ValueError, match="same folder is given twice"):
        compare.compare([folder, folder / "." / ""])


def test_namesakes_are_told_apart(folder, tmp_path):
    namesake = shutil.copytree(folder, tmp_path / folder.name)
    found = compare.compare([folder, namesake])
    assert list(found.changes) == [str(namesake)]


@pytest.mark.parametrize(
    "name, content, error, message",
    [
        ("config.json", None, FileNotFoundError, "is no run's folder"),
        ("results.json", None, FileNotFoundError, "the run was cut short"),
        ("results.json", '{"title": ', ValueError, "results.json is damaged, not JSON"),
        ("results.json", "[]", ValueError, "results.json is damaged: want a JSON obj"),
        ("results.json", '{"title": ""}', ValueError, "has no headline, strategies"),
        ("decisions.csv", "date,ticker\n", ValueError, "no column decision, position"),
        ("daily_returns.csv", "", ValueError, "daily_returns.csv is damaged: "),
        ("metrics.jsonl", '{"stage": ', ValueError, "metrics.jsonl is damaged: "),
        ("metrics.jsonl", '{"a": 1}\n', ValueError, "metrics.jsonl is damaged: "),
        ("decisions.csv", None, FileNotFoundError, "decisions.csv"),
    ],
)
def test_a_damaged_folder_is_named(folder, other, name, content, error, message):
    (other / name).unlink()
    if content is not None:
        (other / name).write_text(content, encoding="utf-8")
    with pytest.raises(error, match=message) as caught:
        compare.compare([folder, other])
    assert str(other) in str(caught.value)


def test_the_command_prints_and_writes_every_section(folder, other, tmp_path, capsys):
    def loud(results):
        results["title"] = "Pipes | and *stars*"

    edit_json(other / "results.json", loud)
    output = tmp_path / "comparison.md"
    call(command.COMMAND, [str(folder), str(other), f"--output={output}"])
    printed, page = capsys.readouterr().out, output.read_text(encoding="utf-8")
    found = compare.compare([folder, other])
    for section in command.sections(found):
        assert section.title in printed
        assert f"## {section.title}\n" in page
    assert r"Pipes \| and \*stars\*" in page
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert len(tables) > 40
    assert "Nothing differs." in page


@pytest.mark.parametrize(
    "argv, message",
    [
        (["nowhere", "elsewhere"], "nowhere is no run's folder"),
        ([], "two runs or more, got 0"),
        (["a", "b", "--colour"], "Unknown command line flag 'colour'"),
    ],
)
def test_a_mistake_at_the_shell_ends_in_one_line(monkeypatch, argv, message):
    monkeypatch.setattr("sys.argv", ["compare.py", *argv])
    with pytest.raises(SystemExit) as caught:
        run_from_shell(command.COMMAND)
    assert str(caught.value).startswith("Error: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)
