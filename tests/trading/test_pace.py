"""A fold's pace: what it is set by, the book that follows it, and the one program.

That a paced book moves as the formula says is tested in `test_pacing.py`.
"""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems
from ml_collections import FrozenConfigDict

from experiments import rft_path
from thesis_rl import configs
from thesis_rl.trading import backtest, pace, portfolio
from thesis_rl.trading.backtest import Pace
from thesis_rl.trading.pace import Rule
from thesis_rl.types import Market
from thesis_rl.walk_forward import program, train
from thesis_rl.walk_forward.check import check
from thesis_rl.walk_forward.experiment import make_windows

T, N, TEST_DAYS, REACH, LEAD = 70, 3, 10, 4, 15
SETTINGS = {
    "num_seeds": 2,
    "group_size": 4,
    "sft.num_steps": 2,
    "rft.num_steps": 2,
    "folds.train_days": 30,
    "folds.test_days": TEST_DAYS,
    "folds.embargo_days": 2,
    "calibration.share": 0.5,
    "pace.rule": "partial",
}
CONFIG = small_problems.config(SETTINGS)
FOLDS = program.with_final_fold(
    program.make_folds(
        T, train_days=30, test_days=TEST_DAYS, label_horizon=REACH, embargo_days=2
    ),
    T,
    label_horizon=REACH,
)
WINDOWS = make_windows(FOLDS, T, REACH, CONFIG)
NUM_DAYS = 3 * TEST_DAYS
KEY = functools.partial(jax.random.key, 0)
MARKET = jax.device_get(small_problems.noise_market(T, N))
POSITIONS = jnp.asarray(np.random.default_rng(2).uniform(-0.5, 0.5, (T, N)), "f")
PACED = jax.jit(pace.orders, static_argnums=(4, 5))
SET = jax.jit(pace.set_rules, static_argnames="config")
RULES = ("partial", "band")


def at(tree, index):
    return jax.tree.map(lambda x: x[index], tree)


def test_a_fold_alone_has_the_rule_it_has_among_others():
    stops = jnp.array([20, 35, 50])
    together = SET(POSITIONS, MARKET, stops, config=CONFIG)
    for i in range(3):
        alone = SET(POSITIONS, MARKET, stops[i : i + 1], config=CONFIG)
        chex.assert_trees_all_equal(at(alone, 0), at(together, i))
    assert len(np.unique(together.unit)) == 3


@pytest.mark.parametrize("rule", RULES)
def test_later_days_change_no_earlier_rule(rule):
    config = small_problems.config(SETTINGS | {"pace.rule": rule})
    stops = jnp.array([20, 35, 50])
    found = SET(POSITIONS, MARKET, stops, config=config)
    later = (np.arange(T) >= 35)[:, None]
    scrambled = MARKET._replace(
        returns=np.where(later, 0.3, MARKET.returns), tradable=MARKET.tradable ^ later
    )
    changed = jnp.where(later, 0.9, POSITIONS)
    again = SET(changed, scrambled, stops, config=config)
    chex.assert_trees_all_equal(at(again, slice(2)), at(found, slice(2)))
    assert again.unit[2] != found.unit[2]


def rules(exposure, logit=0.0):
    ones = jnp.ones(3)
    return Rule(logit * ones, ones, 0.1 * ones, ones, jnp.asarray(exposure, "f"))


