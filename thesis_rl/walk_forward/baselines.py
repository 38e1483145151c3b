"""What the policy has to beat: strategies that learn nothing, and what a sceptic fits.

All go through the same harness as the policy: same lag, sleeves, costs and scores.

Ridge and boosting forecast the payoff; logistic regression and boosting classify the
decision label, as the policy does. What feeds a neutral book is demeaned across the
names of a day, so that nothing is spent on the market, which it cannot earn. Each fit
keeps to one thread. Source: Hastie, Tibshirani and Friedman (2009), "The Elements of
Statistical Learning", sections 3.4, 4.4 and 10.10.
"""

import importlib
from collections.abc import Callable
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from ml_collections import FrozenConfigDict

from thesis_rl.data.panel import Dataset
from thesis_rl.learning import preprocess
from thesis_rl.thesis.vocabulary import DECISION_LABELS, expected_position
from thesis_rl.trading import portfolio
from thesis_rl.types import Fold, Panel

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


Fit = Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]

RIDGE_PENALTY = 300.0  # In units of rows: what shrinks a feature of unit variance.
# A row bends the log-likelihood by p(1 - p), .16 where five classes are as likely.
LOGISTIC_PENALTY = 0.16 * RIDGE_PENALTY
BOOSTING = {
    "learning_rate": 0.1,
    "max_iter": 50,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 200,
    "l2_regularization": 10.0,
    "random_state": 0,
}


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
    y = demean(np.asarray(panel.payoff, np.float64), rows)
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


def walk_forward_classifier(
    panel: Panel, folds: Fold, fit: Fit, config: FrozenConfigDict
) -> np.ndarray:
    """Holds Σₐ p(a) · position(a) by a classifier fitted on each row's own fold.

    Inputs are scaled and labels cut as the policy's are, by `preprocess.fit`. Where
    the book is neutral, features are demeaned within the day before, and positions
    after.

    Args:
      panel: all rows.
      folds: [F] walk-forward bounds.
      fit: (inputs [M, 2 D], labels [M]) -> a function of inputs [M', 2 D] to
        probabilities [M', A], such as those of `LEARNED`.
      config: the experiment's.

    Returns:
      Positions [T', N] in [-1, 1], or demeaned; 0 for a name without any feature.

    Raises:
      ValueError: the labels of a fold's training rows are not of two classes.
      ImportError: scikit-learn is not installed.
    """
    neutral = config.backtest.book in portfolio.NEUTRAL_BOOKS
    if neutral:
        features = jnp.asarray(_demeaned_features(panel), jnp.float32)
        panel = panel._replace(features=features)
    seen = np.asarray(panel.available).any(axis=-1)
    held = []
    for fold in map(Fold, *folds):
        scaler = preprocess.fit(panel, fold.trains_on(len(panel.score)), config.labels)
        train = slice(fold.train_start, fold.train_stop)
        used = np.asarray(panel.labelled)[train] & seen[train]
        labels = np.asarray(
            preprocess.label(panel.score[train][used], scaler.thresholds)
        )
        _check_classes(labels, fold)
        model = fit(_inputs(panel, scaler, train)[used], labels)
        test = _inputs(panel, scaler, slice(fold.test_start, fold.test_stop))
        chances = model(test.reshape(-1, test.shape[-1]))
        held.append(expected_position(chances).reshape(test.shape[:-1]))
    held, seen = np.concatenate(held), seen[folds.test_start[0] : folds.test_stop[-1]]
    return demean(held, seen) if neutral else np.where(seen, held, 0.0)


def _inputs(panel: Panel, scaler: preprocess.Scaler, days: slice) -> np.ndarray:
    """Reads rows as the policy does, [days, N, 2 D]."""
    read = jax.vmap(jax.vmap(preprocess.inputs, (0, 0, None)), (0, 0, None))
    rows = read(panel.features[days], panel.available[days], scaler)
    return np.asarray(rows, np.float64)


def _check_classes(labels: np.ndarray, fold: Fold) -> None:
    found = [DECISION_LABELS[i] for i in np.unique(labels)]
    if len(found) < 2:
        raise ValueError(
            f"the {len(labels)} labelled rows of days {fold.train_start} to "
            f"{fold.train_stop - 1} have the labels {found}, and a classifier needs "
            "two or more; lengthen config.folds.train_days, or look at config.labels"
        )


def _demeaned_features(panel: Panel) -> np.ndarray:
    return demean(np.asarray(panel.features, np.float64), np.asarray(panel.available))


def demean(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Takes off the day's mean over names; what is not seen becomes that mean, 0.

    Args:
      values: [T, N, ...], of any value where not seen.
      seen: [T, N, ...] bool.

    Returns:
      [T, N, ...].
    """
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
    ensemble = _scikit_learn("ensemble")
    model = ensemble.HistGradientBoostingRegressor(**BOOSTING)
    return _fit_on_one_thread(model, x, y).predict


def logistic(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Fits multinomial logistic regression, p(a) ∝ exp(w_a · x + b_a).

    It maximises Σ log p(y) - ½ λ Σ |w_a|², which shrinks as `ridge` does.

    Args:
      x: [M, I] standardised inputs.
      y: [M] decision labels.

    Returns:
      A function of inputs [M', I] to probabilities [M', A].
    """
    linear_model = _scikit_learn("linear_model")
    model = linear_model.LogisticRegression(C=1 / LOGISTIC_PENALTY, max_iter=1000)
    return _probabilities(_fit_on_one_thread(model, x, y))


def boosting_classifier(
    x: np.ndarray, y: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Fits gradient-boosted trees to the log-likelihood, as shallow as `boosting`.

    Args:
      x: [M, I] inputs.
      y: [M] decision labels.

    Returns:
      A function of inputs [M', I] to probabilities [M', A].
    """
    ensemble = _scikit_learn("ensemble")
    # Stopping early would set rows aside at random, and labels overlap.
    model = ensemble.HistGradientBoostingClassifier(early_stopping=False, **BOOSTING)
    return _probabilities(_fit_on_one_thread(model, x, y))


LEARNED = {"logistic": logistic, "boosting": boosting_classifier}


def _scikit_learn(module: str) -> ModuleType:
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise ImportError(
            "logistic regression and gradient boosting need scikit-learn: "
            "pip install 'thesis_rl[boosting]'"
        ) from error


def _fit_on_one_thread(model, x: np.ndarray, y: np.ndarray):
    """So small a fit only waits for its threads."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return model.fit(x, y)


def _probabilities(model) -> Callable[[np.ndarray], np.ndarray]:
    """Gives a label that no training row had the probability 0."""

    def predict(x: np.ndarray) -> np.ndarray:
        chances = np.zeros((len(x), len(DECISION_LABELS)))
        chances[:, model.classes_] = model.predict_proba(x)
        return chances

    return predict
