"""The data report: what a panel is made of, what is wrong with it, what is missing.

One HTML file that needs nothing else, like the report of a run.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes

from thesis_rl import files
from thesis_rl.data import features, universe
from thesis_rl.data.panel import Dataset
from thesis_rl.data.quality import event_gates
from thesis_rl.data.quality.findings import SEVERITIES
from thesis_rl.data.sources import ALL
from thesis_rl.data.store import manifests
from thesis_rl.report import canvas, sheet
from thesis_rl.report.canvas import BLUE, INK
from thesis_rl.report.page import TEMPLATES
from thesis_rl.report.sheet import (
    NOTHING,
    Sheet,
    count,
    one_decimal,
    percent,
    plain,
    plural,
)

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
        facts=sheet.data_facts({"data": report}),
        sources=sources(tables, said),
        lags=lags(tables),
        lag_figure=draw_lags(tables) if tables else None,
        heats=heats(dataset),
        masked=sheet.masked({"data": report}),
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


GROUPS = {
    "Prices": tuple(features.FEATURES),
    "Fundamentals": ("f_quality", *features.FUNDAMENTALS),
    "Insiders": ("f_insider",),
    "News": ("f_sentiment",),
    "Macro": features.MACRO,
}
MOST_NAMES = 60  # Rows of a heat map.


class Heat(NamedTuple):
    """How much of a feature group is there, by name and year."""

    title: str
    said: list[str]  # What is drawn, and what is not.
    years: list[int]
    rows: list[tuple[str, list[float | None]]]  # Shares; None where not quoted.


def heats(dataset: Dataset) -> list[Heat]:
    """Measures every feature group that the panel has.

    A group whose names all have the same is one row, and of very many names those that
    have least are kept.
    """
    names, there = dataset.feature_names, np.asarray(dataset.panel.available)
    found = []
    for title, group in GROUPS.items():
        own = [i for i, name in enumerate(names) if _bare(name) in group]
        some = [i for i in own if there[:, :, i].any()]
        said = [", ".join(names[i] for i in some) + "."] * bool(some)
        if nowhere := [names[i] for i in own if i not in some]:
            said.append(f"In no row: {', '.join(nowhere)}.")
        if some:
            rows, cut = _shortened(_rows(dataset, some))
            years = sorted(set(dataset.dates.year))
            found.append(Heat(title, said + cut, years, rows))
        elif own:
            found.append(Heat(title, said, [], []))
    return found


def shares(dataset: Dataset, columns: list[int]) -> np.ndarray:
    """Averages over features and quoted days the share that is available.

    Args:
        dataset: as built.
        columns: of the features.

    Returns:
        [N, years], NaN in a year without a quote.
    """
    quoted = dataset.close.notna().to_numpy()
    there = np.asarray(dataset.panel.available)[:, :, columns].mean(axis=-1)
    _, starts = np.unique(dataset.dates.year, return_index=True)
    sums, days = (np.add.reduceat(x.astype(float), starts) for x in (there, quoted))
    share = np.divide(sums, days, out=np.full(sums.shape, np.nan), where=days > 0)
    return share.T


def _bare(name: str) -> str:
    return name.removesuffix("_rel").removesuffix("_age")


def _rows(dataset: Dataset, columns: list[int]) -> list[tuple[str, list]]:
    return [
        (ticker, [None if np.isnan(share) else float(share) for share in row])
        for ticker, row in zip(dataset.tickers, shares(dataset, columns), strict=True)
    ]


def _shortened(
    rows: list[tuple[str, list]],
) -> tuple[list[tuple[str, list]], list[str]]:
    if len(rows) > 1 and all(row == rows[0][1] for _, row in rows):
        return [(f"All {len(rows):,} names", rows[0][1])], []
    if len(rows) <= MOST_NAMES:
        return rows, []
    mean = [np.mean([share or 0.0 for share in row]) for _, row in rows]
    least = sorted(np.argsort(mean, kind="stable")[:MOST_NAMES])
    text = f"Shown are the {MOST_NAMES} of {len(rows):,} names that have least of it."
    return [rows[i] for i in least], [text]


INSTANT = 1e-9  # Days, less than any lag that is one.
BINS = (  # From so many days on.
    (-np.inf, "before"),
    (0.0, "at once"),
    (INSTANT, "the same day"),
    (1.0, "1 day"),
    (2.0, "2 to 3 days"),
    (4.0, "4 to 6 days"),
    (7.0, "1 to 2 weeks"),
    (14.0, "2 to 4 weeks"),
    (31.0, "1 to 3 months"),
    (92.0, "3 to 12 months"),
    (366.0, "a year or more"),
)
NUM_COLUMNS = 3


@canvas.styled
def draw_lags(tables: Mapping[str, pd.DataFrame]) -> Markup:
    """Draws the distribution of each source's lags.

    Args:
        tables: events by source.

    Returns:
        SVG.
    """
    num_rows = -(-len(tables) // NUM_COLUMNS)
    figure = canvas.new(canvas.WIDE, 0.2 + 2.0 * num_rows)
    panels = figure.subplots(num_rows, NUM_COLUMNS, squeeze=False).ravel()
    for axes, (source, events) in zip(panels, tables.items(), strict=False):
        _bars(axes, lag_shares(events))
        axes.set_title(source)
    for axes in panels[len(tables) :]:
        axes.set_visible(False)
    return canvas.to_svg(figure, "How long after its event each row was public")


def lag_shares(events: pd.DataFrame) -> np.ndarray:
    """Returns the share of rows in each of `BINS`; zeros where there is no row."""
    starts = np.array([start for start, _ in BINS])
    place = np.searchsorted(starts, event_gates.lags(events), side="right") - 1
    return np.bincount(place, minlength=len(BINS)) / max(len(place), 1)


def _bars(axes: Axes, heights: np.ndarray) -> None:
    places = -np.arange(len(BINS))
    axes.barh(places, heights, height=0.7, color=BLUE)
    axes.set_yticks(places, [label for _, label in BINS], color=INK)
    axes.set(xlim=(0, 1), ylim=(0.4 - len(BINS), 0.6), xlabel="Share of rows")
    axes.xaxis.set_major_formatter(canvas.percent_axis)
    axes.grid(axis="x")
    axes.grid(False, axis="y")
