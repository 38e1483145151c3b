"""What a sceptic makes of a run."""

__all__ = [
    "audit",
    "books",
    "inference",
    "judge",
    "theses",
]
