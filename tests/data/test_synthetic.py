"""The planted market holds what it says it holds."""

import ast
import inspect

import numpy as np
import pandas as pd
import pytest
from ml_collections import config_dict

from experiments import planted
from thesis_rl.data import synthetic


def make(**changes):
    config = planted.get_config().data.synthetic
    config.update(changes)
    return synthetic.make(config_dict.FrozenConfigDict(config))


def signals_of(market):
    return {name: frame.to_numpy() for name, frame in market.prices.signals.items()}


@pytest.fixture(scope="module")
def wide():
    """Many names, so that a mean over names is exact to a few per cent."""
    return make(num_names=400, num_days=1500, strength=0.3)


def test_signals_are_stationary_from_the_first_day_on():
    for name, signal in signals_of(make(num_names=4000, num_days=30)).items():
        for day in (0, 29):
            # Standard errors: 1 / √4000 of a mean, √(2 / 4000) of a variance.
            assert abs(signal[day].mean()) < 0.08, name
            assert abs(signal[day].var() - 1) < 0.11, name


def test_signals_halve_their_correlation_in_a_half_life(wide):
    for name, half_life in synthetic.HALF_LIVES.items():
        signal = signals_of(wide)[name]
        later, earlier = signal[half_life:], signal[:-half_life]
        assert np.mean(later * earlier) == pytest.approx(0.5, abs=0.04)
        assert np.mean(signal[1:] * signal[:-1]) == pytest.approx(
            0.5 ** (1 / half_life), abs=0.06
        )


def test_signals_are_independent(wide):
    flat = np.stack([signal.ravel() for signal in signals_of(wide).values()])
    assert abs(np.corrcoef(flat) - np.eye(4)).max() < 0.05


@pytest.mark.parametrize("kind", ["linear", "nonlinear"])
def test_total_signal_is_what_the_equation_says(kind):
    market = make(num_names=400, num_days=1500, kind=kind)
    q, s, m, i = signals_of(market).values()
    total = {
        "linear": 0.1 * q + 0.07 * s + 0.08 * m + 0.06 * i,
        "nonlinear": np.tanh(q) * np.sign(s) + 0.5 * m,
    }[kind]
    assert market.signal.std() == pytest.approx(1, abs=0.05)
    ratio = market.signal / total
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-6)
    assert ratio[0, 0] > 0


def idiosyncratic(market):
    """Returns of days 1 to T - 1, less the day's mean, in units of each name's own."""
    returns = market.prices.close.pct_change(fill_method=None).to_numpy()[1:]
    excess = returns - returns.mean(1, keepdims=True)
    return excess / excess.std(0)


@pytest.mark.parametrize("kind", ["linear", "nonlinear"])
@pytest.mark.parametrize("strength", [0.0, 0.05, 0.3])
def test_strength_is_the_correlation_with_tomorrow(kind, strength):
    market = make(num_names=400, num_days=1500, kind=kind, strength=strength)
    known, paid = market.signal[:-1].ravel(), idiosyncratic(market).ravel()
    # One standard error is 1 / √(400 · 1500) = .0013.
    assert np.corrcoef(known, paid)[0, 1] == pytest.approx(strength, abs=0.006)


def test_news_of_a_day_is_not_yet_in_its_close(wide):
    paid = idiosyncratic(wide)
    for name, half_life in synthetic.HALF_LIVES.items():
        signal = signals_of(wide)[name]
        news = signal[1:] - 0.5 ** (1 / half_life) * signal[:-1]
        assert abs(np.corrcoef(news.ravel(), paid.ravel())[0, 1]) < 0.006
        later = np.corrcoef(news[:-1].ravel(), paid[1:].ravel())[0, 1]
        assert later > 0.015


def test_volatility_differs_between_names_and_the_market_is_shared(wide):
    returns = wide.prices.close.pct_change(fill_method=None).to_numpy()[1:]
    own = (returns - returns.mean(1, keepdims=True)).std(0)
    low, high = synthetic.VOLATILITY
    assert 0.93 * low < own.min() < 1.15 * low and 0.9 * high < own.max() < 1.1 * high
    market = returns.mean(1)
    assert market.std() == pytest.approx(synthetic.MARKET_VOLATILITY, rel=0.1)


def test_the_seed_decides_everything():
    first, again, other = (make(num_days=50, seed=seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first.prices.close, again.prices.close)
    np.testing.assert_array_equal(first.signal, again.signal)
    assert not np.allclose(first.prices.close, other.prices.close)


def test_dates_come_from_no_clock():
    market = make(num_days=50)
    dates = market.prices.close.index
    assert str(dates[0].date()) == synthetic.FIRST_DAY
    assert dates.is_monotonic_increasing and dates.is_unique
    assert (dates.day_of_week < 5).all()
    names = {
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(synthetic)))
        if isinstance(node, ast.Attribute)
    }
    assert not names & {"today", "now", "time", "utcnow"}


def test_a_synthetic_market_says_so():
    planted_market, null = make(num_days=50), make(num_days=50, strength=0.0)
    assert "SYNTHETIC PLANTED linear" in planted_market.prices.report["description"]
    assert "SYNTHETIC NULL" in null.prices.report["description"]
    assert planted_market.prices.report["synthetic"] is True


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"kind": "quadratic"}, "synthetic.kind is 'quadratic'; .*linear"),
        ({"strength": 1.0}, r"synthetic.strength is 1.0; .*lie in \[0, 1\)"),
        ({"strength": -0.1}, "synthetic.strength is -0.1"),
        ({"strength": float("nan")}, "synthetic.strength is nan"),
        ({"num_names": 0}, "num_names >= 1 .*got 0 and"),
        ({"num_days": 1}, "num_days >= 2, got 20 and 1"),
    ],
)
def test_a_field_out_of_range_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)
