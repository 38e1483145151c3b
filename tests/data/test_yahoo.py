"""Yahoo's split-adjusted frames are undone to bars as traded; refusals give advice."""

import hashlib
import sys

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from ml_collections import config_dict

from thesis_rl.data import clock
from thesis_rl.data.prices import adjust
from thesis_rl.data.sources import yahoo
from thesis_rl.data.sources.keys import BadResponse, NotFound, Unavailable
from thesis_rl.data.store.raw import Request, Response

NOW = pd.Timestamp("2020-09-02 12:00")
COLUMNS = ["Open", "High", "Low", "Close", "Adj Close", "Volume"]
ACTIONS = ["Dividends", "Stock Splits"]
# As traded: Apple around its split of four for one, effective 2020-08-31.
DAYS = ["2020-08-06", "2020-08-07", "2020-08-28", "2020-08-31", "2020-09-01"]
CLOSE = np.array([455.61, 444.45, 499.23, 129.04, 134.18])
VOLUME = np.array([50_607_225, 49_511_403, 46_907_479, 225_702_700, 151_948_100])
SPLIT = np.array([0.0, 0.0, 0.0, 4.0, 0.0])
DIVIDEND = np.array([0.0, 0.82, 0.0, 0.0, 0.0])


def frame(days=DAYS, close=CLOSE, volume=VOLUME, split=SPLIT, dividend=DIVIDEND):
    """Makes what yfinance returns: all of it divided by later splits, in float32."""
    split, later = np.asarray(split), np.ones(len(days))
    for i in range(len(days) - 1)[::-1]:
        later[i] = later[i + 1] * (split[i + 1] or 1.0)
    price = np.float32(np.asarray(close) / later).astype(np.float64)
    index = pd.DatetimeIndex(days, name="Date").tz_localize("America/New_York")
    made = pd.DataFrame({name: price for name in COLUMNS[:4]}, index)
    made["Adj Close"] = price * 0.97
    made["Volume"] = np.round(np.asarray(volume) * later).astype(np.int64)
    made["Dividends"] = np.round(np.asarray(dividend) / later, 6)
    made["Stock Splits"] = split
    return made


def response(made: pd.DataFrame, ticker="AAPL", received=NOW) -> Response:
    content = yahoo.write(made, ticker)
    yahoo.check(content)
    request = Request("bars", ticker, "history", ticker, (("start", ""),), "2020-09-02")
    return Response(request, content, hashlib.sha256(content).hexdigest(), received)


def values(events: pd.DataFrame, field: str) -> list[float]:
    return events.loc[events["field"] == field, "value"].to_list()


def test_bars_are_as_traded_before_and_after_a_split():
    assert frame()["Close"].iloc[2] == 124.80750274658203  # What Yahoo sends.
    events, rejected = yahoo.parse([response(frame())])
    assert rejected == {}
    for field in ("open", "high", "low", "close"):
        assert values(events, field) == CLOSE.tolist()
    assert values(events, "volume") == VOLUME.tolist()
    assert values(events, "split") == [4.0]
    assert values(events, "dividend") == [0.82]
    assert set(events["source"]) == {"bars"} and set(events["name"]) == {"AAPL"}
    assert (events["knowledge_time"] == events["event_time"]).all()
    times = events.loc[events["field"] == "close", "event_time"]
    assert times.to_list() == clock.closes(pd.DatetimeIndex(DAYS)).to_list()
    split = events[events["field"] == "split"].iloc[0]
    assert split["event_time"] == pd.Timestamp("2020-08-31 20:00")
    assert split["place"] == "line 5, column Stock Splits"


def test_value_traded_is_that_of_the_day():
    """46,907,479 shares at 499.23, not four times as many at a quarter."""
    events, _ = yahoo.parse([response(frame())])
    made = adjust.prices(events, ["AAPL"], pd.DatetimeIndex(DAYS))
    expected = CLOSE * VOLUME
    np.testing.assert_allclose(made.dollar_volume["AAPL"], expected, rtol=1e-15)
    growth = 4 * 129.04 / 499.23 - 1
    assert made.close["AAPL"].pct_change().iloc[3] == pytest.approx(growth, rel=1e-12)


@hypothesis.settings(max_examples=20, deadline=None)
@hypothesis.given(
    cents=st.lists(st.integers(1, 999_999), min_size=4, max_size=12),
    splits=st.dictionaries(
        st.integers(1, 11), st.sampled_from([2.0, 1.5, 3.0, 7.0, 20.0, 0.1]), max_size=3
    ),
)
def test_whatever_was_split_prices_of_whole_cents_come_back(cents, splits):
    close = np.array(cents) / 100
    days = clock.sessions("2020-01-02", "2020-02-01")[: len(cents)]
    split = [splits.get(i, 0.0) for i in range(len(cents))]
    made = frame(days, close, np.full(len(cents), 840_000), split, close * 0)
    events, _ = yahoo.parse([response(made)])
    assert values(events, "close") == close.tolist()
    assert values(events, "volume") == [840_000.0] * len(cents)


