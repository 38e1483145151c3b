"""Trainings that differ from the headline's in something, to be compared with it.

`config.ablations` has them by name: what each changes, by group and key.
"""

import re
from collections.abc import Callable, Mapping

from ml_collections import ConfigDict, FrozenConfigDict

GROUPS = ("sft", "rft", "reward")  # What one may change.
# Stages and strategies that are called so already.
TAKEN = ("sft", "rft", "paced", "ensemble", "equal_weight", "momentum", "hold")
TAKEN += ("best_constant", "logistic", "boosting", "ensemble_cvar")
OF_OTHERS = re.compile("sign_of_.*|seed_.*|paths_.*|.*_ensemble")


def of_stage(stage: str, config: FrozenConfigDict) -> FrozenConfigDict:
    """Returns the config of a stage of training, which an ablation changes."""
    if stage not in config.ablations:
        return config
    changed = ConfigDict(config.to_dict())
    changed.update(config.ablations[stage].to_dict())
    return FrozenConfigDict(changed)


def check(config: ConfigDict, check_alone: Callable[[ConfigDict], None]) -> None:
    """Raises a ValueError that names the first ablation that is wrong, and why.

    Args:
      config: the experiment's.
      check_alone: refuses an experiment that cannot run, of one without ablations.
    """
    for name, changes in config.ablations.items():
        where = f"config.ablations.{name}"
        if (
            not re.fullmatch("[a-z][a-z0-9_]*", name)
            or name in TAKEN
            or (OF_OTHERS.fullmatch(name))
        ):
            raise ValueError(
                f"{where}: no ablation can be called so; want a word such as "
                f"no_claims, and none of {', '.join(TAKEN)}"
            )
        if not any(changes.values()):
            raise ValueError(f"{where} changes nothing")
        for group, own in changes.items():
            if group not in GROUPS or not isinstance(own, Mapping | ConfigDict):
                raise ValueError(
                    f"{where} changes {group}; it may change values of "
                    f"{', '.join(GROUPS)}, such as {{'rft': {{'peak_lr': 0.01}}}}"
                )
            for key, value in own.items():
                _check_value(f"{where}.{group}.{key}", group, key, value, config)
        try:
            changed = of_stage(name, config).to_dict()
            check_alone(ConfigDict(changed | {"ablations": {}}))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{where} cannot run: {error}") from error


def _check_value(where: str, group: str, key: str, value, config: ConfigDict) -> None:
    if key not in config[group]:
        raise ValueError(f"{where}: config.{group} has no value {key!r}")
    if group == "sft" and (key, value) != ("num_steps", 0):
        raise ValueError(
            f"{where} is {value!r}, but imitation is shared with the headline; it can "
            "only be left out, by sft.num_steps = 0"
        )
    if (group, key) == ("rft", "num_steps") and not value:
        raise ValueError(f"{where} is {value!r}; an ablation takes at least one step")
