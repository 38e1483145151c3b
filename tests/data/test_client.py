"""Patience, pace and keys of the client, against a server on this machine."""

import email.utils
import gzip
import json
import logging
import threading
import traceback
import types

import httpx
import pytest
from replay_server import Answer, ReplayServer

from thesis_rl.data.sources import client as client_lib
from thesis_rl.data.sources import keys
from thesis_rl.data.sources.client import Client, TokenBucket, retry_after
from thesis_rl.data.sources.keys import (
    BadResponse,
    MissingKey,
    NotFound,
    SourceError,
    Unavailable,
)

HOST = "data.example.org"
SECRET = "s3cr3tK3Y/0123456789+abcdef"
GOOD = b'{"observations": []}'
MIDNIGHT = 1_600_000_000.0


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ReplayServer() as server:
        yield server


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now, self.slept = MIDNIGHT, []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def source(**changes) -> types.SimpleNamespace:
    given = {
        "NAME": "example",
        "ADDRESS": f"https://{HOST}",
        "RATE": 1e9,
        "KEY": None,
        "check": check,
    }
    return types.SimpleNamespace(**given | changes)


def check(content: bytes) -> None:
    try:
        body = json.loads(content)
    except ValueError:
        raise BadResponse("truncated JSON") from None
    if "Error Message" in body:
        raise BadResponse(body["Error Message"])


def make(server, time=None, environment=None, **changes) -> Client:
    time = time or Time()
    return Client(
        source(**changes),
        mirror=server.address,
        environment=environment or {},
        clock=time.clock,
        sleep=time.sleep,
    )


def get(server, *answers, time=None, **changes) -> bytes:
    server.on(HOST, "/x", *answers)
    with make(server, time, **changes) as client:
        return client.get("/x", (("id", "GDP"),), check)


def test_asks_for_what_it_is_told_and_returns_the_bytes(server):
    assert get(server, GOOD) == GOOD
    (asked,) = server.requests
    assert (asked.host, asked.path, asked.query) == (HOST, "/x", {"id": "GDP"})


def test_another_host_and_headers(server):
    server.on("www.example.org", "/a.xml", b"<a/>")
    agent = {"User-Agent": "name name@example.com"}
    with Client(source(), headers=agent, mirror=server.address) as client:
        assert client.get("https://www.example.org/a.xml") == b"<a/>"
    assert server.requests[0].host == "www.example.org"
    assert server.requests[0].headers["user-agent"] == agent["User-Agent"]


def test_compressed_answers_are_opened(server):
    packed = Answer(gzip.compress(GOOD), headers=(("Content-Encoding", "gzip"),))
    assert get(server, packed) == GOOD


def test_429_waits_as_long_as_the_server_says(server):
    time = Time()
    date = email.utils.formatdate(MIDNIGHT + 7 + 40, usegmt=True)
    answers = [Answer(status=429, headers=(("Retry-After", x),)) for x in ("7", date)]
    assert get(server, *answers, GOOD, time=time) == GOOD
    assert time.slept == [7, 40]


def test_5xx_is_tried_again_ever_later_and_not_for_ever(server):
    time = Time()
    faults = [Answer(b"", status) for status in (500, 502, 503, 504)]
    assert get(server, *faults, GOOD, time=time) == GOOD
    assert time.slept == [1, 2, 4, 8]
    with pytest.raises(SourceError, match=f"^/{HOST}/x: status 503, busy$") as caught:
        get(server, Answer(b"busy", 503))
    assert not isinstance(caught.value, Unavailable)
    assert len(server.requests) == 5 + client_lib.TRIES


def test_too_many_requests_to_the_end_ends_the_source(server):
    with pytest.raises(Unavailable, match="too many requests.*run again"):
        get(server, Answer(status=429))
    assert len(server.requests) == client_lib.TRIES


def test_nobody_waits_an_hour(server):
    time = Time()
    with pytest.raises(Unavailable, match="run again in 60 minutes"):
        get(server, Answer(status=429, headers=(("Retry-After", "3600"),)), time=time)
    assert len(server.requests) == 1 and time.slept == []


