"""One thesis from a finished run, by a network that had not seen what it predicts."""

import datetime
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd

from thesis_rl.data import panel as panel_lib
from thesis_rl.data.panel import Dataset
from thesis_rl.evaluation import theses as theses_lib
from thesis_rl.learning import calibration
from thesis_rl.learning.calibration import Scaling
from thesis_rl.learning.preprocess import Scaler
from thesis_rl.runs import attribution, theses
from thesis_rl.runs.load import Run, load_run
from thesis_rl.thesis import generate_thesis

__all__ = ["Prediction", "Run", "choose_fold", "find_row", "load_run", "predict"]

_explain = jax.jit(attribution.explain, static_argnames="config")


class Prediction(NamedTuple):
    """What a run's ensemble says about one ticker at the close of one day."""

    thesis: dict
    attribution: dict[str, float]  # Share of each feature in the position, by size.
    plain_position: float  # Of the row that the shares start from.
    features: dict[str, float | None]  # Raw; None where not available.
    fold: dict  # index, train and test days, final; no test days in the final model.
    out_of_sample: bool


def predict(
    run: Run,
    ticker: str,
    date: str,
    in_sample: bool = False,
    dataset: Dataset | None = None,
    repair: bool = True,
) -> Prediction:
    """Writes the thesis of one ticker and day, and says what moved its decision.

    Args:
      run: as loaded.
      ticker: one of the data set's.
      date: the day at whose close the thesis is written, YYYY-MM-DD.
      in_sample: whether to answer for a day that the networks trained on.
      dataset: the rows; built anew from the run's config if not given, so that a
        folder of prices that has grown since is read as it is now.
      repair: whether to complete a thesis that the schema refuses.

    Returns:
      The prediction.

    Raises:
      ValueError: an unknown ticker, a day that is none or was not quoted, or one that
        is in sample; says what would be right.
      ThesisError: the thesis is not valid, and not to be repaired or beyond it.
    """
    index, out_of_sample = choose_fold(run, date, in_sample)
    dataset = panel_lib.build(run.config) if dataset is None else dataset
    if dataset.feature_names != tuple(run.config.features):
        raise ValueError(
            f"{run.path} reads the features {tuple(run.config.features)}, but the data "
            f"set has {dataset.feature_names}"
        )
    day, name = find_row(dataset, ticker, date)
    params = jax.tree.map(lambda x: x[:, index], run.arrays["params"][run.final_stage])
    scaler = Scaler(**{k: x[index] for k, x in run.arrays["scalers"].items()})
    forecasts, shares, plain = jax.tree.map(
        np.asarray,
        _explain(
            params,
            dataset.panel.features[day, name],
            dataset.panel.available[day, name],
            scaler,
            run.config,
        ),
    )
    calibrators = run.arrays["calibrators"]
    mode = theses_lib.mode(*forecasts[:3], calibrators["cutoffs"][index])
    scaling = calibrators[run.config.calibration.scaling]
    calibrated = calibration.apply(
        Scaling(**{k: x[index] for k, x in scaling.items()}), forecasts.decision
    )
    row = theses.row_of(
        dataset,
        run.config,
        day,
        name,
        mode.sections,
        mode.claims,
        forecasts.decision,
        calibrated[mode.decision],
    )
    order = np.argsort(-np.abs(shares), kind="stable")
    fold = run.meta["folds"][index]
    return Prediction(
        thesis=generate_thesis(row, run.config.claims, repair),
        attribution={dataset.feature_names[i]: float(shares[i]) for i in order},
        plain_position=float(plain),
        features=dict(row.features),
        fold={"index": index} | fold | ({"test": None} if fold["final"] else {}),
        out_of_sample=out_of_sample,
    )


def choose_fold(run: Run, date: str, in_sample: bool = False) -> tuple[int, bool]:
    """Finds the latest network that had not seen a day or anything after it.

    A day of a test window belongs to that window's fold, as in the run's own tables;
    other days belong to the final model once all its labels were known, at the close
    of the run's last day, and before that to the latest fold.

    Args:
      run: as loaded.
      date: YYYY-MM-DD.
      in_sample: whether the first fold may answer for a day before its test window.

    Returns:
      Index of the fold, and whether the day is out of sample for it.

    Raises:
      ValueError: the day is none, or is in sample and that was not asked for.
    """
    date = _iso_day(date)  # ISO days compare as text.
    folds = run.meta["folds"]
    final = next(i for i, fold in enumerate(folds) if fold["final"])
    started = [
        i for i, fold in enumerate(folds) if i != final and fold["test"][0] <= date
    ]
    if started:
        latest = started[-1]
        tested = date <= folds[latest]["test"][1]
        after = date >= run.meta["last_day"]
        return (final if after and not tested else latest), True
    if in_sample:
        return 0, False
    raise ValueError(
        f"{date} is in sample: {run.path} is out of sample from "
        f"{folds[0]['test'][0]} on; ask for a later day, or say --in_sample "
        "(in_sample=True) to see what a network makes of days it may have trained on"
    )


def _iso_day(date: str) -> str:
    try:
        if str(datetime.date.fromisoformat(date)) == date:
            return date
    except (TypeError, ValueError):
        pass
    raise ValueError(f"the date must be a day as YYYY-MM-DD, got {date!r}")


def find_row(dataset: Dataset, ticker: str, date: str) -> tuple[int, int]:
    """Finds a row: the indices of its day and its name.

    Raises:
      ValueError: an unknown ticker, or no quote on that day; names what there is.
    """
    if ticker not in dataset.tickers:
        raise ValueError(
            f"unknown ticker {ticker!r}; there are {', '.join(dataset.tickers)}"
        )
    quoted = dataset.dates[dataset.close[ticker].notna()]
    when = pd.Timestamp(date)
    if when not in quoted:
        at = quoted.searchsorted(when)
        around = " and ".join(f"{d:%Y-%m-%d}" for d in quoted[max(at - 1, 0) : at + 1])
        raise ValueError(
            f"{ticker} was not quoted on {date}; nearest to it, it was on {around}"
        )
    return dataset.dates.get_loc(when), dataset.tickers.index(ticker)
