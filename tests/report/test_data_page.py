"""The data report says what there is and what is wrong, and needs nothing else."""

import re

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from ml_collections import ConfigDict

from experiments import rft
from tests.report_reader import Reader
from thesis_rl.data import clock, events, panel, store, universe
from thesis_rl.data.quality import gates
from thesis_rl.report import data

HOSTILE = "Z<script>alert(1)</script>"
NAMES = ["AAA", "BBB", HOSTILE]
DAYS = clock.sessions("2018-06-01", "2020-03-31")
SHA = "ab" * 32


def quotes(folder):
    """Writes closes of three names; BBB begins with 2020."""
    rng = np.random.default_rng(0)
    close = 50 * np.exp(np.cumsum(0.01 * rng.normal(size=(len(DAYS), 3)), axis=0))
    frame = pd.DataFrame(close, DAYS.rename("date"), NAMES)
    frame.loc[:"2019-12-31", "BBB"] = np.nan
    frame.to_csv(folder / "closes.csv")


def event(source, name, lag, number, value=1.0):
    about = pd.Timestamp("2019-05-01 20:00") + pd.Timedelta(days=number)
    return {
        "source": source,
        "name": name,
        "field": "value",
        "event_time": about,
        "knowledge_time": about + pd.Timedelta(days=lag),
        "value": value,
        "raw": SHA,
    }


def tables():
    lags = [0.0, 0.5, 1.0, 20.0, 400.0]
    facts = [event("sec", "AAA", lag, i) for i, lag in enumerate(lags)]
    facts.append(event("sec", "BBB", 0.0, 9, np.nan))
    member = [event("membership", name, -1.0, 0) for name in NAMES]
    return {"sec": events.table(facts), "membership": events.table(member)}


@pytest.fixture(scope="module")
def prices_alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quotes")
    quotes(folder)
    config = rft.get_config("smoke")
    config.data.source, config.data.path = "files", str(folder)
    config.data.start = ""
    config.labels.recipe = "absolute"
    config.features = (
        "mom10",
        "volume_ratio",
        "mom10_rel",
        "f_quality",
        "f_quality_age",
    )
    rule = rft.CLAIMS["long_term_momentum"] | {"conditions": (("mom10", ">", 0.0),)}
    config.claims = ConfigDict({"momentum": rule})
    return panel.build(config)


@pytest.fixture(scope="module")
def dataset(prices_alone):
    """The same prices with events, findings, a universe, and quality from 2020 on."""
    held, found = prices_alone.evidence, tables()
    member = pd.DataFrame(True, DAYS, NAMES)
    member.loc["2019-01-01":, "AAA"] = False
    available = np.array(prices_alone.panel.available)
    available[DAYS.year == 2020, 2, 3] = True
    quoted = held.prices._replace(member=member)
    findings = [finding._asdict() for finding in gates.inspect(held.prices, found)]
    for severity in ("warn", "stop"):
        text = f"A {severity} of {HOSTILE}"
        findings.append(
            gates.Finding("split", severity, HOSTILE, "", 1, text)._asdict()
        )
    return prices_alone._replace(
        evidence=held._replace(prices=quoted, tables=found),
        report=prices_alone.report | {"findings": findings},
        panel=prices_alone.panel._replace(available=jnp.asarray(available)),
    )


@pytest.fixture(scope="module")
def page(dataset):
    return data.page(dataset, {})


def test_page_is_whole_safe_and_needs_nothing_else(page):
    read = Reader(page)
    loaded = [
        value
        for _, name, value in read.attributes
        if name in ("src", "href", "xlink:href", "data", "action", "srcset")
    ]
    assert loaded and all(value.startswith(("#", "data:")) for value in loaded)
    assert not re.search(r"url\((?!#)|@import|<script|<iframe|javascript:", page)
    assert HOSTILE in read.text
    ids = [value for _, name, value in read.attributes if name == "id"]
    wanted = re.findall(r'(?:href="|url\()#([^")]+)', page)
    assert len(ids) == len(set(ids)) and set(wanted) <= set(ids)
    labels = [tag for tag, name, value in read.attributes if name == "aria-label"]
    assert labels.count("table") == page.count("<table")
    assert labels.count("svg") == page.count("<svg") == 1


