"""Scores that couple heads: by hand, their means by enumeration, and who may use them.

The expectation over pairs of theses is summed over every pair, as in `test_losses`.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems
from ml_collections import ConfigDict, FrozenConfigDict

from experiments import rft as lab_book
from thesis_rl import coherence, losses, policy, rewards, rft, training
from thesis_rl.types import Logits, Thesis
from thesis_rl.vocabulary import DECISION_LABELS, SECTION_NAMES

SHARES = {"validity_share": 0.1, "coherence_share": 0.3, "support_share": 0.4}
STANCE = np.array([1, 1, -1, 0])
# A section with two claims, one with one, one without; the last claim stands alone.
OF_SECTION = np.array(
    [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]], dtype=bool
)
KNOWN = jnp.array([True, True, False, True])
P, C = OF_SECTION.shape
THESES = small_problems.every_thesis(P, C)
LOGITS = small_problems.logits(P, C)
# Two claims against, of one section, and one in favour, of another.
NAMES = ("divergence_risk", "high_volatility", "strong_momentum")
ROW = small_problems.row([False, True, False], [False, True, True])
WEIGHTS = jnp.array([0.2, 0.3, 0.5])
LOG_PROBS = jax.jit(jax.vmap(policy.log_prob, in_axes=(None, 0)))


def write(decision, sections="1111", asserted="0000"):
    flags = lambda text: jnp.array([c == "1" for c in text])  # noqa: E731
    index = jnp.int32(DECISION_LABELS.index(decision))
    return Thesis(flags(sections), flags(asserted), index)


def experiment(**shares):
    config = lab_book.get_config("smoke")
    config.claims = ConfigDict({name: lab_book.CLAIMS[name] for name in NAMES})
    config.reward.update(shares)
    return FrozenConfigDict(config)


@pytest.mark.parametrize(
    "decision, asserted, expected",
    [
        ("strong_buy", "0000", 1.0),
        ("buy", "1101", 1.0),
        ("buy", "0010", 0.0),  # The one claim against, and all else in favour.
        ("strong_buy", "1111", 0.0),
        ("sell", "0011", 1.0),
        ("sell", "1010", 0.5),
        ("strong_sell", "1100", 0.0),
        ("hold", "1111", 1.0),
    ],
)
def test_agreement_by_hand(decision, asserted, expected):
    assert coherence.agreement(write(decision, asserted=asserted), STANCE) == expected


def test_claims_without_a_stance_contradict_nothing():
    scores = jax.vmap(coherence.agreement, in_axes=(0, None))(THESES, np.zeros(C))
    np.testing.assert_array_equal(scores, 1.0)


def test_writing_at_random_contradicts_a_purchase_as_much_as_a_sale():
    sure = 1e3 * jnp.eye(len(DECISION_LABELS))
    heads = [Logits(LOGITS.sections, jnp.zeros(C), decision) for decision in sure]
    scores = [float(coherence.expected_agreement(head, STANCE)) for head in heads]
    np.testing.assert_allclose(scores, [0.5, 0.5, 1.0, 0.5, 0.5], rtol=1e-6)


@pytest.mark.parametrize(
    "sections, asserted, expected",
    [
        ("0000", "0000", 1.0),  # What is left out needs no support.
        ("1111", "1101", 1.0),  # One of two claims is enough.
        ("1111", "0101", 2 / 3),
        ("0111", "0000", 1 / 3),
        ("1111", "0000", 0.0),
        ("0010", "0000", 1.0),  # A section without claims cannot have support.
        ("1100", "0001", 1 / 3),  # The claim of another section is none.
    ],
)
def test_support_by_hand(sections, asserted, expected):
    thesis = write("hold", sections, asserted)
    score = coherence.support(thesis, OF_SECTION)
    np.testing.assert_allclose(score, expected, rtol=1e-6)


@pytest.mark.parametrize("known", [KNOWN, jnp.zeros(C, bool), jnp.ones(C, bool)])
def test_validity_wants_all_sections_evidence_and_no_unknown_claim(known):
    valid = jax.vmap(coherence.is_valid, in_axes=(0, None))(THESES, known)
    sections, asserted = np.array(THESES.sections), np.array(THESES.claims)
    unfounded = (asserted & ~np.array(known)).any(-1)
    expected = sections.all(-1) & ~unfounded & bool(known.any())
    np.testing.assert_array_equal(valid, expected)


SCORES = {
    "validity": (coherence.is_valid, coherence.expected_validity, KNOWN),
    "agreement": (coherence.agreement, coherence.expected_agreement, STANCE),
    "support": (coherence.support, coherence.expected_support, OF_SECTION),
}


@pytest.mark.parametrize("score, mean, data", SCORES.values(), ids=SCORES)
def test_means_equal_enumeration(score, mean, data):
    scores = jax.vmap(score, in_axes=(0, None))(THESES, data)
    assert scores.min() == 0 and scores.max() == 1

    def enumerated(logits):
        return jnp.exp(LOG_PROBS(logits, THESES).sum(-1)) @ scores

    closed = jax.jit(jax.value_and_grad(lambda x: mean(x, data)))
    chex.assert_trees_all_close(
        closed(LOGITS),
        jax.jit(jax.value_and_grad(enumerated))(LOGITS),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize("score, mean, data", SCORES.values(), ids=SCORES)
def test_means_and_gradients_stay_finite_at_extreme_logits(score, mean, data):
    value_and_grad = jax.jit(jax.value_and_grad(lambda x: mean(x, data)))
    for scale in (30.0, -30.0, 1e4, -1e4):
        extreme = Logits(*(scale * jnp.sign(head) for head in LOGITS[:3]))
        chex.assert_tree_all_finite(value_and_grad(extreme))


@pytest.mark.parametrize("shares", [SHARES, {"coherence_share": 0.5}], ids=str)
def test_expected_structure_equals_enumeration(shares):
    config = experiment(**shares)
    theses = small_problems.every_thesis(len(SECTION_NAMES), len(NAMES))
    logits = small_problems.logits(len(SECTION_NAMES), len(NAMES))
    each = jax.jit(jax.vmap(lambda thesis: rewards.parts(thesis, ROW, config)[0]))
    values = each(theses)
    assert values.min() >= 0
    np.testing.assert_allclose(values.max(), 1.0, rtol=1e-6)

    def enumerated(x):
        return jnp.exp(LOG_PROBS(x, theses).sum(-1)) @ values

    closed = lambda x: rewards.expected_parts(x, ROW, config)[0]  # noqa: E731
    chex.assert_trees_all_close(
        jax.jit(jax.value_and_grad(closed))(logits),
        jax.jit(jax.value_and_grad(enumerated))(logits),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    "share, score",
    [
        ("validity_share", 0.0),  # A claim without evidence is asserted.
        ("coherence_share", 0.5),  # One of two claims against is.
        ("support_share", 0.5),  # Market is written bare, risks is not.
    ],
)
def test_each_share_pays_its_own_score(share, score):
    thesis = write("buy", "100001", "100")  # Market and risks; divergence.
    value = coherence.structure(thesis, ROW, experiment(**{share: 0.3}))
    np.testing.assert_allclose(value, 0.7 * 2 / 6 + 0.3 * score, rtol=1e-6)


def test_which_estimators_are_unbiased_where_coherence_couples_heads():
    stance, of_section = np.array([1, -1]), np.eye(2, dtype=bool)
    theses, logits = small_problems.every_thesis(2, 2), small_problems.logits(2, 2)
    estimators = (losses.pairwise, losses.rloo, losses.headwise_rloo)
    first, second = np.indices([theses.decision.size] * 2).reshape(2, -1)
    pairs = jnp.array([first, second]).T  # [G, 2]

    def score(thesis):
        parts = (
            coherence.agreement(thesis, stance),
            coherence.support(thesis, of_section),
        )
        return jnp.array([0.5, 0.0, 0.0]) * sum(parts)  # The sections' head earns it.

    def mean_losses(x):
        law = jnp.exp(LOG_PROBS(logits, theses).sum(-1))[pairs].prod(-1)
        log_probs, values = LOG_PROBS(x, theses)[pairs], jax.vmap(score)(theses)[pairs]
        return jnp.stack([law @ jax.vmap(e)(log_probs, values) for e in estimators])

    def mean_loss(x):
        agreement = coherence.expected_agreement(x, stance)
        return -0.5 * (agreement + coherence.expected_support(x, of_section))

    means = jax.jit(jax.jacrev(mean_losses))(logits)
    exact = jax.jit(jax.grad(mean_loss))(logits)
    assert all(abs(head).max() > 1e-2 for head in jax.tree.leaves(exact))
    off = jax.tree.map(lambda x, y: abs(x - y[None, :]).max(1), means, exact)
    pairwise, rloo, headwise = np.array(jax.tree.leaves(off)).max(axis=0)
    assert max(pairwise, rloo) < 1e-6
    assert headwise > 1e-2


@pytest.mark.parametrize("estimator, num_samples", [("pairwise", 2), ("rloo", 4)])
def test_mean_of_many_draws_is_the_exact_gradient(estimator, num_samples):
    config = training.with_changes(
        experiment(**SHARES),
        {"rft.estimator": estimator, "rft.num_samples": num_samples},
    )
    logits = small_problems.logits(len(SECTION_NAMES), len(NAMES))
    shape = (20_000, num_samples, policy.num_uniforms(len(NAMES)))

    def gradients(key):
        grad = jax.grad(rft.sampled_loss, has_aux=True)
        each = lambda u: grad(logits, u, ROW, WEIGHTS, config)[0]  # noqa: E731
        drawn = jax.vmap(each)(jax.random.uniform(key, shape))
        return jnp.concatenate(jax.tree.leaves(drawn), axis=-1)

    exact = jax.jit(jax.grad(rft.exact_loss, has_aux=True), static_argnums=3)
    exact = np.concatenate(jax.tree.leaves(exact(logits, ROW, WEIGHTS, config)[0]))
    drawn = np.array(jax.jit(gradients)(jax.random.key(0)), np.float64)
    error = drawn.std(0) / np.sqrt(len(drawn))
    assert np.all(abs(drawn.mean(0) - exact) < 4.5 * error + 1e-6)
    assert np.linalg.norm(error) < 0.1 * np.linalg.norm(exact)
