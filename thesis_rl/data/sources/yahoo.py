"""Daily bars of Yahoo Finance, undone to what was traded.

yfinance adjusts by default, and is asked not to. Even then Yahoo divides every price,
dividend and volume by the splits that came later, up to the day it is asked: the whole
history up to today is needed to undo that, and the same row reads otherwise after the
next split. As traded, with Π over the splits after day t:

    price = Yahoo's Π,  dividend = Yahoo's Π,  volume = Yahoo's / Π

Yahoo rounds to single precision, and sends a running session as if it were over.

The client asks yfinance in the manner of the other sources' client.
"""

import io
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from thesis_rl.data import clock
from thesis_rl.data.sources.client import TokenBucket
from thesis_rl.data.sources.keys import BadResponse, NotFound, Unavailable
from thesis_rl.data.sources.parsed import Parsed, consolidate
from thesis_rl.data.store.raw import Response

RATE = 1.0  # Requests a second; Yahoo says 429 to more, for hours.
DATE = "Date"  # The column of days in what `write` writes.


def download(ticker: str, start: str) -> pd.DataFrame:
    """Asks yfinance for the unadjusted days of a ticker, up to today.

    Args:
        ticker: as Yahoo writes it.
        start: first day, or "" for all there is.

    Raises:
        Unavailable: Yahoo allows no more requests, or cannot be reached.
        NotFound: Yahoo has no prices of the ticker.
        ImportError: without yfinance.
    """
    try:
        import yfinance
        from yfinance import exceptions
    except ImportError:
        raise ImportError(
            "yahoo needs yfinance: pip install 'thesis_rl[yahoo]'"
        ) from None
    debug = yfinance.config.debug
    before, debug.hide_exceptions = debug.hide_exceptions, False
    since = {"start": start} if start else {"period": "max"}
    try:
        # No end: what is adjusted for splits up to today needs the splits up to today.
        return yfinance.Ticker(ticker).history(
            **since, interval="1d", auto_adjust=False, actions=True
        )
    except exceptions.YFRateLimitError:
        raise Unavailable(
            "Yahoo allows no more requests for now (429); run again in an hour: it "
            "goes on from here. Or use bars of your own, see config.bars"
        ) from None
    except exceptions.YFException as error:
        raise NotFound(f"Yahoo on {ticker}: {error}") from None
    except OSError as error:
        raise Unavailable(f"Yahoo cannot be reached: {error}") from None
    finally:
        debug.hide_exceptions = before


class Client:
    """Asks yfinance, in the place of `client.Client`, which asks the network.

    Args:
        ask: as `download`.
        now: seconds.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        ask: Callable[[str, str], pd.DataFrame] = download,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._ask, self._bucket = ask, TokenBucket(RATE, clock=now, sleep=sleep)

    def __enter__(self):
        return self

    def __exit__(self, *failure) -> None:
        pass

    def get(self, path: str, params=(), check=lambda content: None) -> bytes:
        """Gets the history of a ticker as CSV; raises as `download` and `check` do."""
        self._bucket.take()
        content = write(self._ask(path, dict(params).get("start", "")), path)
        check(content)
        return content


def write(frame: pd.DataFrame, ticker: str) -> bytes:
    """Writes yfinance's frame as CSV, its numbers and columns as they came.

    Args:
        frame: indexed by day, with or without a zone; the columns may have a second
            level, of tickers.
        ticker: the one that is wanted of such.

    Raises:
        NotFound: the frame is empty, or has no such ticker.
    """
    columns = frame.columns
    if columns.nlevels == 2:
        level = 1 if "Close" in columns.get_level_values(0) else 0
        frame = frame.loc[:, columns.get_level_values(level) == ticker]
        frame = frame.droplevel(level, axis=1)
    if frame.empty:
        raise NotFound(f"Yahoo has no prices of {ticker}; is the ticker right?")
    return frame.to_csv(index_label=DATE, lineterminator="\n").encode()


NAME = "bars"  # What the events are; where they come from is in their raw bytes.
TITLE = "Yahoo Finance: daily bars, splits, dividends"
ADDRESS = "https://query2.finance.yahoo.com"
KEY = None
LICENCE = "personal use only (Yahoo's terms); may not be passed on"
HISTORY = "history"  # The kind of a request.
PRICES = {"Open": "open", "High": "high", "Low": "low", "Close": "close"}
ACTIONS = {"Stock Splits": "split", "Dividends": "dividend"}
FIELDS = PRICES | {"Volume": "volume"} | ACTIONS
CAPITAL_GAINS = "Capital Gains"  # A column that funds have.
# How far off Yahoo's numbers are: prices are rounded to single precision, by this part
# of themselves, and dividends to six decimals.
PRICE_ERROR, DIVIDEND_ERROR = 6e-8, 5e-7
NO_SESSION, NO_CLOSE = "no session of XNYS", "no close"
RUNNING, NOT_POSITIVE = "session not over when received", "price not above 0"
GAINS = "capital gains of a fund"


def check(content: bytes) -> None:
    """Raises a BadResponse unless the content is a whole, unadjusted history."""
    try:
        frame = _read(content)
    except (ValueError, UnicodeDecodeError) as error:
        raise BadResponse(f"no CSV: {error}") from None
    if "Close" in frame and "Adj Close" not in frame:
        raise BadResponse("prices are adjusted already; ask with auto_adjust=False")
    lacking = [name for name in (DATE, *FIELDS) if name not in frame]
    if lacking:
        raise BadResponse(f"no column {lacking[0]}; a history has {', '.join(FIELDS)}")
    if not content.endswith(b"\n") or frame.empty:
        raise BadResponse("the history is cut short")
    days = frame[DATE]
    if days.duplicated().any():
        raise BadResponse(f"two rows of {days[days.duplicated()].iloc[0]}")


def fetch(get, group: str, config) -> None:
    """Stores the history of a ticker; Yahoo writes BRK.B as BRK-B.

    Args:
        get: of the raw store, its client a `Client`.
        group: the ticker.
        config: config.start, the first day.
    """
    get(HISTORY, group.replace(".", "-"), (("start", config.start),))


def parse(responses: Sequence[Response]) -> Parsed:
    """Reads bars as traded, splits and dividends; see the sources' contract.

    What is known of a session before it has closed, and prices on a day without one,
    are left out and counted.
    """
    rejected, rows = defaultdict(set), []
    for response in responses:
        if response.request.kind == HISTORY:
            traded = _as_traded(_read(response.content))
            rows.extend(_events(response, _kept(response, traded, rejected)))
    counts = {reason: len(days) for reason, days in rejected.items() if days}
    return Parsed(consolidate(rows), counts)


def _read(content: bytes) -> pd.DataFrame:
    frame = pd.read_csv(io.StringIO(content.decode()), dtype=str)
    numbers = [name for name in (*FIELDS, CAPITAL_GAINS) if name in frame]
    # Cast from text: what pandas reads by default is not exact in all its versions.
    return frame.assign(**{name: frame[name].astype(np.float64) for name in numbers})


def _as_traded(frame: pd.DataFrame) -> pd.DataFrame:
    """Undoes Yahoo's division by later splits; columns day and those of `FIELDS`."""
    split = frame["Stock Splits"].where(frame["Stock Splits"] > 0, 1.0)
    later = split[::-1].cumprod().shift(1, fill_value=1.0)[::-1]
    traded = frame.copy()
    for name in PRICES:
        price = frame[name] * later
        traded[name] = _quoted(price, PRICE_ERROR * price)
    traded["Volume"] = (frame["Volume"] / later).round()
    traded["Dividends"] = _quoted(frame["Dividends"] * later, DIVIDEND_ERROR * later)
    # Of "2020-01-02 00:00:00-05:00", midnight in New York, or of "2020-01-02".
    return traded.assign(
        day=pd.to_datetime(frame[DATE].str[:10]).astype("datetime64[ns]")
    )


