"""What a thesis is worth: structure, claims and decision, each on its own scale.

Every reward has two forms: of one thesis, and its closed-form mean under the policy.
The heads are independent, so the mean is exact: Bernoulli means where a reward adds
up, the law of two counts for F1, a sum over five decisions.
"""

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import FrozenConfigDict

from thesis_rl import policy
from thesis_rl.thesis.vocabulary import DECISION_POSITIONS, DECISION_SIGNS
from thesis_rl.types import Logits, Row, Thesis

# Trading-R1 (arXiv 2509.11420, figure S1): rows the decision, columns the label.
TRADING_R1_MATRIX = (
    (1.0, 0.75, -1.25, -1.5, -2.0),
    (0.75, 1.0, -0.75, -1.25, -1.75),
    (-1.5, -1.0, 1.0, -1.0, -1.5),
    (-2.0, -1.5, -0.75, 1.0, 0.75),
    (-2.25, -2.0, -1.25, 0.75, 1.0),
)
MAX_PAYOFF = 2.0  # Volatility units beyond which a move pays no more.


def parts(thesis: Thesis, row: Row, config: FrozenConfigDict) -> jax.Array:
    """Rewards one thesis, unweighted, head by head.

    Args:
      thesis: what was written.
      row: what hindsight says.
      config: the experiment's.

    Returns:
      [3]: structure, claims, decision.
    """
    return jnp.stack(
        [
            structure(thesis, row, config.reward.validity_share),
            CLAIM_REWARDS[config.reward.claims](thesis.claims, row.truth),
            policy.pick(decision_rewards(row, config.reward), thesis.decision),
        ]
    )


def expected_parts(logits: Logits, row: Row, config: FrozenConfigDict) -> jax.Array:
    """Computes the mean of `parts` under the policy, exactly.

    Validity couples sections and claims and is left to sampling: its share must be 0.

    Args:
      logits: the policy's heads for this row.
      row: what hindsight says.
      config: the experiment's.

    Returns:
      [3]: structure, claims, decision, differentiable in the logits.
    """
    reward, claims = config.reward, jax.nn.sigmoid(logits.claims)
    chances = jax.nn.softmax(logits.decision, axis=0)
    return jnp.stack(
        [
            jax.nn.sigmoid(logits.sections).mean(0),
            EXPECTED_CLAIM_REWARDS[reward.claims](claims, row.truth),
            jnp.sum(chances * decision_rewards(row, reward), axis=0),
        ]
    )


def structure(thesis: Thesis, row: Row, validity_share: float = 0.0) -> jax.Array:
    """Blends the fraction of sections written with validity, (1 - v) written + v valid.

    Args:
      thesis: what was written.
      row: its `known` claims are read.
      validity_share: v.

    Returns:
      A scalar in [0, 1].
    """
    value = (1 - validity_share) * thesis.sections.mean(0)
    if validity_share:
        value += validity_share * is_valid(thesis, row.known)
    return value


def is_valid(thesis: Thesis, known: jax.Array) -> jax.Array:
    """Tells whether a thesis satisfies the schema before any repair.

    It does if all sections are written, no claim without evidence is asserted and at
    least one claim could be checked.
    """
    founded = jnp.all(known | ~thesis.claims, axis=0)
    return thesis.sections.all(0) & known.any(0) & founded


def claims_f1(asserted: jax.Array, truth: jax.Array) -> jax.Array:
    """Rewards claims by F1 = 2 TP / (asserted + true), 1 if both are none.

    Its unique maximum is to assert the true claims and no other; an unknown claim is
    not true, so asserting it costs as much as asserting a false one.

    Args:
      asserted: [C] bool.
      truth: [C] bool.

    Returns:
      A scalar in [0, 1].
    """
    total = asserted.sum(0) + truth.sum(0)
    hits = jnp.sum(asserted & truth, axis=0)
    return jnp.where(total > 0, 2 * hits / jnp.maximum(total, 1), 1.0)


def claims_net(asserted: jax.Array, truth: jax.Array) -> jax.Array:
    """Rewards claims by (true asserted - others asserted) / C."""
    return jnp.mean(jnp.where(truth, 1.0, -1.0) * asserted, axis=0)


def claims_coverage_precision(asserted: jax.Array, truth: jax.Array) -> jax.Array:
    """Rewards claims by coverage times precision, which is (true asserted) / C.

    Kept for comparison with the earlier system: it never punishes a false claim.
    """
    return jnp.mean(truth & asserted, axis=0)


