"""Imitation: each teacher is learnt, and what is masked teaches nothing."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems

from thesis_rl import policy
from thesis_rl.learning import preprocess, sft

DAYS = small_problems.days(0, 40)
STEPS = {"sft.num_steps": 60, "sft.peak_lr": 0.03, "sft.weight_decay": 0.0}
CONFIG = small_problems.config(STEPS)
FIT = jax.jit(sft.fit, static_argnames="config")
LOSSES = ("sections_loss", "claims_loss", "decision_loss")


@pytest.fixture(scope="module")
def panel():
    return small_problems.learnable_panel()


@functools.cache
def start():
    inputs = jnp.zeros(2 * small_problems.NUM_FEATURES)
    return jax.jit(policy.make_model(CONFIG).init)(jax.random.key(1), inputs)


def fit(panel, config=CONFIG, scaler_of=None):
    scaled = panel if scaler_of is None else scaler_of
    scaler = preprocess.fit(scaled, DAYS, config.labels)
    key = jax.random.key(0)
    return FIT(key, start(), panel, scaler, DAYS, config=config)


def test_a_feature_listed_with_its_relative_reaches_the_trunk_as_that_alone():
    assert small_problems.FEATURES == ("mom10", "vol", "vol_rel", "rsi")
    kept = (True, False, True, True)
    assert policy.make_model(CONFIG).trunk == kept + kept  # Values, then missing flags.


@pytest.mark.parametrize("weighting", ["fixed", "uncertainty"])
def test_every_loss_falls_on_a_learnable_panel(panel, weighting):
    config = small_problems.config(STEPS | {"sft.weighting": weighting})
    _, metrics = fit(panel, config)
    chex.assert_shape(metrics["loss"], (60,))
    for name in LOSSES:
        first, last = metrics[name][:5].mean(), metrics[name][-5:].mean()
        assert last < 0.6 * first, name


def test_unknown_claims_teach_nothing(panel):
    params, metrics = fit(panel)
    other = panel._replace(truth=panel.truth | ~panel.known)
    assert jnp.any(other.truth != panel.truth)
    chex.assert_trees_all_equal((params, metrics), fit(other))


def test_rows_without_a_label_teach_nothing(panel):
    params, metrics = fit(panel)
    masked = panel.labelled[..., None]
    other = panel._replace(
        features=jnp.where(masked, panel.features, 5.0),
        truth=jnp.where(masked, panel.truth, ~panel.truth),
        score=jnp.where(panel.labelled, panel.score, 0.9),
    )
    assert jnp.any(other.features != panel.features)
    assert np.isfinite(metrics["loss"]).all()
    chex.assert_trees_all_equal((params, metrics), fit(other, scaler_of=panel))


def test_a_fold_without_any_label_leaves_finite_parameters(panel):
    empty = panel._replace(labelled=jnp.zeros_like(panel.labelled))
    params, metrics = fit(empty)
    chex.assert_tree_all_finite((params, metrics))
    chex.assert_trees_all_equal(params, start())
