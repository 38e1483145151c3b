"""Every fold and seed in one program, and the unseen days traded."""

__all__ = [
    "baselines",
    "check",
    "devices",
    "experiment",
    "program",
    "train",
]
