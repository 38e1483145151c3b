"""The data report: what a panel is made of, what is wrong with it, what is missing.

One HTML file that needs nothing else, like the report of a run.
"""

import os
from collections.abc import Mapping

import numpy as np
import pandas as pd

from thesis_rl import files
from thesis_rl.data import universe
from thesis_rl.data.panel import Dataset
from thesis_rl.data.quality import event_gates
from thesis_rl.data.quality.findings import SEVERITIES
from thesis_rl.data.sources import ALL
from thesis_rl.data.store import manifests
from thesis_rl.report import coverage, lag_plot, wording
from thesis_rl.report.page import TEMPLATES
from thesis_rl.report.numbers import NOTHING, count, one_decimal, percent
from thesis_rl.report.sheet import Sheet, plain
from thesis_rl.report.wording import plural

TITLES = {"stop": "Stops", "warn": "Warnings", "note": "Notes"}


def write(dataset: Dataset, path: str | os.PathLike, store: str = "") -> None:
    """Writes the data report.

    Args:
        dataset: as built, with or without events.
        path: of the HTML file.
        store: config.data.events.store, where the manifests are; "" for none.

    Raises:
        OSError: the file cannot be written.
        ValueError: a manifest of the store is damaged.
    """
    known = manifests.sources(store) if store else []
    said = {
        source: manifests.manifest(store, source)
        for source in dataset.evidence.tables
        if source in known
    }
    files.write_text(path, page(dataset, said))


def page(dataset: Dataset, said: Mapping[str, dict]) -> str:
    """Writes the data report as HTML.

    Args:
        dataset: as built.
        said: manifests by source, of those that the store has.

    Returns:
        The file's text.
    """
    report, tables = dataset.report, dataset.evidence.tables
    return TEMPLATES.get_template("data_page.html.j2").render(
        report=report,
        cards=cards(dataset),
        survivorship=survivorship(dataset),
        findings=by_severity(report.get("findings", [])),
        facts=wording.data_facts({"data": report}),
        sources=sources(tables, said),
        lags=lags(tables),
        lag_figure=lag_plot.draw_lags(tables) if tables else None,
        heats=coverage.heats(dataset),
        masked=wording.masked({"data": report}),
        hashes=hashes(dataset, said),
    )


def cards(dataset: Dataset) -> list[tuple[str, str]]:
    """Picks the numbers to be read first."""
    report, found = dataset.report, by_severity(dataset.report.get("findings", []))
    events = sum(len(table) for table in dataset.evidence.tables.values())
    quoted = report["rows_quoted"] / report["rows"] if report["rows"] else None
    return [
        *((TITLES[severity], f"{len(found[severity]):,}") for severity in SEVERITIES),
        ("Names", f"{len(dataset.tickers):,}"),
        ("Sessions", f"{len(dataset.dates):,}"),
        ("Rows quoted", percent(quoted)),
        ("Events", f"{events:,}"),
    ]


def by_severity(findings: list[dict]) -> dict[str, list[dict]]:
    """Sorts findings into stops, warnings and notes."""
    return {
        severity: [one for one in findings if one["severity"] == severity]
        for severity in SEVERITIES
    }


def survivorship(dataset: Dataset) -> list[str]:
    """Says who is missing because nobody remembers them, as far as it is known."""
    report, member = dataset.report, dataset.evidence.prices.member
    if report["synthetic"]:
        return ["Survivorship: the market is simulated, and no name leaves it."]
    said = [text for text in report["caveats"] if text.startswith("Survivorship")]
    if member is None:
        return said or [universe.NO_MEMBERS]
    gone, inside = report["delisted"], member.to_numpy()
    left = inside.any(axis=0) & ~inside[-1]
    return [
        f"Universe: of {plural(member.shape[1], 'name')}, "
        f"{int(inside.any(axis=0).sum()):,} were members at some close and "
        f"{int(left.sum()):,} of these left; {len(gone):,} were delisted.",
        *said,
    ]


def sources(tables: Mapping[str, pd.DataFrame], said: Mapping[str, dict]) -> Sheet:
    """Tabulates what each source of events holds."""
    modules = {module.NAME: module for module in ALL}
    rows = []
    for source, events in tables.items():
        module, manifest = modules.get(source), said.get(source, {})
        own = {"title": module.TITLE, "licence": module.LICENCE} if module else {}
        words = ((own | manifest).get(key, NOTHING) for key in ("title", "licence"))
        days = event_gates.span(events) if len(events) else (NOTHING, NOTHING)
        retracted = events["value"].isna().sum()
        numbers = len(events), events["name"].nunique(), retracted
        responses = len(manifest.get("parents", events["raw"].unique()))
        rows.append((source, *words, *days, *map(count, (*numbers, responses))))
    headings = ("Source", "What", "Licence", "From", "To")
    counted = ("Rows", "Names", "Retractions", "Responses")
    return Sheet(plain(*headings, *counted), rows, num_words=len(headings))


def lags(tables: Mapping[str, pd.DataFrame]) -> Sheet:
    """Tabulates how many days after its event each source's rows were public."""
    rows = []
    for source, events in tables.items():
        days = event_gates.lags(events)
        at = np.quantile(days, (0.0, 0.5, 0.99, 1.0)) if len(days) else [None] * 4
        rows.append((source, count(len(days)), *map(one_decimal, at)))
    titles = ("Days from event to public", "Rows", "Least", "Median", "99%", "Most")
    return Sheet(plain(*titles), rows)


def hashes(dataset: Dataset, said: Mapping[str, dict]) -> Sheet:
    """Lists what was read, and what its bytes hash to."""
    prices = dataset.report.get("files", [])
    rows = [(file["file"], "prices", file["sha256"]) for file in prices]
    for source, events in dataset.evidence.tables.items():
        if source in said:
            rows += _stored(said[source])
        else:
            each = events.groupby("raw").size().items()
            rows += [(source, plural(size, "row"), raw) for raw, size in each]
    return Sheet(plain("File", "What", "SHA-256"), rows, num_words=3)


def _stored(manifest: dict) -> list[tuple[str, str, str]]:
    path = f"manifests/{manifest['source']}.json"
    parts = [
        (file["path"], plural(file["rows"], "row"), file["sha256"])
        for file in manifest["files"]
    ]
    return [(path, "manifest, its seal", manifest["seal"]), *parts]
