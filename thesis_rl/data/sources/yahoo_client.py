"""yfinance, asked for unadjusted days, in the manner of the other sources' client."""

import time
from collections.abc import Callable

import pandas as pd

from thesis_rl.data.sources.bucket import TokenBucket
from thesis_rl.data.sources.errors import NotFound, Unavailable

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
