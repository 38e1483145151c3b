"""Responses and events on disk, which only grow."""

from thesis_rl.data.store.manifests import manifest, sources
from thesis_rl.data.store.tables import append, load, strays

__all__ = [
    "append",
    "ingest",
    "load",
    "manifest",
    "manifests",
    "parts",
    "raw",
    "sources",
    "strays",
]
