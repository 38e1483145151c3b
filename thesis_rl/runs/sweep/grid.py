"""The points of a sweep: every combination of the values that are varied, checked."""

import ast
import difflib
import fnmatch
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict, FrozenConfigDict

from thesis_rl import configs
from thesis_rl.runs import fingerprint
from thesis_rl.walk_forward.check import check

# What may be an array in a compiled program: no shape and no branch hangs on it. A key
# not listed is structural, and each of its values is a program of its own.
ARRAYS = frozenset(
    (
        "sft.peak_lr",
        "sft.weight_decay",
        "rft.peak_lr",
        "rft.weight_decay",
        "rft.entropy_coef",
        "rft.anchor_coef",
        "rft.claims_anchor_coef",
        "reward.weights",
        "reward.validity_share",
        "labels.thresholds",
        "backtest.max_position",
        "backtest.max_gross",
        "backtest.capital",
        "backtest.commission_bps",
        "backtest.half_spread_bps",
        "backtest.impact_coefficient",
        "backtest.participation_cap",
        "backtest.borrow_rate",
        "backtest.cash_rate",
    )
)
# A key that is read only where another has this value.
NEEDS = {
    "labels.thresholds": ("labels.recipe", "absolute"),
    "reward.weights": ("reward.curriculum", ()),
    "pace.evidence": ("pace.rule", "partial"),
    "data.path": ("data.source", "files"),
    **{
        f"data.synthetic.{name}": ("data.source", "synthetic")
        for name in ("seed", "num_names", "num_days", "kind", "strength")
    },
}
STAGES = ("sft", "rft")  # Read only where they take a step.
# Not of the headline, and slow.
ASIDE = {"ablations": {}, "baselines": (), "combinatorial.num_groups": 0}


class Point(NamedTuple):
    """One trial of a sweep."""

    name: str
    values: dict[str, Any]  # What was varied, by dotted key.
    config: FrozenConfigDict
    program: FrozenConfigDict  # Without its arrays: what it shares with its siblings.

    @property
    def arrays(self) -> dict[str, Any]:
        """The values that may differ within one compiled program."""
        return {key: x for key, x in self.values.items() if key in ARRAYS}


def parse(settings: Sequence[str], config: ConfigDict) -> dict[str, tuple]:
    """Reads settings such as "rft.peak_lr=0.01,0.02" or "model.hidden=(32,),(64, 64)".

    Args:
      settings: a dotted key and its values each; words need no quotation marks.
      config: the experiment's, which knows the type of each key.

    Returns:
      Values by key.

    Raises:
      ValueError: a key is unknown, given twice or of no matter to the headline, or its
        values cannot be read, are of the wrong type or the same.
    """
    known = configs.flatten(config.to_dict())
    varied = {}
    for setting in settings:
        key, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not text:
            raise ValueError(f"--vary={setting} has no values; want KEY=VALUE,VALUE")
        _check_key(key, known)
        if key in varied:
            raise ValueError(f"--vary={key} is given twice; list its values in one")
        values = _values(setting, text, isinstance(known[key], str))
        if any(x in values[:i] for i, x in enumerate(values)):
            raise ValueError(f"--vary={setting} lists the same value twice")
        varied[key] = tuple(_typed(config, key, x, known[key]) for x in values)
    return varied


def _check_key(key: str, known: dict[str, Any]) -> None:
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"--vary: the config has no value {key!r}{hint}")
    data = key.startswith("data.")  # Other data are another trial.
    if not data and any(fnmatch.fnmatchcase(key, p) for p in fingerprint.INDIFFERENT):
        raise ValueError(
            f"--vary={key}: the headline does not depend on config.{key}, so its "
            "points would all be the same trial; leave it out"
        )


def _values(setting: str, text: str, is_text: bool) -> tuple:
    if is_text:
        return tuple(word.strip().strip("'\"") for word in text.split(","))
    try:
        return ast.literal_eval(f"({text},)")
    except (ValueError, SyntaxError) as error:
        raise ValueError(
            f"--vary={setting}: cannot read {text!r}; want values with commas between, "
            "such as 0.01,0.02 or (32,32),(64,64)"
        ) from error


def _typed(config: ConfigDict, key: str, value: Any, known: Any) -> Any:
    """Returns a value as the config would hold it."""
    changed = ConfigDict(config.to_dict())
    wrong = known is not None and (
        value is None or isinstance(value, bool) != isinstance(known, bool)
    )  # Which a config lets pass.
    try:
        changed.update_from_flattened_dict({key: value})
    except TypeError:
        wrong = True
    if wrong:
        raise ValueError(
            f"--vary={key}: {value!r} is a {type(value).__name__}, but config.{key} is "
            f"a {type(known).__name__}"
        )
    typed = configs.flatten(changed.to_dict())[key]
    return float(typed) if isinstance(known, float) else typed


def points(varied: dict[str, tuple], config: ConfigDict) -> list[Point]:
    """Lists the full grid, in the order in which keys and values were given.

    Args:
      varied: of `parse`.
      config: the experiment's.

    Returns:
      The points, those of one program not necessarily side by side.

    Raises:
      ValueError: nothing is varied, a point's config cannot run, or a value makes no
        difference to it.
    """
    if not varied:
        raise ValueError(
            "there is nothing to vary; give --vary=KEY=VALUE,VALUE such as "
            "--vary=rft.peak_lr=0.01,0.02"
        )
    config = configs.with_changes(config, ASIDE)
    combinations = list(itertools.product(*varied.values()))
    width = len(str(len(combinations)))
    listed = []
    for number, combination in enumerate(combinations, 1):
        values = dict(zip(varied, combination, strict=True))
        structure = {key: x for key, x in values.items() if key not in ARRAYS}
        point = Point(
            name=f"{number:0{width}d}",
            values=values,
            config=configs.with_changes(config, values),
            program=configs.with_changes(config, structure),
        )
        _check(point)
        listed.append(point)
    return listed


def _check(point: Point) -> None:
    check(point.config)
    if point.config.pace.rule != "sleeves":
        raise ValueError(
            f"config.pace.rule is {point.config.pace.rule!r}, but a sweep trains no "
            "network that a pace is set by; set it to sleeves"
        )
    flat = configs.flatten(point.config.to_dict())
    for key in point.values:
        stage, _, name = key.partition(".")
        needed, wanted = NEEDS.get(key, (key, flat[key]))
        if flat[needed] != wanted:
            _refuse_idle(key, f"{needed} is {flat[needed]!r} and not {wanted!r}")
        if stage in STAGES and name != "num_steps" and not flat[f"{stage}.num_steps"]:
            _refuse_idle(key, f"{stage}.num_steps is 0")


def _refuse_idle(key: str, reason: str) -> None:
    raise ValueError(
        f"--vary={key}: config.{key} makes no difference while config.{reason}; change "
        f"that, or leave {key} out"
    )
