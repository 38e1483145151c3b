"""Fetching goes on where it stopped, and one failure stops no more than it must."""

import errno
import json
import pathlib
import re
import threading
import types

import numpy as np
import pandas as pd
import pytest
from replay_server import Answer, ReplayServer

from thesis_rl import files
from thesis_rl.data import sources, store
from thesis_rl.data.sources import fetching, sec, treasury
from thesis_rl.data.sources.client import Client
from thesis_rl.data.sources.keys import BadResponse, SourceError
from thesis_rl.data.sources.parsed import Parsed, consolidate
from thesis_rl.data.store import ingest, raw

HOST = "prices.example.org"
SECRET = "0123456789abcdefSECRET"
NOW = pd.Timestamp("2020-06-01 12:00")


def check(content: bytes) -> None:
    try:
        body = json.loads(content)
    except ValueError:
        raise BadResponse("truncated JSON") from None
    if "error" in body:
        raise BadResponse(body["error"])


def fetch(get, group: str, config) -> None:
    for page in json.loads(get("list", "/list", (("ticker", group),)))["pages"]:
        get("page", f"/{group}/{page}")


def parse(responses) -> Parsed:
    rows, zeros = [], 0
    for response in responses:
        if response.request.kind != "page":
            continue
        for place, (day, value) in enumerate(json.loads(response.content)["values"]):
            zeros += value == 0
            event = {
                "source": SOURCE.NAME,
                "name": response.request.group,
                "field": "close",
                "event_time": day,
                "knowledge_time": day,
                "value": value,
                "raw": response.sha256,
                "place": f"/values/{place}",
            }
            if value:
                rows.append((event, response.received))
    return Parsed(consolidate(rows), {"zero": zeros} if zeros else {})


SOURCE = types.SimpleNamespace(
    NAME="example",
    TITLE="An example",
    ADDRESS=f"https://{HOST}",
    RATE=1e9,
    KEY="EXAMPLE_KEY",
    KEY_IN=("query", "apikey"),
    LICENCE="none",
    check=check,
    fetch=fetch,
    parse=parse,
)


def page(*values) -> bytes:
    return json.dumps({"values": values}).encode()


