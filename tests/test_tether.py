"""What holds a policy back: an average of parameters, and a divergence at a price."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems

from thesis_rl import policy, preprocess, rft, sft, tether

FOLD = small_problems.fold(0, 40, 45, 55)
SETTINGS = {
    "rft.num_steps": 100,
    "rft.peak_lr": 0.03,
    "rft.weight_decay": 0.0,
    "rft.estimator": "exact",
}
FIT = jax.jit(rft.fit, static_argnames="config")
MODEL = sft.make_model(small_problems.config())


@pytest.fixture(scope="module")
def start():
    inputs = jnp.zeros(2 * small_problems.NUM_FEATURES)
    return jax.jit(MODEL.init)(jax.random.key(1), inputs)


@pytest.fixture(scope="module")
def panel():
    return small_problems.learnable_panel()


def fit(start, panel, changes=()):
    config = small_problems.config(SETTINGS | dict(changes))
    scaler = preprocess.fit(panel, FOLD, config.labels)
    return FIT(jax.random.key(0), start, panel, scaler, FOLD, config=config)


@pytest.fixture(scope="module")
def free(start, panel):
    return fit(start, panel)


def mean_kl(params, start, panel):
    scaler = preprocess.fit(panel, FOLD, small_problems.config().labels)
    rows = preprocess.draw(jax.random.key(7), panel, scaler, FOLD, 100)
    return tether.divergence(params, start, rows, MODEL).mean()


def test_what_is_kept_is_a_share_of_the_start(start, panel, free):
    kept, metrics = fit(start, panel, {"rft.keep": 0.25})
    average = lambda x, y: 0.25 * x + 0.75 * y  # noqa: E731
    expected = jax.tree.map(average, start, free[0])
    chex.assert_trees_all_close(kept, expected, rtol=1e-4, atol=1e-5)
    chex.assert_trees_all_close(metrics, free[1], rtol=1e-4, atol=1e-5)


def test_every_snapshot_is_averaged_with_the_start():
    stage = small_problems.config({"rft.keep": 0.5, "rft.num_choices": 2}).rft
    start, end = {"x": jnp.ones(3)}, {"x": jnp.array([[3.0] * 3, [5.0] * 3])}
    held = tether.hold(start, end, stage)
    np.testing.assert_allclose(held["x"], [[2.0] * 3, [3.0] * 3])


def test_divergence_counts_what_is_said_of_the_row_by_every_head(start, free):
    row = small_problems.row([True] * 3, [True] * 3)
    row = row._replace(inputs=jnp.ones(2 * small_problems.NUM_FEATURES))
    assert tether.divergence(start, start, row, MODEL) == 0
    said, before = (MODEL.apply(x, row.inputs) for x in (free[0], start))
    each = policy.kl(said, before)
    assert each.min() > 0
    np.testing.assert_allclose(
        tether.divergence(free[0], start, row, MODEL), each.sum(), rtol=1e-6
    )


@pytest.mark.parametrize(
    "kl, error", [(0.0, -1.0), (0.1, -0.5), (0.2, 0.0), (0.3, 0.5), (5.0, 1.0)]
)
def test_the_price_rises_while_the_target_is_exceeded(kl, error):
    charge = lambda kl, x: tether.penalty(kl, x, 0.2)  # noqa: E731
    grads, coef = jax.grad(charge, argnums=(0, 1), has_aux=True)(kl, 0.3)
    np.testing.assert_allclose(grads, (coef, -error), atol=1e-6)  # Descent goes down.
    assert coef > tether.penalty(kl, 0.0, 0.2)[1] == 1


@pytest.mark.parametrize("estimator, target", [("exact", 0.05), ("pairwise", 0.2)])
def test_a_policy_that_is_pulled_away_ends_near_its_target(
    start, panel, free, estimator, target
):
    changes = {"rft.kl_target": target, "rft.estimator": estimator}
    params, metrics = fit(start, panel, changes)
    assert mean_kl(free[0], start, panel) > 10 * target
    assert metrics["kl"].max() > 1.5 * target  # It came from above,
    assert 0.6 < mean_kl(params, start, panel) / target < 1.5
    assert metrics["reward"][-10:].mean() > metrics["reward"][:3].mean() + 0.05
    coef = metrics["kl_coef"]
    assert coef[-1] > 1.1 * coef.min()  # as the price had risen.


def test_without_a_target_nothing_is_measured(free):
    assert not [name for name in free[1] if name.startswith("kl")]
