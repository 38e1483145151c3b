"""Features against plain re-computation; no look-ahead, no filling, no scale."""

import numpy as np
import pandas as pd
import pytest

from thesis_rl.data import citations, features, join
from thesis_rl.data.prices import Prices

T, N = 400, 3
NAMES = (*features.KNOWN, "mom10_rel", "vol_rel", "f_quality_rel")
# Sessions that must stand, today's among them, before a feature does.
SESSIONS = {
    "f_momentum": 253,
    "mom10": 11,
    "mom30": 31,
    "vol": 61,
    "rsi": 15,
    "macd": 34,
    "sma50_gap": 50,
    "sma200_gap": 200,
    "drawdown": 252,
    "volume_ratio": 20,
}


def make_prices(seed: int = 0, num_days: int = T) -> Prices:
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=num_days, name="date")
    frame = lambda x: pd.DataFrame(x, days, list("ABC"))  # noqa: E731
    shape = (num_days, N)
    return Prices(
        close=frame(50 * np.exp(np.cumsum(rng.normal(0, 0.02, shape), axis=0))),
        volume=frame(rng.integers(100, 1000, shape).astype(float)),
        signals={"f_quality": frame(rng.normal(size=shape))},
        report={},
    )


def compute_one(prices: Prices, name: str) -> np.ndarray:
    """The feature [T, N], NaN where not available."""
    values, available = features.compute(prices, (name,))
    return np.where(available, values, np.nan)[:, :, 0]


def smooth(values, span: int, alpha: float) -> float:
    """The recursion of `features.ema`, value by value."""
    mean = np.mean(values[:span])
    for value in values[span:]:
        mean += alpha * (value - mean)
    return mean


def expected(name: str, p: np.ndarray, volume: np.ndarray) -> float:
    """Re-computes a feature of the last day of one name's prices."""
    returns = np.diff(p) / p[:-1]
    if name == "rsi":
        gain = smooth(np.maximum(np.diff(p), 0), 14, 1 / 14)
        loss = smooth(np.maximum(-np.diff(p), 0), 14, 1 / 14)
        return (100 - 100 / (1 + gain / loss)) / 50 - 1
    if name == "macd":
        lines = [
            smooth(p[: i + 1], 12, 2 / 13) - smooth(p[: i + 1], 26, 2 / 27)
            for i in range(25, len(p))
        ]
        return (lines[-1] - smooth(lines, 9, 0.2)) / p[-1]
    return {
        "f_momentum": p[-22] / p[-253] - 1,
        "mom10": p[-1] / p[-11] - 1,
        "mom30": p[-1] / p[-31] - 1,
        "vol": np.std(returns[-60:], ddof=1),
        "sma50_gap": p[-1] / np.mean(p[-50:]) - 1,
        "sma200_gap": p[-1] / np.mean(p[-200:]) - 1,
        "drawdown": p[-1] / np.max(p[-252:]) - 1,
        "volume_ratio": np.log(volume[-1] / np.mean(volume[-20:])),
    }[name]


def test_shapes_dtypes_and_zeros_where_missing():
    values, available = features.compute(make_prices(), NAMES)
    assert values.shape == available.shape == (T, N, len(NAMES))
    assert values.dtype == np.float32
    assert available.dtype == bool
    assert np.isfinite(values).all()
    assert not values[~available].any()


