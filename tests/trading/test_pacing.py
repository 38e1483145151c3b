"""How fast a book moves: the rule by hand, and the book that follows it."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain_backtest import random_market, random_weights

from thesis_rl.trading import backtest
from thesis_rl.trading.backtest import Costs, Pace
from thesis_rl.types import Market

COSTS = Costs(10.0, 40.0, 1.0, 0.05, borrow_rate=0.03, cash_rate=0.02)
SIMULATE = jax.jit(
    functools.partial(backtest.simulate, costs=COSTS, capital=1e7),
    static_argnames=("fill_lag", "at_open", "same_close"),
)


def paced(logit, slope, band, shape):
    """One pace for every day and name; each may be an array of that shape."""
    return Pace(
        *(jnp.broadcast_to(jnp.float32(x), shape) for x in (logit, slope, band))
    )


def flat(returns) -> Market:
    returns = jnp.asarray(returns, jnp.float32)
    return Market(returns, jnp.ones(returns.shape, bool))


def test_toward_is_the_formula():
    target, held = jnp.array([1.0, -0.5, 0.2, 0.0]), jnp.array([0.0, 0.5, 0.15, -1.0])
    moved = backtest.toward(target, held, paced(-1.0, 2.0, 0.1, (4,)))
    gap = np.array([1.0, -1.0, 0.05, 1.0])
    share = 1 / (1 + np.exp(1 - 2 * abs(gap)))
    past_band = np.sign(gap) * np.maximum(abs(gap) - 0.1, 0)
    np.testing.assert_allclose(moved, held + share * past_band, rtol=1e-6)
    assert moved[2] == held[2]  # Exactly: a gap within the band is not traded at all.


def test_a_move_never_passes_its_target():
    rng = np.random.default_rng(0)
    target, held, logit, slope, band = jnp.asarray(rng.normal(size=(5, 500)), "f")
    moved = backtest.toward(target, held, Pace(9 * logit, 9 * slope, abs(band)))
    low, high = jnp.minimum(target, held), jnp.maximum(target, held)
    assert jnp.all((moved >= low - 1e-6) & (moved <= high + 1e-6))
    assert jnp.any(moved == held) and jnp.any(abs(moved - held) > 0.5)


@pytest.mark.parametrize("fill_lag, at_open", [(1, False), (3, False), (1, True)])
def test_without_band_and_all_at_once_a_pace_changes_nothing(fill_lag, at_open):
    weights, market = random_weights(), random_market()
    mode = {"fill_lag": fill_lag, "at_open": at_open}
    plain = SIMULATE(weights, market, **mode)
    whole = SIMULATE(weights, market, pace=paced(np.inf, 0, 0, weights.shape), **mode)
    chex.assert_trees_all_close(whole, plain, rtol=1e-4, atol=1e-6)
    assert plain.turnover.sum() > 1
    frozen = SIMULATE(weights, market, pace=paced(0, 0, 99, weights.shape), **mode)
    np.testing.assert_array_equal(frozen.turnover, 0.0)
    np.testing.assert_array_equal(frozen.cost, 0.0)


def test_a_book_without_a_pace_knows_nothing_of_one():
    program = str(
        jax.make_jaxpr(backtest.simulate)(random_weights(), random_market(), COSTS)
    )
    assert "logistic" not in program and "scan" in program


def test_half_of_the_gap_is_closed_and_paid_for_by_hand():
    target = jnp.ones((6, 1))
    returns = [[0], [0], [0], [0.5], [0], [0]]
    ledger = SIMULATE(target, flat(returns), pace=paced(0.0, 0.0, 0.0, (6, 1)))
    # After +50% on three quarters of the book: 1.125 / 1.375.
    drifted = 1.125 / 1.375
    held = [0, 0, 0.5, 0.75, (1 + drifted) / 2, (3 + drifted) / 4]
    np.testing.assert_allclose(ledger.weights[:, 0], held, rtol=1e-6)
    traded = [0, 0, 0.5, 0.25, (1 - drifted) / 2, (1 - drifted) / 4]
    np.testing.assert_allclose(ledger.turnover, traded, rtol=1e-5)
    paid = 0.005 * np.array(traded) * (1 + np.array(ledger.gross))
    commission_and_spread = ledger.commission + ledger.half_spread
    np.testing.assert_allclose(commission_and_spread, paid, rtol=1e-5)


def test_drift_within_the_band_is_left_alone():
    target = jnp.full((7, 1), 0.5)
    returns = [[0], [0], [0], [0.1], [0], [0.8], [0]]
    ledger = SIMULATE(target, flat(returns), pace=paced(np.inf, 0.0, 0.05, (7, 1)))
    near = 0.495 / 1.045  # From the edge of the band, .45, after +10%.
    far = near * 1.8 / (1 + 0.8 * near)  # .617, and back to the upper edge.
    held = [0, 0, 0.45, 0.45, near, near, 0.55]
    np.testing.assert_allclose(ledger.weights[:, 0], held, rtol=1e-6)
    np.testing.assert_array_equal(ledger.turnover[jnp.array([0, 1, 3, 4, 5])], 0.0)
    assert not ledger.commission[3:6].any()
    np.testing.assert_allclose(ledger.turnover[6], far - 0.55, rtol=1e-4)


@pytest.mark.parametrize("fill_lag, at_open", [(1, False), (2, False), (1, True)])
def test_a_pace_is_that_of_its_decision_where_it_is_filled(fill_lag, at_open):
    """Only decision 3 may trade; the same pace a day off would leave no trade there."""
    shape, decided = (8, 1), 3
    market = flat(np.zeros(shape))._replace(open_to_close=jnp.zeros(shape))
    target = jnp.zeros(shape).at[decided].set(0.8)
    band = jnp.full(shape, 9.0).at[decided].set(0.1)
    pace = paced(np.inf, 0.0, band, shape)
    ledger = SIMULATE(target, market, pace=pace, fill_lag=fill_lag, at_open=at_open)
    filled = decided + fill_lag + (not at_open)
    expected = np.where(np.arange(8) >= filled, 0.7, 0.0)
    np.testing.assert_allclose(ledger.weights[:, 0], expected, rtol=1e-6)


def test_a_wide_gap_is_closed_faster_where_the_slope_says_so():
    target = jnp.array([[0.2, 0.8]] * 4)
    pace = paced(-1.0, 3.0, 0.0, (4, 2))
    ledger = SIMULATE(target, flat(np.zeros((4, 2))), pace=pace)
    share = 1 / (1 + np.exp(1 - 3 * np.array([0.2, 0.8])))
    np.testing.assert_allclose(ledger.weights[2] / target[2], share, rtol=1e-5)


def test_a_paced_trade_stays_within_the_volume():
    market = random_market()
    weights = jnp.where(market.tradable, 0.5, -0.5)
    pace = paced(0.0, 1.0, 0.01, weights.shape)
    capped = SIMULATE(weights, market, pace=pace)
    fills = np.roll(np.asarray(market.dollar_volume), 2, 0)
    fills[:2] = 0
    drifted = np.asarray(capped.weights) * (1 + np.asarray(market.returns))
    drifted = drifted / (1 + np.asarray(capped.gross))[:, None]
    drifted[np.asarray(market.delisted)] = 0.0
    traded = abs(np.asarray(capped.weights)[1:] - drifted[:-1])
    assert np.all(traded <= 0.05 * fills[1:] / 1e7 + 1e-5)
    assert np.any(traded > 0.01)