def test_each_test_day_is_traded_by_the_rule_of_its_fold():
    judged, stops = rules([0.0, 0.5, 1.0]), jnp.array([20, 30, 40])
    judged = judged._replace(logit=jnp.array([1.0, 2.0, 3.0]))
    wanted = PACED(POSITIONS, MARKET, judged, stops, 40, CONFIG)
    np.testing.assert_array_equal(wanted.pace.logit[::10, 0], [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(wanted.pace.logit[9::10, 0], [1.0, 2.0, 3.0])
    measure = jax.jit(pace.full_position)
    aim = jax.jit(pace.aims, static_argnames="config")
    for i in range(3):
        unit = measure(POSITIONS, MARKET, stops[i])
        days = slice(40 + 10 * i, 50 + 10 * i)
        weights, _ = aim(POSITIONS[days], unit, at(MARKET, days), config=CONFIG)
        found = wanted.weights[10 * i : 10 * i + 10]
        np.testing.assert_allclose(found, weights * i / 2, atol=1e-7)
    assert abs(wanted.weights[-10:]).max() > 0.05


def test_without_exposure_nothing_is_ever_traded():
    stops = jnp.array([20, 30, 40])
    wanted = PACED(POSITIONS, MARKET, rules([0, 0, 0]), stops, 40, CONFIG)
    simulate = jax.jit(backtest.by_config, static_argnames="config")
    ledger = simulate(
        wanted.weights, at(MARKET, slice(40, T)), CONFIG, pace=wanted.pace
    )
    for name in ("turnover", "gross", "cost", "weights"):
        np.testing.assert_array_equal(getattr(ledger, name), 0.0)


def test_half_an_exposure_is_half_of_the_whole_book():
    """Band and slope shrink with it: in a market that stands still, exactly half."""
    stops, still = jnp.array([20, 30, 40]), jnp.zeros((T, N))
    flat = MARKET._replace(returns=still)
    simulate = jax.jit(backtest.by_config, static_argnames="config")
    held = []
    for exposure in (1.0, 0.5):
        judged = rules([exposure] * 3)
        wanted = PACED(POSITIONS, flat, judged, stops, 40, CONFIG)
        unseen = at(flat, slice(40, T))
        held.append(simulate(wanted.weights, unseen, CONFIG, pace=wanted.pace).weights)
    np.testing.assert_allclose(held[1], held[0] / 2, rtol=1e-4, atol=1e-7)
    assert abs(held[0]).max() > 0.05


def test_orders_read_no_position_after_their_day():
    wanted = PACED(
        POSITIONS, MARKET, rules([1, 1, 1]), jnp.array([20, 30, 40]), 40, CONFIG
    )
    later = (np.arange(T) >= 55)[:, None]
    again = PACED(
        jnp.where(later, -POSITIONS, POSITIONS),
        MARKET,
        rules([1, 1, 1]),
        jnp.array([20, 30, 40]),
        40,
        CONFIG,
    )
    np.testing.assert_array_equal(again.weights[:15], wanted.weights[:15])
    assert np.any(again.weights[15:] != wanted.weights[15:])


@pytest.mark.parametrize("size", ["full", "smoke"])
def test_the_lab_book_is_an_experiment_with_a_pace(size):
    experiment = rft_path.get_config(size)
    check(experiment)
    assert experiment.pace.rule == "partial"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"calibration.share": 0.3}, "knows 9 days"),
        ({"backtest.book": "long_only"}, "book 'long_only'"),
        ({"combinatorial.num_groups": 4}, "num_groups is 4"),
    ],
)
def test_a_pace_that_could_not_be_set_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        pace.check(small_problems.config(SETTINGS | changes))


def test_the_first_rule_knows_as_many_days_as_the_check_says():
    first = WINDOWS.lead[0]
    assert FOLDS.train_stop[0] - first == LEAD == 0.5 * 30
    assert first >= WINDOWS.held_out.train_stop[0] + REACH  # No label of it was seen.
    assert WINDOWS.lead[-1] == FOLDS.test_start[0] - 1


@pytest.fixture(scope="module")
def panel():
    return jax.device_get(small_problems.noise_panel(T, N))


def run(panel, market=MARKET, key=None, config=CONFIG):
    key = KEY() if key is None else key
    windows = jax.tree.map(jnp.asarray, WINDOWS)
    baselines = jnp.zeros((1, NUM_DAYS, N))
    return jax.device_get(program.run(key, panel, market, windows, baselines, config))


@pytest.fixture(scope="module")
def outcome(panel):
    return run(panel)


def test_a_paced_book_is_a_stage_of_its_own_and_the_headline(outcome):
    assert set(outcome.ledgers) == {"sft", "rft", "paced"}
    assert program.final_stage(outcome.ledgers) == "paced"
    assert set(outcome.ledgers["paced"]) == set(portfolio.MAPPINGS)
    chex.assert_tree_shape_prefix(outcome.ledgers["paced"], (3, NUM_DAYS))
    chex.assert_tree_shape_prefix(outcome.rules, (len(FOLDS.train_stop),))
    chex.assert_tree_all_finite((outcome.rules, outcome.ledgers))
    for field in ("exposure", "band", "unit"):
        assert np.all(getattr(outcome.rules, field) >= 0)


def test_costs_are_swept_over_the_book_at_its_pace(outcome):
    headline = outcome.ledgers["paced"][CONFIG.backtest.mapping]
    sleeves = outcome.ledgers["rft"][CONFIG.backtest.mapping]
    swept = outcome.sensitivity.costs
    assert outcome.rules.exposure[:-1].max() > 0  # Or there is nothing to compare.
    np.testing.assert_allclose(
        swept.weights[0], headline.weights[-1], rtol=1e-4, atol=1e-6
    )
    assert abs(swept.weights[0] - sleeves.weights[-1]).max() > 1e-3


