"""The contract of a thesis: its JSON Schema, and what a schema cannot say."""

import functools
import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import fastjsonschema
from fastjsonschema import JsonSchemaValueException, JsonSchemaValuesException

from thesis_rl.thesis.vocabulary import DECISION_LABELS, expected_position

SCHEMA_VERSION = "1.1"
TOLERANCE = 1e-5  # Of sums of probabilities, which the policy makes in float32.


class ThesisError(ValueError):
    """A thesis breaks its contract; the message lists how."""


def load() -> dict[str, Any]:
    """Loads the JSON Schema (draft 2020-12) of a thesis."""
    path = resources.files("thesis_rl.thesis") / "thesis.schema.json"
    return json.loads(path.read_text(encoding="utf-8"))


def validate(thesis: dict[str, Any]) -> None:
    """Checks a thesis.

    Raises:
      ThesisError: if it breaks its contract, listing every problem found.
    """
    found = problems(thesis)
    if found:
        subject = thesis if isinstance(thesis, dict) else {}
        raise ThesisError(
            f"thesis of {subject.get('ticker', '?')} on {subject.get('as_of', '?')} "
            "is not valid:\n" + "\n".join(f"  {problem}" for problem in found)
        )


def problems(thesis: dict[str, Any]) -> list[str]:
    """Lists how a thesis breaks its contract; empty for a valid one.

    The contract is the JSON Schema and, where that is met: no evidence is later than
    the thesis; claims and evidence name the same asserted claims, each once; the
    probabilities sum to 1; label, conviction and position follow from them.
    """
    broken = schema_problems(thesis)
    if broken:
        return broken
    return _claim_problems(thesis) + _decision_problems(thesis["decision"])


def schema_problems(thesis: dict[str, Any]) -> list[str]:
    """Lists how a thesis breaks the JSON Schema; empty where it does not."""
    try:
        _validator()(thesis)
    except JsonSchemaValuesException as broken:
        return [line for error in broken.errors for line in _explain(thesis, error)]
    return []


@functools.cache
def _validator() -> Callable[[Any], Any]:
    schema = load()
    # References would be called, with their place spelled out: twice as slow.
    inlined = _inline(schema, schema["$defs"])
    return fastjsonschema.compile(inlined, use_default=False, fast_fail=False)


def _inline(part: Any, definitions: dict[str, Any]) -> Any:
    """Returns a schema with what its references name in their place."""
    if isinstance(part, list):
        return [_inline(inner, definitions) for inner in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        name = part["$ref"].removeprefix("#/$defs/")
        return _inline(definitions[name], definitions)
    return {key: _inline(x, definitions) for key, x in part.items() if key != "$defs"}


def _explain(thesis: dict[str, Any], error: JsonSchemaValueException) -> list[str]:
    """Says what a schema error means, and where it is, naming what is missing."""
    where, node = "", thesis
    for step in error.path[1:]:
        in_list = isinstance(node, list)
        node = node[int(step) if in_list else step]
        name = node.get("claim_id", step) if isinstance(node, dict) else step
        where += f"[{name}]" if in_list else f".{step}"
    where, value = where.lstrip(".") or "thesis", error.value
    if error.rule == "required":
        missing = [key for key in error.rule_definition if key not in value]
        return [f"{where}: {key} is missing" for key in missing]
    if error.rule == "additionalProperties":
        unknown = [key for key in value if key not in error.definition["properties"]]
        return [f"{where}: {key} is unknown" for key in unknown]
    if error.rule == "minItems":
        return [
            f"{where}: {len(value)} entries, needs at least {error.rule_definition}"
        ]
    if where.endswith(".status") and value == "unsupported":
        return [f"{where}: unsupported, the claim is asserted without evidence"]
    return [f"{where}: {value!r} {error.message.removeprefix(error.name).lstrip()}"]


def _claim_problems(thesis: dict[str, Any]) -> list[str]:
    """Lists where claims and evidence disagree, or look ahead."""
    as_of, evidence = thesis["as_of"], thesis["evidence"]
    found = [
        f"evidence[{entry['claim_id']}].time: {entry['time']} is after the thesis's "
        f"as_of, {as_of}"
        for entry in evidence
        if entry["time"] > as_of  # ISO dates sort as text.
    ]
    found += [
        f"evidence[{entry['claim_id']}]: what it cites of {cited['document']} was "
        f"known {cited['known'][:10]}, after the thesis's as_of, {as_of}"
        for entry in evidence
        for cited in entry.get("citations", ())
        if cited["known"][:10] > as_of
    ]
    for field in ("claims", "evidence"):
        ids = [entry["claim_id"] for entry in thesis[field]]
        repeated = [name for name in dict.fromkeys(ids) if ids.count(name) > 1]
        found += [f"{field}[{name}]: appears more than once" for name in repeated]
    claimed = {entry["claim_id"] for entry in thesis["claims"]}
    stances = {entry["claim_id"]: entry["stance"] for entry in evidence}
    quoted = {name for name, stance in stances.items() if stance == "asserted"}
    for name in sorted(claimed - quoted):
        stance = stances.get(name)
        lack = f"its evidence says {stance}" if stance else "no evidence entry"
        found.append(f"claims[{name}]: {lack}")
    for name in sorted(quoted - claimed):
        found.append(f"evidence[{name}]: says asserted, but claims lacks it")
    return found


def _decision_problems(decision: dict[str, Any]) -> list[str]:
    """Lists where the decision does not follow from its probabilities."""
    label, probabilities = decision["label"], decision["probabilities"]
    total = sum(probabilities.values())
    if not abs(total - 1) <= TOLERANCE:  # So written, a NaN fails.
        return [f"decision.probabilities: sum to {total:.6g}, not 1"]
    found = []
    likeliest = max(probabilities, key=probabilities.get)
    if probabilities[label] < probabilities[likeliest]:
        found.append(f"decision.label: {label}, but {likeliest} is likelier")
    position = expected_position([probabilities[name] for name in DECISION_LABELS])
    if not 0 <= decision.get("confidence", 0) <= 1:
        found.append(f"decision.confidence: {decision['confidence']}, not a share")
    implied = {"conviction": probabilities[label], "position": position}
    for field, value in implied.items():
        if not abs(decision[field] - value) <= TOLERANCE:
            found.append(
                f"decision.{field}: {decision[field]:.6g}, "
                f"but the probabilities give {value:.6g}"
            )
    return found
