"""A quick yes is never given where jsonschema finds a fault."""

import json

import pytest
from jsonschema import Draft202012Validator

from thesis_rl.thesis import acceptance

VALUES = (None, True, 0, 1, -0.5, 2.5, "", "a", "A", "2020-02-29", "2020-02-30", [], {})
DOCUMENTS = [
    *VALUES,
    *([value] for value in VALUES),
    *([value, 2.5] for value in VALUES),
    *({"a": value} for value in VALUES),
    *({"a": value, "b": 1} for value in VALUES),
    [1, 2, 3],
]
TEXT = {"type": "string", "minLength": 1}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "title": "Anything", "pattern": "^[a-z]?$"},
        {"type": "string", "format": "date"},
        {"type": "number", "minimum": -0.5, "maximum": 1},
        {"type": "integer", "minimum": 1},
        {"enum": ["a", ""]},
        {"const": "a"},
        {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "integer"}},
        {"type": "array", "uniqueItems": True},
        {"type": "object", "required": ["b"], "properties": {"a": TEXT}},
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
        {"$ref": "#/$defs/text", "$defs": {"text": TEXT}},
    ],
    ids=json.dumps,
)
def test_every_keyword_says_what_jsonschema_says(schema):
    accepts = acceptance.compile_schema(schema)
    checker = Draft202012Validator.FORMAT_CHECKER
    valid = Draft202012Validator(schema, format_checker=checker).is_valid
    assert any(map(valid, DOCUMENTS)) and not all(map(valid, DOCUMENTS))
    for document in DOCUMENTS:
        assert accepts(document) == valid(document), document


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "maxLength": 30},
        {"type": ["string", "null"]},
        {"minimum": 0},
        {"anyOf": [TEXT]},
        {"enum": ["a"], "minLength": 1},
        {"type": "object", "additionalProperties": TEXT},
    ],
    ids=json.dumps,
)
def test_what_is_not_understood_is_left_to_jsonschema(schema):
    accepted = filter(acceptance.compile_schema(schema), DOCUMENTS)
    assert all(map(Draft202012Validator(schema).is_valid, accepted))
