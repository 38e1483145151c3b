"""A policy that writes theses: three independent heads on one trunk.

A shape says what one row has. Any axes after it are carried along, as the [B] of a
minibatch: rows come last because a processor's vectors run along the last axis, and
five decisions would leave most of one empty. So in all that a row is trained with.
"""

import functools
import itertools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from ml_collections import FrozenConfigDict

from thesis_rl.thesis.vocabulary import DECISION_LABELS, SECTION_NAMES
from thesis_rl.types import Logits, Params, Thesis

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
    matmul: str = "float32"  # Of what products are made; their sums are float32.

    @nn.compact
    def __call__(self, inputs: jax.Array) -> Logits:
        h, read = inputs, self.trunk
        for width in self.hidden:
            kernel, bias = Dense(width)(len(h))
            h = self.product(_select(kernel, read), _select(h, read))
            h = nn.relu(jax.vmap(jnp.add)(h, bias))
            read = (True,) * width
        outputs = {
            "sections": len(SECTION_NAMES),
            "claims": self.num_claims,
            "decision": len(DECISION_LABELS),
        }
        evidence = {"claims": len(inputs)}
        weights = {
            name: Dense(num, name=name)(len(h) + evidence.get(name, 0))
            for name, num in outputs.items()
        }
        # One product for all heads.
        kernels, biases = zip(*weights.values(), strict=True)
        kernel = jnp.concatenate([_select(k[: len(h)], read) for k in kernels], axis=1)
        logits = self.product(kernel, _select(h, read))
        logits = jax.vmap(jnp.add)(logits, jnp.concatenate(biases))
        ends = np.cumsum([*outputs.values()])[:-1]
        logits = dict(zip(outputs, jnp.split(logits, ends), strict=True))
        logits["claims"] += self.product(weights["claims"][0][len(h) :], inputs)
        return Logits(**logits)

    def product(self, kernel: jax.Array, x: jax.Array) -> jax.Array:
        """Multiplies a kernel [I, O] with what it reads, [I, ...], to [O, ...]."""
        of = jnp.dtype(self.matmul)
        to = jnp.promote_types(of, jnp.float32)
        return jnp.matmul(kernel.T.astype(of), x.astype(of), preferred_element_type=to)


class Dense(nn.Module):
    """The kernel [I, O] and the bias [O] of an affine map, for any I."""

    num_outputs: int

    @nn.compact
    def __call__(self, num_inputs: int) -> tuple[jax.Array, jax.Array]:
        shape = (num_inputs, self.num_outputs)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        return kernel, self.param("bias", nn.initializers.zeros, shape[1:])


def _select(x: jax.Array, wanted: Sequence[bool]) -> jax.Array:
    """Takes the marked rows, by slices: a gather would cost more than it spares."""
    edges = np.flatnonzero(np.diff([False, *wanted, False]))
    return jnp.concatenate([x[start:stop] for start, stop in edges.reshape(-1, 2)])


def make_model(config: FrozenConfigDict) -> Policy:
    """Builds the network that `config` describes.

    A feature that is listed with its `_rel` reaches the trunk as that alone.
    """
    names = config.features
    kept = tuple(f"{name}_rel" not in names for name in names)
    return Policy(
        num_claims=len(config.claims),
        hidden=config.model.hidden,
        trunk=kept + kept,
        matmul=config.model.matmul,
    )


def split_gradient(params: Params) -> tuple[Params, Params]:
    """Returns parameters of which the heads alone learn, and others: the trunk alone.

    Logits x of the first and y of the second are equal. x teaches the heads alone, and
    x + (y - stop_gradient(y)) all there is, for the price of one network: what is
    computed twice is merged, which the gradients of a network with a frozen trunk, and
    of one without, are not.
    """

    def learning(wanted, path, x):
        is_head = path[1].key in Logits._fields
        return x if is_head == wanted else jax.lax.stop_gradient(x)

    heads_alone, trunk_alone = (
        jax.tree_util.tree_map_with_path(functools.partial(learning, wanted), params)
        for wanted in (True, False)
    )
    return heads_alone, trunk_alone


def log_prob(logits: Logits, thesis: Thesis) -> jax.Array:
    """Computes the log-probability of one thesis, head by head.

      log π(s, c, d) = Σₚ log Bern(sₚ) + Σ꜀ log Bern(c꜀) + log Cat(d)

    Args:
      logits: heads of shapes [P], [C], [A].
      thesis: bits and an index of shapes [P], [C], [].

    Returns:
      [3], the three terms; their sum is the log-probability of the thesis.
    """
    normaliser = [softplus(x).sum(0) for x in logits[:2]]
    normaliser.append(jax.nn.logsumexp(logits.decision, axis=0))
    return score(logits, thesis) - jnp.stack(normaliser)


def score(logits: Logits, thesis: Thesis) -> jax.Array:
    """Computes the log-probability of one thesis but for its normaliser, head by head.

      Σₚ sₚ xₚ,   Σ꜀ c꜀ y꜀,   z_d   of logits x, y, z

    The normaliser is the same for every thesis of a row: where advantages add up to
    zero it has no gradient.

    Args:
      logits: heads of shapes [P], [C], [A].
      thesis: bits and an index of shapes [P], [C], [].

    Returns:
      [3].
    """
    sections = jnp.sum(logits.sections * thesis.sections, axis=0)
    claims = jnp.sum(logits.claims * thesis.claims, axis=0)
    decision = pick(logits.decision, thesis.decision)
    return jnp.stack([sections, claims, decision])