@pytest.mark.parametrize("fault", [Answer(drop=True), Answer(GOOD, cut=5)])
def test_broken_connections_are_tried_again(server, fault):
    assert get(server, fault, GOOD) == GOOD
    with pytest.raises(SourceError, match="/x: answer broke off"):
        get(server, fault)


def test_time_outs_are_tried_again(server, monkeypatch):
    monkeypatch.setattr(client_lib, "TIMEOUT", 0.1)
    slow = Answer(GOOD, hold=threading.Event())
    assert get(server, slow, GOOD) == GOOD
    slow.hold.set()
    assert len(server.requests) == 2


def test_truncated_json_is_tried_again(server):
    assert get(server, GOOD[:-3], b"", GOOD) == GOOD
    with pytest.raises(BadResponse, match="/x: truncated JSON"):
        get(server, GOOD[:-3])


@pytest.mark.parametrize(
    "body", [b'{"Error Message": "quota"}', b"<html>quota, <br> see below</html>"]
)
def test_a_200_that_is_an_error_is_one_at_once(server, body):
    with pytest.raises(BadResponse):
        get(server, body)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "status, kind, words",
    [
        (400, SourceError, "status 400, no such series$"),
        (401, Unavailable, "is the user_agent right"),
        (403, Unavailable, "is the user_agent right"),
        (404, NotFound, "no such ticker, series or document"),
        (426, SourceError, "status 426"),
        (301, SourceError, "status 301"),
    ],
)
def test_other_refusals_are_final_and_say_what_to_do(server, status, kind, words):
    moved = (("Location", f"{server.address}/elsewhere"),)
    with pytest.raises(kind, match=words) as caught:
        get(server, Answer(b"no such\n series", status, moved))
    assert type(caught.value) is kind
    assert server.paths() == ["/x"]


def test_page_of_refusal_is_told_by_what_its_source_makes_of_it(server):
    """The SEC answers 403 with a page, whose first characters are but markup."""
    page = Answer(b'<html xmlns="x"><head><title>SEC.gov | Undeclared', 403)
    with pytest.raises(Unavailable, match="status 403, truncated JSON$"):
        get(server, page)


def test_refused_key_names_its_variable(server):
    """FRED answers a wrong key with 400, and names the parameter."""
    keyed = {"KEY": "EXAMPLE_KEY", "KEY_IN": ("query", "api_key")}
    body = (
        b'{"error_code":400,"error_message":"The value for variable api_key is not."}'
    )
    for status in (400, 401, 403):
        with pytest.raises(Unavailable, match="is the key in EXAMPLE_KEY right"):
            get(
                server,
                Answer(body, status),
                environment={"EXAMPLE_KEY": SECRET},
                **keyed,
            )


def test_without_a_network_the_source_is_unavailable():
    time = Time()
    with ReplayServer() as server:
        gone = server.address
    client = Client(source(), mirror=gone, clock=time.clock, sleep=time.sleep)
    with client, pytest.raises(Unavailable, match="no connection to 127.0.0.1"):
        client.get("/x")


def test_hosts_of_a_site_share_a_pace_that_is_kept(server):
    time = Time()
    server.on(HOST, "/x", GOOD)
    server.on("www.example.org", "/y", GOOD)
    with make(server, time, RATE=8.0) as client:
        for _ in range(3):
            client.get("/x")
            client.get("https://www.example.org/y")
    assert time.now - MIDNIGHT == pytest.approx(5 / 8)


def test_bucket_lets_no_more_through_than_its_rate_in_any_window():
    time, sent = Time(), []
    bucket = TokenBucket(4.0, clock=time.clock, sleep=time.sleep)
    for pause in [0.0, 0.1, 3.0, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 1.0, 0.0]:
        time.now += pause
        bucket.take()
        sent.append(time.now)
    for first in sent:
        assert sum(first <= moment < first + 1 for moment in sent) <= 4 + 1e-9
    time.now -= 3600  # As where the system's clock is set back.
    bucket.take()
    assert time.now >= sent[-1] - 3600


