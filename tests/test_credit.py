"""Estimators over paths and books: their mean by enumeration, and their variance."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems

from thesis_rl import credit, orders, paths, trader
from thesis_rl.types import Market

L, N, FILLED = 5, 2, 3  # Decisions of the last two days are never filled.
BURN_IN, EXPLORATION = 3, 0.8
RULE = {"logit": jnp.float32(-0.4), "slope": jnp.float32(0.7)}
SETTINGS = {
    "path.exploration": EXPLORATION,
    "path.burn_in": BURN_IN,  # The first fill is not rewarded, what it leads to is.
    "path.risk_aversion": 2.0,
    "path.band": 0.02,
    "backtest.book": "long_short",
    "backtest.borrow_rate": 0.3,
    "backtest.half_spread_bps": 40.0,
}
TAIL = {"path.risk": "tail", "path.flip_penalty": 0.5}
FALL = {"path.drawdown_penalty": 0.7, "path.flip_penalty": 0.5}
PROBLEMS = [
    ("path", "shared", {}),
    ("path", "to_go", {}),
    ("book", "shared", {}),
    ("book", "to_go", {}),
    ("book", "leave_one_out", {}),
    ("path", "to_go", TAIL),
    ("book", "leave_one_out", TAIL),
    ("path", "shared", FALL),
    ("book", "to_go", FALL),
    ("book", "leave_one_out", FALL),
]


def market(returns) -> Market:
    """Makes a market in which trading has an impact."""
    returns = jnp.asarray(returns, jnp.float32)
    known = jnp.ones_like(returns)
    quoted = jnp.ones(returns.shape, bool)
    return Market(returns, quoted, dollar_volume=1e7 * known, volatility=0.02 * known)


# Large enough for weights to drift, and in favour of the targets on most days.
MARKET = market([[0, 0], [0, 0], [0.1, -0.05], [-0.12, 0.08], [0.1, -0.04]])
WEIGHTS = jnp.array([[0.4, -0.3], [-0.4, 0.3], [0.3, 0.2], [0.0, 0.0], [0.0, 0.0]])


def every_noise(nodes, num_days=L, num_filled=FILLED, num_names=N) -> np.ndarray:
    """Lists all that the filled actions may draw, [X, L, N], of these deviations."""
    drawn = list(itertools.product(nodes, repeat=num_filled * num_names))
    noise = EXPLORATION * np.reshape(drawn, (-1, num_filled, num_names))
    return np.pad(noise, ((0, 0), (0, num_days - num_filled), (0, 0))).astype("f")


@functools.partial(jax.jit, static_argnames="config")
def traded(noise, weights, market, config):
    """Trades each of X draws: books, and scores [X, L, N] by name of the rule."""
    stage, lag = config.path, paths.first_line(config)

    def one(noise):
        logit = RULE["logit"] + noise
        pace = orders.pace_of(logit, RULE["slope"], jnp.float32(stage.band), market)
        return paths.contributions(weights, pace, market, config)

    def scores(noise, gap):
        chance = lambda rule: trader.log_prob(rule, noise, gap, stage.exploration)  # noqa: E731
        return jax.jacfwd(chance)(RULE)

    books = jax.vmap(one)(noise)
    gap = trader.gaps(books.weights, weights, market, lag)
    return books, jax.vmap(scores)(noise, gap)


@functools.partial(jax.jit, static_argnames="config")
def credits(books, samples, unit, config):
    """Credits the actions of every group of K books, [groups, K, L, N]."""
    stage = config.path

    def one(sample):
        group = paths.rewarded(jax.tree.map(lambda x: x[sample], books), stage.burn_in)
        return credit.advantages(group, unit, stage, paths.first_line(config))

    return jax.vmap(one)(samples)


@functools.partial(jax.jit, static_argnames="config")
def estimates(noise, weights, market, config):
    """Estimates the gradient, summed over days, from each of X groups [X, K, L, N]."""
    grad = jax.grad(trader.sampled_loss, has_aux=True)
    stretch = jax.tree.map(lambda x: x[None], (weights, market))
    each = lambda noise: grad(RULE, noise[None], *stretch, config)[0]  # noqa: E731
    return jax.tree.map(lambda x: -x * len(weights), jax.vmap(each)(noise))


def utilities(books, unit, stage) -> np.ndarray:
    """Values X books on their rewarded days, by the formulas and without JAX."""
    gross, net, weights = (np.array(x, np.float64)[:, stage.burn_in :] for x in books)
    flips = (weights[:, 1:] * weights[:, :-1] < 0).mean(2).sum(1)
    if stage.reward == "book":
        gross, net = gross.sum(2, keepdims=True), net.sum(2, keepdims=True)
    value, days = net.sum(1), gross.shape[1]
    if stage.risk == "variance":
        value -= 0.5 * float(unit.risk_price) * (gross**2).sum(1)
    else:  # The worst tenth of the few days is the worst one.
        value += days * float(unit.risk_price) * gross.min(1)
    wealth = np.pad(np.cumsum(net, 1), ((0, 0), (1, 0), (0, 0)))
    fall = (np.maximum.accumulate(wealth, 1) - wealth).max(1)
    value -= stage.drawdown_penalty * fall
    return value.sum(1) / float(unit.sd) - stage.flip_penalty * flips


def configured(reward, how, changes=None):
    named = {"path.reward": reward, "path.credit": how}
    return small_problems.config(SETTINGS | named | (changes or {}))


SCALE = jax.jit(credit.scale, static_argnames=("config", "burn_in"))


def groups_of(num: int, size: int) -> np.ndarray:
    """Lists every draw of `size` samples from `num`, [groups, size]."""
    return np.indices((num,) * size).reshape(size, -1).T


@pytest.fixture(scope="module")
def every_book():
    """The rule's own book, and those of every draw of ±1 standard deviation.

    That draws have the mean 0 is what baselines rest on.
    """
    noise = np.pad(every_noise([-1.0, 1.0]), ((1, 0), (0, 0), (0, 0)))
    found = traded(noise, WEIGHTS, MARKET, configured("path", "to_go"))
    own, _ = jax.tree.map(lambda x: x[:1], found)
    return own, *jax.tree.map(lambda x: x[1:], found)


@pytest.mark.parametrize("reward, how, changes", PROBLEMS)
def test_mean_over_every_pair_of_paths_is_the_gradient(
    every_book, reward, how, changes
):
    """The exact gradient is Σ p(x) U(x) ∇ log p(x), with U by other formulas."""
    config = configured(reward, how, changes)
    own, books, scores = every_book
    unit = SCALE(own, config.path, BURN_IN)
    assert unit.risk_price > 0
    value = utilities(books, unit, config.path)
    pairs = groups_of(len(value), 2)
    credited = np.asarray(credits(books, pairs, unit, config), np.float64)
    for score in scores.values():
        score = np.asarray(score, np.float64)
        exact = (value * score.sum((1, 2))).mean()
        assert abs(exact) > 0.01  # Or anything would do.
        mean = (credited * score[pairs]).sum((1, 2, 3)).mean() / 2
        np.testing.assert_allclose(mean, exact, rtol=1e-4, atol=1e-6)


def test_mean_over_every_trio_is_the_gradient_too():
    """With three samples the one that stands in for a name is not the only other."""
    config = configured("book", "leave_one_out", {"path.burn_in": 2})
    weights, three = jax.tree.map(lambda x: x[2:], (WEIGHTS, MARKET))
    books, scores = traded(every_noise([-1.0, 1.0], 3, 1), weights, three, config)
    unit = credit.Scale(jnp.float32(0.02), jnp.float32(3.0))
    value = utilities(books, unit, config.path)
    trios = groups_of(len(value), 3)
    credited = np.asarray(credits(books, trios, unit, config))
    for score in scores.values():
        exact = (value * np.asarray(score).sum((1, 2))).mean()
        assert abs(exact) > 0.01
        mean = (credited * np.asarray(score)[trios]).sum((1, 2, 3)).mean() / 3
        np.testing.assert_allclose(mean, exact, rtol=1e-4)


def test_the_loss_is_the_mean_of_scores_times_credits(every_book):
    """What is differentiated is what was enumerated, a day and stretch."""
    config = configured("book", "leave_one_out")
    noise = every_noise([-1.0, 1.0])
    own, books, scores = every_book
    unit = SCALE(own, config.path, BURN_IN)
    pairs = groups_of(len(noise), 2)[::37]
    credited = credits(books, pairs, unit, config)
    found = estimates(noise[pairs], WEIGHTS, MARKET, config)
    for name, score in scores.items():
        expected = (credited * score[pairs]).sum((1, 2, 3)) / 2
        np.testing.assert_allclose(found[name], expected, rtol=1e-3, atol=1e-4)


@functools.partial(jax.jit, static_argnames="config")
def smoothed(noise, chances, config):
    """Goes two ways to the gradient of E[U]: by its value, and by its scores."""
    weights, one = WEIGHTS[:4, :1], jax.tree.map(lambda x: x[1:, :1], MARKET)
    unit = credit.Scale(jnp.float32(0.02), jnp.float32(5.0))

    def trade(rule, noise):
        free = jnp.zeros(())  # A band has a corner, where no quadrature is exact.
        pace = orders.pace_of(rule["logit"] + noise, rule["slope"], free, one)
        return paths.contributions(weights, pace, one, config)

    def value(rule):
        book = jax.vmap(trade, (None, 0))(rule, noise)
        daily = credit.daily_utility(book.gross, book.net, unit, config.path)
        worth = daily.sum((1, 2))
        return jnp.sum(chances * worth), (book.weights, worth)

    by_value, (held, worth) = jax.grad(value, has_aux=True)(RULE)
    gap = trader.gaps(held, weights, one, paths.first_line(config))

    def scored(rule):
        chance = trader.log_prob(rule, noise, gap, EXPLORATION).sum((1, 2))
        return jnp.sum(chances * worth * chance)

    return by_value, jax.grad(scored)(RULE)


def test_scores_give_the_slope_of_the_expected_utility():
    """Under normal noise E[U ∇ log p] = ∇ E[U], if each score meets its own gap."""
    nodes, chances = np.polynomial.hermite_e.hermegauss(9)
    noise = every_noise(nodes, num_days=4, num_filled=2, num_names=1)
    chances = np.outer(chances, chances).ravel() / chances.sum() ** 2
    config = configured("path", "to_go")
    by_value, by_score = smoothed(noise, jnp.asarray(chances, jnp.float32), config)
    for name in RULE:
        assert abs(by_value[name]) > 0.01
        np.testing.assert_allclose(by_score[name], by_value[name], rtol=1e-3)


def variances(num_names, reward, hows, num_pairs=300, num_days=12):
    """Sums the variance of logit and slope in a pair's estimate, by kind of credit."""
    rng = np.random.default_rng(0)
    drawn = market(rng.normal(0, 0.02, (num_days, num_names)))
    sides = rng.choice([-1.0, 1.0], (1, num_names)) * np.ones((num_days, 1))
    noise = EXPLORATION * rng.normal(size=(2 * num_pairs, num_days, num_names))
    noise, weights = (x.astype(np.float32) for x in (noise, sides / num_names))
    pairs, found = np.arange(2 * num_pairs).reshape(-1, 2), []
    unit = credit.Scale(jnp.float32(0.02 / num_names**0.5), jnp.float32(3.0))
    for how in hows:
        config = configured(reward, how)
        books, scores = traded(noise, weights, drawn, configured(reward, hows[0]))
        credited = credits(books, pairs, unit, config)
        each = [(credited * x[pairs]).sum((1, 2, 3)) / 2 for x in scores.values()]
        found.append(sum(float(np.var(x)) for x in each))
    return np.array(found)


def test_a_name_that_answers_for_itself_keeps_its_variance_as_names_are_added():
    """That of the naive estimator is 1.5, 10 and 43 times as large."""
    hows = ("shared", "leave_one_out")
    shared, alone = np.transpose([variances(n, "book", hows) for n in (2, 8, 32)])
    assert np.all(shared > np.array([1.2, 5.0, 20.0]) * alone)
    assert shared[2] > 8 * shared[0]
    assert alone[2] < 2 * alone[0]


def test_days_before_an_action_are_not_its_doing():
    shared, to_go = variances(4, "path", ("shared", "to_go"))
    assert to_go < 0.7 * shared
