"""Strategies that learn nothing, or next to nothing, as positions in [-1, 1].

They go through the same harness as the policy: same lag, sleeves, costs and scores.
"""

import numpy as np
import pandas as pd

from thesis_rl.data.panel import Dataset
from thesis_rl.types import Fold
from thesis_rl.walk_forward.regressors import demean

UNHEDGED = ("equal_weight", "best_constant")  # Judged by the excess over equal weight.
YEAR, MONTH = 252, 21


def positions(dataset: Dataset, folds: Fold) -> dict[str, np.ndarray]:
    """Computes each baseline's position on every out-of-sample day.

    Args:
      dataset: prices, returns and features of the whole panel.
      folds: [F] walk-forward bounds.

    Returns:
      equal_weight, momentum, hold, best_constant and a sign_of_… for each of the D
      features, each [T', N] float32.
    """
    panel, unseen = dataset.panel, slice(folds.test_start[0], folds.test_stop[-1])
    quoted = dataset.close.notna().to_numpy()[unseen]
    signs = feature_signs(
        np.asarray(panel.features)[unseen],
        np.asarray(panel.available)[unseen],
        dataset.feature_names,
    )
    return {
        "equal_weight": quoted.astype(np.float32),
        "momentum": momentum(dataset.close)[unseen],
        "hold": np.zeros_like(quoted, np.float32),
        "best_constant": best_constant(np.asarray(dataset.market.returns), folds)
        * quoted,
        **signs,
    }


def momentum(close: pd.DataFrame) -> np.ndarray:
    """Buys the names whose 12-1 month return beats the day's mean, sells the rest.

    Args:
      close: [T, N].

    Returns:
      [T, N] signs, their mean taken off each day; 0 where the return is not known.
    """
    past = close.shift(MONTH) / close.shift(YEAR) - 1
    return _neutral_signs(past.to_numpy(), (past.notna() & close.notna()).to_numpy())


def feature_signs(
    features: np.ndarray, available: np.ndarray, names: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Buys, feature by feature, the names above the day's mean and sells the rest.

    Args:
      features: [T, N, D].
      available: [T, N, D] bool; a missing value is in no mean.
      names: [D].

    Returns:
      For each feature, as sign_of_<name>, the signs [T, N], their mean taken off each
      day; 0 where the value is missing. A feature listed with its `_rel`, which is
      the feature less the day's mean, makes one book with it; an `_age` makes none.
    """
    return {
        f"sign_of_{name}": _neutral_signs(features[..., i], available[..., i])
        for i, name in enumerate(names)
        if not name.endswith("_age")
        and (
            name.removesuffix("_rel") == name or name.removesuffix("_rel") not in names
        )
    }


def _neutral_signs(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    # In float64, so that a name at the mean is not taken for above or below it.
    signs = np.sign(demean(values.astype(np.float64), seen))
    return demean(signs, seen).astype(np.float32)


def best_constant(returns: np.ndarray, folds: Fold) -> np.ndarray:
    """Holds, in each fold, the constant decision that its training window paid best.

    Of strong_sell … strong_buy that is the extreme on the side of the mean return.

    Args:
      returns: [T, N].
      folds: [F].

    Returns:
      [T', 1] positions.
    """
    total = np.concatenate([[0.0], np.cumsum(returns.astype(np.float64).mean(axis=1))])
    sign = np.sign(total[folds.train_stop] - total[folds.train_start])
    days = folds.test_stop - folds.test_start
    return np.repeat(sign, days)[:, None].astype(np.float32)
