"""What a run says of its own headline, checked against its books and forecasts."""

import jax
import numpy as np
import pytest
import small_run

from thesis_rl import files, stats
from thesis_rl.evaluation import books as scores_lib
from thesis_rl.evaluation import calibration, inference, judge
from thesis_rl.trading import portfolio

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
}


@pytest.fixture(scope="module")
def run():
    return small_run.result()


@pytest.fixture(scope="module")
def scores(run):
    return scores_lib.score(run.experiment, run.outcome, run.final_stage)


@pytest.fixture(scope="module")
def decisions(run):
    return {stage: f.decision for stage, f in run.forecasts.items()}


def compared(run, scores, decisions):
    return judge.comparisons(
        jax.random.key(0), run.experiment, scores, decisions, run.final_stage, 5.0
    )


def test_every_section_is_there_and_can_be_written(run):
    assert set(run.summary) >= SECTIONS
    files.to_json(run.summary)


def test_the_headline_is_the_ensembles_net_headline(run):
    found = run.summary["headline"]
    assert found["strategy"] == "ensemble"
    assert found["mapping"] == run.experiment.config.backtest.mapping
    assert found["sharpe"] == stats.sharpe(run.books["ensemble"].headline_net)
    row = run.summary["strategies"]["ensemble"]
    assert found["sharpe"] == row["net"]["headline_sharpe"]
    assert found["mean_block"] >= run.experiment.config.backtest.hold_days


def test_the_ensemble_is_compared_with_every_other_book(run):
    others = set(run.books) - {"ensemble"}
    assert len(others) > 5 and set(run.summary["comparisons"]) == others
    sharpe = {name: stats.sharpe(b.headline_net) for name, b in run.books.items()}
    for name in others:
        found = run.summary["comparisons"][name]["sharpe_difference"]
        expected = sharpe["ensemble"] - sharpe[name]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_controlled_book_is_compared_by_returns_alone(run, scores, decisions):
    twin = scores.books["sft_ensemble"]
    books = scores.books | {scores_lib.CONTROLLED: twin}
    found = compared(run, scores._replace(books=books), decisions)
    controlled = found[scores_lib.CONTROLLED]
    same = found["sft_ensemble"]["sharpe_difference"]
    assert controlled["sharpe_difference"] == same
    assert np.isnan(controlled["dm"])  # It predicts what the ensemble predicts.


def plain_dm(run, decisions, names):
    """The test of the ensemble's losses against imitation's, of these names alone."""
    days = scores_lib.unseen(run.experiment)
    panel = run.experiment.dataset.panel
    payoff = np.clip(np.asarray(panel.payoff, np.float64)[days], -2, 2)[:, names]
    mapping = run.experiment.config.backtest.mapping
    losses = [
        inference.position_loss(np.asarray(portfolio.positions(p, mapping)), payoff)
        for p in (decisions["rft"][:, names], decisions["sft"][:, names])
    ]
    reach = min(run.experiment.dataset.label_reach, len(payoff) // 4)
    return stats.diebold_mariano(*losses, horizon=reach)[0]


def test_losses_are_of_the_positions_taken_and_the_payoffs_they_were_paid(
    run, scores, decisions
):
    expected = plain_dm(run, decisions, [0, 1, 2, 3, 4])
    found = compared(run, scores, decisions)["sft_ensemble"]["dm"]
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_name_without_labels_is_in_no_loss(run, scores, decisions):
    data = run.experiment.dataset
    labelled = np.array(data.panel.labelled)
    labelled[:, 2] = False
    panel = data.panel._replace(
        payoff=np.where(labelled, data.panel.payoff, 99.0), labelled=labelled
    )
    dataset = data._replace(panel=panel)
    changed = run._replace(experiment=run.experiment._replace(dataset=dataset))
    found = compared(changed, scores, decisions)["sft_ensemble"]["dm"]
    expected = plain_dm(run, decisions, [0, 1, 3, 4])
    assert found == pytest.approx(expected, rel=1e-4)


def test_an_oracle_has_a_rank_ic_of_one(run):
    experiment = run.experiment
    reach = experiment.dataset.label_reach
    close = experiment.dataset.close.to_numpy()
    first = int(experiment.folds.test_start[0])
    ahead = np.full((40, close.shape[1]), np.nan)
    for i in range(40):
        # Bought at the next close, sold when the longest label ends.
        ahead[i] = close[first + i + reach] / close[first + i + 1]
    rank = ahead.argsort(axis=1).argsort(axis=1) / (close.shape[1] - 1)
    oracle = np.zeros((*rank.shape, 5))
    oracle[..., 0], oracle[..., -1] = 1 - rank, rank
    stages = {"oracle": oracle, "fool": oracle[..., ::-1]}
    found = judge.rank_ics(experiment, stages)
    assert found["oracle"]["mean"] == pytest.approx(1.0)
    assert found["fool"]["mean"] == pytest.approx(-1.0)
    assert found["oracle"]["days"] == 40


def test_calibration_is_measured_on_labelled_unseen_rows(run, decisions):
    found = run.summary["calibration"]
    days = scores_lib.unseen(run.experiment)
    panel = run.experiment.dataset.panel
    rows = np.asarray(panel.labelled)[days]
    assert found["num_rows"] == rows.sum() == 200
    # Quintiles within the day, of 5 names: each label once a day.
    score = np.asarray(panel.score)[days]
    label = np.searchsorted([0.2, 0.4, 0.6, 0.8], score, side="right")
    own = decisions["rft"]
    accuracy = (own.argmax(-1) == label)[rows].mean()
    assert found["before"]["accuracy"] == pytest.approx(accuracy)
    kept = found["temperature"]["accuracy"]
    assert kept == found["before"]["accuracy"]  # A temperature keeps the order.
    scale = run.outcome.calibrators.temperature.scale[:, 0]
    assert found["median_temperature"] == pytest.approx(np.median(1 / scale[:-1]))


def test_a_thesis_states_the_calibrated_probability_of_its_decision(run, decisions):
    calibrators = run.outcome.calibrators
    rescaled = calibration.rescaled(decisions["rft"], calibrators, "temperature")
    best = rescaled.max(axis=-1)  # Of a temperature, that is the decision's.
    np.testing.assert_allclose(run.confidence, best, rtol=1e-6)
    first = np.asarray(calibrators.cutoffs)[0]
    asserted = run.forecasts["rft"].claims[:20] >= first
    np.testing.assert_array_equal(run.theses.claims[:20], asserted)