@pytest.fixture
def server(monkeypatch):
    """Two tickers of two pages each."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ReplayServer() as server:
        server.on(HOST, "/list", b'{"pages": ["1", "2"]}')
        for number, ticker in enumerate(("A", "B")):
            values = ["2020-01-02", 1.0 + number], ["2020-01-03", 2.0 + number]
            server.on(HOST, f"/{ticker}/1", page(*values))
            server.on(
                HOST, f"/{ticker}/2", page(["2020-03-02", 3.0], ["2020-03-03", 0])
            )
        yield server


def run(root, server, source=SOURCE, groups=("A", "B"), until="2020-06-01", **changes):
    config = types.SimpleNamespace(store=root, until=until)
    environment = changes.pop("environment", {"EXAMPLE_KEY": SECRET})
    sleep = changes.pop("sleep", lambda seconds: None)

    def connect() -> Client:
        mirror = {"mirror": server.address, "sleep": sleep}
        return Client(source, environment=environment, **mirror)

    given = {"connect": connect, "now": lambda: NOW} | changes
    return fetching.fetch_source(source, groups, config, **given)


def everything(root) -> dict[str, bytes]:
    found = [path for path in pathlib.Path(root).rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def test_a_universe_ends_in_the_store(tmp_path, server):
    over = []
    outcome = run(tmp_path, server, done=over.append)
    assert outcome == ("example", 6, 0, {}, (), "") and over == ["A", "B"]
    ingested = ingest.ingest(tmp_path, SOURCE)
    assert ingested == (6, {"zero": 2}, {})
    events = store.load(tmp_path, "example")
    assert events["value"].to_list() == [1, 2, 3, 2, 3, 3]
    hashes = {r.sha256 for g in "AB" for r in raw.responses(tmp_path, "example", g)}
    manifest = store.manifest(tmp_path, "example")
    assert manifest["licence"] == "none" and set(manifest["parents"]) == hashes


def test_again_asks_nothing_needs_no_key_and_adds_nothing(tmp_path, server):
    run(tmp_path, server)
    ingest.ingest(tmp_path, SOURCE)
    before, asked = everything(tmp_path), len(server.requests)
    outcome = run(tmp_path, server, environment={})
    assert outcome == ("example", 0, 6, {}, (), "")
    assert ingest.ingest(tmp_path, SOURCE).added == 0
    assert everything(tmp_path) == before and len(server.requests) == asked


def test_another_day_asks_again_but_not_for_what_never_changes(tmp_path, server):
    """A Form 4 is filed once; the list of filings grows."""

    def with_form(get, group, config):
        get("list", "/list", (("ticker", group),))
        get("form4", f"/{group}/1")

    source = types.SimpleNamespace(**vars(SOURCE) | {"fetch": with_form})
    run(tmp_path, server, source)
    outcome = run(tmp_path, server, source, until="2020-06-02")
    assert (outcome.asked, outcome.found) == (2, 2)
    assert server.paths().count("/A/1") == 1 and server.paths().count("/list") == 4


@pytest.mark.parametrize("answered", range(6))
def test_killed_anywhere_and_started_again_nothing_is_asked_twice(
    tmp_path, server, answered, monkeypatch
):
    whole = tmp_path / "whole"
    run(whole, server)
    server.requests.clear()
    put, written = raw.put, []

    def killing_put(*request):
        put(*request)
        written.append(request)
        if len(written) > answered:
            raise KeyboardInterrupt

    monkeypatch.setattr(raw, "put", killing_put)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", server)
    monkeypatch.undo()
    outcome = run(tmp_path / "cut", server)
    assert (outcome.asked, outcome.found) == (5 - answered, answered + 1)
    asked = [(one.path, tuple(one.query.items())) for one in server.requests]
    assert len(asked) == len(set(asked)) == 6
    assert everything(tmp_path / "cut") == everything(whole)


def test_a_failed_group_is_noted_and_the_next_one_is_fetched(tmp_path, server):
    server.on(HOST, "/A/1", Answer(b"no such ticker", 404))
    outcome = run(tmp_path, server)
    assert list(outcome.failed) == ["A"] and outcome.left == ()
    assert "/A/1: status 404, no such ticker" in outcome.failed["A"]
    assert ingest.ingest(tmp_path, SOURCE).added == 3
    server.on(HOST, "/A/1", page(["2020-01-02", 1.0]))
    outcome = run(tmp_path, server)
    assert outcome.failed == {} and (outcome.asked, outcome.found) == (2, 4)


@pytest.mark.parametrize(
    "body, words",
    [
        (b'{"error": "unknown symbol"}', "unknown symbol"),
        (b'{"pages": ["1", "2"', "truncated JSON"),
        (b'{"sheets": []}', "KeyError: 'pages'"),
        (json.dumps({"error": f"key {SECRET} is used up"}).encode(), r"key \[key\] is"),
        (
            json.dumps({"pages": [], "next": f"/?apikey={SECRET}"}).encode(),
            "repeats the",
        ),
    ],
)
def test_a_200_that_is_no_answer_fails_its_group_and_holds_no_key(
    tmp_path, server, body, words
):
    server.on(HOST, "/list", body, query={"ticker": "A"})
    outcome = run(tmp_path, server)
    assert list(outcome.failed) == ["A"] and re.search(words, outcome.failed["A"])
    assert SECRET not in str(outcome)
    kept = everything(tmp_path)
    assert SECRET.encode() not in b"".join(kept.values())
    assert SECRET not in "".join(kept)


@pytest.mark.parametrize(
    "answer", [Answer(status=401), Answer(status=403), Answer(status=429)]
)
def test_what_concerns_all_groups_ends_the_source(tmp_path, server, answer):
    server.on(HOST, "/B/1", answer)
    outcome = run(tmp_path, server, groups=("A", "B", "C"))
    assert outcome.failed == {} and outcome.left == ("B", "C")
    assert f"status {answer.status}" in outcome.ended
    assert {one.query.get("ticker") for one in server.requests} <= {"A", "B", None}


def test_without_key_or_library_nothing_is_asked(tmp_path, server, monkeypatch):
    outcome = run(tmp_path, server, environment={})
    assert outcome.left == ("A", "B") and "export EXAMPLE_KEY=" in outcome.ended
    monkeypatch.setitem(__import__("sys").modules, "httpx", None)
    outcome = run(tmp_path, server)
    assert "pip install 'thesis_rl[net]'" in outcome.ended
    assert server.requests == [] and everything(tmp_path) == {}


def test_a_full_disk_says_so_and_loses_nothing(tmp_path, server, monkeypatch):
    write, room = files.write_bytes, [5]

    def full(path, data):
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, data)

    monkeypatch.setattr(files, "write_bytes", full)
    with pytest.raises(OSError, match="No space left on device.* run again"):
        run(tmp_path, server)
    monkeypatch.undo()
    outcome = run(tmp_path, server)
    assert (outcome.asked, outcome.found) == (4, 2)
    assert ingest.ingest(tmp_path, SOURCE).added == 6


def test_two_at_once_write_nothing_twice(tmp_path, server):
    """Both ask for the same page before either has an answer."""
    whole = tmp_path / "whole"
    run(whole, server)
    ingest.ingest(whole, SOURCE)
    gate = threading.Event()
    body = page(["2020-01-02", 1.0], ["2020-01-03", 2.0])
    server.on(HOST, "/A/1", Answer(body, hold=gate))
    server.requests.clear()
    both, results = tmp_path / "both", []

    def work():
        outcome = run(both, server)
        results.append((outcome, ingest.ingest(both, SOURCE)))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    while server.paths().count("/A/1") < 2:
        threads[0].join(0.005)
        assert threads[0].is_alive()
    gate.set()
    for thread in threads:
        thread.join()
    assert [outcome.failed for outcome, _ in results] == [{}, {}]
    assert sum(ingested.added for _, ingested in results) == 6
    alone, together = (store.load(root, "example") for root in (whole, both))
    columns = ["name", "event_time", "value", "raw"]
    pd.testing.assert_frame_equal(
        alone[columns].sort_values(columns, ignore_index=True),
        together[columns].sort_values(columns, ignore_index=True),
    )
    kept = [everything(root / "raw") for root in (whole, both)]
    assert kept[0] == kept[1]


def test_a_group_that_cannot_be_parsed_is_named_and_the_others_are_kept(
    tmp_path, server
):
    server.on(HOST, "/A/1", b'{"prices": []}')
    run(tmp_path, server)
    ingested = ingest.ingest(tmp_path, SOURCE)
    assert ingested == (3, {"zero": 1}, {"A": "KeyError: 'values'"})


def source_of(file, parse=lambda responses: None) -> types.SimpleNamespace:
    """Makes a source that is one file of the user's own."""
    return types.SimpleNamespace(
        NAME="own",
        check=lambda content: None,
        fetch=lambda get, group, config: get(fetching.FILE, file),
        parse=parse,
    )


