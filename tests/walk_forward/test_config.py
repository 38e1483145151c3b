"""What a config may not say, and the sentence that says so."""

import math
import pathlib

import pytest
from ml_collections import ConfigDict, FrozenConfigDict

from experiments import everything, rft
from thesis_rl.learning import ablations, network
from thesis_rl.runs import fingerprint
from thesis_rl.walk_forward import baselines
from thesis_rl.walk_forward.check import check

UNCOMMITTED = {
    "calm": {
        "section": "risks",
        "sentence": "Daily volatility is below 2%.",
        "conditions": (("vol", "<", 0.02),),
    }
}
BOOKS = sorted(
    path.stem
    for path in (pathlib.Path(__file__).parents[2] / "experiments").glob("*.py")
    if "def get_config" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("book", BOOKS)
@pytest.mark.parametrize("size", ["full", "smoke"])
def test_every_lab_book_can_run(book, size):
    module = __import__(f"experiments.{book}", fromlist=["get_config"])
    check(module.get_config(size))
    with pytest.raises(ValueError, match='size must be "full" or "smoke"'):
        module.get_config("tiny")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_seeds": 0}, "config.num_seeds is 0; it must be at least 1"),
        ({"backtest.hold_days": 0}, "config.backtest.hold_days is 0"),
        ({"backtest.mapping": "sign"}, "choose one of .*'signs', 'expected'"),
        ({"report.thesis_stride": 0}, "config.report.thesis_stride is 0"),
        ({"rft.estimator": "ppo"}, "config.rft.estimator is 'ppo'; choose one of"),
        ({"rft.num_samples": 4}, "pairwise compares 2 theses, but num_samples is 4"),
        ({"rft.num_samples": 1}, "config.rft.num_samples is 1"),
        ({"rft.keep": 1.0}, "config.rft.keep is 1.0; .* in \\[0, 1\\)"),
        ({"rft.keep": float("nan")}, "config.rft.keep is nan"),
        ({"rft.kl_coef": -0.1}, "config.rft.kl_coef is -0.1; it must be at least"),
        ({"rft.kl_coef": 0.1, "sft.num_steps": 0}, "but config.sft.num_steps is 0"),
        ({"reward.claims": "f2"}, "config.reward.claims is 'f2'"),
        ({"reward.decision": "pnl"}, "config.reward.decision is 'pnl'"),
        ({"reward.weights": (1.0, 1.0)}, "config.reward.weights .* give three weights"),
        ({"reward.weights": (0.0, 0.0, 0.0)}, "not all 0"),
        ({"reward.weights": (1.0, -1.0, 1.0)}, "config.reward.weights"),
        ({"reward.validity_share": 2.0}, "must lie in"),
        (
            {"rft.estimator": "headwise_rloo", "reward.validity_share": 0.5},
            "headwise_rloo takes each head .* couples sections and claims",
        ),
        (
            {"rft.estimator": "exact", "reward.validity_share": 0.5},
            "exact takes each head .* use rloo",
        ),
        (
            {"reward.curriculum": ((0.5, (1, 1, 1)), (0.1, (1, 1, 1)))},
            "growing fractions",
        ),
        ({"model.hidden": ()}, "config.model.hidden"),
        ({"model.hidden": ("a",)}, "config.model.hidden"),
        ({"reward.weights": ("a", "b", "c")}, "config.reward.weights"),
        ({"reward.curriculum": (1, 2)}, "config.reward.curriculum has 1; give pairs"),
        ({"reward.curriculum": ((0.0, (1, 1)),)}, "curriculum at 0.0 is .* give three"),
        ({"reward.curriculum": ((0.0, 1),)}, "curriculum at 0.0 is 1; give three"),
        ({"reward.curriculum": ((0.0, (1, 1, 1, 2)),)}, "curriculum at 0.0 .* three"),
        ({"reward.weights": (math.nan, 1.0, 1.0)}, "config.reward.weights"),
        ({"rft.peak_lr": -1.0}, "config.rft.peak_lr is -1.0; it must be at least 0"),
        ({"rft.entropy_coef": float("nan")}, "config.rft.entropy_coef is nan"),
        ({"sft.num_steps": 0, "rft.num_steps": 0}, "nothing would be trained"),
        ({"features": ("mom10", "alpha")}, "config.features names 'alpha'"),
        (
            {"features": ("mom10", "mom30", "vol")},
            "names the unknown feature 'f_sentiment'",
        ),
        ({"labels.horizons": ()}, "config.labels.horizons"),
        ({"size": "tiny"}, "config.size is 'tiny'; choose one of .*'full', 'smoke'"),
        ({"group_size": -1}, "config.group_size is -1; it must be at least 0"),
        (
            {"backtest.book": "neutral"},
            "config.backtest.book is 'neutral'; choose one of .*'dollar_neutral'",
        ),
        (
            {"backtest.fill": "vwap"},
            "config.backtest.fill is 'vwap'; .*'close', 'open'",
        ),
        ({"backtest.same_close": "yes"}, "config.backtest.same_close is 'yes'"),
        ({"backtest.fill_lag": -1}, "config.backtest.fill_lag is -1; it must be at"),
        (
            {"backtest.fill_lag": 0},
            "trades at the very close .*; set it to 1, or say .*same_close=True",
        ),
        (
            {
                "backtest.fill_lag": 0,
                "backtest.same_close": True,
                "backtest.fill": "open",
            },
            "fill=open, an open before the close that was decided on",
        ),
        ({"backtest.half_spread_bps": -1.0}, "config.backtest.half_spread_bps is -1.0"),
        ({"backtest.impact_coefficient": float("nan")}, "impact_coefficient is nan"),
        ({"backtest.capital": 0.0}, "config.backtest.capital is 0.0; it must be at"),
        ({"backtest.cvar_limit": -0.1}, "config.backtest.cvar_limit is -0.1"),
        ({"backtest.delisting_return": -1.5}, "delisting_return is -1.5; .* least -1"),
        ({"backtest.delisting_gap": 0}, "config.backtest.delisting_gap is 0"),
        ({"calibration.share": 0.0}, "calibration.share is 0.0; it must be above 0"),
        ({"backtest.capital": math.inf}, "config.backtest.capital is infinite"),
        ({"seed": -1}, "config.seed is -1; it must lie between 0 and"),
        (
            {"calibration.share": 1.5},
            "config.calibration.share is 1.5; it must be below 1",
        ),
        (
            {"calibration.scaling": "platt"},
            "config.calibration.scaling is 'platt'; .*'temperature', 'vector'",
        ),
        ({"combinatorial.num_groups": -1}, "config.combinatorial.num_groups is -1"),
        ({"baselines": ("xgboost",)}, "config.baselines is .*'logistic', 'boosting'"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(changes, message):
    config = rft.get_config("smoke")
    with config.unlocked():
        for key, value in changes.items():
            *rooms, last = key.split(".")
            room = config
            for name in rooms:
                room = room[name]
            with room.ignore_type():
                room[last] = value
    with pytest.raises(ValueError, match=message):
        check(config)


def test_a_fill_at_the_deciding_close_is_allowed_to_who_says_so():
    config = rft.get_config("smoke")
    config.backtest.update(fill_lag=0, same_close=True)
    check(config)


def test_claims_without_a_stance_are_allowed():
    config = rft.get_config("smoke")
    config.claims = UNCOMMITTED
    check(config)


@pytest.mark.parametrize(
    "named, message",
    [
        ({"rft": {"rft": {}}}, "ablations.rft: no ablation can be called so; want a"),
        ({"No claims": {}}, "ablations.No claims: no ablation can be called so"),
        (
            {"a": {"model": {"hidden": (9,)}}},
            "ablations.a changes model; it may change",
        ),
        ({"a": {}}, "ablations.a changes nothing"),
        ({"a": {"seed": 1}}, "ablations.a changes seed; .* of sft, rft, reward"),
        ({"a": {"rft": 3}}, "ablations.a changes rft; it may change values of"),
        ({"a": {"rft": {"estimate": 1}}}, "config.rft has no value 'estimate'"),
        ({"a": {"sft": {"peak_lr": 0.1}}}, "sft.peak_lr is 0.1, but imitation is"),
        ({"a": {"sft": {"num_steps": 9}}}, "only be left out, by sft.num_steps = 0"),
        ({"a": {"rft": {"num_steps": 0}}}, "takes at least one step"),
        (
            {"a": {"rft": {"estimator": "ppo"}}},
            "ablations.a cannot run: config.rft.estimator is 'ppo'; choose one of",
        ),
        ({"a": {"rft": {"peak_lr": "high"}}}, "ablations.a cannot run: .*peak_lr"),
        (
            {
                "a": {"sft": {"num_steps": 0}},
                "b": {"rft": {"keep": 0.5}, "sft": {"num_steps": 0}},
            },
            "ablations.b cannot run: config.rft.keep",
        ),
    ],
)
def test_a_wrong_ablation_is_named_with_what_would_be_right(named, message):
    config = rft.get_config("smoke")
    config.ablations = ConfigDict(named)
    with pytest.raises(ValueError, match=message):
        check(config)


def test_everything_has_the_ablations_of_the_lab_books():
    config = everything.get_config()
    assert config.ablations.to_dict() == {
        "exact": {"rft": {"estimator": "exact"}},
        "rft_only": {"sft": {"num_steps": 0}},
        "no_claims": {"reward": {"weights": (0.2, 0.0, 0.5)}},
        "no_structure": {"reward": {"weights": (0.0, 0.3, 0.5)}},
    }
    stages = network.stages(FrozenConfigDict(config))
    assert stages == ("sft", "rft", "exact", "no_claims", "no_structure", "rft_only")
    one, other = (
        fingerprint.config_hash(c.to_dict()) for c in (config, rft.get_config())
    )
    assert one == other, "the ledger counts it and rft.py as one trial"


def test_no_ablation_is_called_as_a_strategy_is():
    learned = ("sft", "rft", "paced", "ensemble", *baselines.LEARNED)
    assert set(ablations.TAKEN) >= {*learned, *baselines.UNHEDGED}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("events.missing", "skip", r"events.missing is 'skip'; choose one of"),
        ("events.scorer", "bert", r"events.scorer is 'bert'; choose one of"),
        ("events.gates", True, r"events.gates is True; choose one of"),
        ("events.sources", ("sec", "edgar"), r"sources is \('sec', 'edgar'\); list"),
        ("events.sources", ("sec", "sec"), "each once"),
        ("events.sources", "sec", "sources is 'sec'; list none"),
        ("source", "store", "config.data.events.store is ''; name the folder"),
    ],
)
def test_bad_event_settings_are_refused_by_key(key, value, message):
    config = rft.get_config("smoke")
    with config.ignore_type():
        config.data.update_from_flattened_dict({key: value})
    with pytest.raises(ValueError, match=message):
        check(config)