@pytest.mark.parametrize("index", range(3))
def test_the_future_changes_no_rule(outcome, panel, index):
    """Rows and prices at or past train_stop, replaced, move no rule up to it."""
    stop = int(FOLDS.train_stop[index])
    other = jax.device_get(small_problems.noise_panel(T, N, seed=9))
    prices = jax.device_get(small_problems.noise_market(T, N, seed=9))
    splice = lambda x, y: np.concatenate([x[:stop], y[stop:]])  # noqa: E731
    again = run(
        jax.tree.map(splice, panel, other), jax.tree.map(splice, MARKET, prices)
    )
    kept = slice(index + 1)
    chex.assert_trees_all_equal(at(again.rules, kept), at(outcome.rules, kept))
    assert again.rules.unit[index + 1] != outcome.rules.unit[index + 1]


def test_compiles_once(panel, outcome):
    compiled = train.advance._cache_size(), program.trade._cache_size()
    equal = FrozenConfigDict(CONFIG.to_dict())
    other = run(panel, key=jax.random.key(1), config=equal)
    assert other.rules.unit[0] != outcome.rules.unit[0]
    assert (train.advance._cache_size(), program.trade._cache_size()) == compiled


STOP = 25
SLEEVED = small_problems.config({"backtest.hold_days": 21})


def unit_of(positions, market=MARKET):
    return pace.full_position(positions, market, jnp.int32(STOP))


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
    weights, _ = pace.aims(still, unit_of(still), MARKET, SLEEVED)
    np.testing.assert_allclose(weights, 0.0, atol=1e-3)


def test_aims_are_neutral_full_at_the_unit_and_have_no_sleeves():
    market = small_problems.noise_market(T, 4)
    everyone = market._replace(tradable=jnp.ones((T, 4), bool))
    positions = jnp.tile(jnp.array([[0.2, -0.2, 9.0, -9.0]]), (T, 1))
    weights, cut = pace.aims(positions, jnp.float32(0.4), everyone, SLEEVED)
    expected = np.tile([0.5, -0.5, 1.0, -1.0], (T, 1)) / 4
    np.testing.assert_allclose(weights, expected, rtol=1e-6)  # The first day as well.
    np.testing.assert_array_equal(cut, 0)


def test_a_pace_speaks_of_weights_where_the_rule_speaks_of_positions():
    rule = pace.pace_of(*(jnp.float32(x) for x in (-1, 2, 0.1)), MARKET)
    count = np.maximum(np.asarray(MARKET.tradable).sum(1, keepdims=True), 1)
    np.testing.assert_array_equal(rule.logit, np.full((T, N), -1.0))
    np.testing.assert_allclose(rule.slope, np.broadcast_to(2.0 * count, (T, N)))
    np.testing.assert_allclose(rule.band, np.broadcast_to(0.1 / count, (T, N)))
    empty = MARKET._replace(tradable=jnp.zeros((T, N), bool))
    assert np.all(np.isfinite(pace.pace_of(*rule, empty)))


DAYS, NAMES, KNOWN = 200, 6, 150
FREE = small_problems.config(
    {
        "pace.rule": "partial",
        "backtest.commission_bps": 0.0,
        "backtest.impact_coefficient": 0.0,
    }
)


@functools.partial(jax.jit, static_argnames="rule")
def find(positions, market, bps, stop=KNOWN, rule="partial"):
    changes = {"backtest.half_spread_bps": bps, "pace.rule": rule}
    config = configs.with_changes(FREE, changes)
    stops = jnp.asarray(stop, jnp.int32)[None]
    return at(pace.set_rules(positions, market, stops, config), 0)


def planted(strength, seed=0):
    """Draws returns, and noisy forecasts of a part of them that stays for weeks."""
    rng = np.random.default_rng(seed)
    signal, shock = np.zeros((DAYS, NAMES)), rng.normal(size=(DAYS, NAMES))
    for day in range(1, DAYS):
        signal[day] = 0.9 * signal[day - 1] + 0.19**0.5 * shock[day]
    lead = np.concatenate([np.zeros((2, NAMES)), signal[:-2]])  # Two days on.
    returns = 0.01 * (strength * lead + rng.normal(size=(DAYS, NAMES)))
    positions = np.clip(0.2 * (signal + rng.normal(size=(DAYS, NAMES))), -1, 1)
    traded = Market(jnp.asarray(returns, "f"), jnp.ones((DAYS, NAMES), bool))
    return jnp.asarray(positions, "f"), traded


