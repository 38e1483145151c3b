"""A run's folder: claimed by one run, taken up again by the same, and read later."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from thesis_rl import configs, files


def claim(workdir: str | Path, config: dict) -> Path:
    """Makes the folder of a new run and writes its config, before anything is computed.

    Raises:
      FileExistsError: the folder holds another run, or its path is a file.
      OSError: the folder cannot be made or written.
    """
    workdir = Path(workdir)
    if workdir.is_file():
        raise FileExistsError(f"--workdir {workdir} is a file; name a folder")
    workdir.mkdir(parents=True, exist_ok=True)
    try:
        (workdir / "config.json").touch(exist_ok=False)  # One of two runs at once.
    except FileExistsError as error:
        raise FileExistsError(
            f"--workdir {workdir} already holds a run (config.json); name another "
            "folder, or delete that one first"
        ) from error
    try:
        files.write_json(workdir / "config.json", config)
    except BaseException:
        (workdir / "config.json").unlink()
        raise
    return workdir


def reclaim(workdir: str | Path, config: dict) -> Path:
    """Takes up the folder of a run that was cut off, or makes that of a new one.

    Args:
      workdir: the folder.
      config: the experiment's, as plain values.

    Raises:
      ValueError: the folder holds a run of another config; says where they differ.
      FileExistsError: the run is through.
    """
    workdir = Path(workdir)
    kept = workdir / "config.json"
    if not kept.is_file() or not kept.read_text("utf-8").strip():
        kept.unlink(missing_ok=True)  # Cut off between the claim and its content.
        return claim(workdir, config)
    if (workdir / "results.json").is_file():
        raise FileExistsError(
            f"--workdir {workdir} holds a run that is through (results.json); there is "
            "nothing to resume"
        )
    before = configs.flatten(json.loads(kept.read_text("utf-8")))
    now = configs.flatten(json.loads(files.to_json(config)))
    other = sorted(k for k in before | now if before.get(k) != now.get(k))
    if other:
        raise ValueError(
            f"--workdir {workdir} holds a run of another config: config.{other[0]} was "
            f"{before.get(other[0])!r} and is {now.get(other[0])!r}; resume it as it "
            "was started, or name another folder"
        )
    return workdir


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
