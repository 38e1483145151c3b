"""Every book under one rule, and no book that is blind to what was predicted."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_run

from thesis_rl import stats
from thesis_rl.evaluation import judge
from thesis_rl.evaluation.books import (
    CONTROLLED,
    check_solvent,
    fold_table,
    score,
    unseen,
)
from thesis_rl.trading import books as books_lib
from thesis_rl.trading import portfolio
from thesis_rl.trading.costs import line
from thesis_rl.walk_forward import baselines


@pytest.fixture(scope="module")
def run():
    return small_run.result()


@pytest.fixture(scope="module")
def scores(run):
    return score(run.experiment, run.outcome, run.final_stage)


@jax.jit
def _trade(decisions, positions, market):
    config = small_run.config()
    headline, mapping = decisions.mean(0), config.backtest.mapping
    orders = books_lib.sleeves(headline, mapping, market, config)
    return (
        books_lib.trade(decisions, market, config),
        books_lib.trade_as_given(positions, market, config),
        books_lib.sensitivity(orders, market, config),
    )


def retraded(run, experiment, decisions):
    """The run's outcome, its final stage's decisions [S, T', N, A] replaced."""
    days = unseen(experiment)
    ledgers, others, sensitivity = jax.device_get(
        _trade(
            jnp.asarray(decisions),
            jnp.stack([jnp.asarray(x) for x in experiment.baselines.values()]),
            jax.tree.map(lambda x: x[days], experiment.dataset.market),
        )
    )
    return run.outcome._replace(
        ledgers={run.final_stage: ledgers}, baselines=others, sensitivity=sensitivity
    )


def own_decisions(run):
    return run.outcome.forecasts[run.final_stage].decision


def test_the_table_has_a_row_for_each_stage_ensemble_and_baseline(run, scores):
    expected = {"rft", "ensemble", "sft", "sft_ensemble", *run.experiment.baselines}
    assert set(scores.table) == expected
    assert set(scores.books) == expected - {"rft", "sft"}
    assert len(scores.seed_books) == run.experiment.config.num_seeds
    mapping = run.experiment.config.backtest.mapping
    for name in ("rft", "ensemble", "sft", "sft_ensemble"):
        row = scores.table[name]
        assert set(row["by_mapping"]) == set(portfolio.MAPPINGS)
        assert row["net"] == row["by_mapping"][mapping]["net"]
    assert (
        scores.table["ensemble"]["by_mapping"]["signs"]
        != (scores.table["ensemble"]["by_mapping"]["expected"])
    )


def test_the_ensemble_is_the_last_of_the_final_stages_books(run, scores):
    rules = run.experiment.config.backtest
    ledger = line(run.outcome.ledgers[run.final_stage][rules.mapping], -1)
    hedge = (ledger.weights * scores.benchmark.betas).sum(1) * scores.benchmark.market
    np.testing.assert_allclose(
        scores.books["ensemble"].headline_net, ledger.net - hedge, atol=1e-8
    )
    singles = [stats.sharpe(book.headline_net) for book in scores.seed_books]
    found = scores.table[run.final_stage]["net"]["headline_sharpe"]
    assert found == pytest.approx(np.mean(singles))


def test_long_books_are_judged_by_their_excess_over_equal_weight(scores):
    equal_weight = scores.books["equal_weight"]
    np.testing.assert_array_equal(equal_weight.headline_net, 0.0)
    constant = scores.books["best_constant"]
    np.testing.assert_allclose(
        constant.headline_net, constant.net - equal_weight.net, atol=1e-15
    )
    assert np.isnan(scores.table["hold"]["net"]["headline_sharpe"])


def test_a_controlled_book_is_scored_beside_the_others(run):
    mapping = run.experiment.config.backtest.mapping
    controlled = line(run.outcome.ledgers[run.final_stage][mapping], 0)
    traded = run.outcome.sensitivity._replace(controlled=controlled)
    outcome = run.outcome._replace(sensitivity=traded)
    found = score(run.experiment, outcome, run.final_stage)
    book = found.books[CONTROLLED]
    np.testing.assert_array_equal(book.net, found.seed_books[0].net)
    assert CONTROLLED in found.table


def test_a_book_that_lost_everything_is_named_with_the_day(run, scores):
    dates = run.experiment.dataset.dates[unseen(run.experiment)]
    net = scores.books["ensemble"].net.copy()
    check_solvent("sane", scores.books["ensemble"], dates)
    net[7] = -1.2
    broke = scores.books["ensemble"]._replace(net=net)
    with pytest.raises(ValueError, match=f"the book wild lost .* on {dates[7].date()}"):
        check_solvent("wild", broke, dates)


def test_folds_are_tabulated_with_their_dates_and_add_up(run, scores):
    book, folds = scores.books["ensemble"], run.experiment.folds
    table = fold_table(run.experiment, book, scores.seed_books)
    dates = run.experiment.dataset.dates
    assert [row["fold"] for row in table] == [0, 1]
    days_seen = 0
    for i, row in enumerate(table):
        for name, first, stop in (
            ("train", folds.train_start[i], folds.train_stop[i]),
            ("test", folds.test_start[i], folds.test_stop[i]),
        ):
            assert row[name] == [str(dates[d].date()) for d in (first, stop - 1)]
        days = slice(days_seen, days_seen := days_seen + 20)
        assert row["headline_sharpe"] == stats.sharpe(book.headline_net[days])
        singles = [stats.sharpe(b.headline_net[days]) for b in scores.seed_books]
        assert row["seed_sharpes"] == singles
    total = np.mean([row["headline_return"] for row in table])
    assert total == pytest.approx(book.headline_net.mean() * 252)


def test_other_predictions_make_other_books(run, scores):
    """A backtest that comes out the same for every model is a known failure."""
    own, rng = own_decisions(run), np.random.default_rng(0)
    predictions = {
        "own": own,
        "opposite": own[..., ::-1],
        "tomorrow's": np.roll(own, -1, axis=1),
        "another name's": np.roll(own, 1, axis=2),
        "random": rng.dirichlet(np.ones(5), own.shape[:-1]).astype(np.float32),
    }
    found = {
        name: score(run.experiment, retraded(run, run.experiment, p), run.final_stage)
        for name, p in predictions.items()
    }
    for mapping in portfolio.MAPPINGS:
        tables = [x.table["ensemble"]["by_mapping"][mapping] for x in found.values()]
        sharpes = {table["net"]["headline_sharpe"] for table in tables}
        assert len(sharpes) == len(predictions)
    for name in ("headline_gross", "headline_net"):
        books = [getattr(x.books["ensemble"], name) for x in found.values()]
        assert len(np.unique(books, axis=0)) == len(predictions)
    np.testing.assert_allclose(
        found["own"].books["ensemble"].headline_net,
        scores.books["ensemble"].headline_net,
        atol=1e-8,
    )
    # A neutral book of the opposite decisions earns the opposite, costs apart.
    np.testing.assert_allclose(
        found["opposite"].books["ensemble"].headline_gross,
        -found["own"].books["ensemble"].headline_gross,
        atol=1e-4,
    )
    for name in run.experiment.baselines:  # They know of no prediction.
        books = [x.books[name].net for x in found.values()]
        assert len(np.unique(books, axis=0)) == 1


def test_a_result_says_which_predictions_it_is_of(run):
    final = run.forecasts[run.final_stage].decision
    digest = hashlib.sha256(np.ascontiguousarray(final).tobytes()).hexdigest()
    assert run.summary["predictions_sha256"] == digest


def permuted(experiment, order):
    """The same experiment, its tickers in another order; baselines made anew."""
    data = experiment.dataset
    panel, market = jax.tree.map(
        lambda x: x[:, order] if x.ndim > 1 else x, (data.panel, data.market)
    )
    data = data._replace(panel=panel, market=market, close=data.close.iloc[:, order])
    positions = baselines.positions(data, experiment.folds)
    return experiment._replace(dataset=data, baselines=positions)


def test_the_order_of_tickers_changes_nothing(run, scores):
    order = np.array([3, 0, 4, 2, 1])
    experiment = permuted(run.experiment, order)
    moved = own_decisions(run)[:, :, order]
    outcome = retraded(run, experiment, moved)
    found = score(experiment, outcome, run.final_stage)
    for name, book in found.books.items():
        for field, values in book._asdict().items():
            same = getattr(scores.books[name], field)
            np.testing.assert_allclose(values, same, atol=1e-6, err_msg=name)
    judged = judge.measure(
        experiment, outcome, found, {run.final_stage: moved.mean(0)}, run.final_stage
    )
    summary = run.summary
    assert judged["rank_ic"]["rft"] == pytest.approx(summary["rank_ic"]["rft"])
    for stated in ("before", "temperature", "vector"):
        for measure in ("accuracy", "ece", "brier", "rps"):
            expected = summary["calibration"][stated][measure]
            assert judged["calibration"][stated][measure] == pytest.approx(expected)
    sharpe = summary["headline"]["sharpe"]
    assert judged["headline"]["sharpe"] == pytest.approx(sharpe, rel=1e-3)
    break_even = summary["costs"]["break_even_bps"]
    assert judged["costs"]["break_even_bps"] == pytest.approx(break_even, rel=1e-3)
