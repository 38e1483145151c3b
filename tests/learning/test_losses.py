"""Losses against closed forms, estimators against the exact gradient.

The expectation over groups of K theses is summed over every group, so that nothing
here is a matter of luck.
"""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems
from ml_collections import FrozenConfigDict

from experiments import rft
from thesis_rl import policy
from thesis_rl.learning import losses, rewards

WEIGHTS = jnp.array([0.2, 0.3, 0.5])
SIZES = {2: (2, 2), 3: (1, 2), 4: (1, 1)}  # K: sections, claims; K^theses groups.
LOG_PROBS = jax.jit(jax.vmap(policy.log_prob, in_axes=(None, 0)))


ESTIMATORS = [
    losses.pairwise,
    losses.rloo,
    losses.headwise_rloo,
    losses.dr_grpo,
    losses.grpo,
]


def reward_config(validity_share=0.0):
    config = rft.get_config("smoke")
    config.reward.validity_share = validity_share
    return FrozenConfigDict(config)


def hindsight(num_claims):
    known = [True] * num_claims
    known[-1] = num_claims == 1  # The last of several claims cannot be checked.
    return small_problems.row([True] + [False] * (num_claims - 1), known)


def exact_gradient(num_samples, config):
    """The negated gradient of the expected reward, in closed form."""
    sizes = SIZES[num_samples]
    row = hindsight(sizes[1])
    mean = lambda x: -WEIGHTS @ rewards.expected_parts(x, row, config)  # noqa: E731
    return jax.device_get(jax.jit(jax.grad(mean))(small_problems.logits(*sizes)))


@functools.cache
def every_group(num_samples, config):
    """Lists all groups of K theses: indices [G, K], values [G, K, 3] and law [G]."""
    sizes = SIZES[num_samples]
    theses = small_problems.every_thesis(*sizes)
    parts = jax.vmap(rewards.parts, in_axes=(0, None, None))
    values = jax.jit(parts, static_argnums=2)(theses, hindsight(sizes[1]), config)
    values = values * WEIGHTS[None, :]
    p = jnp.exp(LOG_PROBS(small_problems.logits(*sizes), theses).sum(-1))
    groups = np.indices([theses.decision.size] * num_samples)
    groups = jnp.array(groups.reshape(num_samples, -1).T)
    return theses, groups, values[groups], p[groups].prod(-1)


@functools.cache
def mean_gradients(num_samples, config):
    """Averages each estimator's gradient over all groups, by their probability."""
    theses, groups, values, law = every_group(num_samples, config)
    estimators = [e for e in ESTIMATORS if num_samples == 2 or e is not losses.pairwise]

    def mean_losses(logits):
        log_probs = LOG_PROBS(logits, theses)[groups]
        return jnp.stack([law @ jax.vmap(e)(log_probs, values) for e in estimators])

    logits = small_problems.logits(*SIZES[num_samples])
    jacobian = jax.device_get(jax.jit(jax.jacrev(mean_losses))(logits))
    return {
        estimator: jax.tree.map(lambda x, i=i: x[i], jacobian)
        for i, estimator in enumerate(estimators)
    }


@pytest.mark.parametrize(
    "estimator, num_samples, share",
    [
        (losses.pairwise, 2, 1),
        (losses.rloo, 2, 1),
        (losses.rloo, 3, 1),
        (losses.rloo, 4, 1),
        (losses.headwise_rloo, 2, 1),
        (losses.headwise_rloo, 4, 1),
        (losses.dr_grpo, 2, 1 / 2),
        (losses.dr_grpo, 3, 2 / 3),
        (losses.dr_grpo, 4, 3 / 4),
    ],
)
def test_estimator_means_are_the_exact_gradient(estimator, num_samples, share):
    config = reward_config()
    exact = exact_gradient(num_samples, config)
    assert all(abs(head).max() > 1e-2 for head in jax.tree.leaves(exact))
    chex.assert_trees_all_close(
        mean_gradients(num_samples, config)[estimator],
        jax.tree.map(lambda x: np.float32(share) * x, exact),
        rtol=1e-3,
        atol=2e-6,
    )


def enumerated_gradient(num_samples, config):
    """The gradient of minus the mean reward, summed over every thesis."""
    sizes = SIZES[num_samples]
    theses = small_problems.every_thesis(*sizes)
    parts = jax.vmap(rewards.parts, in_axes=(0, None, None))
    values = parts(theses, hindsight(sizes[1]), config) @ WEIGHTS

    def loss(logits):
        return -jnp.exp(LOG_PROBS(logits, theses).sum(-1)) @ values

    return jax.jit(jax.grad(loss))(small_problems.logits(*sizes))


@pytest.mark.parametrize(
    "estimator, unbiased",
    [
        (losses.pairwise, True),
        (losses.rloo, True),
        (losses.headwise_rloo, False),  # Validity couples sections and claims.
        (losses.grpo, False),
    ],
)
def test_which_estimators_are_unbiased_where_validity_couples_heads(
    estimator, unbiased
):
    config = reward_config(validity_share=0.5)
    exact = enumerated_gradient(2, config)
    mean = mean_gradients(2, config)[estimator]
    apart = jax.tree.map(lambda x, y: abs(x - y).max(), mean, exact)
    error = max(jax.tree.leaves(apart))
    assert error < 1e-5 if unbiased else error > 1e-3


