"""A trader learns what trading costs, and when to stand still; so does a band."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems

from thesis_rl import bands, execution, orders, paths, trader, training
from thesis_rl.pacing import Pace
from thesis_rl.types import Market

T, N, STOP = 200, 6, 150
CONFIG = small_problems.config(
    {
        "path.num_steps": 40,
        "path.num_days": 20,
        "path.burn_in": 5,
        "path.prior_days": 5.0,
        "path.peak_lr": 0.2,
        "path.logit": -1.0,
        "backtest.commission_bps": 0.0,
        "backtest.impact_coefficient": 0.0,
    }
)


@functools.partial(jax.jit, static_argnames="rule")
def fit(key, positions, market, bps, stop, rule="learned"):
    config = training.with_changes(CONFIG, {"backtest.half_spread_bps": bps})
    return execution.RULES[rule](key, positions, market, jnp.int32(stop), config)


@functools.partial(jax.jit, static_argnames="rule")
def fit_many(keys, positions, market, bps, rule="learned"):
    each = lambda key, x, bps: fit(key, x, market, bps, STOP, rule=rule)[0]  # noqa: E731
    return jax.vmap(each)(keys, positions, bps)


def market(strength, seed=0):
    """Draws returns, and noisy forecasts of a part of them that stays for weeks."""
    rng = np.random.default_rng(seed)
    signal, shock = np.zeros((T, N)), rng.normal(size=(T, N))
    for day in range(1, T):
        signal[day] = 0.9 * signal[day - 1] + 0.19**0.5 * shock[day]
    lead = np.concatenate([np.zeros((2, N)), signal[:-2]])  # Decided, filled, earned.
    returns = 0.01 * (strength * lead + rng.normal(size=(T, N)))
    positions = np.clip(0.2 * (signal + rng.normal(size=(T, N))), -1, 1)
    traded = Market(jnp.asarray(returns, "f"), jnp.ones((T, N), bool))
    return jnp.asarray(positions, "f"), traded


def share(found, gap=0.5):
    return jax.nn.sigmoid(found.logit + found.slope * gap)


def test_what_trading_costs_is_learnt():
    positions, planted = market(0.5)
    keys, both = jax.random.split(jax.random.key(0), 3), jnp.array([0.0, 60.0])
    twice = jax.tree.map(lambda x: jnp.tile(x[None], (6, *[1] * x.ndim)), positions)
    keys = jnp.concatenate([keys, jax.random.clone(keys)])
    found = fit_many(keys, twice, planted, jnp.repeat(both, 3))
    free, dear = share(found).reshape(2, 3)
    start = jax.nn.sigmoid(-1.0 + 1.0 * 0.5)
    assert np.all(dear < 0.6 * free) and np.all(free > start) and np.all(dear < start)
    assert np.all(found.exposure[:3] == 1.0)


def test_without_an_edge_most_traders_stand_still_and_none_takes_it_for_one():
    drawn = [market(0.0, seed) for seed in range(8)]
    positions = jnp.stack([x for x, _ in drawn])
    keys = jax.random.split(jax.random.key(0), 8)
    found = fit_many(keys, positions, market(0.0, 99)[1], jnp.full(8, 20.0))
    assert np.all((found.exposure >= 0) & (found.exposure <= 1))
    assert np.sum(found.exposure == 0) >= 6


@pytest.mark.parametrize("rule", execution.RULES)
def test_nothing_at_or_after_the_stop_is_read(rule):
    positions, planted = market(0.3)
    later = (jnp.arange(T) >= STOP)[:, None]
    scrambled = Market(
        jnp.where(later, jnp.nan, planted.returns), planted.tradable ^ later
    )
    key = functools.partial(jax.random.key, 3)
    found = fit(key(), positions, planted, 10.0, STOP, rule=rule)
    again = fit(
        key(), jnp.where(later, 7.0, positions), scrambled, 10.0, STOP, rule=rule
    )
    chex.assert_trees_all_equal(again, found)
    sooner = fit(key(), positions, planted, 10.0, STOP - 10, rule=rule)
    assert sooner[0].unit != found[0].unit
    before = jnp.where(jnp.arange(T)[:, None] == STOP - 1, -1.0, positions)
    assert fit(key(), before, planted, 10.0, STOP, rule=rule)[0].unit != found[0].unit


def test_evidence_is_a_share_that_grows_with_the_t_statistic():
    positions, planted = market(0.15)
    stop = jnp.int32(STOP)
    unit = orders.full_position(positions, planted, stop)
    weights, _ = orders.aims(positions, unit, planted, CONFIG)
    rule = fit(jax.random.key(0), positions, planted, 0.0, STOP)[0]
    net_returns = jax.jit(paths.net_returns, static_argnames="config")
    net = np.asarray(net_returns(rule, weights, planted, CONFIG))
    net = net[CONFIG.path.burn_in : STOP]
    statistic = float(net.mean() / net.std(ddof=1) * np.sqrt(len(net)))
    assert statistic > 0.5
    config = training.with_changes(CONFIG, {"path.evidence": 2 * statistic})
    measure = jax.jit(trader.evidence, static_argnames="config")
    found = measure(rule, weights, planted, stop, config=config)
    np.testing.assert_allclose(found, 0.5, rtol=1e-3)
    assert measure(rule, -weights, planted, stop, config=config) == 0.0
    unasked = training.with_changes(CONFIG, {"path.evidence": 0.0})
    assert measure(rule, -weights, planted, stop, config=unasked) == 1.0


@jax.jit
def sharpe_of_bands(unit, positions, market, bps):
    """Trades every width from the target's edge at once; net Sharpe ratios a day."""
    config = training.with_changes(CONFIG, {"backtest.half_spread_bps": bps})
    weights, _ = orders.aims(positions, unit, market, config)
    relative = paths.hedged(market, config)
    at_once = Pace(*(jnp.full((T, N), x) for x in (jnp.inf, 0.0, 0.0)))

    def sharpe(width):
        pace = at_once._replace(band=jnp.full((T, N), 1.0) * width / N)
        net = paths.contributions(weights, pace, relative, config).net.sum(-1)
        net = net[config.path.burn_in : STOP]
        return net.mean() / net.std(ddof=1)

    return jax.lax.map(sharpe, jnp.array(bands.WIDTHS))


def test_a_band_is_the_best_of_those_tried_and_wider_where_trading_is_dear():
    positions, planted = market(0.3)
    chosen = []
    for bps in (0.0, 60.0):
        found, _ = fit(jax.random.key(0), positions, planted, bps, STOP, rule="band")
        tried = sharpe_of_bands(found.unit, positions, planted, bps)
        assert found.band == bands.WIDTHS[int(tried.argmax())]
        assert found.exposure == 1 and found.logit == np.inf and found.slope == 0
        chosen.append(found.band)
    assert chosen[1] > chosen[0]
