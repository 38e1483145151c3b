"""What a config may not say, and the sentence that says so."""

import pytest

from experiments import rft
from thesis_rl import config as config_lib

BOOKS = (
    "planted",
    "rft",
    "rft_no_claims",
    "rft_no_structure",
    "rft_only",
    "sft",
)


@pytest.mark.parametrize("book", BOOKS)
@pytest.mark.parametrize("size", ["full", "smoke"])
def test_every_lab_book_can_run(book, size):
    module = __import__(f"experiments.{book}", fromlist=["get_config"])
    config_lib.check(module.get_config(size))
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
        ({"reward.claims": "f2"}, "config.reward.claims is 'f2'"),
        ({"reward.decision": "pnl"}, "config.reward.decision is 'pnl'"),
        ({"reward.weights": (1.0, 1.0)}, "config.reward.weights .* give three weights"),
        ({"reward.weights": (0.0, 0.0, 0.0)}, "not all 0"),
        ({"sft.weights": (1.0, -1.0, 1.0)}, "config.sft.weights"),
        ({"reward.validity_share": 2.0}, "must lie in"),
        (
            {"rft.estimator": "headwise_rloo", "reward.validity_share": 0.5},
            "headwise_rloo credits each head .* couples sections and claims",
        ),
        (
            {"reward.curriculum": ((0.5, (1, 1, 1)), (0.1, (1, 1, 1)))},
            "growing fractions",
        ),
        ({"model.hidden": ()}, "config.model.hidden"),
        ({"model.hidden": ("a",)}, "config.model.hidden"),
        ({"reward.weights": ("a", "b", "c")}, "config.reward.weights"),
        ({"reward.curriculum": (1, 2)}, "config.reward.curriculum has 1; give pairs"),
        ({"rft.peak_lr": -1.0}, "config.rft.peak_lr is -1.0; it must be at least 0"),
        ({"rft.entropy_coef": float("nan")}, "config.rft.entropy_coef is nan"),
        ({"sft.num_steps": 0, "rft.num_steps": 0}, "nothing would be trained"),
        ({"features": ("mom10", "alpha")}, "config.features names 'alpha'"),
        (
            {"features": ("mom10", "mom30", "vol")},
            "names the unknown feature 'f_sentiment'",
        ),
        ({"labels.horizons": ()}, "config.labels.horizons"),
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
        config_lib.check(config)
