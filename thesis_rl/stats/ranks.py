"""Ranks within rows, ties sharing the mean of theirs.

`scipy.stats.rankdata` gives the same, but importing `scipy.stats` takes a second.
"""

import numpy as np


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Returns the ranks within each row, from 1 up.

    Args:
      values: [T, N], without NaN.

    Returns:
      [T, N] float64.
    """
    order = np.argsort(values, axis=1)
    ascending = np.take_along_axis(values, order, axis=1)
    place = np.arange(values.shape[1])
    differs = ascending[:, 1:] != ascending[:, :-1]
    edge = np.ones((len(values), 1), bool)
    first = np.where(np.hstack([edge, differs]), place, 0)
    last = np.where(np.hstack([differs, edge]), place, values.shape[1])
    first = np.maximum.accumulate(first, axis=1)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=1)
    return ranks
