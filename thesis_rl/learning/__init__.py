"""What one network learns from one window."""

__all__ = [
    "ablations",
    "calibration",
    "network",
    "optimizer",
    "preprocess",
    "rewards",
    "rft",
]
