"""Stochastic gradient descent in one loop, for every kind of training."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from ml_collections import FrozenConfigDict

from thesis_rl.types import Metrics, Params

MAX_GRAD_NORM = 10.0
LossFn = Callable[[Params, jax.Array, jax.Array], tuple[jax.Array, Metrics]]


class State(NamedTuple):
    """Where a descent stands after some of its steps."""

    params: Params
    opt_state: optax.OptState
    metrics: Metrics  # [num_steps], 0 from the first step that is still to come.


def make_optimizer(config: FrozenConfigDict) -> optax.GradientTransformation:
    """Builds clipped AdamW on a cosine schedule; `config` is one training stage's."""
    schedule = optax.cosine_decay_schedule(config.peak_lr, max(config.num_steps, 1))
    return optax.chain(
        optax.clip_by_global_norm(MAX_GRAD_NORM),
        optax.adamw(schedule, weight_decay=config.weight_decay, mask=decays),
    )


def decays(params: Params) -> Params:
    """Marks what weight decay shrinks: the trunk and the decision head.

    Which claims hold is a fact and cannot be overfit; what a decision will earn can.
    """
    exempt = ("sections", "claims", "log_variances")
    return jax.tree_util.tree_map_with_path(
        lambda path, _: not any(getattr(k, "key", None) in exempt for k in path), params
    )


def begin(params: Params, loss_fn: LossFn, config: FrozenConfigDict) -> State:
    """Stands at the start of a descent.

    Args:
      params: where to start.
      loss_fn: (params, key, step) -> (loss, metrics); its metrics are not computed.
      config: one training stage's, such as `config.sft`.

    Returns:
      The state before the first step.
    """
    key, step = jax.eval_shape(lambda: (jax.random.key(0), jnp.int32(0)))
    _, metrics = jax.eval_shape(loss_fn, params, key, step)
    metrics = metrics | {"grad_norm": jax.ShapeDtypeStruct((), jnp.float32)}
    blank = lambda x: jnp.zeros((config.num_steps, *x.shape), x.dtype)  # noqa: E731
    return State(
        params,
        make_optimizer(config).init(params),
        jax.tree.map(blank, metrics),
    )


def advance(
    key: jax.Array,
    state: State,
    loss_fn: LossFn,
    config: FrozenConfigDict,
    first: jax.Array,
    stop: jax.Array,
) -> State:
    """Takes some steps of a descent; in how many goes changes nothing, bit for bit.

    Args:
      key: step i uses `fold_in(key, i)`, so that a resumed run needs no saved key.
      state: after step `first` - 1.
      loss_fn: (params, key, step) -> (loss, metrics).
      config: one training stage's.
      first: [] int32, the next step.
      stop: [] int32, the step to stop before.

    Returns:
      The state after step `stop` - 1.
    """
    tx = make_optimizer(config)

    def step(i: jax.Array, state: State) -> State:
        grads, metrics = jax.grad(loss_fn, has_aux=True)(
            state.params, jax.random.fold_in(key, i), i
        )
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        metrics["grad_norm"] = optax.tree.norm(grads)
        params = optax.apply_updates(state.params, updates)
        metrics = jax.tree.map(lambda x, y: x.at[i].set(y), state.metrics, metrics)
        return State(params, opt_state, metrics)

    return jax.lax.fori_loop(first, stop, step, state)


def minimise(
    key: jax.Array, params: Params, loss_fn: LossFn, config: FrozenConfigDict
) -> tuple[Params, Metrics]:
    """Follows the gradient of a sampled loss for `config.num_steps` steps.

    Args:
      key: consumed.
      params: where to start.
      loss_fn: (params, key, step) -> (loss, metrics).
      config: one training stage's, such as `config.sft`.

    Returns:
      The final parameters, and metrics with a leading axis [num_steps].
    """
    state = begin(params, loss_fn, config)
    state = advance(key, state, loss_fn, config, 0, config.num_steps)
    return state.params, state.metrics


def weighted_mean(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Averages [B, ...] with weights [B]; 0 where every weight is 0."""
    total = jnp.tensordot(weights, values, axes=1)
    return total / jnp.maximum(weights.sum(), 1.0)