def test_colours_are_those_of_the_theme_light_and_dark(page):
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    drawn = page.replace(style, "")
    assert not re.search(r"#[0-9a-fA-F]{6}\b", drawn)
    used = set(re.findall(r"var\((--[\w-]+)\)", page)) - {"--share"}
    for block in (style, style[style.index("prefers-color-scheme: dark") :]):
        assert used <= set(re.findall(r"(--[\w-]+):", block))


def test_findings_are_all_there_the_worst_first(dataset, page):
    text, found = Reader(page).text, dataset.report["findings"]
    places = [text.index(" ".join(one["sentence"].split())) for one in found]
    severity = {"stop": 0, "warn": 1, "note": 2}
    order = [severity[one["severity"]] for one in found]
    assert len(set(order)) == 3
    ranked = [rank for _, rank in sorted(zip(places, order, strict=True))]
    assert ranked == sorted(ranked)
    for rank, title in enumerate(("Stops", "Warnings", "Notes")):
        assert f"{title}: {order.count(rank)}" in text


def test_sources_are_described_with_licence_hash_and_counts(page):
    rows = {row[0]: row for row in Reader(page).rows if len(row) == 9}
    title, licence = rows["sec"][1:3]
    assert "SEC" in title and licence
    days = ["2019-05-01", "2019-05-10"]
    assert rows["sec"][3:] == [*days, "6", "2", "1", "1"]
    assert rows["membership"][5:] == ["3", "3", "0", "1"]
    hashed = [
        row for row in Reader(page).rows if row and row[0] == "sec" and SHA in row
    ]
    assert hashed == [["sec", "6 rows", SHA]]


def test_manifests_of_the_store_are_listed_with_their_hashes(dataset, tmp_path):
    root = tmp_path / "store"
    facts = dataset.evidence.tables["sec"]
    store.append(root, "sec", facts, title="Of the store", licence="L", parents=[SHA])
    data.write(dataset, tmp_path / "data.html", root)
    read = Reader((tmp_path / "data.html").read_text(encoding="utf-8"))
    said = store.manifest(root, "sec")
    assert ["manifests/sec.json", "manifest, its seal", said["seal"]] in read.rows
    for file in said["files"]:
        assert [file["path"], f"{file['rows']} rows", file["sha256"]] in read.rows
    (row,) = [row for row in read.rows if len(row) == 9 and row[0] == "sec"]
    assert row[1:3] == ["Of the store", "L"] and row[8] == "1"


def test_a_damaged_manifest_is_refused(dataset, tmp_path):
    facts = dataset.evidence.tables["sec"]
    store.append(tmp_path, "sec", facts, title="T", licence="L", parents=[])
    path = tmp_path / "manifests" / "sec.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"L"', '"free"'))
    with pytest.raises(ValueError, match="sec.json was changed"):
        data.write(dataset, tmp_path / "data.html", tmp_path)
    assert not (tmp_path / "data.html").exists()


def test_shares_are_those_of_a_loop(dataset):
    available = np.asarray(dataset.panel.available)
    years = [2018, 2019, 2020]
    columns = [0, 2]
    expected = np.full((3, 3), np.nan)
    for n, name in enumerate(NAMES):
        for y, year in enumerate(years):
            rows = [
                available[t, n, columns].mean()
                for t, day in enumerate(DAYS)
                if day.year == year and not np.isnan(dataset.close[name].iloc[t])
            ]
            expected[n, y] = np.mean(rows) if rows else np.nan
    np.testing.assert_allclose(data.shares(dataset, columns), expected)


