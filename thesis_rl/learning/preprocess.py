"""Everything fitted on a fold's training rows, and the rows as a network reads them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl.types import Panel, Row

QUINTILES = (0.2, 0.4, 0.6, 0.8)
TRADING_R1_QUANTILES = (0.03, 0.15, 0.53, 0.85)


class Scaler(NamedTuple):
    """What one fold learned of its training rows before any network did."""

    mean: jax.Array  # [D], of the available values.
    inverse_sd: jax.Array  # [D], 0 for a feature that never varies or never appears.
    thresholds: jax.Array  # [A - 1], where scores are cut into decision labels.


class Moments(NamedTuple):
    """What one day adds to the mean and variance of any days it is among."""

    count: jax.Array  # [D] or [T, D], of the available values.
    mean: jax.Array
    squares: jax.Array  # Sum of squares about the day's own mean.


def moments(panel: Panel) -> Moments:
    """Sums up each day's available values, [T, D]; no day reads another."""

    def day(features, available):
        count = available.sum(0, dtype=jnp.float32)
        mean = jnp.sum(features, 0, where=available) / jnp.maximum(count, 1)
        squares = jnp.sum((features - mean[None]) ** 2, 0, where=available)
        return Moments(count, mean, squares)

    return jax.lax.map(lambda x: day(*x), (panel.features, panel.available))


def fit_all(panel: Panel, days: jax.Array, config: FrozenConfigDict) -> Scaler:
    """Fits as `fit` does on several sets of days [R, T]; rows are read once for all."""
    of_days = moments(panel)
    return jax.lax.map(lambda own: fit(panel, own, config, of_days), days)


def fit(
    panel: Panel,
    days: jax.Array,
    config: FrozenConfigDict,
    of_days: Moments | None = None,
) -> Scaler:
    """Fits feature scales and label thresholds on training rows.

    Variances are combined as in Chan, Golub and LeVeque (1979), "Updating formulae and
    a pairwise algorithm for computing sample variances".

    Args:
      panel: all rows; those of no training day change nothing.
      days: [T] bool, which days those are.
      config: `config.labels`.
      of_days: `moments` of the panel, where several fits share them.

    Returns:
      The scaler.
    """
    of_days = moments(panel) if of_days is None else of_days
    seen = jax.tree.map(lambda x: jnp.where(days[:, None], x, 0.0), of_days)
    count = jnp.maximum(seen.count.sum(0), 1)
    mean = jnp.sum(seen.count * seen.mean, 0) / count
    between = seen.count * (seen.mean - mean[None]) ** 2
    variance = jnp.sum(seen.squares + between, 0) / count
    # A constant column has rounding noise for variance; it must stay silent.
    varies = variance > 1e-10 * jnp.maximum(mean**2, 1e-12)
    inverse_sd = jnp.where(varies, jax.lax.rsqrt(jnp.where(varies, variance, 1.0)), 0.0)
    used = panel.labelled & days[:, None]
    return Scaler(mean, inverse_sd, _thresholds(panel.score, used, config))


def _thresholds(score: jax.Array, used: jax.Array, config) -> jax.Array:
    if config.recipe == "cross_sectional":
        return jnp.array(QUINTILES)
    if config.recipe == "absolute":
        return jnp.array(config.thresholds)
    ordered = jnp.sort(jnp.where(used, score, jnp.inf).ravel())
    last = jnp.maximum(used.sum() - 1, 0)
    rank = jnp.array(TRADING_R1_QUANTILES) * last
    low = jnp.floor(rank).astype(jnp.int32)
    high = jnp.minimum(low + 1, last)
    return ordered[low] + (rank - low) * (ordered[high] - ordered[low])


def inputs(features: jax.Array, available: jax.Array, scaler: Scaler) -> jax.Array:
    """Standardises one row and appends what is missing.

    Args:
      features: [D] raw.
      available: [D] bool; a missing value is read as the training mean.
      scaler: fitted on the fold.

    Returns:
      [2 D] float32: z-scores, then 1 where a value is missing.
    """

    def standardise(x, seen, mean, inverse_sd):
        return jnp.where(seen, (x - mean) * inverse_sd, 0.0)

    z = jax.vmap(standardise)(features, available, scaler.mean, scaler.inverse_sd)
    return jnp.concatenate([z, 1.0 - available])


def label(score: jax.Array, thresholds: jax.Array) -> jax.Array:
    """Cuts scores into decision labels, 0 to A - 1; a bound belongs to those above.

    Args:
      score: of any shape, of JAX or NumPy.
      thresholds: [A - 1], or each of a shape that fits the scores'.

    Returns:
      int32, of the shape of `score`.
    """
    return sum((score >= cut).astype("int32") for cut in thresholds)


def draw(
    key: jax.Array, panel: Panel, scaler: Scaler, so_far: jax.Array, num_days: int
) -> Row:
    """Draws training days, uniformly and with replacement.

    A minibatch is all names of the days drawn: labels that are balanced within a day
    stay balanced in the batch, and whole days are contiguous in memory.

    Args:
      key: consumed.
      panel: all rows.
      scaler: fitted on the training rows.
      so_far: [T] int32, how many training days there are up to and with each day.
      num_days: how many days to draw.

    Returns:
      `Row` with a trailing axis [B], B = num_days · N; a row without a label has
      weight 0.
    """
    rank = jax.random.randint(key, (num_days,), 0, so_far[-1])
    days = jnp.searchsorted(so_far, rank, side="right")

    def at_days(x):  # [T, N, ...] to [..., B], a day at a time.
        drawn = x.reshape(len(x), -1)[days]
        return jnp.moveaxis(drawn.reshape(-1, *x.shape[2:]), 0, -1)

    at = jax.tree.map(at_days, panel)
    return Row(
        inputs=inputs(at.features, at.available, scaler),
        truth=at.truth,
        known=at.known,
        label=label(at.score, scaler.thresholds),
        payoff=at.payoff,
        weight=at.labelled.astype(jnp.float32),
    )
