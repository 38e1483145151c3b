"""One experiment on the host: load, compile, run, score."""

import hashlib
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from thesis_rl import confidence, evaluation, judgement, training, walk_forward
from thesis_rl.preparation import Experiment, arguments
from thesis_rl.preparation import prepare as prepare
from thesis_rl.progress import Follower, Standing
from thesis_rl.resume import Saves
from thesis_rl.scoring import Book
from thesis_rl.thesis import quality
from thesis_rl.types import Thesis
from thesis_rl.walk_forward import Forecasts, Outcome

Say = Callable[[str], None]
Tell = Callable[[Standing], None]


class Result(NamedTuple):
    """What a run found, in memory; `record.py` puts it on disk."""

    experiment: Experiment
    outcome: Outcome  # NumPy arrays.
    forecasts: dict[str, Forecasts]  # by stage, mean over seeds, [T', N, ...].
    theses: Thesis  # The ensemble's, [T', N, ...].
    confidence: np.ndarray  # [T', N], calibrated probability of each decision.
    books: dict[str, Book]  # Ensembles and baselines, under the headline's mapping.
    seed_books: list[Book]  # Of the last stage's single networks, likewise.
    summary: dict  # Every number of the report.

    @property
    def final_stage(self) -> str:
        """The stage whose ensemble is the headline."""
        return walk_forward.final_stage(self.forecasts)


def execute(
    experiment: Experiment,
    say: Say = lambda text: None,
    tell: Tell = lambda standing: None,
    saves: Saves | None = None,
    save_seconds: float = 60.0,
) -> tuple[Outcome, dict[str, float]]:
    """Compiles and runs the programs of one experiment.

    Args:
      experiment: as prepared.
      say: told what is about to happen.
      tell: told how far the training is.
      saves: where it is saved, and goes on from; None saves nothing.
      save_seconds: between two saves.

    Returns:
      The outcome as NumPy arrays, and seconds spent compiling, training, and
      predicting and trading.
    """
    given, config = arguments(experiment), experiment.config
    num_folds = len(experiment.folds.test_start)
    num_runs = config.num_seeds * (num_folds + 1)
    num_names = len(experiment.dataset.tickers)
    say(
        f"Compiling, then training {num_runs} runs: {num_folds} folds and a final "
        f"model, {config.num_seeds} seeds each"
    )

    def rows_per_step(stage: str) -> int:
        return training.settings(stage, config).batch_days * num_names

    started = time.perf_counter()
    follower = Follower(rows_per_step, tell, saves, save_seconds)
    outcome = walk_forward.run(*given, config, follower)
    outcome = jax.tree.map(np.asarray, outcome)
    _check_finite(outcome.params)
    seconds = follower.seconds
    total = time.perf_counter() - started
    return outcome, seconds | {"predict_trade": total - sum(seconds.values())}


def _check_finite(params: dict) -> None:
    for stage in sorted(params, key=lambda stage: stage != "sft"):
        leaves = jax.tree.leaves(params[stage])
        bad = sum(np.size(x) - np.isfinite(x).sum() for x in leaves)
        if bad:
            raise ValueError(
                f"training diverged: {bad} parameters after {stage} are not finite; "
                f"lower config.{'sft' if stage == 'sft' else 'rft'}.peak_lr"
            )


def run(experiment: Experiment, say: Say = lambda text: None) -> Result:
    """Runs an experiment and scores everything it traded.

    Args:
      experiment: as prepared.
      say: told what is about to happen.

    Returns:
      The result.
    """
    return judge(experiment, *execute(experiment, say), say)


def judge(
    experiment: Experiment,
    outcome: Outcome,
    seconds: dict[str, float],
    say: Say = lambda text: None,
) -> Result:
    """Scores everything that an experiment traded.

    Args:
      experiment: as prepared.
      outcome: of `execute`.
      seconds: likewise.
      say: told what is about to happen.

    Returns:
      The result.
    """
    say("Scoring every book")
    started = time.perf_counter()
    config, dataset, _, _ = experiment
    forecasts = {
        stage: jax.tree.map(lambda x: x.mean(axis=0), f)
        for stage, f in outcome.forecasts.items()
    }
    final = walk_forward.final_stage(forecasts)
    traded = forecasts[final].decision
    decisions = {stage: f.decision for stage, f in forecasts.items()}
    scores = evaluation.score(experiment, outcome, final)
    judged = judgement.judge(experiment, outcome, scores, decisions, final)
    theses, quality_of = measure_theses(experiment, outcome, forecasts, final)
    summary = {
        "title": config.title,
        "synthetic": dataset.report["synthetic"],
        **judged,
        "strategies": scores.table,
        "folds": evaluation.fold_table(
            experiment, scores.books["ensemble"], scores.seed_books
        ),
        "theses": quality_of,
        "pace": pace_table(outcome),
        "timing": seconds | {"score": time.perf_counter() - started},
        "data": dataset.report,
        "predictions_sha256": hashlib.sha256(
            np.ascontiguousarray(traded).tobytes()
        ).hexdigest(),
    }
    calibrated = confidence.rescaled(
        decisions[final], outcome.calibrators, config.calibration.scaling
    )
    chosen = np.take_along_axis(calibrated, theses.decision[..., None], axis=-1)
    return Result(
        experiment,
        outcome,
        forecasts,
        theses,
        chosen[..., 0],
        scores.books,
        scores.seed_books,
        summary,
    )


def pace_table(outcome: Outcome) -> list[dict] | None:
    """Lists each fold's rule of trading, the final one last; None for sleeves."""
    if outcome.rules is None:
        return None
    fields = {k: np.asarray(x, float) for k, x in outcome.rules._asdict().items()}
    num_folds = len(outcome.rules.exposure)
    return [{k: float(x[i]) for k, x in fields.items()} for i in range(num_folds)]


def measure_theses(
    experiment: Experiment,
    outcome: Outcome,
    forecasts: dict[str, Forecasts],
    final: str,
) -> tuple[Thesis, dict]:
    """Writes the likeliest theses of unseen days, and measures them against the facts.

    Args:
      experiment: as prepared.
      outcome: as run.
      forecasts: by stage, means over seeds, [T', N, ...].
      final: the stage whose theses are kept.

    Returns:
      The final stage's theses, their claims cut where calibration found them to hold,
      and how good they are; by_stage, the same of every stage with claims cut at one
      half.
    """
    days = evaluation.unseen(experiment)
    panel, market = experiment.dataset.panel, experiment.dataset.market
    truth, known, rows = (
        np.asarray(x)[days] for x in (panel.truth, panel.known, market.eligible)
    )
    by_stage = {
        stage: quality.measure(quality.mode(*f[:3]), truth, known, rows)
        for stage, f in forecasts.items()
    }
    cutoffs = confidence.cutoffs(outcome.calibrators, len(rows))
    theses = quality.mode(*forecasts[final][:3], cutoffs)
    measured = quality.measure(theses, truth, known, rows)
    return theses, {**measured, "by_stage": by_stage}
