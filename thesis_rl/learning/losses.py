"""Losses for one row. Batches, folds and seeds come from `jax.vmap`.

The policy-gradient estimators share one signature: log-probabilities [K, 3] and
weighted rewards [K, 3] of K theses, head by head, to a scalar whose gradient is the
negated estimate. All but `headwise_rloo` credit every head with the whole reward. The
advantages of a head add up to zero, so its log-probabilities may lack what all K theses
share.
"""

import chex
import jax
import jax.numpy as jnp

from thesis_rl import policy
from thesis_rl.types import Logits


def sections_loss(logits: Logits, target: jax.Array) -> jax.Array:
    """Averages the binary cross-entropy over sections; target [P] in {0, 1}."""
    return policy.cross_entropy(logits.sections, target).mean(0)


def claims_loss(logits: Logits, truth: jax.Array, known: jax.Array) -> jax.Array:
    """Averages the binary cross-entropy over the claims that can be checked.

    Args:
      logits: heads of one row.
      truth: [C] bool.
      known: [C] bool; an unknown claim teaches nothing.

    Returns:
      A scalar, 0 where no claim is known.
    """
    loss = policy.cross_entropy(logits.claims, truth)
    return jnp.sum(loss * known, axis=0) / jnp.maximum(known.sum(0), 1)


def decision_loss(logits: Logits, label: jax.Array) -> jax.Array:
    """Computes the cross-entropy of the decision head at one label."""
    return -policy.pick(jax.nn.log_softmax(logits.decision, axis=0), label)


def combine_uncertain(task_losses: jax.Array, log_variances: jax.Array) -> jax.Array:
    """Weighs tasks by learned homoscedastic uncertainty.

      Σₖ exp(-sₖ) Lₖ + sₖ / 2

    See Kendall, Gal & Cipolla (2018), "Multi-task learning using uncertainty to weigh
    losses", for classification losses.

    Args:
      task_losses: [3].
      log_variances: [3], learned.

    Returns:
      A scalar.
    """
    return jnp.sum(jnp.exp(-log_variances) * task_losses + log_variances / 2)


def reinforce(log_probs: jax.Array, advantages: jax.Array) -> jax.Array:
    """Score-function surrogate, -1/K Σₖ Σₕ Aₖₕ log πₕ(xₖ), with A held constant.

    See Williams (1992), "Simple statistical gradient-following algorithms".

    Args:
      log_probs: [K, 3], differentiable in the policy's parameters.
      advantages: broadcastable to [K, 3].

    Returns:
      A scalar whose gradient is the negated policy gradient.
    """
    weighted = jax.lax.stop_gradient(advantages) * log_probs
    return -weighted.sum((0, 1)) / log_probs.shape[0]


def pairwise(log_probs: jax.Array, values: jax.Array) -> jax.Array:
    """Ranks two theses: the better one becomes more likely, the other less.

      A₁ = ½(R₁ - R₂) = -A₂,   loss = -(A₁ log π(x₁) + A₂ log π(x₂))

    Unbiased: it is leave-one-out REINFORCE with K = 2.

    Args:
      log_probs: [2, 3].
      values: [2, 3] weighted rewards.

    Returns:
      A scalar.
    """
    chex.assert_shape([log_probs, values], (2, ...))
    better = 0.5 * jax.lax.stop_gradient(values[0].sum(0) - values[1].sum(0))
    return -better * (log_probs[0].sum(0) - log_probs[1].sum(0))


def against_others(values: jax.Array) -> jax.Array:
    """Subtracts from each of K values [K, ...] the mean of the K - 1 others."""
    num = values.shape[0]
    return (values - values.mean(0, keepdims=True)) * num / (num - 1)


def rloo(log_probs: jax.Array, values: jax.Array) -> jax.Array:
    """Leave-one-out REINFORCE: each thesis against the mean of the others.

      Aᵢ = Rᵢ - 1/(K-1) Σ_{j≠i} Rⱼ

    The baseline never saw thesis i, so the estimate is unbiased. See Kool, van Hoof &
    Welling (2019), "Buy 4 REINFORCE samples, get a baseline for free!".

    Args:
      log_probs: [K, 3], K >= 2.
      values: [K, 3] weighted rewards.

    Returns:
      A scalar.
    """
    return reinforce(log_probs, against_others(values.sum(1, keepdims=True)))


def headwise_rloo(log_probs: jax.Array, values: jax.Array) -> jax.Array:
    """Leave-one-out REINFORCE that credits each head with its own reward alone.

    Unbiased where heads are independent and no reward couples them; the terms it
    drops have mean zero and carry most of the variance.

    Args:
      log_probs: [K, 3], K >= 2.
      values: [K, 3] weighted rewards.

    Returns:
      A scalar.
    """
    return reinforce(log_probs, against_others(values))


def dr_grpo(log_probs: jax.Array, values: jax.Array) -> jax.Array:
    """REINFORCE against the group's mean, Aᵢ = Rᵢ - R̄: (K-1)/K of the gradient.

    See Liu et al. (2025), "Understanding R1-Zero-like training".

    Args:
      log_probs: [K, 3].
      values: [K, 3] weighted rewards.

    Returns:
      A scalar.
    """
    total = values.sum(1, keepdims=True)
    return reinforce(log_probs, total - total.mean(0, keepdims=True))


def grpo(log_probs: jax.Array, values: jax.Array) -> jax.Array:
    """Group-relative REINFORCE, Aᵢ = (Rᵢ - R̄) / (sd(R) + 1e-6).

    Biased: at K = 2 it forgets by how much the winner won. See Shao et al. (2024),
    "DeepSeekMath".

    Args:
      log_probs: [K, 3].
      values: [K, 3] weighted rewards.

    Returns:
      A scalar.
    """
    total = values.sum(1, keepdims=True)
    apart = total - total.mean(0, keepdims=True)
    return reinforce(log_probs, apart / (total.std(0, keepdims=True) + 1e-6))
