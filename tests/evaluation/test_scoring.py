"""Books to numbers: what is hedged, what is averaged, what is counted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thesis_rl import stats
from thesis_rl.evaluation.books import (
    gross_and_net,
    make_benchmark,
    make_book,
    mean_and_spread,
)
from thesis_rl.trading import backtest
from thesis_rl.trading.backtest import Costs, Ledger
from thesis_rl.types import Market

T, N, FIRST = 600, 8, 300
DAYS = T - FIRST


@pytest.fixture
def returns():
    rng = np.random.default_rng(0)
    market = rng.normal(0.0005, 0.01, (T, 1))
    betas = rng.uniform(0.5, 1.5, N)
    return market * betas + rng.normal(0.0, 0.01, (T, N))


def ledger(returns, weights, **changes):
    """A book that pays a little for each thing there is to pay for."""
    days = len(weights)
    fields = {
        "gross": (weights * returns).sum(axis=1),
        "commission": np.full(days, 1e-5),
        "half_spread": np.full(days, 2e-5),
        "impact": np.full(days, 3e-5),
        "borrow": np.full(days, 4e-5),
        "interest": np.full(days, 5e-6),
        "turnover": np.full(days, 0.1),
        "gross_exposure": np.abs(weights).sum(axis=1),
        "net_exposure": weights.sum(axis=1),
        "weights": weights,
    }
    return Ledger(**fields | changes)


def market_of(returns, tradable=None):
    tradable = np.ones_like(returns, bool) if tradable is None else tradable
    beta = stats.rolling_beta(returns, returns.mean(axis=1), 252)
    return Market(returns, tradable, beta=beta, days=np.ones(len(returns)))


def tail(market):
    """The unseen days of a market, on the device."""
    return jax.tree.map(lambda x: jnp.asarray(x[FIRST:]), market)


def benchmark(returns, tradable=None, **rules):
    equal = ledger(returns[FIRST:], np.full((DAYS, N), 1 / N))
    return make_benchmark(market_of(returns, tradable), FIRST, equal, **rules)


def test_net_is_gross_less_every_cost_and_interest_in_float64(returns):
    single = ledger(returns, np.full((T, N), 1 / N))
    rounded = Ledger(*(x.astype(np.float32) for x in single))
    gross, net = gross_and_net(rounded, np.zeros(T))
    assert gross.dtype == net.dtype == np.float64
    np.testing.assert_allclose(gross - net, 1e-4, rtol=1e-6)


def test_a_book_of_the_market_has_no_hedged_return(returns):
    weights = np.full((DAYS, N), 1 / N)
    book = make_book(ledger(returns[FIRST:], weights), benchmark(returns), hedged=True)
    assert book.headline_gross.std() < 0.05 * book.gross.std()
    excess = make_book(
        ledger(returns[FIRST:], weights), benchmark(returns), hedged=False
    )
    np.testing.assert_allclose(excess.headline_net, 0.0, atol=1e-15)


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_a_beta_is_as_old_as_the_decision_it_hedges(returns, lag):
    """A decision of close t is filled at t + lag and first earns on t + lag + 1."""
    market = market_of(returns)
    found = benchmark(returns, fill_lag=lag).betas
    old = market.beta[FIRST - lag - 1 : T - lag - 1]
    np.testing.assert_array_equal(found, old)


def test_betas_before_the_first_day_are_their_prior(returns):
    equal = ledger(returns, np.full((T, N), 1 / N))
    found = make_benchmark(market_of(returns), 0, equal).betas
    np.testing.assert_array_equal(found[:2], 1.0)
    assert (found[300:] != 1.0).any()


def test_what_is_not_quoted_needs_no_hedge(returns):
    tradable = np.ones_like(returns, bool)
    tradable[FIRST + 5, 2:] = False
    found = benchmark(returns, tradable).betas
    assert not found[5, 2:].any() and found[5, :2].all() and found[6].all()


def test_cash_is_a_year_of_calendar_days_and_is_no_skill(returns):
    """A book of nothing that earned the cash rate has earned nothing in excess."""
    rate, days = 0.0365, np.tile([1.0, 1.0, 1.0, 1.0, 3.0], T // 5)
    market = market_of(returns)._replace(days=days)
    nothing = np.zeros((DAYS, N))
    costless = dict.fromkeys(("commission", "half_spread", "impact", "borrow"), 0.0)
    idle = ledger(
        returns[FIRST:], nothing, **costless, interest=days[FIRST:] * rate / 365
    )
    reference = make_benchmark(market, FIRST, idle, cash_rate=rate)
    np.testing.assert_allclose(reference.cash, days[FIRST:] * 1e-4)
    book = make_book(idle, reference, hedged=True)
    np.testing.assert_allclose(book.headline_net, 0.0, atol=1e-15)
    np.testing.assert_allclose(book.net, 0.0, atol=1e-15)


@pytest.mark.parametrize("rate", [0.03, 0.0433, 0.055])
def test_an_idle_book_in_float32_has_no_sharpe_of_rounding(returns, rate):
    rates = Costs(0.0, 0.0, cash_rate=rate)
    market = market_of(returns.astype(np.float32))
    idle = backtest.simulate(jnp.zeros((DAYS, N)), tail(market), rates)
    reference = make_benchmark(market, FIRST, idle, cash_rate=rate)
    book = make_book(idle, reference, hedged=True)
    np.testing.assert_array_equal(book.headline_net, 0.0)
    np.testing.assert_array_equal(book.gross, 0.0)


def test_the_market_is_the_mean_of_what_is_quoted(returns):
    tradable = np.ones_like(returns, bool)
    tradable[FIRST + 5, 2:] = False
    market = benchmark(np.where(tradable, returns, 0.0), tradable).market
    assert market[5] == pytest.approx(returns[FIRST + 5, :2].mean())


def test_random_signs_score_nothing_gross_of_costs(returns):
    """64 random books: the mean headline Sharpe is within 3 standard errors of 0."""
    rng = np.random.default_rng(1)
    scores = []
    for _ in range(64):
        weights = rng.choice([-1.0, 1.0], (DAYS, N)) / N
        book = make_book(
            ledger(returns[FIRST:], weights), benchmark(returns), hedged=True
        )
        scores.append(stats.sharpe(book.headline_gross))
    error = np.std(scores, ddof=1) / 8
    assert abs(np.mean(scores)) < 3 * error and error < 0.2


def test_seeds_are_averaged_and_their_spread_is_given(returns):
    rng = np.random.default_rng(2)
    books = [
        make_book(
            ledger(returns[FIRST:], rng.normal(size=(DAYS, N)) / N),
            benchmark(returns),
            hedged=True,
        )
        for _ in range(3)
    ]
    table = mean_and_spread(books)
    sharpes = [stats.sharpe(book.headline_net) for book in books]
    assert table["net"]["headline_sharpe"] == pytest.approx(np.mean(sharpes))
    spread = table["seed_sd"]["net"]["headline_sharpe"]
    assert spread == pytest.approx(np.std(sharpes, ddof=1))
    assert np.isnan(mean_and_spread(books[:1])["seed_sd"]["net"]["sharpe"])
