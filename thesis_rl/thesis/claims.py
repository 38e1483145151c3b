"""Claim rules as data: what a thesis may assert, and when it is true."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from thesis_rl.thesis.vocabulary import SECTION_NAMES

OPERATORS = (">", ">=", "<", "<=")
REQUIRED = {"section", "sentence", "conditions"}
STANCES = (-1, 0, 1)  # Against the stock, neither, for it.


class ClaimTable(NamedTuple):
    """The rules as arrays; J is the length of the longest conjunction."""

    feature: np.ndarray  # [C, J] int32, column of the feature.
    above: np.ndarray  # [C, J] bool, whether the feature must exceed the threshold.
    inclusive: np.ndarray  # [C, J] bool, whether equality satisfies the condition.
    threshold: np.ndarray  # [C, J] float32
    used: np.ndarray  # [C, J] bool, False where a shorter conjunction is padded.


def check_rules(rules: Mapping[str, Mapping], feature_names: Sequence[str]) -> None:
    """Refuses rules that could not be evaluated.

    Args:
      rules: `config.claims`: name -> section, sentence, conditions and, if the claim
        speaks for or against the stock, its stance.
      feature_names: the columns of the panel.

    Raises:
      ValueError: names the claim, the key and what would be right.
    """
    if not rules:
        raise ValueError("config.claims is empty; a thesis needs at least one claim")
    for name, rule in rules.items():
        where = f"config.claims.{name}"
        if set(rule) - {"stance"} != REQUIRED:
            raise ValueError(
                f"{where} must have the keys section, sentence and conditions, and may "
                f"have a stance; got {sorted(rule)}"
            )
        stance = rule.get("stance", 0)
        if isinstance(stance, bool) or stance not in STANCES:
            raise ValueError(
                f"{where}.stance is {stance!r}; give 1 for a claim that speaks for the "
                "stock, -1 for one against it, 0 for neither"
            )
        if rule["section"] not in SECTION_NAMES:
            raise ValueError(
                f"{where}.section is {rule['section']!r}; choose one of {SECTION_NAMES}"
            )
        if not rule["conditions"]:
            raise ValueError(f"{where}.conditions is empty; give at least one")
        for condition in rule["conditions"]:
            _check_condition(condition, feature_names, f"{where}.conditions")


def _check_condition(condition, feature_names, where) -> None:
    if not isinstance(condition, tuple | list) or len(condition) != 3:
        raise ValueError(
            f"{where}: {condition!r} must be (feature, operator, threshold)"
        )
    feature, operator, threshold = condition
    if feature not in feature_names:
        raise ValueError(
            f"{where} names the unknown feature {feature!r}; "
            f"config.features has {tuple(feature_names)}"
        )
    if operator not in OPERATORS:
        raise ValueError(f"{where}: operator {operator!r} must be one of {OPERATORS}")
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)):
        raise ValueError(f"{where}: threshold {threshold!r} must be a number")


def make_table(
    rules: Mapping[str, Mapping], feature_names: Sequence[str]
) -> ClaimTable:
    """Compiles claim rules to arrays.

    Args:
      rules: `config.claims`.
      feature_names: the columns of the panel.

    Returns:
      The table, conjunctions padded to equal length.

    Raises:
      ValueError: as `check_rules`.
    """
    check_rules(rules, feature_names)
    width = max(len(rule["conditions"]) for rule in rules.values())
    padding = (feature_names[0], ">", 0.0)
    rows = [
        [*rule["conditions"], *[padding] * (width - len(rule["conditions"]))]
        for rule in rules.values()
    ]
    columns = {name: i for i, name in enumerate(feature_names)}
    lengths = np.array([len(rule["conditions"]) for rule in rules.values()])
    return ClaimTable(
        feature=np.array([[columns[f] for f, _, _ in r] for r in rows], np.int32),
        above=np.array([[op.startswith(">") for _, op, _ in r] for r in rows]),
        inclusive=np.array([[op.endswith("=") for _, op, _ in r] for r in rows]),
        threshold=np.array([[x for _, _, x in r] for r in rows], np.float32),
        used=np.arange(width) < lengths[:, None],
    )


def evaluate(
    features: jax.Array, available: jax.Array, table: ClaimTable
) -> tuple[jax.Array, jax.Array]:
    """Checks every claim against the evidence of one row.

    Conjunctions are three-valued (Kleene): known to fail if one known part fails,
    known to hold if every part is known and holds, unknown otherwise.

    Args:
      features: [D] raw features.
      available: [D] bool.
      table: the compiled rules.

    Returns:
      truth [C] bool (known to hold) and known [C] bool.
    """
    x = features[table.feature]
    seen = available[table.feature]
    holds = jnp.where(table.above, x > table.threshold, x < table.threshold)
    holds |= table.inclusive & (x == table.threshold)
    truth = jnp.all((seen & holds) | ~table.used, axis=-1)
    refuted = jnp.any(seen & ~holds & table.used, axis=-1)
    return truth, truth | refuted
