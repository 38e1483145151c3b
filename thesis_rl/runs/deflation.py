"""A finished run among its siblings: its line in the file of trials, and what they make
of its headline.
"""

import datetime
import hashlib
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from thesis_rl import stats
from thesis_rl.evaluation import inference
from thesis_rl.evaluation.judge import Result
from thesis_rl.runs import folder, trials
from thesis_rl.runs.fingerprint import config_hash, data_hash, file_hash
from thesis_rl.runs.trials import Trial
from thesis_rl.types import PERIODS_A_YEAR
from thesis_rl.walk_forward.experiment import Experiment

MIN_COMMON_DAYS = 60  # Fewer tell little about how two trials move together.
NUM_BLOCKS = 16  # Of the combinatorially symmetric cross-validation.
NULL_DRAWS = 50  # Put the error of the null reference at a seventh of its spread.


def summarise(
    key: jax.Array, lines: Sequence[Trial], ledger: str | os.PathLike, current: Trial
) -> dict[str, Any]:
    """Deflates a run's Sharpe ratio by the trials that the ledger counts.

    N counts every trial, whatever data it used: to choose the data is selection too.
    A run that is no trial itself is not selected from anything: its N is 1. With
    N = 1 the deflated Sharpe ratio is the probabilistic one.

    A trial is compared day by day where its returns are still as the ledger knows
    them and leave in common at least 60 of the current run's days and half of them.
    Any other keeps its Sharpe ratio, and is one full effective trial.

    Args:
      key: consumed, by the null reference of the PBO.
      lines: the ledger's, with or without the current run's own.
      ledger: where the ledger lies.
      current: the run that is reported.

    Returns:
      num_trials: N, with the current one.
      num_effective: N_eff, the effective rank of the compared trials' correlation and
        one for each trial not compared.
      num_compared, num_days: trials and days of that comparison.
      num_undefined: trials without a Sharpe ratio; they count in N, not in trial_sd.
      num_changed_reruns: reruns of a trial that predicted something else than before,
        as they do where the code changed; not in N.
      trial_sd: of the trials' Sharpe ratios, a day, N − 1; None below two.
      min_backtest_years: as `stats.min_backtest_length` at N.
      psr, dsr, dsr_effective: probabilities; the last two at N and N_eff, None where
        N > 1 and trial_sd is None.
      pbo, pbo_null, pbo_null_sd: of the compared trials, and its mean and standard
        deviation where none has skill; None where `pbo_missing` says why.
      excuse: why the current run is no trial, or "".
      siblings: title, config_hash and data_hash (12 digits), sharpe (annual),
        first_time, and returns: "compared" or why not.
    """
    siblings = [t for t in trials.count(lines) if t.key != current.key]
    tried = [current] if current.excuse else [*siblings, current]
    returns, faults = _common_returns(tried, ledger)
    sharpes = [t.sharpe for t in tried if not math.isnan(t.sharpe)]
    trial_sd = float(np.std(sharpes, ddof=1)) if len(sharpes) > 1 else None
    num_effective = len(tried) - returns.shape[1] + _effective(returns)
    return {
        "num_trials": len(tried),
        "num_effective": num_effective,
        "num_compared": returns.shape[1],
        "num_days": returns.shape[0],
        "num_undefined": len(tried) - len(sharpes),
        "num_changed_reruns": _changed_reruns(lines, tried),
        "trial_sd": trial_sd,
        "min_backtest_years": stats.min_backtest_length(
            current.sharpe * math.sqrt(PERIODS_A_YEAR), len(tried)
        ),
        "psr": _deflated(current, None, 1),
        "dsr": _deflated(current, trial_sd, len(tried)),
        "dsr_effective": _deflated(current, trial_sd, num_effective),
        **_overfitting(key, returns),
        "excuse": current.excuse,
        "siblings": _describe(siblings, lines, faults, current),
    }


def _deflated(trial: Trial, sd: float | None, num_trials: float) -> float | None:
    record = trial.num_obs, trial.skew, trial.kurtosis
    if num_trials == 1:
        return stats.probabilistic_sharpe(trial.sharpe, 0.0, *record)
    if sd is None:
        return None
    return stats.deflated_sharpe(trial.sharpe, *record, sd, num_trials)


def _effective(returns: np.ndarray) -> float:
    if returns.shape[1] < 2:
        return float(returns.shape[1])
    return stats.effective_trials(returns)


def _overfitting(key: jax.Array, returns: np.ndarray) -> dict[str, Any]:
    if returns.shape[1] < 2:
        missing = "fewer than two trials can be compared day by day"
        none = dict.fromkeys(("pbo", "pbo_null", "pbo_null_sd"))
        return none | {"pbo_missing": missing}
    null = stats.overfitting_under_null(key, returns, NUM_BLOCKS, NULL_DRAWS)
    return {
        "pbo": stats.probability_of_overfitting(returns, NUM_BLOCKS),
        "pbo_null": float(null.mean()),
        "pbo_null_sd": float(null.std(ddof=1)),
        "pbo_missing": "",
    }


def _changed_reruns(lines: Sequence[Trial], tried: list[Trial]) -> int:
    keys = {t.key for t in tried}
    seen = {(*t.key, t.predictions_sha256) for t in (*lines, *tried) if t.key in keys}
    return len(seen) - len(keys)


