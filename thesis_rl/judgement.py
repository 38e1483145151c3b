"""How far a headline can be trusted, and what it depends on."""

import functools

import jax
import numpy as np

from thesis_rl import (
    confidence,
    inference,
    portfolio,
    regimes,
    scoring,
    sensitivity,
)
from thesis_rl.evaluation import CONTROLLED, Scores, unseen
from thesis_rl.preparation import Experiment
from thesis_rl.walk_forward import Outcome

PAYOFF_CLIP = 2.0  # As the reward `utility` clips it.


def judge(
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
    hedged, sized = scoring.is_hedged(rules), rules.mapping == "sizes"
    ledger = sensitivity.line(outcome.ledgers[final][rules.mapping], -1)
    market, paths = dataset.market, outcome.paths
    stated = {
        stage: outcome.forecasts[stage].size.mean(axis=0) if sized else p
        for stage, p in decisions.items()
    }
    return {
        "headline": {"strategy": "ensemble", "mapping": rules.mapping, **headline},
        "comparisons": comparisons(
            key_for(inference.COMPARISONS),
            experiment,
            scores,
            stated,
            final,
            mean_block,
        ),
        "superiority": inference.superiority(
            key_for(inference.SUPERIORITY),
            {name: b for name, b in scores.books.items() if name != CONTROLLED},
            mean_block,
        ),
        "rank_ic": rank_ics(experiment, decisions),
        "calibration": calibration(experiment, outcome, decisions[final]),
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
            scoring.market_return(market),
            dataset.dates,
            folds,
        ),
    }


def comparisons(
    key: jax.Array,
    experiment: Experiment,
    scores: Scores,
    stated: dict[str, np.ndarray],
    final: str,
    mean_block: float,
) -> dict:
    """Compares the ensemble with every other strategy, by returns and by forecasts."""
    config, dataset, _, others = experiment
    days = unseen(experiment)
    payoff = np.asarray(dataset.panel.payoff, np.float64)[days]
    paid = np.asarray(dataset.panel.labelled)[days]
    payoff = np.where(paid, np.clip(payoff, -PAYOFF_CLIP, PAYOFF_CLIP), 0.0)
    mapped = {
        f"{stage}_ensemble": np.asarray(
            portfolio.positions(p, config.backtest.mapping), np.float64
        )
        for stage, p in stated.items()
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


def calibration(experiment: Experiment, outcome: Outcome, decision: np.ndarray) -> dict:
    """Measures the ensemble's probabilities before and after each scaling."""
    days = unseen(experiment)
    panel = experiment.dataset.panel
    rows = np.asarray(panel.labelled)[days]
    label = confidence.labels(
        np.asarray(panel.score)[days], np.asarray(outcome.scalers.thresholds)
    )[rows]
    stated = {"before": decision} | {
        scaling: confidence.rescaled(decision, outcome.calibrators, scaling)
        for scaling in ("temperature", "vector")
    }
    measured = {
        name: confidence.measure(np.asarray(p, np.float64)[rows], label)
        for name, p in stated.items()
    }
    temperatures = 1 / np.asarray(outcome.calibrators.temperature.scale)[:-1, 0]
    return measured | {
        "num_rows": int(rows.sum()),
        "scaling": experiment.config.calibration.scaling,
        "median_temperature": float(np.median(temperatures)),
    }
