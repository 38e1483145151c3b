"""Alpha Vantage: articles on a ticker, and what the vendor's own model made of them.

Errors come with status 200. `time_published` has no zone: New York is the later
reading. The vendor's scores may have been made long after their articles: they are
known when they are received, and stand apart, in the field vendor_sentiment.
"""

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import pandas as pd

from thesis_rl.data import clock
from thesis_rl.data.sources import articles
from thesis_rl.data.sources.articles import Article
from thesis_rl.data.sources.client import json_object, shown
from thesis_rl.data.sources.keys import BadResponse, SourceError, Unavailable
from thesis_rl.data.sources.parsed import Parsed, consolidate
from thesis_rl.data.store.raw import Response

NAME = "alphavantage"
TITLE = "Alpha Vantage: articles"
ADDRESS = "https://www.alphavantage.co"
RATE = 0.5  # The free plan allows one a second, and 25 a day.
KEY = "ALPHAVANTAGE_API_KEY"
KEY_IN = ("query", "apikey")
LICENCE = "Alpha Vantage terms; the free plan is for personal use"

PATH = "/query"
KIND = "news"
PAGE = 1_000  # Articles in a response, at most.
MINUTE, STAMP = "%Y%m%dT%H%M", "%Y%m%dT%H%M%S"
# Lists of movers and market round-ups tag every ticker that they name, each with little
# of the text. Below a fifth of full relevance an article says little of the company: a
# judgement, made once and not fitted to any return.
RELEVANCE = 0.2
ERRORS = ("Error Message", "Information", "Note")
NOTHING = "No articles found"  # The answer, under Information, for a quiet ticker.
# Errors that would meet the next ticker too.
OF_ALL = re.compile(
    r"rate limit|requests? per|call frequency|premium|api ?key", re.IGNORECASE
)

IN_PASSING = f"relevance below {RELEVANCE}"
NOT_TAGGED = "ticker is not tagged"
NO_ADDRESS = "no address"
NO_TEXT = "neither title nor summary"
NO_TIME = "time_published is no time"
TOO_LATE = "dated after it was fetched"
NO_SCORE = "vendor's score is no number"


class Tag(NamedTuple):
    """What the vendor's model says of one ticker in one article; NaN is no number."""

    relevance: float
    score: float


def check(content: bytes) -> None:
    """Raises a BadResponse where the body is an error, or JSON that is not whole."""
    body = json_object(content)
    if isinstance(body.get("feed"), list):
        return
    kind = next((kind for kind in ERRORS if kind in body), None)
    if kind is None:
        raise BadResponse("Alpha Vantage sent no feed")
    if NOTHING not in str(body[kind]):
        raise BadResponse(f"Alpha Vantage, {kind}: {shown(body[kind])}")


def fetch(get, group: str, config) -> None:
    """Fetches articles on a ticker, oldest first, a thousand at a time.

    Args:
        get: `get(kind, path, params) -> bytes`.
        group: the ticker.
        config: its start and until are ISO days.

    Raises:
        Unavailable: the day's requests are used up, or the plan lacks news.
        SourceError: a request fails, or a minute has more articles than a page.
    """
    last = pd.Timestamp(config.until)
    since = f"{pd.Timestamp(config.start):{MINUTE}}"
    while True:
        params = (
            ("function", "NEWS_SENTIMENT"),
            ("tickers", group),
            ("time_from", since),
            ("time_to", f"{last:%Y%m%d}T2359"),
            ("sort", "EARLIEST"),
            ("limit", str(PAGE)),
        )
        feed = _feed(_asked(get, params))
        if len(feed) < PAGE:
            return
        stamps = [str(item["time_published"]) for item in feed]
        newest = max(stamps)[: len("20230203T1601")]
        if newest <= since:
            raise SourceError(f"{group}: more than {PAGE:,} articles in minute {since}")
        since = newest  # Again, for those of that minute that did not fit.


def _asked(get, params: tuple) -> bytes:
    try:
        return get(KIND, PATH, params)
    except BadResponse as error:
        if OF_ALL.search(str(error)):
            raise Unavailable(str(error)) from None
        raise


def parse(responses: Sequence[Response]) -> Parsed:
    """Reads every version of every article on a ticker, and the vendor's scores.

    Args:
        responses: of one ticker, in order of receipt.

    Returns:
        Events of field article, value 1, about and known at the time of publication;
        events of field vendor_sentiment, in [-1, 1], known when received; and what was
        left out, each address once.
    """
    rejected: set[tuple] = set()
    tagged = [pair for r in responses for pair in _articles(r, rejected)]
    tagged = _in_new_york(tagged)
    found = [article for article, _ in tagged]
    rows = list(articles.rows(found, NAME, {KIND: pd.Timedelta(0)}, rejected))
    rows += _scores(tagged, rejected)
    counts = Counter(reason for reason, *_ in rejected)
    return Parsed(consolidate(rows), dict(counts))


def _feed(content: bytes) -> list[dict]:
    return json_object(content).get("feed", [])


def _articles(response: Response, rejected: set) -> Iterator[tuple[Article, Tag]]:
    for place, item in enumerate(_feed(response.content)):
        url, published = item.get("url"), _time(item.get("time_published"))
        text = articles.text_of(item.get("title"), item.get("summary"))
        tag = _tag(item, response.request.group)
        faults = {
            NO_ADDRESS: not url,
            NO_TEXT: not text,
            NO_TIME: published is None,
            # Read as UTC, the earliest that it can have been.
            TOO_LATE: published is not None and published > response.received,
            NOT_TAGGED: tag is None,
            IN_PASSING: tag is not None and not tag.relevance >= RELEVANCE,
        }
        where = f"/feed/{place}"
        reason = next((reason for reason, bad in faults.items() if bad), "")
        if reason:
            rejected.add((reason, url or (response.sha256, where)))
        else:
            yield Article(url, published, text, where, response), tag


def _in_new_york(tagged: list[tuple[Article, Tag]]) -> list[tuple[Article, Tag]]:
    stamps = sorted({article.published for article, _ in tagged})
    utc = dict(zip(stamps, clock.new_york(stamps), strict=True)) if stamps else {}
    return [
        (article._replace(published=utc[article.published]), tag)
        for article, tag in tagged
    ]


def _time(stamp) -> pd.Timestamp | None:
    with contextlib.suppress(TypeError, ValueError):
        return pd.Timestamp(datetime.strptime(stamp, STAMP)).as_unit("ns")
    return None


def _tag(item: dict, ticker: str) -> Tag | None:
    for said in item.get("ticker_sentiment") or []:
        if said.get("ticker") == ticker:
            numbers = (said.get("relevance_score"), said.get("ticker_sentiment_score"))
            return Tag(*(pd.to_numeric(text, errors="coerce") for text in numbers))
    return None


def _scores(
    tagged: list[tuple[Article, Tag]], rejected: set
) -> Iterator[tuple[dict, pd.Timestamp]]:
    """Yields a row for each score that an address did not have before."""
    last: dict[str, float] = {}
    for article, (_, score) in tagged:
        url, published, _, place, response = article
        if pd.isna(score):
            rejected.add((NO_SCORE, url))
            continue
        if last.get(url) == score:
            continue
        last[url] = score
        event = {
            "source": NAME,
            "name": response.request.group,
            "field": "vendor_sentiment",
            "event_time": published,
            "knowledge_time": max(response.received, published),
            "value": float(score),
            "document": url,
            "raw": response.sha256,
            "place": place,
        }
        yield event, response.received
