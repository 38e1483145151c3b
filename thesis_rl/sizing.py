"""A position of any size in (-1, 1), beside the five decisions: a squashed Gaussian.

  position = tanh(u),   u ~ Normal(mean, sd²)

Its parameters [2] are the mean and log sd of u. See Haarnoja et al. (2018), "Soft
actor-critic", appendix C.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jax.scipy.stats import norm
from ml_collections import FrozenConfigDict

# From a sure policy to one of nearly uniform positions; a wider u only names the ends.
LOG_SD_RANGE = (-3.0, 0.5)
LARGEST = 1 - 1e-6  # Beyond it float32 cannot tell positions apart.
REACH = 6.0  # Standard deviations of u that the quadrature covers.
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(32)  # On [-1, 1].


def check(config: FrozenConfigDict) -> None:
    """Raises a ValueError if an experiment asks for sizes that nothing states."""
    sizing = config.model.sizing
    if not isinstance(sizing, bool):
        raise ValueError(f"config.model.sizing is {sizing!r}; choose True or False")
    if config.backtest.mapping == "sizes" and not sizing:
        raise ValueError(
            "config.backtest.mapping=sizes trades the size that a policy states, but "
            "config.model.sizing is off; set it to True, or mapping to expected"
        )
    if sizing and config.path.num_steps:
        raise ValueError(
            "config.model.sizing is on and config.path.num_steps is "
            f"{config.path.num_steps}, but a trader paces decisions and no sizes; set "
            "one of them to 0 or False"
        )


def log_prob(params: jax.Array, position: jax.Array) -> jax.Array:
    """Computes the log-density of a position, by the change of variables.

      log p(a) = log Normal(u; mean, sd²) - log(1 - tanh² u),   u = artanh a,
      log(1 - tanh² u) = 2 (log 2 - u - softplus(-2u))

    Args:
      params: [2], mean and log sd of u.
      position: [] in (-1, 1).

    Returns:
      A scalar.
    """
    chex.assert_axis_dimension(params, 0, 2)
    mean, log_sd = _read(params)
    u = jnp.arctanh(jnp.clip(position, -LARGEST, LARGEST))
    log_slope = 2 * (jnp.log(2.0) - u - jax.nn.softplus(-2 * u))
    return norm.logpdf(u, mean, jnp.exp(log_sd)) - log_slope


def from_uniform(uniform: jax.Array, params: jax.Array) -> jax.Array:
    """Turns one uniform draw into a position, by inversion.

      a = tanh(mean + sd · Φ⁻¹(uniform))

    Args:
      uniform: [] in [0, 1).
      params: [2], mean and log sd of u.

    Returns:
      A position in (-1, 1).
    """
    mean, log_sd = _read(params)
    position = jnp.tanh(mean + jnp.exp(log_sd) * ndtri(uniform))
    return jnp.clip(position, -LARGEST, LARGEST)


def mode(params: jax.Array) -> jax.Array:
    """Returns the median position, tanh(mean); a density may have no top."""
    return jnp.tanh(_read(params)[0])


def mean_position(params: jax.Array) -> jax.Array:
    """Computes E[tanh u], a scalar, of the parameters [2]."""
    return _mean_above_zero(params) - _mean_above_zero(_mirrored(params))


def mean_size(params: jax.Array) -> jax.Array:
    """Computes E|tanh u|, a scalar, of the parameters [2]."""
    return _mean_above_zero(params) + _mean_above_zero(_mirrored(params))


def entropy(params: jax.Array) -> jax.Array:
    """Computes the entropy of u, not of the position, in nats.

      ½ log(2πe) + log sd

    That of tanh u has no closed form, and falls without bound where u is squashed.
    """
    return 0.5 * jnp.log(2 * jnp.pi * jnp.e) + _read(params)[1]


def kl(params: jax.Array, other: jax.Array) -> jax.Array:
    """Computes the divergence of two squashed Gaussians, in nats.

      log(sd' / sd) + (sd² + (mean - mean')²) / 2sd'² - ½

    It is that of the Gaussians: tanh has an inverse, and takes nothing from either.
    """
    (mean, log_sd), (other_mean, other_log_sd) = _read(params), _read(other)
    gap = (mean - other_mean) * jnp.exp(-other_log_sd)
    spread = jnp.exp(2 * (log_sd - other_log_sd))
    return other_log_sd - log_sd + (spread + gap**2 - 1) / 2


def _read(params: jax.Array) -> tuple[jax.Array, jax.Array]:
    return params[0], jnp.clip(params[1], *LOG_SD_RANGE)


def _mirrored(params: jax.Array) -> jax.Array:
    return jnp.stack([-params[0], params[1]])


def _mean_above_zero(params: jax.Array) -> jax.Array:
    """Computes E[max(tanh u, 0)] by Gauss-Legendre quadrature over u > 0.

    Each side of zero by itself, where |tanh u| has a kink that would slow it.
    """
    mean, log_sd = _read(params)
    sd = jnp.exp(log_sd)
    low, high = jnp.maximum(mean - REACH * sd, 0.0), jnp.maximum(mean + REACH * sd, 0.0)
    half = (high - low) / 2

    def density(node):
        u = low + half * (1 + node)
        return jnp.tanh(u) * norm.pdf(u, mean, sd)

    values = jax.vmap(density)(jnp.array(NODES, jnp.float32))
    weights = jnp.array(NODE_WEIGHTS, jnp.float32)
    return half * jnp.tensordot(weights, values, axes=1, precision="highest")
