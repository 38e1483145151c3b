"""A run on disk, and what one does with it later."""

__all__ = [
    "compare",
    "deflation",
    "fingerprint",
    "folder",
    "load",
    "machine",
    "predict",
    "record",
    "run",
    "saves",
    "sweep",
    "trials",
]
