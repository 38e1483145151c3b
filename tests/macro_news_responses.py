"""Responses of the Treasury, NewsAPI and Alpha Vantage in their true formats.

`newsapi` and `alphavantage` answer requests as the services do; `collect` runs a source
against them.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import date

import pandas as pd

from thesis_rl.data.store.raw import Request, Response

TENORS = ("1 Mo", "2 Mo", "3 Mo", "4 Mo", "6 Mo", "1 Yr", "2 Yr", "3 Yr", "5 Yr")
TENORS += ("7 Yr", "10 Yr", "20 Yr", "30 Yr")

Answer = Callable[[str, dict[str, str]], bytes]  # Of a path and the query's parameters.


def collect(
    source, answer: Answer, group: str, config, received: str
) -> list[Response]:
    """Runs the fetch of a source against `answer`, as the client would.

    Responses are received a second apart, from `received` on.
    """
    responses: list[Response] = []

    def get(kind, path, params=()):
        content = answer(path, dict(params))
        source.check(content)
        request = Request(source.NAME, group, kind, path, tuple(params), config.until)
        when = pd.Timestamp(received) + pd.Timedelta(seconds=len(responses))
        responses.append(response(request, content, when))
        return content

    source.fetch(get, group, config)
    return responses


def response(request: Request, content: bytes, received) -> Response:
    """Makes a response as the raw store gives it back."""
    sha256 = hashlib.sha256(content).hexdigest()
    return Response(request, content, sha256, pd.Timestamp(received).as_unit("ns"))


def treasury_csv(
    curves: dict[str, Sequence[float | str]], tenors: Sequence[str] = TENORS
) -> bytes:
    """Makes a year's file: newest day first, percent with two decimals.

    Args:
        curves: yields by ISO day, one a tenor; text is written as it is.
        tenors: the columns.
    """
    lines = [",".join(["Date", *(f'"{tenor}"' for tenor in tenors)])]
    for day in sorted(curves, reverse=True):
        cells = (x if isinstance(x, str) else f"{x:.2f}" for x in curves[day])
        lines.append(",".join([f"{date.fromisoformat(day):%m/%d/%Y}", *cells]))
    return ("\n".join(lines) + "\n").encode()


def newsapi_article(
    url: str,
    published: str,
    title: str | None = "Apple raises its outlook",
    description: str | None = "Sales of services grew faster than expected.",
) -> dict:
    return {
        "source": {"id": None, "name": "Example Wire"},
        "author": None,
        "title": title,
        "description": description,
        "url": url,
        "urlToImage": None,
        "publishedAt": published,
        "content": "CUPERTINO - Sales of services grew faster… [+1234 chars]",
    }


REMOVED_ARTICLE = {
    "source": {"id": None, "name": "[Removed]"},
    "author": None,
    "title": "[Removed]",
    "description": "[Removed]",
    "url": "https://removed.com",
    "urlToImage": None,
    "publishedAt": "1970-01-01T00:00:00Z",
    "content": "[Removed]",
}


def newsapi_body(articles: Sequence[dict], total: int | None = None) -> bytes:
    total = len(articles) if total is None else total
    body = {"status": "ok", "totalResults": total, "articles": list(articles)}
    return json.dumps(body, ensure_ascii=False).encode()


def newsapi_error(code: str, message: str) -> bytes:
    return as_json({"status": "error", "code": code, "message": message})


def newsapi(articles: Sequence[dict], most: int | None = None) -> Answer:
    """Makes a NewsAPI that has some articles, and whose plan gives `most` of them."""

    def answer(path: str, params: dict[str, str]) -> bytes:
        size, page = int(params["pageSize"]), int(params["page"])
        if most is not None and page * size > most:
            return newsapi_error(
                "maximumResultsReached",
                "You have requested too many results. Developer accounts are limited "
                f"to a max of {most} results. You are trying to request results "
                f"{(page - 1) * size} to {page * size}. Please upgrade to a paid plan "
                "if you need more results.",
            )
        spans = params["from"], params["to"]
        found = [a for a in articles if spans[0] <= a["publishedAt"][:19] <= spans[1]]
        found.sort(key=lambda article: article["publishedAt"], reverse=True)
        return newsapi_body(found[(page - 1) * size : page * size], len(found))

    return answer


def alphavantage_item(
    url: str,
    published: str,
    tags: dict[str, tuple[str, str]],
    title: str = "Apple raises its outlook",
    summary: str = "Sales of services grew faster than expected.",
) -> dict:
    """Makes an item of a feed; `tags` has relevance and score, as text, by ticker."""
    return {
        "title": title,
        "url": url,
        "time_published": published,
        "authors": ["STAFF"],
        "summary": summary,
        "banner_image": "https://example.com/banner.jpeg",
        "source": "Example Wire",
        "category_within_source": "n/a",
        "source_domain": "www.example.com",
        "topics": [{"topic": "Technology", "relevance_score": "1.0"}],
        "overall_sentiment_score": 0.158934,
        "overall_sentiment_label": "Somewhat-Bullish",
        "ticker_sentiment": [
            {
                "ticker": ticker,
                "relevance_score": relevance,
                "ticker_sentiment_score": score,
                "ticker_sentiment_label": "Somewhat-Bullish",
            }
            for ticker, (relevance, score) in tags.items()
        ],
    }


def alphavantage_body(items: Sequence[dict]) -> bytes:
    body = {
        "items": str(len(items)),
        "sentiment_score_definition": "x <= -0.35: Bearish; -0.35 < x <= -0.15: "
        "Somewhat-Bearish; -0.15 < x < 0.15: Neutral; 0.15 <= x < 0.35: "
        "Somewhat_Bullish; x >= 0.35: Bullish",
        "relevance_score_definition": "0 < x <= 1, with a higher score indicating "
        "higher relevance.",
        "feed": list(items),
    }
    return as_json(body)


NO_ARTICLES = {
    "Information": "No articles found. Please adjust the time range or refer to the "
    "API documentation https://www.alphavantage.co/documentation#newsapi and try again."
}


def alphavantage(items: Sequence[dict]) -> Answer:
    """Makes an Alpha Vantage that has some articles."""

    def answer(path: str, params: dict[str, str]) -> bytes:
        since, until = params["time_from"], params["time_to"]
        found = [
            item for item in items if since <= item["time_published"][:13] <= until
        ]
        found.sort(key=lambda item: item["time_published"])
        if not found:
            return as_json(NO_ARTICLES)
        return alphavantage_body(found[: int(params["limit"])])

    return answer


def as_json(body: dict) -> bytes:
    return json.dumps(body, indent=4).encode()