@pytest.mark.parametrize("name", SESSIONS)
def test_agrees_with_plain_recomputation(name):
    prices = make_prices()
    found = compute_one(prices, name)
    close, volume = prices.close.to_numpy(), prices.volume.to_numpy()
    for day, column in [(252, 0), (300, 1), (T - 1, 2)]:
        value = expected(name, close[: day + 1, column], volume[: day + 1, column])
        np.testing.assert_allclose(found[day, column], value, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", SESSIONS)
def test_is_available_from_the_first_whole_window(name):
    missing = np.isnan(compute_one(make_prices(), name))
    first = SESSIONS[name] - 1
    assert missing[:first].all()
    assert not missing[first:].any()


@pytest.mark.parametrize("name", SESSIONS)
def test_gap_masks_every_window_that_touches_it_and_no_other(name):
    """The sessions after a gap count from one again; other names are untouched."""
    prices, gap = make_prices(num_days=640), 300
    whole = compute_one(prices, name)
    prices.close.iloc[gap, 1] = np.nan
    prices.volume.iloc[gap, 1] = np.nan
    found = compute_one(prices, name)
    assert np.isnan(found[gap : gap + SESSIONS[name], 1]).all()
    assert not np.isnan(found[gap + SESSIONS[name] :, 1]).any()
    np.testing.assert_array_equal(found[:gap], whole[:gap])
    np.testing.assert_array_equal(found[:, [0, 2]], whole[:, [0, 2]])


def test_recursion_after_a_gap_knows_nothing_of_what_was_before():
    prices, gap = make_prices(), 100
    prices.close.iloc[gap] = np.nan
    after = prices._replace(
        close=prices.close.iloc[gap + 1 :], volume=prices.volume.iloc[gap + 1 :]
    )
    for name in ("rsi", "macd"):
        found = compute_one(prices, name)[gap + 1 :]
        np.testing.assert_array_equal(found, compute_one(after, name))


@pytest.mark.parametrize("span", [1, 2, 5])
def test_ema_of_a_column_knows_nothing_of_the_others(span):
    close = make_prices().close
    together = features.ema(close, span, 0.3)
    for ticker in close:
        alone = features.ema(close[[ticker]], span, 0.3)
        pd.testing.assert_frame_equal(alone, together[[ticker]])
        np.testing.assert_allclose(
            alone.iloc[20, 0], smooth(close[ticker].to_numpy()[:21], span, 0.3)
        )


@pytest.mark.parametrize("day", [40, 260, T - 2])
def test_nothing_after_a_day_changes_its_features(day):
    prices, other = make_prices(), make_prices(seed=1)
    mixed = Prices(
        close=pd.concat([prices.close[: day + 1], other.close[day + 1 :]]),
        volume=pd.concat([prices.volume[: day + 1], other.volume[day + 1 :]]),
        signals={
            name: pd.concat([frame[: day + 1], other.signals[name][day + 1 :]])
            for name, frame in prices.signals.items()
        },
        report={},
    )
    before, after = (features.compute(p, NAMES) for p in (prices, mixed))
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a[: day + 1], b[: day + 1])
    assert (before[0][day + 1 :] != after[0][day + 1 :]).any()


