"""What moved a decision: the position's gradient, added up from a plain row to this."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl.learning import network, preprocess, sft
from thesis_rl.learning.preprocess import Scaler
from thesis_rl.thesis.vocabulary import DECISION_POSITIONS
from thesis_rl.types import Params
from thesis_rl.walk_forward.program import Forecasts

NUM_STEPS = 512  # For `explain`: a kinked policy's shares sum to within 1e-3.


def integrated_gradients(
    fn: Callable[[jax.Array], jax.Array],
    inputs: jax.Array,
    baseline: jax.Array,
    num_steps: int = 64,
) -> jax.Array:
    """Shares a function's change among its inputs.

      a_i = (x_i - b_i) · ∫₀¹ ∂fn/∂x_i (b + s (x - b)) ds

    Integrated gradients of Sundararajan, Taly and Yan (2017), "Axiomatic Attribution
    for Deep Networks", by the midpoint rule. The shares sum to fn(x) - fn(b), up to
    the rule's error; of a sum of functions of one input each they are the exact
    Shapley values.

    Args:
      fn: [I] -> [], differentiable almost everywhere.
      inputs: x, [I].
      baseline: b, [I].
      num_steps: points on the straight line from b to x.

    Returns:
      The shares, [I].
    """
    steps = (jnp.arange(num_steps) + 0.5) / num_steps
    at = lambda s: jax.grad(fn)(baseline + s * (inputs - baseline))  # noqa: E731
    return (inputs - baseline) * jax.vmap(at)(steps).mean(axis=0)


def plain_row(inputs: jax.Array, scaler: Scaler) -> jax.Array:
    """Returns the row that a row is compared with: the training mean, all present.

    A feature that the training rows lacked, or that never varied there, taught the
    network nothing; its columns stay as the row has them, so that its share is 0.

    Args:
      inputs: [2 D] of `preprocess.inputs`.
      scaler: that made them.

    Returns:
      [2 D].
    """
    taught = scaler.inverse_sd > 0
    return jnp.where(jnp.concatenate([taught, taught]), 0.0, inputs)


def by_feature(shares: jax.Array) -> jax.Array:
    """Adds the share of a feature's missing flag to that of its value: [2 D] -> [D]."""
    return shares.reshape(2, -1).sum(axis=0)


def explain(
    params: Params,
    features: jax.Array,
    available: jax.Array,
    scaler: Scaler,
    config: FrozenConfigDict,
) -> tuple[Forecasts, jax.Array, jax.Array]:
    """Forecasts one row with an ensemble, and shares its position among features.

    Args:
      params: of one fold, [S, ...].
      features: [D] raw.
      available: [D] bool.
      scaler: fitted on the fold.
      config: the experiment's.

    Returns:
      Mean forecasts over seeds; the shares [D] of the expected position; and the
      expected position of the row that they start from, [].
    """
    inputs = preprocess.inputs(features, available, scaler)
    plain = plain_row(inputs, scaler)

    def position(inputs):
        decision = ensemble(params, inputs, config).decision
        return decision @ jnp.array(DECISION_POSITIONS)

    shares = integrated_gradients(position, inputs, plain, NUM_STEPS)
    return ensemble(params, inputs, config), by_feature(shares), position(plain)


def ensemble(params: Params, inputs: jax.Array, config: FrozenConfigDict) -> Forecasts:
    """Averages the probabilities of all seeds [S, ...] for the inputs [2 D]."""
    logits = jax.vmap(sft.make_model(config).apply, in_axes=(0, None))(params, inputs)
    said = jax.vmap(network.spell_out)(logits)
    return jax.tree.map(lambda x: x.mean(axis=0), said)
