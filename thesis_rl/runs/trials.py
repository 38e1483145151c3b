"""The ledger of trials: a line a run, so that a run cannot forget its siblings."""

import contextlib
import errno
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from thesis_rl import files, stats

try:
    import fcntl
except ImportError:  # Windows has no such locks.
    fcntl = None

EXCUSES = ("smoke", "synthetic")  # Runs of these kinds are no trials.
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)


class Trial(NamedTuple):
    """A line of the ledger: what was run, and what it earned."""

    time: str  # UTC, ISO 8601.
    title: str
    config_hash: str
    data_hash: str
    seed: int
    num_seeds: int
    folds: list  # [F] of [train first, train last, test first, test last] dates.
    returns_file: str  # Relative to the ledger's folder where it lies in there.
    returns_sha256: str
    predictions_sha256: str
    revision: str  # Of the code; "" where git does not know.
    excuse: str  # One of `EXCUSES`, or "" for a trial that counts.
    sharpe: float  # A day, of net headline returns, like the rest; NaN if undefined.
    num_obs: int
    skew: float
    kurtosis: float  # Raw: 3 for a normal.

    @property
    def counted(self) -> bool:
        return not self.excuse

    @property
    def key(self) -> tuple[str, str]:
        """What makes a run the same trial again."""
        return self.config_hash, self.data_hash


def moments(returns: np.ndarray) -> dict[str, float]:
    """Measures `sharpe`, `num_obs`, `skew` and `kurtosis` as a `Trial` wants them.

    Args:
      returns: [T], net headline returns a day.

    Returns:
      By field; all but `num_obs` NaN where the book never moved.

    Raises:
      ValueError: a return is not finite.
    """
    return {
        "sharpe": stats.sharpe(returns, periods_a_year=1),
        "num_obs": len(returns),
        "skew": stats.skewness(returns),
        "kurtosis": stats.kurtosis(returns),
    }


def locate(file: str | os.PathLike, ledger: str | os.PathLike) -> str:
    """Names `file` as a line does: relative if below the ledger's folder."""
    file, folder = Path(file).resolve(), Path(ledger).resolve().parent
    below = file.is_relative_to(folder)
    return (file.relative_to(folder) if below else file).as_posix()


def append(path: str | os.PathLike, trial: Trial) -> None:
    """Adds a line in one piece, beside whatever other runs add at the same time.

    The file is locked meanwhile where its disk knows locks, and a failed write is then
    taken back. What a crash left without an end stays a line of its own.

    Args:
      path: of the ledger; made, with its folder, if absent.
      trial: the line.

    Raises:
      ValueError: a field has the wrong type, or the excuse is not one of `EXCUSES`.
      OSError: the file cannot be written; names it.
    """
    line = (files.to_json(_checked(trial._asdict())._asdict()) + "\n").encode()
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b", buffering=0) as file:
            locked = _lock(file, exclusive=True)
            end = file.seek(0, os.SEEK_END)
            try:
                _write(file, line if _ends_a_line(file, end) else b"\n" + line)
            except BaseException:
                if locked:
                    file.truncate(end)
                raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write(file: BinaryIO, line: bytes) -> None:
    while line:  # Once, unless the disk fills up: the second write then says so.
        line = line[file.write(line) :]
    os.fsync(file.fileno())


def _ends_a_line(file: BinaryIO, end: int) -> bool:
    file.seek(max(end - 1, 0))
    return file.read(1) in (b"", b"\n")


def _lock(file: BinaryIO, exclusive: bool) -> bool:
    """Waits for the lock until `file` is closed; False where there are none."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def open_for_lines(path: str | os.PathLike) -> None:
    """Makes the ledger if absent, and finds out now whether it can be written.

    Raises:
      OSError: it cannot; names it.
    """
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        open(path, "ab").close()
    except OSError as error:
        text = f"{error.strerror}; --ledger must name a file that can be written"
        raise OSError(error.errno, text, str(path)) from error


def read(path: str | os.PathLike) -> list[Trial]:
    """Reads every line, the oldest first; a missing file is an empty ledger.

    Args:
      path: of the ledger.

    Returns:
      The lines.

    Raises:
      ValueError: a line is damaged or was cut short; says which and what to do.
      OSError: the file cannot be read.
    """
    lines = []
    with (
        contextlib.suppress(FileNotFoundError, IsADirectoryError),
        open(path, "rb") as file,
    ):
        _lock(file, exclusive=False)
        lines = file.read().split(b"\n")  # Titles may hold other ends of lines.
    trials = []
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                trials.append(_checked(json.loads(line)))
        except ValueError as error:
            fault = "was cut short" if number == len(lines) else "is damaged"
            raise ValueError(
                f"{path}, line {number} {fault}: {error}; mend it, or delete it and "
                "run that experiment again: a trial left out flatters the others"
            ) from error
    return trials


def _checked(value: Any) -> Trial:
    if not isinstance(value, dict):
        raise ValueError("want a JSON object")
    if value.keys() != set(Trial._fields):
        odd = ", ".join(sorted(value.keys() ^ set(Trial._fields)))
        raise ValueError(f"fields missing or unknown: {odd}")
    if value["excuse"] not in ("", *EXCUSES):
        raise ValueError(f"excuse {value['excuse']!r} is none of {EXCUSES}")
    for name, kind in Trial.__annotations__.items():
        if kind is float and value[name] is None:
            value = value | {name: math.nan}
        elif not isinstance(value[name], int | float if kind is float else kind):
            raise ValueError(f"{name} is {value[name]!r}, want {kind.__name__}")
    return Trial(**value)


def count(trials: Sequence[Trial]) -> list[Trial]:
    """Keeps the trials that count: the latest line of each config and data.

    Args:
      trials: lines, the oldest first.

    Returns:
      One a `key`, in the order in which each was first seen; none with an excuse.
    """
    return list({trial.key: trial for trial in trials if trial.counted}.values())
