"""The table of ensembles: the numbers are those of a run, and the intervals hold."""

import json

import numpy as np
import pytest
import scipy.stats
import small_run
from ml_collections import ConfigDict, FrozenConfigDict

from experiments import distilled
from experiments import ensembles as command
from experiments.command import call, parse
from thesis_rl import config as config_lib
from thesis_rl import scoring, stats

pytestmark = pytest.mark.slow  # Programs of its own, which no other test shares.
NUM_SEEDS = small_run.config().num_seeds


def small(*_):
    config = ConfigDict(small_run.config().to_dict())
    config.distillation.num_steps = 3
    return config


@pytest.fixture
def miniature(monkeypatch):
    """The command on data that train in seconds, and no cache on this computer."""
    monkeypatch.setattr(command, "prepare_machine", lambda: None)
    monkeypatch.setattr(command.gates, "cell_config", small)
    monkeypatch.setattr(command, "real_config", small)
    monkeypatch.setattr(command, "DISTILLATION_STEPS", small().distillation.num_steps)


@pytest.fixture(scope="module")
def record():
    result = small_run.result()
    return distilled.record(result.experiment, FrozenConfigDict(small()))


def noise(num_days, num_learners=4, seed=0):
    shape = num_days, num_learners, len(command.COLUMNS)
    returns = np.random.default_rng(seed).normal(0.001, 0.01, shape)
    returns[..., -1] = abs(returns[..., -1])  # Turnover.
    return returns


def cells(table, row):
    return [list(column.cells)[row] for column in table.columns[1:]]


def test_seeds_and_average_trade_as_in_a_run(record):
    result = small_run.result()
    books = [*result.seed_books, result.books["ensemble"]]
    assert record.shape[1:] == (NUM_SEEDS + 2, len(command.COLUMNS))
    at_5_bps = 1 + distilled.COSTS_BPS.index(5.0)  # What the config charges.
    for v, book in enumerate(books):
        for column, series in (
            (0, book.headline_gross),
            (at_5_bps, book.headline_net),
            (-1, book.turnover),
        ):
            np.testing.assert_allclose(record[:, v, column], series, atol=1e-6)


def test_the_student_is_no_seed_and_pays_by_the_value_traded(record):
    student = record[:, -1]
    for other in record.transpose(1, 0, 2)[:-1]:
        assert abs(student[:, 0] - other[:, 0]).max() > 1e-6
    after = 1 + student[:, 0]  # Costs leave the capital before the return.
    paid = student[:, 1] - student[:, 3]  # 15 bps more.
    np.testing.assert_allclose(paid, 15e-4 * student[:, -1] * after, rtol=0.1)


def test_numbers_are_those_of_the_scores():
    record = noise(300)
    found = command.numbers(record.mean(0), (record**2).mean(0), len(record))
    sharpes = np.apply_along_axis(stats.sharpe, 0, record[..., :-1])
    turnover = record[..., -1].mean(0) * 252
    for learner, seeds in enumerate(([0, 1], [2], [3])):
        np.testing.assert_allclose(found[learner, :-1], sharpes[seeds].mean(0))
        assert found[learner, -1] == pytest.approx(turnover[seeds].mean())


def test_differences_over_markets_have_the_interval_of_the_paired_test():
    found = np.random.default_rng(1).normal(size=(6, 3, len(command.COLUMNS)))
    table = command.over_markets("title", found)
    paired = scipy.stats.ttest_rel(found[:, 2, 1], found[:, 0, 1])
    low, high = paired.confidence_interval(0.95)
    mean = (found[:, 2, 1] - found[:, 0, 1]).mean()
    assert cells(table, 4)[1] == f"{mean:+.3f}\n[{low:+.3f}, {high:+.3f}]"
    error = scipy.stats.sem(found[:, 1, 0])
    assert cells(table, 1)[0] == f"{found[:, 1, 0].mean():.3f} ± {error:.3f}"
    assert list(table.columns[0].cells)[3:] == [
        "ensemble - single",
        "distilled - single",
        "distilled - ensemble",
    ]


def test_days_that_all_learners_share_do_not_blur_their_differences():
    record = noise(500)
    market = np.random.default_rng(2).normal(0, 0.1, 500)[:, None]
    alike = record[:, :1] + np.zeros((1, 4, 1))
    alike[..., 0] += market
    alike[:, -1, 0] += 1e-5
    table = command.over_days("title", alike, 5)
    assert cells(table, 3)[0] == "+0.000\n[+0.000, +0.000]"
    shift = float(cells(table, 4)[0].split("\n")[0])
    low, high = (float(x) for x in cells(table, 4)[0].split("\n")[1][1:-1].split(","))
    assert 0 <= low <= shift <= high < 0.02
    sharpe, reach = (float(x) for x in cells(table, 1)[0].split(" ± "))
    assert sharpe == pytest.approx(stats.sharpe(alike[:, 1, 0]), abs=1e-3)
    # √(252/500) · 1.96, the standard error of an annual Sharpe of independent days.
    assert reach == pytest.approx(1.39, rel=0.15)


@pytest.mark.parametrize(
    "arguments, num_tables, shape",
    [
        (["--kind=linear", "--train_days=320", "--markets=2"], 1, (2, 3, 5)),
        (["--train_days=1260", "--markets=3"], 2, (3, 3, 5)),
        (["--source=us20"], 1, (40, NUM_SEEDS + 2, 5)),
    ],
)
def test_the_command_runs(miniature, tmp_path, capsys, arguments, num_tables, shape):
    output = tmp_path / "numbers.json"
    call(command.COMMAND, [*arguments, "--seeds=2", f"--output={output}"])
    printed = capsys.readouterr().out
    for word in (*command.LEARNERS, *command.COLUMNS, "distilled - ensemble"):
        assert word in printed
    saved = json.loads(output.read_text(encoding="utf-8"))
    assert len(saved) == num_tables
    for title, values in saved.items():
        assert title in printed
        assert np.array(values).shape == shape
        assert np.isfinite(values).all()


@pytest.mark.parametrize("source", ["us20", "us6"])
def test_real_prices_run_the_headline_recipe(source):
    config = command.real_config(source, 3)
    config_lib.check(config)
    assert (config.data.source, config.num_seeds) == (source, 3)
    assert scoring.is_hedged(config.backtest) and config.distillation.num_steps


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--markets=1"], "lower bound"),
        (["--seeds=1"], "lower bound"),
        (["--source=us7"], "one of <us20|us6>"),
        (["--market=3"], "Unknown command line flag 'market'"),
    ],
)
def test_a_wrong_argument_ends_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        parse(command.COMMAND, arguments)
