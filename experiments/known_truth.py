"""One simulated market, and what every learner made of it, oracles included."""

from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict, FrozenConfigDict

from thesis_rl import (
    evaluation,
    experiment,
    judgement,
    regressors,
    scoring,
    stats,
    training,
    walk_forward,
)
from thesis_rl.backtest import MAPPINGS
from thesis_rl.preparation import Experiment
from thesis_rl.sensitivity import line
from thesis_rl.vocabulary import DECISION_POSITIONS, DECISION_SIGNS
from thesis_rl.walk_forward import Outcome


class Score(NamedTuple):
    """One book on one market."""

    sharpe: float  # Gross headline.
    reward: float  # Mean utility of its decisions on labelled unseen rows.
    drawdown: float  # Deepest fall, in units of a year's volatility; negative.


class Honesty(NamedTuple):
    """How true the final stage's theses are on unseen rows, before any repair."""

    ece: float  # Of the decision, calibrated.
    claim_precision: float
    claim_recall: float
    schema_validity: float


class Scores(NamedTuple):
    """What one market taught."""

    books: dict[str, Score]  # By `learner.mapping`.
    honesty: Honesty


def make_market(config: ConfigDict, seed: int, boosting: bool) -> Experiment:
    """Simulates one market, with oracles and regressions in place of baselines."""
    # A frozen config hashes what it was made from: one that changed compiles again.
    changed = training.with_changes(config, {"data.synthetic.seed": seed})
    prepared = experiment.prepare(changed)
    dataset, folds = prepared.dataset, prepared.folds
    unseen = slice(folds.test_start[0], folds.test_stop[-1])
    true_label = np.searchsorted(
        (0.2, 0.4, 0.6, 0.8), np.asarray(dataset.panel.score)[unseen], side="right"
    )
    labelled = np.asarray(dataset.panel.labelled)[unseen]
    forecasts = {"ridge": regressors.ridge}
    if boosting:
        forecasts["boosting"] = regressors.boosting
    forecasts = {
        name: regressors.walk_forward(dataset.panel, folds, fit)
        for name, fit in forecasts.items()
    }
    random = np.random.default_rng(seed)
    positions = {
        "oracle_signal.signs": np.sign(dataset.signal[unseen]),
        "oracle_signal.expected": dataset.signal[unseen],
        "oracle_labels.signs": np.take(DECISION_SIGNS, true_label) * labelled,
        "oracle_labels.expected": np.take(DECISION_POSITIONS, true_label) * labelled,
        "random_signs.signs": random.choice([-1.0, 1.0], labelled.shape),
        **{f"{name}.signs": np.sign(x) for name, x in forecasts.items()},
        **{f"{name}.expected": x for name, x in forecasts.items()},
    }
    neutral = {k: x - x.mean(axis=1, keepdims=True) for k, x in positions.items()}
    return prepared._replace(
        baselines={"equal_weight": np.ones_like(labelled, float), **neutral}
    )


def score_market(market: Experiment, config: FrozenConfigDict) -> Scores:
    """Trains on one market and scores every book and the theses."""
    market = market._replace(config=config)
    outcome = walk_forward.run(*experiment.arguments(market), config)
    outcome = jax.tree.map(np.asarray, outcome)
    return Scores(score_books(market, outcome), measure_honesty(market, outcome))


def measure_honesty(market: Experiment, outcome: Outcome) -> Honesty:
    """Measures the theses and the confidence of the final stage's ensemble."""
    forecasts = {
        stage: jax.tree.map(lambda x: x.mean(axis=0), f)
        for stage, f in outcome.forecasts.items()
    }
    final = walk_forward.final_stage(forecasts)
    _, theses = experiment.measure_theses(market, outcome, forecasts, final)
    measured = judgement.calibration(market, outcome, forecasts[final].decision)
    return Honesty(
        measured[market.config.calibration.scaling]["ece"],
        *(theses[name] for name in Honesty._fields[1:]),
    )


def score_books(market: Experiment, outcome: Outcome) -> dict[str, Score]:
    """Scores every learner, oracle and baseline, gross of costs."""
    names, dataset = list(market.baselines), market.dataset
    benchmark = scoring.make_benchmark(
        dataset.market,
        int(market.folds.test_start[0]),
        line(outcome.baselines, names.index("equal_weight")),
    )
    days = evaluation.unseen(market)
    labelled = np.asarray(dataset.panel.labelled)[days]
    payoff = np.clip(np.asarray(dataset.panel.payoff)[days], -2, 2)[labelled]

    def score(ledger, positions) -> Score:
        returns = scoring.make_book(ledger, benchmark, True).headline_gross
        return Score(
            sharpe=stats.sharpe(returns),
            reward=float(np.mean(np.clip(positions, -1, 1)[labelled] * payoff)),
            drawdown=stats.max_drawdown(returns) / stats.volatility(returns),
        )

    scores = {
        name: score(line(outcome.baselines, i), market.baselines[name])
        for i, name in enumerate(names)
        if name != "equal_weight"
    }
    for stage, ledgers in outcome.ledgers.items():
        probabilities = outcome.forecasts[stage].decision
        for mapping in MAPPINGS:
            single = [
                score(line(ledgers[mapping], i), positions_of(p))
                for i, p in enumerate(probabilities)
            ]
            scores[f"{stage}.{mapping}"] = Score(*np.mean(single, axis=0))
            if len(single) > 1:
                scores[f"{stage}_ensemble.{mapping}"] = score(
                    line(ledgers[mapping], -1), positions_of(probabilities.mean(axis=0))
                )
    return scores


def positions_of(probabilities: np.ndarray) -> np.ndarray:
    """Returns the position of the likeliest decision."""
    return np.take(DECISION_POSITIONS, probabilities.argmax(axis=-1))
