"""NewsAPI: what newspapers and sites wrote of a company.

The free plan, developer, gives articles a day late, a month back, and of every question
the newest hundred only. Of each article the title and the description are read: its
`content` is cut off after 200 characters, and more so on the free plan.
"""

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

import pandas as pd

from thesis_rl.data import clock
from thesis_rl.data.sources import articles
from thesis_rl.data.sources.articles import Article
from thesis_rl.data.sources.client import json_object, shown
from thesis_rl.data.sources.keys import BadResponse, SourceError
from thesis_rl.data.sources.parsed import Parsed, consolidate
from thesis_rl.data.store.raw import Response

NAME = "newsapi"
TITLE = "NewsAPI: articles"
ADDRESS = "https://newsapi.org"
RATE = 1.0  # NewsAPI names limits a day: 100 requests on the free plan.
KEY = "NEWS_API_KEY"
KEY_IN = ("header", "X-Api-Key")
LICENCE = "NewsAPI terms; the free plan is for development only"

PATH = "/v2/everything"
DAY = pd.Timedelta(days=1)
DELAYS = {"developer": DAY, "business": pd.Timedelta(0)}  # By config.newsapi_plan.
REACH = {"developer": 28 * DAY, "business": 5 * 365 * DAY}  # Into the past.
WINDOW = 7 * DAY  # Of a question, so that a busy month is more than 100 articles.
PAGE = 100  # Articles in a response, at most.
TOO_MANY = "maximumResultsReached"  # The error past a plan's last result.

CUT_OFF = "beyond the plan's results"
REMOVED = "removed by its publisher"
NO_ADDRESS = "no address"
NO_TEXT = "neither title nor description"
NO_TIME = "publishedAt is no time"
TOO_LATE = "dated after it was fetched"


def check(content: bytes) -> None:
    """Raises a BadResponse where NewsAPI says that it failed, or JSON is not whole."""
    body = json_object(content)
    if body.get("status") != "ok":
        message = shown(body.get("message", "no message"))
        raise BadResponse(f"NewsAPI error {body.get('code')}: {message}")
    if not isinstance(body.get("articles"), list):
        raise BadResponse("NewsAPI sent no list of articles")


def fetch(get, group: str, config) -> None:
    """Fetches articles on a ticker, a week at a time, from the oldest day on.

    Args:
        get: `get(kind, path, params) -> bytes`.
        group: the ticker.
        config: its start and until (ISO days), tickers[group].query, and newsapi_plan.

    Raises:
        SourceError: the plan is unknown, or a request fails.
    """
    plan = config.newsapi_plan
    if plan not in DELAYS:
        raise SourceError(
            f"config.newsapi_plan is {plan!r}; choose one of {', '.join(DELAYS)}"
        )
    last = pd.Timestamp(config.until)
    first = max(pd.Timestamp(config.start), last - REACH[plan])
    for day in pd.date_range(first, last, freq=WINDOW):
        until = min(day + WINDOW, last + DAY) - pd.Timedelta(seconds=1)
        about = (
            ("q", config.tickers[group].query),
            ("from", f"{day:%Y-%m-%dT%H:%M:%S}"),
            ("to", f"{until:%Y-%m-%dT%H:%M:%S}"),
            ("language", "en"),  # Of the scorers.
            ("sortBy", "publishedAt"),
            ("pageSize", str(PAGE)),
        )
        _pages(get, plan, about)


def _pages(get, plan: str, about: tuple) -> None:
    for page in itertools.count(1):
        try:
            body = json_object(get(plan, PATH, (*about, ("page", str(page)))))
        except SourceError as error:
            if TOO_MANY not in str(error):
                raise
            return  # What is beyond, `parse` counts.
        if page * PAGE >= body["totalResults"] or not body["articles"]:
            return


def parse(responses: Sequence[Response]) -> Parsed:
    """Reads every version of every article.

    Args:
        responses: of one ticker, in order of receipt; the kind of each request is the
            plan that it was made on.

    Returns:
        Events of field article, value 1, about the time of publication, and known then
        or, on the free plan, a day later; and what was left out, each address once.
    """
    rejected: set[tuple] = set()
    found = [article for r in responses for article in _articles(r, rejected)]
    table = consolidate(articles.rows(found, NAME, DELAYS, rejected))
    counts = Counter(reason for reason, *_ in rejected)
    counts[CUT_OFF] = _cut_off(responses)
    return Parsed(table, dict(+counts))


def _articles(response: Response, rejected: set) -> Iterator[Article]:
    for place, item in enumerate(json_object(response.content)["articles"]):
        url, published = item.get("url"), _time(item.get("publishedAt"))
        text = articles.text_of(item.get("title"), item.get("description"))
        faults = {
            REMOVED: text.startswith("[Removed]"),
            NO_ADDRESS: not url,
            NO_TEXT: not text,
            NO_TIME: published is None,
            TOO_LATE: published is not None and published > response.received,
        }
        where = f"/articles/{place}"
        reason = next((reason for reason, bad in faults.items() if bad), "")
        if reason:
            rejected.add((reason, url or (response.sha256, where)))
        else:
            yield Article(url, published, text, where, response)


def _time(stamp) -> pd.Timestamp | None:
    """Reads publishedAt into UTC; without a zone, the later reading is New York."""
    with contextlib.suppress(TypeError, ValueError):
        time = datetime.fromisoformat(stamp)
        if stamp == f"{time:%Y-%m-%d}":
            return clock.end_of_day(stamp)
        if time.tzinfo is None:
            return clock.new_york(time)
        return pd.Timestamp(time).tz_convert(None).as_unit("ns")
    return None


def _cut_off(responses: Sequence[Response]) -> int:
    """Counts the articles that no page holds, in the latest fetch of each window."""
    lacking: dict[tuple, tuple[str, int]] = {}
    for response in responses:
        request, body = response.request, json_object(response.content)
        window = tuple(pair for pair in request.params if pair[0] in ("from", "to"))
        until, count = lacking.get(window, ("", 0))
        if until != request.until:
            count = body["totalResults"]
        lacking[window] = request.until, count - len(body["articles"])
    return sum(max(count, 0) for _, count in lacking.values())