def test_prices_in_sixteenths_and_old_dividends_come_back():
    """Sixteenths before two splits of two for one; 12 cents before 224 for one."""
    days = ["1999-03-26", "1999-03-29", "2003-02-18"]
    made = frame(days, [178.1875, 92.3125, 24.96], [1, 1, 1], [0, 2, 2], [0.12, 0, 0])
    made["Dividends"] = [0.000536, 0.0, 0.0]
    made["Stock Splits"] = [0.0, 2.0, 2.0]
    events, _ = yahoo.parse([response(made)])
    assert values(events, "close") == [178.1875, 92.3125, 24.96]
    made["Stock Splits"] = [0.0, 7.0, 32.0]
    assert values(yahoo.parse([response(made)]).events, "dividend") == [0.12]


def test_the_next_split_changes_yahoos_history_and_none_of_the_events():
    """In 2014, seven for one: all before it reads differently, and was the same."""
    days = pd.DatetimeIndex(["2014-05-07", "2014-05-08", "2014-06-06", "2014-06-09"])
    close, volume = np.array([592.33, 587.99, 645.57, 93.70]), np.full(4, 9_000_000)
    split, dividend = [0, 0, 0, 7.0], [0, 3.29, 0, 0]
    before = frame(days[:3], close[:3], volume[:3], split[:3], dividend[:3])
    after = frame(days, close, volume, split, dividend)
    assert before["Close"].iloc[0] == pytest.approx(7 * after["Close"].iloc[0])
    first = response(before, received=pd.Timestamp("2014-06-07"))
    second = response(after, received=pd.Timestamp("2014-06-10"))
    events, _ = yahoo.parse([first, second])
    assert values(events, "close") == close.tolist()
    assert values(events, "dividend") == [3.29]
    assert (events["knowledge_time"] == events["event_time"]).all()


def test_a_running_session_is_not_believed_but_its_split_undone():
    """Asked at 15:00 in New York on the day of the split: its bar is not over."""
    asked = pd.Timestamp("2020-08-31 19:00")
    events, rejected = yahoo.parse([response(frame().iloc[:4], received=asked)])
    assert rejected == {"session not over when received": 1}
    assert values(events, "close") == CLOSE[:3].tolist()
    assert values(events, "split") == []


def test_what_cannot_be_a_bar_is_counted():
    """A Saturday, an empty row with a dividend, a price of 0, a fund's gains."""
    made = frame()
    made.index = made.index[:3].append(
        pd.DatetimeIndex(["2020-08-29", "2020-09-01"]).tz_localize("America/New_York")
    )
    made["Stock Splits"] = 0.0
    made["Volume"] = made["Volume"].astype(float)
    made.iloc[1, :6] = np.nan
    made.iloc[2, 0] = 0.0
    made["Capital Gains"] = [0.0, 0.0, 0.0, 0.0, 1.5]
    made["Dividends"] = [0.0, 0.82, 0.0, 0.0, 0.0]
    events, rejected = yahoo.parse([response(made)])
    assert rejected == {
        "no session of XNYS": 1,
        "no close": 1,
        "price not above 0": 1,
        "capital gains of a fund": 1,
    }
    assert len(values(events, "close")) == len(values(events, "volume")) == 2
    assert values(events, "dividend") == [0.82]


def test_a_split_on_no_session_is_refused():
    made = frame(days=[*DAYS[:3], "2020-08-30", "2020-09-01"])
    with pytest.raises(ValueError, match="of AAPL on 2020-08-30, which is no session"):
        yahoo.parse([response(made)])


def test_frames_with_tickers_above_or_without_a_zone_are_written_alike():
    plain = frame()
    naive = plain.tz_localize(None)
    parsed = [yahoo.parse([response(made)]).events for made in (plain, naive)]
    for order in (("Price", "Ticker"), ("Ticker", "Price")):
        pairs = [
            (name, ticker) if order[0] == "Price" else (ticker, name)
            for ticker in ("AAPL", "MSFT")
            for name in plain
        ]
        columns = pd.MultiIndex.from_tuples(pairs, names=order)
        both = pd.concat([plain, plain * 2], axis=1).set_axis(columns, axis=1)
        assert yahoo.write(both, "AAPL") == yahoo.write(plain, "AAPL")
        with pytest.raises(NotFound, match="no prices of IBM"):
            yahoo.write(both, "IBM")
    pd.testing.assert_frame_equal(*(table.drop(columns="raw") for table in parsed))


