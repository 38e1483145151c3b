"""A finished run and the ledger of trials: its line, and what siblings make of it."""

import datetime
from pathlib import Path

import jax
import numpy as np

from thesis_rl import deflation, trials
from thesis_rl.experiment import Result
from thesis_rl.fingerprint import config_hash, data_hash, file_hash
from thesis_rl.trials import Trial

LEDGER = "trials.jsonl"


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
      workdir: the run's folder, its `daily_returns.csv` written.
      ledger: where the ledger lies.
      now: the time of the run.
      revision: of the code, where known.

    Returns:
      As `deflation.summarise`.

    Raises:
      ValueError: the ledger is damaged; names the line.
      OSError: the ledger cannot be written.
    """
    trial = as_trial(result, workdir, ledger, now, revision)
    trials.append(ledger, trial)
    key = jax.random.fold_in(jax.random.key(result.experiment.config.seed), 3)
    return deflation.summarise(key, trials.read(ledger), ledger, trial)


def as_trial(
    result: Result,
    workdir: Path,
    ledger: Path,
    now: datetime.datetime,
    revision: str | None,
) -> Trial:
    """Writes the ledger's line of a run; arguments as in `register`."""
    config, dataset, folds, _ = result.experiment
    returns_file = workdir / "daily_returns.csv"
    day = lambda i: str(dataset.dates[i].date())  # noqa: E731
    volume = dataset.market.dollar_volume
    arrays = [dataset.close, *([] if volume is None else [volume])]
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
        returns_sha256=file_hash(returns_file),
        predictions_sha256=result.summary["predictions_sha256"],
        revision=revision or "",
        excuse=excuse(result),
        **trials.moments(result.books["ensemble"].headline_net),
    )


def excuse(result: Result) -> str:
    """Says why a run is no trial, or "": simulated prices and smoke runs are none."""
    if result.summary["synthetic"]:
        return "synthetic"
    return "smoke" if result.experiment.config.size == "smoke" else ""
