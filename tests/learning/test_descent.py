"""Descent: what a step does not depend on, and what decays."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import small_problems

from thesis_rl.learning import optimizer

NUM_STEPS = 7
STAGE = small_problems.config({"rft.num_steps": NUM_STEPS}).rft


def loss_fn(params, key, step):
    noise = jax.random.normal(key, (3,))
    loss = jnp.sum((params["x"] - noise) ** 2) + params["y"] ** 2
    return loss, {"x": params["x"], "y": params["y"]}  # Before the step.


@jax.jit
def advance(state, first, stop):
    return optimizer.advance(jax.random.key(0), state, loss_fn, STAGE, first, stop)


def test_in_how_many_goes_steps_are_taken_changes_nothing():
    begun = optimizer.begin({"x": jnp.arange(3.0), "y": jnp.ones(())}, loss_fn, STAGE)
    whole = advance(begun, 0, NUM_STEPS)
    chex.assert_trees_all_equal(advance(advance(begun, 0, 3), 3, NUM_STEPS), whole)
    assert len(np.unique(whole.metrics["y"])) == NUM_STEPS


def test_decay_spares_facts_and_what_is_no_weight():
    heads = {name: {"kernel": 0.0} for name in ("sections", "claims", "decision")}
    state = {"policy": {"params": heads}, "log_variances": 0.0}
    marked = optimizer.decays(state)
    assert marked["policy"]["params"].pop("decision") == {"kernel": True}
    assert not any(jax.tree.leaves(marked))