def test_units_of_price_and_volume_do_not_matter():
    prices = make_prices()
    scaled = prices._replace(close=prices.close * 10, volume=prices.volume * 1000)
    before, after = (features.compute(p, NAMES) for p in (prices, scaled))
    np.testing.assert_allclose(before[0], after[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(before[1], after[1])


def test_rsi_is_scaled_to_one():
    days = pd.bdate_range("2020-01-01", periods=40)
    up = np.linspace(10.0, 20.0, 40)
    close = pd.DataFrame({"up": up, "down": up[::-1]}, days)
    rsi = compute_one(Prices(close, None, {}, {}), "rsi")[-1]
    np.testing.assert_allclose(rsi, [1.0, -1.0], rtol=1e-6)


def test_signals_come_from_the_source_or_not_at_all():
    prices = make_prices()
    np.testing.assert_array_equal(
        compute_one(prices, "f_quality"),
        prices.signals["f_quality"].to_numpy(np.float32),
    )
    assert np.isnan(compute_one(prices, "f_insider")).all()
    assert np.isnan(compute_one(prices._replace(volume=None), "volume_ratio")).all()
    momentum = prices._replace(signals={"f_momentum": prices.close})
    np.testing.assert_array_equal(
        compute_one(momentum, "f_momentum"), prices.close.to_numpy(np.float32)
    )


def test_days_without_trade_have_no_volume_ratio():
    prices = make_prices()
    prices.volume.iloc[100, 0] = 0.0
    ratio = compute_one(prices, "volume_ratio")
    assert np.isnan(ratio[100, 0])
    assert not np.isnan(ratio[101, 0])


def test_relative_feature_is_measured_from_the_names_that_have_it():
    prices = make_prices()
    prices.close.iloc[100, 0] = np.nan
    prices.close.iloc[200, :2] = np.nan
    base, relative = compute_one(prices, "mom10"), compute_one(prices, "mom10_rel")
    np.testing.assert_allclose(relative[50].sum(), 0, atol=1e-6)
    np.testing.assert_allclose(
        relative[105, 1:], base[105, 1:] - base[105, 1:].mean(), rtol=1e-5
    )
    assert np.isnan(relative[105, 0])
    assert np.isnan(relative[205]).all()
    assert not np.isnan(base[205, 2])


def test_constant_and_empty_columns_do_no_harm():
    prices = make_prices()
    prices.close["A"] = 7.0
    prices.close["B"] = np.nan
    values, available = features.compute(prices, NAMES)
    at = {name: NAMES.index(name) for name in NAMES}
    assert not available[:, 1, [at[name] for name in SESSIONS]].any()
    assert available[-1, 0, at["vol"]]
    assert values[-1, 0, at["vol"]] == 0
    assert not available[:, 0, at["rsi"]].any()
    empty = Prices(prices.close * np.nan, None, {}, {})
    assert not features.compute(empty, NAMES)[1].any()


@pytest.mark.parametrize(
    "names, message",
    [
        (("mom10", "mom11"), "names 'mom11', which is unknown; known are f_quality"),
        (("skew_rel",), "names 'skew_rel', which is unknown"),
        (("vol", "vol_rel", "vol"), "names 'vol' twice"),
        ((), "must be a tuple of names"),
        ("mom10", "must be a tuple of names, got 'mom10'"),
    ],
)
def test_bad_names_are_refused(names, message):
    with pytest.raises(ValueError, match=f"config.features {message}"):
        features.check_names(names)


def test_relative_to_the_members_of_the_day():
    prices = make_prices()
    member = pd.DataFrame(True, prices.close.index, prices.close.columns)
    member["C"] = False
    found = compute_one(prices._replace(member=member), "mom10_rel")
    plain = compute_one(prices, "mom10").astype(float)
    expected = plain - plain[:, :2].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", features.FEATURES)
def test_a_feature_rests_on_the_sessions_that_its_entry_names(name):
    """And on each of them: what would be cited too little or too much shows here."""
    entry, day = features.FEATURES[name], 270
    rng = np.random.default_rng(0)
    dates = pd.bdate_range("2020-01-01", periods=day + 1)
    drawn = pd.DataFrame({"A": np.exp(0.05 * rng.normal(size=day + 1).cumsum())}, dates)
    volume = pd.DataFrame({"A": rng.uniform(1, 2, day + 1)}, dates)

    def value(field, changed=()):
        frames = {"close": drawn.copy(), "volume": volume.copy()}
        frames[field].iloc[list(changed)] *= 10.0  # Above every maximum.
        made = Prices(frames["close"], frames["volume"], {}, {})
        return features.compute(made, (name,))[0][day, 0, 0]

    back = range(day + 1) if entry.back is None else entry.back
    named = {day - sessions for sessions in back}
    others = sorted(set(range(day + 1)) - named)
    before = value(entry.field)
    assert np.isfinite(before) and value(entry.field, others) == before
    far = max(named) if entry.back is None else min(named)
    for one in (far, day - min(back)):
        assert value(entry.field, [one]) != before


def test_a_feature_of_which_nothing_says_what_it_rests_on_is_refused():
    with pytest.raises(TypeError, match="back"):
        type(features.FEATURES["vol"])(lambda prices: prices.close)
    prices = make_prices()
    evidence = join.nothing(prices)._replace(
        decision_times=prices.close.index, articles={"A": pd.DataFrame()}
    )
    with pytest.raises(ValueError, match="f_sentiment alone, not 'vix'"):
        citations.of_row(evidence, ["vix"], day=5, name=0)
