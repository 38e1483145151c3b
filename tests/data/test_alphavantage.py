"""Errors with status 200, stamps without a zone, and scores that stand apart."""

import itertools
import json

import httpx
import ml_collections
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macro_news_responses import NO_ARTICLES, alphavantage_body, collect, response
from macro_news_responses import alphavantage as service
from macro_news_responses import alphavantage_item as item

from thesis_rl.data.sources import alphavantage, articles
from thesis_rl.data.sources.client import Client
from thesis_rl.data.sources.keys import BadResponse, SourceError, Unavailable
from thesis_rl.data.store.raw import Request

KEY = "QX7ZP0KD93LMB4TV"
RECEIVED = "2023-03-01 12:00:00"
URL = "https://www.example.com/apple-outlook"
APPLE = {"AAPL": ("0.512345", "0.208765")}
LIMITS = (
    f"We have detected your API key as {KEY} and our standard API rate limit is 25 "
    "requests per day. Please subscribe to any of the premium plans at "
    "https://www.alphavantage.co/premium/ to instantly remove all daily rate limits."
)
BURST = (
    "Thank you for using Alpha Vantage! Please consider spreading out your free API "
    "requests more sparingly (1 request per second)."
)
INVALID_KEY = (
    "the parameter apikey is invalid or missing. Please claim your free API key on "
    "(https://www.alphavantage.co/support/#api-key)."
)
INVALID_INPUT = (
    "Invalid inputs. Please refer to the API documentation "
    "https://www.alphavantage.co/documentation#newsapi and try again."
)
SPAN = ml_collections.ConfigDict({"start": "2023-01-01", "until": "2023-02-28"})


def answer(*found, received=RECEIVED, until="2023-02-28"):
    request = Request("alphavantage", "AAPL", "news", "/query", (), until)
    return response(request, alphavantage_body(found), received)


def parsed(*responses):
    """Returns articles, vendor's scores, and what was left out."""
    table, rejected = alphavantage.parse(responses)
    fields = [table[table["field"] == name] for name in ("article", "vendor_sentiment")]
    assert sum(map(len, fields)) == len(table)
    return *fields, rejected


def fetched(items, config=SPAN):
    return collect(alphavantage, service(items), "AAPL", config, RECEIVED)


def test_an_article_is_an_event_with_its_address_and_its_words():
    one = answer(item(URL, "20230203T160112", APPLE, "Apple raises", "It sells."))
    told, _, rejected = parsed(one)
    (event,) = told.to_dict("records")
    assert (event["source"], event["name"]) == ("alphavantage", "AAPL")
    assert (event["value"], event["text"]) == (1.0, "Apple raises\nIt sells.")
    assert (event["document"], event["place"]) == (URL, "/feed/0")
    assert event["raw"] == one.sha256
    assert rejected == {}


@pytest.mark.parametrize(
    "stamp, instant",
    [
        ("20230203T160112", "2023-02-03 21:01:12"),
        ("20220704T160112", "2022-07-04 20:01:12"),
        ("20221106T013000", "2022-11-06 06:30"),  # Comes twice: the second time.
        ("20220313T023000", "2022-03-13 07:30"),  # Does not come at all.
    ],
)
def test_time_published_is_read_as_new_york_which_is_later(stamp, instant):
    told, _, _ = parsed(answer(item(URL, stamp, APPLE)))
    assert list(told["event_time"]) == [pd.Timestamp(instant)]
    assert list(told["knowledge_time"]) == [pd.Timestamp(instant)]


def test_the_vendors_score_stands_apart_and_is_known_when_it_was_received():
    _, scores, _ = parsed(answer(item(URL, "20230203T160112", APPLE)))
    (event,) = scores.to_dict("records")
    assert event["value"] == 0.208765
    assert event["event_time"] == pd.Timestamp("2023-02-03 21:01:12")
    assert event["knowledge_time"] == pd.Timestamp(RECEIVED)
    assert (event["document"], event["text"]) == (URL, "")


def test_a_score_filled_in_later_is_a_version_and_the_same_score_is_none():
    def scored(score, received):
        found = item(URL, "20230203T160112", {"AAPL": ("0.5", score)})
        return answer(found, received=received, until=received)

    told, scores, _ = parsed(
        scored("0.1", "2023-03-01"),
        scored("0.1", "2023-03-02"),
        scored("-0.4", "2023-03-03"),
    )
    assert len(told) == 1
    assert list(scores["value"]) == [0.1, -0.4]
    assert list(scores["knowledge_time"]) == [
        pd.Timestamp("2023-03-01"),
        pd.Timestamp("2023-03-03"),
    ]


@pytest.mark.parametrize("score", [None, "", "n/a"])
def test_an_article_without_a_score_is_an_article(score):
    found = item(URL, "20230203T160112", {"AAPL": ("0.5", score)})
    told, scores, rejected = parsed(answer(found))
    assert len(told) == 1 and scores.empty
    assert rejected == {alphavantage.NO_SCORE: 1}


def without(key, **changed):
    found = item(URL, "20230203T160112", APPLE) | changed
    del found[key]
    return found


