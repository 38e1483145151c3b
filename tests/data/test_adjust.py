"""Forward adjustment is causal, and its features are those of back-adjusted prices."""

import types

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest

from thesis_rl.data import events, features, prices
from thesis_rl.data.prices import Prices, adjust, quotes

NAMES = ("A", "B", "C")
SESSIONS = pd.bdate_range("2024-01-02", periods=30, name="date").as_unit("ns")
FRAMES = ("close", "open", "volume", "dollar_volume")


def closing(day: pd.Timestamp) -> pd.Timestamp:
    return day + pd.Timedelta("21h")  # 16:00 in New York, in winter.


def row(name, field, day, value, known=None) -> dict:
    at = closing(pd.Timestamp(day))
    return {
        "source": "bars",
        "name": name,
        "field": field,
        "event_time": at,
        "knowledge_time": at if known is None else pd.Timestamp(known),
        "value": value,
        "document": f"{name}.csv",
        "raw": f"hash of {name}",
    }


def bar(name, day, price, volume=100.0) -> list[dict]:
    fields = {"open": price * 0.99, "close": price, "volume": volume}
    return [row(name, field, day, value) for field, value in fields.items()]


def make(rows: list[dict], names=NAMES, sessions=SESSIONS) -> Prices:
    return adjust.prices(events.table(rows), names, sessions)


def closes(*values: float, extra=()) -> list[float]:
    """The adjusted closes of A, from the first session on; NaN is a day without bar."""
    days = SESSIONS[: len(values)]
    rows = [
        r
        for day, x in zip(days, values, strict=True)
        if x == x
        for r in bar("A", day, x)
    ]
    made = make([*rows, *extra], ["A"], days)
    return made.close["A"].to_list()


def on(session: int, field: str, value: float) -> dict:
    return row("A", field, SESSIONS[session], value)


def test_without_actions_prices_are_as_traded():
    assert closes(10, 11, 12) == [10, 11, 12]


def test_split_scales_what_comes_after_it_and_dividend_is_reinvested_at_the_close():
    """Two for one on day 1, then 1 a share: (12 + 1)/11 is earned on day 2."""
    made = closes(20, 11, 12, extra=[on(1, "split", 2.0), on(2, "dividend", 1.0)])
    np.testing.assert_allclose(made, [20, 22, 22 * 13 / 11], rtol=1e-15)


def test_split_and_dividend_of_one_day_pay_on_the_new_shares():
    made = closes(20, 11, extra=[on(1, "split", 2.0), on(1, "dividend", 1.0)])
    np.testing.assert_allclose(made, [20, 2 * (11 + 1)], rtol=1e-15)


def test_what_falls_into_a_gap_takes_effect_at_the_next_bar():
    """1 a share on day 1, two for one on day 2: half the cash waits for a new share."""
    extra = [on(1, "dividend", 1.0), on(2, "split", 2.0)]
    made = closes(20, np.nan, np.nan, 10, 10, extra=extra)
    want = [20, np.nan, np.nan, 2 * (10 + 0.5), 2 * (10 + 0.5)]
    np.testing.assert_allclose(made, want, rtol=1e-15)


def test_what_came_before_or_with_the_first_bar_is_in_its_price():
    extra = [on(0, "split", 3.0), on(1, "dividend", 5.0), on(1, "split", 2.0)]
    assert closes(np.nan, 10, 11, extra=extra)[1:] == [10, 11]


def test_volume_is_in_shares_of_the_first_bar_and_value_traded_as_it_was():
    rows = [r for i, x in enumerate((20, 10)) for r in bar("A", SESSIONS[i], x, 100)]
    extra = [on(1, "split", 2.0), on(1, "dividend", 1.0)]
    made = make([*rows, *extra], ["A"], SESSIONS[:2])
    assert made.volume["A"].to_list() == [100, 50]
    assert made.dollar_volume["A"].to_list() == [2000, 1000]
    np.testing.assert_allclose(made.open / made.close, 0.99, rtol=1e-15)


def test_a_name_that_dies_keeps_its_rows_until_its_last_trade():
    rows = [r for day in SESSIONS for r in bar("A", day, 10.0)]
    rows += [r for day in SESSIONS[:12] for r in bar("B", day, 5.0)]
    rows += [row("B", "split", SESSIONS[20], 0.1)]
    made = make(rows)
    assert made.close["B"].notna().to_list() == [True] * 12 + [False] * 18
    assert (made.close["B"][:12] == 5.0).all()
    assert made.close["C"].isna().all()
    assert made.report["masked"]["not listed"] == 18 + 30
    assert made.report["tickers"] == list(NAMES)


