"""Honest confidence: decision probabilities rescaled, claims cut where they hold.

All of it is fitted on the last part of a fold's training rows, by a network of the
same recipe that was trained on the part before, so that no row says how sure a
network may be of what it was shown.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from thesis_rl.training import Forecasts

NUM_NEWTON_STEPS = 12
MIN_INVERSE_TEMPERATURE = 1e-3  # Rows without any signal keep their order, barely.
RIDGE = 1e-3  # Holds what few rows do not determine near the temperature alone.
SMALLEST = 1e-7  # Probabilities below are float32's rounding.
MIN_CUTOFF = 0.5  # A claim that is likelier false is never asserted.
NEVER = 2.0  # A cut-off that no probability reaches.


class Scaling(NamedTuple):
    """p' ∝ exp(scale · log p + bias)."""

    scale: jax.Array  # [A]
    bias: jax.Array  # [A]


class Calibrator(NamedTuple):
    """What one fold learned of how far its probabilities can be trusted."""

    temperature: Scaling  # One scale for all decisions, no bias.
    vector: Scaling
    cutoffs: jax.Array  # [C], a claim is asserted at or above.


def apply(scaling: Scaling, probabilities: jax.Array) -> jax.Array:
    """Rescales decision probabilities [..., A].

    Temperature and vector scaling of Guo, Pleiss, Sun and Weinberger (2017), "On
    Calibration of Modern Neural Networks", with log-probabilities for logits.
    """
    logits = jnp.log(jnp.maximum(probabilities, SMALLEST))
    shape = (1,) * (logits.ndim - 1) + (-1,)
    scaled = logits * scaling.scale.reshape(shape) + scaling.bias.reshape(shape)
    return jax.nn.softmax(scaled)


def fit(
    forecasts: Forecasts,
    label: jax.Array,
    truth: jax.Array,
    weight: jax.Array,
    claim_precision: float,
) -> Calibrator:
    """Fits temperature, vector and claim cut-offs on rows that no training saw.

    Args:
      forecasts: of n rows, [n, ...].
      label: [n] int32.
      truth: [n, C] bool, the claims that are known to hold.
      weight: [n], 0 for a row without a label.
      claim_precision: smallest share of asserted claims that must hold.

    Returns:
      The calibrator.
    """
    logits = jnp.log(jnp.maximum(forecasts.decision, SMALLEST))  # [n, A]
    num_decisions = logits.shape[-1]
    total = jnp.maximum(weight.sum(), 1.0)

    def loss(scale, bias):
        log_probs = jax.nn.log_softmax(logits * scale[None, :] + bias[None, :])
        picked = jnp.take_along_axis(log_probs, label[:, None], axis=1)[:, 0]
        return -(picked * weight).sum() / total

    zeros = jnp.zeros(num_decisions)
    inverse = minimise(lambda x: loss(x[0] + zeros, zeros), jnp.zeros(1))
    scale = jnp.maximum(inverse, MIN_INVERSE_TEMPERATURE) + zeros

    def vector_loss(x):
        ridge = jnp.sum((x[0] - scale) ** 2) + jnp.sum(x[1] ** 2)
        return loss(*x) + RIDGE * ridge

    vector = minimise(
        lambda x: vector_loss(x.reshape(2, -1)), jnp.concatenate([scale, zeros])
    )
    # A row without a weight may have no quote, and then nothing is claimed of it.
    stated = jnp.where(weight[:, None] > 0, forecasts.claims, 0.0)
    cutoffs = jax.vmap(cutoff, in_axes=(1, 1, None))(stated, truth, claim_precision)
    return Calibrator(
        Scaling(scale, zeros), Scaling(*vector.reshape(2, num_decisions)), cutoffs
    )


def minimise(loss: Callable[[jax.Array], jax.Array], start: jax.Array) -> jax.Array:
    """Finds the minimum of a convex function of few numbers by Newton's method.

    Args:
      loss: [n] -> [].
      start: [n].

    Returns:
      [n].
    """

    def step(x, _):
        slope, curvature = jax.grad(loss)(x), jax.hessian(loss)(x)
        curvature = curvature + 1e-6 * jnp.eye(x.size)
        move = jnp.linalg.solve(curvature, slope)
        return x - move / jnp.maximum(jnp.abs(move).max(), 1.0), None

    return jax.lax.scan(step, start, length=NUM_NEWTON_STEPS)[0]


def cutoff(probability: jax.Array, truth: jax.Array, precision: float) -> jax.Array:
    """Finds the lowest probability at which one claim is asserted.

    It is the lowest of at least one half at which, of all rows at or above it, a share
    `precision` holds. A row where the claim cannot be checked counts as one where it
    fails.

    Args:
      probability: [n].
      truth: [n] bool.
      precision: in [0, 1].

    Returns:
      [] one of the probabilities; above 1 where none would do.
    """
    order = jnp.argsort(-probability)
    falling, held = probability[order], jnp.cumsum(truth[order])
    enough = held >= precision * jnp.arange(1, truth.size + 1)
    # Rows of the same probability are asserted together.
    is_last = jnp.append(falling[1:] < falling[:-1], True)
    good = enough & is_last & (falling >= MIN_CUTOFF)
    return jnp.where(good, falling, NEVER).min()
