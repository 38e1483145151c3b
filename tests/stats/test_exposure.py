"""Trailing betas against brute force."""

import numpy as np
import pytest

from thesis_rl import stats

T, N, WINDOW = 300, 4, 60


@pytest.fixture
def market():
    rng = np.random.default_rng(0)
    benchmark = rng.normal(0.0004, 0.01, T)
    noise = rng.normal(0, 0.01, (T, N))
    returns = benchmark[:, None] * np.array([0.2, 0.8, 1.0, 1.7]) + noise
    returns[rng.random((T, N)) < 0.2] = np.nan
    returns[:130, 3] = np.nan  # A name that lists late.
    return returns, benchmark


def test_betas_are_least_squares_slopes(market):
    returns, benchmark = market
    betas = stats.rolling_beta(returns, benchmark, WINDOW)
    assert betas.shape == (T, N) and betas.dtype == np.float64
    checked = 0
    for t in range(T):
        rows = slice(max(0, t + 1 - WINDOW), t + 1)
        for n in range(N):
            y, x = returns[rows, n], benchmark[rows]
            seen = ~np.isnan(y)
            if seen.sum() < 20:
                assert betas[t, n] == 1.0
                continue
            slope = np.cov(x[seen], y[seen])[0, 1] / x[seen].var(ddof=1)
            assert betas[t, n] == pytest.approx(slope, rel=1e-9)
            checked += 1
    assert checked > 900


def test_betas_of_a_market_that_only_scales(market):
    _, benchmark = market
    scale = np.array([0.5, -2.0])
    betas = stats.rolling_beta(benchmark[:, None] * scale, benchmark, WINDOW)
    np.testing.assert_array_equal(betas[:19], 1.0)
    np.testing.assert_allclose(betas[19:], np.tile(scale, (T - 19, 1)), rtol=1e-9)


def test_the_future_changes_no_bit(market):
    returns, benchmark = market
    before = stats.rolling_beta(returns, benchmark, WINDOW)
    returns[200:], benchmark[200:] = returns[200:][::-1] * 3, 0.05
    after = stats.rolling_beta(returns, benchmark, WINDOW)
    np.testing.assert_array_equal(before[:200], after[:200])
    assert (before[200:] != after[200:]).any()


def test_names_do_not_touch_each_other(market):
    returns, benchmark = market
    alone = stats.rolling_beta(returns[:, [2]], benchmark, WINDOW)
    together = stats.rolling_beta(returns, benchmark, WINDOW)
    np.testing.assert_array_equal(alone[:, 0], together[:, 2])


def test_a_benchmark_that_stands_still_leaves_the_prior(market):
    returns, _ = market
    betas = stats.rolling_beta(returns, np.full(T, 0.001), WINDOW)
    np.testing.assert_array_equal(betas, 1.0)


def test_a_record_shorter_than_the_window(market):
    returns, benchmark = (x[:40] for x in market)
    short = stats.rolling_beta(returns, benchmark, WINDOW)
    np.testing.assert_array_equal(short, stats.rolling_beta(*market, WINDOW)[:40])


@pytest.mark.parametrize(
    "returns, benchmark, window, message",
    [
        (np.zeros((30, 2)), np.zeros(29), 20, r"got \(30, 2\) and \(29,\)"),
        (np.zeros(30), np.zeros(30), 20, r"want returns \[T, N\]"),
        (np.zeros((30, 2)), np.zeros(30), 19, "window must be at least 20, got 19"),
        (np.full((30, 2), np.inf), np.zeros(30), 20, r"returns\[0, 0\] is infinite"),
        (np.zeros((30, 2)), np.full(30, np.nan), 20, r"benchmark\[0\] is nan"),
    ],
)
def test_refusals(returns, benchmark, window, message):
    with pytest.raises(ValueError, match=message):
        stats.rolling_beta(returns, benchmark, window)
