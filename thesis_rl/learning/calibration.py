"""Honest confidence: decision probabilities rescaled, claims cut where they hold.

All of it is fitted on the last part of a fold's training rows, by a network of the
same recipe that was trained on the part before, so that no row says how sure a
network may be of what it was shown.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from thesis_rl.learning.network import Forecasts

NUM_NEWTON_STEPS = 12
MIN_INVERSE_TEMPERATURE = 1e-3  # Rows without any signal keep their order, barely.
RIDGE = 1e-3  # Holds what few rows do not determine near the temperature alone.
SMALLEST = 1e-7  # Probabilities below are float32's rounding.
CLAIM_PRECISION = 0.97  # Asked of asserted claims.
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


def apply(scaling: Scaling, probabilities: np.ndarray) -> np.ndarray:
    """Rescales decision probabilities [..., A], on the host.

    Temperature and vector scaling of Guo, Pleiss, Sun and Weinberger (2017), "On
    Calibration of Modern Neural Networks", with log-probabilities for logits.
    """
    logits = np.log(np.maximum(probabilities, np.float32(SMALLEST)))
    scale, bias = (np.asarray(x) for x in scaling)
    return special.softmax(logits * scale + bias, axis=-1)


def fit(
    forecasts: Forecasts,
    label: jax.Array,
    truth: jax.Array,
    weight: jax.Array,
    claim_precision: float = CLAIM_PRECISION,
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
    zeros = jnp.zeros(num_decisions)
    all_scales = jnp.concatenate([zeros + 1.0, zeros])

    def one_scale(x):
        slope, curvature = derivatives(x * all_scales, logits, label, weight)
        along = all_scales[None]
        return along @ slope, along @ curvature @ along.T

    inverse = minimise(one_scale, jnp.zeros(1))
    start = jnp.maximum(inverse, MIN_INVERSE_TEMPERATURE) * all_scales

    def vector_loss(x):
        slope, curvature = derivatives(x, logits, label, weight)
        ridge = 2 * RIDGE * jnp.eye(x.size)
        return slope + ridge @ (x - start), curvature + ridge

    vector = minimise(vector_loss, start)
    scale = start[:num_decisions]
    # A row without a weight may have no quote, and then nothing is claimed of it.
    stated = jnp.where(weight[:, None] > 0, forecasts.claims, 0.0)
    cutoffs = jax.vmap(cutoff, in_axes=(1, 1, None))(stated, truth, claim_precision)
    return Calibrator(
        Scaling(scale, zeros), Scaling(*vector.reshape(2, num_decisions)), cutoffs
    )


def derivatives(
    x: jax.Array, logits: jax.Array, label: jax.Array, weight: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Differentiates the mean loss −log p(label), p ∝ exp(scale · logits + bias).

      slope = Σ (p − y) ⊗ (l, 1),   curvature = Σ (diag p − p pᵀ) ⊗ (l, 1)(l, 1)ᵀ

    Args:
      x: [2 A], scales and then biases.
      logits: l, [n, A].
      label: [n] int32, y as a number.
      weight: [n], of each row in the mean.

    Returns:
      Slope [2 A] and curvature [2 A, 2 A].
    """
    scale, bias = x.reshape(2, 1, -1)
    weight = (weight / jnp.maximum(weight.sum(), 1.0))[:, None]
    p = jax.nn.softmax(logits * scale + bias)
    missed = (p - jax.nn.one_hot(label, p.shape[-1])) * weight
    slope = jnp.concatenate([(missed * logits).sum(0), missed.sum(0)])
    lean = jnp.concatenate([p * logits, p], axis=-1)
    shared = jnp.matmul((lean * weight).T, lean, precision="highest")
    across, plain = jnp.split((lean * weight).sum(0), 2)
    square = (p * logits**2 * weight).sum(0)
    own = [[jnp.diag(square), jnp.diag(across)], [jnp.diag(across), jnp.diag(plain)]]
    return slope, jnp.block(own) - shared


def minimise(
    derivatives: Callable[[jax.Array], tuple[jax.Array, jax.Array]], start: jax.Array
) -> jax.Array:
    """Finds the minimum of a convex function of few numbers by Newton's method.

    Args:
      derivatives: [n] -> slope [n] and curvature [n, n].
      start: [n].

    Returns:
      [n].
    """

    def step(x, _):
        slope, curvature = derivatives(x)
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
