"""The step that the benchmark has in PyTorch is the step that this package takes."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import FrozenConfigDict

from experiments import rft
from experiments.bench import contest, training
from thesis_rl import policy
from thesis_rl.learning import optimizer, sft
from thesis_rl.learning.rft import row_loss
from thesis_rl.types import Row

torch = pytest.importorskip("torch")

from experiments.bench import torch_step, torch_training  # noqa: E402

B, R = 64, 2


@pytest.fixture(scope="module")
def config():
    return FrozenConfigDict(rft.get_config())


@pytest.fixture(scope="module")
def networks(config):
    model = policy.make_model(config)
    keys = jax.random.split(jax.random.key(0), R)
    inputs = jnp.zeros(2 * len(config.features))
    return jax.vmap(model.init, (0, None))(keys, inputs)


def random_rows(config):
    """Draws rows of which a tenth has no label, and a tenth of claims is unknown."""
    rng = np.random.default_rng(0)
    claims = R, B, len(config.claims)
    known = rng.random(claims) < 0.9
    return Row(
        inputs=np.float32(rng.normal(size=(R, B, 2 * len(config.features)))),
        truth=known & (rng.random(claims) < 0.5),
        known=known,
        label=np.int32(rng.integers(0, 5, (R, B))),
        payoff=np.float32(rng.normal(0, 2, (R, B))),
        weight=np.float32(rng.random((R, B)) < 0.9),
    )


def jax_gradients(stage, networks, rows, uniforms, config):
    model = policy.make_model(config)
    weights = jnp.array(config.reward.weights)
    coef = config.rft.entropy_coef

    def rft_loss(params, rows, uniforms):
        loss, _ = row_loss(params, uniforms, rows, weights, coef, model, config)
        return optimizer.weighted_mean(loss, rows.weight)

    def sft_loss(params, rows, uniforms):
        tasks = sft.task_losses(params, rows, model, config)
        return (tasks @ rows.weight / rows.weight.sum()).sum()

    loss = {"rft": rft_loss, "sft": sft_loss}[stage]
    rows = jax.tree.map(lambda x: jnp.moveaxis(x, 1, -1), rows)  # [R, ..., B]
    uniforms = jnp.moveaxis(uniforms, 1, -1)
    return jax.jit(jax.vmap(jax.grad(loss)))(networks, rows, uniforms)


def torch_layout(networks, config):
    """Brings parameters into the order of PyTorch's step, trunk columns first."""
    trunk = np.array(policy.make_model(config).trunk)
    order = np.argsort(~trunk, kind="stable")
    layers, width = networks["params"], config.model.hidden[-1]
    heads = ("sections", "claims", "decision")
    claims = layers["claims"]["kernel"]
    kernels = [layers[head]["kernel"][:, :width] for head in heads]
    biases = [layers[head]["bias"] for head in heads]
    parts = (
        layers["Dense_0"]["kernel"][:, order[: trunk.sum()]],
        layers["Dense_1"]["kernel"],
        np.concatenate(kernels, axis=2),
        claims[:, width:][:, order],
        layers["Dense_0"]["bias"][:, None],
        layers["Dense_1"]["bias"][:, None],
        np.concatenate(biases, axis=1)[:, None],
    )
    return torch_step.Weights(*(torch.tensor(np.array(x)) for x in parts)), order


@pytest.mark.parametrize("stage", ["rft", "sft"])
def test_pytorch_descends_the_same_loss(networks, config, stage):
    rows = random_rows(config)
    uniforms = np.random.default_rng(1).random((R, B, 2, 15), np.float32)
    ours = jax_gradients(stage, networks, rows, uniforms, config)
    expected, _ = torch_layout(ours, config)
    weights, order = torch_layout(networks, config)
    packed = (
        rows.inputs[..., order],
        rows.truth,
        rows.known,
        np.eye(5)[rows.label],
        rows.payoff[..., None],
        rows.weight[..., None],
    )
    packed = torch.tensor(np.float32(np.concatenate(packed, axis=-1)))
    weights = torch_step.Weights(*(w.requires_grad_() for w in weights))
    runs = torch_training.Training(stage, R, "default", 1)
    uniforms = torch.tensor(uniforms.transpose(2, 0, 1, 3))
    loss = runs.loss(weights, torch_step.as_rows(packed), uniforms)
    for one, other in zip(torch.autograd.grad(loss, weights), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
        assert abs(other).max() > 1e-4


@pytest.mark.parametrize("size", contest.SIZES)
def test_pytorch_trains_at_the_same_sizes_with_the_same_settings(size):
    theirs = torch_training
    config = training.make_config(size, 50)
    names, days, trunk, inputs = theirs.SIZES[size]
    assert names == training.NUM_NAMES[size]
    assert {config.rft.batch_days, config.sft.batch_days} == {days}
    assert sum(policy.make_model(config).trunk) == trunk
    assert 2 * len(config.features) == inputs
    assert config.model.hidden == (theirs.WIDTH,) * 2
    stage = config.rft
    coefs = stage.entropy_coef, stage.anchor_coef, stage.claims_anchor_coef
    assert (config.reward.weights, *coefs) == tuple(theirs.REINFORCEMENT)
    assert theirs.IMITATION == (1.0, 1.0, 1.0)
    for name, decay in theirs.WEIGHT_DECAY.items():
        stage = config[name]
        assert stage.peak_lr == theirs.PEAK_LR
        assert (stage.weight_decay, optimizer.MAX_GRAD_NORM) == (decay, 10.0)


@pytest.mark.parametrize("stage", ["rft", "sft"])
def test_pytorch_steps_as_optax_does(config, stage, monkeypatch):
    num_steps = 3
    runs = torch_training.Training(stage, R, "default", num_steps)
    rng = np.random.default_rng(0)
    start = runs.flat.detach().numpy().copy()
    gradients = np.float32(rng.normal(size=(num_steps, *start.shape)))
    steps = iter(gradients)
    runs.gradient = lambda flat: torch.tensor(next(steps))
    named = torch_names(runs, torch.tensor(start))
    settings = training.make_config("default", num_steps)[stage]
    # Clipping is done with the gradient there and with the step here.
    monkeypatch.setattr(optimizer, "MAX_GRAD_NORM", math.inf)
    tx = optimizer.make_optimizer(settings)
    state = tx.init(named)
    for i, gradient in enumerate(gradients):
        runs.step(i)
        given = torch_names(runs, torch.tensor(gradient))
        updates, state = tx.update(given, state, named)
        named = jax.tree.map(lambda x, y: x + y, named, updates)
    found = torch_names(runs, runs.flat)
    for one, other in zip(*map(jax.tree.leaves, (found, named)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def torch_names(runs, flat):
    """Names parameters as the policy does, so that `decays` tells them apart."""
    weights = torch_step.unflatten(flat, runs.sizes)
    parts = {k: jnp.array(x.detach().numpy()) for k, x in weights._asdict().items()}
    bits = torch_step.BITS
    free = {"evidence": parts.pop("evidence")}
    for name in ("heads", "heads_bias"):
        whole = parts.pop(name)
        free[name], parts[name] = whole[..., :bits], whole[..., bits:]
    return {"claims": free, "trunk": parts}
