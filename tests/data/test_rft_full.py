"""The whole way, offline: fetched by HTTP, joined, trained, written out and audited."""

import json
import pathlib

import pytest
import small_world
import world_run
import world_sources
from ml_collections import ConfigDict, FrozenConfigDict
from report_reader import Reader

from experiments import rft_full
from thesis_rl.data import panel, store
from thesis_rl.data.sources import treasury
from thesis_rl.thesis.vocabulary import SECTION_NAMES
from thesis_rl.walk_forward.check import check


@pytest.fixture(scope="module")
def theses() -> list[dict]:
    lines = (world_run.ran().folder / "theses.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def all_files(folder: pathlib.Path) -> list[pathlib.Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_every_source_was_fetched_whole_and_rejected_nothing():
    found = world_run.fetched("clean")
    for result in found.results:
        assert result.failures == {} and result.ingested.rejected == {}, result
    at_cut, at_end = found.results[:7], found.results[7:]
    assert [result.name for result in at_end] == list(world_sources.SOURCES)
    for before, after in zip(at_cut, at_end, strict=True):
        assert after.coverage.rows == before.coverage.rows + after.ingested.added
    sec = at_end[2]
    assert sec.outcome.found > 100  # Forms 4 that the store had were not asked for.
    with world_run.within("clean"):
        assert set(store.sources("store")) == set(world_sources.SOURCES)


def test_keys_were_sent_and_are_nowhere_else():
    found, ran = world_run.fetched("clean"), world_run.ran()
    sent = "".join(f"{asked.query} {asked.headers}" for asked in found.requests)
    paths = all_files(found.folder)  # The store, and the run within.
    assert ran.folder / "report.html" in paths and len(paths) > 400
    written = b"".join(path.read_bytes() for path in paths)
    shown = "\n".join([*map(str, paths), *ran.said, found.printed])
    for key in world_run.KEYS.values():
        assert key in sent
        assert key.encode() not in written and key not in shown


def test_theses_cite_every_kind_of_evidence(theses):
    """And nothing later than their own close."""
    closes = dict(zip(small_world.DAYS, small_world.CLOSES, strict=True))
    kinds = set()
    for thesis in theses:
        for entry in thesis["evidence"]:
            assert entry["citations"]
            for cited in entry["citations"]:
                kinds.add((cited["source"], cited["field"].partition(":")[0]))
                close = f"{closes[thesis['as_of']]:%Y-%m-%dT%H:%M:%SZ}"
                assert cited["known"] <= close
                assert ("span" in cited) == (cited["field"] == "article")
    assert kinds >= {
        ("bars", "close"),
        ("bars", "split"),
        ("bars", "dividend"),
        ("sec", "us-gaap"),
        ("sec", "purchase"),
        ("sec", "sale"),
        ("treasury", "yield"),
        ("fred", "value"),
        ("newsapi", "article"),
        ("alphavantage", "article"),
    }


def test_quotes_stand_in_the_responses_that_are_cited(theses):
    """From claim to event to raw bytes, by hand, as an auditor would."""
    raw = world_run.fetched("clean").folder / "store" / "raw"
    articles = [
        cited
        for thesis in theses
        for entry in thesis["evidence"]
        for cited in entry["citations"]
        if cited["field"] == "article"
    ]
    for cited in articles:
        sha256 = cited["raw"]
        item = json.loads((raw / cited["source"] / sha256[:2] / sha256).read_bytes())
        for step in cited["place"].strip("/").split("/"):
            item = item[int(step) if step.isdigit() else step]
        body = item.get("description") or item.get("summary")
        start, stop = cited["span"]
        assert f"{item['title']}\n{body}"[start:stop] == cited["quote"]
        assert item["url"] == cited["document"]


def test_the_run_covers_its_claims_and_says_so():
    ran = world_run.ran()
    found = ran.summary["theses"]["evidence"]
    assert found["claims"] == found["cited"] > 0 and found["problems"] == []
    assert all(right == made > 0 for right, made in found["checks"].values())
    assert ran.summary["data"]["notices"] == []
    page = Reader((ran.folder / "report.html").read_text())
    rows = {row[0]: row[1:] for row in page.rows if row}
    checked = rows["Claims asserted that cite what they rest on"]
    assert checked == [str(found["claims"]), str(found["cited"]), "100.0%"]
    assert (ran.folder / "data.html").stat().st_size > 1000


def test_all_sections_have_claims_that_can_be_checked(theses):
    """What rft_full adds to prices lights up every section of a thesis."""
    rules = world_run.config().claims
    known = {entry["claim_id"] for thesis in theses for entry in thesis["evidence"]}
    assert {rules[claim].section for claim in known} == set(SECTION_NAMES)


def without_a_store(**keys) -> FrozenConfigDict:
    config = ConfigDict(rft_full.get_config("smoke"))
    config.data.start = "2014-01-02"
    config.update_from_flattened_dict(keys)
    check(FrozenConfigDict(config))
    return FrozenConfigDict(config)


def test_without_a_store_it_names_what_is_missing_and_goes_on(monkeypatch):
    """On the shipped prices, with the shipped curve."""
    monkeypatch.setattr(treasury, "shipped", world_run.CURVES)
    made = panel.build(without_a_store())
    (notice,) = made.report["notices"]
    assert notice.startswith(
        "No events of sec, fred, newsapi, alphavantage, membership"
    )
    there = made.panel.available.any((0, 1))
    has = dict(zip(made.feature_names, there.tolist(), strict=True))
    assert has["mom10"] and has["term_spread"] and has["vol_regime"]
    for feature in ("f_quality", "f_sentiment", "f_insider", "growth"):
        assert not has[feature]


def test_without_a_store_it_stops_where_nothing_may_be_missing():
    keys = {"data.events.missing": "stop", "data.events.sources": ("sec", "fred")}
    with pytest.raises(ValueError, match="names sec, fred, but .*missing=mask"):
        panel.build(without_a_store(**keys))