def test_heat_maps_say_what_is_nowhere_and_join_names_that_agree(dataset, page):
    price, fundamentals = data.heats(dataset)
    assert price.said == ["mom10, mom10_rel.", "In no row: volume_ratio."]
    assert [row[1][:2] for row in price.rows if row[0] == "BBB"] == [[None, None]]
    assert fundamentals.title == "Fundamentals"
    assert fundamentals.rows == [
        ("AAA", [0.0, 0.0, 0.0]),
        ("BBB", [None, None, 0.0]),
        (HOSTILE, [0.0, 0.0, 1.0]),
    ]
    everywhere = np.ones_like(np.asarray(dataset.panel.available))
    whole = dataset._replace(
        panel=dataset.panel._replace(available=jnp.asarray(everywhere)),
        close=dataset.close.fillna(1.0),
    )
    assert data.heats(whole)[1].rows == [("All 3 names", [1.0, 1.0, 1.0])]
    row = next(row for row in Reader(page).rows if row[:2] == ["BBB", ""])
    assert row[1:3] == ["", ""] and row[3].isdigit()


def test_of_very_many_names_those_that_have_least_are_shown():
    rows = [(f"N{i}", [1.0 - i / 100, None]) for i in range(data.MOST_NAMES + 5)]
    kept, said = data._shortened(rows)
    assert kept == rows[5:] and f"{data.MOST_NAMES} of {len(rows)} names" in said[0]


def test_lags_fall_into_their_bins(page):
    found = tables()
    labels = [label for _, label in data.BINS]
    share = dict(zip(labels, data.lag_shares(found["sec"]), strict=True))
    assert {label: part for label, part in share.items() if part} == pytest.approx(
        {
            "at once": 2 / 6,
            "the same day": 1 / 6,
            "1 day": 1 / 6,
            "2 to 4 weeks": 1 / 6,
            "a year or more": 1 / 6,
        }
    )
    before = dict(zip(labels, data.lag_shares(found["membership"]), strict=True))
    assert before["before"] == 1.0
    assert not data.lag_shares(found["sec"][:0]).any()
    rows = {row[0]: row[1:] for row in Reader(page).rows if len(row) == 6}
    assert rows["sec"][0::2] == ["6", "0.8", "400.0"]
    assert rows["membership"] == ["3", "-1.0", "-1.0", "-1.0", "-1.0"]


def test_survivorship_is_always_said(dataset, prices_alone, page):
    (own,) = data.survivorship(prices_alone)
    assert own.startswith("Survivorship: names that were delisted are missing")
    bare = prices_alone._replace(report=prices_alone.report | {"caveats": []})
    assert data.survivorship(bare) == [universe.NO_MEMBERS]
    assert "of 3 names, 3 were members at some close and 1 of these left" in page


def test_it_works_without_any_event_source(prices_alone, tmp_path):
    data.write(prices_alone, tmp_path / "data.html")
    read = Reader((tmp_path / "data.html").read_text(encoding="utf-8"))
    assert "There are no events: all that is known" in read.text
    assert "In no row: f_quality, f_quality_age." in read.text
    assert not [tag for tag, _, _ in read.attributes if tag == "svg"]
    assert any(row[0] == "closes.csv" and len(row[2]) == 64 for row in read.rows)


def test_it_works_on_an_empty_table_and_on_simulated_prices(dataset):
    empty = dataset.evidence._replace(tables={"sec": events.table([])})
    rows = Reader(data.page(dataset._replace(evidence=empty), {})).rows
    assert ["sec", "0", "–", "–", "–", "–"] in rows
    config = rft.get_config("smoke")
    config.data.source, config.data.start = "synthetic", ""
    config.data.synthetic.num_days = 400
    text = Reader(data.page(panel.build(config), {})).text
    assert "SYNTHETIC DATA" in text and "Simulated prices are not inspected" in text
    assert "Survivorship: the market is simulated" in text
