"""What the program trades: each ledger is that of the one book it says it is."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems

from thesis_rl.trading import backtest, books, portfolio
from thesis_rl.trading.backtest import Costs
from thesis_rl.trading.costs import line

T, N, A = 80, 4, 5
CONFIG = small_problems.config({"backtest.hold_days": 3})
SIMULATE = jax.jit(backtest.simulate)


@pytest.fixture(scope="module")
def market():
    """Names that trade every day but one in ten, in volumes that can be felt."""
    rng = np.random.default_rng(1)
    market = small_problems.noise_market(T, N)
    return market._replace(
        dollar_volume=jnp.asarray(rng.uniform(1e6, 1e8, (T, N)), jnp.float32),
        volatility=jnp.asarray(rng.uniform(0.005, 0.03, (T, N)), jnp.float32),
    )


@pytest.fixture(scope="module")
def probabilities():
    logits = 2 * np.random.default_rng(2).normal(size=(3, T, N, A))
    return jax.nn.softmax(jnp.asarray(logits, jnp.float32))


def weights_of(probabilities, market, config=CONFIG):
    positions = portfolio.positions(probabilities, config.backtest.mapping)
    return portfolio.target_weights(positions, market, config.backtest)[0]


def book(weights, market, config=CONFIG):
    capital = config.backtest.capital
    return SIMULATE(weights, market, books.rates(config), capital=capital)


def of_sleeves(probabilities, market, config):
    mapping = config.backtest.mapping
    orders = books.sleeves(probabilities, mapping, market, config)
    return books.sensitivity(orders, market, config)


def sensitivity(probabilities, market, config=CONFIG):
    run = jax.jit(of_sleeves, static_argnames="config")
    return jax.device_get(run(probabilities, market, config=config))


@pytest.fixture(scope="module")
def traded(probabilities, market):
    return sensitivity(probabilities[0], market)


def test_rates_are_those_of_the_config():
    for name, rate in books.rates(CONFIG)._asdict().items():
        assert rate == CONFIG.backtest[name]


def test_each_cost_of_the_sweep_is_a_book_traded_at_that_cost(
    traded, probabilities, market
):
    weights = weights_of(probabilities[0], market)
    for i, bps in enumerate(books.COST_SWEEP_BPS):
        costs = books.rates(CONFIG)._replace(commission_bps=0.0, half_spread_bps=bps)
        alone = SIMULATE(weights, market, costs, capital=CONFIG.backtest.capital)
        found = line(traded.costs, i)
        chex.assert_trees_all_close(found, alone, rtol=1e-4, atol=1e-6)


def test_large_books_are_traded_one_after_another_to_the_same_end(
    probabilities, market, monkeypatch
):
    def traded():
        def run():  # Anew each time, or what was traced before would be run again.
            seeds = books.trade(probabilities, market, CONFIG)
            given = books.trade_as_given(probabilities[..., 0], market, CONFIG)
            return seeds, given, of_sleeves(probabilities[0], market, CONFIG).capacity

        program = jax.jit(run)
        return program(), str(program.trace().jaxpr).count("scan[")

    side_by_side, fewer_loops = traded()
    monkeypatch.setattr(books, "SIDE_BY_SIDE", 0)
    one_by_one, loops = traded()
    assert loops > fewer_loops
    chex.assert_trees_all_close(one_by_one, side_by_side, rtol=1e-5, atol=1e-7)


def test_each_capital_is_a_book_of_that_size(traded, probabilities, market):
    weights = weights_of(probabilities[0], market)
    for i, capital in enumerate(books.CAPITALS):
        alone = SIMULATE(weights, market, books.rates(CONFIG), capital=capital)
        found = line(traded.capacity, i)
        chex.assert_trees_all_close(found, alone, rtol=1e-4, atol=1e-6)
    exposure = traded.capacity.gross_exposure.mean(axis=1)
    assert exposure[-1] < 0.5 * exposure[0]  # The cap on participation binds.


def test_the_headline_is_the_book_of_the_sweep_at_its_own_cost(
    traded, probabilities, market
):
    """One basis point of commission and four of half-spread are the sweep's five."""
    rules = CONFIG.backtest
    assert rules.commission_bps + rules.half_spread_bps == books.COST_SWEEP_BPS[2]
    run = jax.jit(books.trade, static_argnames="config")
    ledgers = run(probabilities, market, config=CONFIG)
    assert set(ledgers) == set(portfolio.MAPPINGS)
    headline = line(ledgers[rules.mapping], 0)
    np.testing.assert_allclose(
        line(traded.costs, 2).net, headline.net, rtol=1e-4, atol=1e-6
    )
    own_size = books.CAPITALS.index(rules.capital)
    found = line(traded.capacity, own_size)
    chex.assert_trees_all_close(found, headline, rtol=1e-4, atol=1e-6)


