"""Rewards by hand, and their closed-form means against enumeration."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems
from ml_collections import FrozenConfigDict

from experiments import rft
from thesis_rl import policy
from thesis_rl.learning import rewards
from thesis_rl.types import Logits, Thesis

P, C = 2, 3
THESES = small_problems.every_thesis(P, C)
LOGITS = small_problems.logits(P, C)
ROWS = {
    "mixed": small_problems.row([True, False, False], [True, True, False]),
    "nothing known": small_problems.row([False] * 3, [False] * 3, 2, -2.5),
    "all true": small_problems.row([True] * 3, [True] * 3, 0, -0.1),
}


def experiment(**changes):
    config = rft.get_config("smoke")
    config.reward.update(changes)
    return FrozenConfigDict(config)


def reward_config(**changes):
    return experiment(**changes).reward


CONFIGS = [
    experiment(claims=c, decision=d)
    for c in rewards.CLAIM_REWARDS
    for d in rewards.DECISION_REWARDS
]


def closed(logits, row):
    means = [rewards.expected_parts(logits, row, config) for config in CONFIGS]
    return jnp.stack(means)


def enumerated(logits, row):
    log_probs = jax.vmap(policy.log_prob, in_axes=(None, 0))(logits, THESES).sum(-1)
    parts = jax.vmap(rewards.parts, in_axes=(0, None, None))
    means = [jnp.exp(log_probs) @ parts(THESES, row, config) for config in CONFIGS]
    return jnp.stack(means)


@pytest.fixture(scope="module")
def means():
    """Both means of each config, [9, 3], and both jacobians, compiled once."""

    def both(logits, row):
        fns = (closed, enumerated)
        return [(f(logits, row), jax.jacobian(f)(logits, row)) for f in fns]

    return jax.jit(both)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_expected_parts_equal_enumeration(means, row):
    """Every claims reward with every decision reward, and their gradients."""
    (value, gradient), (value_, gradient_) = means(LOGITS, row)
    np.testing.assert_allclose(value, value_, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(gradient, gradient_, rtol=1e-4, atol=1e-6)


EVERY_SET = jnp.array(list(itertools.product([False, True], repeat=8)))  # [256, 8]


def over_all_sets(reward):
    """Tabulates a claims reward: rows the asserted set, columns the true one."""
    return np.array(
        jax.vmap(jax.vmap(reward, in_axes=(None, 0)), in_axes=(0, None))(
            EVERY_SET, EVERY_SET
        )
    )


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    sets = np.array(EVERY_SET, float)
    hits = (sets @ sets.T)[1:, 1:]
    size = sets.sum(-1)[1:]
    precision, recall = hits / size[:, None], hits / size[None, :]
    expected = 2 * precision * recall / np.where(hits > 0, precision + recall, 1)
    table = over_all_sets(rewards.claims_f1)
    np.testing.assert_allclose(table[1:, 1:], expected, rtol=1e-6)
    np.testing.assert_array_equal(table[0], np.eye(256)[0])


def test_only_the_true_set_maximises_f1():
    table = over_all_sets(rewards.claims_f1)
    np.testing.assert_array_equal(table == table.max(0), np.eye(256, dtype=bool))


def test_only_the_true_set_maximises_net():
    table = over_all_sets(rewards.claims_net)
    np.testing.assert_array_equal(table == table.max(0), np.eye(256, dtype=bool))
    sets = np.array(EVERY_SET, float)
    np.testing.assert_allclose(table, (sets @ (2 * sets - 1).T) / 8)


def test_coverage_precision_never_punishes_a_false_claim():
    table = over_all_sets(rewards.claims_coverage_precision)
    np.testing.assert_array_equal(table[-1], table.max(0))
    sets = np.array(EVERY_SET, float)
    hits, size = sets @ sets.T, sets.sum(-1)[:, None]
    coverage, precision = size / 8, hits / np.maximum(size, 1)
    np.testing.assert_allclose(table, coverage * precision, rtol=1e-6)


def test_an_unknown_claim_costs_what_a_false_one_costs():
    row = small_problems.row([True, False, False], [True, True, False])
    for reward in (rewards.claims_f1, rewards.claims_net):
        false = reward(jnp.array([True, True, False]), row.truth)
        unknown = reward(jnp.array([True, False, True]), row.truth)
        assert false == unknown < reward(row.truth, row.truth)


@pytest.mark.parametrize(
    "label, payoff, expected",
    [
        (0, -1.0, [0.5, 0.5, 0.0, -0.75, -0.75]),
        (1, -0.5, [0.25, 0.25, 0.0, -0.375, -0.375]),
        (2, 0.2, [0.0, 0.0, 0.05, 0.0, 0.0]),
        (3, 0.5, [-0.375, -0.375, 0.0, 0.25, 0.25]),
        (4, 1.0, [-0.75, -0.75, 0.0, 0.5, 0.5]),
        (4, 5.0, [-1.5, -1.5, 0.0, 1.0, 1.0]),  # No more beyond two units.
    ],
)
def test_sign_rewards_by_hand(label, payoff, expected):
    row = small_problems.row([True], [True], label, payoff)
    values = rewards.decision_rewards(row, reward_config(decision="sign"))
    np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.parametrize("label", range(5))
def test_sign_cannot_tell_buy_from_strong_buy(label):
    row = small_problems.row([True], [True], label, 1.3)
    values = rewards.decision_rewards(row, reward_config(decision="sign"))
    assert values[0] == values[1] and values[3] == values[4]


def test_matrix_has_predictions_in_rows_and_labels_in_columns():
    # Column by column of figure S1: the label, then the five predictions.
    columns = {
        0: [1.0, 0.75, -1.5, -2.0, -2.25],
        1: [0.75, 1.0, -1.0, -1.5, -2.0],
        2: [-1.25, -0.75, 1.0, -0.75, -1.25],
        3: [-1.5, -1.25, -1.0, 1.0, 0.75],
        4: [-2.0, -1.75, -1.5, 0.75, 1.0],
    }
    for label, expected in columns.items():
        row = small_problems.row([True], [True], label)
        values = rewards.decision_rewards(row, reward_config(decision="matrix"))
        np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "payoff, expected",
    [
        (1.0, [-1.0, -0.5, 0.0, 0.5, 1.0]),
        (-0.4, [0.4, 0.2, 0.0, -0.2, -0.4]),
        (9.0, [-2.0, -1.0, 0.0, 1.0, 2.0]),
    ],
)
def test_utility_is_what_the_position_earned(payoff, expected):
    row = small_problems.row([True], [True], payoff=payoff)
    config = reward_config(decision="utility")
    values = rewards.decision_rewards(row, config)
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_curriculum_interpolates_between_its_points():
    config = reward_config(
        curriculum=((0.25, (1.0, 0.0, 0.0)), (0.75, (0.2, 0.3, 0.5)))
    )
    at = {
        step: np.array(rewards.weights_at(jnp.int32(step), 100, config))
        for step in (0, 25, 50, 75, 100)
    }
    for step in (0, 25):
        np.testing.assert_allclose(at[step], [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(at[50], [0.6, 0.15, 0.25], rtol=1e-6)
    for step in (75, 100):
        np.testing.assert_allclose(at[step], [0.2, 0.3, 0.5], rtol=1e-6)


def test_weights_are_fixed_without_a_curriculum():
    config = reward_config(weights=(0.1, 0.2, 0.7))
    for step in (0, 99):
        weights = rewards.weights_at(jnp.int32(step), 100, config)
        np.testing.assert_allclose(weights, [0.1, 0.2, 0.7])


@pytest.mark.parametrize("claims", rewards.CLAIM_REWARDS)
def test_gradients_stay_finite_at_extreme_logits(claims):
    config = experiment(claims=claims)
    total = lambda x: rewards.expected_parts(x, ROWS["mixed"], config).sum()  # noqa: E731
    value_and_grad = jax.jit(jax.value_and_grad(total))
    for scale in (30.0, -30.0, 1e4, -1e4):
        extreme = Logits(*(scale * jnp.sign(head) for head in LOGITS[:3]))
        chex.assert_tree_all_finite(value_and_grad(extreme))


@pytest.mark.parametrize("known", [[True, True, False], [False] * 3, [True] * 3])
def test_validity_wants_all_sections_evidence_and_no_unknown_claim(known):
    theses = small_problems.every_thesis(2, 3)
    valid = jax.vmap(rewards.is_valid, in_axes=(0, None))(theses, jnp.array(known))
    sections, asserted = np.array(theses.sections), np.array(theses.claims)
    unfounded = (asserted & ~np.array(known)).any(-1)
    expected = sections.all(-1) & ~unfounded & any(known)
    np.testing.assert_array_equal(valid, expected)


def test_a_share_of_the_structure_reward_is_paid_for_validity():
    row = small_problems.row([True, False], [True, False])
    thesis = Thesis(jnp.array([True, False]), jnp.array([True, False]), jnp.int32(0))
    whole = thesis._replace(sections=jnp.array([True, True]))
    for given, expected in ((thesis, 0.7 * 0.5), (whole, 1.0)):
        found = rewards.structure(given, row, 0.3)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
