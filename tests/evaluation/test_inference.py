"""How sure, against what, and whether by luck: by hand, by loop and at the extremes."""

import math

import jax
import numpy as np
import pandas as pd
import pytest

from thesis_rl import files, stats
from thesis_rl.evaluation import inference
from thesis_rl.evaluation.books import Book

T, N, A = 300, 6, 5


def key():
    return jax.random.key(0)


def book(headline):
    columns = {name: np.zeros(len(headline)) for name in Book._fields}
    return Book(**columns | {"headline_net": headline})


@pytest.fixture(scope="module")
def returns():
    return np.random.default_rng(0).normal(0.0005, 0.01, T)


@pytest.fixture(scope="module")
def flat():
    return book(np.zeros(T))


def test_the_headline_has_each_number_of_its_own_function(returns):
    found = inference.headline(key(), book(returns), hold_days=21)
    daily = stats.sharpe(returns, periods_a_year=1)
    moments = stats.skewness(returns), stats.kurtosis(returns)
    assert found["sharpe"] == pytest.approx(daily * math.sqrt(252))
    assert found["psr"] == stats.probabilistic_sharpe(daily, 0.0, T, *moments)
    days = stats.min_track_record(daily, 0.0, *moments)
    assert found["min_track_record_years"] == pytest.approx(days / 252)
    # A track record of that length would have been just enough, by its definition.
    enough = stats.probabilistic_sharpe(daily, 0.0, math.ceil(days), *moments)
    assert enough == pytest.approx(0.95, abs=1e-3)
    assert found["interval_iid"] == list(stats.sharpe_interval(returns))
    assert found["num_days"] == T and found["years"] == T / 252
    for interval in (found["interval"], found["interval_iid"]):
        assert interval[0] < found["sharpe"] < interval[1]
    files.to_json(found)


def test_a_block_is_no_shorter_than_a_holding(returns):
    short = stats.optimal_block_length(returns)
    assert short < 21
    assert inference.headline(key(), book(returns), 21)["mean_block"] == 21
    assert inference.headline(key(), book(returns), 1)["mean_block"] == short
    slow = np.convolve(returns, np.ones(30), "same")
    assert inference.headline(key(), book(slow), 2)["mean_block"] > 10


def test_a_book_that_never_traded_has_numbers_all_the_same(flat, returns):
    found = inference.headline(key(), flat, hold_days=5)
    assert math.isnan(found["sharpe"]) and math.isnan(found["psr"])
    files.to_json(found)
    books = {"flat": flat, "moving": book(returns), "still": flat}
    losses = {"flat": returns, "moving": np.zeros(T), "still": np.zeros(T)}
    compared = inference.compare(key(), books, losses, "moving", 5.0, 6)
    for name in ("flat", "still"):
        assert math.isnan(compared[name]["sharpe_difference"])
        assert math.isnan(compared[name]["p"])
    assert math.isnan(compared["still"]["dm"])  # The losses are the same.
    assert math.isfinite(compared["flat"]["dm"])
    found = inference.superiority(key(), {"flat": flat}, 5.0)
    assert found["num_models"] == 0 and math.isnan(found["p"])


def test_position_losses_by_hand():
    positions = np.array([[1.0, -0.5, 0.0], [0.0, 0.0, 0.0], [0.25, 0.25, 0.5]])
    payoff = np.array([[2.0, 1.0, -9.0], [5.0, 5.0, 5.0], [-1.0, 1.0, 0.0]])
    loss = inference.position_loss(positions, payoff)
    np.testing.assert_allclose(loss, [-(2.0 - 0.5) / 1.5, 0.0, 0.0])
    # Twice as bold is not twice as right.
    np.testing.assert_allclose(inference.position_loss(2 * positions, payoff), loss)


def test_a_comparison_is_of_the_same_days_and_of_the_judged_less_the_other():
    rng = np.random.default_rng(1)
    common = rng.normal(0, 0.01, T)
    books = {
        "good": book(common + rng.normal(0.002, 0.001, T)),
        "flat": book(np.zeros(T)),
        "poor": book(common + rng.normal(-0.002, 0.001, T)),
    }
    losses = {
        "good": rng.normal(-0.5, 1, T),
        "flat": np.zeros(T),
        "poor": rng.normal(0.5, 1, T),
    }
    compared = inference.compare(key(), books, losses, "good", 5.0, 6)
    assert list(compared) == ["flat", "poor"]
    found = compared["poor"]
    sharpe = {name: stats.sharpe(b.headline_net) for name, b in books.items()}
    difference = sharpe["good"] - sharpe["poor"]
    assert found["sharpe_difference"] == pytest.approx(difference)
    assert found["interval"][0] > 0 and found["p"] < 0.01
    assert found["dm"] < -3 and found["dm_p"] < 0.01
    expected = stats.diebold_mariano(losses["good"], losses["poor"], horizon=6)
    assert (found["dm"], found["dm_p"]) == expected
    back = inference.compare(key(), books, losses, "poor", 5.0, 6)["good"]
    assert back["sharpe_difference"] == pytest.approx(-difference)
    assert back["dm"] == pytest.approx(-found["dm"])
    files.to_json(compared)


