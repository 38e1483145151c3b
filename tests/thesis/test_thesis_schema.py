"""The JSON Schema of a thesis means the same to every library that reads it."""

import copy
import json

import pytest
from jsonschema import Draft202012Validator
from test_thesis import CITATION, RULES, make_row

from thesis_rl import thesis
from thesis_rl.thesis import schema

VALUES = (
    *(None, True, 0, 1, 1.0, -0.5, 2.5, "", "a", "1.1", "2020-02-29", "2020-02-30"),
    *("2020-01-04\n", "20200104", "٢٠٢٠-01-04", [], [5, 5], [2.5], ["a"], ["", "a"]),
    *([None], {}, {"a": 1}, {"statements": ["a"]}, {"statements": []}),
)


def places(node, path=()):
    """Yields the path of everything in a document, the document itself left out."""
    entries = enumerate(node) if isinstance(node, list) else node.items()
    for step, inner in entries:
        yield (*path, step)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, step))


def changed(document, path, change):
    """Returns a copy, after `change` was applied to what holds the place."""
    made = copy.deepcopy(document)
    node = made
    for step in path[:-1]:
        node = node[step]
    change(node, path[-1])
    return made


@pytest.fixture(scope="module")
def written():
    cited = {name: [CITATION] for name in ("mom10", "vol")}
    row = make_row(citations=cited, confidence=0.25)
    return thesis.generate_thesis(row, RULES)


@pytest.fixture(scope="module")
def is_valid():
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(thesis.load(), format_checker=checker).is_valid


def test_every_change_is_judged_as_jsonschema_judges_it(written, is_valid):
    """Each part of a thesis is left out, made another, or given a key too many."""
    changes = [lambda node, step: node.pop(step)]
    for value in VALUES:
        changes.append(lambda node, step, v=value: node.__setitem__(step, v))
    changes.append(
        lambda node, step: isinstance(node, dict) and node.__setitem__("extra", 1)
    )
    verdicts = []
    for path in places(written):
        for change in changes:
            document = changed(written, path, change)
            found = schema.schema_problems(document)
            assert (not found) == is_valid(document), (path, document)
            verdicts.append(not found)
    assert 100 < sum(verdicts) < len(verdicts) - 100


def test_no_document_is_a_thesis_by_accident(is_valid):
    for value in VALUES:
        assert schema.schema_problems(value) and not is_valid(value)


def test_every_problem_is_said_at_once_with_its_place(written):
    broken = json.loads(json.dumps(written))
    del broken["sections"]["market"], broken["decision"]["label"]
    broken["claims"][0]["sentence"] = ""
    broken["evidence"][1]["citations"][0]["raw"] = "0f"
    broken["weather"] = broken["decision"]["horizons"][0] = 0
    claim = broken["claims"][0]["claim_id"]
    assert schema.schema_problems(broken) == [
        "sections: market is missing",
        f"claims[{claim}].sentence: '' must be longer than or equal to 1 characters",
        "evidence[calm].citations[0].raw: '0f' must match pattern ^[0-9a-f]{64}$",
        "decision: label is missing",
        "decision.horizons[0]: 0 must be bigger than or equal to 1",
        "thesis: weather is unknown",
    ]
