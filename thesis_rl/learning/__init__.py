"""What one network learns from one window."""

__all__ = [
    "calibration",
    "network",
    "optimizer",
    "preprocess",
    "rewards",
    "rft",
]
