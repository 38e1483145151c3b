"""What a book earns and what it costs to trade, known at each close and not before."""

import json

import numpy as np
import pandas as pd
import pytest

from experiments import rft
from thesis_rl.data import market, panel, prices

KEEPS = (0.0, 5)  # Delisting return and gap.
NO_VOLUME = "No volume in the source: impact and capacity are off."
FIELDS = ("returns", "tradable", "dollar_volume", "volatility", "beta", "open_to_close")


def frames(close, **others) -> prices.Prices:
    """Puts arrays [T, N] on business days, in the names S0, S1, …"""
    close = np.asarray(close, float)
    days = pd.bdate_range("2020-01-01", periods=len(close), name="date")
    names = [f"S{n}" for n in range(close.shape[1])]
    on_days = {k: pd.DataFrame(v, days, names) for k, v in others.items()}
    close = pd.DataFrame(close, days, names)
    return prices.Prices(close, None, {}, {"caveats": ["Survivorship."]}, **on_days)


def gappy(num_days=400, num_names=5, seed=0, quoted_share=0.9) -> prices.Prices:
    """Random walks with gaps in closes, opens and volumes; S0 starts on day 30."""
    rng = np.random.default_rng(seed)
    shape = (num_days, num_names)
    close = 100 * np.exp(rng.normal(0, 0.02, shape).cumsum(axis=0))
    opened = close * np.exp(rng.normal(0, 0.01, shape))
    traded = rng.lognormal(15, 1, shape)
    close, opened, traded = (
        np.where(rng.random(shape) < quoted_share, x, np.nan)
        for x in (close, opened, traded)
    )
    close[:30, 0] = np.nan
    close[-1] = 100  # Nobody is delisted.
    return frames(close, open=opened, dollar_volume=traded)


def one(*closes, **others) -> prices.Prices:
    return frames(np.reshape(closes, (-1, 1)), **others)


def returns_by_loop(close):
    """Each return from the last quote, NaN where there is none: [T, N]."""
    returns = np.full(close.shape, np.nan)
    for n in range(close.shape[1]):
        quoted = np.flatnonzero(~np.isnan(close[:, n]))
        for before, day in zip(quoted, quoted[1:], strict=False):
            returns[day, n] = close[day, n] / close[before, n] - 1
    return returns


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 7])
def test_betas_are_the_same_however_many_names_are_done_at_a_time(
    at_a_time, monkeypatch
):
    whole = market.make(gappy(), *KEEPS).beta
    monkeypatch.setattr(market, "BETA_NAMES", at_a_time)
    np.testing.assert_array_equal(market.make(gappy(), *KEEPS).beta, whole)


