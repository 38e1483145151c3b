"""Everything that a run is judged by: its books, its forecasts and its theses."""

import functools
import hashlib
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from thesis_rl import policy
from thesis_rl.evaluation import calibration, inference, regimes, sensitivity
from thesis_rl.evaluation.books import (
    CONTROLLED,
    Book,
    Scores,
    fold_table,
    is_hedged,
    market_return,
    score,
    unseen,
)
from thesis_rl.evaluation.theses import measure_truth
from thesis_rl.learning import network
from thesis_rl.learning.rewards import MAX_PAYOFF
from thesis_rl.trading import portfolio
from thesis_rl.trading.costs import line
from thesis_rl.types import Thesis
from thesis_rl.walk_forward import program
from thesis_rl.walk_forward.experiment import Experiment
from thesis_rl.walk_forward.program import Forecasts, Outcome


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
        return program.final_stage(self.forecasts)


def judge(
    experiment: Experiment,
    outcome: Outcome,
    seconds: dict[str, float],
    say: Callable[[str], None] = lambda text: None,
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
    forecasts = {stage: network.over_seeds(f) for stage, f in outcome.forecasts.items()}
    final = program.final_stage(forecasts)
    decisions = {stage: f.decision for stage, f in forecasts.items()}
    scores = score(experiment, outcome, final)
    judged = measure(experiment, outcome, scores, decisions, final)
    theses, quality_of = measure_theses(experiment, outcome, forecasts, final)
    summary = {
        "title": config.title,
        "synthetic": dataset.report["synthetic"],
        **judged,
        "strategies": scores.table,
        "folds": fold_table(experiment, scores.books["ensemble"], scores.seed_books),
        "theses": quality_of,
        "pace": pace_table(outcome),
        "timing": seconds | {"score": time.perf_counter() - started},
        "data": dataset.report,
        "predictions_sha256": hashlib.sha256(
            np.ascontiguousarray(decisions[final]).tobytes()
        ).hexdigest(),
    }
    calibrated = calibration.rescaled(
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


def measure(
    experiment: Experiment,
    outcome: Outcome,
    scores: Scores,
    decisions: dict[str, np.ndarray],
    final: str,
) -> dict:
    """Measures how far the headline can be trusted, and what it depends on.

    Args:
      experiment: as prepared.
      outcome: as run.
      scores: of the same.
      decisions: by stage, probabilities [T', N, A], means over seeds.
      final: the stage whose ensemble is the headline.

    Returns:
      JSON-able sections of the summary: headline, comparisons, superiority, rank_ic,
      calibration, costs, capacity, paths, regimes.
    """
    config, dataset, folds, _ = experiment
    rules = config.backtest
    key_for = functools.partial(inference.key_for, config.seed)
    headline = inference.headline(
        key_for(inference.HEADLINE), scores.books["ensemble"], rules.hold_days
    )
    mean_block = headline["mean_block"]
    hedged = is_hedged(rules)
    ledger = line(outcome.ledgers[final][rules.mapping], -1)
    market, paths = dataset.market, outcome.paths
    return {
        "headline": {"strategy": "ensemble", "mapping": rules.mapping, **headline},
        "comparisons": comparisons(
            key_for(inference.COMPARISONS),
            experiment,
            scores,
            decisions,
            final,
            mean_block,
        ),
        "superiority": inference.superiority(
            key_for(inference.SUPERIORITY),
            {name: b for name, b in scores.books.items() if name != CONTROLLED},
            mean_block,
        ),
        "rank_ic": rank_ics(experiment, decisions),
        "calibration": measure_calibration(experiment, outcome, decisions[final]),
        "costs": sensitivity.cost_sweep(outcome.sensitivity, scores.benchmark, hedged)
        | {
            "items": sensitivity.cost_items(ledger),
            "clipped": int(np.sum(outcome.sensitivity.clipped)),
            "controlled_days": int(np.sum(outcome.sensitivity.exposure < 1)),
        },
        "capacity": sensitivity.capacity(outcome.sensitivity, scores.benchmark, hedged),
        "paths": None if paths is None else sensitivity.paths(paths, market, config),
        "regimes": regimes.tabulate(
            scores.books["ensemble"].headline_net,
            market_return(market),
            dataset.dates,
            folds,
        ),
    }


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
    days = unseen(experiment)
    panel, market = experiment.dataset.panel, experiment.dataset.market
    truth, known, rows = (
        np.asarray(x)[days] for x in (panel.truth, panel.known, market.eligible)
    )
    by_stage = {
        stage: measure_truth(policy.mode(*f[:3]), truth, known, rows)
        for stage, f in forecasts.items()
    }
    cutoffs = calibration.cutoffs(outcome.calibrators, len(rows))
    theses = policy.mode(*forecasts[final][:3], cutoffs)
    measured = measure_truth(theses, truth, known, rows)
    return theses, {**measured, "by_stage": by_stage}


def comparisons(
    key: jax.Array,
    experiment: Experiment,
    scores: Scores,
    decisions: dict[str, np.ndarray],
    final: str,
    mean_block: float,
) -> dict:
    """Compares the ensemble with every other strategy, by returns and by forecasts."""
    config, dataset, _, others = experiment
    days = unseen(experiment)
    payoff = np.asarray(dataset.panel.payoff, np.float64)[days]
    paid = np.asarray(dataset.panel.labelled)[days]
    payoff = np.where(paid, np.clip(payoff, -MAX_PAYOFF, MAX_PAYOFF), 0.0)
    mapped = {
        f"{stage}_ensemble": np.asarray(
            portfolio.positions(p, config.backtest.mapping), np.float64
        )
        for stage, p in decisions.items()
    }
    mapped["ensemble"] = mapped.pop(f"{final}_ensemble")
    positions = mapped | {name: np.asarray(x) for name, x in others.items()}
    positions[CONTROLLED] = positions["ensemble"]
    losses = {
        name: inference.position_loss(np.where(paid, held, 0.0), payoff)
        for name, held in positions.items()
    }
    return inference.compare(
        key, scores.books, losses, "ensemble", mean_block, dataset.label_reach
    )


def rank_ics(experiment: Experiment, decisions: dict[str, np.ndarray]) -> dict:
    """Measures each stage's rank correlation with raw forward returns."""
    config, dataset, _, _ = experiment
    days, lag = unseen(experiment), config.labels.entry_lag
    forward = inference.forward_returns(dataset.close, lag, dataset.label_reach)
    quoted = np.asarray(dataset.market.eligible)[days]
    overlap = dataset.label_reach - lag
    return {
        stage: inference.rank_ic(p, forward[days], quoted, overlap)
        for stage, p in decisions.items()
    }


def measure_calibration(
    experiment: Experiment, outcome: Outcome, decision: np.ndarray
) -> dict:
    """Measures the ensemble's probabilities before and after each scaling."""
    days = unseen(experiment)
    panel = experiment.dataset.panel
    rows = np.asarray(panel.labelled)[days]
    label = calibration.labels(
        np.asarray(panel.score)[days], np.asarray(outcome.scalers.thresholds)
    )[rows]
    stated = {"before": decision} | {
        scaling: calibration.rescaled(decision, outcome.calibrators, scaling)
        for scaling in ("temperature", "vector")
    }
    measured = {
        name: calibration.measure(np.asarray(p, np.float64)[rows], label)
        for name, p in stated.items()
    }
    temperatures = 1 / np.asarray(outcome.calibrators.temperature.scale)[:-1, 0]
    return measured | {
        "num_rows": int(rows.sum()),
        "scaling": experiment.config.calibration.scaling,
        "median_temperature": float(np.median(temperatures)),
    }
