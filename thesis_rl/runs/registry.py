"""A finished run and the ledger of trials: its line, and what siblings make of it."""

import datetime
import math
from pathlib import Path

import numpy as np

from thesis_rl.evaluation import inference
from thesis_rl.evaluation.judge import Result
from thesis_rl.runs import deflation, trials
from thesis_rl.runs.fingerprint import config_hash, data_hash, file_hash
from thesis_rl.runs.trials import Trial
from thesis_rl.walk_forward.experiment import Experiment

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
    summary = deflation.summarise(key, trials.read(ledger), ledger, trial)
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
