"""Articles count from when the plan gave them, each text at each address once."""

import itertools
import json

import httpx
import ml_collections
import pandas as pd
import pytest
from macro_news_responses import (
    REMOVED_ARTICLE,
    collect,
    newsapi_body,
    newsapi_error,
    response,
)
from macro_news_responses import newsapi as service
from macro_news_responses import newsapi_article as article

from thesis_rl.data.sources import articles, newsapi
from thesis_rl.data.sources.client import Client
from thesis_rl.data.sources.keys import BadResponse, SourceError
from thesis_rl.data.store.raw import Request

KEY = "0123456789abcdef0123456789abcdef"
RECEIVED = "2024-02-01 12:00:00"
URL = "https://www.example.com/apple-outlook"
DAY = pd.Timedelta(days=1)


def config(**changed):
    values = {
        "start": "2024-01-01",
        "until": "2024-01-31",
        "newsapi_plan": "business",
        "tickers": {"AAPL": {"query": '"Apple Inc" OR AAPL'}},
    }
    return ml_collections.ConfigDict(values | changed)


def answer(*found, received=RECEIVED, plan="business", total=None, until="2024-01-31"):
    params = (("from", "2024-01-01T00:00:00"), ("to", "2024-01-07T23:59:59"))
    request = Request("newsapi", "AAPL", plan, newsapi.PATH, params, until)
    return response(request, newsapi_body(found, total), received)


def versions(*responses):
    table = newsapi.parse(responses).events
    return list(zip(table["text"], table["knowledge_time"], strict=True))


def fetched(items, settings, most=None):
    return collect(newsapi, service(items, most), "AAPL", settings, RECEIVED)


def test_an_article_is_an_event_with_its_address_and_its_words():
    one = answer(article(URL, "2024-01-05T21:30:00Z", "Apple\nraises", "It  sells."))
    (event,) = newsapi.parse([one]).events.to_dict("records")
    assert (event["source"], event["name"]) == ("newsapi", "AAPL")
    assert (event["field"], event["value"]) == ("article", 1.0)
    assert (event["document"], event["raw"]) == (URL, one.sha256)
    assert event["place"] == "/articles/0"
    assert event["text"] == "Apple raises\nIt sells."
    assert event["event_time"] == pd.Timestamp("2024-01-05 21:30")


@pytest.mark.parametrize("plan, delay", [("developer", DAY), ("business", 0 * DAY)])
def test_the_free_plan_knows_an_article_a_day_late(plan, delay):
    found = [article(URL, "2024-01-05T21:30:00Z")]
    responses = fetched(found, config(newsapi_plan=plan, start="2024-01-04"))
    table, rejected = newsapi.parse(responses)
    published = pd.Timestamp("2024-01-05 21:30")
    assert list(table["event_time"]) == [published]
    assert list(table["knowledge_time"]) == [published + delay]
    assert rejected == {}


def test_an_unknown_plan_is_refused_before_anything_is_asked():
    with pytest.raises(SourceError, match="config.newsapi_plan is 'Developer'; choose"):
        fetched([], config(newsapi_plan="Developer"))


@pytest.mark.parametrize(
    "stamp, instant",
    [
        ("2024-01-05T21:30:00Z", "2024-01-05 21:30"),
        ("2024-01-05T21:30:00.0000000Z", "2024-01-05 21:30"),
        ("2024-01-05T16:30:00-05:00", "2024-01-05 21:30"),
        ("2024-01-05T21:30:00", "2024-01-06 02:30"),
        ("2024-01-05", "2024-01-06 04:59:59"),
    ],
)
def test_stamps_are_utc_or_the_later_reading(stamp, instant):
    table, _ = newsapi.parse([answer(article(URL, stamp))])
    assert list(table["event_time"]) == [pd.Timestamp(instant)]


@pytest.mark.parametrize(
    "bad, reason",
    [
        (REMOVED_ARTICLE, newsapi.REMOVED),
        (article(None, "2024-01-05T21:30:00Z"), newsapi.NO_ADDRESS),
        (article("", "2024-01-05T21:30:00Z"), newsapi.NO_ADDRESS),
        (article(URL, "2024-01-05T21:30:00Z", None, None), newsapi.NO_TEXT),
        (article(URL, "2024-01-05T21:30:00Z", "", " "), newsapi.NO_TEXT),
        (article(URL, None), newsapi.NO_TIME),
        (article(URL, "yesterday"), newsapi.NO_TIME),
        (article(URL, "2024-02-01T12:00:01Z"), newsapi.TOO_LATE),
    ],
)
def test_what_is_no_article_is_counted_with_its_reason(bad, reason):
    good = article("https://www.example.com/2", "2024-02-01T12:00:00Z")
    table, rejected = newsapi.parse([answer(bad, good)])
    assert list(table["document"]) == ["https://www.example.com/2"]
    assert rejected == {reason: 1}