def test_every_field_agrees_with_a_loop():
    source = gappy()
    close, traded = source.close.to_numpy(), source.dollar_volume.to_numpy()
    returns = returns_by_loop(close)
    seen = ~np.isnan(returns)
    mean = np.where(seen, returns, 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    made = market.make(source, *KEEPS)
    np.testing.assert_allclose(made.returns, np.nan_to_num(returns), rtol=1e-5)
    np.testing.assert_array_equal(made.tradable, ~np.isnan(close))
    for t, n in [(9, 1), (19, 2), (25, 1), (45, 0), (59, 3), (200, 0), (399, 4)]:
        month = slice(max(t - 20, 0), t + 1)
        seen = traded[month, n][~np.isnan(traded[month, n] + close[month, n])]
        expected = seen.mean() if len(seen) >= 10 else 0
        np.testing.assert_allclose(made.dollar_volume[t, n], expected, rtol=1e-5)

        quarter = returns[max(t - 59, 0) : t + 1, n]
        seen = quarter[~np.isnan(quarter)]
        expected = seen.std(ddof=1) if len(seen) >= 20 else 0
        np.testing.assert_allclose(made.volatility[t, n], expected, rtol=1e-5)

        year = slice(max(t - 251, 0), t + 1)
        held = ~np.isnan(returns[year, n])
        expected = 1
        if held.sum() >= 20:
            expected = np.polyfit(mean[year][held], returns[year, n][held], 1)[0]
        np.testing.assert_allclose(made.beta[t, n], expected, rtol=1e-4)


def test_dtypes_are_explicit_and_only_open_to_close_may_be_nan():
    made = market.make(gappy(), *KEEPS)
    for name in ("tradable", "delisted"):
        assert getattr(made, name).dtype == bool
    for name in ("returns", "dollar_volume", "volatility", "beta", "days"):
        field = getattr(made, name)
        assert field.dtype == np.float32 and np.isfinite(field).all(), name
    assert made.open_to_close.dtype == np.float32


def test_open_to_close_needs_both():
    source = one(11, np.nan, 12, 13, open=[[10], [11], [np.nan], [13]])
    earned = market.make(source, *KEEPS).open_to_close
    np.testing.assert_allclose(earned[:, 0], [0.1, np.nan, np.nan, 0], rtol=1e-6)


def test_what_the_source_lacks_is_none():
    made = market.make(one(1, 2, 3), *KEEPS)
    assert made.dollar_volume is None
    assert made.open_to_close is None


def test_nothing_is_known_before_enough_is_seen():
    """Ten quoted days tell a volume, twenty returns a volatility."""
    source = gappy(40, 2, quoted_share=1)
    made = market.make(source, *KEEPS)
    first = lambda x: int((np.asarray(x) > 0).argmax())  # noqa: E731
    assert first(made.dollar_volume[:, 1]) == 9
    assert first(made.volatility[:, 1]) == 20
    assert first(made.dollar_volume[:, 0]) == 30 + 9
    assert not made.volatility[:, 0].any()


def test_the_return_over_a_halt_is_earned_when_it_ends():
    made = market.make(one(100, np.nan, np.nan, 121, 110), *KEEPS)
    np.testing.assert_allclose(
        made.returns[:, 0], [0, 0, 0, 0.21, 110 / 121 - 1], rtol=1e-6
    )
    assert made.tradable[:, 0].tolist() == [True, False, False, True, True]
    assert not made.delisted.any()


@pytest.mark.parametrize("cut", [50, 51, 200, 390])
def test_later_prices_change_no_earlier_row(cut):
    """Bitwise, whatever the later rows hold, gaps and absurd prices among them."""
    source = gappy()
    rng = np.random.default_rng(cut)

    def scramble(frame):
        later = rng.lognormal(0, 3, frame.shape)
        later[rng.random(frame.shape) < 0.3] = np.nan
        later[-1] = 1
        later[:cut] = frame[:cut]
        return pd.DataFrame(later, frame.index, frame.columns)

    scrambled = source._replace(
        close=scramble(source.close),
        open=scramble(source.open),
        dollar_volume=scramble(source.dollar_volume),
    )
    before, after = market.make(source, *KEEPS), market.make(scrambled, *KEEPS)
    for name in FIELDS:
        x, y = (np.asarray(getattr(made, name)) for made in (before, after))
        np.testing.assert_array_equal(x[:cut], y[:cut], err_msg=name)
        assert (x[cut:] != y[cut:]).any(), name


def test_of_the_past_only_the_day_after_the_last_quote_depends_on_the_future():
    """S1 stops on day 60; whether it trades again is told on day 61 and nowhere else.

    Rows before 200 are compared; on day 200 S1 trades again, or never.
    """
    source = gappy(quoted_share=1)
    again, never = source.close.copy(), source.close.copy()
    again.iloc[61:200, 1] = never.iloc[61:, 1] = np.nan
    halted = market.make(source._replace(close=again), -0.3, 5)
    delisted = market.make(source._replace(close=never), -0.3, 5)
    only = np.zeros((400, 5), bool)
    only[61, 1] = True
    np.testing.assert_array_equal(delisted.delisted, only)
    assert not halted.delisted.any()
    np.testing.assert_array_equal(
        (delisted.returns != halted.returns)[:200], only[:200]
    )
    for name in FIELDS[1:]:
        x, y = (np.asarray(getattr(made, name)) for made in (halted, delisted))
        np.testing.assert_array_equal(x[:200], y[:200], err_msg=name)


@pytest.mark.parametrize(
    "quoted, day",
    [
        ("111111111111", None),  # To the end.
        ("111111110000", None),  # Silent for 4 sessions: a halt, for all one knows.
        ("111111100000", 7),
        ("100000000000", 1),
        ("000110000000", 5),
        ("110000000010", None),  # Halted for long, but trading since.
        ("110000100000", 7),  # The halt before counts for nothing.
        ("000000000000", None),  # Never listed.
        ("000000000001", None),
    ],
)
def test_delisted_on_the_session_after_the_last_quote(quoted, day):
    has = np.array([mark == "1" for mark in quoted])
    close = np.where(has, 100.0, np.nan)
    made = market.make(frames(np.c_[close, np.ones(12)]), -0.3, 5)
    days = np.arange(12) == day
    np.testing.assert_array_equal(made.delisted[:, 0], days)
    np.testing.assert_array_equal(made.returns[:, 0], np.float32(-0.3) * days)
    np.testing.assert_array_equal(made.tradable[:, 0], has)
    assert not made.delisted[:, 1].any() and not made.returns[:, 1].any()


def test_delisting_return_is_no_observation_of_risk():
    """It is an assumption: volatility and beta rest on quotes alone."""
    source = gappy(quoted_share=1)
    close = source.close.copy()
    close.iloc[100:, 2] = np.nan
    mild, harsh = (market.make(source._replace(close=close), r, 5) for r in (0.0, -1.0))
    assert harsh.returns[100, 2] == -1
    np.testing.assert_array_equal(mild.volatility, harsh.volatility)
    np.testing.assert_array_equal(mild.beta, harsh.beta)


@pytest.mark.parametrize(
    "delisting, message",
    [
        ((-1.5, 5), "config.backtest.delisting_return is -1.5; .* at least -1"),
        ((np.nan, 5), "config.backtest.delisting_return is nan"),
        ((np.inf, 5), "config.backtest.delisting_return is inf"),
        ((0.0, 0), "config.backtest.delisting_gap is 0; .* at least 1"),
    ],
)
def test_bad_delisting_is_refused_by_key(delisting, message):
    for function in (market.make, market.describe):
        with pytest.raises(ValueError, match=message):
            function(one(1, 2, 3), *delisting)


def test_days_are_those_of_the_calendar():
    """Wednesday to Friday, a weekend, a holiday after one, and New Year."""
    dates = ["2019-01-16", "2019-01-17", "2019-01-18", "2019-01-22", "2019-01-23"]
    dates += ["2019-12-31", "2020-01-02", "2020-01-03", "2020-01-06"]
    source = one(*range(1, 10))
    source = source._replace(close=source.close.set_axis(pd.DatetimeIndex(dates)))
    days = market.make(source, *KEEPS).days
    assert days.tolist() == [1, 1, 1, 4, 1, 342, 2, 1, 3]


def test_us6_day_and_night_multiply_to_the_return():
    """An open left on another basis than the close would show as a jump each night."""
    config = rft.get_config().data
    config.update(source="us6", start="")
    source = prices.load(config)
    made = market.make(source, *KEEPS)
    raw = pd.read_csv(prices.FILES / "us6_ohlcv.csv.gz", parse_dates=["date"])
    raw["day"] = raw["close"] / raw["open"] - 1
    day = raw.pivot(index="date", columns="ticker", values="day").to_numpy()
    np.testing.assert_allclose(made.open_to_close, day, rtol=1e-4, atol=1e-7)
    night = (1 + np.asarray(made.returns)) / (1 + np.asarray(made.open_to_close)) - 1
    assert np.abs(night).max() < 0.4  # Netflix rose by 39% in the night to 2013-01-24.
    assert np.median(np.abs(night), axis=0).max() < 0.01
    daily = np.asarray(made.volatility[20:])
    assert daily.min() > 0.005 and daily.max() < 0.11  # That of the same day.
    assert np.abs(np.asarray(made.beta).mean() - 1) < 0.05
    assert np.asarray(made.dollar_volume[9:]).min() > 5e7
    assert np.asarray(made.dollar_volume).max() < 1e11


def test_data_set_reports_what_was_delisted_and_what_is_missing(tmp_path):
    """B stops on the 10th of 80 days; neither open nor volume is in the file."""
    close = gappy(80, 5, quoted_share=1).close.set_axis(list("CBADE"), axis=1)
    close.iloc[10:, 1] = np.nan
    close.to_csv(tmp_path / "all.csv")
    config = rft.get_config("smoke")
    config.data.update(source="files", path=str(tmp_path), start="")
    config.backtest.update(delisting_return=-0.3, delisting_gap=5)
    made = panel.build(config)
    assert made.report["delisted"] == {"B": "2020-01-14"}
    assert (made.report["has_volume"], made.report["has_open"]) == (False, False)
    caveats = made.report["caveats"]
    assert caveats[: len(prices.FOLDER_CAVEATS)] == list(prices.FOLDER_CAVEATS)
    assert "1 name was delisted" in caveats[-2] and "-30%" in caveats[-2]
    assert caveats[-1] == "No volume in the source: impact and capacity are off."
    assert json.loads(json.dumps(made.report)) == made.report
    assert made.market.returns[10, 1] == np.float32(-0.3)
    assert made.market.delisted[10, 1]


def test_a_whole_source_has_no_such_caveat():
    source = gappy()
    described = market.describe(source, *KEEPS)
    assert described == {
        "delisted": {},
        "has_volume": True,
        "has_open": True,
        "caveats": ["Survivorship."],
    }
    assert source.report == {"caveats": ["Survivorship."]}


def test_a_day_without_volume_is_no_day_to_trade():
    source = one(1.0, 1.0, 1.1, 1.1, 1.2)
    volume = pd.DataFrame([[0.0], [5.0], [0.0], [np.nan], [7.0]])
    volume = volume.set_axis(source.close.index).set_axis(source.close.columns, axis=1)
    made = market.make(source._replace(volume=volume), *KEEPS)
    np.testing.assert_array_equal(made.tradable[:, 0], [1, 1, 0, 1, 1])
    assert made.returns[2, 0] == pytest.approx(0.1)  # What is held earns all the same.


def test_a_known_delisting_return_counts_however_short_the_gap():
    source = frames([[10, 10, 10], [11, 12, 13], [np.nan, np.nan, 14]])
    assert not np.asarray(market.make(source, *KEEPS).delisted).any()
    told = source._replace(delisting_returns={"S0": -0.3})
    found = market.make(told, *KEEPS)
    np.testing.assert_array_equal(found.delisted[-1], [True, False, False])
    np.testing.assert_allclose(found.returns[-1], [-0.3, 0, 14 / 13 - 1], rtol=1e-6)
    said = market.describe(told, *KEEPS)
    assert said["delisted"] == {"S0": "2020-01-02"}
    assert said["caveats"] == source.report["caveats"] + [NO_VOLUME]
    others = market.make(told, -0.5, 1)
    np.testing.assert_allclose(others.returns[-1, :2], [-0.3, -0.5])
