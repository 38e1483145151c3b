"""Positions, books, limits and sleeves by hand, and what each must keep."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import FrozenConfigDict
from plain_backtest import random_market, random_weights

from thesis_rl.thesis.vocabulary import expected_position
from thesis_rl.trading import backtest, portfolio
from thesis_rl.trading.backtest import Costs
from thesis_rl.types import Market

FREE = Costs(0.0, 0.0)
SIMULATE = jax.jit(backtest.simulate)
BOOK = random_market()
POSITIONS = jnp.clip(3 * random_weights(), -1.0, 1.0)
SETTINGS = {
    "book": "long_short",
    "volatility_target": 0.0,
    "max_position": np.inf,
    "max_gross": np.inf,
    "hold_days": 1,
}


def target_weights(positions=POSITIONS, market=BOOK, **changes):
    config = FrozenConfigDict(SETTINGS | changes)
    return portfolio.target_weights(positions, market, config)


def test_positions_of_both_mappings_by_hand():
    probabilities = jnp.array(
        [[0.6, 0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.5, 0.1, 0.2], [0, 0, 0, 0.9, 0.1]]
    )
    signs = portfolio.positions(probabilities, "signs")
    np.testing.assert_array_equal(signs, [-1, 0, 1])
    expected = portfolio.positions(probabilities, "expected")
    np.testing.assert_allclose(expected, [-0.5, 0.1, 0.55], rtol=1e-6)
    with pytest.raises(ValueError, match="'argmax' must be one of .*'signs'"):
        portfolio.positions(probabilities, "argmax")


def test_the_host_holds_what_the_device_holds_and_one_row_as_many():
    drawn = np.random.default_rng(0).dirichlet(np.ones(5), (30, 4))
    held = expected_position(drawn)
    assert held.dtype == np.float64
    on_device = portfolio.positions(jnp.asarray(drawn, jnp.float32), "expected")
    np.testing.assert_allclose(on_device, held, atol=1e-6)
    alone = [[expected_position(x) for x in day] for day in drawn.tolist()]
    np.testing.assert_array_equal(alone, held)


def test_equal_gross_weights_by_hand():
    positions = jnp.array([[1.0, -0.5, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    tradable = jnp.array([[True, True, False], [True, True, True], [False] * 3])
    weights = portfolio.equal_gross_weights(positions, tradable, False)
    third = 1 / 3
    expected = [[0.5, -0.25, 0], [third] * 3, [0] * 3]
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    neutral = portfolio.equal_gross_weights(positions, tradable, True)
    np.testing.assert_allclose(neutral[0], [0.375, -0.375, 0], rtol=1e-6)
    np.testing.assert_allclose(neutral[1:], 0.0, atol=1e-7)


def test_volatility_scaling_by_hand():
    positions = jnp.array([[1.0, -0.5, 1.0]])
    volatility = jnp.array([[0.01, 0.04, 0.0]])
    scaled = portfolio.volatility_scaled(positions, volatility, 0.02 * 252**0.5)
    np.testing.assert_allclose(scaled, [[2.0, -0.25, 0.0]], rtol=1e-6)


def test_a_name_that_cannot_be_sized_is_left_out_of_the_day():
    market = BOOK._replace(tradable=BOOK.tradable & (BOOK.volatility > 0))
    for book in portfolio.BOOKS:
        sized, _ = target_weights(book=book, volatility_target=0.2)
        np.testing.assert_array_equal(sized[BOOK.volatility == 0], 0.0)
        without, _ = target_weights(market=market, book=book, volatility_target=0.2)
        np.testing.assert_array_equal(sized, without)


def test_the_market_hedge_is_the_nearest_book_without_beta():
    weights, traded = np.asarray(POSITIONS, float), np.asarray(BOOK.tradable)
    hedged = portfolio.market_hedged(POSITIONS, BOOK.beta, BOOK.tradable)
    for day in range(len(weights)):
        names = traded[day]
        beta = np.asarray(BOOK.beta, float)[day, names]
        slope = np.linalg.lstsq(beta[:, None], weights[day, names], rcond=None)[0]
        residual = weights[day, names] - beta * slope
        np.testing.assert_allclose(hedged[day, names], residual, atol=1e-6)
        np.testing.assert_array_equal(hedged[day, ~names], 0.0)
    still = portfolio.market_hedged(POSITIONS, 0 * BOOK.beta, BOOK.tradable)
    np.testing.assert_array_equal(still, jnp.where(BOOK.tradable, POSITIONS, 0.0))


@pytest.mark.parametrize("book", portfolio.BOOKS)
def test_each_book_is_what_its_name_says(book):
    weights, cut = target_weights(book=book)
    assert jnp.abs(weights).max() > 0.1 and not weights[~BOOK.tradable].any()
    np.testing.assert_array_equal(cut, 0)
    if book == "dollar_neutral":
        np.testing.assert_allclose(weights.sum(-1), 0.0, atol=1e-6)
    if book == "market_hedged":
        np.testing.assert_allclose((weights * BOOK.beta).sum(-1), 0.0, atol=1e-6)
    if book == "long_only":
        assert (weights >= 0).all()
    if book == "long_short":
        assert (jnp.sign(weights) == jnp.sign(POSITIONS))[BOOK.tradable].all()
    sleeves, _ = target_weights(book=book, hold_days=5)
    np.testing.assert_array_equal(sleeves, portfolio.sleeve_weights(weights, 5))


def test_limits_by_hand():
    weights = jnp.array([[0.5, -0.3, 0.1], [0.2, -0.2, 0.0], [0.1, 0.1, 0.1]])
    within, clipped, scaled = portfolio.limit(weights, 0.2, 0.4)
    fifths = [0.16, -0.16, 0.08]  # .2, -.2, .1 scaled from .5 to .4
    np.testing.assert_allclose(within[0], fifths, rtol=1e-6)
    np.testing.assert_array_equal(within[1:], weights[1:])
    np.testing.assert_array_equal(clipped, [2, 0, 0])
    np.testing.assert_array_equal(scaled, [True, False, False])
    as_it_was, clipped, scaled = portfolio.limit(weights, np.inf, np.inf)
    np.testing.assert_array_equal(as_it_was, weights)
    assert not clipped.any() and not scaled.any()


@pytest.mark.parametrize("book", portfolio.BOOKS)
@pytest.mark.parametrize("hold_days", [1, 5])
def test_no_book_passes_its_limits_and_every_cut_is_counted(book, hold_days):
    free, _ = target_weights(book=book)
    weights, cut = target_weights(
        book=book, hold_days=hold_days, max_position=0.15, max_gross=0.25
    )
    assert jnp.abs(weights).max() <= 0.15 * (1 + 1e-6)
    assert jnp.abs(weights).sum(-1).max() <= 0.25 * (1 + 1e-6)
    daily, _ = target_weights(book=book, max_position=0.15, max_gross=0.25)
    np.testing.assert_array_equal(cut, (jnp.abs(daily) < jnp.abs(free)).sum(-1))
    assert 0 < (cut > 0).sum() < len(cut)


@pytest.mark.parametrize("book", ["dollar_neutral", "market_hedged"])
def test_scaling_to_a_gross_limit_keeps_a_book_neutral(book):
    weights, cut = target_weights(book=book, max_gross=0.25)
    exposure = weights * (BOOK.beta if book == "market_hedged" else 1.0)
    np.testing.assert_allclose(exposure.sum(-1), 0.0, atol=1e-6)
    assert cut.any()


def test_a_book_says_what_it_cannot_do():
    bare = Market(BOOK.returns, BOOK.tradable)
    with pytest.raises(ValueError, match="'hedged' must be one of .*'long_only'"):
        target_weights(book="hedged")
    with pytest.raises(ValueError, match="market-hedged book needs market.beta"):
        target_weights(market=bare, book="market_hedged")
    with pytest.raises(ValueError, match="needs market.volatility"):
        target_weights(market=bare, volatility_target=0.1)


@pytest.mark.parametrize("hold_days", [1, 2, 5])
def test_the_book_is_the_mean_of_the_last_decisions(hold_days):
    weights = random_weights(12)
    sleeves = portfolio.sleeve_weights(weights, hold_days)
    for day in range(12):
        opened = np.array(weights)[max(day - hold_days + 1, 0) : day + 1]
        mean = opened.sum(0) / hold_days  # A sleeve not yet opened is cash.
        np.testing.assert_allclose(sleeves[day], mean, rtol=1e-5, atol=1e-7)


def test_one_decision_held_for_days_earns_each_daily_return_once():
    hold_days, day = 5, 3
    target = jnp.zeros((20, 1)).at[day].set(1.0)
    returns = np.random.default_rng(0).normal(0, 0.01, (20, 1))
    sleeves = portfolio.sleeve_weights(target, hold_days)
    market = Market(jnp.asarray(returns, jnp.float32), jnp.ones((20, 1), bool))
    first = day + backtest.FILL_LAG
    earned = np.zeros(20)
    earned[first : first + hold_days] = returns[first : first + hold_days, 0]
    gross = SIMULATE(sleeves, market, FREE).gross
    np.testing.assert_allclose(gross, earned / hold_days, rtol=1e-5)


def test_overlapping_holds_of_a_constant_position_have_the_daily_sharpe():
    constant = jnp.broadcast_to(jnp.array([0.5, 0.2, -0.3]), (60, 3))
    sharpe = []
    for hold_days in (1, 21):
        sleeves = portfolio.sleeve_weights(constant, hold_days)
        market = Market(BOOK.returns, BOOK.tradable)
        gross = SIMULATE(sleeves, market, FREE).gross[23:]
        sharpe.append(gross.mean() / gross.std())
    np.testing.assert_allclose(sharpe[1], sharpe[0], rtol=1e-4)


def tail_losses(returns, window, level):
    """Averages the worst share of each window, the last of them counted in part."""
    for day in range(window - 1, len(returns)):
        losses = np.sort(-returns[day - window + 1 : day + 1])[::-1]
        tail = (1 - level) * window
        whole = int(tail)
        yield (losses[:whole].sum() + (tail - whole) * losses[whole]) / tail


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_exposure_is_the_limit_over_the_trailing_tail_loss(level):
    returns, window = np.random.default_rng(0).standard_t(3, 80) / 100, 30
    exposure = portfolio.cvar_exposure(jnp.asarray(returns), 0.025, window, level)
    expected = np.ones(80)
    cvar = np.array(list(tail_losses(returns, window, level)))
    expected[window - 1 :] = np.minimum(1.0, 0.025 / cvar)
    np.testing.assert_allclose(exposure, expected, rtol=1e-5)
    assert 0 < (exposure[window - 1 :] == 1).sum() < 80 - window


def test_exposure_ignores_the_future_and_waits_for_its_window():
    control = jax.jit(portfolio.cvar_exposure, static_argnums=(2, 3))
    returns = jnp.asarray(np.random.default_rng(0).normal(0, 0.02, 80), jnp.float32)
    exposure = control(returns, 0.01, 30)
    np.testing.assert_array_equal(exposure[:29], 1.0)
    assert exposure[29] < 1
    for day in (29, 50, 78):
        scrambled = returns.at[day + 1 :].multiply(-9.0)
        np.testing.assert_array_equal(
            control(scrambled, 0.01, 30)[: day + 1], exposure[: day + 1]
        )
    np.testing.assert_array_equal(control(jnp.abs(returns), 0.01, 30), 1.0)
    np.testing.assert_array_equal(control(returns[:20], 0.01, 30), 1.0)
    several = jax.vmap(lambda x: portfolio.cvar_exposure(x, 0.01, 30))(
        jnp.stack([returns, 2 * returns])
    )
    np.testing.assert_array_equal(several[0], exposure)


def test_who_is_not_in_the_universe_is_as_if_not_quoted_but_can_be_sold():
    num_days, num_names = BOOK.returns.shape
    member = jnp.arange(num_days)[:, None] % 3 != jnp.arange(num_names)[None]
    universe = BOOK._replace(member=member)
    delisted = BOOK._replace(tradable=BOOK.tradable & member)
    for book in portfolio.BOOKS:
        found, cut = target_weights(market=universe, book=book)
        expected, expected_cut = target_weights(market=delisted, book=book)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(cut, expected_cut)
    # One who leaves is sold at the next close, where one without a quote is kept.
    target = jnp.array([[1.0], [0.0], [0.0], [0.0]])
    market = Market(
        jnp.zeros((4, 1)), jnp.ones((4, 1), bool), member=jnp.arange(4)[:, None] < 1
    )
    traded = SIMULATE(target, market, FREE)
    np.testing.assert_array_equal(traded.weights[:, 0], [0.0, 0.0, 1.0, 0.0])