@pytest.mark.parametrize(
    "title, description, text",
    [
        ("Apple raises", None, "Apple raises"),
        (None, "Sales grew.", "Sales grew."),
        ("Apple raises", "Sales grew.", "Apple raises\nSales grew."),
    ],
)
def test_the_text_is_what_there_is_of_title_and_description(title, description, text):
    """Never of content, which ends in [+1234 chars]."""
    one = answer(article(URL, "2024-01-05T21:30:00Z", title, description))
    assert list(newsapi.parse([one]).events["text"]) == [text]


def test_the_same_article_again_is_no_second_event():
    """In the next page, in the fetch of the next day, or restamped."""
    same = article(URL, "2024-01-05T21:30:00Z")
    again = article(URL, "2024-01-06T08:00:00Z")
    first = answer(same, same)
    later = answer(same, again, received="2024-02-02", until="2024-02-01")
    table, rejected = newsapi.parse([first, later])
    assert list(table["knowledge_time"]) == [pd.Timestamp("2024-01-05 21:30")]
    assert rejected == {articles.SAME: 1}


def test_two_plans_know_one_article_once():
    same = article(URL, "2024-01-05T21:30:00Z")
    paid = answer(same, received="2024-02-02", until="2024-02-01")
    table, _ = newsapi.parse([answer(same, plan="developer"), paid])
    assert list(table["knowledge_time"]) == [pd.Timestamp("2024-01-06 21:30")]


def test_a_text_changed_under_its_stamp_is_known_when_it_was_received():
    stamp = "2024-01-05T21:30:00Z"
    before, after = (
        answer(article(URL, stamp, title), received=when, until=when[:10])
        for title, when in (("Apple rises", RECEIVED), ("Apple falls", "2024-02-09"))
    )
    description = "\nSales of services grew faster than expected."
    table = newsapi.parse([before, after]).events
    assert versions(before, after) == [
        ("Apple rises" + description, pd.Timestamp("2024-01-05 21:30")),
        ("Apple falls" + description, pd.Timestamp("2024-02-09")),
    ]
    assert table["event_time"].nunique() == table["document"].nunique() == 1


def test_a_restamped_text_is_a_version_of_the_first():
    one = article(URL, "2024-01-05T21:30:00Z", "Apple rises", None)
    two = article(URL, "2024-01-06T09:00:00Z", "Apple falls", None)
    table, _ = newsapi.parse([answer(two, one)])
    assert versions(answer(two, one)) == [
        ("Apple rises", pd.Timestamp("2024-01-05 21:30")),
        ("Apple falls", pd.Timestamp("2024-01-06 09:00")),
    ]
    assert set(table["event_time"]) == {pd.Timestamp("2024-01-05 21:30")}


def test_a_stamp_set_back_is_not_believed():
    one = article(URL, "2024-01-05T21:30:00Z", "Apple rises", None)
    back = article(URL, "2024-01-04T21:30:00Z", "Apple falls", None)
    later = answer(back, received="2024-02-09", until="2024-02-09")
    assert versions(answer(one), later) == [
        ("Apple rises", pd.Timestamp("2024-01-05 21:30")),
        ("Apple falls", pd.Timestamp("2024-02-09")),
    ]


def test_a_later_fetch_adds_rows_and_changes_none():
    one = article(URL, "2024-01-05T21:30:00Z", "Apple rises", None)
    two = article(URL, "2024-01-04T21:30:00Z", "Apple falls", None)
    new = article("https://www.example.com/2", "2024-01-02T00:00:00Z")
    first = answer(one)
    later = answer(new, two, one, received="2024-02-09", until="2024-02-09")
    before = newsapi.parse([first]).events
    after = newsapi.parse([first, later]).events
    pd.testing.assert_frame_equal(before, after.iloc[: len(before)])
    assert len(after) == len(before) + 2


def many(count: int, day="2024-01-05") -> list[dict]:
    start = pd.Timestamp(day)
    stamps = [start + pd.Timedelta(minutes=number) for number in range(count)]
    return [
        article(f"https://www.example.com/{number}", f"{stamp:%Y-%m-%dT%H:%M:%SZ}")
        for number, stamp in enumerate(stamps)
    ]


