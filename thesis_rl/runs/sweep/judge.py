"""What the best point of a sweep is worth, all the tries that found it counted."""

import datetime
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from thesis_rl import files
from thesis_rl.evaluation import inference
from thesis_rl.runs import deflation, trials
from thesis_rl.runs.sweep import run
from thesis_rl.runs.sweep.run import Tried
from thesis_rl.runs.trials import Trial


def keep(
    tried: Tried,
    workdir: Path,
    ledger: Path,
    now: datetime.datetime,
    revision: str | None,
) -> Trial:
    """Fills a point's folder and adds its line to the ledger.

    Args:
      tried: the point.
      workdir: the sweep's folder; the point's lies in it.
      ledger: where the ledger lies.
      now: the time of the sweep.
      revision: of the code, where known.

    Returns:
      The line. A point that failed was a trial too; it has no returns.

    Raises:
      OSError: a file cannot be written.
    """
    folder = workdir / tried.point.name
    folder.mkdir(exist_ok=True)  # It is there after an interruption.
    files.write_json(folder / "config.json", tried.experiment.config.to_dict())
    returns_file, returns = folder / deflation.RETURNS_FILE, None
    if tried.book is not None:
        returns = tried.book.headline_net
        table = run.daily_returns(tried)
        files.write_text(returns_file, table.to_csv(float_format="%.8g"))
    trial = deflation.as_trial(
        tried.experiment,
        returns_file,
        ledger,
        returns,
        tried.predictions_sha256,
        now,
        revision,
    )
    trials.append(ledger, trial)
    return trial


def judge(
    tried: Sequence[Tried], made: Sequence[Trial], ledger: str | os.PathLike
) -> dict[str, Any]:
    """Judges the best point of a sweep by all that was tried to find it.

    Args:
      tried: every point.
      made: its line in the ledger each, appended.
      ledger: where the ledger lies.

    Returns:
      points: name, values, config_hash, failure and, where it did not fail, the
        headline of each, the best first and those without a Sharpe ratio last;
      alike: names of points that earned the same to the last digit, a list each;
      best: the name of the first, or "" where none has a Sharpe ratio, and then
        trials, overfitting and superiority are None;
      trials: of `deflation.summarise` for the best, counted from the ledger, or from
        this sweep alone where its points are no trials;
      overfitting: pbo, pbo_null, pbo_null_sd, pbo_missing of this sweep alone;
      superiority: of `inference.superiority`, over the points against zero;
      excuse: why its points are no trials, or "";
      verdict: one sentence.
    """
    order = sorted(range(len(tried)), key=lambda i: _rank(tried[i]))
    best = order[0]
    facts = {
        "points": [_describe(tried[i], made[i]) for i in order],
        "alike": alike(tried, made),
        "excuse": made[best].excuse,
    }
    if math.isinf(_rank(tried[best])):
        none = dict.fromkeys(("trials", "overfitting", "superiority")) | {"best": ""}
        return facts | none | {"verdict": f"None of {len(tried)} has a Sharpe ratio."}
    key = inference.key_for(tried[best].experiment.config.seed, inference.DEFLATION)
    alone_key, key = jax.random.split(key)
    counted = [trial._replace(excuse="") for trial in made]
    alone = deflation.summarise(alone_key, counted, ledger, counted[best])
    deflated = alone
    if not made[best].excuse:
        deflated = deflation.summarise(key, trials.read(ledger), ledger, made[best])
    facts |= {
        "best": tried[best].point.name,
        "trials": deflated,
        "overfitting": {k: x for k, x in alone.items() if k.startswith("pbo")},
        "superiority": superiority(tried),
    }
    return facts | {"verdict": verdict(facts)}


def alike(tried: Sequence[Tried], made: Sequence[Trial]) -> list[list[str]]:
    """Groups the names of points with the same returns: what they vary is idle."""
    groups = {}
    for point, trial in zip(tried, made, strict=True):
        if trial.returns_sha256:
            groups.setdefault(trial.returns_sha256, []).append(point.point.name)
    return [names for names in groups.values() if len(names) > 1]


def _rank(tried: Tried) -> float:
    sharpe = tried.headline.get("sharpe", math.nan)
    return math.inf if math.isnan(sharpe) else -sharpe


def _describe(tried: Tried, trial: Trial) -> dict[str, Any]:
    return {
        "name": tried.point.name,
        "values": tried.point.values,
        "config_hash": trial.config_hash,
        "predictions_sha256": tried.predictions_sha256,
        "failure": tried.failure,
        **tried.headline,
    }


def superiority(tried: Sequence[Tried]) -> dict[str, Any] | None:
    """Asks whether the best point beats zero by more than luck.

    Args:
      tried: every point.

    Returns:
      As `inference.superiority`, on the days that all scored points have in common;
      None where those are too few to tell anything.
    """
    scored = {t.point.name: t for t in tried if t.book is not None}
    common = pd.concat(
        {n: pd.Series(t.book.headline_net, t.dates) for n, t in scored.items()},
        axis=1,
        join="inner",
    )
    if len(common) < deflation.MIN_COMMON_DAYS:
        return None
    books = {
        name: t.book._replace(headline_net=common[name].to_numpy(np.float64))
        for name, t in scored.items()
    }
    seed = tried[0].experiment.config.seed
    key = inference.key_for(seed, inference.SUPERIORITY)
    mean_block = max(t.headline["mean_block"] for t in scored.values())
    return inference.superiority(key, books, mean_block)


def verdict(facts: dict[str, Any]) -> str:
    """Says in one sentence or two what is left of the best point."""
    sharpe, points = facts["points"][0]["sharpe"], facts["points"]
    num_trials, dsr = facts["trials"]["num_trials"], facts["trials"]["dsr"]
    first = f"The best of {len(points)} has a net headline Sharpe of {sharpe:.2f}"
    if dsr is None or math.isnan(dsr):
        chance = "no other trial has one, so it cannot be deflated"
    elif num_trials == 1:
        chance = f"the probability that it is above zero is {_probability(dsr)}"
    else:
        luck = f"the luck of {num_trials} trials"
        chance = f"the probability that it is more than {luck} is {_probability(dsr)}"
    tested = facts["superiority"]
    if tested is None:
        return f"{first}; {chance}. Too few days in common to test for survivors."
    names = ", ".join(tested["survivors"])
    left = f"Survivors: {names}" if names else "Nothing survives"
    return f"{first}; {chance}. {left}."


def _probability(p: float) -> str:
    return "over 99%" if p > 0.99 else "under 1%" if p < 0.01 else f"{p:.0%}"
