"""The auditor: all is right in an honest run, and each lie in it is found."""

import copy
import functools
import json
import pathlib
import re
import shutil

import numpy as np
import pytest
import small_run
import world_run
from ml_collections import ConfigDict, FrozenConfigDict

from experiments import rft
from thesis_rl.data import panel, prices
from thesis_rl.data.sources import treasury
from thesis_rl.evaluation import audit as audit_lib
from thesis_rl.report import calibration
from thesis_rl.runs.record import row_of
from thesis_rl.thesis import generate_thesis
from thesis_rl.thesis.vocabulary import DECISION_LABELS, SECTION_NAMES

READ = audit_lib.read


@functools.cache
def honest() -> list[dict]:
    lines = (world_run.ran().folder / "theses.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@functools.cache
def anew() -> audit_lib.Sources:
    with world_run.within("clean"):
        return READ(world_run.config())


def verify(theses, patch) -> dict:
    """Verifies, with what the responses say read once for all tests."""
    patch.setattr(audit_lib, "read", lambda config: anew())
    patch.setattr(audit_lib, "MAX_PROBLEMS", 1000)
    with world_run.within("clean"):
        return audit_lib.verify(theses, world_run.config())


def all_right(found: dict) -> bool:
    return all(right == made > 0 for right, made in found["checks"].values())


def citing(source: str, field: str = "") -> tuple[dict, dict, dict]:
    """Copies a thesis; returns it, an entry of it, and what that cites of a source."""
    for thesis in copy.deepcopy(honest()):
        for entry in thesis["evidence"]:
            for cited in entry["citations"]:
                if cited["source"] == source and field in cited["field"]:
                    return thesis, entry, cited
    raise AssertionError(f"no thesis cites {source} {field}")


def test_every_asserted_claim_cites_and_all_is_right():
    found = world_run.ran().summary["theses"]["evidence"]
    assert found["claims"] == found["cited"] > 0
    assert all_right(found) and found["problems"] == []
    made = {check: count for check, (_, count) in found["checks"].items()}
    entries = [entry for thesis in honest() for entry in thesis["evidence"]]
    assert made["numbers"] == len(entries)
    assert made["bytes"] == sum(len(entry["citations"]) for entry in entries)


def test_a_claim_that_cites_nothing_is_not_covered(monkeypatch):
    thesis = copy.deepcopy(next(thesis for thesis in honest() if thesis["claims"]))
    asserted = [e for e in thesis["evidence"] if e["stance"] == "asserted"]
    asserted[0]["citations"] = []
    found = verify([thesis], monkeypatch)
    assert (found["claims"], found["cited"]) == (len(asserted), len(asserted) - 1)


def other_value(thesis, entry, cited):
    cited["values"][0] *= 1.01


def other_document(thesis, entry, cited):
    cited["document"] = "0000000000-00-000000"


def other_day(thesis, entry, cited):
    cited["event_times"][0] = "2022-01-01T00:00:00Z"


def other_name(thesis, entry, cited):
    cited["name"] = "BETA" if cited["name"] != "BETA" else "ALFA"


def another_response(thesis, entry, cited):
    """Bytes that are there, and do not say it."""
    cited["raw"] = citing("bars")[2]["raw"]


def no_response(thesis, entry, cited):
    cited["raw"] = "0" * 64


def sooner(thesis, entry, cited):
    cited["known"] = "2021-01-01T00:00:00Z"


def on_the_day_itself(thesis, entry, cited):
    """As if the thesis was of the day on whose evening a report was accepted."""
    day = cited["known"][:10]
    entry["citations"] = [each for each in entry["citations"] if each["known"] <= day]
    entry["citations"].append(cited)
    entry |= {"time": day, "stance": "declined"}
    thesis |= {"as_of": day, "claims": [], "evidence": [entry]}


def other_number(thesis, entry, cited):
    entry["quote"] = entry["quote"].replace("= +", "= -").replace("= -", "= +1", 1)


def other_ticker(thesis, entry, cited):
    thesis["ticker"] = "ZZZZ"


def other_words(thesis, entry, cited):
    cited["quote"] += " Great success."


def other_span(thesis, entry, cited):
    cited["span"] = [cited["span"][0] + 1, cited["span"][1] + 1]


@pytest.mark.parametrize(
    "lie, source, field, message",
    [
        (other_value, "sec", "us-gaap", "does not say us-gaap:"),
        (other_value, "sec", "sale", "does not say sale"),
        (other_value, "bars", "close", "does not say close"),
        (other_value, "fred", "", "does not say value"),
        (other_value, "treasury", "", "does not say yield"),
        (other_document, "sec", "us-gaap", "0000000000-00-000000 does not say"),
        (other_day, "sec", "us-gaap", "does not say us-gaap"),
        (other_name, "sec", "us-gaap", "does not say us-gaap"),
        (another_response, "sec", "us-gaap", "does not say us-gaap"),
        (no_response, "sec", "us-gaap", "is missing; restore it"),
        (sooner, "sec", "us-gaap", "was known 202.*, not 2021-01-01T00:00:00Z"),
        (sooner, "bars", "close", "was known 202.*, not 2021-01-01T00:00:00Z"),
        (sooner, "newsapi", "", "was known 202.*, not 2021-01-01T00:00:00Z"),
        (on_the_day_itself, "sec", "us-gaap", "was known 202.*, after the close"),
        (other_number, "sec", "us-gaap", "quotes 'f_quality = .*its sources give"),
        (other_ticker, "bars", "close", "have no prices of ZZZZ on 202"),
        (other_words, "alphavantage", "", "does not say article '.*success.'"),
        (other_span, "alphavantage", "", "does not say article"),
    ],
)
def test_a_lie_is_found(monkeypatch, lie, source, field, message):
    thesis, entry, cited = citing(source, field)
    assert verify([thesis], monkeypatch)["num_problems"] == 0
    lie(thesis, entry, cited)
    found = verify([thesis], monkeypatch)
    where = f"{thesis['ticker']}, {thesis['as_of']}, {entry['claim_id']}: "
    problems = [text for text in found["problems"] if text.startswith(where)]
    assert problems and not all_right(found)
    assert any(re.search(message, text) for text in problems), problems


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_bytes_that_changed_since_are_named_and_nothing_else_is_believed(
    tmp_path, monkeypatch, damage
):
    _, _, cited = citing("sec", "us-gaap")
    shutil.copytree(world_run.fetched("clean").folder / "store", tmp_path / "store")
    stored = pathlib.Path("store", "raw", "sec", cited["raw"][:2], cited["raw"])
    monkeypatch.chdir(tmp_path)
    content = stored.read_bytes()
    stored.unlink()
    if damage == "changed":
        stored.write_bytes(content.replace(b"1", b"2", 1))
    found = audit_lib.verify(honest(), world_run.config())
    (problem,) = found["problems"]
    assert problem.startswith(f"nothing could be checked: {stored} ")
    assert f"{damage}" in problem and "fetch again" in problem
    assert found["num_problems"] == 1 and found["claims"] == found["cited"] > 0
    assert set(map(tuple, found["checks"].values())) == {(0, 0)}
    assert calibration.audit_problems({"theses": {"evidence": found}}).endswith(problem)


# Prices off files, and events that ship with the package.


@pytest.fixture
def curves(monkeypatch):
    monkeypatch.setattr(treasury, "shipped", world_run.CURVES)


def of_files(source: str, start: str, path: str = "") -> FrozenConfigDict:
    config = rft.get_config("smoke")
    config.data.update(source=source, start=start, path=path)
    config.data.events.sources = ("treasury",)
    config.features = (*config.features, "term_spread")
    claims = rft.CLAIMS | {"steep_curve": world_run.MACRO_CLAIM}
    config.claims = ConfigDict(claims)
    return FrozenConfigDict(config)


def write_some(config, days) -> list[dict]:
    """Writes theses that assert every claim that can be checked."""
    dataset = panel.build(config)
    host = dataset._replace(panel=type(dataset.panel)(*map(np.asarray, dataset.panel)))
    sections = np.ones(len(SECTION_NAMES), bool)
    sure = np.full(len(DECISION_LABELS), 1 / len(DECISION_LABELS))
    return [
        generate_thesis(
            row_of(
                host,
                config,
                day,
                name,
                sections,
                host.panel.known[day, name],
                sure,
                0.2,
            ),
            config.claims,
        )
        for day in days
        for name in np.flatnonzero(dataset.close.iloc[day].notna())[:2]
    ]


@pytest.mark.parametrize(
    "source, start, fields",
    [
        ("us20", "2014-01-02", {"close"}),
        ("us6", "2014-01-02", {"close"}),
        ("us5_raw", "2004-12-01", {"close", "split"}),
    ],
)
def test_packaged_files_verify(curves, monkeypatch, source, start, fields):
    config = of_files(source, start)
    files = audit_lib.read(config)
    monkeypatch.setattr(audit_lib, "read", lambda config: files)
    told = write_some(config, (70, 300))  # A split is in the windows of both.
    found = audit_lib.verify(told, config)
    assert found["problems"] == [] and all_right(found)
    assert found["claims"] == found["cited"] == found["checks"]["numbers"][1]
    cited = [c for t in told for e in t["evidence"] for c in e["citations"]]
    assert {c["field"] for c in cited if c["source"] == source} == fields
    assert {c["source"] for c in cited} == {source, "treasury"}
    for thesis in told:
        assert_moved_as_cited(thesis)
    close = next(c for c in cited if c["field"] == "close")
    close["values"][0] += 1.0
    problems = audit_lib.verify(told, config)["problems"]
    assert any("does not say close" in text for text in problems)


def assert_moved_as_cited(thesis: dict) -> None:
    """Computes a return from nothing but the numbers that are cited for it."""
    entries = {entry["claim_id"]: entry for entry in thesis["evidence"]}
    entry = entries["long_term_momentum"]
    cited = {each["field"]: each["values"] for each in entry["citations"]}
    first, last = cited["close"]
    found = last * np.prod(cited.get("split", 1.0)) / first - 1
    assert entry["quote"].startswith(f"mom30 = {found:+.4g}, ")
    assert entry["citations"][0]["event_times"][-1] == thesis["as_of"]


def test_a_folder_of_ones_own_verifies_until_a_file_changes(tmp_path, curves):
    lines = ["date,ticker,close,volume"]
    quoted = prices.load(of_files("us6", "2014-01-02").data).close.iloc[:120]
    for day, row in quoted.iterrows():
        lines += [f"{day:%Y-%m-%d},{name},{x:.4f},1000" for name, x in row.items()]
    file = tmp_path / "bars.csv"
    file.write_text("\n".join(lines))
    config = of_files("files", "", str(tmp_path))
    told = write_some(config, (100,))
    found = audit_lib.verify(told, config)
    assert found["problems"] == [] and all_right(found)
    file.write_text("\n".join(lines[:-1] + [lines[-1].replace(",1000", ",2000")]))
    problems = audit_lib.verify(told, config)["problems"]
    assert any("bars.csv" in text for text in problems)


def test_a_simulated_market_has_nothing_to_cite():
    config = small_run.config()
    dataset = panel.build(config)
    row = row_of(
        dataset,
        config,
        150,
        0,
        np.ones(len(SECTION_NAMES), bool),
        np.zeros(len(config.claims), bool),
        np.full(len(DECISION_LABELS), 1 / len(DECISION_LABELS)),
        0.2,
    )
    assert row.citations is None
    assert "citations" not in generate_thesis(row, config.claims)["evidence"][0]
    assert calibration.audit_table({"theses": {"evidence": None}}) is None