def test_all_pages_are_fetched_on_a_paid_plan():
    responses = fetched(many(250), config(until="2024-01-07"))
    assert [dict(r.request.params)["page"] for r in responses] == ["1", "2", "3"]
    table, rejected = newsapi.parse(responses)
    assert table["document"].nunique() == len(table) == 250
    assert rejected == {}


def test_the_end_of_a_plans_results_ends_paging_and_is_counted():
    settings = config(until="2024-01-10", newsapi_plan="developer")
    responses = fetched([*many(130), *many(3, "2024-01-09")], settings, most=100)
    assert [dict(r.request.params)["from"][:10] for r in responses] == [
        "2024-01-01",
        "2024-01-08",
    ]
    table, rejected = newsapi.parse(responses)
    assert len(table) == 100 + 3
    assert rejected == {newsapi.CUT_OFF: 30}


def test_of_a_window_fetched_again_the_last_fetch_is_counted():
    early = answer(*many(2), total=9)
    late = answer(*many(3), total=4, received="2024-02-02", until="2024-02-01")
    assert newsapi.parse([early, late]).rejected == {newsapi.CUT_OFF: 1}


def test_status_426_of_the_real_client_ends_paging_too():
    """The key goes into a header and nowhere else."""
    keyed = []

    def handler(request):
        keyed.append(request.headers["X-Api-Key"])
        assert KEY not in str(request.url)
        content = service(many(130), most=100)(request.url.path, request.url.params)
        return httpx.Response(
            426 if b"maximumResults" in content else 200, content=content
        )

    seconds = itertools.count(0.0, 10.0)
    client = Client(
        newsapi,
        transport=httpx.MockTransport(handler),
        environment={"NEWS_API_KEY": KEY},
        clock=lambda: next(seconds),
    )
    answered = []

    def get(kind, path, params):
        answered.append(client.get(path, params, newsapi.check))
        return answered[-1]

    newsapi.fetch(get, "AAPL", config(until="2024-01-07", newsapi_plan="developer"))
    assert len(answered) == 1 and keyed == [KEY, KEY]


def test_other_errors_do_not_end_paging_quietly():
    def fails(path, params):
        return newsapi_error("rateLimited", "You have made too many requests recently.")

    with pytest.raises(BadResponse, match="NewsAPI error rateLimited: You have made"):
        collect(newsapi, fails, "AAPL", config(), RECEIVED)


def test_requests_ask_for_weeks_that_cover_every_second_once():
    responses = fetched([], config(until="2024-01-16"))
    asked = [dict(r.request.params) for r in responses]
    spans = [(params["from"], params["to"]) for params in asked]
    assert spans == [
        ("2024-01-01T00:00:00", "2024-01-07T23:59:59"),
        ("2024-01-08T00:00:00", "2024-01-14T23:59:59"),
        ("2024-01-15T00:00:00", "2024-01-16T23:59:59"),
    ]
    for params in asked:
        assert params["q"] == '"Apple Inc" OR AAPL'
        assert (params["pageSize"], params["sortBy"]) == ("100", "publishedAt")
        assert "apiKey" not in params
    assert {r.request.path for r in responses} == {"/v2/everything"}


def test_the_free_plan_is_not_asked_for_what_it_does_not_have():
    responses = fetched([], config(newsapi_plan="developer", start="2015-01-01"))
    assert dict(responses[0].request.params)["from"] == "2024-01-03T00:00:00"


@pytest.mark.parametrize(
    "content, reason",
    [
        (
            newsapi_error("apiKeyInvalid", "Your API key is invalid or incorrect."),
            "NewsAPI error apiKeyInvalid: Your API key is invalid or incorrect.",
        ),
        (b'{"status":"ok","totalResults":2,"articles":[{"source"', "damaged JSON"),
        (b'{"status":"ok","totalResults":0}', "no list of articles"),
        (b"", "no JSON"),
    ],
)
def test_what_is_no_answer_is_refused(content, reason):
    with pytest.raises(BadResponse, match=reason):
        newsapi.check(content)


def test_no_error_repeats_a_key():
    content = newsapi_error("apiKeyDisabled", f"Your API key {KEY} is disabled.")
    with pytest.raises(BadResponse, match="is disabled") as caught:
        newsapi.check(content)
    assert KEY not in str(caught.value)


def test_the_article_here_has_the_keys_of_a_true_one():
    body = json.loads(newsapi_body([article(URL, "2024-01-05T21:30:00Z")]))
    assert set(body) == {"status", "totalResults", "articles"}
    assert list(body["articles"][0]) == [
        "source",
        "author",
        "title",
        "description",
        "url",
        "urlToImage",
        "publishedAt",
        "content",
    ]
