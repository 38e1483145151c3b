"""Descent: what a step does not depend on, and snapshots on the way."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems

from thesis_rl import descent

NUM_STEPS = 7
STAGE = small_problems.config({"rft.num_steps": NUM_STEPS}).rft


def loss_fn(params, key, step):
    noise = jax.random.normal(key, (3,))
    loss = jnp.sum((params["x"] - noise) ** 2) + params["y"] ** 2
    return loss, {"x": params["x"], "y": params["y"]}  # Before the step.


@functools.partial(jax.jit, static_argnums=1)
def minimise(start, num_snapshots):
    return descent.minimise(jax.random.key(0), start, loss_fn, STAGE, num_snapshots)


@pytest.fixture(scope="module")
def start():
    return {"x": jnp.arange(3.0), "y": jnp.ones(())}


@pytest.mark.parametrize("num, steps", [(2, (4, 7)), (3, (3, 5, 7)), (7, range(1, 8))])
def test_snapshots_are_the_parameters_after_equally_spaced_steps(start, num, steps):
    end, metrics = minimise(start, 1)
    after = {name: np.append(metrics[name], end[name][None], axis=0) for name in end}
    snapshots, again = minimise(start, num)
    expected = {name: x[np.array(steps)] for name, x in after.items()}
    assert len(np.unique(expected["y"])) == num
    chex.assert_trees_all_close(snapshots, expected, rtol=1e-6)
    chex.assert_trees_all_close(again, metrics, rtol=1e-6)


def test_decay_spares_facts_and_what_is_no_weight():
    heads = {name: {"kernel": 0.0} for name in ("sections", "claims", "decision")}
    state = {"policy": {"params": heads}, "log_variances": 0.0, "kl_state": 0.0}
    marked = descent.decays(state)
    assert marked["policy"]["params"].pop("decision") == {"kernel": True}
    assert not any(jax.tree.leaves(marked))
