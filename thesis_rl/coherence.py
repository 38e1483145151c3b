"""Whether a thesis is complete and hangs together: the structure part of its reward.

Beside the sections written stand three scores in [0, 1], each of one thesis and as its
mean under the policy. They couple heads, so no head can be credited alone; but each is
a sum of products of independent bits, so its mean is exact.
"""

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import FrozenConfigDict

from thesis_rl import claims, heads
from thesis_rl.types import Logits, Row, Thesis
from thesis_rl.vocabulary import DECISION_SIGNS


def structure(thesis: Thesis, row: Row, config: FrozenConfigDict) -> jax.Array:
    """Blends the fraction of sections written with the scores of coherence.

      (1 - v - c - s) · written + v · valid + c · agreement + s · support

    Args:
      thesis: what was written.
      row: its `known` claims are read.
      config: the experiment's; v, c, s are the `validity_share`, `coherence_share` and
        `support_share` of its reward.

    Returns:
      A scalar in [0, 1].
    """
    reward, rules = config.reward, config.claims
    value = _written_share(reward) * thesis.sections.mean(0)
    if reward.validity_share:
        value += reward.validity_share * is_valid(thesis, row.known)
    if reward.coherence_share:
        value += reward.coherence_share * agreement(thesis, claims.stances(rules))
    if reward.support_share:
        value += reward.support_share * support(thesis, claims.by_section(rules))
    return value


def expected_structure(logits: Logits, row: Row, config: FrozenConfigDict) -> jax.Array:
    """Computes the mean of `structure` under the policy, exactly.

    Args:
      logits: the policy's heads for this row.
      row: its `known` claims are read.
      config: the experiment's.

    Returns:
      A scalar in [0, 1], differentiable in the logits.
    """
    reward, rules = config.reward, config.claims
    value = _written_share(reward) * jax.nn.sigmoid(logits.sections).mean(0)
    if reward.validity_share:
        value += reward.validity_share * expected_validity(logits, row.known)
    if reward.coherence_share:
        mean = expected_agreement(logits, claims.stances(rules))
        value += reward.coherence_share * mean
    if reward.support_share:
        mean = expected_support(logits, claims.by_section(rules))
        value += reward.support_share * mean
    return value


def _written_share(reward: FrozenConfigDict) -> float:
    return 1 - (reward.validity_share + reward.coherence_share + reward.support_share)


def is_valid(thesis: Thesis, known: jax.Array) -> jax.Array:
    """Tells whether a thesis satisfies the schema before any repair.

    It does if all sections are written, no claim without evidence is asserted and at
    least one claim could be checked.
    """
    founded = jnp.all(known | ~thesis.claims, axis=0)
    return thesis.sections.all(0) & known.any(0) & founded


def expected_validity(logits: Logits, known: jax.Array) -> jax.Array:
    """Computes the probability that a thesis is valid, 0 where no claim is known."""
    # log σ(-x) keeps its gradient where the product of many 1 - σ(x) underflows.
    log_valid = jax.nn.log_sigmoid(logits.sections).sum(0) + jnp.sum(
        jax.nn.log_sigmoid(-logits.claims), axis=0, where=~known
    )
    return jnp.exp(log_valid) * known.any(0)


def agreement(thesis: Thesis, stance: np.ndarray) -> jax.Array:
    """Scores how little of what is asserted contradicts the decision.

      1 - Σ꜀ a꜀ oᵈ꜀ / max(Σ꜀ oᵈ꜀, 1),   oᵈ꜀ = 1[stance꜀ · sign d < 0],

    the share of the claims opposed to the decision that are not asserted. Measured
    against those alone, writing at random contradicts a purchase as much as a sale,
    however many claims speak for the stock and however few against it.

    Args:
      thesis: a asserts claims [C], d decides.
      stance: [C] in {-1, 0, 1}.

    Returns:
      A scalar in [0, 1]; 1 without a contradiction, as whoever holds has none.
    """
    return 1 - heads.pick(_opposition(stance) @ thesis.claims, thesis.decision)


def expected_agreement(logits: Logits, stance: np.ndarray) -> jax.Array:
    """Computes the mean of `agreement`: it is linear in decision and claims alike."""
    opposed = _opposition(stance) @ jax.nn.sigmoid(logits.claims)
    return 1 - jnp.sum(jax.nn.softmax(logits.decision, axis=0) * opposed, axis=0)


def _opposition(stance: np.ndarray) -> jax.Array:
    """Returns what asserting each claim takes from each decision's score, [A, C]."""
    opposed = np.outer(DECISION_SIGNS, stance) < 0
    count = opposed.sum(axis=1, keepdims=True)
    return jnp.array(opposed / np.maximum(count, 1), jnp.float32)


def support(thesis: Thesis, of_section: np.ndarray) -> jax.Array:
    """Scores how few sections are written without asserting any claim of theirs.

      1 - mean over sections p that have claims of sₚ Π_{c in p} (1 - a꜀)

    Args:
      thesis: s writes sections [P], a asserts claims [C].
      of_section: [P, C] bool, the claims of each section.

    Returns:
      A scalar in [0, 1]; what is left out needs no support.
    """
    bare = [
        thesis.sections[p] & ~thesis.claims[own].any(0)
        for p, own in enumerate(of_section)
        if own.any()
    ]
    return 1 - jnp.stack(bare).mean(0)


def expected_support(logits: Logits, of_section: np.ndarray) -> jax.Array:
    """Computes the mean of `support`: of products over independent bits."""
    written = jax.nn.log_sigmoid(logits.sections)
    declined = jax.nn.log_sigmoid(-logits.claims)
    bare = [
        jnp.exp(written[p] + declined[own].sum(0))
        for p, own in enumerate(of_section)
        if own.any()
    ]
    return 1 - jnp.stack(bare).mean(0)