def test_without_an_edge_most_books_stand_still_and_with_one_they_trade():
    quiet = planted(0.0, 99)[1]
    shares = [find(planted(0.0, seed)[0], quiet, 20.0).exposure for seed in range(8)]
    assert all(0 <= share <= 1 for share in shares)
    assert sum(share == 0 for share in shares) >= 6
    assert find(*planted(0.5), 0.0).exposure == 1


@pytest.mark.parametrize("rule", RULES)
def test_nothing_at_or_after_the_stop_is_read(rule):
    positions, market = planted(0.3)
    later = (jnp.arange(DAYS) >= KNOWN)[:, None]
    scrambled = Market(
        jnp.where(later, jnp.nan, market.returns), market.tradable ^ later
    )
    found = find(positions, market, 10.0, rule=rule)
    again = find(jnp.where(later, 7.0, positions), scrambled, 10.0, rule=rule)
    chex.assert_trees_all_equal(again, found)
    assert find(positions, market, 10.0, KNOWN - 10, rule=rule).unit != found.unit
    before = jnp.where(jnp.arange(DAYS)[:, None] == KNOWN - 1, -1.0, positions)
    assert find(before, market, 10.0, rule=rule).unit != found.unit


def test_what_all_names_share_is_no_evidence():
    positions, market = planted(0.08)
    shared = 0.05 * np.random.default_rng(5).normal(size=(DAYS, 1))
    moved = market._replace(returns=market.returns + jnp.asarray(shared, "f"))
    for rule in RULES:
        found, again = (find(positions, x, 20.0, rule=rule) for x in (market, moved))
        assert found.band == again.band
        np.testing.assert_allclose(again.exposure, found.exposure, atol=0.05)
    assert 0 < find(positions, market, 20.0).exposure < 1  # Or it could not move.


def net_of(rule, positions, market, config):
    """The net returns on known days of the book that follows a rule to its full."""
    weights, _ = pace.aims(positions, rule.unit, market, config)
    speed = pace.pace_of(rule.logit, rule.slope, rule.band, market)
    hedged = market._replace(returns=market.returns - market.returns.mean(1)[:, None])
    ledger = backtest.by_config(weights, hedged, config, pace=speed)
    return (ledger.gross - ledger.cost)[pace.BURN_IN : KNOWN]


def test_evidence_is_a_share_that_grows_with_the_t_statistic():
    positions, market = planted(0.15)
    measure = jax.jit(pace.partial_adjustment, static_argnames="config")
    unasked = configs.with_changes(FREE, {"pace.evidence": 0.0})
    whole = measure(positions, market, jnp.int32(KNOWN), config=unasked)
    assert whole.exposure == 1
    net = np.asarray(jax.jit(net_of, static_argnums=3)(whole, positions, market, FREE))
    statistic = float(net.mean() / net.std(ddof=1) * np.sqrt(len(net)))
    assert statistic > 0.5
    asked = configs.with_changes(FREE, {"pace.evidence": 2 * statistic})
    found = measure(positions, market, jnp.int32(KNOWN), config=asked)
    np.testing.assert_allclose(found.exposure, 0.5, rtol=1e-3)
    against = measure(-positions, market, jnp.int32(KNOWN), config=asked)
    assert against.exposure == 0


@jax.jit
def sharpe_of_bands(unit, positions, market, bps):
    """Trades every width from the target's edge at once; net Sharpe ratios a day."""
    config = configs.with_changes(FREE, {"backtest.half_spread_bps": bps})
    weights, _ = pace.aims(positions, unit, market, config)
    at_once = Pace(*(jnp.full((DAYS, NAMES), x) for x in (jnp.inf, 0.0, 0.0)))

    def sharpe(width):
        speed = at_once._replace(band=jnp.full((DAYS, NAMES), 1.0) * width / NAMES)
        returns = market.returns - market.returns.mean(1)[:, None]
        hedged = market._replace(returns=returns)
        ledger = backtest.by_config(weights, hedged, config, pace=speed)
        net = (ledger.gross - ledger.cost)[pace.BURN_IN : KNOWN]
        return net.mean() / net.std(ddof=1)

    return jax.lax.map(sharpe, jnp.array(pace.WIDTHS))


def test_a_band_is_the_best_of_those_tried_and_wider_where_trading_is_dear():
    positions, market = planted(0.3)
    chosen = []
    for bps in (0.0, 60.0):
        found = find(positions, market, bps, rule="band")
        tried = sharpe_of_bands(found.unit, positions, market, bps)
        assert found.band == pace.WIDTHS[int(tried.argmax())]
        assert found.exposure == 1 and found.logit == np.inf and found.slope == 0
        chosen.append(found.band)
    assert chosen[1] > chosen[0]
