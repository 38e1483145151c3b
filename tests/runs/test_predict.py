"""A prediction is the run's own row, by a network that had not seen the day."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import small_run

from experiments import predict as command
from experiments.command import call, run_from_shell
from thesis_rl.runs import checkpoint, load, predict, record
from thesis_rl.runs.checkpoint import CheckpointError
from thesis_rl.thesis import ThesisError, problems


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_run.write(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def run(folder):
    return predict.load_run(folder)


@pytest.fixture(scope="module")
def dataset():
    return small_run.result().experiment.dataset


@pytest.fixture
def damaged(folder, tmp_path):
    """A copy of the run that a test may spoil."""
    return shutil.copytree(folder, tmp_path / "copy")


def rewrite(path, arrays=None, **changes):
    have, meta = checkpoint.load(path / "checkpoint.npz")
    arrays = have if arrays is None else arrays(have)
    checkpoint.save(path / "checkpoint.npz", arrays, meta | changes)


def test_the_config_comes_back_equal(run):
    assert run.config == small_run.config()
    assert hash(run.config) == hash(small_run.config())


def test_what_was_learned_comes_back_bitwise(run):
    outcome = small_run.result().outcome
    learned = {
        "params": outcome.params,
        "scalers": outcome.scalers._asdict(),
        "calibrators": record.calibrator_arrays(outcome.calibrators),
    }
    assert jax.tree.all(jax.tree.map(np.array_equal, run.arrays, learned))
    assert run.arrays["calibrators"]["cutoffs"].shape == (3, len(small_run.CLAIMS))


def test_predictions_are_the_runs_own_decisions(run, folder, dataset):
    table = pd.read_csv(folder / "decisions.csv")
    for row in table.iloc[:: len(table) // 12].itertuples():
        found = predict.predict(run, row.ticker, row.date, dataset=dataset)
        decision = found.thesis["decision"]
        assert found.out_of_sample
        assert found.fold["test"][0] <= row.date <= found.fold["test"][1]
        assert decision["label"] == row.decision
        assert decision["position"] == pytest.approx(row.position, abs=2e-6)
        shares = list(decision["probabilities"].values())
        np.testing.assert_allclose(shares, row[5:], atol=2e-6)


def test_predictions_are_the_runs_own_theses(run, folder, dataset):
    lines = (folder / "theses.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 20
    for thesis in map(json.loads, lines[::4]):
        found = predict.predict(run, thesis["ticker"], thesis["as_of"], dataset=dataset)
        decision, expected = found.thesis.pop("decision"), thesis.pop("decision")
        assert found.thesis == thesis
        for field in ("label", "horizons"):
            assert decision[field] == expected[field]
        for field in ("probabilities", "conviction", "position", "confidence"):
            assert decision[field] == pytest.approx(expected[field], abs=2e-6)


def test_attribution_adds_up_and_is_sorted(run, dataset):
    found = predict.predict(run, "SYN2", "2000-08-10", dataset=dataset)
    sizes = [abs(share) for share in found.attribution.values()]
    assert set(found.attribution) == set(small_run.FEATURES)
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0
    position = found.thesis["decision"]["position"]
    assert found.plain_position + sum(found.attribution.values()) == pytest.approx(
        position, abs=1e-3
    )
    assert found.features["volume_ratio"] is None
    assert found.attribution["volume_ratio"] == 0.0


FOLDS = [
    {"test": ["2020-03-02", "2020-04-01"], "final": False},
    {"test": ["2020-04-02", "2020-05-01"], "final": False},
    {"test": ["2020-04-06", "2020-05-06"], "final": True},
]


@pytest.mark.parametrize(
    "date, index",
    [
        ("2020-03-02", 0),
        ("2020-04-01", 0),
        ("2020-04-02", 1),
        ("2020-05-01", 1),
        ("2020-05-05", 1),
        ("2020-05-06", 2),
        ("2031-01-01", 2),
    ],
)
def test_the_latest_network_that_had_not_seen_the_day_answers(run, date, index):
    other = run._replace(meta={"folds": FOLDS, "last_day": "2020-05-06"})
    assert predict.choose_fold(other, date) == (index, True)


def test_the_last_day_of_a_test_window_is_its_folds_even_where_the_data_ends(run):
    other = run._replace(meta={"folds": FOLDS, "last_day": "2020-05-01"})
    assert predict.choose_fold(other, "2020-05-01") == (1, True)
    assert predict.choose_fold(other, "2020-05-02") == (2, True)


def test_days_before_the_first_test_window_must_be_asked_for(run, dataset):
    with pytest.raises(
        ValueError, match="out of sample from 2000-08-01 on; .* --in_sample"
    ):
        predict.predict(run, "SYN2", "2000-07-31", dataset=dataset)
    found = predict.predict(run, "SYN2", "2000-07-31", True, dataset)
    assert not found.out_of_sample and found.fold["index"] == 0


def test_the_final_model_answers_for_days_after_the_runs_data(run, dataset):
    longer = lambda x: jnp.concatenate([x, x[-1:]])  # noqa: E731
    close = dataset.close
    close = pd.concat(
        [close, close[-1:].set_axis(close.index[-1:] + pd.Timedelta(3, "D"))]
    )
    grown = dataset._replace(close=close, panel=jax.tree.map(longer, dataset.panel))
    found = predict.predict(run, "SYN1", "2000-10-09", dataset=grown)
    assert found.fold["final"] and found.fold["test"] is None and found.out_of_sample
    assert problems(found.thesis) == []
    params = jax.tree.map(lambda x: x[:, [2, 2, 2]], run.arrays["params"])
    fitted = {k: run.arrays[k] for k in ("scalers", "calibrators")}
    last = jax.tree.map(lambda x: x[[2, 2, 2]], fitted)
    alike = run._replace(arrays={"params": params} | last)
    same = predict.predict(alike, "SYN1", "2000-10-09", dataset=grown)
    assert same == found
    earlier = [predict.predict(r, "SYN1", "2000-10-05") for r in (run, alike)]
    assert [p.fold["index"] for p in earlier] == [1, 1]
    assert earlier[0].thesis["decision"] != earlier[1].thesis["decision"]


def test_an_untouched_thesis_may_be_asked_for(run, dataset):
    def unwritten(x):
        return np.full_like(x, -9.0)

    heads = run.arrays["params"]["rft"]["params"]
    silent = heads | {"sections": jax.tree.map(unwritten, heads["sections"])}
    arrays = run.arrays | {"params": {"rft": {"params": silent}}}
    mute = run._replace(arrays=arrays)
    found = predict.predict(mute, "SYN1", "2000-08-10", dataset=dataset)
    assert found.thesis["repairs"]
    with pytest.raises(ThesisError, match="is missing"):
        predict.predict(mute, "SYN1", "2000-08-10", dataset=dataset, repair=False)


@pytest.mark.parametrize(
    "ticker, date, message",
    [
        ("IBM", "2000-08-10", r"unknown ticker 'IBM'; there are SYN0, SYN1"),
        ("SYN1", "2000-08-12", "was not quoted .* on 2000-08-11 and 2000-08-14"),
        ("SYN1", "2030-01-01", "nearest to it, it was on 2000-10-06$"),
        ("SYN1", "10.8.2000", "as YYYY-MM-DD, got '10.8.2000'"),
        ("SYN1", "20000810", "as YYYY-MM-DD, got '20000810'"),
        ("SYN1", "2000-02-30", "as YYYY-MM-DD, got '2000-02-30'"),
    ],
)
def test_a_row_that_is_none_is_refused(run, dataset, ticker, date, message):
    with pytest.raises(ValueError, match=message):
        predict.predict(run, ticker, date, dataset=dataset)


def test_an_unquoted_day_is_refused_though_others_traded(run, dataset):
    close = dataset.close.copy()
    close.loc["2000-08-10", "SYN1"] = np.nan
    with pytest.raises(ValueError, match="on 2000-08-09 and 2000-08-11"):
        predict.predict(
            run, "SYN1", "2000-08-10", dataset=dataset._replace(close=close)
        )


def test_a_data_set_of_other_features_is_refused(run, dataset):
    other = dataset._replace(feature_names=("mom10",))
    with pytest.raises(ValueError, match=r"but the data set has \('mom10',\)"):
        predict.predict(run, "SYN1", "2000-08-10", dataset=other)


def test_what_is_no_finished_run_is_refused(damaged, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no run's folder: .* config\.json"):
        predict.load_run(tmp_path)
    (damaged / "checkpoint.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"no checkpoint\.npz; .* cut short"):
        predict.load_run(damaged)


def test_a_corrupt_checkpoint_is_refused(damaged):
    file = damaged / "checkpoint.npz"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cut short"):
        predict.load_run(damaged)


def test_arrays_of_another_shape_are_named(damaged):
    def narrower(arrays):
        kernel = arrays["params"]["sft"]["params"]["Dense_0"]["kernel"]
        arrays["params"]["sft"]["params"]["Dense_0"]["kernel"] = kernel[..., :-1]
        del arrays["params"]["rft"]
        return arrays

    rewrite(damaged, narrower)
    with pytest.raises(CheckpointError) as caught:
        predict.load_run(damaged)
    assert "have (2, 3, 12, 7), want (2, 3, 12, 8)" in str(caught.value)
    assert "missing params/rft" in str(caught.value)


def test_a_run_without_calibrators_is_of_other_code(damaged):
    def older(arrays):
        del arrays["calibrators"]
        return arrays

    rewrite(damaged, older)
    with pytest.raises(CheckpointError, match="missing calibrators/temperature/scale"):
        predict.load_run(damaged)


def test_a_prediction_is_cut_and_rescaled_as_its_fold_was_calibrated(run, dataset):
    """Claims by the cut-offs of the fold, and confidence by the config's scaling."""

    def predicted(cutoff, scale):
        arrays = dict(run.arrays)
        calibrators = jax.tree.map(np.zeros_like, arrays["calibrators"])
        calibrators["cutoffs"][0] = cutoff
        calibrators["cutoffs"][1:] = 1.0 - cutoff
        calibrators["temperature"]["scale"][0] = scale
        changed = run._replace(arrays=arrays | {"calibrators": calibrators})
        return predict.predict(changed, "SYN1", "2000-08-10", dataset=dataset).thesis

    everything, nothing = predicted(0.0, 1.0), predicted(1.0, 0.0)
    assert len(everything["claims"]) == len(small_run.CLAIMS)
    assert nothing["claims"] == []
    decision = everything["decision"]
    assert decision["confidence"] == pytest.approx(decision["conviction"], abs=1e-5)
    assert nothing["decision"]["confidence"] == pytest.approx(0.2, abs=1e-5)
    assert nothing["decision"]["conviction"] == decision["conviction"]