def expected_f1(probabilities: jax.Array, truth: jax.Array) -> jax.Array:
    """Computes E[F1] over independent claims.

      E[F1] = ∫₀¹ 2 xᵗ Σ꜀ [c true] p꜀ Π_{j ≠ c} (1 - pⱼ + pⱼ x) dx,   t = number true,

    since 2 TP / (N + t) = 2 TP ∫₀¹ x^(N + t - 1) dx. The integrand is a polynomial of
    degree below 2 C, of which Gauss-Legendre quadrature at C points is exact.

    Args:
      probabilities: [C], of asserting each claim.
      truth: [C] bool.

    Returns:
      A scalar in [0, 1].
    """
    nodes, node_weights = np.polynomial.legendre.leggauss(len(probabilities))
    hit, num_true = jnp.where(truth, probabilities, 0.0), truth.sum(0)

    def integrand(node, log_node):  # 1 - p + p x is at least x, and never 0.
        factors = 1 - probabilities * (1 - node)
        others = jnp.prod(factors, axis=0) * jnp.sum(hit / factors, axis=0)
        return jnp.exp(num_true * log_node) * others

    x = (1 + nodes) / 2  # From [-1, 1] to [0, 1], which halves the weights.
    values = jax.vmap(integrand)(*jnp.array([x, np.log(x)], jnp.float32))
    mean = jnp.tensordot(jnp.array(node_weights, jnp.float32), values, axes=1)
    return jnp.where(num_true > 0, mean, jnp.prod(1 - probabilities, axis=0))


def decision_rewards(row: Row, config: FrozenConfigDict) -> jax.Array:
    """Rewards each of the five decisions on one row.

      sign:    (1[agree] - 1.5·1[oppose] + 0.5·1[both hold]) · min(|z|, 2)/2
      matrix:  the Trading-R1 matrix at (decision, label)
      utility: position · clip(z, ±2)

    Args:
      row: its label and its payoff z.
      config: `config.reward`.

    Returns:
      [A].
    """
    return DECISION_REWARDS[config.decision](row)


def _sign_rewards(row: Row) -> jax.Array:
    signs = jnp.array(DECISION_SIGNS)
    truth = policy.pick(signs, row.label)

    def reward(sign):
        agreement, both_hold = sign * truth, (sign == 0) & (truth == 0)
        base = 1.0 * (agreement > 0) - 1.5 * (agreement < 0) + 0.5 * both_hold
        return base * jnp.minimum(jnp.abs(row.payoff), MAX_PAYOFF) / MAX_PAYOFF

    return jax.vmap(reward)(signs)


def _matrix_rewards(row: Row) -> jax.Array:
    return jnp.stack([policy.pick(x, row.label) for x in jnp.array(TRADING_R1_MATRIX)])


def _utility_rewards(row: Row) -> jax.Array:
    earned = jnp.clip(row.payoff, -MAX_PAYOFF, MAX_PAYOFF)
    return jax.vmap(lambda position: position * earned)(jnp.array(DECISION_POSITIONS))


def weights_at(step: jax.Array, num_steps: int, config: FrozenConfigDict) -> jax.Array:
    """Returns the weights of the three parts at a training step.

    Args:
      step: [] int32.
      num_steps: length of the training.
      config: `config.reward`; `curriculum` holds (fraction of training, weights)
        pairs, linear in between, and replaces `weights` where it is not empty.

    Returns:
      [3].
    """
    if not config.curriculum:
        return jnp.array(config.weights)
    fractions, weights = zip(*config.curriculum, strict=True)
    progress, fractions = step / num_steps, jnp.array(fractions)
    columns = jnp.array(weights).T
    return jnp.stack([jnp.interp(progress, fractions, x) for x in columns])


CLAIM_REWARDS = {
    "f1": claims_f1,
    "net": claims_net,
    "coverage_precision": claims_coverage_precision,
}
# Where the reward is linear in the bits, its mean is its value at the probabilities.
EXPECTED_CLAIM_REWARDS = {
    "f1": expected_f1,
    "net": claims_net,
    "coverage_precision": lambda p, truth: jnp.mean(jnp.where(truth, p, 0.0), axis=0),
}
DECISION_REWARDS = {
    "sign": _sign_rewards,
    "matrix": _matrix_rewards,
    "utility": _utility_rewards,
}
