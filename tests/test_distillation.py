"""Distillation: what several networks say on average is what one learns to say."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems
from scipy.special import rel_entr

from thesis_rl import config as config_lib
from thesis_rl import distillation, preprocess, sft, training
from thesis_rl.types import Fold

T, NUM_TEACHERS = 60, 3
FOLD = small_problems.fold(0, 40, 45, 55)
HEADS = ("sections", "claims", "decision")
STEPS = {
    "num_seeds": NUM_TEACHERS,
    "folds.test_days": 10,
    "sft.num_steps": 30,
    "sft.peak_lr": 0.05,
    "sft.weight_decay": 0.0,
    "distillation.num_steps": 150,
    "distillation.batch_days": 20,
    "distillation.peak_lr": 0.03,
}
CONFIG = small_problems.config(STEPS)
MODEL = sft.make_model(CONFIG)
FIT = jax.jit(distillation.fit, static_argnames="config")
INITIALISE = jax.jit(training.initialise, static_argnames="config")


@pytest.fixture(scope="module")
def panel():
    return small_problems.learnable_panel(T)


@pytest.fixture(scope="module")
def scaler(panel):
    fit_scaler = jax.jit(preprocess.fit, static_argnames="config")
    return fit_scaler(panel, FOLD, config=CONFIG.labels)


@functools.partial(jax.jit, static_argnames="config")
def train(key, panel, scaler, config):
    """Teachers that differ: each from its own start, on its own minibatches."""

    def one(i):
        init_key, fit_key = jax.random.split(jax.random.fold_in(key, i))
        start = training.initialise(init_key, panel, config)
        return sft.fit(fit_key, start, panel, scaler, FOLD, config)[0]

    return jax.vmap(one)(jnp.arange(NUM_TEACHERS))


@pytest.fixture(scope="module")
def teachers(panel, scaler):
    return train(jax.random.key(5), panel, scaler, CONFIG)


@pytest.fixture(scope="module")
def student(panel, scaler, teachers):
    return fit(panel, scaler, teachers)


def fit(panel, scaler, teachers, config=CONFIG):
    start = INITIALISE(jax.random.key(1), panel, config)
    key = jax.random.key(0)
    return FIT(key, start, teachers, panel, scaler, FOLD, config=config)


@functools.partial(jax.jit, static_argnames="config")
def forecast(params, panel, scaler, config=CONFIG):
    """What one network says of every training row."""
    return training.predict(params, panel, scaler, 0, 40, config)


def pick(teachers, i):
    return jax.tree.map(lambda x: x[i], teachers)


def divergence(target, said):
    """Mean KL of the three heads over training rows, in float64."""
    total = 0.0
    for name in HEADS:
        q, p = (np.asarray(getattr(x, name), np.float64) for x in (target, said))
        kl = rel_entr(q, p)
        if name != "decision":
            kl = kl + rel_entr(1 - q, 1 - p)
        total += kl.sum(-1).mean()
    return total


def average(teachers, panel, scaler):
    each = [forecast(pick(teachers, i), panel, scaler) for i in range(NUM_TEACHERS)]
    return jax.tree.map(lambda *x: sum(x) / NUM_TEACHERS, *each), each


def test_student_is_nearer_the_mean_than_any_teacher(panel, scaler, teachers, student):
    target, each = average(teachers, panel, scaler)
    nearest = min(divergence(target, said) for said in each)
    assert divergence(target, forecast(student[0], panel, scaler)) < 0.5 * nearest
    losses = student[1]["loss"]
    chex.assert_shape(losses, (150,))
    assert losses[-10:].mean() < 0.8 * losses[:10].mean()


def test_of_equal_teachers_the_student_becomes_a_copy(panel, scaler, teachers):
    lone = pick(teachers, 0)
    alike = jax.tree.map(lambda x: jnp.stack([x] * NUM_TEACHERS), lone)
    start = INITIALISE(jax.random.key(1), panel, CONFIG)
    target = forecast(lone, panel, scaler)
    learnt = forecast(fit(panel, scaler, alike)[0], panel, scaler)
    before = divergence(target, forecast(start, panel, scaler))
    assert divergence(target, learnt) < 0.03 * before


def test_a_student_that_says_what_its_teacher_says_stays(panel, scaler, teachers):
    lone = pick(teachers, 0)
    inputs = jnp.asarray(np.random.default_rng(0).normal(size=8), jnp.float32)

    @jax.jit
    def gradient(params, teachers):
        target = distillation.mean_forecast(teachers, inputs, MODEL)
        loss = lambda p: distillation.task_losses(p, inputs, target, MODEL).sum()  # noqa: E731
        return jax.grad(loss)(params)

    alike = jax.tree.map(lambda x: jnp.stack([x] * NUM_TEACHERS), lone)
    still = gradient(lone, alike)
    chex.assert_trees_all_close(still, jax.tree.map(jnp.zeros_like, lone), atol=1e-6)
    moved = gradient(lone, teachers)
    assert max(jnp.abs(x).max() for x in jax.tree.leaves(moved)) > 1e-3


def test_losses_are_cross_entropies_at_the_mean_probability(teachers):
    inputs = jnp.asarray(np.random.default_rng(1).normal(size=8), jnp.float32)

    @jax.jit
    def both(teachers):
        target = distillation.mean_forecast(teachers, inputs, MODEL)
        params = pick(teachers, 0)
        said = MODEL.apply(params, inputs)
        return target, said, distillation.task_losses(params, inputs, target, MODEL)

    target, said, losses = both(teachers)
    each = [
        jax.jit(MODEL.apply)(pick(teachers, i), inputs) for i in range(NUM_TEACHERS)
    ]
    odds = lambda x: 1 / (1 + np.exp(-np.asarray(x, np.float64)))  # noqa: E731
    for head in ("sections", "claims"):
        mean = np.mean([odds(getattr(logits, head)) for logits in each], axis=0)
        np.testing.assert_allclose(getattr(target, head), mean, rtol=1e-5)
    q, p = target.claims, odds(said.claims)
    claims = -(q * np.log(p) + (1 - q) * np.log(1 - p)).mean()
    logits = np.asarray(said.decision, np.float64)
    decision = -(target.decision * (logits - np.log(np.exp(logits).sum()))).sum()
    np.testing.assert_allclose(losses[1:], [claims, decision], rtol=1e-5)


def test_days_outside_the_training_window_teach_nothing(
    panel, scaler, teachers, student
):
    trains = (jnp.arange(T) < 40)[:, None]
    other = small_problems.noise_panel(T, seed=9)
    spliced = jax.tree.map(
        lambda x, y: jnp.where(trains[(...,) + (None,) * (x.ndim - 2)], x, y),
        panel,
        other,
    )
    assert jnp.any(spliced.features != panel.features)
    chex.assert_trees_all_equal(fit(spliced, scaler, teachers), student)


def test_labels_teach_nothing_and_rows_without_one_teach(
    panel, scaler, teachers, student
):
    blind = panel._replace(
        labelled=jnp.zeros_like(panel.labelled),
        truth=~panel.truth,
        score=1 - panel.score,
        payoff=-panel.payoff,
    )
    chex.assert_trees_all_equal(fit(blind, scaler, teachers), student)


def test_rows_without_any_feature_teach_nothing(panel, scaler, teachers):
    empty = panel._replace(available=jnp.zeros_like(panel.available))
    start = INITIALISE(jax.random.key(1), panel, CONFIG)
    chex.assert_trees_all_equal(fit(empty, scaler, teachers)[0], start)


def test_a_fold_is_the_same_whatever_fold_is_beside_it(panel, teachers):
    config = small_problems.config(STEPS | {"distillation.num_steps": 3})

    @jax.jit
    def run(train_stops, teachers, panel):
        test_starts = train_stops + 5
        folds = Fold(train_stops - 20, train_stops, test_starts, test_starts + 10)
        scalers = jax.lax.map(
            lambda fold: preprocess.fit(panel, fold, config.labels), folds
        )
        return distillation.train_and_predict(
            jax.random.key(2), teachers, panel, scalers, folds, config
        )

    def beside(train_stop, scale):
        stops = jnp.array([train_stop, 40], jnp.int32)
        of_folds = jax.tree.map(lambda x: jnp.stack([scale * x, x], 1), teachers)
        return jax.device_get(run(stops, of_folds, panel))

    one, other = beside(20, 0.5), beside(30, 2.0)
    chex.assert_tree_shape_prefix(one[0], (2,))
    chex.assert_tree_shape_prefix(one[1], (2, 3))
    chex.assert_tree_shape_prefix(one[2], (2, 10, 3))
    of = lambda i, tree: jax.tree.map(lambda x: x[i], tree)  # noqa: E731
    chex.assert_trees_all_equal(of(1, one), of(1, other))
    assert not np.array_equal(of(0, one)[2].decision, of(0, other)[2].decision)


@pytest.mark.parametrize(
    "key, value", [("num_steps", -1), ("batch_days", 0), ("peak_lr", float("nan"))]
)
def test_a_block_that_cannot_run_is_refused(key, value):
    config = small_problems.config({f"distillation.{key}": value})
    with pytest.raises(ValueError, match=f"config.distillation.{key} is {value}"):
        config_lib.check(config)
