"""How fast a book moves to where it wants to be.

Trading costs what is traded, and a view that lasts for weeks is worth as much when it
is traded over days. A pace closes a share of the gap each day; a band leaves small
gaps alone. Both act on the position that is held, drift included.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp


class Pace(NamedTuple):
    """How much of a gap is traded in a day, decided with the target of the day."""

    logit: jax.Array  # [T, N] of the share that is closed of the smallest gap.
    slope: jax.Array  # [T, N], what a unit of gap adds to the logit.
    band: jax.Array  # [T, N], the gap that is left alone, as a weight.


def toward(target: jax.Array, held: jax.Array, pace: Pace) -> jax.Array:
    """Moves a book part of the way to its target.

      w = held + σ(logit + slope·|gap|) · shrink(gap, band),   gap = target − held
      shrink(x, b) = sign(x) · max(|x| − b, 0)

    With the whole share traded this is a no-trade band, which under proportional costs
    is the form of the best rule (Davis and Norman 1990, "Portfolio selection with
    transaction costs"); without a band it is partial adjustment (Gârleanu and Pedersen
    2013, "Dynamic trading with predictable returns and transaction costs").

    Args:
      target: [N], weights or positions.
      held: [N], likewise.
      pace: [N] each.

    Returns:
      [N], between `held` and `target`.
    """
    chex.assert_equal_shape([target, held, *pace])
    gap = target - held
    size = jnp.abs(gap)
    share = jax.nn.sigmoid(pace.logit + pace.slope * size)
    return held + share * jnp.sign(gap) * jnp.maximum(size - pace.band, 0.0)
