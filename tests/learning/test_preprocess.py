"""Scaling, thresholds and draws: fitted on the fold's training rows and no others."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems
from ml_collections import ConfigDict, FrozenConfigDict

from experiments import rft
from thesis_rl.learning import preprocess

DAYS = small_problems.days(10, 40)
TRAIN = slice(10, 40)
FIT = jax.jit(preprocess.fit, static_argnames="config")


def labels_config(recipe="cross_sectional", **changes):
    config = ConfigDict(rft.get_config("smoke").labels.to_dict())
    config.update(changes, recipe=recipe)
    return FrozenConfigDict(config)


def test_scaler_is_numpy_over_the_available_training_rows():
    panel = small_problems.noise_panel()
    scaler = FIT(panel, DAYS, config=labels_config())
    seen = np.where(panel.available, panel.features, np.nan)[TRAIN].reshape(-1, 4)
    np.testing.assert_allclose(scaler.mean, np.nanmean(seen, 0), rtol=1e-5)
    np.testing.assert_allclose(scaler.inverse_sd, 1 / np.nanstd(seen, 0), rtol=1e-5)


@pytest.mark.parametrize("recipe", ["cross_sectional", "absolute", "trading_r1"])
def test_rows_outside_the_training_window_change_nothing(recipe):
    panel = small_problems.noise_panel()
    other = small_problems.noise_panel(seed=9)
    outside = jax.tree.map(lambda x, y: y.at[TRAIN].set(x[TRAIN]), panel, other)
    inside = jax.tree.map(lambda x, y: x.at[TRAIN].set(y[TRAIN]), panel, other)
    config = labels_config(recipe)
    scaler = FIT(panel, DAYS, config=config)
    chex.assert_trees_all_equal(scaler, FIT(outside, DAYS, config=config))
    moved = FIT(inside, DAYS, config=config)
    assert not np.array_equal(scaler.mean, moved.mean)


@pytest.mark.parametrize("constant", [0.0, 0.1, -3e5, 1e-6])
def test_constant_and_missing_features_stay_silent(constant):
    # As many rows as a real panel has, where rounding has the most to add up.
    panel = small_problems.noise_panel(3000, 20)
    panel = panel._replace(
        features=panel.features.at[..., 1].set(constant).at[..., 2].set(jnp.nan),
        available=panel.available.at[..., 2].set(False),
    )
    days = small_problems.days(0, 2900, 3000)
    scaler = FIT(panel, days, config=labels_config())
    chex.assert_tree_all_finite(scaler)
    assert scaler.inverse_sd[1] == scaler.inverse_sd[2] == 0
    rows = jax.vmap(preprocess.inputs, in_axes=(0, 0, None))(
        panel.features[:, 0], panel.available[:, 0], scaler
    )
    chex.assert_tree_all_finite(rows)
    np.testing.assert_array_equal(rows[:, 1:3], 0.0)
    np.testing.assert_array_equal(rows[:, 6], 1.0)


def test_inputs_are_z_scores_then_flags_of_what_is_missing():
    scaler = preprocess.Scaler(jnp.array([1.0, 2.0]), jnp.array([2.0, 0.5]), None)
    inputs = preprocess.inputs(jnp.array([2.0, 99.0]), jnp.array([True, False]), scaler)
    np.testing.assert_array_equal(inputs, [2.0, 0.0, 0.0, 1.0])


def test_thresholds_of_each_recipe():
    panel = small_problems.noise_panel()
    used = np.array(panel.labelled)[TRAIN]
    quantiles = np.quantile(
        np.array(panel.score)[TRAIN][used], [0.03, 0.15, 0.53, 0.85]
    )
    cuts = (-2.0, -0.5, 0.5, 2.0)
    expected = {
        "cross_sectional": [0.2, 0.4, 0.6, 0.8],
        "absolute": cuts,
        "trading_r1": quantiles,
    }
    for recipe, thresholds in expected.items():
        config = labels_config(recipe, thresholds=cuts)
        scaler = FIT(panel, DAYS, config=config)
        np.testing.assert_allclose(scaler.thresholds, thresholds, rtol=1e-5)


def test_labels_are_cut_at_and_above_their_thresholds():
    thresholds = jnp.array([-1.0, -0.25, 0.25, 1.0])
    cases = {-9.0: 0, -1.0: 1, -0.3: 1, 0.0: 2, 0.25: 3, 0.5: 3, 1.0: 4, 9.0: 4}
    for score, label in cases.items():
        assert preprocess.label(jnp.float32(score), thresholds) == label


def test_draws_cover_the_training_rows_and_no_other():
    panel = small_problems.noise_panel()
    number = jnp.arange(60 * 3, dtype=jnp.float32).reshape(60, 3)
    panel = panel._replace(payoff=number)
    scaler = FIT(panel, DAYS, config=labels_config())
    draw = jax.jit(preprocess.draw, static_argnames="num_days")
    rows = draw(jax.random.key(0), panel, scaler, jnp.cumsum(DAYS), num_days=2000)
    drawn = np.array(rows.payoff, int)
    np.testing.assert_array_equal(np.unique(drawn), np.arange(10 * 3, 40 * 3))
    flat = jax.tree.map(lambda x: np.array(x).reshape(-1, *x.shape[2:])[drawn], panel)
    np.testing.assert_array_equal(rows.truth.T, flat.truth)
    np.testing.assert_array_equal(rows.known.T, flat.known)
    np.testing.assert_array_equal(rows.weight, flat.labelled.astype(float))
    quintile = np.searchsorted([0.2, 0.4, 0.6, 0.8], flat.score, side="right")
    np.testing.assert_array_equal(rows.label, quintile)
    np.testing.assert_array_equal(rows.inputs[4:].T, ~flat.available)
    z = (flat.features - np.array(scaler.mean)) * np.array(scaler.inverse_sd)
    z = np.where(flat.available, z, 0.0)
    np.testing.assert_allclose(rows.inputs[:4].T, z, rtol=1e-4, atol=1e-5)
    # Uniform: 2000 draws over 30 days, each within five standard deviations.
    counts = np.bincount(drawn)[30:]
    assert abs(counts - 2000 / 30).max() < 5 * np.sqrt(2000 / 30)
