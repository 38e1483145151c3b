"""Labels: what a row's day later paid, in units of the volatility known that day.

A decision at the close of day t is filled at t + lag, so no label counts from t. A
row whose window runs past the data, meets a missing price, or has no volatility yet
is not labelled.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from thesis_rl.data.features import ema, volatility
from thesis_rl.thesis.vocabulary import DECISION_LABELS

TRADING_R1_HORIZONS = (3, 7, 15)
TRADING_R1_WEIGHTS = (0.3, 0.5, 0.2)
TRADING_R1_SPAN = 3
TRADING_R1_WINDOW = 20
MIN_NAMES = 5  # Fewer names a day make no quintiles.
STILL = 1e-6  # A daily volatility below this is the rounding of prices at rest.


class Labels(NamedTuple):
    """Labels of all rows, zeros where a row is not labelled."""

    score: np.ndarray  # [T, N] float32, cut by thresholds into the decision label.
    payoff: np.ndarray  # [T, N] float32, volatility units a long position earned.
    labelled: np.ndarray  # [T, N] bool.


def make(close: pd.DataFrame, config, member: pd.DataFrame | None = None) -> Labels:
    """Labels every row by the recipe that the config names.

    Args:
        close: [T, N] adjusted closes, NaN where not quoted.
        config: config.labels.
        member: [T, N] bool, the names that are compared with one another on a day;
            all if not given.

    Returns:
        The labels, [T, N].

    Raises:
        ValueError: what `check_config` refuses, or cross_sectional labels of fewer
            than `MIN_NAMES` names.
    """
    check_config(config)
    score, payoff = RECIPES[config.recipe](close, config, member)
    labelled = (score.notna() & payoff.notna()).to_numpy()
    values = (frame.to_numpy(np.float32) for frame in (score, payoff))
    return Labels(*(np.where(labelled, v, np.float32(0)) for v in values), labelled)


def label_reach(config) -> int:
    """Counts the sessions that a label looks ahead, max(horizons) + entry_lag."""
    check_config(config)
    fixed = config.recipe == "trading_r1"
    return max(TRADING_R1_HORIZONS if fixed else config.horizons) + config.entry_lag


def check_config(config) -> None:
    """Raises a ValueError that names the key of config.labels that is wrong."""
    if config.recipe not in RECIPES:
        raise ValueError(
            f"config.labels.recipe must be one of {', '.join(RECIPES)}, "
            f"got {config.recipe!r}"
        )
    horizons, cuts = tuple(config.horizons), tuple(config.thresholds)
    if not horizons or not all(isinstance(h, int) and h >= 1 for h in horizons):
        raise ValueError(
            "config.labels.horizons must be whole sessions, each 1 or more, "
            f"got {horizons}"
        )
    if config.entry_lag < 1:
        raise ValueError(
            "config.labels.entry_lag must be 1 or more, as no order is filled at the "
            f"close that decides it, got {config.entry_lag}"
        )
    if config.vol_window < 2:
        raise ValueError(
            f"config.labels.vol_window must be 2 or more, got {config.vol_window}"
        )
    num_cuts = len(DECISION_LABELS) - 1
    if len(cuts) != num_cuts or sorted(set(cuts)) != list(cuts):
        raise ValueError(
            f"config.labels.thresholds must be {num_cuts} increasing numbers, "
            f"got {cuts}"
        )


def _absolute(close: pd.DataFrame, config, _) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Volatility units earned, the mean over horizons, as score and payoff."""
    earned = _earned(close, config.horizons, config)
    return earned, earned


def _cross_sectional(
    close: pd.DataFrame, config, member: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Volatility units earned beyond the day's mean, and their rank in (0, 1).

    score = (rank - 1/2) / count, ties sharing their mean rank, so that cuts at .2, .4,
    .6 and .8 make quintiles. Days with fewer than `MIN_NAMES` names have no label.
    """
    if close.shape[1] < MIN_NAMES:
        raise ValueError(
            "config.labels.recipe=cross_sectional ranks the names of a day and needs "
            f"at least {MIN_NAMES}, the prices have {close.shape[1]}: use "
            "config.labels.recipe=absolute"
        )
    earned = _earned(close, config.horizons, config)
    earned = earned if member is None else earned.where(member)
    count = earned.notna().sum(axis=1)
    earned = earned.where(count >= MIN_NAMES)
    rank = earned.rank(axis=1, method="average")
    excess = earned.sub(earned.mean(axis=1), axis=0)
    return (rank - 0.5).div(count, axis=0), excess


def _trading_r1(close: pd.DataFrame, config, _) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The score of Trading-R1 (arXiv 2509.11420), and `_absolute`'s payoff.

        score = Σ_h w_h (E[t+lag+h]/E[t+lag] - 1) / s[t]

    with E the EMA of span 3 of the closes, s the standard deviation of its last 20
    daily returns, and h in 3, 7, 15 with weights .3, .5, .2.
    """
    smooth = ema(close, TRADING_R1_SPAN, 2 / (TRADING_R1_SPAN + 1))
    sd = volatility(smooth, TRADING_R1_WINDOW)
    pairs = zip(TRADING_R1_HORIZONS, TRADING_R1_WEIGHTS, strict=True)
    ahead = sum(w * _return_ahead(smooth, h, config.entry_lag) for h, w in pairs)
    return ahead / sd.where(sd > STILL), _earned(close, TRADING_R1_HORIZONS, config)


def _earned(close: pd.DataFrame, horizons, config) -> pd.DataFrame:
    """Mean over h of (P[t+lag+h]/P[t+lag] - 1) / (v[t] √h), v the trailing volatility.

    Without config.root_horizon √h is left out, and long horizons weigh most.
    """
    vol = volatility(close, config.vol_window)
    root = np.sqrt(horizons) if config.root_horizon else np.ones(len(horizons))
    returns = [_return_ahead(close, h, config.entry_lag) for h in horizons]
    total = sum(r / scale for r, scale in zip(returns, root, strict=True))
    return total / len(horizons) / vol.where(vol > STILL)


def _return_ahead(close: pd.DataFrame, horizon: int, lag: int) -> pd.DataFrame:
    return close.shift(-lag - horizon) / close.shift(-lag) - 1


RECIPES = {
    "absolute": _absolute,
    "cross_sectional": _cross_sectional,
    "trading_r1": _trading_r1,
}
