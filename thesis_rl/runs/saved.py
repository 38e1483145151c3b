"""What a run's folder says of it, read without any of its arrays."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from thesis_rl import configs

HEADLINE_RETURNS = "ensemble.headline_net"
RESULT_KEYS = ("title", "headline", "strategies", "theses", "timing", "data", "git")


class Saved(NamedTuple):
    """The tables and numbers of a finished run."""

    name: str
    config: dict[str, Any]  # By dotted key.
    results: dict
    returns: pd.Series  # Net headline return of the ensemble, by date.
    decisions: pd.DataFrame  # decision and position, by (date, ticker).
    curves: pd.DataFrame  # Metrics, by (stage, step).


def read(path: str | Path, name: str) -> Saved:
    """Reads what a comparison needs from a run's folder.

    Args:
      path: the folder.
      name: what the run is called in the comparison.

    Returns:
      The run.

    Raises:
      ValueError: a file is damaged; names it.
      FileNotFoundError: not a run's folder, or the run did not finish.
    """
    path = Path(path)
    if not (path / "config.json").is_file():
        raise FileNotFoundError(f"{path} is no run's folder: it holds no config.json")
    if not (path / "results.json").is_file():
        raise FileNotFoundError(f"{path} holds no results.json; the run was cut short")
    results = _read_json(path / "results.json")
    if missing := [key for key in RESULT_KEYS if key not in results]:
        raise ValueError(f"{path / 'results.json'} has no {', '.join(missing)}")
    returns = _read_table(path / "daily_returns.csv", ["date"], [HEADLINE_RETURNS])
    return Saved(
        name=name,
        config=configs.flatten(_read_json(path / "config.json")),
        results=results,
        returns=returns[HEADLINE_RETURNS],
        decisions=_read_table(
            path / "decisions.csv", ["date", "ticker"], ["decision", "position"]
        ),
        curves=_read_curves(path / "metrics.jsonl"),
    )


def _read_json(file: Path) -> dict:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged, not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{file} is damaged: want a JSON object")
    return value


def _read_table(file: Path, index: list[str], columns: list[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(file)
    except ValueError as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    if missing := [name for name in (*index, *columns) if name not in table]:
        raise ValueError(f"{file} has no column {', '.join(missing)}")
    return table.set_index(index)[columns]


def _read_curves(file: Path) -> pd.DataFrame:
    try:
        return pd.read_json(file, lines=True).set_index(["stage", "step"])
    except (ValueError, KeyError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error
