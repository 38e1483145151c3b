"""Finished runs side by side: what was asked, what came out, and what changed."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from thesis_rl import stats
from thesis_rl.runs.folder import Saved, read
from thesis_rl.thesis.vocabulary import DECISION_LABELS

ABSENT = "(absent)"
PROVENANCE = ("description", "first", "last", "num_days", "tickers", "sha256")


class Change(NamedTuple):
    """How one run differs from the first, on what both of them decided."""

    rows: int  # (date, ticker) pairs that both decided; 0 if the runs never met.
    changed: float  # Share of those whose label differs.
    position_change: float  # Mean |difference of expected positions|.
    transitions: pd.DataFrame  # [A, A] counts: the first run's label, the other's.
    days: int  # Dates that both traded.
    correlation: float  # Of their net headline daily returns.
    sharpe_difference: float  # The other's less the first's, on those dates.
    interval: tuple[float, float]  # Of the difference, 95%.


class Comparison(NamedTuple):
    """Tables with one column a run, and each run's changes against the first."""

    config: pd.DataFrame  # Keys that differ.
    headline: pd.DataFrame
    strategies: pd.DataFrame  # Net headline Sharpe.
    theses: pd.DataFrame
    curves: pd.DataFrame  # By (stage, metric); columns (run, first or last).
    timing: pd.DataFrame  # Seconds.
    provenance: pd.DataFrame  # Facts of data and code that differ.
    changes: dict[str, Change]


def compare(paths: Sequence[str | Path]) -> Comparison:
    """Compares runs; the first is what the others are measured against.

    Args:
      paths: folders of two runs or more.

    Returns:
      The comparison.

    Raises:
      ValueError: fewer than two folders, one twice, or a file that cannot be read;
        says which, and where.
      FileNotFoundError: not a run's folder, or the run did not finish.
    """
    if len(paths) < 2:
        raise ValueError(f"give the folders of two runs or more, got {len(paths)}")
    if len({Path(path).resolve() for path in paths}) < len(paths):
        raise ValueError("the same folder is given twice")
    stems = [Path(path).resolve().name for path in paths]
    names = stems if len(set(stems)) == len(stems) else [str(path) for path in paths]
    runs = [read(path, name) for path, name in zip(paths, names, strict=True)]
    return Comparison(
        config=only_differing(tabulate(runs, lambda run: run.config)),
        headline=tabulate(runs, _headline),
        strategies=tabulate(runs, _net_headline_sharpes),
        theses=tabulate(runs, lambda run: _scalars(run.results["theses"])),
        curves=pd.concat(
            {run.name: first_and_last(run.curves) for run in runs}, axis=1
        ),
        timing=tabulate(runs, lambda run: run.results["timing"]),
        provenance=only_differing(tabulate(runs, _provenance)),
        changes={run.name: change(runs[0], run) for run in runs[1:]},
    )


def tabulate(
    runs: Sequence[Saved], facts: Callable[[Saved], Mapping[str, Any]]
) -> pd.DataFrame:
    """Tabulates facts, a row each, in the order they first appear; a column a run."""
    columns = {run.name: facts(run) for run in runs}
    keys = dict.fromkeys(key for column in columns.values() for key in column)
    cells = {n: [column.get(k, ABSENT) for k in keys] for n, column in columns.items()}
    return pd.DataFrame(cells, index=list(keys), dtype=object)


def only_differing(table: pd.DataFrame) -> pd.DataFrame:
    """Keeps the rows whose cells are not all equal."""
    differs = [any(cell != row[0] for cell in row) for row in table.to_numpy()]
    return table[np.array(differs, bool)]


def _headline(run: Saved) -> dict:
    facts = {"title": run.results["title"]}
    for key, value in run.results["headline"].items():
        if key == "interval":
            facts["interval_low"], facts["interval_high"] = value
        else:
            facts[key] = value
    return facts


def _net_headline_sharpes(run: Saved) -> dict:
    strategies = run.results["strategies"]
    return {name: s["net"]["headline_sharpe"] for name, s in strategies.items()}


def _scalars(facts: Mapping[str, Any]) -> dict:
    return {k: v for k, v in facts.items() if not isinstance(v, Mapping | list)}


def _provenance(run: Saved) -> dict:
    data, git = run.results["data"], run.results["git"]
    facts = {f"data.{key}": data.get(key) for key in PROVENANCE}
    return facts | {f"git.{key}": value for key, value in git.items()}


def first_and_last(curves: pd.DataFrame) -> pd.DataFrame:
    """Returns each metric at the first and at the last step of each stage.

    Args:
      curves: metrics by (stage, step); those that end in _sd are left out.

    Returns:
      Columns first and last, by (stage, metric).
    """
    means = curves[[name for name in curves if not name.endswith("_sd")]]
    ends = {
        (stage, metric): (values.iloc[0], values.iloc[-1])
        for stage, rows in means.groupby(level="stage", sort=False)
        for metric, values in rows.dropna(axis="columns").items()
    }
    index = pd.MultiIndex.from_tuples(ends, names=["stage", "metric"])
    return pd.DataFrame(ends.values(), index, ["first", "last"])


def change(first: Saved, other: Saved) -> Change:
    """Measures how one run's decisions and returns differ from another's."""
    both = first.decisions.join(other.decisions.add_suffix("_other"), how="inner")
    returns = pd.concat([first.returns, other.returns], axis=1, join="inner").to_numpy()
    difference, low, high = sharpe_difference(first, other, returns)
    return Change(
        rows=len(both),
        changed=float((both["decision"] != both["decision_other"]).mean()),
        position_change=float((both["position"] - both["position_other"]).abs().mean()),
        transitions=pd.crosstab(both["decision"], both["decision_other"]).reindex(
            index=DECISION_LABELS, columns=DECISION_LABELS, fill_value=0
        ),
        days=len(returns),
        correlation=correlation(*returns.T),
        sharpe_difference=difference,
        interval=(low, high),
    )


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Returns Pearson's correlation of two records [T]; NaN where one never varied."""
    if len(a) < 2 or math.isnan(stats.sharpe(a)) or math.isnan(stats.sharpe(b)):
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def sharpe_difference(
    first: Saved, other: Saved, returns: np.ndarray
) -> tuple[float, float, float]:
    """Returns the other's annual Sharpe ratio less the first's, its low and its high.

    The 95% interval is that of `stats.sharpe_difference_bootstrap`, in blocks at least
    as long as either run holds a position.

    Args:
      first: a run.
      other: another.
      returns: [T, 2] of their common dates, the first's to the left.

    Returns:
      NaN where a ratio is, or the runs share fewer than 3 dates.
    """
    if len(returns) < 3:
        return math.nan, math.nan, math.nan
    held = max(run.config["backtest.hold_days"] for run in (first, other))
    found = stats.sharpe_difference_bootstrap(
        jax.random.key(0), returns[:, 1], returns[:, 0], min_block=held
    )
    return found[:3]