def test_a_record_too_short_for_the_horizon_is_compared_at_a_quarter_of_it():
    a, b = np.random.default_rng(2).normal(size=(2, 40))
    books, losses = {"a": book(a / 100), "b": book(b / 100)}, {"a": a, "b": b}
    found = inference.compare(key(), books, losses, "a", 2.0, 30)["b"]
    assert found["dm"] == stats.diebold_mariano(a, b, horizon=10)[0]


def test_superiority_names_the_best_and_those_that_survive():
    rng = np.random.default_rng(3)
    books = {f"noise_{i}": book(rng.normal(0, 0.01, 1000)) for i in range(8)}
    luck = inference.superiority(key(), books, 2.0)
    assert luck["p"] > 0.05 and luck["survivors"] == []
    sharpes = {name: stats.sharpe(b.headline_net) for name, b in books.items()}
    assert luck["best"] == max(sharpes, key=sharpes.get)
    books |= {
        "skill": book(rng.normal(0.003, 0.01, 1000)),
        "hold": book(np.zeros(1000)),
    }
    found = inference.superiority(key(), books, 2.0)
    assert found["p"] < 0.01 and found["best"] == "skill"
    assert found["survivors"] == ["skill"]
    assert found["num_models"] == 9  # What never moved is no model.


def test_forward_returns_are_those_of_a_loop():
    rng = np.random.default_rng(4)
    prices = np.exp(rng.normal(0, 0.02, (30, 3)).cumsum(axis=0))
    prices[rng.random(prices.shape) < 0.1] = np.nan
    found = inference.forward_returns(pd.DataFrame(prices), entry_lag=2, reach=5)
    for t in range(30):
        for n in range(3):
            expected = np.nan
            if t + 5 < 30:
                expected = prices[t + 5, n] / prices[t + 2, n] - 1
            np.testing.assert_allclose(found[t, n], expected, rtol=1e-12)


def decided(rank):
    """Probabilities [T, N, A] whose expected decision grows with a rank in [0, 1]."""
    stated = np.zeros((*rank.shape, A))
    stated[..., 0], stated[..., -1] = 1 - rank, rank
    return stated


def test_the_rank_ic_of_an_oracle_is_one_and_of_its_opposite_minus_one():
    rng = np.random.default_rng(5)
    forward = rng.normal(0, 0.02, (T, N)) ** 3  # Ranks, not sizes, count.
    quoted = np.ones((T, N), bool)
    rank = forward.argsort(axis=1).argsort(axis=1) / (N - 1)
    found = inference.rank_ic(decided(rank), forward, quoted, reach=5)
    assert found["mean"] == pytest.approx(1.0) and found["days"] == T
    opposite = inference.rank_ic(decided(1 - rank), forward, quoted, reach=5)
    assert opposite["mean"] == pytest.approx(-1.0)
    blind = inference.rank_ic(decided(rng.random((T, N))), forward, quoted, reach=5)
    assert abs(blind["mean"]) < 0.1 and blind["p"] > 0.01


def test_what_is_not_quoted_or_has_no_future_is_not_ranked():
    rng = np.random.default_rng(6)
    forward = rng.normal(size=(T, N))
    rank = forward.argsort(axis=1).argsort(axis=1) / (N - 1)
    quoted = np.ones((T, N), bool)
    rank[::2, 0] = rng.random(T // 2)  # Wrong, but not quoted; five others are.
    quoted[::2, 0] = False
    forward[-10:] = np.nan
    found = inference.rank_ic(decided(rank), forward, quoted, reach=5)
    assert found["mean"] == pytest.approx(1.0)
    assert (found["days"], found["without"]) == (T - 10, 10)


def test_a_policy_that_always_says_the_same_has_no_rank_ic():
    forward = np.random.default_rng(7).normal(size=(T, N))
    quoted = np.ones((T, N), bool)
    found = inference.rank_ic(decided(np.full((T, N), 0.3)), forward, quoted, reach=5)
    assert math.isnan(found["mean"]) and math.isnan(found["p"])
    assert (found["days"], found["without"]) == (0, T)
