"""A no-trade band found by search: what a trader has to beat."""

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl import orders, paths
from thesis_rl.orders import Trader
from thesis_rl.types import Market, Metrics

WIDTHS = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75)  # Of a full position.


def fit(
    key: jax.Array,
    positions: jax.Array,
    market: Market,
    stop: jax.Array,
    config: FrozenConfigDict,
) -> tuple[Trader, Metrics]:
    """Finds the band with the best net Sharpe ratio on the days a trader learns from.

    Args:
      key: not used; as `trader.fit` has it.
      positions: [T, N] in [-1, 1], by networks that had not seen the day.
      market: of the same days.
      stop: [] int32; days from it on are not read.
      config: the experiment's.

    Returns:
      A trader that goes to the edge of its band at once, with a full exposure, and no
      metrics: it takes no step.
    """
    unit = orders.full_position(positions, market, stop)
    weights, _ = orders.aims(positions, unit, market, config)
    market = paths.hedged(market, config)
    nothing, whole = jnp.zeros(()), jnp.ones(())

    def banded(width):
        return Trader(jnp.full((), jnp.inf), nothing, width, unit, whole)

    def sharpe(width):
        net = paths.net_returns(banded(width), weights, market, config)
        mean, sd, _ = paths.moments(net, config.path.burn_in, stop)
        return mean / sd

    widths = jnp.array(WIDTHS)
    found = jax.lax.map(sharpe, widths)
    return banded(widths[jnp.argmax(found)]), {}
