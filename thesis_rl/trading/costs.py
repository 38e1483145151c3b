"""What trading costs, and the daily record of a book that paid it."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from thesis_rl.types import PERIODS_A_YEAR, Market

DAYS_A_YEAR = 365  # Actual/365.


class Costs(NamedTuple):
    """What trading and holding cost. Rates a year count calendar days, Actual/365."""

    commission_bps: float  # Of the value traded.
    half_spread_bps: float  # Of the value traded.
    impact_coefficient: float = 0.0  # Y of the square-root law; 1 is the usual one.
    participation_cap: float = math.inf  # Largest share of a day's volume we trade.
    borrow_rate: float = 0.0  # A year, on short positions.
    cash_rate: float = 0.0  # A year, earned on cash, paid on borrowed cash.


class Ledger(NamedTuple):
    """One line a day, as fractions of capital; costs are positive."""

    gross: jax.Array  # [T], return of the positions before costs.
    commission: jax.Array  # [T]
    half_spread: jax.Array  # [T]
    impact: jax.Array  # [T]
    borrow: jax.Array  # [T]
    interest: jax.Array  # [T], income on cash; negative where cash is borrowed.
    turnover: jax.Array  # [T], two-way, against drifted weights.
    gross_exposure: jax.Array  # [T]
    net_exposure: jax.Array  # [T]
    weights: jax.Array  # [T, N], after the day's fill.

    @property
    def cost(self) -> jax.Array:
        """Returns commission + half spread + impact + borrow, [T]."""
        return self.commission + self.half_spread + self.impact + self.borrow

    @property
    def net(self) -> jax.Array:
        """Returns gross + interest − each cost, [T], in the dtype of the ledger."""
        income = self.gross + self.interest
        return income - self.commission - self.half_spread - self.impact - self.borrow


def line(ledger: Ledger, index: int) -> Ledger:
    """Picks one of several books that were traded side by side."""
    return jax.tree.map(lambda x: x[index], ledger)


def rates(config: FrozenConfigDict) -> Costs:
    """Gathers the rates of `config.backtest`."""
    return Costs(**{name: config.backtest[name] for name in Costs._fields})


def book(
    lines: dict[str, jax.Array], market: Market, costs: Costs, capital: float
) -> Ledger:
    """Prices what a book did.

    Args:
      lines: of `backtest.simulate`, a day each: gross, turnover, impact (of a
        coefficient and a capital of 1), short and cash [T], weights [T, N].
      market: for the calendar days between its sessions.
      costs: rates.
      capital: in the currency of `market.dollar_volume`.

    Returns:
      The ledger.
    """
    days = DAYS_A_YEAR / PERIODS_A_YEAR if market.days is None else market.days
    weights, after = lines["weights"], 1 + lines["gross"]
    traded = lines["turnover"] * after * 1e-4
    return Ledger(
        gross=lines["gross"],
        commission=traded * costs.commission_bps,
        half_spread=traded * costs.half_spread_bps,
        impact=lines["impact"] * after * costs.impact_coefficient * capital**0.5,
        borrow=lines["short"] * days * (costs.borrow_rate / DAYS_A_YEAR),
        interest=lines["cash"] * days * (costs.cash_rate / DAYS_A_YEAR),
        turnover=lines["turnover"],
        gross_exposure=jnp.abs(weights).sum(-1),
        net_exposure=weights.sum(-1),
        weights=weights,
    )