def test_capacity_is_off_where_size_costs_nothing(probabilities, market):
    silent = market._replace(dollar_volume=None)
    free = small_problems.config({"backtest.impact_coefficient": 0.0})
    for given, config in ((silent, CONFIG), (market, free)):
        shapes = jax.eval_shape(
            lambda p, m, c=config: of_sleeves(p, m, c), probabilities[0], given
        )
        assert shapes.capacity is None and shapes.costs is not None


def test_the_controller_scales_the_targets_by_the_tail_of_the_unscaled_book(
    probabilities, market, monkeypatch
):
    """Of 20 days at 95% the tail is the worst day alone."""
    window = 20
    monkeypatch.setattr(books, "CVAR_WINDOW", window)
    weights = weights_of(probabilities[0], market)
    gross = np.asarray(book(weights, market).gross, np.float64)
    ends = range(window - 1, T)
    worst = np.array([-gross[t + 1 - window : t + 1].min() for t in ends])
    limit = float(np.median(worst))
    exposure = np.append(np.ones(window - 1), np.minimum(limit / worst, 1.0))
    config = small_problems.config(
        {"backtest.hold_days": 3, "backtest.cvar_limit": limit}
    )
    found = sensitivity(probabilities[0], market, config).controlled
    scaled = weights * jnp.asarray(exposure, jnp.float32)[:, None]
    chex.assert_trees_all_close(
        found, book(scaled, market, config), rtol=1e-4, atol=1e-6
    )


def test_there_is_no_controlled_book_unless_asked_for(traded):
    assert traded.controlled is None


def test_names_that_a_limit_held_back_are_counted(probabilities, market):
    config = small_problems.config({"backtest.max_position": 0.05})
    found = sensitivity(probabilities[0], market, config)
    free = small_problems.config({"backtest.hold_days": 1})
    daily = np.asarray(weights_of(probabilities[0], market, free))
    np.testing.assert_array_equal(found.clipped, (abs(daily) > 0.05).sum(axis=1))
    assert found.clipped.any()


def test_books_of_given_positions_are_neither_neutralised_nor_sized(market):
    config = small_problems.config(
        {"backtest.hold_days": 1, "backtest.volatility_target": 0.1}
    )
    positions = jnp.stack([jnp.ones((T, N)), jnp.zeros((T, N))])
    run = jax.jit(books.trade_as_given, static_argnames="config")
    everything, nothing = (
        line(run(positions, market, config=config), i) for i in (0, 1)
    )
    quoted = np.asarray(market.tradable).sum(axis=1, keepdims=True)
    share = np.where(market.tradable, 1 / np.maximum(quoted, 1), 0.0)
    plain = book(jnp.asarray(share, jnp.float32), market, config)
    chex.assert_trees_all_close(everything, plain, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(nothing.weights, 0.0)


def test_each_path_is_traded_as_the_headline_would_be(probabilities, market):
    run = jax.jit(books.trade_paths, static_argnames="config")
    ledgers = run(probabilities, market, config=CONFIG)
    for i, path in enumerate(probabilities):
        alone = book(weights_of(path, market), market)
        chex.assert_trees_all_close(line(ledgers, i), alone, rtol=1e-4, atol=1e-6)


def test_a_fill_at_the_close_that_was_decided_on_takes_the_flag(probabilities, market):
    market = market._replace(tradable=jnp.ones((T, N), bool))
    weights = weights_of(probabilities[0], market)
    at_once = {"backtest.fill_lag": 0}
    flagged = small_problems.config(at_once | {"backtest.same_close": True})
    ledger = backtest.by_config(weights, market, flagged, Costs(0.0, 0.0))
    earned = (weights[:-1] * market.returns[1:]).sum(axis=1)
    np.testing.assert_allclose(ledger.gross[1:], earned, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="same_close=True"):
        backtest.by_config(weights, market, small_problems.config(at_once))
