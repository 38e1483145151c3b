"""Regressions of the payoff on features, fold by fold: what a careful skeptic tries.

Features and payoffs are demeaned across the names of a day, so that nothing is spent
on the market, which a dollar-neutral book cannot earn.
"""

from collections.abc import Callable

import numpy as np

from thesis_rl.types import Fold, Panel

Fit = Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]

RIDGE_PENALTY = 300.0  # In units of rows: what shrinks a feature of unit variance.


def walk_forward(panel: Panel, folds: Fold, fit: Fit) -> np.ndarray:
    """Forecasts every out-of-sample row with a regression fitted on its own fold.

    Args:
      panel: all rows.
      folds: [F] walk-forward bounds.
      fit: (features [M, D], payoffs [M]) -> a function of features [M', D].

    Returns:
      Forecasts [T', N] in units of the training forecasts' standard deviation.
    """
    x, rows = _demeaned_features(panel), np.asarray(panel.labelled)
    y = _demean(np.asarray(panel.payoff, np.float64)[..., None], rows[..., None])[
        ..., 0
    ]
    forecasts = []
    for start, stop, first, last in zip(*folds, strict=True):
        train, inside = slice(start, stop), rows[start:stop]
        mean, sd = x[train][inside].mean(0), x[train][inside].std(0)
        scale = np.where(sd > 0, sd, 1.0)
        model = fit((x[train][inside] - mean) / scale, y[train][inside])
        unit = model((x[train][inside] - mean) / scale).std()
        test = (x[first:last] - mean) / scale
        forecast = model(test.reshape(-1, test.shape[-1])).reshape(test.shape[:-1])
        forecasts.append(forecast / (unit if unit > 0 else 1.0))
    return np.concatenate(forecasts)


def _demeaned_features(panel: Panel) -> np.ndarray:
    return _demean(np.asarray(panel.features, np.float64), np.asarray(panel.available))


def _demean(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Takes off the day's mean over names; what is not seen becomes that mean, 0."""
    count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    mean = np.where(seen, values, 0.0).sum(axis=1, keepdims=True) / count
    return np.where(seen, values - mean, 0.0)


def ridge(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Fits w = (XᵀX + λI)⁻¹Xᵀy.

    Args:
      x: [M, D] standardised features.
      y: [M] payoffs.

    Returns:
      A function of features [M', D] to forecasts [M'].
    """
    gram = x.T @ x + RIDGE_PENALTY * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, x.T @ y)
    return lambda new: new @ weights


def boosting(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Fits gradient-boosted trees (scikit-learn, extra `boosting`), kept shallow.

    Args:
      x: [M, D] features.
      y: [M] payoffs.

    Returns:
      A function of features [M', D] to forecasts [M'].
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingRegressor(
        learning_rate=0.1,
        max_iter=50,
        max_leaf_nodes=8,
        min_samples_leaf=200,
        l2_regularization=10.0,
        random_state=0,
    )
    with threadpool_limits(limits=1):  # So small a fit only waits for its threads.
        model.fit(x, y)
    return model.predict