def _quoted(values: pd.Series, errors: pd.Series) -> list[float]:
    """Finds what was quoted: the decimals of fewest digits within the errors.

    So they stay the same, bit for bit, when the next split changes Yahoo's numbers.
    """
    return [_shortest(*pair) for pair in zip(values, errors, strict=True)]


def _shortest(value: float, error: float) -> float:
    decimals = (float(f"{value:.{digits}g}") for digits in range(1, 17))
    return next((x for x in decimals if abs(x - value) <= error), value)


def _kept(
    response: Response, traded: pd.DataFrame, rejected: dict[str, set]
) -> pd.DataFrame:
    """Keeps sessions that had closed when received, and adds their close.

    A bar without a close or with a price that is none loses its numbers, but not its
    split or dividend.
    """
    days = traded["day"]
    held = days.isin(clock.sessions(days.min(), days.max()))
    acted = traded[~held & (traded[list(ACTIONS)] > 0).any(axis=1)]
    if len(acted):
        raise ValueError(
            f"Yahoo has a split or dividend of {response.request.path} on "
            f"{acted['day'].iloc[0]:%Y-%m-%d}, which is no session of XNYS"
        )
    closes = clock.closes(pd.DatetimeIndex(days[held]))
    traded = traded[held].assign(close=closes)
    running = traded["close"] > response.received
    prices = traded[list(PRICES)]
    unquoted, wrong = prices["Close"].isna(), (prices <= 0).any(axis=1)
    gains = traded.get(CAPITAL_GAINS, pd.Series(0.0, traded.index))
    reasons = {
        RUNNING: running,
        NO_CLOSE: unquoted,
        NOT_POSITIVE: wrong,
        GAINS: gains > 0,
    }
    for reason, marked in reasons.items():
        rejected[reason].update(traded["day"][marked])
    rejected[NO_SESSION].update(days[~held])
    bars = [*PRICES, "Volume"]
    traded[bars] = traded[bars].mask(unquoted | wrong)
    # Yahoo writes 0 where nothing was split or paid.
    traded[list(ACTIONS)] = traded[list(ACTIONS)].where(traded[list(ACTIONS)] > 0)
    return traded[~running]


def _events(
    response: Response, traded: pd.DataFrame
) -> Iterator[tuple[dict, pd.Timestamp]]:
    for column, field in FIELDS.items():
        given = traded[traded[column].notna()]
        for row, close, value in zip(
            given.index, given["close"], given[column], strict=True
        ):
            event = {
                "source": NAME,
                "name": response.request.group,
                "field": field,
                "event_time": close,
                "knowledge_time": close,
                "value": value,
                "document": f"Yahoo history of {response.request.path}",
                "raw": response.sha256,
                "place": f"line {row + 2}, column {column}",
            }
            yield event, response.received
