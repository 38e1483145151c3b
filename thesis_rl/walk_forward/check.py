"""Refuses an experiment that cannot run, before anything is loaded or compiled."""

import math

from thesis_rl.data import features, join, labels
from thesis_rl.learning import ablations, rewards, rft
from thesis_rl.thesis import claims
from thesis_rl.trading import pace, portfolio
from thesis_rl.walk_forward import baselines

CHOICES = {
    "rft.estimator": (*rft.ESTIMATORS, "exact"),
    "reward.claims": tuple(rewards.CLAIM_REWARDS),
    "reward.decision": tuple(rewards.DECISION_REWARDS),
    "sft.weighting": ("fixed", "uncertainty"),
    "backtest.mapping": portfolio.MAPPINGS,
    "backtest.book": portfolio.BOOKS,
    "backtest.fill": ("close", "open"),
    "backtest.same_close": (False, True),
    "pace.rule": pace.RULES,
    "calibration.scaling": ("temperature", "vector"),
    "model.matmul": ("float32", "bfloat16"),
    "size": ("full", "smoke"),
}
LOWER_BOUNDS = {
    "num_seeds": 1,
    "group_size": 0,
    "sft.num_steps": 0,
    "rft.num_steps": 0,
    "sft.batch_days": 1,
    "rft.batch_days": 1,
    "rft.num_samples": 2,
    "sft.peak_lr": 0,
    "rft.peak_lr": 0,
    "sft.weight_decay": 0,
    "rft.weight_decay": 0,
    "rft.entropy_coef": 0,
    "rft.anchor_coef": 0,
    "rft.claims_anchor_coef": 0,
    "rft.kl_coef": 0,
    "data.synthetic.seed": 0,
    "pace.evidence": 0,
    "backtest.hold_days": 1,
    "backtest.commission_bps": 0,
    "backtest.half_spread_bps": 0,
    "backtest.impact_coefficient": 0,
    "backtest.borrow_rate": 0,
    "backtest.cash_rate": 0,
    "backtest.volatility_target": 0,
    "backtest.cvar_limit": 0,
    "backtest.capital": 1,
    "backtest.fill_lag": 0,
    "backtest.delisting_return": -1,
    "backtest.delisting_gap": 1,
    "combinatorial.num_groups": 0,
    "report.thesis_stride": 1,
}
ABOVE_ZERO = (
    "backtest.max_position",
    "backtest.max_gross",
    "backtest.participation_cap",
    "calibration.share",
)


def check(config) -> None:
    """Raises a ValueError that names the first key that is wrong and what is right.

    Args:
      config: the experiment's.
    """
    for key, choices in CHOICES.items():
        if (value := _get(config, key)) not in choices:
            raise ValueError(f"config.{key} is {value!r}; choose one of {choices}")
    for key, bound in LOWER_BOUNDS.items():
        value = _get(config, key)
        if not value >= bound:  # NaN is refused as well.
            raise ValueError(f"config.{key} is {value}; it must be at least {bound}")
        if value == math.inf:
            raise ValueError(f"config.{key} is infinite; give a number")
    for key in ABOVE_ZERO:
        if not (value := _get(config, key)) > 0:
            raise ValueError(f"config.{key} is {value}; it must be above 0")
    if not 0 <= config.seed < 2**31:
        raise ValueError(
            f"config.seed is {config.seed}; it must lie between 0 and 2147483647"
        )
    if not config.calibration.share < 1:
        raise ValueError(
            f"config.calibration.share is {config.calibration.share}; it must be below "
            "1, or no day is left to train on"
        )
    if not 0 <= (share := config.reward.validity_share) <= 1:
        raise ValueError(
            f"config.reward.validity_share is {share}; it is a share and must lie in "
            "[0, 1]"
        )
    if not 0 <= (keep := config.rft.keep) < 1:
        raise ValueError(
            f"config.rft.keep is {keep}; it is a share of the parameters before "
            "reinforcement and must lie in [0, 1)"
        )
    if (config.rft.keep or config.rft.kl_coef) and not config.sft.num_steps:
        raise ValueError(
            "config.rft.keep and kl_coef hold reinforcement near what imitation "
            "taught, but config.sft.num_steps is 0; set both to 0, or imitate first"
        )
    _check_subset(config.baselines, tuple(baselines.LEARNED), "config.baselines")
    _check_weights(config.reward.weights, "config.reward.weights")
    if not config.sft.num_steps + config.rft.num_steps:
        raise ValueError(
            "config.sft.num_steps and config.rft.num_steps are both 0; nothing would "
            "be trained"
        )
    hidden = config.model.hidden
    if not _numbers(hidden) or not hidden or min(hidden) < 1:
        raise ValueError(
            f"config.model.hidden is {hidden}; give a width for each "
            "layer, such as (64, 64)"
        )
    _check_fills(config.backtest)
    pace.check(config)
    join.check(config.data)
    features.check_names(config.features)
    claims.check_rules(config.claims, config.features)
    _check_reward(config)
    labels.label_reach(config.labels)
    ablations.check(config, check)


