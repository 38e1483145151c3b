"""Splits of days into training and test, purged by what the labels look ahead.

A label of day t covers t … t + label_horizon, closed. Days are counted, never rows, so
a split is the same for one name as for five hundred.
"""

import itertools
from typing import NamedTuple

import numpy as np

from thesis_rl.types import Fold


class CombinatorialFolds(NamedTuple):
    """Which days each split trains and tests on, and how splits join into paths."""

    train: np.ndarray  # [splits, T] bool
    test: np.ndarray  # [splits, T] bool
    paths: np.ndarray  # [num_paths, num_groups] int32, the split that tests a group.


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


def held_out(
    folds: Fold, num_days: int, *, label_horizon: int, embargo_days: int = 0
) -> Fold:
    """Keeps the last training days of each window apart, purged like any test.

    Args:
      folds: [F].
      num_days: how many training days to keep apart.
      label_horizon: sessions that a label looks ahead.
      embargo_days: further days left out before the days kept apart.

    Returns:
      [F] windows within the training days of `folds`: what is left to train on, and
      the days kept apart as test bounds.

    Raises:
      ValueError: nothing is left to train on.
    """
    test_start = folds.train_stop - num_days
    train_stop = test_start - label_horizon - embargo_days
    if (short := train_stop <= folds.train_start).any():
        length = (folds.train_stop - folds.train_start)[short.argmax()]
        raise ValueError(
            f"of {length} training days {num_days} are kept apart to calibrate on and "
            f"{label_horizon + embargo_days} purged, which leaves none; raise "
            "config.folds.train_days, or lower config.calibration.share"
        )
    bounds = (folds.train_start, train_stop, test_start, folds.train_stop)
    return Fold(*(np.asarray(x, np.int32) for x in bounds))


def combinatorial_folds(
    num_days: int,
    *,
    num_groups: int,
    num_test_groups: int,
    label_horizon: int,
    embargo_days: int = 0,
) -> CombinatorialFolds:
    """Tests every choice of k of n groups of days, purged on both sides.

    Day t trains where it is not tested and, for every tested day s,

      t + label_horizon < s   or   s + label_horizon + embargo_days < t,

    so that no two labels share a day. Of the C(n, k) splits, C(n − 1, k − 1) test a
    given group; path p takes each group from the p-th of them, so that every path
    tests every day once and every (split, tested group) serves one path. Source:
    combinatorial purged cross-validation, López de Prado (2018), "Advances in
    Financial Machine Learning", chapter 12.

    Args:
      num_days: T.
      num_groups: n, contiguous; the first T mod n are a day longer than the others.
      num_test_groups: k.
      label_horizon: sessions that a label looks ahead.
      embargo_days: further days left out after the labels of each tested group.

    Returns:
      The splits, in lexicographic order of their tested groups. Training lies on both
      sides of a test: it asks how a method fares, not what could have been earned.

    Raises:
      ValueError: a number is out of range, or a split has no day to train on.
    """
    _check_groups(num_days, num_groups, num_test_groups, label_horizon, embargo_days)
    longer = np.arange(num_groups) < num_days % num_groups
    stops = np.cumsum(num_days // num_groups + longer)[:, None]
    starts = np.concatenate([[[0]], stops[:-1]])
    day = np.arange(num_days)
    inside = (day >= starts) & (day < stops)
    tainted = day >= starts - label_horizon
    tainted &= day < stops + label_horizon + embargo_days

    splits = list(itertools.combinations(range(num_groups), num_test_groups))
    tested = np.zeros((len(splits), num_groups), bool)
    np.put_along_axis(tested, np.array(splits), True, axis=1)
    train = ~(tested @ tainted)
    if (empty := np.flatnonzero(~train.any(axis=1))).size:
        raise ValueError(
            f"with groups {splits[empty[0]]} of 0 to {num_groups - 1} tested, each of "
            f"the {num_days} days is tested, overlaps a test label or lies in the "
            "embargo, and none is left to train on; give more days, or lower "
            "num_groups, num_test_groups, label_horizon or embargo_days"
        )
    paths = [np.flatnonzero(column) for column in tested.T]
    return CombinatorialFolds(
        train, tested @ inside, np.stack(paths, axis=1).astype(np.int32)
    )


def _check_groups(
    num_days: int, num_groups: int, num_test_groups: int, horizon: int, embargo: int
) -> None:
    if min(horizon, embargo) < 0:
        raise ValueError(
            "label_horizon and embargo_days must be at least 0; got "
            f"{horizon}, {embargo}"
        )
    if num_groups < 2:
        raise ValueError(f"num_groups must be at least 2, got {num_groups}")
    if not 1 <= num_test_groups < num_groups:
        raise ValueError(
            f"num_test_groups must lie in 1 … {num_groups - 1}, so that one of the "
            f"{num_groups} groups is left to train on; got {num_test_groups}"
        )
    if num_days < num_groups:
        raise ValueError(
            f"{num_days} days are too few for {num_groups} groups of at least one day"
        )
