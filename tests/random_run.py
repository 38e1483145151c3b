"""A run that trained nothing: random forecasts and books, scored as a run scores."""

import numpy as np
import pandas as pd
import pytest
from ml_collections import ConfigDict, FrozenConfigDict

from tests import small_problems
from thesis_rl import experiment, walk_forward
from thesis_rl.backtest import MAPPINGS, Ledger
from thesis_rl.data.panel import Dataset
from thesis_rl.vocabulary import DECISION_LABELS, SECTION_NAMES
from thesis_rl.walk_forward import Forecasts, Outcome

T, N, C, A = 140, 3, 3, len(DECISION_LABELS)
REACH = 3
FOLDS = {"train_days": 40, "test_days": 20, "embargo_days": 2}
REWARDS = ("reward", "claims_reward", "decision_loss")


def dataset(rng, ticker, synthetic):
    """A small data set whose names, source and caveats may be hostile."""
    returns = rng.normal(0.0, 0.01, (T, N))
    close = pd.DataFrame(
        100 * np.cumprod(1 + returns, axis=0),
        index=pd.bdate_range("2020-01-01", periods=T),
        columns=[ticker, "BBB", "CCC"],
    )
    return Dataset(
        panel=small_problems.noise_panel(T, N),
        market=small_problems.noise_market(T, N),
        close=close,
        feature_names=("mom10", "vol"),
        label_reach=REACH,
        signal=None,
        report={
            "source": "files",
            "description": f"Prices of {ticker}",
            "sha256": None,
            "caveats": [f"Survivorship of {ticker}"],
            "synthetic": synthetic,
            "first": "2020-01-01",
            "last": "2020-07-14",
            "num_days": T,
            "tickers": [ticker, "BBB", "CCC"],
            "masked": {"gap": 7, "not listed": 0},
            "rows": T * N,
            "rows_quoted": T * N - 7,
            "rows_labelled": 400,
            "rows_quoted_without_label": 13,
            "features_missing": {"mom10": 30, "vol": T * N - 7},
        },
    )


def ledger(rng, num_books, days, still=False):
    """Books of noise, or books that hold nothing."""
    scale = 0.0 if still else 0.01
    daily = rng.normal(0.0, scale, (5, num_books, days))
    return Ledger(
        gross=daily[0],
        commission=abs(daily[1]) / 100,
        half_spread=abs(daily[1]) / 50,
        turnover=abs(daily[2]),
        gross_exposure=abs(daily[3]),
        net_exposure=daily[4],
        weights=rng.normal(0.0, scale, (num_books, days, N)),
    )


def outcome(rng, config, stages, num_folds, num_steps):
    """What training would have returned, drawn at random."""
    days, num_seeds = num_folds * FOLDS["test_days"], config.num_seeds
    sizes = {"sections": len(SECTION_NAMES), "claims": C}
    forecasts = {
        stage: Forecasts(
            **{k: rng.random((num_seeds, days, N, n)) for k, n in sizes.items()},
            decision=rng.dirichlet(np.ones(A), (num_seeds, days, N)),
        )
        for stage in stages
    }
    curves = (num_seeds, num_folds + 1, num_steps)
    losses = {"loss": rng.random(curves), "grad_norm": np.full(curves, np.nan)}
    rewards = {name: rng.random(curves) for name in REWARDS}
    noise, still = ledger(rng, 3, days), ledger(rng, 1, days, still=True)
    return Outcome(
        scalers=None,
        params=None,
        metrics={stage: losses if stage == "sft" else rewards for stage in stages},
        forecasts=forecasts,
        ledgers={
            stage: {m: ledger(rng, num_seeds + 1, days) for m in MAPPINGS}
            for stage in stages
        },
        baselines=Ledger(*(np.concatenate(x) for x in zip(noise, still, strict=True))),
    )


def run(stages, num_seeds, num_steps, text="plain", synthetic=False):
    """Scores random books the way a run does."""
    rng = np.random.default_rng(0)
    plain = ConfigDict(small_problems.config({"num_seeds": num_seeds}).to_dict())
    plain.title = f"A run of {text}"
    plain.folds.update(FOLDS)
    plain.claims = ConfigDict({f"claim {i} {text}": {} for i in range(C)})
    config = FrozenConfigDict(plain)
    folds = walk_forward.make_folds(T, label_horizon=REACH, **FOLDS)
    names = ("equal_weight", "momentum", "best_constant", "hold")
    prepared = experiment.Experiment(
        config, dataset(rng, text, synthetic), folds, dict.fromkeys(names)
    )
    drawn = outcome(rng, config, stages, len(folds.test_start), num_steps)
    with pytest.MonkeyPatch.context() as patch:
        seconds = {"compile": 1.25, "train_predict_trade": 2.5}
        patch.setattr(experiment, "execute", lambda *_: (drawn, seconds))
        return experiment.run(prepared)