def test_a_changed_file_is_stored_again_and_an_unchanged_one_is_not(tmp_path):
    file = tmp_path / "A.csv"
    source = source_of(file)
    root, answers = tmp_path / "store", []
    for text in ("1", "1", "2"):
        file.write_text(text)
        answers.append(run(root, None, source, ("A",)))
    assert [(one.asked, one.found) for one in answers] == [(1, 0), (0, 1), (1, 0)]
    contents = {one.content for one in raw.responses(root, "own", "A")}
    assert contents == {b"1", b"2"}
    file.unlink()
    assert "cannot be read" in run(root, None, source, ("A",)).failed["A"]


def test_groups_and_clients_of_real_sources():
    config = types.SimpleNamespace(
        tickers={"A": {}, "B": {}}, series=("DGS10",), mirror="", get=lambda key: ""
    )
    assert fetching.groups(sec, config) == ("A", "B")
    assert len(fetching.groups(treasury, config)) == 1
    with pytest.raises(SourceError, match="user_agent"):
        fetching.client_of(sec, config, print)


@pytest.mark.parametrize("source", sources.ALL, ids=sources.name_of)
def test_every_source_keeps_the_contract(source, server):
    for text in ("NAME", "TITLE", "LICENCE", "ADDRESS"):
        assert isinstance(getattr(source, text), str)
    assert source.RATE > 0
    assert isinstance(source.parse([]), Parsed)
    for damaged in (b"", b"   "):
        with pytest.raises(BadResponse):
            source.check(damaged)
    if source.KEY is None:
        return
    place, name = source.KEY_IN
    mirror, environment = server.address, {source.KEY: SECRET}
    with Client(source, mirror=mirror, environment=environment) as client:
        server.on(source.ADDRESS.removeprefix("https://"), "/x", b"{}")
        client.get("/x")
    (asked,) = server.requests
    held = asked.headers if place == "header" else asked.query
    assert held[name.lower() if place == "header" else name] == SECRET


def test_coverage_finds_the_longest_gap_of_one_name():
    days = pd.to_datetime(["2020-01-01", "2020-01-31", "2020-03-01", "2020-03-02"])
    events = pd.DataFrame(
        {
            "name": ["A", "A", "B", "B"],
            "event_time": days,
            "knowledge_time": days,
            "value": 1.0,
            "seq": range(4),
        }
    )
    found = ingest.coverage(events.iloc[[2, 0, 3, 1, 1]])
    assert found == (5, 2, days[0], days[3], 30.0, "A")
    single = ingest.coverage(events.head(1))
    assert np.isnan(single.gap_days) and single.gap_name == ""
    assert ingest.coverage(events.head(0)).rows == 0


def test_a_file_that_cannot_be_read_is_not_kept_and_its_correction_is(tmp_path):
    def parse(responses):
        if any(one.content == b"bad" for one in responses):
            raise ValueError("A.csv, line 1: bad")

    file = tmp_path / "A.csv"
    source = source_of(file, parse)
    root = tmp_path / "store"
    file.write_text("bad")
    assert "line 1: bad" in run(root, None, source, ("A",)).failed["A"]
    file.write_text("good")
    assert not run(root, None, source, ("A",)).failed
    assert [one.content for one in raw.responses(root, "own", "A")] == [b"good"]


def test_an_edit_that_is_undone_is_the_last_word(tmp_path):
    file = tmp_path / "A.csv"
    source = source_of(file)
    for text in ("10", "99", "10"):
        file.write_text(text)
        run(tmp_path / "store", None, source, ("A",))
    kept = raw.responses(tmp_path / "store", "own", "A")
    assert sorted(one.content for one in kept) == [b"10", b"10", b"99"]