@pytest.mark.parametrize(
    "bad, reason",
    [
        (item("", "20230203T160112", APPLE), alphavantage.NO_ADDRESS),
        (item(URL, "20230203T160112", APPLE, "", ""), alphavantage.NO_TEXT),
        (item(URL, "2023-02-03", APPLE), alphavantage.NO_TIME),
        (without("time_published"), alphavantage.NO_TIME),
        (item(URL, "20230301T120001", APPLE), alphavantage.TOO_LATE),
        (
            item(URL, "20230203T160112", {"MSFT": ("0.9", "0.2")}),
            alphavantage.NOT_TAGGED,
        ),
        (without("ticker_sentiment"), alphavantage.NOT_TAGGED),
        (
            item(URL, "20230203T160112", APPLE | {"AAPL": ("0.08", "0.2")}),
            alphavantage.IN_PASSING,
        ),
        (item(URL, "20230203T160112", {"AAPL": ("", "0.2")}), alphavantage.IN_PASSING),
    ],
)
def test_what_is_no_article_on_the_ticker_is_counted_with_its_reason(bad, reason):
    tags = {"MSFT": ("0.05", "-0.3"), "AAPL": ("0.2", "0.1")}
    good = item("https://www.example.com/2", "20230301T120000", tags)
    told, scores, rejected = parsed(answer(bad, good))
    assert list(told["document"]) == ["https://www.example.com/2"]
    assert list(scores["value"]) == [0.1]
    assert rejected == {reason: 1}


def test_a_revised_text_is_a_version_known_when_it_was_received():
    before, after = (
        answer(
            item(URL, "20230203T160112", APPLE, title, ""), received=when, until=when
        )
        for title, when in (
            ("Apple rises", "2023-03-01"),
            ("Apple falls", "2023-03-09"),
        )
    )
    told, scores, _ = parsed(before, after)
    assert list(told["text"]) == ["Apple rises", "Apple falls"]
    assert list(told["knowledge_time"]) == [
        pd.Timestamp("2023-02-03 21:01:12"),
        pd.Timestamp("2023-03-09"),
    ]
    assert told["event_time"].nunique() == 1 and len(scores) == 1


def test_the_same_text_restamped_is_counted():
    again = item(URL, "20230204T080000", APPLE)
    told, _, rejected = parsed(answer(item(URL, "20230203T160112", APPLE), again))
    assert len(told) == 1 and rejected == {articles.SAME: 1}


MINUTES = st.lists(st.integers(0, 7), max_size=30)


@settings(max_examples=30, deadline=None)
@given(MINUTES)
def test_paging_by_time_finds_every_article_or_says_that_it_cannot(minutes):
    """Articles crowd into few minutes; a page holds five."""
    found = [
        item(f"https://www.example.com/{n}", f"20230105T12{minute:02d}{n:02d}", APPLE)
        for n, minute in enumerate(minutes)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alphavantage, "PAGE", 5)
        if max(map(minutes.count, minutes), default=0) >= 5:
            try:
                responses = fetched(found)
            except SourceError as error:
                assert "more than 5 articles in minute 20230105T12" in str(error)
                return
        else:
            responses = fetched(found)
    told, _, rejected = parsed(*responses)
    assert set(told["document"]) == {one["url"] for one in found}
    assert len(told) == len(found) and rejected == {}


def test_requests_ask_for_the_whole_span_oldest_first():
    responses = fetched([item(URL, "20230203T160112", APPLE)])
    assert [r.request.path for r in responses] == ["/query"]
    assert responses[0].request.params == (
        ("function", "NEWS_SENTIMENT"),
        ("tickers", "AAPL"),
        ("time_from", "20230101T0000"),
        ("time_to", "20230228T2359"),
        ("sort", "EARLIEST"),
        ("limit", "1000"),
    )


def test_a_ticker_without_articles_is_no_error():
    alphavantage.check(json.dumps(NO_ARTICLES).encode())
    alphavantage.check(alphavantage_body([]))
    responses = fetched([])
    assert json.loads(responses[0].content) == NO_ARTICLES
    told, scores, rejected = parsed(*responses)
    assert told.empty and scores.empty and rejected == {}


@pytest.mark.parametrize(
    "body, reason",
    [
        ({"Information": LIMITS}, "Information: .* 25 requests per day"),
        ({"Note": BURST}, "Note: Thank you for using Alpha Vantage"),
        ({"Error Message": INVALID_KEY}, "Error Message: the parameter apikey"),
        ({"Information": INVALID_INPUT}, "Information: Invalid inputs"),
        ({}, "sent no feed"),
    ],
)
def test_an_error_with_status_200_is_an_error_without_the_key(body, reason):
    with pytest.raises(BadResponse, match=reason) as caught:
        alphavantage.check(json.dumps(body, indent=4).encode())
    assert KEY not in str(caught.value)


def test_a_key_of_any_look_is_not_repeated():
    body = {"Information": LIMITS.replace(KEY, "swordfish")}
    with pytest.raises(BadResponse) as caught:
        alphavantage.check(json.dumps(body).encode())
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b'{"items": "50", "feed": [{"title"', b"", b"<html>"]
)
def test_what_is_no_json_is_refused(content):
    with pytest.raises(BadResponse, match="JSON"):
        alphavantage.check(content)


@pytest.mark.parametrize(
    "message, error",
    [
        (LIMITS, Unavailable),
        (BURST, Unavailable),
        (INVALID_KEY, Unavailable),
        (INVALID_INPUT, BadResponse),
    ],
)
def test_a_spent_quota_ends_the_source_and_bad_input_only_the_ticker(message, error):
    """Through the real client, which sends the key in the query and keeps it there."""

    def handler(request):
        assert request.url.params["apikey"] == KEY
        return httpx.Response(200, json={"Information": message})

    seconds = itertools.count(0.0, 10.0)
    client = Client(
        alphavantage,
        transport=httpx.MockTransport(handler),
        environment={"ALPHAVANTAGE_API_KEY": KEY},
        clock=lambda: next(seconds),
    )

    def get(kind, path, params):
        return client.get(path, params, alphavantage.check)

    with pytest.raises(error) as caught:
        alphavantage.fetch(get, "AAPL", SPAN)
    assert type(caught.value) is error
    assert KEY not in str(caught.value)
