"""Traders of all folds, the books they trade, and the one program with them in it."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems
from ml_collections import FrozenConfigDict

from experiments import rft_path
from thesis_rl import config as config_lib
from thesis_rl import (
    execution,
    orders,
    portfolio,
    preparation,
    stages,
    trading,
    walk_forward,
)
from thesis_rl.orders import Trader

T, N, TEST_DAYS, REACH, LEAD = 60, 3, 10, 4, 10
SETTINGS = {
    "num_seeds": 2,
    "group_size": 4,
    "sft.num_steps": 2,
    "rft.num_steps": 2,
    "folds.train_days": 20,
    "folds.test_days": TEST_DAYS,
    "folds.embargo_days": 2,
    "calibration.share": 0.5,
    "path.num_steps": 3,
    "path.num_days": 8,
    "path.burn_in": 2,
}
CONFIG = small_problems.config(SETTINGS)
FOLDS = walk_forward.with_final_fold(
    walk_forward.make_folds(
        T, train_days=20, test_days=TEST_DAYS, label_horizon=REACH, embargo_days=2
    ),
    T,
    label_horizon=REACH,
)
WINDOWS = preparation.make_windows(FOLDS, T, REACH, CONFIG)
NUM_DAYS = 3 * TEST_DAYS
KEY = functools.partial(jax.random.key, 0)
MARKET = jax.device_get(small_problems.noise_market(T, N))
POSITIONS = jnp.asarray(np.random.default_rng(2).uniform(-0.5, 0.5, (T, N)), "f")
PACED = jax.jit(execution.paced, static_argnums=(4, 5))
TRAIN = jax.jit(execution.train_traders, static_argnames="config")


def at(tree, index):
    return jax.tree.map(lambda x: x[index], tree)


def test_a_fold_alone_trains_the_trader_it_trains_among_others():
    stops = jnp.array([20, 35, 50])
    together = TRAIN(KEY(), POSITIONS, MARKET, stops, config=CONFIG)
    for i in range(3):
        alone = TRAIN(KEY(), POSITIONS, MARKET, stops[i : i + 1], config=CONFIG)
        chex.assert_trees_all_equal(at(alone, 0), at(together, i))
    assert len(np.unique(together[0].logit)) == 3


@pytest.mark.parametrize("rule", execution.RULES)
def test_later_days_change_no_earlier_trader(rule):
    config = small_problems.config(SETTINGS | {"path.rule": rule})
    stops = jnp.array([20, 35, 50])
    found, _ = TRAIN(KEY(), POSITIONS, MARKET, stops, config=config)
    later = (np.arange(T) >= 35)[:, None]
    scrambled = MARKET._replace(
        returns=np.where(later, 0.3, MARKET.returns), tradable=MARKET.tradable ^ later
    )
    changed = jnp.where(later, 0.9, POSITIONS)
    again, _ = TRAIN(KEY(), changed, scrambled, stops, config=config)
    chex.assert_trees_all_equal(at(again, slice(2)), at(found, slice(2)))
    assert again.unit[2] != found.unit[2]


def traders(exposure, logit=0.0):
    ones = jnp.ones(3)
    return Trader(logit * ones, ones, 0.1 * ones, ones, jnp.asarray(exposure, "f"))


def test_each_test_day_is_traded_by_the_trader_of_its_fold():
    judged, stops = traders([0.0, 0.5, 1.0]), jnp.array([20, 30, 40])
    judged = judged._replace(logit=jnp.array([1.0, 2.0, 3.0]))
    wanted = PACED(POSITIONS, MARKET, judged, stops, 30, CONFIG)
    np.testing.assert_array_equal(wanted.pace.logit[::10, 0], [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(wanted.pace.logit[9::10, 0], [1.0, 2.0, 3.0])
    measure = jax.jit(orders.full_position)
    aim = jax.jit(orders.aims, static_argnames="config")
    for i in range(3):
        unit = measure(POSITIONS, MARKET, stops[i])
        days = slice(30 + 10 * i, 40 + 10 * i)
        weights, _ = aim(POSITIONS[days], unit, at(MARKET, days), config=CONFIG)
        found = wanted.weights[10 * i : 10 * i + 10]
        np.testing.assert_allclose(found, weights * i / 2, atol=1e-7)
    assert abs(wanted.weights[-10:]).max() > 0.05


def test_without_exposure_nothing_is_ever_traded():
    stops = jnp.array([20, 30, 40])
    wanted = PACED(POSITIONS, MARKET, traders([0, 0, 0]), stops, 30, CONFIG)
    simulate = jax.jit(trading.simulate, static_argnames="config")
    ledger = simulate(
        wanted.weights, at(MARKET, slice(30, T)), CONFIG, pace=wanted.pace
    )
    for name in ("turnover", "gross", "cost", "weights"):
        np.testing.assert_array_equal(getattr(ledger, name), 0.0)


def test_half_an_exposure_is_half_of_the_whole_book():
    """Band and slope shrink with it: in a market that stands still, exactly half."""
    stops, still = jnp.array([20, 30, 40]), jnp.zeros((T, N))
    flat = MARKET._replace(returns=still)
    simulate = jax.jit(trading.simulate, static_argnames="config")
    held = []
    for exposure in (1.0, 0.5):
        judged = traders([exposure] * 3)
        wanted = PACED(POSITIONS, flat, judged, stops, 30, CONFIG)
        unseen = at(flat, slice(30, T))
        held.append(simulate(wanted.weights, unseen, CONFIG, pace=wanted.pace).weights)
    np.testing.assert_allclose(held[1], held[0] / 2, rtol=1e-4, atol=1e-7)
    assert abs(held[0]).max() > 0.05


def test_orders_read_no_position_after_their_day():
    wanted = PACED(
        POSITIONS, MARKET, traders([1, 1, 1]), jnp.array([20, 30, 40]), 30, CONFIG
    )
    later = (np.arange(T) >= 45)[:, None]
    again = PACED(
        jnp.where(later, -POSITIONS, POSITIONS),
        MARKET,
        traders([1, 1, 1]),
        jnp.array([20, 30, 40]),
        30,
        CONFIG,
    )
    np.testing.assert_array_equal(again.weights[:15], wanted.weights[:15])
    assert np.any(again.weights[15:] != wanted.weights[15:])


@pytest.mark.parametrize("size", ["full", "smoke"])
def test_the_lab_book_is_an_experiment_with_a_trader(size):
    experiment = rft_path.get_config(size)
    config_lib.check(experiment)
    assert experiment.path.num_steps > 0


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"path.num_days": 11}, "num_days is 11.*knows 10 days"),
        ({"path.burn_in": 6}, "burn_in 6.*raise num_days"),
        ({"path.credit": "leave_one_out"}, "leave_one_out.*reward is 'path'"),
        ({"combinatorial.num_groups": 4}, "num_groups and config.path.num_steps"),
    ],
)
def test_a_trader_that_could_not_learn_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        execution.check(small_problems.config(SETTINGS | changes))
    execution.check(small_problems.config(SETTINGS | changes | {"path.num_steps": 0}))


def test_the_first_trader_knows_as_many_days_as_the_check_says():
    first = WINDOWS.lead[0]
    assert FOLDS.train_stop[0] - first == LEAD == 0.5 * 20
    assert first >= WINDOWS.held_out.train_stop[0] + REACH  # No label of it was seen.
    assert WINDOWS.lead[-1] == FOLDS.test_start[0] - 1
    execution.check(small_problems.config(SETTINGS | {"path.num_days": LEAD}))


@pytest.fixture(scope="module")
def panel():
    return jax.device_get(small_problems.noise_panel(T, N))


def run(panel, market=MARKET, key=None, config=CONFIG):
    key = KEY() if key is None else key
    windows = jax.tree.map(jnp.asarray, WINDOWS)
    baselines = jnp.zeros((1, NUM_DAYS, N))
    return jax.device_get(
        walk_forward.run(key, panel, market, windows, baselines, config)
    )


@pytest.fixture(scope="module")
def outcome(panel):
    return run(panel)


def test_the_path_is_a_stage_of_its_own_and_the_headline(outcome):
    assert set(outcome.ledgers) == {"sft", "rft", "path"}
    assert walk_forward.final_stage(outcome.ledgers) == "path"
    assert set(outcome.ledgers["path"]) == set(portfolio.MAPPINGS)
    chex.assert_tree_shape_prefix(outcome.ledgers["path"], (3, NUM_DAYS))
    num_folds = len(FOLDS.train_stop)
    chex.assert_tree_shape_prefix(outcome.traders, (num_folds,))
    chex.assert_tree_shape_prefix(outcome.metrics["path"], (1, num_folds, 3))
    chex.assert_tree_all_finite((outcome.traders, outcome.ledgers))
    for field in ("exposure", "band", "unit"):
        assert np.all(getattr(outcome.traders, field) >= 0)


def test_costs_are_swept_over_the_book_at_its_pace(outcome):
    headline = outcome.ledgers["path"][CONFIG.backtest.mapping]
    sleeves = outcome.ledgers["rft"][CONFIG.backtest.mapping]
    swept = outcome.sensitivity.costs
    assert outcome.traders.exposure[:-1].max() > 0  # Or there is nothing to compare.
    np.testing.assert_allclose(
        swept.weights[0], headline.weights[-1], rtol=1e-4, atol=1e-6
    )
    assert abs(swept.weights[0] - sleeves.weights[-1]).max() > 1e-3


@pytest.mark.parametrize("index", range(3))
def test_the_future_changes_no_trader(outcome, panel, index):
    """Rows and prices at or past train_stop, replaced, move no trader up to it."""
    stop = int(FOLDS.train_stop[index])
    other = jax.device_get(small_problems.noise_panel(T, N, seed=9))
    prices = jax.device_get(small_problems.noise_market(T, N, seed=9))
    splice = lambda x, y: np.concatenate([x[:stop], y[stop:]])  # noqa: E731
    again = run(
        jax.tree.map(splice, panel, other), jax.tree.map(splice, MARKET, prices)
    )
    learned = lambda x: (x.traders, at(x.metrics["path"], 0))  # noqa: E731
    kept = slice(index + 1)
    chex.assert_trees_all_equal(at(learned(again), kept), at(learned(outcome), kept))
    assert again.traders.unit[index + 1] != outcome.traders.unit[index + 1]


def test_compiles_once(panel, outcome):
    compiled = stages.advance._cache_size()
    equal = FrozenConfigDict(CONFIG.to_dict())
    other = run(panel, key=jax.random.key(1), config=equal)
    assert other.traders.logit[0] != outcome.traders.logit[0]
    assert stages.advance._cache_size() == compiled
