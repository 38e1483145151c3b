"""Manifests: what the store says of a source, sealed with a hash of its own."""

import hashlib
import json
import os
import pathlib

from thesis_rl import files
from thesis_rl.data.store import raw

SCHEMA = 1  # Of manifests and parts; raised when either changes.


def sources(root: str | os.PathLike) -> list[str]:
    """Lists the sources that the store has, sorted."""
    found = (pathlib.Path(root) / "manifests").glob("*.json")
    return sorted(path.stem for path in found)


def manifest(root: str | os.PathLike, source: str) -> dict:
    """Reads what the store says of a source.

    Args:
        root: folder of the store.
        source: as `sources` lists it.

    Returns:
        schema, source, title, licence, rows, event_time and knowledge_time (first and
        last, ISO 8601; None without rows), sha256 (`parts.content_hash` of all rows),
        parents, files (each a path below the store, rows and sha256), and the seal,
        the SHA-256 of all the others.

    Raises:
        FileNotFoundError: the store has no such source.
        ValueError: the manifest was changed, or is of another schema.
    """
    path = _path(root, source)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        known = ", ".join(sources(root)) or "nothing"
        raise FileNotFoundError(
            f"the store {root} has no source {source!r}; it has {known}. Fetch it first"
        ) from None
    try:
        said = json.loads(data)
        schema, seal = said["schema"], said["seal"]
    except (ValueError, TypeError, KeyError):
        raise ValueError(f"{path} is no manifest; {remedy(source)}") from None
    if schema != SCHEMA:
        raise ValueError(
            f"{path} has schema {schema}, this version reads {SCHEMA}; use the version "
            f"that wrote it, or {remedy(source)}"
        )
    if seal != _seal(said) or said["source"] != source:
        raise ValueError(f"{path} was changed since it was written; {remedy(source)}")
    return said


def write(root: str | os.PathLike, said: dict) -> None:
    """Seals and writes a manifest, unless it says what the one on the disk says.

    Args:
        root: folder of the store.
        said: what `manifest` returns, but for schema and seal.

    Raises:
        OSError: it cannot be written; the old one then stands.
    """
    said = {"schema": SCHEMA, **said}
    said["seal"] = _seal(said)
    path = _path(root, said["source"])
    data = (files.to_json(said, indent=2) + "\n").encode()
    if not path.is_file() or path.read_bytes() != data:
        raw.write(path, data)


def remedy(source: str) -> str:
    """Says what to do about a damaged file of a source."""
    return (
        f"restore it from a copy, or delete manifests/{source}.json and "
        f"events/{source} and run experiments/fetch.py, which builds them again from "
        "the raw responses"
    )


def _seal(said: dict) -> str:
    text = files.to_json({key: said[key] for key in said if key != "seal"})
    return hashlib.sha256(text.encode()).hexdigest()


def _path(root: str | os.PathLike, source: str) -> pathlib.Path:
    raw.check_source(source)
    return pathlib.Path(root) / "manifests" / f"{source}.json"
