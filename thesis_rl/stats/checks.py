"""What every statistic asks of its arrays: the right axes, and numbers everywhere."""

import numpy as np


def finite_array(name: str, values: np.ndarray, axes: str) -> np.ndarray:
    """Returns `values` as float64, or raises ValueError on the first bad one.

    Args:
      name: what the caller's argument is called.
      values: one axis for each letter of `axes`.
      axes: axis letters, such as "TN".
    """
    values = np.asarray(values, np.float64)
    if values.ndim != len(axes):
        raise ValueError(f"want {name} [{', '.join(axes)}], got shape {values.shape}")
    if (bad := np.argwhere(~np.isfinite(values))).size:
        place = ", ".join(map(str, bad[0]))
        raise ValueError(
            f"{len(bad)} of {values.size} values of {name} are not finite, the first "
            f"is {name}[{place}] = {values[tuple(bad[0])]}"
        )
    return values


def share(name: str, value: float) -> float:
    """Returns `value`, or raises ValueError if it lies outside (0, 1)."""
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} must lie between 0 and 1, got {value}")
    return value
