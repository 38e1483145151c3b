"""A JSON Schema as plain predicates: a quick yes to nearly everything that is valid.

Theses are valid almost always, and jsonschema takes milliseconds to find no fault in
one. A yes here is a yes there. A no may only mean that a schema says more than is
understood here: jsonschema has the last word, and the words.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from jsonschema import Draft202012Validator

Schema = Mapping[str, Any]
Check = Callable[[Any], bool]
Compile = Callable[[Schema], Check]

CONFORMS = Draft202012Validator.FORMAT_CHECKER.conforms
ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description"}
KEYWORDS = {
    "object": {"required", "properties", "additionalProperties"},
    "array": {"items", "minItems", "maxItems", "uniqueItems"},
    "string": {"minLength", "pattern", "format"},
    "number": {"minimum", "maximum"},
    "integer": {"minimum", "maximum"},
}


def compile_schema(schema: Schema) -> Check:
    """Turns a schema into a function that accepts valid documents, and no others.

    Each part of the schema has one type and keywords in `KEYWORDS` of that type, or an
    enum, a const or a reference into `$defs` alone. A part with anything else accepts
    nothing.

    Args:
      schema: of JSON Schema 2020-12; no reference leads back to itself.

    Returns:
      Says True only of documents in which jsonschema finds no fault.
    """
    definitions = schema.get("$defs", {})

    def compiled(part: Schema) -> Check:
        said = {k: v for k, v in part.items() if k not in ANNOTATIONS}
        match said:
            case {"$ref": str(place)} if len(said) == 1:
                return compiled(definitions[place.removeprefix("#/$defs/")])
            case {"enum": values} | {"const": values} if len(said) == 1:
                texts = [values] if "const" in said else values
                return lambda value: isinstance(value, str) and value in texts
            case {"type": str(kind)} if (
                said.keys() <= {"type"} | KEYWORDS.get(kind, set()) and kind in CHECKS
            ):
                return CHECKS[kind](said, compiled)
        return lambda value: False

    return compiled(schema)


def _object(said: Schema, compiled: Compile) -> Check:
    required = frozenset(said.get("required", ()))
    fields = {name: compiled(part) for name, part in said.get("properties", {}).items()}
    closed = "additionalProperties" in said

    def accept(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and required <= value.keys()
            and not (closed and value.keys() - fields)
            and all([fields[k](v) for k, v in value.items() if k in fields])
        )

    return accept


def _array(said: Schema, compiled: Compile) -> Check:
    least, most = said.get("minItems", 0), said.get("maxItems", float("inf"))
    item = compiled(said["items"]) if "items" in said else None
    unique = said.get("uniqueItems", False)

    def accept(value: Any) -> bool:
        return (
            isinstance(value, list)
            and least <= len(value) <= most
            and (item is None or all(map(item, value)))
            and not (unique and any(x in value[:i] for i, x in enumerate(value)))
        )

    return accept


def _text(said: Schema, compiled: Compile) -> Check:
    least, form = said.get("minLength", 0), said.get("format")
    found = re.compile(said["pattern"]).search if "pattern" in said else None

    def accept(value: Any) -> bool:
        return (
            isinstance(value, str)
            and len(value) >= least
            and (found is None or found(value) is not None)
            and (form is None or CONFORMS(value, form))
        )

    return accept


def _number(said: Schema, compiled: Compile) -> Check:
    kinds = (int,) if said["type"] == "integer" else (int, float)
    least, most = said.get("minimum", -float("inf")), said.get("maximum", float("inf"))
    # A NaN is no number of JSON, and here it fails every comparison.
    return lambda value: type(value) in kinds and least <= value <= most


CHECKS = {
    "object": _object,
    "array": _array,
    "string": _text,
    "number": _number,
    "integer": _number,
}
