"""A run cannot forget its siblings: what counts, what does not, and what it costs."""

import datetime

import numpy as np
import pytest
import small_run
from ml_collections import ConfigDict, FrozenConfigDict

from thesis_rl import files
from thesis_rl.runs import deflation, fingerprint, record, trials

NOW = datetime.datetime(2025, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / deflation.LEDGER


@pytest.fixture
def register(tmp_path, ledger):
    """Registers a run from a folder of its own, as the command does."""

    def register(result, name="run", revision="abc"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        table = record.daily_returns(result).to_csv()
        files.write_text(folder / deflation.RETURNS_FILE, table)
        return deflation.register(result, folder, ledger, NOW, revision)

    return register


def real(changes=None, returns=None):
    """The small run as if it were of real prices, and no smoke run."""
    result = small_run.result()
    config = ConfigDict(result.experiment.config.to_dict())
    config.update_from_flattened_dict({"size": "full"} | (changes or {}))
    dataset = result.experiment.dataset
    dataset = dataset._replace(report=dataset.report | {"synthetic": False})
    experiment = result.experiment._replace(
        config=FrozenConfigDict(config), dataset=dataset
    )
    books = result.books
    if returns is not None:
        ensemble = books["ensemble"]._replace(headline_net=returns)
        books = books | {"ensemble": ensemble}
    return result._replace(experiment=experiment, books=books)


def test_a_line_says_what_was_run_and_what_it_earned(register, ledger):
    result = real()
    register(result)
    (trial,) = trials.read(ledger)
    config, dataset, folds, _ = result.experiment
    assert trial.time == NOW.isoformat() and trial.revision == "abc"
    assert trial.config_hash == fingerprint.config_hash(config.to_dict())
    assert trial.predictions_sha256 == result.summary["predictions_sha256"]
    assert (trial.seed, trial.num_seeds) == (config.seed, config.num_seeds)
    assert trial.returns_file == f"run/{deflation.RETURNS_FILE}"
    file = ledger.parent / trial.returns_file
    assert trial.returns_sha256 == fingerprint.file_hash(file)
    returns = result.books["ensemble"].headline_net
    assert trial.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1))
    assert trial.num_obs == len(returns) and trial.excuse == ""
    bounds = zip(*folds, strict=True)
    for dates, (start, stop, first, last) in zip(trial.folds, bounds, strict=True):
        days = dataset.dates[[start, stop - 1, first, last - 1]]
        assert dates == [str(day.date()) for day in days]


def test_a_run_without_git_has_no_revision(register, ledger):
    register(real(), revision=None)
    assert trials.read(ledger)[0].revision == ""


def test_alone_the_deflated_sharpe_is_the_probabilistic_one(register):
    found = register(real())
    assert found["num_trials"] == 1 and found["siblings"] == []
    assert found["dsr"] == found["psr"] is not None


def test_trials_are_counted_and_a_rerun_is_none(register, ledger):
    own = small_run.result().books["ensemble"].headline_net
    register(real({"seed": 1}, own[::-1]), "first")
    register(real({"rft.num_steps": 5}, 0.5 * own + 1e-5), "second")
    found = register(real(), "third")
    assert found["num_trials"] == 3 and len(found["siblings"]) == 2
    assert found["dsr"] < found["psr"]
    again = register(real(), "again")
    assert again["num_trials"] == 3
    assert (again["dsr"], again["psr"]) == (found["dsr"], found["psr"])
    register(real({"title": "By another name", "group_size": 1}), "renamed")
    assert len(trials.read(ledger)) == 5 and len(trials.count(trials.read(ledger))) == 3


def test_other_data_are_another_trial(register):
    result = real()
    register(result, "first")
    dataset = result.experiment.dataset
    dataset = dataset._replace(close=dataset.close * 1.5)
    other = result._replace(experiment=result.experiment._replace(dataset=dataset))
    assert register(other, "second")["num_trials"] == 2


def test_volumes_are_part_of_the_data(ledger, tmp_path):
    result = real()
    hashes = set()
    market = result.experiment.dataset.market
    for volume in (None, np.ones(market.returns.shape), market.returns + 2.0):
        dataset = result.experiment.dataset._replace(
            market=market._replace(dollar_volume=volume)
        )
        experiment = result.experiment._replace(dataset=dataset)
        file = tmp_path / deflation.RETURNS_FILE
        trial = deflation.as_trial(experiment, file, ledger, None, "", NOW, None)
        hashes.add(trial.data_hash)
    assert len(hashes) == 3


@pytest.mark.parametrize(
    "synthetic, size, excuse",
    [
        (True, "full", "synthetic"),
        (True, "smoke", "synthetic"),
        (False, "smoke", "smoke"),
        (False, "full", ""),
    ],
)
def test_smoke_and_simulated_runs_are_no_trials(synthetic, size, excuse, register):
    register(real({"seed": 7}), "sibling")
    result = real({"size": size})
    dataset = result.experiment.dataset
    dataset = dataset._replace(report=dataset.report | {"synthetic": synthetic})
    result = result._replace(experiment=result.experiment._replace(dataset=dataset))
    assert deflation.excuse(result.experiment) == excuse
    found = register(result)
    assert found["excuse"] == excuse
    assert found["num_trials"] == (1 if excuse else 2)
    # Nor do they make a later run's burden heavier.
    assert register(real(), "later")["num_trials"] == 2


def test_a_run_that_failed_was_a_trial_nevertheless(register, ledger, tmp_path):
    failed = deflation.as_trial(
        real({"seed": 9}).experiment,
        tmp_path / "failed" / deflation.RETURNS_FILE,
        ledger,
        None,
        "",
        NOW,
        None,
    )
    assert np.isnan(failed.sharpe) and failed.num_obs == 0
    trials.append(ledger, failed)
    found = register(real())
    assert found["num_trials"] == 2 and found["num_undefined"] == 1
    assert found["dsr"] is None  # Of one Sharpe ratio there is no spread.
