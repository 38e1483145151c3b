"""A run that trained nothing: random forecasts and books, scored as a run scores."""

import functools

import jax
import numpy as np
import pandas as pd
import pytest
from ml_collections import ConfigDict, FrozenConfigDict

from tests import small_problems
from thesis_rl.data.panel import Dataset
from thesis_rl.learning.calibration import Calibrator, Scaling
from thesis_rl.learning.preprocess import Scaler
from thesis_rl.report import page
from thesis_rl.runs import run as run_lib
from thesis_rl.thesis.vocabulary import DECISION_LABELS, SECTION_NAMES
from thesis_rl.trading.backtest import MAPPINGS, Ledger
from thesis_rl.trading.books import CAPITALS, COST_SWEEP_BPS, Sensitivity
from thesis_rl.types import Market
from thesis_rl.walk_forward import program
from thesis_rl.walk_forward.experiment import Experiment
from thesis_rl.walk_forward.program import Forecasts, Outcome

T, N, C, A = 140, 3, 3, len(DECISION_LABELS)
REACH = 3
FOLDS = {"train_days": 40, "test_days": 20, "embargo_days": 2}
REWARDS = ("reward", "claims_reward", "decision_loss")
RATES = ("commission", "half_spread", "impact", "borrow", "interest")
NUM_PATHS = 5
HOSTILE = '<script>alert("$x$")</script>'


def market(rng):
    """Returns of one per cent a day, every close quoted."""
    return Market(
        returns=rng.normal(0.0, 0.01, (T, N)),
        tradable=np.ones((T, N), bool),
        beta=rng.normal(1.0, 0.2, (T, N)),
        delisted=np.zeros((T, N), bool),
        days=np.ones(T),
    )


def dataset(rng, ticker, synthetic, rich):
    """A small data set whose names, source and caveats may be hostile."""
    traded = market(rng)
    close = pd.DataFrame(
        100 * np.cumprod(1 + traded.returns, axis=0),
        index=pd.bdate_range("2020-01-01", periods=T),
        columns=[ticker, "BBB", "CCC"],
    )
    return Dataset(
        panel=small_problems.noise_panel(T, N),
        market=traded,
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
            "masked": {"gap": 7, "not listed": 0, "no volume": 21},
            "delisted": {ticker: "2020-06-01"} if rich else {},
            "has_volume": rich,
            "has_open": False,
            "rows": T * N,
            "rows_quoted": T * N - 7,
            "rows_labelled": 400,
            "rows_quoted_without_label": 13,
            "features_missing": {"mom10": 30, "vol": T * N - 7},
        },
    )


def ledger(rng, *shape, still=False):
    """Books of noise [*shape, T'], or books that hold nothing."""
    scale = 0.0 if still else 0.01

    def draw(size=1.0):
        return rng.normal(0.0, scale * size, shape)

    return Ledger(
        gross=draw(),
        **{name: abs(draw(0.01)) for name in RATES},
        turnover=abs(draw()),
        gross_exposure=abs(draw()),
        net_exposure=draw(),
        weights=rng.normal(0.0, scale, (*shape, N)),
    )


def forecasts(rng, num_seeds, days):
    """Probabilities drawn at random, [S, T', N, ...]."""
    sizes = {"sections": len(SECTION_NAMES), "claims": C}
    drawn = {k: rng.random((num_seeds, days, N, n)) for k, n in sizes.items()}
    decision = rng.dirichlet(np.ones(A), (num_seeds, days, N))
    return Forecasts(**drawn, decision=decision)


def calibrators(rng, num_windows):
    """Scalings that flatten a little, and cut-offs above one half, [F + 1, ...]."""
    flat = Scaling(np.full((num_windows, A), 0.5), np.zeros((num_windows, A)))
    tilted = flat._replace(bias=rng.normal(0.0, 0.1, (num_windows, A)))
    return Calibrator(flat, tilted, rng.uniform(0.5, 0.8, (num_windows, C)))


