"""Bits against their two outcomes, and picks against look-ups."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thesis_rl import policy

LOGITS = jnp.array([-40.0, -3.0, -0.2, 0.0, 1.5, 40.0])


def test_softplus_and_its_gradient():
    x = np.array(LOGITS, np.float64)
    np.testing.assert_allclose(policy.softplus(LOGITS), np.logaddexp(x, 0), atol=1e-6)
    gradient = jax.vmap(jax.grad(policy.softplus))(LOGITS)
    np.testing.assert_allclose(gradient, 1 / (1 + np.exp(-x)), rtol=1e-6)


def test_curvature_of_softplus_is_the_variance_of_the_bit():
    second = jax.vmap(jax.grad(jax.grad(policy.softplus)))(LOGITS)
    p = 1 / (1 + np.exp(-np.array(LOGITS, np.float64)))
    np.testing.assert_allclose(second, p * (1 - p), atol=1e-7)


@pytest.mark.parametrize("other", [-2.0, 0.5])
def test_entropy_and_divergence_sum_over_both_outcomes(other):
    p, q = (1 / (1 + np.exp(-np.array(x, np.float64))) for x in (LOGITS[1:5], other))
    outcomes = np.stack([p, 1 - p])
    expected = -np.sum(outcomes * np.log(outcomes), axis=0)
    np.testing.assert_allclose(policy.bit_entropy(LOGITS[1:5]), expected, atol=1e-6)
    ratio = np.log(outcomes) - np.log([[q], [1 - q]])
    expected = np.sum(outcomes * ratio, axis=0)
    np.testing.assert_allclose(policy.bit_kl(LOGITS[1:5], other), expected, atol=1e-6)


def test_certain_bits_have_finite_gradients():
    certain = jnp.array([-1e4, 1e4])
    for fn in (policy.softplus, policy.bit_entropy, lambda x: policy.bit_kl(x, 0.3)):
        assert jnp.isfinite(jax.vmap(jax.value_and_grad(fn))(certain)[1]).all()


def test_picks_are_look_ups_for_one_index_or_many():
    rng = np.random.default_rng(0)
    one, each = rng.normal(size=5), rng.normal(size=(5, 7))
    index = rng.integers(0, 5, 7)
    few, many = (jnp.asarray(x, jnp.float32) for x in (one, each))
    assert policy.pick(few, jnp.int32(3)) == few[3]
    np.testing.assert_array_equal(policy.pick(few, index), few[index])
    np.testing.assert_array_equal(policy.pick(many, index), many[index, np.arange(7)])
