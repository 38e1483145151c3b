"""Shares of a decision: complete, and exact where they can be."""

import itertools
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems

from thesis_rl import policy
from thesis_rl.learning import network, preprocess
from thesis_rl.learning.preprocess import Scaler
from thesis_rl.runs import predict as predict_lib
from thesis_rl.runs.predict import integrated_gradients
from thesis_rl.thesis.vocabulary import DECISION_POSITIONS

D = small_problems.NUM_FEATURES
CONFIG = small_problems.config({"model.hidden": (16, 16)})


def numbers(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def shapley(fn, inputs, baseline):
    """Averages each input's marginal effect over all orders of arrival."""
    fn, size = jax.jit(fn), len(inputs)
    shares = np.zeros(size)
    for i in range(size):
        others = [j for j in range(size) if j != i]
        for count in range(size):
            weight = math.factorial(count) * math.factorial(size - count - 1)
            for chosen in itertools.combinations(others, count):
                without = np.isin(np.arange(size), chosen)
                value = [
                    fn(jnp.where(mask, inputs, baseline))
                    for mask in (without | (np.arange(size) == i), without)
                ]
                shares[i] += weight * float(value[0] - value[1])
    return shares / math.factorial(size)


def test_linear_functions_are_shared_exactly():
    weights, inputs, baseline = numbers(3, 6)
    shares = integrated_gradients(lambda x: weights @ x + 3.0, inputs, baseline, 1)
    np.testing.assert_allclose(shares, weights * (inputs - baseline), rtol=1e-5)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: jnp.sin(x[0]) + x[1] ** 3 + jnp.tanh(2 * x[2]) - x[3],
        lambda x: x[0] * x[1] - 2 * x[2] * x[3],
    ],
    ids=["additive", "products of pairs"],
)
def test_shares_are_the_shapley_values(fn):
    inputs, origin = numbers(4), jnp.zeros(4)
    shares = integrated_gradients(fn, inputs, origin)
    np.testing.assert_allclose(shares, shapley(fn, inputs, origin), atol=1e-3)


def test_where_inputs_interact_unequally_the_two_ways_of_sharing_differ():
    fn, inputs = (lambda x: x[0] ** 2 * x[1]), jnp.ones(2)
    shares = integrated_gradients(fn, inputs, jnp.zeros(2))
    np.testing.assert_allclose(shares, [2 / 3, 1 / 3], atol=1e-3)
    np.testing.assert_allclose(shapley(fn, inputs, jnp.zeros(2)), [0.5, 0.5])


def test_more_steps_come_closer_to_completeness():
    fn, inputs = (lambda x: jnp.sum(jnp.exp(x))), 3 * numbers(4)
    change = fn(inputs) - fn(jnp.zeros(4))
    error = [
        abs(integrated_gradients(fn, inputs, jnp.zeros(4), n).sum() - change)
        for n in (4, 16, 64)
    ]
    assert error[0] > 10 * error[1] > 50 * error[2]


@pytest.fixture(scope="module")
def explained():
    """One row's features, and what an ensemble of three says of it."""
    model = policy.make_model(CONFIG)
    keys = jax.random.split(jax.random.key(0), 3)
    params = jax.vmap(model.init, in_axes=(0, None))(keys, jnp.zeros(2 * D))
    params = jax.tree.map(lambda x: 2 * x, params)
    scaler = Scaler(numbers(D), jnp.array([1.0, 0.5, 2.0, 0.0]), jnp.zeros(4))
    features, available = numbers(D, seed=4), jnp.array([True, True, False, False])
    explain = jax.jit(predict_lib.explain, static_argnames="config")
    said = explain(params, features, available, scaler, config=CONFIG)
    return params, features, available, scaler, said


def test_shares_of_a_network_are_complete(explained):
    forecasts, shares, plain = explained[-1]
    position = forecasts.decision @ jnp.array(DECISION_POSITIONS)
    assert abs(position - plain) > 0.05
    assert shares.sum() == pytest.approx(float(position - plain), abs=1e-3)


def test_the_ensemble_is_the_mean_of_what_its_seeds_forecast(explained):
    params, features, available, scaler, (forecasts, *_) = explained
    panel = small_problems.noise_panel(4, 1)._replace(
        features=jnp.tile(features, (4, 1, 1)),
        available=jnp.tile(available, (4, 1, 1)),
    )
    config = small_problems.config({"model.hidden": (16, 16)})
    predict = jax.jit(network.predict, static_argnames=("num_days", "config"))
    single = [
        predict(jax.tree.map(lambda x, i=i: x[i], params), panel, scaler, 2, 1, config)
        for i in range(3)
    ]
    mean = jax.tree.map(lambda *x: jnp.stack(x).mean(0)[0, 0], *single)
    chex.assert_trees_all_close(forecasts, mean, rtol=1e-5, atol=1e-6)


def test_only_what_training_showed_the_decision_has_a_share(explained):
    _, shares, _ = explained[-1]
    moved = dict(zip(small_problems.FEATURES, jnp.abs(shares) > 1e-3, strict=True))
    # vol reaches the decision as vol_rel alone; rsi never varied in training.
    assert moved == {"mom10": True, "vol": False, "vol_rel": True, "rsi": False}
    assert shares[1] == shares[3] == 0.0


def test_the_plain_row_is_the_training_mean_with_everything_present(explained):
    _, features, available, scaler, _ = explained
    inputs = preprocess.inputs(features, available, scaler)
    plain = predict_lib.plain_row(inputs, scaler)
    all_present = available.at[:3].set(True)
    expected = preprocess.inputs(scaler.mean, all_present, scaler)
    np.testing.assert_array_equal(plain, expected)


def test_a_missing_flag_counts_for_its_feature():
    np.testing.assert_array_equal(
        predict_lib.by_feature(jnp.array([1.0, 2.0, 3.0, 10.0, 20.0, 30.0])),
        [11.0, 22.0, 33.0],
    )
