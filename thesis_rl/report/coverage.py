"""How much of each feature group is there, by name and year: heat maps in numbers."""

from typing import NamedTuple

import numpy as np

from thesis_rl.data import features
from thesis_rl.data.panel import Dataset

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
