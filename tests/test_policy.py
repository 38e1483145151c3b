"""The policy's distribution: normalised, sampled by inversion, exact entropy."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems

from thesis_rl import policy
from thesis_rl.thesis.vocabulary import DECISION_LABELS, SECTION_NAMES

P, C = 2, 3
LOGITS = small_problems.logits(P, C)
THESES = small_problems.every_thesis(P, C)
LOG_PROBS = jax.jit(jax.vmap(policy.log_prob, in_axes=(None, 0)))
HEADS = LOG_PROBS(LOGITS, THESES)  # [160, 3]


def test_log_prob_normalises_over_all_theses():
    chex.assert_shape(HEADS, (2**P * 2**C * 5, policy.NUM_HEADS))
    np.testing.assert_allclose(jnp.exp(HEADS.sum(-1)).sum(), 1.0, rtol=1e-5)


def test_log_prob_stands_on_bernoulli_and_categorical_closed_forms():
    on = 1 / (1 + np.exp(-np.array(LOGITS.claims)))
    bits = np.array(THESES.claims)
    expected = np.log(np.where(bits, on, 1 - on)).sum(-1)
    np.testing.assert_allclose(HEADS[:, 1], expected, rtol=1e-5)
    odds = np.exp(np.array(LOGITS.decision))
    expected = np.log(odds / odds.sum())[np.array(THESES.decision)]
    np.testing.assert_allclose(HEADS[:, 2], expected, rtol=1e-5)


def test_entropy_is_minus_the_mean_log_prob_of_each_head():
    p = jnp.exp(HEADS.sum(-1))
    np.testing.assert_allclose(policy.entropy(LOGITS), -p @ HEADS, rtol=1e-5)


def test_kl_is_the_mean_log_ratio_of_each_head_over_all_theses():
    other = small_problems.logits(P, C, seed=1)
    p, others = jnp.exp(HEADS.sum(-1)), LOG_PROBS(other, THESES)
    expected = p @ (HEADS - others)
    assert expected.min() > 0.01
    np.testing.assert_allclose(policy.kl(LOGITS, other), expected, rtol=1e-4)
    np.testing.assert_allclose(policy.kl(LOGITS, LOGITS), 0.0, atol=1e-6)


def mode(logits):
    chances = (jax.nn.sigmoid, jax.nn.sigmoid, jax.nn.softmax)
    return policy.mode(*(f(x) for f, x in zip(chances, logits, strict=True)))


def test_mode_is_the_likeliest_thesis():
    best = jax.tree.map(lambda x: x[HEADS.sum(-1).argmax()], THESES)
    chex.assert_trees_all_equal(mode(LOGITS), best)


def test_inversion_gives_every_head_its_distribution():
    """A midpoint grid of uniforms counts each outcome to within one grid cell."""
    num = 4000
    grid = (jnp.arange(num) + 0.5) / num
    uniforms = jnp.broadcast_to(grid[:, None], (num, P + C + 1))
    theses = jax.jit(jax.vmap(policy.from_uniforms, in_axes=(0, None)))(
        uniforms, LOGITS
    )
    cell = 1.01 / num
    for drawn, head in zip(theses[:2], LOGITS[:2], strict=True):
        np.testing.assert_allclose(drawn.mean(0), jax.nn.sigmoid(head), atol=cell)
    shares = jnp.bincount(theses.decision, length=5) / num
    np.testing.assert_allclose(shares, jax.nn.softmax(LOGITS.decision), atol=cell)


@pytest.mark.parametrize("moved", range(P + C + 1))
def test_each_uniform_draws_one_part_of_the_thesis_alone(moved):
    # With the marginals of the grid above, this makes the parts independent.
    start = jnp.full(P + C + 1, 0.5)
    low, high = (
        policy.from_uniforms(start.at[moved].set(u), LOGITS) for u in (0.0, 0.9999)
    )
    flat = [jnp.concatenate([*t[:2], t.decision[None]]) for t in (low, high)]
    assert jnp.flatnonzero(flat[0] != flat[1]).tolist() == [moved]


def test_sample_draws_theses_as_often_as_they_are_likely():
    num = 20_000
    logits = small_problems.logits(len(SECTION_NAMES), C)
    logits = logits._replace(sections=jnp.full(len(SECTION_NAMES), 20.0))
    draw = jax.jit(jax.vmap(policy.sample, in_axes=(0, None)))
    theses = draw(jax.random.split(jax.random.key(0), num), logits)
    assert theses.sections.all()
    code = theses.claims @ (2 ** jnp.arange(C)[::-1]) * 5 + theses.decision
    bare = logits._replace(sections=jnp.zeros(0))
    p = np.exp(LOG_PROBS(bare, small_problems.every_thesis(0, C)).sum(-1))
    counts = np.bincount(code, minlength=p.size)
    z = (counts - num * p) / np.sqrt(num * p * (1 - p))
    assert abs(z).max() < 4.5


def test_extreme_logits_stay_finite():
    extreme = jax.tree.map(lambda head: 1e4 * jnp.sign(head), LOGITS)
    thesis = mode(jax.tree.map(jnp.negative, extreme))
    for fn in (
        functools.partial(policy.log_prob, thesis=thesis),
        policy.entropy,
        functools.partial(policy.kl, other=LOGITS),
        functools.partial(policy.kl, LOGITS),
    ):
        jacobian = jax.jit(jax.jacobian(fn))(extreme)
        chex.assert_tree_all_finite((jax.jit(fn)(extreme), jacobian))


@pytest.mark.parametrize("hidden", [(), (7,), (7, 5)])
def test_network_has_the_configured_layers_and_three_heads(hidden):
    model = policy.Policy(num_claims=C, hidden=hidden, trunk=(True,) * 4)
    variables = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros(4))
    params = variables["params"]
    widths = [4, *hidden]
    for i, shape in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        chex.assert_shape(params[f"Dense_{i}"]["kernel"], shape)
    heads = {"sections": len(SECTION_NAMES), "claims": C}
    heads["decision"] = len(DECISION_LABELS)
    for name, size in heads.items():
        reads = widths[-1] + 4 * (name == "claims")  # The evidence beside the trunk.
        chex.assert_shape(params[name]["kernel"], (reads, size))
    assert len(params) == len(hidden) + len(heads)
    logits = jax.eval_shape(model.apply, variables, jnp.zeros(4))
    assert [head.shape for head in jax.tree.leaves(logits)] == [
        (size,) for size in heads.values()
    ]
    assert policy.num_uniforms(C) == len(SECTION_NAMES) + C + 1


def test_network_is_the_affine_maps_of_its_parameters():
    model = policy.Policy(C, hidden=(7, 5), trunk=(True, False, True, True))
    inputs = jnp.array([0.3, -1.0, 2.0, 0.7])
    variables = jax.jit(model.init)(jax.random.key(0), inputs)
    params = jax.tree.map(lambda x: np.array(x) + 0.1, variables["params"])
    affine = lambda name, x: x @ params[name]["kernel"] + params[name]["bias"]  # noqa: E731
    h = np.array(inputs) * [1, 0, 1, 1]
    for name in ("Dense_0", "Dense_1"):
        h = np.maximum(affine(name, h), 0)
    expected = {
        "sections": affine("sections", h),
        "claims": affine("claims", np.concatenate([h, inputs])),
        "decision": affine("decision", h),
    }
    logits = model.apply({"params": params}, inputs)
    for name, head in expected.items():
        np.testing.assert_allclose(getattr(logits, name), head, rtol=1e-5, atol=1e-6)
    batch = model.apply({"params": params}, jnp.stack([inputs, -inputs], axis=-1))
    for one, many in zip(logits[:3], batch[:3], strict=True):
        np.testing.assert_allclose(many[:, 0], one, rtol=1e-5, atol=1e-6)


def test_split_gradient_teaches_heads_and_trunk_apart():
    model = policy.Policy(C, hidden=(7,), trunk=(True,) * 4)
    params = jax.jit(model.init)(jax.random.key(0), jnp.zeros(4))

    def gradients(params):
        parts = policy.split_gradient(params)
        total = [sum(x.sum() for x in model.apply(p, jnp.ones(4))[:3]) for p in parts]
        return jnp.stack(total)

    heads, trunk = (
        jax.tree.map(lambda x, i=i: x[i].any(), jax.jacobian(gradients)(params))
        for i in range(2)
    )
    for name in params["params"]:
        assert heads["params"][name]["kernel"] == (name != "Dense_0")
        assert trunk["params"][name]["kernel"] == (name == "Dense_0")


def test_score_is_the_log_prob_but_for_what_all_theses_share():
    logits = small_problems.logits(P, C)
    each = jax.jit(jax.vmap(lambda x: policy.score(logits, x)))
    shared = np.array(LOG_PROBS(logits, THESES) - each(THESES))
    np.testing.assert_allclose(shared - shared[:1], 0.0, atol=1e-5)
    assert np.abs(shared[0, :2]).min() > 0.1


def test_drawn_uniforms_fill_the_unit_interval_evenly_and_apart():
    shape = (4, 25_000)  # What a block makes lands in different quarters.
    u = np.array(policy.draw_uniforms(jax.random.key(0), shape), np.float64)
    assert u.min() > 0 and u.max() < 1
    np.testing.assert_allclose(u.mean(1), 0.5, atol=4.5 / np.sqrt(12 * shape[1]))
    counts = np.array([np.histogram(x, 64, (0, 1))[0] for x in u])
    expected = shape[1] / 64
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    apart = np.corrcoef(np.concatenate([u, u[:, ::-1]]))[np.triu_indices(8, 1)]
    assert np.abs(apart).max() < 4.5 / np.sqrt(shape[1])
    odd = policy.draw_uniforms(jax.random.key(0), (3, 5))
    assert odd.shape == (3, 5) and len(np.unique(odd)) == 15


def test_columns_off_the_trunk_reach_the_claims_alone():
    model = policy.Policy(num_claims=C, hidden=(7,), trunk=(True, False))
    params = jax.jit(model.init)(jax.random.key(0), jnp.zeros(2))
    reads = jax.jit(jax.jacobian(model.apply, argnums=1))(params, jnp.ones(2))
    for head in (reads.sections, reads.decision):
        assert head[:, 0].any() and not head[:, 1].any()
    assert reads.claims[:, 0].any() and reads.claims[:, 1].any()


def test_half_as_precise_products_give_nearly_the_same():
    sizes = {"num_claims": C, "hidden": (64, 64), "trunk": (True,) * 34}
    exact = policy.Policy(**sizes)
    rough = policy.Policy(**sizes, matmul="bfloat16")
    inputs = jax.random.normal(jax.random.key(1), (34,))
    params = exact.init(jax.random.key(0), inputs)
    chex.assert_trees_all_equal(params, rough.init(jax.random.key(0), inputs))
    expected = jax.jit(exact.apply)(params, inputs)
    found = jax.jit(rough.apply)(params, inputs)
    chex.assert_trees_all_equal_dtypes(found, expected)
    chex.assert_trees_all_close(found, expected, atol=0.05)
    assert not np.array_equal(found.decision, expected.decision)