def test_headwise_credit_has_the_smaller_variance():
    theses, groups, values, law = every_group(2, reward_config())
    logits = small_problems.logits(*SIZES[2])

    def variance(estimator):
        def one(group, values):
            grads = jax.grad(lambda x: estimator(LOG_PROBS(x, theses)[group], values))
            return jnp.concatenate(jax.tree.leaves(grads(logits)))

        samples = jax.jit(jax.vmap(one))(groups, values)  # [G, P + C + A]
        return law @ samples**2 - (law @ samples) ** 2

    assert jnp.all(variance(losses.headwise_rloo) < variance(losses.rloo))


def random_group(num_samples, seed=0):
    rng = np.random.default_rng(seed)
    log_probs, values = -rng.exponential(size=(2, num_samples, 3)).astype(np.float32)
    return jnp.asarray(log_probs), jnp.asarray(values)


@pytest.mark.parametrize("seed", range(3))
def test_pairwise_is_leave_one_out_of_two(seed):
    log_probs, values = random_group(2, seed)
    for fn in (lambda f: f, jax.grad):
        np.testing.assert_allclose(
            fn(losses.pairwise)(log_probs, values),
            fn(losses.rloo)(log_probs, values),
            rtol=1e-5,
            atol=1e-6,
        )


@pytest.mark.parametrize(
    "estimator, totals, advantages",
    [
        (losses.pairwise, [1.0, 3.0], [-1.0, 1.0]),  # ½(R₁ - R₂), of the sum.
        (losses.rloo, [1.0, 3.0], [-2.0, 2.0]),
        (losses.rloo, [1.0, 2.0, 6.0], [1 - 4, 2 - 3.5, 6 - 1.5]),
        (losses.dr_grpo, [1.0, 2.0, 6.0], [-2.0, -1.0, 3.0]),
        (losses.grpo, [1.0, 3.0], [-1.0, 1.0]),
        (losses.rloo, [5.0, 5.0, 5.0], [0.0, 0.0, 0.0]),  # A tie teaches nothing.
        (losses.grpo, [5.0, 5.0, 5.0], [0.0, 0.0, 0.0]),
    ],
)
def test_advantages_by_hand(estimator, totals, advantages):
    split = jnp.outer(jnp.array(totals), jnp.array([0.5, 0.25, 0.25]))
    log_probs, _ = random_group(len(totals))
    gradient = jax.grad(estimator)(log_probs, split)
    divisor = 1 if estimator is losses.pairwise else len(totals)
    expected = -jnp.outer(jnp.array(advantages), jnp.ones(3)) / divisor
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)


def test_headwise_credits_each_head_with_its_own_reward():
    values = jnp.array([[1.0, 0.0, 5.0], [3.0, 0.0, 1.0]])
    gradient = jax.grad(losses.headwise_rloo)(random_group(2)[0], values)
    np.testing.assert_allclose(gradient, [[1, 0, -2], [-1, 0, 2]], atol=1e-6)


def test_grpo_forgets_how_much_the_winner_won_by():
    log_probs, values = random_group(2)
    small, large = (jax.grad(losses.grpo)(log_probs, s * values) for s in (1.0, 100.0))
    np.testing.assert_allclose(small, large, rtol=1e-4)
    small, large = (
        jax.grad(losses.pairwise)(log_probs, s * values) for s in (1.0, 100.0)
    )
    np.testing.assert_allclose(100 * small, large, rtol=1e-4)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_advantages_are_constants(estimator):
    gradient = jax.grad(estimator, argnums=1)(*random_group(2))
    np.testing.assert_array_equal(gradient, 0.0)


def test_pairwise_takes_two_theses_and_no_more():
    with pytest.raises(AssertionError, match="shape"):
        losses.pairwise(*random_group(3))


def test_imitation_losses_are_mean_negative_log_probs():
    thesis = jax.tree.map(lambda x: x[77], small_problems.every_thesis(2, 3))

    @jax.jit
    def both(logits):
        imitation = (
            losses.sections_loss(logits, thesis.sections),
            losses.claims_loss(logits, thesis.claims, jnp.ones(3, bool)),
            losses.decision_loss(logits, thesis.decision),
        )
        return jnp.stack(imitation), -policy.log_prob(logits, thesis)

    imitation, surprise = both(small_problems.logits(2, 3))
    np.testing.assert_allclose(imitation, np.array(surprise) / (2, 3, 1), rtol=1e-6)


def test_unknown_claims_teach_nothing():
    logits = small_problems.logits(2, 3)
    known = jnp.array([True, False, True])
    truth = jnp.array([True, True, False])
    loss, gradient = jax.value_and_grad(losses.claims_loss)(logits, truth, known)
    np.testing.assert_array_equal(gradient.claims != 0, known)
    other = losses.claims_loss(logits, truth.at[1].set(False), known)
    assert loss == other
    assert losses.claims_loss(logits, truth, jnp.zeros(3, bool)) == 0


def test_uncertainty_weights_settle_where_the_gradient_says():
    """d/ds (e⁻ˢ L + s/2) = 0 at s = log 2L: a loud task is turned down."""
    tasks = jnp.array([0.1, 1.0, 3.0])
    settled = jnp.log(2 * tasks)
    gradient = jax.grad(losses.combine_uncertain, argnums=1)(tasks, settled)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-6)
    weights = jax.grad(losses.combine_uncertain)(tasks, settled)
    np.testing.assert_allclose(weights, 1 / (2 * tasks), rtol=1e-6)