def _common_returns(
    tried: list[Trial], ledger: str | os.PathLike
) -> tuple[np.ndarray, dict[tuple[str, str], str]]:
    """Lines up the trials that share enough days with the last of them.

    Returns:
      [T, compared], and by key why a trial is not in it.
    """
    records, faults = {}, {}
    for trial in tried:
        try:
            records[trial.key] = _read_returns(trial, ledger)
        except (OSError, ValueError) as error:
            faults[trial.key] = str(error)
    current = tried[-1].key
    if current not in records:
        alone = f"the current run's: {faults[current]}"
        return np.empty((0, 0)), dict.fromkeys(records, alone) | faults
    days = records[current].index
    enough = max(MIN_COMMON_DAYS, len(days) / 2)
    shared = {key: len(days.intersection(r.index)) for key, r in records.items()}
    kept = []
    for key in sorted(records, key=shared.get, reverse=True):
        common = days.intersection(records[key].index)
        if len(common) < enough:
            faults[key] = f"only {len(common)} days in common"
            continue
        days = common
        kept.append(key)
    columns = [records[key][days].to_numpy(np.float64) for key in kept]
    return np.stack(columns, axis=1) if kept else np.empty((0, 0)), faults


def _read_returns(trial: Trial, ledger: str | os.PathLike) -> pd.Series:
    """Reads a trial's net headline returns by date, if they are what they were."""
    file = Path(ledger).resolve().parent / trial.returns_file
    try:
        data = file.read_bytes()
    except OSError as error:
        raise OSError("file missing or unreadable") from error
    if hashlib.sha256(data).hexdigest() != trial.returns_sha256:
        raise ValueError("file changed since")
    kinds = {"date": str, folder.HEADLINE_RETURNS: float}
    try:
        table = pd.read_csv(io.BytesIO(data), usecols=list(kinds), dtype=kinds)
    except ValueError as error:
        raise ValueError(f"no dates or no {folder.HEADLINE_RETURNS}") from error
    returns = table.set_index("date")[folder.HEADLINE_RETURNS].sort_index()
    if not (returns.index.is_unique and np.isfinite(returns).all()):
        raise ValueError("a date twice, or a return that is no number")
    return returns


def _describe(
    siblings: list[Trial],
    lines: Sequence[Trial],
    faults: dict[tuple[str, str], str],
    current: Trial,
) -> list[dict[str, Any]]:
    first_time = {t.key: t.time for t in reversed(lines) if t.counted}
    otherwise = "not read" if current.excuse else "compared"
    return [
        {
            "title": t.title,
            "config_hash": t.config_hash[:12],
            "data_hash": t.data_hash[:12],
            "sharpe": t.sharpe * math.sqrt(PERIODS_A_YEAR),
            "first_time": first_time[t.key],
            "returns": faults.get(t.key, otherwise),
        }
        for t in siblings
    ]


LEDGER = "trials.jsonl"
RETURNS_FILE = "daily_returns.csv"
UNDEFINED = dict.fromkeys(("sharpe", "skew", "kurtosis"), math.nan) | {"num_obs": 0}


def register(
    result: Result,
    workdir: Path,
    ledger: Path,
    now: datetime.datetime,
    revision: str | None,
) -> dict:
    """Adds a run to the ledger, then deflates its headline by all that is in there.

    Args:
      result: as run.
      workdir: the run's folder, its returns written.
      ledger: where the ledger lies.
      now: the time of the run.
      revision: of the code, where known.

    Returns:
      As `deflation.summarise`, and the ledger's path.

    Raises:
      ValueError: the ledger is damaged; names the line.
      OSError: the ledger cannot be written.
    """
    trial = as_trial(
        result.experiment,
        workdir / RETURNS_FILE,
        ledger,
        result.books["ensemble"].headline_net,
        result.summary["predictions_sha256"],
        now,
        revision,
    )
    trials.append(ledger, trial)
    key = inference.key_for(result.experiment.config.seed, inference.DEFLATION)
    summary = summarise(key, trials.read(ledger), ledger, trial)
    return {"ledger": str(ledger), **summary}


def as_trial(
    experiment: Experiment,
    returns_file: Path,
    ledger: Path,
    returns: np.ndarray | None,
    predictions_sha256: str,
    now: datetime.datetime,
    revision: str | None,
) -> Trial:
    """Writes the ledger's line of a run.

    Args:
      experiment: as prepared.
      returns_file: of the run's folder, written.
      ledger: where the ledger lies.
      returns: [T'], net headline returns; None for a run that failed, which was a
        trial nevertheless, and has no file.
      predictions_sha256: of the ensemble's probabilities.
      now: the time of the run.
      revision: of the code, where known.

    Returns:
      The line.
    """
    config, dataset, folds, _ = experiment
    day = lambda i: str(dataset.dates[i].date())  # noqa: E731
    market = dataset.market
    optional = (market.dollar_volume, market.open_to_close)
    arrays = [dataset.close, *(x for x in optional if x is not None)]
    return Trial(
        time=now.isoformat(),
        title=config.title,
        config_hash=config_hash(config.to_dict()),
        data_hash=data_hash(dataset.dates, dataset.tickers, *map(np.asarray, arrays)),
        seed=config.seed,
        num_seeds=config.num_seeds,
        folds=[
            [day(a), day(b - 1), day(c), day(d - 1)]
            for a, b, c, d in zip(*folds, strict=True)
        ],
        returns_file=trials.locate(returns_file, ledger),
        returns_sha256="" if returns is None else file_hash(returns_file),
        predictions_sha256=predictions_sha256,
        revision=revision or "",
        excuse=excuse(experiment),
        **(UNDEFINED if returns is None else trials.moments(returns)),
    )


def excuse(experiment: Experiment) -> str:
    """Says why a run is no trial, or "": simulated prices and smoke runs are none."""
    if experiment.dataset.report["synthetic"]:
        return "synthetic"
    return "smoke" if experiment.config.size == "smoke" else ""
