"""The two kinds of head: bits that are on or off, and one choice of a few."""

import jax
import jax.numpy as jnp


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


def entropy(logit: jax.Array) -> jax.Array:
    """Computes the entropy of a bit in nats, of any shape."""
    return cross_entropy(logit, jax.nn.sigmoid(logit))


def kl(logit: jax.Array, other: jax.Array) -> jax.Array:
    """Computes the divergence of a bit from one of another logit, of any shape."""
    return cross_entropy(other, jax.nn.sigmoid(logit)) - entropy(logit)


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
