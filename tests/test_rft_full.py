"""Fetched, joined, trained, written and audited: the whole of it, without a network."""

import json

import numpy as np
import pytest
import world_run

from experiments import rft_full
from thesis_rl.data import panel


@pytest.fixture(scope="module")
def ran():
    return world_run.ran()


def test_every_claim_cites_and_everything_cited_stands(ran):
    found = ran.summary["theses"]["evidence"]
    assert found["claims"] == found["cited"] > 0
    assert found["num_problems"] == 0
    assert all(right == made > 0 for right, made in found["checks"].values())


def test_every_kind_of_evidence_is_cited(ran):
    lines = (ran.folder / "theses.jsonl").read_text().splitlines()
    cited = [
        citation
        for line in lines
        for entry in json.loads(line)["evidence"]
        for citation in entry.get("citations", ())
    ]
    kinds = {(one["source"], one["field"]) for one in cited}
    assert {("bars", "close"), ("sec", "us-gaap:Assets"), ("sec", "purchase")} <= kinds
    fields = {field for _, field in kinds}
    assert "article" in fields and fields & {"value", "yield"}
    quoted = [one for one in cited if one["field"] == "article"]
    assert all(len(one["quote"]) == np.diff(one["span"]).item() for one in quoted)


def test_the_reports_are_there(ran):
    page = (ran.folder / "report.html").read_text()
    assert "Quoted numbers that come out again from the bytes" in page
    assert "SEC EDGAR" in (ran.folder / "data.html").read_text()


def test_no_key_is_in_any_file(ran):
    store = world_run.fetched("clean").folder / "store"
    files = [f for folder in (store, ran.folder) for f in folder.rglob("*")]
    texts = [str(file).encode() for file in files]
    texts += [file.read_bytes() for file in files if file.is_file()]
    assert len(texts) > 100
    for key in world_run.KEYS.values():
        assert not any(key.encode() in text for text in texts)


def test_without_a_store_it_says_what_is_missing_and_goes_on():
    config = rft_full.get_config("smoke")
    built = panel.build(config)
    (notice,) = built.report["notices"]
    assert "No events of sec, fred, newsapi, alphavantage, membership" in notice
    missing = built.report["features_missing"]
    assert missing["f_quality"] == built.report["rows_quoted"] > missing["term_spread"]
    config.data.events.missing = "stop"
    with pytest.raises(ValueError, match="names sec, fred, .*missing=mask to go on"):
        panel.build(config)
