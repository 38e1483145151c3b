"""Books by hand, and the ledger against a second, plainer one."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems

from thesis_rl import backtest
from thesis_rl.backtest import Costs
from thesis_rl.types import Market

FREE = Costs(0.0, 0.0)
SIMULATE = jax.jit(backtest.simulate)


def market(returns, tradable=None):
    returns = jnp.array(returns, jnp.float32)
    quoted = jnp.ones(returns.shape, bool) if tradable is None else jnp.array(tradable)
    return Market(returns, quoted)


def random_weights(num_days=60, num_names=3, seed=0):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(0, 0.3, (num_days, num_names)), jnp.float32)


def net_returns(ledger):
    return ledger.gross - ledger.commission - ledger.half_spread


def test_a_decision_is_filled_at_the_next_close_and_earns_the_day_after():
    target = jnp.zeros((5, 1)).at[0].set(1.0)  # Decided on day 0, out on day 1.
    ledger = SIMULATE(target, market([[0.1], [0.2], [0.4], [0.8], [1.6]]), FREE)
    np.testing.assert_allclose(ledger.gross, [0, 0, 0.4, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(ledger.turnover, [0, 0, 1, 1, 0], rtol=1e-6)


def test_the_last_two_decisions_can_earn_nothing_yet():
    target = random_weights(10)
    late = target.at[-2:].set(9.0)
    chex.assert_trees_all_equal(
        SIMULATE(target, small_problems.noise_market(10), FREE),
        SIMULATE(late, small_problems.noise_market(10), FREE),
    )


def test_weights_drift_and_are_brought_back_by_hand():
    target = jnp.broadcast_to(jnp.array([0.5, 0.5]), (5, 2))
    returns = [[0, 0], [0, 0], [0.2, 0.0], [0.0, 0.1], [0, 0]]
    ledger = SIMULATE(target, market(returns), FREE)
    np.testing.assert_allclose(ledger.gross, [0, 0, 0.1, 0.05, 0], rtol=1e-6)
    # After +20% on half of the book: .6 / 1.1 and .5 / 1.1; after +10%: .55 / 1.05.
    traded = [0, 0, 1, 0.1 / 1.1, 0.05 / 1.05]
    np.testing.assert_allclose(ledger.turnover, traded, rtol=1e-5)
    np.testing.assert_allclose(ledger.weights[2:], target[2:])
    np.testing.assert_allclose(ledger.net_exposure, [0, 0, 1, 1, 1])


def test_costs_leave_the_capital_before_the_return():
    target = jnp.ones((4, 1)).at[1:].set(0.0)  # In at full weight, then out.
    costs = Costs(commission_bps=10.0, half_spread_bps=40.0)
    ledger = SIMULATE(target, market([[0], [0], [0.1], [0]]), costs)
    cost = 0.005  # 50 bps on a turnover of one.
    np.testing.assert_allclose(
        net_returns(ledger),
        [0, 0, (1 - cost) * (1 + 0.1) - 1, -cost],
        rtol=1e-5,
        atol=1e-7,
    )
    np.testing.assert_allclose(ledger.half_spread, 4 * ledger.commission, rtol=1e-6)


def test_a_name_without_a_quote_keeps_its_drifted_weight():
    target = jnp.zeros((6, 2)).at[0].set(jnp.array([0.5, 0.5]))
    returns = [[0, 0], [0, 0], [0.2, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    tradable = np.ones((6, 2), bool)
    tradable[2:4, 0] = False  # Both names should be sold at the close of day 2.
    ledger = SIMULATE(target, market(returns, tradable), FREE)
    np.testing.assert_allclose(ledger.weights[2], [0.5, 0.5])
    np.testing.assert_allclose(ledger.weights[3], [0.6 / 1.1, 0.0], rtol=1e-6)
    np.testing.assert_allclose(ledger.weights[4], [0.6 / 1.1, 0.0], rtol=1e-6)
    np.testing.assert_allclose(ledger.weights[5], [0.0, 0.0])


def plain_net(weights, market, costs):
    """Keeps the same book in currency: capital, dollars held a name, cash."""
    rate = (costs.commission_bps + costs.half_spread_bps) / 1e4
    weights, returns, quoted = (np.array(x, float) for x in (weights, *market))
    capital, held, net = 1.0, np.zeros(weights.shape[1]), []
    for t in range(len(weights)):
        before, drifted = capital, held / capital
        wanted = weights[t - 2] if t >= 2 else np.zeros(len(held))
        share = np.where(quoted[t - 1] > 0, wanted, drifted) if t else drifted
        capital -= rate * abs(share - drifted).sum() * capital
        held, cash = share * capital, (1 - share.sum()) * capital
        held = held * (1 + returns[t])
        capital = held.sum() + cash
        net.append(capital / before - 1)
    return np.array(net)


@pytest.mark.parametrize("costs", [FREE, Costs(1.0, 4.0), Costs(50.0, 200.0)])
def test_net_returns_are_those_of_a_book_kept_in_currency(costs):
    weights, market = random_weights(), small_problems.noise_market()
    net = net_returns(SIMULATE(weights, market, costs))
    np.testing.assert_allclose(net, plain_net(weights, market, costs), atol=2e-6)


def test_gross_is_weights_times_returns_to_the_last_digit():
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        weights = jnp.array(rng.normal(0, 0.3, (300, 7)))
        returns = jnp.array(rng.normal(0, 0.02, (300, 7)))
        book = Market(returns, jnp.array(rng.random((300, 7)) < 0.9))
        ledger = jax.jit(backtest.simulate)(weights, book, FREE)
        gross = (np.array(ledger.weights) * np.array(returns)).sum(-1)
        np.testing.assert_allclose(ledger.gross, gross, rtol=0, atol=1e-12)
        net = plain_net(weights, book, FREE)
        np.testing.assert_allclose(net_returns(ledger), net, rtol=0, atol=1e-12)


def test_the_order_of_the_names_changes_nothing():
    weights, market = random_weights(), small_problems.noise_market()
    order = jnp.array([2, 0, 1])
    ledger = SIMULATE(weights, market, Costs(1.0, 4.0))
    mixed_market = jax.tree.map(lambda x: x[:, order], market)
    mixed = SIMULATE(weights[:, order], mixed_market, Costs(1.0, 4.0))
    expected = ledger._replace(weights=ledger.weights[:, order])
    chex.assert_trees_all_close(mixed, expected, rtol=1e-4, atol=1e-6)


def test_net_falls_with_every_cost():
    weights, market = random_weights(), small_problems.noise_market()
    total = lambda costs: net_returns(SIMULATE(weights, market, costs)).sum()  # noqa: E731
    assert total(Costs(0.0, 0.0)) > total(Costs(1.0, 0.0)) > total(Costs(1.0, 4.0))


def test_other_decisions_make_another_book():
    weights = random_weights()
    quoted = market(jnp.zeros(weights.shape))
    for day in (0, 30, 57):
        other = weights.at[day, 1].multiply(-1.0)
        ledgers = [SIMULATE(w, quoted, FREE) for w in (weights, other)]
        moved = np.flatnonzero((ledgers[0].weights != ledgers[1].weights).any(-1))
        assert moved[0] == day + backtest.FILL_LAG


def test_positions_of_both_mappings_by_hand():
    probabilities = jnp.array(
        [[0.6, 0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.5, 0.1, 0.2], [0, 0, 0, 0.9, 0.1]]
    )
    signs = backtest.positions(probabilities, "signs")
    np.testing.assert_array_equal(signs, [-1, 0, 1])
    expected = backtest.positions(probabilities, "expected")
    np.testing.assert_allclose(expected, [-0.5, 0.1, 0.55], rtol=1e-6)
    with pytest.raises(ValueError, match="'argmax' must be one of .*'signs'"):
        backtest.positions(probabilities, "argmax")


def test_equal_gross_weights_by_hand():
    positions = jnp.array([[1.0, -0.5, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    tradable = jnp.array([[True, True, False], [True, True, True], [False] * 3])
    weights = backtest.equal_gross_weights(positions, tradable, False)
    third = 1 / 3
    expected = [[0.5, -0.25, 0], [third] * 3, [0] * 3]
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    neutral = backtest.equal_gross_weights(positions, tradable, True)
    np.testing.assert_allclose(neutral[0], [0.375, -0.375, 0], rtol=1e-6)
    np.testing.assert_allclose(neutral[1:], 0.0, atol=1e-7)


def test_dollar_neutral_weights_sum_to_zero():
    tradable = small_problems.noise_market().tradable
    weights = backtest.equal_gross_weights(random_weights(), tradable, True)
    np.testing.assert_allclose(weights.sum(-1), 0.0, atol=1e-6)
    assert not weights[~tradable].any()
    assert jnp.abs(weights).max() > 0.01


@pytest.mark.parametrize("hold_days", [1, 2, 5])
def test_the_book_is_the_mean_of_the_last_decisions(hold_days):
    weights = random_weights(12)
    sleeves = backtest.sleeve_weights(weights, hold_days)
    for day in range(12):
        opened = np.array(weights)[max(day - hold_days + 1, 0) : day + 1]
        mean = opened.sum(0) / hold_days  # A sleeve not yet opened is cash.
        np.testing.assert_allclose(sleeves[day], mean, rtol=1e-5, atol=1e-7)


def test_one_decision_held_for_days_earns_each_daily_return_once():
    hold_days, day = 5, 3
    target = jnp.zeros((20, 1)).at[day].set(1.0)
    returns = np.random.default_rng(0).normal(0, 0.01, (20, 1))
    sleeves = backtest.sleeve_weights(target, hold_days)
    ledger = SIMULATE(sleeves, market(returns), FREE)
    first = day + backtest.FILL_LAG
    earned = np.zeros(20)
    earned[first : first + hold_days] = returns[first : first + hold_days, 0]
    np.testing.assert_allclose(ledger.gross, earned / hold_days, rtol=1e-5)


def test_overlapping_holds_of_a_constant_position_have_the_daily_sharpe():
    constant = jnp.broadcast_to(jnp.array([0.5, 0.2, -0.3]), (60, 3))
    book = functools.partial(SIMULATE, market=small_problems.noise_market(), costs=FREE)
    sharpe = []
    for hold_days in (1, 21):
        gross = book(backtest.sleeve_weights(constant, hold_days)).gross[23:]
        sharpe.append(gross.mean() / gross.std())
    np.testing.assert_allclose(sharpe[1], sharpe[0], rtol=1e-4)
