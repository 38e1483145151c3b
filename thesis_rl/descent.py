"""Stochastic gradient descent as one scan, for every kind of training."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from ml_collections import FrozenConfigDict

from thesis_rl.types import Metrics, Params

LossFn = Callable[[Params, jax.Array, jax.Array], tuple[jax.Array, Metrics]]


class State(NamedTuple):
    params: Params
    opt_state: optax.OptState
    snapshots: Params | None  # [num_snapshots, ...]


def make_optimizer(config: FrozenConfigDict) -> optax.GradientTransformation:
    """Builds clipped AdamW on a cosine schedule; `config` is one training stage's."""
    schedule = optax.cosine_decay_schedule(config.peak_lr, max(config.num_steps, 1))
    return optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm),
        optax.adamw(schedule, weight_decay=config.weight_decay, mask=decays),
    )


def decays(params: Params) -> Params:
    """Marks what weight decay shrinks: the trunk and the decision head.

    Which claims hold is a fact and cannot be overfit; what a decision will earn can.
    """
    exempt = ("sections", "claims", "log_variances", "kl_state")
    return jax.tree_util.tree_map_with_path(
        lambda path, _: not any(getattr(k, "key", None) in exempt for k in path), params
    )


def minimise(
    key: jax.Array,
    params: Params,
    loss_fn: LossFn,
    config: FrozenConfigDict,
    num_snapshots: int = 1,
) -> tuple[Params, Metrics]:
    """Follows the gradient of a sampled loss for `config.num_steps` steps.

    Args:
      key: consumed; step i uses `fold_in(key, i)`, so that a resumed run needs none.
      params: where to start.
      loss_fn: (params, key, step) -> (loss, metrics).
      config: one training stage's, such as `config.sft`.
      num_snapshots: at most `config.num_steps`.

    Returns:
      The final parameters, and metrics with a leading axis [num_steps]. More than one
      snapshot gives parameters a leading axis [num_snapshots]: they are taken at
      equal distances, the last at the end.
    """
    tx = make_optimizer(config)
    several = num_snapshots > 1

    def step(state: State, i: jax.Array) -> tuple[State, Metrics]:
        grads, metrics = jax.grad(loss_fn, has_aux=True)(
            state.params, jax.random.fold_in(key, i), i
        )
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        metrics["grad_norm"] = optax.tree.norm(grads)
        new = optax.apply_updates(state.params, updates)
        snapshots = None
        if several:  # The last of a slot's steps is the one that stays.
            slot = i * num_snapshots // config.num_steps
            snapshots = jax.tree.map(
                lambda x, y: x.at[slot].set(y), state.snapshots, new
            )
        return State(new, opt_state, snapshots), metrics

    empty = lambda x: jnp.zeros((num_snapshots, *x.shape), x.dtype)  # noqa: E731
    start = State(
        params, tx.init(params), jax.tree.map(empty, params) if several else None
    )
    state, metrics = jax.lax.scan(step, start, jnp.arange(config.num_steps))
    return (state.snapshots if several else state.params), metrics


def weighted_mean(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Averages [B, ...] with weights [B]; 0 where every weight is 0."""
    total = jnp.tensordot(weights, values, axes=1)
    return total / jnp.maximum(weights.sum(), 1.0)