def test_frames_are_those_that_prices_promise():
    made = make([r for day in SESSIONS for r in bar("A", day, 10.0)])
    for name in FRAMES:
        frame = getattr(made, name)
        assert frame.shape == (30, 3)
        assert frame.index.name == "date"
        assert frame.index.dtype == "datetime64[ns]"
        assert (frame.dtypes == np.float64).all()
    assert make([on(3, "split", 2.0)]).volume is None
    (file,) = made.report["files"]
    assert file == {"file": "A.csv", "sha256": "hash of A", "tickers": ["A"]}
    assert len(made.report["sha256"]) == 64


def test_early_close_and_summer_belong_to_their_own_session():
    sessions = pd.DatetimeIndex(["2024-07-02", "2024-07-03", "2024-07-05"])
    hours = ("20:00", "17:00", "20:00")
    rows = [
        row("A", "close", day, float(i))
        | dict.fromkeys(
            ("event_time", "knowledge_time"), pd.Timestamp(f"{day:%Y-%m-%d} {hour}")
        )
        for i, (day, hour) in enumerate(zip(sessions, hours, strict=True), start=1)
    ]
    assert make(rows, ["A"], sessions).close["A"].to_list() == [1, 2, 3]


def test_a_version_that_came_after_its_close_is_not_used_and_counted():
    late = SESSIONS[2] + pd.Timedelta("9h")
    rows = [r for day in SESSIONS[:3] for r in bar("A", day, 10.0)]
    changed = row("A", "close", SESSIONS[1], 99.0, known=late)
    made = make([*rows, changed], ["A"], SESSIONS[:3])
    assert made.close["A"].to_list() == [10, 10, 10]
    assert "1 versions of bars" in made.report["caveats"][0]


def test_of_two_versions_known_at_the_close_the_later_counts():
    early = SESSIONS[1] + pd.Timedelta("15h")
    rows = [r for day in SESSIONS[:3] for r in bar("A", day, 10.0)]
    announced = row("A", "split", SESSIONS[1], 9.0, known=early)
    made = make([*rows, on(1, "split", 2.0), announced], ["A"], SESSIONS[:3])
    assert made.close["A"].to_list() == [10, 20, 20]
    withdrawn = make([*rows, announced, on(1, "split", np.nan)], ["A"], SESSIONS[:3])
    assert withdrawn.close["A"].to_list() == [10, 10, 10]


def test_missing_splits_and_dividends_are_said():
    rows = bar("A", SESSIONS[0], 1.0)
    caveats = " ".join(make(rows).report["caveats"])
    assert "No dividends" in caveats and "No splits" in caveats
    made = make([*rows, on(1, "split", 2.0), on(1, "dividend", 1.0)])
    assert made.report["caveats"] == []


@pytest.mark.parametrize("field, value", [("split", 0.0), ("dividend", -1.0)])
def test_split_or_dividend_that_is_none_is_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} of A on 2024-01-03 .* above 0"):
        make([*bar("A", SESSIONS[0], 1.0), on(1, field, value)])


def test_event_between_sessions_is_refused_and_one_outside_is_left_aside():
    saturday = row("A", "split", "2024-01-06", 2.0)
    with pytest.raises(
        ValueError, match="split of A at 2024-01-06 .* none of the sess"
    ):
        make([*bar("A", SESSIONS[0], 1.0), saturday])
    before = bar("A", "2023-12-29", 7.0)
    assert make([*before, *bar("A", SESSIONS[0], 1.0)]).close["A"].iloc[0] == 1.0


def random_rows(seed: int) -> list[dict]:
    rng, rows = np.random.default_rng(seed), []
    for name in NAMES:
        price = 50 * np.exp(np.cumsum(rng.normal(0, 0.05, len(SESSIONS))))
        for day, x in zip(SESSIONS, price, strict=True):
            if rng.random() < 0.85:
                rows += bar(name, day, x, float(rng.integers(1, 1000)))
            if rng.random() < 0.1:
                rows.append(row(name, "split", day, rng.choice([2.0, 1.5, 0.1, 7.0])))
            if rng.random() < 0.1:
                rows.append(row(name, "dividend", day, rng.uniform(0.01, 3)))
            if rng.random() < 0.1:
                known = closing(day) + pd.Timedelta(days=int(rng.integers(-3, 9)))
                rows.append(row(name, "close", day, rng.uniform(1, 99), known))
    return rows


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(
    seed=st.integers(0, 10_000),
    cut=st.integers(1, len(SESSIONS) - 2),
    poison=st.sampled_from(["drop", "change", "add"]),
)
def test_nothing_after_a_cut_changes_a_bit_up_to_it(seed, cut, poison):
    rows = random_rows(seed)
    limit = closing(SESSIONS[cut])
    past = [r for r in rows if max(r["event_time"], r["knowledge_time"]) <= limit]
    future = [r for r in rows if max(r["event_time"], r["knowledge_time"]) > limit]
    if poison == "change":
        past += [r | {"value": 1e6 * r["value"]} for r in future]
    if poison == "add":
        wild = [on(-1, field, 1e-3) for field in ("split", "dividend", "open", "close")]
        late = limit + pd.Timedelta("1s")
        past += future + wild + [row("B", "close", SESSIONS[cut], 1e6, late)]
    whole, poisoned = make(rows), make(past)
    for name in FRAMES:
        before, after = (
            absent(getattr(made, name)).iloc[: cut + 1] for made in (whole, poisoned)
        )
        assert before.to_numpy().tobytes() == after.to_numpy().tobytes()


