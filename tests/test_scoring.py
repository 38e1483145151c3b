"""Books to numbers: what is hedged, what is averaged, what is counted."""

import numpy as np
import pytest

from thesis_rl import scoring, stats
from thesis_rl.backtest import Ledger

T, N, FIRST = 600, 8, 300
DAYS = T - FIRST


@pytest.fixture
def returns():
    rng = np.random.default_rng(0)
    market = rng.normal(0.0005, 0.01, (T, 1))
    betas = rng.uniform(0.5, 1.5, N)
    return market * betas + rng.normal(0.0, 0.01, (T, N))


def ledger(returns, weights):
    gross = (weights * returns).sum(axis=1)
    cost = np.full(len(gross), 1e-5)
    exposure = np.abs(weights).sum(axis=1)
    return Ledger(gross, cost, 2 * cost, 3 * cost, exposure, weights.sum(1), weights)


def benchmark(returns, tradable=None):
    tradable = np.ones_like(returns, bool) if tradable is None else tradable
    equal = ledger(returns[FIRST:], np.full((DAYS, N), 1 / N))
    return scoring.make_benchmark(returns, tradable, FIRST, equal)


def test_net_is_gross_less_every_cost(returns):
    gross, net = scoring.gross_and_net(ledger(returns, np.full((T, N), 1 / N)))
    np.testing.assert_allclose(gross - net, 3e-5, rtol=1e-9)


def test_a_book_of_the_market_has_no_hedged_return(returns):
    weights = np.full((DAYS, N), 1 / N)
    book = scoring.make_book(
        ledger(returns[FIRST:], weights), benchmark(returns), hedged=True
    )
    assert book.headline_gross.std() < 0.05 * book.gross.std()
    excess = scoring.make_book(
        ledger(returns[FIRST:], weights), benchmark(returns), hedged=False
    )
    np.testing.assert_allclose(excess.headline_net, 0.0, atol=1e-15)


def test_betas_of_a_day_were_known_when_its_book_was_decided(returns):
    day = FIRST + 100
    wild = returns.copy()
    wild[day - 1 :] *= -3.0
    before, after = benchmark(returns).betas, benchmark(wild).betas
    np.testing.assert_array_equal(before[: day + 1 - FIRST], after[: day + 1 - FIRST])
    assert np.any(before[day + 1 - FIRST] != after[day + 1 - FIRST])


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
        book = scoring.make_book(
            ledger(returns[FIRST:], weights), benchmark(returns), hedged=True
        )
        scores.append(stats.sharpe(book.headline_gross))
    error = np.std(scores, ddof=1) / 8
    assert abs(np.mean(scores)) < 3 * error and error < 0.2


def test_seeds_are_averaged_and_their_spread_is_given(returns):
    rng = np.random.default_rng(2)
    books = [
        scoring.make_book(
            ledger(returns[FIRST:], rng.normal(size=(DAYS, N)) / N),
            benchmark(returns),
            hedged=True,
        )
        for _ in range(3)
    ]
    table = scoring.over_seeds(books)
    sharpes = [stats.sharpe(book.headline_net) for book in books]
    assert table["net"]["headline_sharpe"] == pytest.approx(np.mean(sharpes))
    spread = table["seed_sd"]["net"]["headline_sharpe"]
    assert spread == pytest.approx(np.std(sharpes, ddof=1))
    assert np.isnan(scoring.over_seeds(books[:1])["seed_sd"]["net"]["sharpe"])


def test_headline_interval_holds_its_sharpe(returns):
    weights = np.full((DAYS, N), 1 / N)
    weights[:, : N // 2] *= -1
    book = scoring.make_book(
        ledger(returns[FIRST:], weights), benchmark(returns), hedged=True
    )
    found = scoring.headline(book)
    low, high = found["interval"]
    assert low < found["sharpe"] < high
    assert found["num_days"] == DAYS and found["years"] == pytest.approx(DAYS / 252)
