"""Configs: changed, flattened, and rebuilt from JSON."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict, FrozenConfigDict


def with_changes(config: FrozenConfigDict, changes: dict[str, Any]) -> FrozenConfigDict:
    """Returns the same experiment with some values changed, by dotted key."""
    # Anew: a frozen config hashes through the one that it was made from.
    changed = ConfigDict(config.to_dict())
    with changed.ignore_type():  # An array may stand for a number.
        changed.update_from_flattened_dict(changes)
    return FrozenConfigDict(changed)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns the leaves of a nested dict by dotted key."""
    flat = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def with_tuples(value: Any) -> Any:
    """Turns the lists of a nested value back into the tuples that JSON had of them."""
    if isinstance(value, Mapping):
        return {name: with_tuples(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return tuple(with_tuples(inner) for inner in value)
    return value