def entropy(logits: Logits) -> jax.Array:
    """Computes the entropy of each head in nats, [3]; their sum is the policy's."""
    log_p = jax.nn.log_softmax(logits.decision, axis=0)
    decision = -jnp.sum(jax.nn.softmax(logits.decision, axis=0) * log_p, axis=0)
    sections, claims = (bit_entropy(x).sum(0) for x in logits[:2])
    return jnp.stack([sections, claims, decision])


def kl(logits: Logits, other: Logits) -> jax.Array:
    """Computes the divergence of each head from another policy's, in nats.

      KL(π ‖ π') = Σₓ π(x) (log π(x) − log π'(x))

    Args:
      logits: π, heads of shapes [P], [C], [A].
      other: π', of the same shapes.

    Returns:
      [3]; heads are independent, so their sum is the divergence of the policies.
    """
    log_p, log_q = (jax.nn.log_softmax(x.decision, axis=0) for x in (logits, other))
    decision = jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=0)
    bits = zip(logits[:2], other[:2], strict=True)
    sections, claims = (bit_kl(x, y).sum(0) for x, y in bits)
    return jnp.stack([sections, claims, decision])


def num_uniforms(num_claims: int) -> int:
    """Counts the uniform draws that one thesis takes."""
    return len(SECTION_NAMES) + num_claims + 1


def draw_uniforms(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draws numbers in (0, 1), at the centres of 2^16 cells. The key is consumed.

    A block of the generator makes four of them, where it makes one in
    `jax.random.uniform`. A probability is so kept to within 2^-17.
    """
    num = math.prod(shape)
    words = jax.random.key_data(jax.random.split(key, -(-num // 4)))
    cells = jnp.concatenate([words >> 16, words & 0xFFFF]).ravel()[:num]
    return (cells.reshape(shape).astype(jnp.float32) + 0.5) * 2.0**-16


def from_uniforms(uniforms: jax.Array, logits: Logits) -> Thesis:
    """Turns uniform draws into one thesis, by inversion of each head's distribution.

    One array of draws for a whole batch is several times cheaper than a key a row.

    Args:
      uniforms: [P + C + 1] in [0, 1).
      logits: heads of shapes [P], [C], [A].

    Returns:
      A thesis distributed as the policy.
    """
    p, c = len(logits.sections), len(logits.claims)
    edges = itertools.accumulate(jax.nn.softmax(logits.decision, axis=0)[:-1])
    return Thesis(
        sections=uniforms[:p] < jax.nn.sigmoid(logits.sections),
        claims=uniforms[p : p + c] < jax.nn.sigmoid(logits.claims),
        decision=sum((uniforms[p + c] >= edge).astype(jnp.int32) for edge in edges),
    )


def sample(key: jax.Array, logits: Logits) -> Thesis:
    """Draws one thesis. The key is consumed."""
    draws = num_uniforms(len(logits.claims))
    return from_uniforms(jax.random.uniform(key, (draws,)), logits)


def mode(
    sections: jax.Array,
    claims: jax.Array,
    decision: jax.Array,
    cutoffs: jax.Array | float = 0.5,
) -> Thesis:
    """Returns the likeliest thesis of every row, its claims cut where they hold.

    Args:
      sections: [..., P] probabilities.
      claims: [..., C] probabilities.
      decision: [..., A] probabilities.
      cutoffs: [..., C], the least probability at which a claim is asserted.

    Returns:
      `Thesis` with the same leading axes.
    """
    return Thesis(sections > 0.5, claims >= cutoffs, decision.argmax(axis=-1))


@jax.custom_jvp
def softplus(logit: jax.Array) -> jax.Array:
    """Computes log(1 + eˣ), of any shape."""
    return jnp.maximum(logit, 0) + jnp.log(1 + jnp.exp(-jnp.abs(logit)))


@softplus.defjvp
def _softplus_jvp(primals, tangents):
    # Who draws a bit needs the sigmoid anyway, and it is computed once.
    return softplus(*primals), jax.nn.sigmoid(*primals) * tangents[0]


def cross_entropy(logit: jax.Array, target: jax.Array) -> jax.Array:
    """Computes -log of the probability of a bit, of any shape; a target in [0, 1]."""
    return softplus(logit) - logit * target


def bit_entropy(logit: jax.Array) -> jax.Array:
    """Computes the entropy of a bit in nats, of any shape."""
    return cross_entropy(logit, jax.nn.sigmoid(logit))


def bit_kl(logit: jax.Array, other: jax.Array) -> jax.Array:
    """Computes the divergence of a bit from one of another logit, of any shape."""
    return cross_entropy(other, jax.nn.sigmoid(logit)) - bit_entropy(logit)


def pick(values: jax.Array, index: jax.Array) -> jax.Array:
    """Returns one of a few values, by comparison: quicker than to look it up.

    Args:
      values: [A].
      index: [] int32; many of them pick from one [A], or each from its own.

    Returns:
      A scalar.
    """
    only = jax.vmap(lambda i, x: jnp.where(index == i, x, 0))
    return only(jnp.arange(len(values)), values).sum(0)
