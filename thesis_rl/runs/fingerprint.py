"""What makes two runs the same: hashes of configs, data and files, and the code."""

import fnmatch
import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from thesis_rl import configs

# Keys of a config that leave the headline as it is: they name things, spend time, ask
# for something to compare with, or say where data lie that `data_hash` covers. A key
# not listed decides results.
INDIFFERENT = (
    "title",
    "size",
    "report.*",
    "claims.*.sentence",
    "group_size",
    "distributed",
    "ablations.*",
    "baselines",
    "combinatorial.*",
    "calibration.scaling",
    "backtest.cvar_limit",
    "data.source",
    "data.path",
    "data.start",
    "data.end",
    "data.synthetic.*",
)


def config_hash(config: Mapping[str, Any]) -> str:
    """Hashes what decides results in a config: all but the keys in `INDIFFERENT`.

    The order of keys, tuple or list, and 1 or 1.0 make no difference. Seeds do: to
    run again with another seed and keep the better result is selection.

    Args:
      config: nested, of plain values.

    Returns:
      SHA-256 of the canonical JSON, in hex.

    Raises:
      TypeError: a value has no JSON form.
    """
    deciding = {
        key: _alike(value)
        for key, value in configs.flatten(config).items()
        if not any(fnmatch.fnmatchcase(key, pattern) for pattern in INDIFFERENT)
    }
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def _alike(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_alike(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def data_hash(dates: Any, tickers: Sequence[str], *arrays: np.ndarray) -> str:
    """Hashes what was read, whatever file it came from.

    Args:
      dates: [T], anything that NumPy reads as dates without a time zone.
      tickers: [N].
      *arrays: [T, N, ...] closes, volumes and the like; NaN where there is none.

    Returns:
      SHA-256, in hex.

    Raises:
      ValueError: an array has other leading axes.
    """
    days = np.asarray(dates, "datetime64[us]")
    shapes = [np.shape(array) for array in arrays]
    for i, shape in enumerate(shapes):
        if shape[:2] != (len(days), len(tickers)):
            raise ValueError(
                f"arrays[{i}] has shape {shape}, want [T, N, ...] of {len(days)} "
                f"dates and {len(tickers)} tickers"
            )
    digest = hashlib.sha256(json.dumps([list(tickers), len(days), shapes]).encode())
    digest.update(days.astype("<i8").tobytes())
    for array in arrays:
        x = np.asarray(array, np.float64)
        one_nan_one_zero = np.where(np.isnan(x), np.nan, x + 0.0)
        digest.update(one_nan_one_zero.astype("<f8").tobytes())
    return digest.hexdigest()


def file_hash(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_hash() -> str:
    """Hashes the sources of this package, committed or not."""
    folder, digest = Path(__file__).parents[1], hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def git_state(folder: Path) -> dict:
    """Returns the revision of the code and whether it was changed since, or nulls."""
    try:
        ask = lambda *words: subprocess.run(  # noqa: E731
            ["git", *words], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()
        status = ask("status", "--porcelain")
        return {"revision": ask("rev-parse", "HEAD"), "dirty": bool(status)}
    except (OSError, subprocess.CalledProcessError):
        return {"revision": None, "dirty": None}
