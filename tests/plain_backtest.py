"""The backtest once more: in currency, name by name, without JAX."""

import jax
import jax.numpy as jnp
import numpy as np

from thesis_rl.trading.backtest import Costs
from thesis_rl.types import Market


def random_market(
    num_days: int = 60, num_names: int = 3, seed: int = 0, dtype=np.float32
) -> Market:
    """Draws a market with every field, a tenth of each missing, one name delisted."""
    rng = np.random.default_rng(seed)
    shape = (num_days, num_names)
    delisted = np.zeros(shape, bool)
    delisted[num_days // 2, 0] = True

    def there():
        return (rng.random(shape) < 0.9) & ~delisted

    drawn = Market(
        returns=rng.normal(0, 0.02, shape),
        tradable=there(),
        dollar_volume=np.where(there(), rng.lognormal(18, 1, shape), 0.0),
        volatility=np.where(there(), rng.uniform(0.01, 0.03, shape), 0.0),
        beta=rng.normal(1, 0.3, shape),
        open_to_close=np.where(there(), rng.normal(0, 0.02, shape), np.nan),
        delisted=delisted,
        days=rng.choice([1.0, 3.0], num_days),
    )
    return jax.tree.map(
        lambda x: jnp.asarray(x, bool if x.dtype == bool else dtype), drawn
    )


def random_weights(num_days: int = 60, num_names: int = 3, seed: int = 0) -> jax.Array:
    """Draws target weights that ask for a new book every day."""
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(0, 0.3, (num_days, num_names)), jnp.float32)


def net_and_weights(
    weights: np.ndarray,
    market: Market,
    costs: Costs,
    capital: float,
    fill_lag: int = 1,
    at_open: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Trades target weights and returns what `simulate` should, [T] and [T, N]."""
    weights, market = jax.tree.map(np.asarray, (weights, market))
    opened = np.isfinite(market.open_to_close) & at_open
    quoted = opened if at_open else market.tradable
    session = np.where(opened, market.open_to_close, market.returns)
    before = np.where(opened, (1 + market.returns) / (1 + session) - 1, 0.0)
    held, net, shares = np.zeros(weights.shape[1]), [], []  # In units of capital.
    for day in range(len(weights)):
        fill, night = (day if at_open else day - 1), held
        worth = 1 + (held * before[day]).sum()
        share, paid = held * (1 + before[day]) / worth, 0.0
        for name in range(len(share)):
            if fill < 0 or not quoted[fill, name]:
                continue
            wanted = weights[fill - fill_lag, name] if fill >= fill_lag else 0.0
            gap = wanted - share[name]
            traded = min(abs(gap) * capital, largest_order(fill, name, market, costs))
            share[name] += np.sign(gap) * traded / capital
            paid += traded / capital * price(traded, fill, name, market, costs)
        worth *= 1 - paid
        end = worth * (1 + (share * session[day]).sum())
        night = night if at_open else share
        interest = costs.cash_rate * (1 - night.sum())
        fee = costs.borrow_rate * -night[night < 0].sum()
        net.append(end - 1 + (interest - fee) * market.days[day] / 365)
        shares.append(share)
        held = share * worth * (1 + session[day]) / end * ~market.delisted[day]
    return np.array(net), np.array(shares)


def largest_order(fill: int, name: int, market: Market, costs: Costs) -> float:
    """Returns the currency value of a name that may be traded in a session."""
    volume = market.dollar_volume[fill - 1, name] if fill else 0.0
    volatility = market.volatility[fill - 1, name] if fill else 0.0
    if market.delisted[: fill + 1, name].any():
        return 0.0
    if costs.impact_coefficient and not (volume and volatility):
        return 0.0
    return (
        np.inf
        if costs.participation_cap == np.inf
        else costs.participation_cap * volume
    )


def price(traded: float, fill: int, name: int, market: Market, costs: Costs) -> float:
    """Returns the cost of an order as a fraction of its value."""
    rate = (costs.commission_bps + costs.half_spread_bps) / 1e4
    if not (costs.impact_coefficient and traded):
        return rate
    participation = traded / market.dollar_volume[fill - 1, name]
    volatility = market.volatility[fill - 1, name]
    return rate + costs.impact_coefficient * volatility * participation**0.5
