"""The store of events: Parquet that only ever grows, one manifest a source.

Below its folder, `events/<source>/<year of event_time>/<content hash>.parquet` are the
parts and `manifests/<source>.json` says which of them count, with their hashes. A
manifest is written after its parts, in one step: whoever is killed before leaves parts
that no manifest names, which nothing reads. One process writes a source at a time;
whoever reads needs no lock, since a part never changes.
"""

import contextlib
import hashlib
import os
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from thesis_rl.data.store import manifests, parts, raw
from thesis_rl.data.store.manifests import manifest, sources


def append(
    root: str | os.PathLike,
    source: str,
    events: pd.DataFrame,
    *,
    title: str,
    licence: str,
    parents: Iterable[str],
) -> int:
    """Adds the events that the store has not, and numbers them on from its last seq.

    Events that agree in all but seq, raw and place are one: the first stays. New ones
    are numbered in the order of their seq. Call it with many events at once: each call
    reads the whole source and writes a part for each year that has new rows.

    Args:
        root: folder of the store; made if absent.
        source: whose events these are; their column source says the same.
        events: as `events.table` makes them.
        title: of the source, for tables.
        licence: its terms, one phrase.
        parents: SHA-256 of the raw responses that the events were parsed from, also of
            those that said nothing new.

    Returns:
        How many rows were added.

    Raises:
        ValueError: events of another source or without what `events.table` gives
            them, or the store is damaged.
        ImportError: pyarrow or filelock is not installed.
        OSError: a file cannot be written; the store is then as it was.
    """
    raw.check_source(source)
    events = parts.checked(events)
    _check_source(events, source)
    with _locked(root, source):
        before = manifest(root, source) if source in sources(root) else None
        stored = _rows(root, before) if before else parts.empty()
        new = _new(stored, events)
        after = {
            "source": source,
            "title": title,
            "licence": licence,
            **_coverage(pd.concat([stored, new], ignore_index=True)),
            "parents": sorted({*parents, *(before["parents"] if before else ())}),
            "files": before["files"] if before else [],
        }
        after["files"] = after["files"] + [
            _write_part(root, source, year, rows)
            for year, rows in new.groupby(new["event_time"].dt.year)
        ]
        manifests.write(root, after)
    return len(new)


def load(
    root: str | os.PathLike, source: str, *, until: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Reads all events of a source, every file held to the manifest's hash.

    Args:
        root: folder of the store.
        source: as `sources` lists it.
        until: an instant, UTC without a zone; leaves out what became known after it.

    Returns:
        The events, all of `events.COLUMNS`, in the order of seq, RangeIndex.

    Raises:
        FileNotFoundError: the store has no such source.
        ValueError: a file is missing or was changed, or is of another schema; names it
            and says what to do.
        ImportError: pyarrow is not installed.
    """
    rows = _rows(root, manifest(root, source))
    if until is not None:
        until = pd.Timestamp(until)
        if until.tz is not None:
            raise ValueError(f"until has the zone {until.tz}; give UTC without a zone")
        rows = rows[rows["knowledge_time"] <= until]
    return rows.sort_values("seq", ignore_index=True)


def strays(root: str | os.PathLike, source: str) -> list[str]:
    """Lists files among the parts that the manifest does not name, sorted.

    They were left by writers that were killed. Nothing reads them; they may be deleted
    while nobody writes.

    Returns:
        Paths below the store.
    """
    said = manifest(root, source)["files"] if source in sources(root) else []
    below = pathlib.Path(root) / "events" / source
    found = (path for path in below.rglob("*") if path.is_file())
    names = {path.relative_to(root).as_posix() for path in found}
    return sorted(names - {file["path"] for file in said})


def _check_source(events: pd.DataFrame, source: str) -> None:
    other = (events["source"] != source).to_numpy()
    if other.any():
        row = int(other.argmax())
        found = events["source"].iloc[row]
        raise ValueError(f"events, row {row}: source is {found!r}, want {source!r}")


def _new(stored: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Returns the events that are not stored yet, numbered on from those that are."""
    events = events.sort_values("seq", kind="stable")
    both = pd.concat([stored, events], ignore_index=True)
    repeated = both.duplicated(list(parts.SAID))
    new = both[~repeated & (both.index >= len(stored))]
    first = stored["seq"].max() + 1 if len(stored) else 0
    return new.assign(seq=np.arange(first, first + len(new), dtype=np.int64))


def _coverage(rows: pd.DataFrame) -> dict:
    return {
        "rows": len(rows),
        "event_time": _range(rows["event_time"]),
        "knowledge_time": _range(rows["knowledge_time"]),
        "sha256": parts.content_hash(rows),
    }


def _range(times: pd.Series) -> list[str] | None:
    if times.empty:
        return None
    return [times.min().isoformat(), times.max().isoformat()]


def _rows(root: str | os.PathLike, said: dict) -> pd.DataFrame:
    """Reads the rows of every part that a manifest names, as they stand there."""
    tables = [_read_part(root, said["source"], file) for file in said["files"]]
    return pd.concat(tables, ignore_index=True) if tables else parts.empty()


def _read_part(root: str | os.PathLike, source: str, file: dict) -> pd.DataFrame:
    path = pathlib.Path(root) / file["path"]
    if not path.is_file():
        raise ValueError(f"{path} is missing; {manifests.remedy(source)}")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != file["sha256"]:
        raise ValueError(
            f"{path} was changed: its SHA-256 is now {found}, the manifest has "
            f"{file['sha256']}; {manifests.remedy(source)}"
        )
    return parts.decode(data)


def _write_part(
    root: str | os.PathLike, source: str, year: int, rows: pd.DataFrame
) -> dict:
    path = f"events/{source}/{year}/{parts.content_hash(rows)}.parquet"
    data = parts.encode(rows)
    raw.write(pathlib.Path(root) / path, data)
    sha256 = hashlib.sha256(data).hexdigest()
    return {"path": path, "rows": len(rows), "sha256": sha256}


@contextlib.contextmanager
def _locked(root: str | os.PathLike, source: str) -> Iterator[None]:
    """Waits until no other process writes the source, and keeps others waiting.

    The system frees the lock of a process that is killed.
    """
    try:
        from filelock import FileLock
    except ImportError as error:
        raise ImportError(
            "writing the store needs filelock: pip install 'thesis_rl[data]'"
        ) from error
    path = pathlib.Path(root) / "locks" / f"{source}.lock"
    lock = FileLock(path)
    with raw.writing(path):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
