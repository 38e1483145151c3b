"""An ablation changes what it says, and nothing of what else is trained."""

import chex
import jax
import jax.numpy as jnp
import pytest
import small_problems

from thesis_rl.learning import ablations, network

RANDOM = {"sft": {"num_steps": 0}}
SHORT = {"rft": {"num_steps": 2, "entropy_coef": 0.5}, "reward": {"claims": "net"}}


def config(**named):
    return small_problems.config({"ablations": named})


def bits(key):
    return jax.random.key_data(key).tolist()


def test_it_changes_what_it_says_and_only_in_its_own_stage():
    given = config(short=SHORT)
    changed = ablations.of_stage("short", given).to_dict()
    expected = given.to_dict()
    expected["rft"] |= SHORT["rft"]
    expected["reward"] |= SHORT["reward"]
    assert changed == expected
    for stage in ("sft", "rft"):
        assert ablations.of_stage(stage, given) == given
    assert network.settings("short", given).num_steps == 2
    assert network.settings("rft", given) == given.rft


def test_its_draws_hang_on_its_name_and_not_on_which_others_there_are():
    key = jax.random.key(0)
    alone = network.keys(key, "short", config(short=SHORT))
    beside = network.keys(key, "short", config(short=SHORT, a=RANDOM))
    assert list(map(bits, alone)) == list(map(bits, beside))
    given = config(short=SHORT, a=RANDOM)
    stages = network.stages(given)
    assert stages == ("sft", "rft", "a", "short")
    drawn = [str(bits(network.keys(key, stage, given)[1])) for stage in stages]
    assert len(set(drawn)) == len(stages)


@pytest.mark.parametrize("stage, imitates", [("rft", 1), ("short", 1), ("a", 0)])
def test_it_begins_from_imitation_or_else_at_random(stage, imitates):
    given = config(short=SHORT, a=RANDOM)
    panel = small_problems.noise_panel(8, 2)
    job = network.Job(jax.random.key(0), None, None)
    first = network.start("sft", job, None, panel, given)
    warm = jax.tree.map(lambda x: x + 1.0, first)
    begins = network.start(stage, job, warm, panel, given)
    chex.assert_trees_all_equal(begins, warm if imitates else first)
    assert all(
        jnp.any(x != y)
        for x, y in zip(*map(jax.tree.leaves, (warm, first)), strict=True)
    )
