"""Walk-forward windows: day bounds, purged by what the labels look ahead."""

import numpy as np

from thesis_rl.types import Fold


def make_folds(
    num_days: int,
    *,
    train_days: int,
    test_days: int,
    label_horizon: int,
    embargo_days: int = 0,
    num_folds: int | None = None,
    expanding: bool = False,
) -> Fold:
    """Cuts days into purged walk-forward windows, as many as fit.

      train_stop = test_start - label_horizon - embargo_days

    A label of day t reads prices up to t + label_horizon, so the last training label
    ends before the embargo, which ends before the first test day. A test window
    shorter than `test_days` at the end of the data is dropped.

    Args:
      num_days: T.
      train_days: length of a training window; of the first one, where expanding.
      test_days: length of every test window; the windows tile.
      label_horizon: sessions that a label looks ahead.
      embargo_days: further days left out before the test window.
      num_folds: keeps only the latest so many.
      expanding: whether training windows start at day 0 and grow.

    Returns:
      Day bounds, each [F] int32.

    Raises:
      ValueError: a length is out of range, or too few days for one fold.
    """
    if min(train_days, test_days) < 1 or min(label_horizon, embargo_days) < 0:
        raise ValueError(
            "train_days and test_days must be at least 1, label_horizon and "
            f"embargo_days at least 0; got {train_days}, {test_days}, "
            f"{label_horizon}, {embargo_days}"
        )
    if num_folds is not None and num_folds < 1:
        raise ValueError(f"num_folds must be at least 1, or None; got {num_folds}")
    gap = label_horizon + embargo_days
    needed = train_days + gap + test_days
    if num_days < needed:
        raise ValueError(
            f"{num_days} days are too few for one fold: {needed} are needed "
            f"({train_days} train + {label_horizon} label horizon + {embargo_days} "
            f"embargo + {test_days} test); lower config.folds.train_days or test_days, "
            "or widen config.data.start and end"
        )
    test_start = np.arange(train_days + gap, num_days - test_days + 1, test_days)
    test_start = test_start[-num_folds:] if num_folds else test_start
    train_stop = test_start - gap
    train_start = np.zeros_like(train_stop) if expanding else train_stop - train_days
    bounds = (train_start, train_stop, test_start, test_start + test_days)
    return Fold(*(x.astype(np.int32) for x in bounds))


def with_final_fold(
    folds: Fold, num_days: int, *, label_horizon: int, expanding: bool = False
) -> Fold:
    """Appends a window of the last fold's length that ends at the last labelled day.

    Its test bounds are the last days of the data, which it may not be judged on.

    Args:
      folds: [F].
      num_days: T.
      label_horizon: sessions that a label looks ahead.
      expanding: whether training windows start at day 0.

    Returns:
      Bounds, each [F + 1] int32.
    """
    stop = num_days - label_horizon
    start = 0 if expanding else stop - (folds.train_stop - folds.train_start)[-1]
    length = (folds.test_stop - folds.test_start)[-1]
    final = (start, stop, num_days - length, num_days)
    return Fold(
        *(np.append(x, y).astype(np.int32) for x, y in zip(folds, final, strict=True))
    )
