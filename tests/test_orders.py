"""From positions to the book that a trader moves to."""

import jax.numpy as jnp
import numpy as np
import small_problems

from thesis_rl import orders

T, N, STOP = 40, 4, 25
CONFIG = small_problems.config({"backtest.hold_days": 21})
MARKET = small_problems.noise_market(T, N)
POSITIONS = jnp.asarray(np.random.default_rng(1).uniform(-0.4, 0.8, (T, N)), "f")


def unit_of(positions, market=MARKET):
    return orders.full_position(positions, market, jnp.int32(STOP))


def test_a_full_position_is_two_root_mean_squares_of_what_was_quoted():
    quoted = np.asarray(MARKET.tradable)[:STOP]
    held = np.where(quoted, np.asarray(POSITIONS)[:STOP], np.nan)
    spread = held - np.nanmean(held, axis=1, keepdims=True)
    expected = 2 * np.sqrt(np.nanmean(spread**2))
    np.testing.assert_allclose(unit_of(POSITIONS), expected, rtol=1e-5)
    np.testing.assert_allclose(unit_of(3 * POSITIONS), 3 * expected, rtol=1e-5)


def test_a_full_position_does_not_read_on():
    later = jnp.arange(T)[:, None] >= STOP
    changed = MARKET._replace(tradable=MARKET.tradable ^ later)
    again = unit_of(jnp.where(later, jnp.nan, POSITIONS), changed)
    assert again == unit_of(POSITIONS)


def test_a_policy_that_never_moves_still_has_a_full_position():
    still = jnp.full((T, N), 0.3)
    assert 0 < unit_of(still) < 1e-3
    weights, _ = orders.aims(still, unit_of(still), MARKET, CONFIG)
    np.testing.assert_allclose(weights, 0.0, atol=1e-3)


def test_aims_are_neutral_full_at_the_unit_and_have_no_sleeves():
    everyone = MARKET._replace(tradable=jnp.ones((T, N), bool))
    positions = jnp.tile(jnp.array([[0.2, -0.2, 9.0, -9.0]]), (T, 1))
    weights, cut = orders.aims(positions, jnp.float32(0.4), everyone, CONFIG)
    expected = np.tile([0.5, -0.5, 1.0, -1.0], (T, 1)) / N
    np.testing.assert_allclose(weights, expected, rtol=1e-6)  # The first day as well.
    np.testing.assert_array_equal(cut, 0)


def test_a_pace_speaks_of_weights_where_the_rule_speaks_of_positions():
    pace = orders.pace_of(*(jnp.float32(x) for x in (-1, 2, 0.1)), MARKET)
    count = np.maximum(np.asarray(MARKET.tradable).sum(1, keepdims=True), 1)
    np.testing.assert_array_equal(pace.logit, np.full((T, N), -1.0))
    np.testing.assert_allclose(pace.slope, np.broadcast_to(2.0 * count, (T, N)))
    np.testing.assert_allclose(pace.band, np.broadcast_to(0.1 / count, (T, N)))
    empty = MARKET._replace(tradable=jnp.zeros((T, N), bool))
    assert np.all(np.isfinite(orders.pace_of(*pace, empty)))
