"""How fast the backtest is, beside vectorbt and in one call over a whole evaluation.

    python experiments/bench/backtest.py
    python experiments/bench/backtest.py --repeats=9
    python experiments/bench/backtest.py --json

1. One book, 1,000 days × 500 names. Ours: commission, half-spread, impact, cap,
   borrow, interest and delisting, the whole ledger. vectorbt: one shared-cash
   portfolio to target percents with a fee, and its returns. Compiling is left out of
   both. Without vectorbt (`pip install -e '.[bench]'`) ours is timed alone.
2. One compiled call: S seeds of 20 names over the test days of F folds, end to end as
   a walk-forward trades them, each at five cost levels.

Every time is a median over repeats that take turns, on the machine it runs on.
"""

import functools
import json
import math
import pathlib
import statistics
import sys
import time
from collections.abc import Callable

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from absl import flags  # noqa: E402

from experiments.command import Command, run_from_shell  # noqa: E402
from thesis_rl.trading import backtest  # noqa: E402
from thesis_rl.trading.backtest import Costs  # noqa: E402
from thesis_rl.types import Market  # noqa: E402

CAPITAL = 1e8
FULL = Costs(1.0, 2.0, 1.0, 0.05, borrow_rate=0.01, cash_rate=0.02)
SWEEP_BPS = (0.0, 2.0, 5.0, 10.0, 20.0)
TEST_DAYS = 63  # A fold.
EVALUATED_NAMES = 20


def random_book(num_days: int, num_names: int) -> tuple[jax.Array, Market]:
    """Draws daily long-short targets of gross exposure 1, and a market for them."""
    rng = np.random.default_rng(0)
    shape = (num_days, num_names)
    drawn = rng.normal(size=shape)
    delisted = np.zeros(shape, bool)
    delisted[num_days // 2, 0] = True
    market = Market(
        returns=_floats(rng.normal(0, 0.02, shape)),
        tradable=jnp.asarray((rng.random(shape) < 0.99) & ~delisted),
        dollar_volume=_floats(rng.lognormal(18, 1, shape)),
        volatility=_floats(rng.uniform(0.01, 0.03, shape)),
        delisted=jnp.asarray(delisted),
        days=_floats(np.resize([1, 1, 1, 1, 3], num_days)),
    )
    return _floats(drawn / np.abs(drawn).sum(1, keepdims=True)), market


def _floats(values: np.ndarray) -> jax.Array:
    return jnp.asarray(values, jnp.float32)


def seconds(calls: list[Callable], repeats: int) -> list[float]:
    """Returns the median time of each call; the calls take turns, warmed up."""
    for call in calls:
        jax.block_until_ready(call())
    times = [[] for _ in calls]
    for _ in range(repeats):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            jax.block_until_ready(call())
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]


def vectorbt_returns(weights: jax.Array, market: Market) -> Callable | None:
    """Returns a call that trades the same targets in vectorbt; None without it."""
    try:
        import pandas as pd
        import vectorbt
    except ImportError:
        return None
    prices = 100 * np.cumprod(1 + np.asarray(market.returns, np.float64), axis=0)
    index = pd.bdate_range("2015-01-01", periods=len(prices))
    close = pd.DataFrame(prices, index)
    targets = pd.DataFrame(np.asarray(weights, np.float64), index)

    def call():
        return vectorbt.Portfolio.from_orders(
            close,
            targets,
            size_type="targetpercent",
            group_by=True,
            cash_sharing=True,
            call_seq="auto",
            fees=(FULL.commission_bps + FULL.half_spread_bps) / 1e4,
        ).returns()

    return call


def time_one_book(
    num_days: int, num_names: int, repeats: int
) -> tuple[float, float | None]:
    """Returns the seconds of one book, here and in vectorbt; None without it."""
    weights, market = random_book(num_days, num_names)
    trade = jax.jit(functools.partial(backtest.simulate, capital=CAPITAL))
    calls = [functools.partial(trade, weights, market, FULL)]
    theirs = vectorbt_returns(weights, market)
    if theirs is None:
        return *seconds(calls, repeats), None
    return tuple(seconds([*calls, theirs], repeats))


def evaluation(weights: jax.Array, market: Market, sweep: jax.Array) -> jax.Array:
    """Trades every seed at every cost level.

    Args:
      weights: [S, T, N], T the test days of all folds.
      market: [T, N].
      sweep: commission in basis points, [L].

    Returns:
      Net returns [S, L, T].
    """

    def net(weights, commission):
        costs = FULL._replace(commission_bps=commission, half_spread_bps=0.0)
        return backtest.simulate(weights, market, costs, capital=CAPITAL).net

    return jax.vmap(jax.vmap(net, (None, 0)), (0, None))(weights, sweep)


def time_evaluation(num_folds: int, num_seeds: int, repeats: int) -> float:
    """Returns the seconds of a whole evaluation in one call."""
    num_days, num_names = num_folds * TEST_DAYS, EVALUATED_NAMES
    _, market = random_book(num_days, num_names)
    shape = (num_seeds, num_days, num_names)
    weights = _floats(np.random.default_rng(1).normal(0, 1 / num_names, shape))
    sweep = jnp.array(SWEEP_BPS)
    call = functools.partial(jax.jit(evaluation), weights, market, sweep)
    return seconds([call], repeats)[0]


def declare(own: flags.FlagValues) -> None:
    """Declares the arguments."""
    flags.DEFINE_integer("repeats", 5, "Timed calls of each.", flag_values=own)
    flags.DEFINE_integer("days", 1000, "Of the one book.", flag_values=own)
    flags.DEFINE_integer("names", 500, "Of the one book.", flag_values=own)
    flags.DEFINE_integer("folds", 22, "Of the evaluation.", flag_values=own)
    flags.DEFINE_integer("seeds", 6, "Of the evaluation.", flag_values=own)
    flags.DEFINE_bool("json", False, "Print numbers alone.", own)


def main(given: flags.FlagValues) -> None:
    """Measures and prints."""
    ours, theirs = time_one_book(given.days, given.names, given.repeats)
    all_of_it = time_evaluation(given.folds, given.seeds, given.repeats)
    if given.json:
        found = {"seconds": ours, "vectorbt_seconds": theirs}
        print(json.dumps(found | {"evaluation_seconds": all_of_it}))
        return
    print(f"One book, {given.days:,} days × {given.names:,} names")
    print(f"  thesis_rl, full cost model  {1e3 * ours:8.1f} ms")
    if theirs is None:
        print("  vectorbt is not installed: pip install -e '.[bench]'")
    else:
        print(f"  vectorbt, fees              {1e3 * theirs:8.1f} ms")
        print(f"  ratio                       {theirs / ours:8.1f}")
    days = given.folds * TEST_DAYS
    rows = math.prod((given.seeds, days, EVALUATED_NAMES, len(SWEEP_BPS)))
    print(
        f"{given.folds} folds of {TEST_DAYS} days × {given.seeds} seeds × "
        f"{len(SWEEP_BPS)} cost levels, {EVALUATED_NAMES} names, one call\n"
        f"  {1e3 * all_of_it:.1f} ms, {rows / all_of_it:.3g} rows a second"
    )


COMMAND = Command(__doc__, declare, main)

if __name__ == "__main__":
    run_from_shell(COMMAND)