def test_other_names_or_versions_are_named(damaged):
    rewrite(damaged, claims=["other"])
    with pytest.raises(CheckpointError, match=r"claims: have \['other'\], want"):
        predict.load_run(damaged)
    rewrite(damaged, schema_version="0.1")
    with pytest.raises(CheckpointError, match="schema_version: have 0.1, want"):
        predict.load_run(damaged)


def test_a_config_of_another_version_is_said_to_be_one(damaged):
    config = small_run.config().to_dict()
    del config["reward"]
    rewrite(damaged, config=config)
    with pytest.raises(CheckpointError, match="another version of the code: .*reward"):
        predict.load_run(damaged)


def test_a_config_without_reinforcement_implies_supervised_networks_alone():
    config = small_run.config().to_dict()
    config["rft"]["num_steps"] = 0
    implied = load.implied_arrays(load.rebuild_config(config), num_folds=4)
    assert set(implied["params"]) == {"sft"}
    assert implied["scalers"]["mean"].shape == (4, len(small_run.FEATURES))


def test_the_command_prints_a_page_that_says_in_sample(folder, capsys):
    row = [f"--run={folder}", "--ticker=SYN1"]
    call(command.COMMAND, [*row, "--date=2000-08-10"])
    page = capsys.readouterr().out
    assert "Out of sample, by fold 0" in page and "IN-SAMPLE" not in page
    assert "What moved the decision" in page and "mom10_rel" in page
    call(command.COMMAND, [*row, "--date=2000-07-31", "--in_sample"])
    assert "IN-SAMPLE" in capsys.readouterr().out


def test_the_command_prints_json(folder, run, dataset, capsys):
    call(
        command.COMMAND,
        [f"--run={folder}", "--ticker=SYN1", "--date=2000-08-10", "--json"],
    )
    printed = json.loads(capsys.readouterr().out)
    expected = predict.predict(run, "SYN1", "2000-08-10", dataset=dataset)
    assert printed["thesis"] == expected.thesis
    assert list(printed["attribution"]) == list(expected.attribution)
    assert printed["out_of_sample"] is True


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--run=nowhere", "--ticker=X", "--date=2000-08-10"], "is no run's folder"),
        (["--run=nowhere", "--ticker=X"], "Give --date=2020-01-03"),
        (
            ["--run=x", "--ticker=X", "--date=x", "--colour"],
            "Unknown command line flag 'colour'",
        ),
    ],
)
def test_a_mistake_at_the_shell_ends_in_one_line(monkeypatch, argv, message):
    monkeypatch.setattr("sys.argv", ["predict.py", *argv])
    with pytest.raises(SystemExit) as caught:
        run_from_shell(command.COMMAND)
    assert str(caught.value).startswith("Error: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)