def outcome(rng, config, stages, num_folds, num_steps, rich):
    """What training would have returned, drawn at random."""
    days, num_seeds = num_folds * FOLDS["test_days"], config.num_seeds
    curves = (num_seeds, num_folds + 1, num_steps)
    losses = {"loss": rng.random(curves), "grad_norm": np.full(curves, np.nan)}
    rewards = {name: rng.random(curves) for name in REWARDS}
    noise, still = ledger(rng, 4, days), ledger(rng, 1, days, still=True)
    thresholds = np.tile(np.linspace(0.2, 0.8, A - 1), (num_folds + 1, 1))
    return Outcome(
        scalers=Scaler(None, None, thresholds),
        params=None,
        metrics={stage: losses if stage == "sft" else rewards for stage in stages},
        calibrators=calibrators(rng, num_folds + 1),
        forecasts={stage: forecasts(rng, num_seeds, days) for stage in stages},
        ledgers={
            stage: {m: ledger(rng, num_seeds + 1, days) for m in MAPPINGS}
            for stage in stages
        },
        baselines=jax.tree.map(lambda *x: np.concatenate(x), noise, still),
        sensitivity=Sensitivity(
            costs=ledger(rng, len(COST_SWEEP_BPS), days),
            capacity=ledger(rng, len(CAPITALS), days) if rich else None,
            controlled=ledger(rng, days) if rich else None,
            exposure=np.ones(days),
            clipped=np.arange(days),
        ),
        paths=ledger(rng, NUM_PATHS, T) if rich else None,
    )


def run(stages, num_seeds, num_steps, text="plain", synthetic=False, rich=False):
    """Scores random books the way a run does; a rich one has all that is optional."""
    rng = np.random.default_rng(0)
    plain = ConfigDict(small_problems.config({"num_seeds": num_seeds}).to_dict())
    plain.title = f"A run of {text}"
    if "exact" in stages:
        plain.ablations.exact = {"rft": {"estimator": "exact"}}
    plain.folds.update(FOLDS)
    plain.labels.horizons = (REACH - plain.labels.entry_lag,)
    plain.claims = ConfigDict({f"claim {i} {text}": {} for i in range(C)})
    plain.backtest.cvar_limit = 0.01 * rich
    config = FrozenConfigDict(plain)
    folds = program.make_folds(T, label_horizon=REACH, **FOLDS)
    names = ("equal_weight", "momentum", "best_constant", "sign_of_vol", "hold")
    days = len(folds.test_start) * FOLDS["test_days"]
    others = {name: rng.normal(size=(days, N)) for name in names}
    prepared = Experiment(config, dataset(rng, text, synthetic, rich), folds, others)
    drawn = outcome(rng, config, stages, len(folds.test_start), num_steps, rich)
    with pytest.MonkeyPatch.context() as patch:
        seconds = {"compile": 1.25, "train": 2.5, "predict_trade": 0.5}
        patch.setattr(run_lib, "execute", lambda *_: (drawn, seconds))
        result = run_lib.run(prepared)
    result.summary["config"] = config.to_dict()
    return result


@functools.cache
def hostile():
    """All stages, three seeds, synthetic, all that is optional, every text hostile."""
    stages = ("exact", "rft", "sft")
    result = run(stages, 3, 5, text=HOSTILE, synthetic=True, rich=True)
    result.summary["trials"] = trials()
    return result


@functools.cache
def hostile_page():
    """Its HTML."""
    return page.html(hostile(), hostile().summary)


def trials(**changes):
    """What a ledger with one sibling adds to a summary."""
    sibling = {
        "title": "Another",
        "config_hash": "c0ffee",
        "data_hash": "beef",
        "sharpe": 0.8,
        "first_time": "2024-01-01T00:00:00+00:00",
        "returns": "compared",
    }
    return {
        "ledger": "trials.jsonl",
        "num_trials": 2,
        "num_effective": 1.5,
        "num_compared": 2,
        "num_days": 80,
        "num_undefined": 0,
        "num_changed_reruns": 0,
        "trial_sd": 0.02,
        "min_backtest_years": 0.9,
        "psr": 0.9,
        "dsr": 0.7,
        "dsr_effective": 0.8,
        "pbo": 0.4,
        "pbo_null": 0.5,
        "pbo_null_sd": 0.1,
        "pbo_missing": "",
        "excuse": "",
        "siblings": [sibling],
    } | changes
