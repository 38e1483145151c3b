"""Books by hand, and the whole ledger against a plainer one."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain_backtest import net_and_weights, random_market, random_weights

from thesis_rl.trading import backtest
from thesis_rl.trading.backtest import Costs, Ledger
from thesis_rl.types import Market

FREE = Costs(0.0, 0.0)
FULL = Costs(1.0, 4.0, 1.0, 0.05, borrow_rate=0.03, cash_rate=0.02)
SIMULATE = jax.jit(
    backtest.simulate, static_argnames=("fill_lag", "at_open", "same_close")
)
CAPITAL = 1e7


def market(returns, tradable=None, **known):
    returns = jnp.array(returns, jnp.float32)
    quoted = jnp.ones(returns.shape, bool) if tradable is None else jnp.array(tradable)
    return Market(returns, quoted, **{k: jnp.array(v) for k, v in known.items()})


def held(weight, num_days=5):
    return jnp.full((num_days, 1), weight)


def flat(num_days=5, **known):
    return market(np.zeros((num_days, 1)), **known)


WEIGHTS, BOOK = random_weights(), random_market()


@pytest.mark.parametrize("fill_lag, at_open", [(1, False), (3, False), (1, True)])
@pytest.mark.parametrize(
    "costs",
    [FREE, Costs(50.0, 200.0), FULL, FULL._replace(impact_coefficient=0.0)],
    ids=["free", "rates", "full", "cap"],
)
def test_the_ledger_is_that_of_a_book_kept_in_currency(costs, fill_lag, at_open):
    mode = {"fill_lag": fill_lag, "at_open": at_open}
    with jax.enable_x64(True):
        book = random_market(dtype=np.float64)
        weights = random_weights().astype(np.float64)
        ledger = SIMULATE(weights, book, costs, capital=CAPITAL, **mode)
        net, shares = net_and_weights(weights, book, costs, CAPITAL, **mode)
        np.testing.assert_allclose(ledger.weights, shares, rtol=0, atol=1e-12)
        np.testing.assert_allclose(ledger.net, net, rtol=0, atol=1e-12)


def test_at_no_cost_the_book_earns_its_weights_times_returns():
    with jax.enable_x64(True):
        book, weights = random_market(300, 7, dtype=np.float64), random_weights(300, 7)
        ledger = SIMULATE(weights.astype(np.float64), book, FREE)
        earned = (np.array(ledger.weights) * np.array(book.returns)).sum(-1)
        np.testing.assert_allclose(ledger.net, earned, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(ledger.net, ledger.gross)


def test_a_decision_is_filled_at_the_next_close_and_earns_the_day_after():
    target = jnp.zeros((5, 1)).at[0].set(1.0)  # Decided on day 0, out on day 1.
    book = market([[0.1], [0.2], [0.4], [0.8], [1.6]])
    ledger = SIMULATE(target, book, FREE)
    np.testing.assert_allclose(ledger.gross, [0, 0, 0.4, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(ledger.turnover, [0, 0, 1, 1, 0], rtol=1e-6)
    late = SIMULATE(target, book, FREE, fill_lag=2)
    np.testing.assert_allclose(late.gross, [0, 0, 0, 0.8, 0], rtol=1e-6)
    at_once = SIMULATE(target, book, FREE, fill_lag=0, same_close=True)
    np.testing.assert_allclose(at_once.gross, [0, 0.2, 0, 0, 0], rtol=1e-6)


def test_open_fills_earn_from_open_to_open_and_wait_where_there_is_none():
    target = jnp.zeros((4, 1)).at[0].set(1.0)
    returns, opens = [[0], [0.1], [-0.9], [0.5]], [[0], [0.05], [np.nan], [0.25]]
    book = market(returns, open_to_close=opens)
    ledger = SIMULATE(target, book, Costs(10.0, 0.0), at_open=True)
    # Not sold on day 2, and before the open of day 3 the night earned 1.5 / 1.25 - 1.
    np.testing.assert_allclose(ledger.gross, [0, 0.05, -0.9, 0.2], rtol=1e-5)
    np.testing.assert_allclose(ledger.turnover, [0, 1, 0, 1], rtol=1e-6)
    np.testing.assert_allclose(ledger.commission, [0, 0.00105, 0, 0.0012], rtol=1e-5)


def test_a_fill_at_the_deciding_close_takes_the_flag_and_an_open_takes_opens():
    run = functools.partial(backtest.simulate, WEIGHTS, costs=FREE)
    with pytest.raises(ValueError, match="fill_lag is 0.* at least 1.*same_close=True"):
        run(BOOK, fill_lag=0)
    with pytest.raises(ValueError, match="fill_lag is 0"):  # The open was before it.
        run(BOOK, fill_lag=0, at_open=True, same_close=True)
    with pytest.raises(ValueError, match="fill_lag is -1"):
        run(BOOK, fill_lag=-1, same_close=True)
    with pytest.raises(ValueError, match="market.open_to_close is None"):
        run(BOOK._replace(open_to_close=None), at_open=True)


def test_weights_drift_and_are_brought_back_by_hand():
    target = jnp.broadcast_to(jnp.array([0.5, 0.5]), (5, 2))
    returns = [[0, 0], [0, 0], [0.2, 0.0], [0.0, 0.1], [0, 0]]
    ledger = SIMULATE(target, market(returns), FREE)
    np.testing.assert_allclose(ledger.gross, [0, 0, 0.1, 0.05, 0], rtol=1e-6)
    # After +20% on half of the book: .6 / 1.1 and .5 / 1.1; after +10%: .55 / 1.05.
    traded = [0, 0, 1, 0.1 / 1.1, 0.05 / 1.05]
    np.testing.assert_allclose(ledger.turnover, traded, rtol=1e-5)
    np.testing.assert_allclose(ledger.weights[2:], target[2:])
    np.testing.assert_allclose(ledger.net_exposure, [0, 0, 1, 1, 1])


def test_a_name_without_a_quote_keeps_its_drifted_weight():
    target = jnp.zeros((6, 2)).at[0].set(jnp.array([0.5, 0.5]))
    returns = [[0, 0], [0, 0], [0.2, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    tradable = np.ones((6, 2), bool)
    tradable[2:4, 0] = False  # Both names should be sold at the close of day 2.
    ledger = SIMULATE(target, market(returns, tradable), FREE)
    np.testing.assert_allclose(ledger.weights[2], [0.5, 0.5])
    np.testing.assert_allclose(ledger.weights[3], [0.6 / 1.1, 0.0], rtol=1e-6)
    np.testing.assert_allclose(ledger.weights[4], [0.6 / 1.1, 0.0], rtol=1e-6)
    np.testing.assert_allclose(ledger.weights[5], [0.0, 0.0])


def test_commission_and_half_spread_leave_the_capital_before_the_return():
    target = held(1.0, 4).at[1:].set(0.0)  # In at full weight, then out.
    ledger = SIMULATE(target, market([[0], [0], [0.1], [0]]), Costs(10.0, 40.0))
    cost = 0.005  # 50 bps on a turnover of one.
    net = [0, 0, (1 - cost) * (1 + 0.1) - 1, -cost]
    np.testing.assert_allclose(ledger.net, net, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ledger.commission, [0, 0, 0.0011, 0.001], rtol=1e-5)
    np.testing.assert_allclose(ledger.half_spread, 4 * ledger.commission, rtol=1e-6)


def test_impact_is_twenty_basis_points_at_one_hundredth_of_the_volume():
    # Filled at the close of day 1, so priced by what the close of day 0 knew.
    volatility = [[0.02], [0.3], [0.3], [0.3], [0.3]]
    volume = [[1e8], [1e6], [1e6], [1e6], [1e6]]
    book = flat(dollar_volume=volume, volatility=volatility)
    costs = Costs(0.0, 0.0, impact_coefficient=1.0)
    ledger = SIMULATE(held(1.0), book, costs, capital=1e6)
    np.testing.assert_allclose(ledger.impact, [0, 0, 0.002, 0, 0], rtol=1e-5)
    half = SIMULATE(held(0.5), book, costs, capital=1e6)  # 1/2 at √1/2 of the price.
    np.testing.assert_allclose(half.impact[2], 0.002 * 0.5**1.5, rtol=1e-5)
    off = SIMULATE(held(1.0), book._replace(volatility=None), costs, capital=1e6)
    np.testing.assert_array_equal(off.impact, 0.0)
    np.testing.assert_array_equal(off.turnover, [0, 0, 1, 0, 0])


def test_the_cap_carries_what_it_leaves_to_the_next_days():
    known = {"volatility": np.full((8, 1), 0.02), "dollar_volume": np.full((8, 1), 2e6)}
    known["dollar_volume"][3] = 0.0  # Unknown at the fill of the close of day 4.
    costs = Costs(0.0, 0.0, participation_cap=0.2)
    target = held(1.0, 8).at[5:].set(0.5)
    ledger = SIMULATE(target, flat(8, **known), costs, capital=1e6)
    weights = [0, 0, 0.4, 0.8, 1.0, 1.0, 1.0, 0.6]
    np.testing.assert_allclose(ledger.weights[:, 0], weights, rtol=1e-6)
    slow = SIMULATE(target, flat(8, **known), costs, capital=2e6)
    weights = [0, 0, 0.2, 0.4, 0.6, 0.6, 0.8, 0.6]
    np.testing.assert_allclose(slow.weights[:, 0], weights, rtol=1e-6)


def test_borrow_and_interest_count_the_days_of_a_weekend():
    costs = Costs(0.0, 0.0, borrow_rate=0.0365, cash_rate=0.073)
    book = flat(days=[1.0, 1.0, 1.0, 3.0, 1.0])
    ledger = SIMULATE(held(-0.5), book, costs)
    np.testing.assert_allclose(ledger.borrow, [0, 0, 5e-5, 1.5e-4, 5e-5], rtol=1e-5)
    income = [2e-4, 2e-4, 3e-4, 9e-4, 3e-4]  # Proceeds of the short sale are cash.
    np.testing.assert_allclose(ledger.interest, income, rtol=1e-5)
    levered = SIMULATE(held(1.5), book, costs)
    np.testing.assert_allclose(levered.interest[3], -3e-4, rtol=1e-5)
    np.testing.assert_array_equal(levered.borrow, 0.0)
    undated = SIMULATE(held(-0.5), flat(), costs)
    np.testing.assert_allclose(undated.borrow[3], 0.5 * 0.0365 / 252, rtol=1e-5)


@pytest.mark.parametrize("weight", [0.5, -0.5])
def test_a_delisted_name_earns_its_last_return_and_becomes_cash(weight):
    delisted = np.zeros((6, 2), bool)
    delisted[3, 0] = True
    returns = np.zeros((6, 2)) + [[0.0, 0.01]]
    returns[3, 0], returns[4, 0] = -0.4, 7.0
    book = market(returns, delisted=delisted)  # Quoted again: it must not matter.
    target = jnp.zeros((6, 2)).at[:, 0].set(weight)
    ledger = SIMULATE(target, book, Costs(10.0, 0.0))
    np.testing.assert_allclose(ledger.gross, [0, 0, 0, -0.4 * weight, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(ledger.turnover, [0, 0, 0.5, 0, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(ledger.weights[4:], 0.0)


@pytest.mark.parametrize("field", Ledger._fields)
def test_net_counts_each_line_of_the_ledger_once(field):
    ledger = Ledger(*np.random.default_rng(0).normal(size=(10, 4)))
    more = ledger._replace(**{field: getattr(ledger, field) + 1.0})
    income = field in ("gross", "interest")
    cost = field in ("commission", "half_spread", "impact", "borrow")
    np.testing.assert_allclose(more.net - ledger.net, income - cost, atol=1e-12)
    np.testing.assert_allclose(more.cost - ledger.cost, cost, atol=1e-12)


@pytest.mark.parametrize("field", [*Costs._fields[:3], "borrow_rate", "capital"])
def test_net_falls_with_each_cost_and_with_capital(field):
    scale = FULL._replace(participation_cap=np.inf)._asdict() | {"capital": CAPITAL}

    def net(factor):  # Uncapped: a cap changes the book itself.
        *costs, capital = (scale | {field: factor * scale[field]}).values()
        return SIMULATE(WEIGHTS, BOOK, Costs(*costs), capital=capital).net

    cheap, dear = net(1.0), net(2.0)
    assert (dear <= cheap).all() and dear.sum() < cheap.sum()


def test_costs_and_capital_are_swept_in_one_call():
    several = [FULL, FREE, FULL._replace(participation_cap=0.01)]
    costs = Costs(*map(jnp.array, zip(*several, strict=True)))
    capital = jnp.array([1e6, 1e7, 1e8])
    each = lambda c, k: backtest.simulate(WEIGHTS, BOOK, c, capital=k)  # noqa: E731
    swept = jax.jit(jax.vmap(each))(costs, capital)
    for i in range(3):
        one = SIMULATE(WEIGHTS, BOOK, several[i], capital=float(capital[i]))
        chex.assert_trees_all_close(
            jax.tree.map(lambda x, i=i: x[i], swept), one, rtol=1e-4, atol=1e-7
        )


@pytest.mark.parametrize("at_open", [False, True])
def test_the_order_of_the_names_changes_nothing(at_open):
    order = jnp.array([2, 0, 1])
    run = functools.partial(SIMULATE, costs=FULL, capital=CAPITAL, at_open=at_open)
    ledger = run(WEIGHTS, BOOK)
    mixed = jax.tree.map(lambda x: x[:, order] if x.ndim == 2 else x, (WEIGHTS, BOOK))
    expected = ledger._replace(weights=ledger.weights[:, order])
    chex.assert_trees_all_close(run(*mixed), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("at_open", [False, True])
def test_the_ledger_of_a_day_knows_nothing_later(at_open):
    day = 20
    run = functools.partial(SIMULATE, costs=FULL, capital=CAPITAL, at_open=at_open)
    future = slice(day + 1, None)
    scrambled = jax.tree.map(
        lambda x, y: x.at[future].set(y[future]), BOOK, random_market(seed=1)
    )
    # What is decided at the close of the day cannot have moved the day either.
    late = WEIGHTS.at[day:].set(random_weights(seed=1)[day:])
    ledgers = run(WEIGHTS, BOOK), run(late, scrambled)
    until = [jax.tree.map(lambda x: x[: day + 1], ledger) for ledger in ledgers]
    chex.assert_trees_all_equal(*until)
    assert (ledgers[0].weights[future] != ledgers[1].weights[future]).any()


def test_other_decisions_make_another_book():
    quoted = market(jnp.zeros(WEIGHTS.shape))
    for day in (0, 30, 57):
        other = WEIGHTS.at[day, 1].multiply(-1.0)
        ledgers = [SIMULATE(w, quoted, FREE) for w in (WEIGHTS, other)]
        moved = np.flatnonzero((ledgers[0].weights != ledgers[1].weights).any(-1))
        assert moved[0] == day + backtest.FILL_LAG