@pytest.mark.parametrize(
    "header, seconds",
    [
        ("120", 120),
        (" 0 ", 0),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("Sun, 13 Sep 2020 12:26:50 GMT", 10),
        ("Sun, 13 Sep 2020 12:26:30 GMT", 0),
    ],
)
def test_retry_after(header, seconds):
    assert retry_after(header, MIDNIGHT) == seconds


@pytest.mark.parametrize("place", ["header", "query"])
def test_key_arrives_and_nothing_else_ever_holds_it(server, place, caplog):
    """Logs of every library, errors and their causes, whatever a server echoes."""
    caplog.set_level(logging.DEBUG)
    keyed = {"KEY": "EXAMPLE_KEY", "KEY_IN": (place, "X-Key")}
    keyed["environment"] = {"EXAMPLE_KEY": f" {SECRET}\n"}
    assert get(server, GOOD, **keyed) == GOOD
    asked = server.requests[0]
    assert asked.headers.get("x-key") == (SECRET if place == "header" else None)
    assert asked.query.get("X-Key") == (SECRET if place == "query" else None)
    assert asked.query["id"] == "GDP"

    echo = json.dumps({"Error Message": f"your key {SECRET} is used up"}).encode()
    encoded = b'{"next": "/x?X-Key=s3cr3tK3Y%2F0123456789%2Babcdef"}'
    for answer in (
        echo,
        SECRET.upper().join(["{", "}"]).encode(),
        json.dumps({"observations": [SECRET]}).encode(),
        encoded,
        Answer(echo, 400),
        Answer(echo, 401),
        Answer(echo, 500),
        Answer(echo, 301, (("Location", f"/x?key={SECRET}"),)),
        Answer(echo, cut=9),
        Answer(drop=True),
    ):
        with pytest.raises(SourceError) as caught:
            get(server, answer, **keyed)
        shown = "".join(traceback.format_exception(caught.value))
        assert "s3cr3tk3y" not in shown.lower()
    assert "httpcore" in {record.name.split(".")[0] for record in caplog.records}
    assert "HTTP Request: GET" in caplog.text
    assert "s3cr3tk3y" not in caplog.text.lower()


def test_key_goes_to_its_own_host_only():
    """A document that a source's answer names may stand anywhere."""
    seen = []

    def answer(request):
        seen.append((request.url.host, "x-key" in request.headers))
        return httpx.Response(200, content=GOOD)

    keyed = source(KEY="EXAMPLE_KEY", KEY_IN=("header", "X-Key"))
    client = Client(
        keyed,
        environment={"EXAMPLE_KEY": SECRET},
        transport=httpx.MockTransport(answer),
    )
    with client:
        client.get("/x")
        client.get("https://elsewhere.org/x")
    assert seen == [(HOST, True), ("elsewhere.org", False)]


@pytest.mark.parametrize(
    "value", [None, "", "  ", "short", "two words of it", "ключ-1234"]
)
def test_missing_key_is_named_and_what_is_there_is_not_shown(value):
    environment = {} if value is None else {"EXAMPLE_KEY": value}
    keyed = source(KEY="EXAMPLE_KEY", KEY_IN=("query", "apikey"))
    with pytest.raises(MissingKey, match="EXAMPLE_KEY") as caught:
        Client(keyed, environment=environment)
    assert not (value or "").strip() or value not in str(caught.value)


def test_key_does_not_print_itself():
    key = keys.Key("query", "apikey", SECRET, HOST)
    assert SECRET not in f"{key} {key!r} {[key]}"


@pytest.mark.parametrize(
    "mirror", ["http://example.org", "http://127.0.0.1.example.org:80", "ftp://x"]
)
def test_keys_go_to_no_mirror_in_the_clear(mirror):
    with pytest.raises(ValueError, match="mirror is .* want http://127.0.0.1:PORT"):
        Client(source(), mirror=mirror)


def test_without_httpx_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "httpx", None)
    with pytest.raises(ImportError, match=r"pip install 'thesis_rl\[net\]'"):
        Client(source())