def test_bytes_are_those_of_the_frame_and_always_the_same():
    content = yahoo.write(frame(), "AAPL")
    assert content == yahoo.write(frame(), "AAPL")
    header, first, *_ = content.decode().split("\n")
    assert header == ",".join(["Date", *COLUMNS, *ACTIONS])
    assert first.startswith("2020-08-06 00:00:00-04:00,113.90249633789062,")


def test_adjusted_or_broken_histories_are_no_responses():
    whole = yahoo.write(frame(), "AAPL")
    adjusted = yahoo.write(frame().drop(columns="Adj Close"), "AAPL")
    with pytest.raises(BadResponse, match="adjusted already; ask with auto_adjust=Fal"):
        yahoo.check(adjusted)
    with pytest.raises(BadResponse, match="no column Stock Splits"):
        yahoo.check(yahoo.write(frame().drop(columns="Stock Splits"), "AAPL"))
    with pytest.raises(BadResponse, match="cut short"):
        yahoo.check(whole[:-1])
    with pytest.raises(BadResponse, match="two rows of 2020-09-01"):
        yahoo.check(whole + whole.splitlines(keepends=True)[-1])
    for content in (b"", b"\xff\xfe\n", b"<html>Will be right back</html>\n"):
        with pytest.raises(BadResponse, match="no CSV|no column Date"):
            yahoo.check(content)
    with pytest.raises(NotFound, match="no prices of NONE; is the ticker right"):
        yahoo.write(frame().iloc[:0], "NONE")


def test_fetch_asks_for_all_days_up_to_today_in_yahoos_spelling():
    asked = []

    def ask(ticker, start):
        asked.append((ticker, start))
        return frame()

    client = yahoo.Client(ask, now=lambda: 0.0, sleep=lambda seconds: None)

    def get(kind, path, params=()):
        assert kind == "history"
        return client.get(path, params, yahoo.check)

    yahoo.fetch(get, "BRK.B", config_dict.create(start="2000-01-03"))
    assert asked == [("BRK-B", "2000-01-03")]


def test_client_keeps_its_pace_and_stores_no_bad_frame():
    slept = []
    client = yahoo.Client(
        lambda ticker, start: frame().drop(columns="Adj Close"),
        now=lambda: 0.0,
        sleep=slept.append,
    )
    for _ in range(2):
        with client, pytest.raises(BadResponse, match="adjusted already"):
            client.get("AAPL", (), yahoo.check)
    assert slept == [pytest.approx(1 / yahoo.RATE)]


@pytest.fixture
def yfinance():
    """The real library, so that a change of its names is seen."""
    return pytest.importorskip("yfinance")


def history(monkeypatch, yfinance, answer):
    """Lets yfinance give an answer without a network, and notes how it was asked."""
    asked = {}

    def give(self, **options):
        asked.update(options, ticker=self.ticker)
        asked["hides"] = yfinance.config.debug.hide_exceptions
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(yfinance.Ticker, "history", give)
    return asked


def test_yfinance_is_asked_for_unadjusted_days_with_their_actions(
    monkeypatch, yfinance
):
    asked = history(monkeypatch, yfinance, frame())
    pd.testing.assert_frame_equal(yahoo.download("AAPL", "2000-01-03"), frame())
    assert asked == {
        "ticker": "AAPL",
        "start": "2000-01-03",
        "interval": "1d",
        "auto_adjust": False,
        "actions": True,
        "hides": False,
    }
    asked = history(monkeypatch, yfinance, frame())
    yahoo.download("AAPL", "")
    assert asked["period"] == "max" and "start" not in asked and "end" not in asked
    assert yfinance.config.debug.hide_exceptions is True


def test_refusals_of_yahoo_say_what_to_do(monkeypatch, yfinance):
    from yfinance import exceptions

    for error, kind, message in [
        (exceptions.YFRateLimitError(), Unavailable, r"\(429\); run again in an hour"),
        (exceptions.YFPricesMissingError("X", ""), NotFound, "X: .*delisted"),
        (ConnectionError("no route"), Unavailable, "cannot be reached: no route"),
    ]:
        history(monkeypatch, yfinance, error)
        with pytest.raises(kind, match=message):
            yahoo.download("X", "")
        assert yfinance.config.debug.hide_exceptions is True


def test_errors_of_the_network_are_os_errors(yfinance):
    """What `download` catches: of curl_cffi, or of requests where that is missing."""
    from yfinance import _http

    assert issubclass(_http.requests.exceptions.RequestException, OSError)


def test_without_yfinance_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(ImportError, match=r"pip install 'thesis_rl\[yahoo\]'"):
        yahoo.download("AAPL", "")
