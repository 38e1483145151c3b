"""Strategies that learn nothing, or next to nothing, as positions in [-1, 1].

They go through the same harness as the policy: same lag, sleeves, costs and scores.
"""

import numpy as np
import pandas as pd

from thesis_rl.types import Fold

UNHEDGED = ("equal_weight", "best_constant")  # Judged by the excess over equal weight.
YEAR, MONTH = 252, 21


def positions(
    close: pd.DataFrame, returns: np.ndarray, folds: Fold
) -> dict[str, np.ndarray]:
    """Computes each baseline's position on every out-of-sample day.

    Args:
      close: [T, N] adjusted closes, NaN where not quoted.
      returns: [T, N] simple returns, 0 where not quoted.
      folds: [F] walk-forward bounds.

    Returns:
      equal_weight, momentum, hold and best_constant, each [T', N].
    """
    first, last = folds.test_start[0], folds.test_stop[-1]
    quoted = close.notna().to_numpy()[first:last]
    return {
        "equal_weight": quoted.astype(np.float32),
        "momentum": momentum(close)[first:last],
        "hold": np.zeros_like(quoted, np.float32),
        "best_constant": best_constant(returns, folds) * quoted,
    }


def momentum(close: pd.DataFrame) -> np.ndarray:
    """Buys the names whose 12-1 month return beats the day's mean, sells the rest.

    Args:
      close: [T, N].

    Returns:
      [T, N] signs, their mean taken off each day; 0 where the return is not known.
    """
    past = close.shift(MONTH) / close.shift(YEAR) - 1
    past = past.where(close.notna())
    signs = np.sign(past.sub(past.mean(axis=1), axis=0))
    return signs.sub(signs.mean(axis=1), axis=0).fillna(0.0).to_numpy(np.float32)


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