def _get(config, key: str):
    for name in key.split("."):
        config = config[name]
    return config


def _numbers(values) -> bool:
    return isinstance(values, tuple | list) and all(
        isinstance(x, int | float) for x in values
    )


def _check_subset(names, choices: tuple[str, ...], where: str) -> None:
    listed = isinstance(names, tuple | list) and len(set(names)) == len(names)
    if not listed or not set(names) <= set(choices):
        raise ValueError(
            f"{where} is {names!r}; list none, some or all of {choices}, each once"
        )


def _check_fills(rules) -> None:
    if rules.fill_lag == 0 and not rules.same_close:
        raise ValueError(
            "config.backtest.fill_lag is 0, which trades at the very close that was "
            "decided on; set it to 1, or say config.backtest.same_close=True to see "
            "what that would have earned"
        )
    if rules.fill_lag == 0 and rules.fill == "open":
        raise ValueError(
            "config.backtest.fill_lag is 0 with fill=open, an open before the close "
            "that was decided on; set fill_lag to 1"
        )


def _check_weights(weights, where: str) -> None:
    three = _numbers(weights) and len(weights) == 3
    if not three or not all(0 <= x < math.inf for x in weights) or not sum(weights):
        raise ValueError(
            f"{where} is {weights}; give three weights of at least 0, not all 0, for "
            "structure, claims and decision"
        )


def _check_reward(config) -> None:
    reward, estimator = config.reward, config.rft.estimator
    if estimator in ("headwise_rloo", "exact") and reward.validity_share > 0:
        raise ValueError(
            f"config.rft.estimator={estimator} takes each head by itself, but "
            "config.reward.validity_share > 0 couples sections and claims; use rloo, "
            "or set the share to 0"
        )
    if config.rft.estimator == "pairwise" and config.rft.num_samples != 2:
        raise ValueError(
            f"config.rft.estimator=pairwise compares 2 theses, but num_samples is "
            f"{config.rft.num_samples}; set it to 2 or use rloo"
        )
    _check_curriculum(reward.curriculum)


def _check_curriculum(curriculum) -> None:
    for point in curriculum:
        if not isinstance(point, tuple | list) or len(point) != 2:
            raise ValueError(
                f"config.reward.curriculum has {point!r}; give pairs of (fraction of "
                "training, (structure, claims, decision))"
            )
    fractions = [fraction for fraction, _ in curriculum]
    if not _numbers(fractions):
        raise ValueError(f"config.reward.curriculum has the fractions {fractions}")
    if fractions != sorted(set(fractions)):
        raise ValueError(
            f"config.reward.curriculum must have growing fractions, got {fractions}"
        )
    for fraction, values in curriculum:
        _check_weights(values, f"config.reward.curriculum at {fraction}")