def absent(frame: pd.DataFrame | None) -> pd.DataFrame:
    return pd.DataFrame(np.nan, SESSIONS, NAMES) if frame is None else frame


@hypothesis.settings(max_examples=15, deadline=None)
@hypothesis.given(seed=st.integers(0, 10_000))
def test_returns_are_those_of_a_holder_who_reinvests(seed):
    """A brute-force account: shares bought at each close with the cash then at hand."""
    rows = [r for r in random_rows(seed) if r["knowledge_time"] == r["event_time"]]
    made = make(rows)
    told = {(r["name"], r["field"], r["event_time"]): r["value"] for r in rows}
    for name in NAMES:
        shares, cash, wealth = 0.0, 0.0, []
        for day in SESSIONS:
            split, dividend, price = (
                told.get((name, field, closing(day)))
                for field in ("split", "dividend", "close")
            )
            shares *= split or 1.0
            cash += shares * (dividend or 0.0)
            if price is None:
                wealth.append(np.nan)
                continue
            shares = shares + cash / price if shares else 1.0
            cash = 0.0
            wealth.append(shares * price)
        np.testing.assert_allclose(made.close[name], wealth, rtol=1e-12)


def us5(with_splits: bool) -> tuple[Prices, Prices]:
    """The shipped raw prices by `adjust`, and back-adjusted with plain pandas."""
    file = prices.FILES / "us5_raw_ohlcv.csv.gz"
    raw = pd.read_csv(file, parse_dates=["date"])
    wide = raw.pivot(index="date", columns="ticker")
    told = pd.read_csv(prices.FILES / "us5_splits.csv", parse_dates=["date"])
    fields = ("open", "close", "volume")
    long = raw.melt(["date", "ticker"], fields, "field")
    splits = told.rename(columns={"split": "value"}).assign(field="split")
    long = pd.concat([long, splits] if with_splits else [long])
    close = long["date"] + pd.Timedelta("21h")
    rows = long.assign(event_time=close, knowledge_time=close, name=long["ticker"])
    rows = rows[["name", "field", "event_time", "knowledge_time", "value"]]
    made = adjust.prices(
        events.table(rows.assign(source="bars").to_dict("records")),
        list(wide["close"].columns),
        wide.index,
    )
    later = pd.DataFrame(1.0, wide.index, wide["close"].columns)
    for split in told.itertuples():
        later.loc[: split.date - pd.Timedelta("1D"), split.ticker] *= split.split
    back = Prices(wide["close"] / later, wide["volume"] * later, {}, {})
    return made, back


def missed(made: Prices, back: Prices) -> dict[str, float]:
    """The greatest difference of each feature; infinite where only one has it."""
    names = tuple(features.FEATURES)
    (x, there), (y, here) = (features.compute(p, names) for p in (made, back))
    differ = np.where(there == here, np.abs(x - y), np.inf)
    return dict(zip(names, differ.max(axis=(0, 1)), strict=True))


def test_raw_prices_with_their_splits_have_the_features_of_adjusted_ones():
    made, back = us5(with_splits=True)
    assert max(missed(made, back).values()) < 1e-5
    fall = made.close["AAPL"].pct_change()["2000-09-29"]
    assert fall == pytest.approx(-0.5187, abs=1e-4)  # It is no split, and stays.
    splits = quotes.actions(
        (prices.FILES / "us5_splits.csv").read_bytes(),
        prices.FILES / "us5_splits.csv",
        "split",
    )
    for split in splits.itertuples():
        change = made.close[split.ticker].pct_change()[split.date]
        assert abs(change) < 0.1


def test_raw_prices_without_their_splits_have_other_features():
    differ = missed(*us5(with_splits=False))
    assert min(differ.values()) > 0.04


def test_packaged_raw_prices_are_adjusted_by_the_same_splits():
    made, _ = us5(with_splits=True)
    config = types.SimpleNamespace(source="us5_raw", start="", end="")
    packaged = prices.load(config)
    for name in FRAMES:
        want, got = getattr(made, name), getattr(packaged, name)
        np.testing.assert_array_equal(want.to_numpy(), got.to_numpy())
