"""A path pays what the backtest charges, name by name."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems
from plain_backtest import random_market

from thesis_rl import orders, paths, trading
from thesis_rl.paths import Contributions

RATES = {
    "backtest.commission_bps": 5.0,
    "backtest.half_spread_bps": 20.0,
    "backtest.borrow_rate": 0.1,
    "backtest.capital": 1e7,
    "backtest.participation_cap": 0.05,
}
CONFIG = small_problems.config(RATES)
T, N = 60, 3
MARKET = random_market(T, N)
CONTRIBUTIONS = jax.jit(paths.contributions, static_argnames="config")
SIMULATE = jax.jit(trading.simulate, static_argnames="config")
CHARGES = {
    "commission": ("commission_bps",),
    "spread": ("half_spread_bps",),
    "impact": ("impact_coefficient",),
    "borrow": ("borrow_rate",),
    "all": (),
}


def targets(size=0.5, num_names=N, seed=1):
    """Draws slow positions on both sides."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(T, num_names)).cumsum(0)
    return jnp.asarray(size * np.sin(steps / 3), jnp.float32)


def pace(market=MARKET):
    logit, slope, band = (jnp.float32(x) for x in (-0.5, 0.5, 0.02))
    return orders.pace_of(logit, slope, band, market)


@pytest.mark.parametrize("charged", CHARGES)
@pytest.mark.parametrize("fill", ["close", "open"])
def test_one_name_pays_what_its_book_pays(charged, fill):
    left = set(sum(CHARGES.values(), ())) - set(CHARGES[charged])
    off = {f"backtest.{name}": 0.0 for name in left if CHARGES[charged]}
    config = small_problems.config(RATES | off | {"backtest.fill": fill})
    one = lambda x: x if x.ndim == 1 else x[:, 1:2]  # noqa: E731
    weights, market, rule = jax.tree.map(one, (targets(), MARKET, pace()))
    found = CONTRIBUTIONS(weights, rule, market, config)
    ledger = SIMULATE(weights, market, config, pace=rule)
    assert ledger.cost.sum() > 1e-3
    np.testing.assert_allclose(found.gross[:, 0], ledger.gross, atol=1e-7)
    np.testing.assert_allclose(found.net[:, 0], ledger.net, atol=1e-7)
    np.testing.assert_allclose(found.weights, ledger.weights, atol=1e-7)


@pytest.mark.parametrize("fill", ["close", "open"])
def test_names_of_a_small_book_add_up_to_it(fill):
    config = small_problems.config(RATES | {"backtest.fill": fill})
    weights = targets(0.01)
    apart = CONTRIBUTIONS(weights, pace(), MARKET, config)
    joint = SIMULATE(weights, MARKET, config, pace=pace())
    assert joint.cost.max() > 3e-6
    np.testing.assert_allclose(apart.gross.sum(-1), joint.gross, atol=3e-6)
    cost = (apart.gross - apart.net).sum(-1)
    np.testing.assert_allclose(cost, joint.cost, rtol=0.03, atol=2e-8)
    assert np.abs(apart.gross).sum(-1).max() > 5e-5


def test_a_share_of_the_costs_is_charged_and_trades_the_same():
    full, half, free = (
        CONTRIBUTIONS(targets(), pace(), MARKET, CONFIG, jnp.float32(share))
        for share in (1.0, 0.5, 0.0)
    )
    plain = CONTRIBUTIONS(targets(), pace(), MARKET, CONFIG)
    chex.assert_trees_all_close(full, plain, atol=1e-7)
    np.testing.assert_array_equal(half.weights, full.weights)
    paid = full.gross - full.net
    np.testing.assert_allclose(half.gross - half.net, paid / 2, rtol=1e-3, atol=1e-7)
    np.testing.assert_array_equal(free.net, free.gross)
    assert paid.max() > 1e-3


def test_names_do_not_meet():
    other = targets().at[:, 0].multiply(-2.0)
    first, second = (
        CONTRIBUTIONS(x, pace(), MARKET, CONFIG) for x in (targets(), other)
    )
    for x, y in zip(first, second, strict=True):
        np.testing.assert_array_equal(x[:, 1:], y[:, 1:])
        assert np.any(x[:, 0] != y[:, 0])


def test_a_neutral_book_earns_the_same_of_hedged_returns():
    config = small_problems.config({"backtest.book": "dollar_neutral"})
    hedged = paths.hedged(MARKET, config)
    count = np.asarray(MARKET.tradable).sum(-1)
    mean = np.asarray(hedged.returns).sum(-1, where=np.asarray(MARKET.tradable))
    np.testing.assert_allclose(mean[count > 0], 0.0, atol=1e-7)
    opened = np.asarray(MARKET.tradable & jnp.isfinite(MARKET.open_to_close))
    session = np.asarray(hedged.open_to_close).sum(-1, where=opened)
    np.testing.assert_allclose(session, 0.0, atol=1e-7)
    untouched = paths.hedged(
        MARKET, small_problems.config({"backtest.book": "long_only"})
    )
    assert untouched is MARKET


def test_what_a_fill_finds_is_where_the_fill_before_has_drifted_to():
    """A rule that never trades after the first day keeps what it finds."""
    market = MARKET._replace(tradable=jnp.ones((T, N), bool), delisted=None)
    market = market._replace(dollar_volume=None)
    band = jnp.where(jnp.arange(T)[:, None] > 3, 9.0, 0.0)
    rule = orders.pace_of(jnp.float32(jnp.inf), jnp.float32(0), band, market)
    held = CONTRIBUTIONS(targets(), rule, market, CONFIG).weights
    before = paths.held_before(market, held)
    np.testing.assert_allclose(before[6:], held[6:], rtol=1e-5)
    assert np.all(abs(held[6:]).max(0) > 0) and not before[0].any()


def test_the_first_days_of_a_path_are_blank():
    ones = jnp.ones((2, 3, 5, 4))
    book = paths.rewarded(Contributions(ones, 2 * ones, 3 * ones), 2)
    for i, x in enumerate(book):
        np.testing.assert_array_equal(x[:, :, :2], 0.0)
        np.testing.assert_array_equal(x[:, :, 2:], i + 1.0)


def test_moments_are_those_of_the_days_between():
    returns = jnp.asarray(np.random.default_rng(0).normal(size=30), jnp.float32)
    mean, sd, count = paths.moments(returns, 4, jnp.int32(20))
    kept = np.asarray(returns)[4:20]
    np.testing.assert_allclose([mean, sd], [kept.mean(), kept.std(ddof=1)], rtol=1e-5)
    assert count == 16
    idle = paths.moments(jnp.zeros(30), 4, jnp.int32(2))
    assert idle[0] == 0 and idle[1] > 0
