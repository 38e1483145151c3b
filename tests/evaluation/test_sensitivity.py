"""Other costs, sizes and paths: each number again, from the book it stands for."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems
import small_run

from thesis_rl import stats
from thesis_rl.evaluation import books, sensitivity
from thesis_rl.trading import backtest, costs, portfolio
from thesis_rl.trading.backtest import Ledger
from thesis_rl.trading.books import CAPITALS, COST_SWEEP_BPS, Sensitivity
from thesis_rl.trading.costs import line

T, N = 40, 3


@pytest.fixture(scope="module")
def oracle():
    """Targets that know the next days' returns, their market and what it is held to."""
    config = small_problems.config({"backtest.hold_days": 3})
    market = small_problems.noise_market(T, N)
    # Decided at close t, filled at t + 1 and held for three: days t + 2 to t + 4.
    ahead = sum(np.roll(np.asarray(market.returns), -k, axis=0) for k in (2, 3, 4))
    signs = jnp.asarray(np.sign(ahead), jnp.float32)
    weights, _ = portfolio.target_weights(signs, market, config.backtest)
    days = flat(T, gross=books.market_return(market))
    return weights, market, config, books.make_benchmark(market, 0, days)


def ledger_at(oracle, bps):
    weights, market, config, _ = oracle
    rates = costs.rates(config)._replace(commission_bps=0.0, half_spread_bps=bps)
    return backtest.by_config(weights, market, config, rates)


def book_at(oracle, bps):
    return books.make_book(ledger_at(oracle, bps), oracle[-1], hedged=True)


def test_the_headline_stands_in_the_sweep_at_its_own_cost():
    run = small_run.result()
    rules = run.experiment.config.backtest
    own = rules.commission_bps + rules.half_spread_bps
    sweep = {row["bps"]: row["sharpe"] for row in run.summary["costs"]["sweep"]}
    assert list(sweep) == list(COST_SWEEP_BPS)
    assert sweep[own] == pytest.approx(run.summary["headline"]["sharpe"], rel=1e-5)
    assert all(np.diff(list(sweep.values())) < 0)


def test_at_the_break_even_cost_the_headline_earns_nothing(oracle):
    swept = jax.vmap(lambda bps: ledger_at(oracle, bps))(jnp.array(COST_SWEEP_BPS))
    traded = Sensitivity(swept, None, None, np.ones(T), np.zeros(T, np.int32))
    found = sensitivity.cost_sweep(traded, oracle[-1], hedged=True)
    free = book_at(oracle, 0.0).headline_net.mean()
    at_break_even = book_at(oracle, found["break_even_bps"]).headline_net.mean()
    assert free > 1e-3 and found["break_even_bps"] > COST_SWEEP_BPS[-1]
    assert at_break_even == pytest.approx(0.0, abs=1e-4 * free)
    for row in found["sweep"]:
        book = book_at(oracle, row["bps"])
        sharpe = stats.sharpe(book.headline_net)
        assert row["sharpe"] == pytest.approx(sharpe, rel=1e-5)


def test_no_cost_breaks_even_where_nothing_is_earned_or_traded(oracle):
    costly = [book_at(oracle, bps) for bps in COST_SWEEP_BPS]
    losing = [b._replace(headline_net=b.headline_net - 1.0) for b in costly]
    assert math.isnan(sensitivity.break_even(losing))
    assert math.isnan(sensitivity.break_even([costly[0]] * len(COST_SWEEP_BPS)))


def flat(*axes, **changes):
    """A ledger of a book that held nothing, but for what is changed."""
    fields = dict.fromkeys(Ledger._fields, np.zeros(axes, np.float32))
    return Ledger(**fields | {"weights": np.zeros((*axes, N), np.float32)} | changes)


def test_items_are_a_year_of_each_cost_and_of_interest():
    daily = {
        name: np.full(T, 1e-4 * (i + 1), np.float32)
        for i, name in enumerate(sensitivity.ITEMS)
    }
    items = sensitivity.cost_items(flat(T, **daily))
    expected = {name: 252e-4 * (i + 1) for i, name in enumerate(sensitivity.ITEMS)}
    assert items == pytest.approx(expected, rel=1e-5)
    # Gross and these are all that net is made of.
    assert sum(items.values()) - 2 * items["interest"] == pytest.approx(
        -252 * float(flat(T, **daily).net.mean()), rel=1e-5
    )


def benchmark(days):
    nothing = np.zeros(days)
    return books.Benchmark(nothing, np.zeros((days, N)), nothing, nothing, nothing)


def test_capacity_lists_each_capital_or_nothing():
    rng = np.random.default_rng(0)
    shape = (len(CAPITALS), T)
    impact = np.tile(np.arange(len(CAPITALS))[:, None] * 1e-3, (1, T))
    gross = rng.normal(0.01, 0.01, T) + np.zeros(shape)
    exposure = np.linspace(1.0, 0.5, len(CAPITALS))[:, None] + np.zeros(shape)
    ledgers = flat(*shape, gross=gross, impact=impact, gross_exposure=exposure)
    traded = Sensitivity(flat(5, T), ledgers, None, np.ones(T), np.zeros(T, np.int32))
    table = sensitivity.capacity(traded, benchmark(T), hedged=True)
    assert [row["capital"] for row in table] == list(CAPITALS)
    for i, row in enumerate(table):
        assert row["sharpe"] == pytest.approx(stats.sharpe(gross[i] - impact[i]))
        assert row["impact"] == pytest.approx(252e-3 * i)
        assert row["gross_exposure"] == pytest.approx(exposure[i, 0])
    none = traded._replace(capacity=None)
    assert sensitivity.capacity(none, benchmark(T), hedged=True) == []


def test_paths_are_tabulated_one_by_one():
    """Weights of nothing need no hedge, so net less cash is the headline."""
    rng = np.random.default_rng(1)
    market = small_problems.noise_market(T, N)
    gross = rng.normal(0.0, 0.01, (4, T)) + np.array([[0.004], [-0.004], [0], [0.002]])
    config = small_problems.config({"backtest.cash_rate": 0.02})
    table = sensitivity.paths(flat(4, T, gross=gross), market, config)
    sharpes = [stats.sharpe(path - 0.02 / 365) for path in gross]
    np.testing.assert_allclose(table["sharpes"], sharpes, rtol=1e-6)
    assert table["mean"] == pytest.approx(np.mean(sharpes))
    assert table["sd"] == pytest.approx(np.std(sharpes, ddof=1))
    assert table["share_negative"] == np.mean(np.array(sharpes) < 0)
    alone = sensitivity.paths(flat(1, T, gross=gross[:1]), market, config)
    assert math.isnan(alone["sd"])


def test_a_line_is_one_of_the_books_side_by_side():
    ledgers = flat(2, T, turnover=np.stack([np.zeros(T), np.ones(T)]))
    assert line(ledgers, 1).turnover.shape == (T,)
    np.testing.assert_array_equal(line(ledgers, 1).turnover, 1.0)
