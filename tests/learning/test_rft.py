"""Reinforcement: the sampled gradient is the exact one, and following it pays."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems

from thesis_rl import policy
from thesis_rl.learning import losses, preprocess, rewards, rft
from thesis_rl.thesis.vocabulary import SECTION_NAMES

DAYS = small_problems.days(0, 40)
STEPS = {"rft.num_steps": 40, "rft.peak_lr": 0.03, "rft.weight_decay": 0.0}
FIT = jax.jit(rft.fit, static_argnames="config")
C = small_problems.NUM_CLAIMS
NUM_DRAWS = 20_000


@pytest.mark.parametrize(
    "estimator, num_samples, share",
    [
        ("pairwise", 2, 1.0),
        ("rloo", 2, 1.0),
        ("rloo", 4, 1.0),
        ("headwise_rloo", 4, 1.0),
        ("dr_grpo", 4, 0.75),
    ],
)
def test_mean_of_many_draws_is_the_exact_gradient(estimator, num_samples, share):
    config = small_problems.config({"rft.estimator": estimator})
    logits = small_problems.logits(len(SECTION_NAMES), C)
    row = small_problems.row([True, False, False], [True, True, False])
    weights = jnp.array(config.reward.weights)
    shape = (NUM_DRAWS, num_samples, policy.num_uniforms(C))

    def gradients(key):
        grad = jax.grad(rft.sampled_loss, has_aux=True)
        uniforms = jax.random.uniform(key, shape)
        each = lambda u: grad(logits, u, row, weights, config)[0]  # noqa: E731
        return jnp.concatenate(jax.tree.leaves(jax.vmap(each)(uniforms)), axis=-1)

    exact = jax.jit(jax.grad(rft.exact_loss, has_aux=True), static_argnums=3)
    exact = share * np.concatenate(
        jax.tree.leaves(exact(logits, row, weights, config)[0])
    )
    drawn = np.array(jax.jit(gradients)(jax.random.key(0)), np.float64)
    error = drawn.std(0) / np.sqrt(NUM_DRAWS)
    assert np.all(abs(drawn.mean(0) - exact) < 4.5 * error + 1e-6)
    # The bars are small enough for a wrong factor or sign to show.
    assert np.linalg.norm(error) < 0.1 * np.linalg.norm(exact)


def test_exact_loss_is_the_negated_weighted_reward():
    config = small_problems.config()
    logits = small_problems.logits(len(SECTION_NAMES), C)
    row = small_problems.row([True, False, False], [True, True, False])
    weights = jnp.array([0.2, 0.3, 0.5])
    exact = jax.jit(rft.exact_loss, static_argnums=3)
    loss, parts = exact(logits, row, weights, config)
    means = jax.jit(rewards.expected_parts, static_argnums=2)
    expected = means(logits, row, config)
    np.testing.assert_allclose(parts, expected, rtol=1e-6)
    np.testing.assert_allclose(loss, -(weights * expected).sum(), rtol=1e-6)


def plain_loss(params, uniforms, row, model, config):
    """What `row_loss` says, with log-probabilities and a second, frozen network."""
    stop = jax.lax.stop_gradient
    weights, stage = jnp.array(config.reward.weights), config.rft
    logits = model.apply(params, row.inputs)
    draw = jax.vmap(policy.from_uniforms, in_axes=(0, None))
    theses = draw(uniforms, stop(logits))
    values = jax.vmap(rewards.parts, in_axes=(0, None, None))(theses, row, config)
    log_probs = jax.vmap(policy.log_prob, in_axes=(None, 0))(logits, theses)
    gradient = rft.ESTIMATORS[stage.estimator](log_probs, values * weights[None, :])
    frozen = jax.tree_util.tree_map_with_path(
        lambda path, x: stop(x) if "Dense" in path[1].key else x, params
    )
    claims = model.apply(frozen, row.inputs)
    return (
        gradient
        - stage.entropy_coef * policy.entropy(logits).sum()
        + stage.anchor_coef * losses.decision_loss(logits, row.label)
        + stage.claims_anchor_coef * losses.claims_loss(claims, row.truth, row.known)
    )


MINIBATCHES = [
    ("pairwise", "utility", 0.3),
    ("rloo", "matrix", 0.3),
    ("headwise_rloo", "sign", 0.0),
    ("dr_grpo", "utility", 0.3),
    ("grpo", "sign", 0.3),
]


@pytest.mark.parametrize("estimator, decision, validity", MINIBATCHES)
def test_a_minibatch_has_the_gradient_of_its_rows_one_by_one(
    panel, estimator, decision, validity
):
    config = small_problems.config(
        {
            "rft.estimator": estimator,
            "reward.decision": decision,
            "reward.validity_share": validity,
            "model.matmul": "float64",
        }
    )
    model = policy.make_model(config)
    scaler = preprocess.fit(panel, DAYS, config.labels)
    keys = jax.random.split(jax.random.key(3), 3)
    plain = policy.make_model(small_problems.config())
    params = plain.init(keys[0], jnp.zeros(2 * small_problems.NUM_FEATURES))
    rows = preprocess.draw(keys[1], panel, scaler, jnp.cumsum(DAYS), 5)
    draws = policy.num_uniforms(C)
    uniforms = policy.draw_uniforms(keys[2], (2, draws, rows.weight.size))

    def at_once(params, uniforms, rows):
        weights = jnp.array(config.reward.weights)
        return rft.row_loss(params, uniforms, rows, weights, model, config)[0].mean()

    def one_by_one(params, uniforms, rows):
        each = jax.vmap(plain_loss, in_axes=(None, -1, -1, None, None))
        return each(params, uniforms, rows, model, config).mean()

    exact = lambda x: x.astype("f8") if x.dtype == "f4" else x  # noqa: E731
    with jax.enable_x64(True):  # Or rounding would hide what differs.
        given = jax.tree.map(exact, (params, uniforms, rows))
        found, expected = (jax.jit(jax.grad(f))(*given) for f in (at_once, one_by_one))
        assert all(jnp.abs(x).max() > 1e-4 for x in jax.tree.leaves(expected))
        chex.assert_trees_all_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def panel():
    return small_problems.learnable_panel()


@pytest.fixture(scope="module")
def start():
    model = policy.make_model(small_problems.config())
    inputs = jnp.zeros(2 * small_problems.NUM_FEATURES)
    return jax.jit(model.init)(jax.random.key(1), inputs)


@functools.partial(jax.jit, static_argnames="config")
def mean_reward(params, panel, scaler, config):
    """The exact expected reward and entropy over the labelled training rows."""
    rows = preprocess.draw(jax.random.key(7), panel, scaler, jnp.cumsum(DAYS), 200)

    def one(row):
        logits = policy.make_model(config).apply(params, row.inputs)
        parts = rewards.expected_parts(logits, row, config)
        return jnp.array(config.reward.weights) @ parts, policy.entropy(logits).sum()

    each = jax.vmap(one, in_axes=-1)(rows)
    means = [x @ rows.weight / rows.weight.sum() for x in each]
    return jnp.stack(means)


def fit(start, panel, changes):
    config = small_problems.config(STEPS | changes)
    scaler = preprocess.fit(panel, DAYS, config.labels)
    params, metrics = FIT(jax.random.key(0), start, panel, scaler, DAYS, config=config)
    plain = small_problems.config()
    before, after = (mean_reward(p, panel, scaler, plain) for p in (start, params))
    return params, metrics, before, after


@pytest.mark.parametrize("estimator", [*rft.ESTIMATORS, "exact"])
def test_every_estimator_raises_the_reward(start, panel, estimator):
    _, metrics, before, after = fit(start, panel, {"rft.estimator": estimator})
    assert after[0] > before[0] + 0.25
    chex.assert_tree_all_finite(metrics)
    assert metrics["reward"].shape == (40,)
    parts = [metrics[f"{name}_reward"] for name in ("structure", "claims", "decision")]
    total = jnp.array([0.2, 0.3, 0.5]) @ jnp.stack(parts)
    np.testing.assert_allclose(metrics["reward"], total, rtol=1e-4, atol=1e-6)


def test_entropy_bonus_keeps_the_policy_undecided(start, panel):
    entropy = [
        fit(start, panel, {"rft.estimator": "exact", "rft.entropy_coef": coef})[3][1]
        for coef in (0.01, 1.0)
    ]
    assert entropy[1] > entropy[0] + 1


def test_anchor_alone_teaches_the_labels(start, panel):
    changes = {
        "rft.estimator": "exact",
        "rft.anchor_coef": 1.0,
        "reward.weights": (0.0, 0.0, 0.0),
    }
    _, metrics, _, _ = fit(start, panel, changes)
    loss = metrics["decision_loss"]
    assert loss[-5:].mean() < 0.6 * loss[:5].mean()
    np.testing.assert_array_equal(metrics["reward"], 0.0)


def test_claims_anchor_alone_teaches_the_claims(start, panel):
    changes = {
        "rft.estimator": "exact",
        "rft.claims_anchor_coef": 1.0,
        "reward.weights": (0.0, 0.0, 0.0),
    }
    _, metrics, _, _ = fit(start, panel, changes)
    assert metrics["claims_loss"][-5:].mean() < 0.6 * metrics["claims_loss"][:5].mean()


def test_curriculum_decides_what_is_learnt_when(start, panel):
    # Structure alone: the claims and decision heads have nothing to follow.
    changes = {
        "rft.estimator": "exact",
        "rft.entropy_coef": 0.0,
        "rft.anchor_coef": 0.0,
        "rft.claims_anchor_coef": 0.0,
        "reward.curriculum": ((0.0, (1.0, 0.0, 0.0)), (1.0, (1.0, 0.0, 0.0))),
    }
    params, metrics, _, _ = fit(start, panel, changes)
    for head in ("claims", "decision"):
        chex.assert_trees_all_equal(params["params"][head], start["params"][head])
    structure = metrics["structure_reward"]
    assert structure[-1] > structure[0] + 0.2


def test_rows_without_a_label_teach_nothing(start, panel):
    params, metrics, _, _ = fit(start, panel, {"rft.estimator": "pairwise"})
    other = panel._replace(payoff=jnp.where(panel.labelled, panel.payoff, 9.0))
    assert jnp.any(other.payoff != panel.payoff)
    again = fit(start, other, {"rft.estimator": "pairwise"})
    chex.assert_trees_all_equal((params, metrics), again[:2])


def test_what_is_kept_is_a_share_of_the_start(start, panel):
    free, metrics, *_ = fit(start, panel, {"rft.estimator": "exact"})
    kept, again, *_ = fit(start, panel, {"rft.estimator": "exact", "rft.keep": 0.25})
    for held, first, last in zip(
        *map(jax.tree.leaves, (kept, start, free)), strict=True
    ):
        size = 0.25 * abs(first) + 0.75 * abs(last)
        error = abs(held - (0.25 * first + 0.75 * last))
        assert jnp.all(error <= 4 * np.finfo(np.float32).eps * size)
    chex.assert_trees_all_equal(again, metrics)
    assert "kl" not in metrics


def test_divergence_counts_what_is_said_of_the_row_by_every_head(start, panel):
    after = fit(start, panel, {"rft.estimator": "exact"})[0]
    row = small_problems.row([True] * 3, [True] * 3)
    row = row._replace(inputs=jnp.ones(2 * small_problems.NUM_FEATURES))
    model = policy.make_model(small_problems.config())
    assert rft.divergence(start, start, row, model) == 0
    each = policy.kl(*(model.apply(x, row.inputs) for x in (after, start)))
    assert each.min() > 0
    found = rft.divergence(after, start, row, model)
    np.testing.assert_allclose(found, each.sum(), rtol=1e-6)


def test_a_price_on_divergence_keeps_the_policy_near_its_start(start, panel):
    def ends_at(coef):
        changes = {"rft.estimator": "pairwise", "rft.kl_coef": coef}
        return fit(start, panel, changes)[1]["kl"][-1]

    assert ends_at(1e-6) > 2 * ends_at(1.0) > 0
