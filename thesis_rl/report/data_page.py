"""The data report: what a panel is made of, what is wrong with it, what is missing.

One HTML file that needs nothing else, like the report of a run.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from thesis_rl import files
from thesis_rl.data import event_gates, features, manifests, universe
from thesis_rl.data.findings import SEVERITIES
from thesis_rl.data.panel import Dataset
from thesis_rl.data.sources import ALL
from thesis_rl.report import lag_plot, wording
from thesis_rl.report.html import TEMPLATES
from thesis_rl.report.numbers import NOTHING, count, one_decimal, percent
from thesis_rl.report.sheet import Sheet, plain
from thesis_rl.report.wording import plural

GROUPS = {
    "Prices": tuple(features.FEATURES),
    "Fundamentals": ("f_quality", *features.FUNDAMENTALS),
    "Insiders": ("f_insider",),
    "News": ("f_sentiment",),
    "Macro": features.MACRO,
}
TITLES = {"stop": "Stops", "warn": "Warnings", "note": "Notes"}
MOST_NAMES = 60  # Rows of a heat map.


class Heat(NamedTuple):
    """How much of a feature group is there, by name and year."""

    title: str
    features: tuple[str, ...]
    years: list[int]
    rows: list[tuple[str, list[float | None]]]  # Shares; None where not quoted.
    said: str  # What is not drawn, and why.


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
        facts=wording.data({"data": report}),
        sources=sources(tables, said),
        lags=lags(tables),
        lag_figure=lag_plot.draw(tables) if tables else None,
        heats=heats(dataset),
        masked=wording.masked({"data": report}),
        hashes=hashes(report, said),
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
        about, manifest = events["event_time"], said.get(source, {})
        module = modules.get(source)
        own = (module.TITLE, module.LICENCE) if module else (NOTHING, NOTHING)
        title, licence = manifest.get("title"), manifest.get("licence")
        span = [f"{day:%Y-%m-%d}" for day in (about.min(), about.max()) if len(events)]
        responses = events["raw"].nunique() if len(events) else 0
        rows.append(
            (
                source,
                title or own[0],
                licence or own[1],
                *(span or [NOTHING] * 2),
                f"{len(events):,}",
                f"{events['name'].nunique():,}",
                f"{int(events['value'].isna().sum()):,}",
                f"{responses:,}",
            )
        )
    headings = ("Source", "What", "Licence", "From", "To")
    numbers = ("Rows", "Names", "Retractions", "Raw responses")
    return Sheet(plain(*headings, *numbers), rows, num_words=len(headings))


def lags(tables: Mapping[str, pd.DataFrame]) -> Sheet:
    """Tabulates how many days after its event each source's rows were public."""
    rows = []
    for source, events in tables.items():
        days = event_gates.lags(events)
        at = np.quantile(days, (0.0, 0.5, 0.99, 1.0)) if len(days) else [None] * 4
        rows.append((source, count(len(days)), *map(one_decimal, at)))
    titles = ("Days from event to public", "Rows", "Least", "Median", "99%", "Most")
    return Sheet(plain(*titles), rows)


def heats(dataset: Dataset) -> list[Heat]:
    """Measures the coverage of every feature group that the panel has."""
    bare = [
        name.removesuffix("_rel").removesuffix("_age") for name in dataset.feature_names
    ]
    found = []
    for title, group in GROUPS.items():
        columns = [i for i, name in enumerate(bare) if name in group]
        if columns:
            names = tuple(dataset.feature_names[i] for i in columns)
            found.append(_heat(dataset, title, names, columns))
    return found


def _heat(dataset: Dataset, title: str, names: tuple[str, ...], columns: list) -> Heat:
    shares, years = coverage(dataset, columns)
    rows = [
        (ticker, [None if np.isnan(share) else float(share) for share in row])
        for ticker, row in zip(dataset.tickers, shares, strict=True)
    ]
    if not np.nansum(shares):
        return Heat(title, names, years, [], "Available in no row.")
    if len(rows) > 1 and all(row == rows[0][1] for _, row in rows):
        return Heat(title, names, years, [(f"All {len(rows):,} names", rows[0][1])], "")
    if len(rows) <= MOST_NAMES:
        return Heat(title, names, years, rows, "")
    least = np.sort(np.nanmean(shares, axis=1).argsort(kind="stable")[:MOST_NAMES])
    text = f"The {MOST_NAMES} of {len(rows):,} names that have least of it."
    return Heat(title, names, years, [rows[i] for i in least], text)


def coverage(dataset: Dataset, columns: list[int]) -> tuple[np.ndarray, list[int]]:
    """Averages over features and quoted days the share that is available.

    Args:
        dataset: as built.
        columns: of the features.

    Returns:
        Shares [N, years], NaN in a year without a quote, and the years.
    """
    quoted = dataset.close.notna().to_numpy()
    there = np.asarray(dataset.panel.available)[:, :, columns].mean(axis=-1) * quoted
    years, starts = np.unique(dataset.dates.year, return_index=True)
    sums, days = (np.add.reduceat(x.astype(float), starts) for x in (there, quoted))
    share = np.divide(sums, days, out=np.full(sums.shape, np.nan), where=days > 0)
    return share.T, years.tolist()


def hashes(report: dict, said: Mapping[str, dict]) -> Sheet:
    """Lists every file that was read, and what its bytes hash to."""
    rows = [
        (file["file"], "prices", file["sha256"]) for file in report.get("files", [])
    ]
    for source, manifest in said.items():
        seal = f"seal of the manifest, {len(manifest['parents']):,} responses behind it"
        rows.append((f"manifests/{source}.json", seal, manifest["seal"]))
        rows += [
            (file["path"], plural(file["rows"], "row"), file["sha256"])
            for file in manifest["files"]
        ]
    return Sheet(plain("File", "What", "SHA-256"), rows, num_words=3)
