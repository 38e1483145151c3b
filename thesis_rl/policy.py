"""A policy that writes theses: three independent heads on one trunk.

A policy that sizes its positions states one beside its decision, independent of it.
The two count as one head.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from thesis_rl import sizing
from thesis_rl.types import Logits, Params, Thesis
from thesis_rl.vocabulary import DECISION_LABELS, SECTION_NAMES

NUM_HEADS = 3  # Sections, claims, decision: the order of every [3] below.


class Policy(nn.Module):
    """Maps the inputs [I] of a row to `Logits`.

    The trunk reads the columns that bear on the decision. The claims head reads every
    column beside the trunk: a claim is a threshold on a raw value, which tells a
    market-neutral decision nothing and is one more thing to overfit.
    """

    num_claims: int
    hidden: Sequence[int]
    trunk: Sequence[bool]  # [I], the columns that the trunk reads.
    sizing: bool = False  # Whether it states a position beside the decision.

    @nn.compact
    def __call__(self, inputs: jax.Array) -> Logits:
        h = inputs * jnp.array(self.trunk, jnp.float32)
        for width in self.hidden:
            h = nn.relu(nn.Dense(width)(h))
        evidence = jnp.concatenate([h, inputs])
        return Logits(
            sections=nn.Dense(len(SECTION_NAMES), name="sections")(h),
            claims=nn.Dense(self.num_claims, name="claims")(evidence),
            decision=nn.Dense(len(DECISION_LABELS), name="decision")(h),
            size=nn.Dense(2, name="size")(h) if self.sizing else None,
        )


def freeze_trunk(params: Params) -> Params:
    """Stops the gradient of every parameter but those of the three heads."""
    freeze = jax.lax.stop_gradient
    return jax.tree_util.tree_map_with_path(
        lambda path, x: x if path[1].key in Logits._fields else freeze(x), params
    )


def log_prob(logits: Logits, thesis: Thesis) -> jax.Array:
    """Computes the log-probability of one thesis, head by head.

      log π(s, c, d) = Σₚ log Bern(sₚ) + Σ꜀ log Bern(c꜀) + log Cat(d)

    The log-density of a size is added to the third term.

    Args:
      logits: heads of shapes [P], [C], [A].
      thesis: bits and an index of shapes [P], [C], [].

    Returns:
      [3], the three terms; their sum is the log-probability of the thesis.
    """
    sections = _bernoulli_log_prob(logits.sections, thesis.sections)
    claims = _bernoulli_log_prob(logits.claims, thesis.claims)
    decision = jax.nn.log_softmax(logits.decision)[thesis.decision]
    if logits.size is not None:
        decision += sizing.log_prob(logits.size, thesis.size)
    return jnp.stack([sections, claims, decision])


def _bernoulli_log_prob(logit: jax.Array, bits: jax.Array) -> jax.Array:
    # The second term is the same for every thesis of a row, and computed once.
    return jnp.sum(logit * bits) - jax.nn.softplus(logit).sum()


def entropy(logits: Logits) -> jax.Array:
    """Computes the entropy of each head in nats, [3]; their sum is the policy's.

    Of a size it is the entropy before squashing.
    """
    log_p = jax.nn.log_softmax(logits.decision)
    decision = -jnp.sum(jnp.exp(log_p) * log_p)
    if logits.size is not None:
        decision += sizing.entropy(logits.size)
    sections, claims = (_bernoulli_entropy(x) for x in logits[:2])
    return jnp.stack([sections.sum(), claims.sum(), decision])


def _bernoulli_entropy(logit: jax.Array) -> jax.Array:
    return jax.nn.softplus(logit) - logit * jax.nn.sigmoid(logit)


def kl(logits: Logits, other: Logits) -> jax.Array:
    """Computes the divergence of each head from another policy's, in nats.

      KL(π ‖ π') = Σₓ π(x) (log π(x) − log π'(x))

    Args:
      logits: π, heads of shapes [P], [C], [A].
      other: π', of the same shapes.

    Returns:
      [3]; heads are independent, so their sum is the divergence of the policies.
    """
    log_p, log_q = (jax.nn.log_softmax(x.decision) for x in (logits, other))
    decision = jnp.sum(jnp.exp(log_p) * (log_p - log_q))
    if logits.size is not None:
        decision += sizing.kl(logits.size, other.size)
    bits = zip(logits[:2], other[:2], strict=True)
    sections, claims = (_bernoulli_kl(x, y).sum() for x, y in bits)
    return jnp.stack([sections, claims, decision])


def _bernoulli_kl(logit: jax.Array, other: jax.Array) -> jax.Array:
    gained = jax.nn.softplus(other) - jax.nn.softplus(logit)
    return jax.nn.sigmoid(logit) * (logit - other) + gained


def num_uniforms(num_claims: int, sizes: bool = False) -> int:
    """Counts the uniform draws that one thesis takes."""
    return len(SECTION_NAMES) + num_claims + 1 + sizes


def from_uniforms(uniforms: jax.Array, logits: Logits) -> Thesis:
    """Turns uniform draws into one thesis, by inversion of each head's distribution.

    One array of draws for a whole batch is several times cheaper than a key a row.

    Args:
      uniforms: [P + C + 1] in [0, 1), and one more for a size.
      logits: heads of shapes [P], [C], [A].

    Returns:
      A thesis distributed as the policy.
    """
    p, c = logits.sections.shape[-1], logits.claims.shape[-1]
    size = logits.size
    cumulative = jnp.cumsum(jax.nn.softmax(logits.decision))[:-1]
    return Thesis(
        sections=uniforms[:p] < jax.nn.sigmoid(logits.sections),
        claims=uniforms[p : p + c] < jax.nn.sigmoid(logits.claims),
        decision=jnp.sum(uniforms[p + c] >= cumulative).astype(jnp.int32),
        size=None if size is None else sizing.from_uniform(uniforms[-1], size),
    )


def sample(key: jax.Array, logits: Logits) -> Thesis:
    """Draws one thesis. The key is consumed."""
    draws = num_uniforms(logits.claims.shape[-1], logits.size is not None)
    return from_uniforms(jax.random.uniform(key, (draws,)), logits)


def mode(logits: Logits) -> Thesis:
    """Returns the single most likely thesis, with the median size."""
    return Thesis(
        sections=logits.sections > 0,
        claims=logits.claims > 0,
        decision=jnp.argmax(logits.decision).astype(jnp.int32),
        size=None if logits.size is None else sizing.mode(logits.size),
    )
