"""A thesis says what the row says, and is valid exactly when it may be."""

import html
import itertools
import json
import operator
import re
from decimal import Decimal

import jax
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt
from ml_collections import config_dict

from thesis_rl import thesis
from thesis_rl.learning import rewards
from thesis_rl.thesis import claims
from thesis_rl.thesis.vocabulary import (
    DECISION_LABELS,
    DECISION_POSITIONS,
    SECTION_NAMES,
)
from thesis_rl.types import Thesis

RULES = {
    "quality": {
        "section": "fundamentals",
        "sentence": "The company is healthy.",
        "conditions": (("f_quality", ">", 0.0),),
    },
    "calm": {
        "section": "risks",
        "sentence": "Daily volatility is at most 2%.",
        "conditions": (("vol", "<=", 0.02),),
    },
    "rising": {
        "section": "market",
        "sentence": "The price rose over the last 10 sessions.",
        "conditions": (("mom10", ">", 0.0),),
    },
    "divergence": {
        "section": "risks",
        "sentence": "The price rises while sentiment falls.",
        "conditions": (("mom10", ">", 0.0), ("f_sentiment", "<", 0.0)),
    },
}
FEATURES = ("f_quality", "vol", "mom10", "f_sentiment")
OPERATORS = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
WORDS = {
    "above": operator.gt,
    "at least": operator.ge,
    "below": operator.lt,
    "at most": operator.le,
}


def checked(features, rules):
    """Truth and availability by trying every completion of what is missing."""
    truth, known = [], []
    for rule in rules.values():
        completions = itertools.product(
            *[
                (False, True)
                if features[name] is None
                else (OPERATORS[symbol](np.float32(features[name]), np.float32(bound)),)
                for name, symbol, bound in rule["conditions"]
            ]
        )
        outcomes = {all(completion) for completion in completions}
        known.append(len(outcomes) == 1)
        truth.append(outcomes == {True})
    return np.array(truth), np.array(known)


def make_row(features=None, rules=RULES, **fields):
    values = {"f_quality": 1.2, "vol": 0.031, "mom10": 0.0321, "f_sentiment": -0.4}
    values |= features or {}
    truth, known = checked(values, rules)
    row = thesis.Row(
        ticker="AAPL",
        as_of="2020-01-03",
        sections=np.ones(len(SECTION_NAMES), bool),
        claims=truth,
        probabilities=np.array([0.1, 0.1, 0.2, 0.4, 0.2], np.float32),
        features=values,
        truth=truth,
        known=known,
        source="us20 daily closes",
        horizons=(5, 21),
    )
    return row._replace(**fields)


def random_row(rng):
    """A row in which each way of being valid or not turns up often."""
    missing = rng.choice([0.0, 0.3, 1.0], p=[0.3, 0.5, 0.2])
    features = {
        name: None if rng.random() < missing else float(np.float32(0.03 * draw))
        for name, draw in zip(FEATURES, rng.normal(size=len(FEATURES)), strict=True)
    }
    _, known = checked(features, RULES)
    asserted = rng.random(len(RULES)) < 0.5
    asserted &= known | (rng.random() < 0.4)
    return make_row(
        features,
        claims=asserted,
        sections=rng.random(len(SECTION_NAMES)) < rng.choice([0.9, 1.0]),
        probabilities=rng.dirichlet(np.ones(len(DECISION_LABELS))).astype(np.float32),
    )


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return [random_row(rng) for _ in range(400)]


def statements(written):
    return [
        s for section in written["sections"].values() for s in section["statements"]
    ]


def test_schema_is_a_schema_and_speaks_the_vocabulary():
    schema = thesis.load()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    sections = schema["properties"]["sections"]
    assert sections["required"] == list(sections["properties"]) == list(SECTION_NAMES)
    decision = schema["properties"]["decision"]["properties"]
    assert decision["label"]["enum"] == list(DECISION_LABELS)
    assert decision["probabilities"]["required"] == list(DECISION_LABELS)


def test_valid_untouched_exactly_when_covered_supported_and_evidenced(rows):
    """The schema of what is written and the rule of arrays, which trains, agree."""
    reasons = set()
    for row in rows:
        reason = (
            bool(row.sections.all()),
            not (row.claims & ~row.known).any(),
            bool(row.known.any()),
        )
        problems = thesis.problems(thesis.to_dict(row, RULES))
        assert (problems == []) == all(reason), (row, problems)
        bits = Thesis(row.sections, row.claims, row.probabilities.argmax())
        assert rewards.is_valid(bits, row.known) == all(reason), row
        reasons.add(reason)
    assert reasons == set(itertools.product([False, True], repeat=3))


def test_repair_saves_every_thesis_that_has_evidence(rows):
    for row in rows:
        if not row.known.any():
            with pytest.raises(thesis.ThesisError, match="evidence: 0 entries"):
                thesis.generate_thesis(row, RULES, repair=True)
            continue
        untouched = thesis.to_dict(row, RULES)
        repaired = thesis.generate_thesis(row, RULES, repair=True)
        broken = (~row.sections).sum() + (row.claims & ~row.known).sum()
        assert thesis.problems(repaired) == []
        assert len(repaired["repairs"]) == broken
        assert list(repaired["sections"]) == list(SECTION_NAMES)
        assert repaired["sections"].items() >= untouched["sections"].items()
        assert repaired["decision"] == untouched["decision"]
        if not broken:
            assert repaired == untouched


def test_repairs_are_named():
    row = make_row(
        {"f_quality": None},
        sections=np.array([True] * 5 + [False]),
        claims=np.array([True, False, True, True]),
    )
    repaired = thesis.generate_thesis(row, RULES, repair=True)
    assert repaired["repairs"] == [
        "section risks: not covered",
        "claim quality: withdrawn, no evidence",
    ]
    assert repaired["sections"]["risks"]["statements"] == [
        "Not covered: no point-in-time evidence."
    ]
    assert [c["claim_id"] for c in repaired["claims"]] == ["rising", "divergence"]


def test_errors_name_what_is_missing():
    row = make_row(
        {"f_quality": None},
        sections=np.array([True, True, False, True, True, False]),
        claims=np.array([True, False, False, False]),
    )
    with pytest.raises(thesis.ThesisError) as caught:
        thesis.generate_thesis(row, RULES)
    assert str(caught.value).splitlines() == [
        "thesis of AAPL on 2020-01-03 is not valid:",
        "  sections: sentiment is missing",
        "  sections: risks is missing",
        "  claims[quality].status: unsupported, the claim is asserted without evidence",
    ]


def test_statements_show_asserted_declined_contradicted_and_unavailable():
    row = make_row({"f_quality": None}, claims=np.array([False, True, True, False]))
    sections = thesis.to_dict(row, RULES)["sections"]
    assert {name: body["statements"] for name, body in sections.items()} == {
        "market": ["The price rose over the last 10 sessions (mom10 = +0.0321)."],
        "fundamentals": ["No point-in-time evidence was available for fundamentals."],
        "sentiment": ["No point-in-time evidence was available for sentiment."],
        "technicals": ["No point-in-time evidence was available for technicals."],
        "insiders": ["No point-in-time evidence was available for insiders."],
        "risks": [
            "Daily volatility is at most 2% (contradicted: vol = +0.031).",
            "Checked and not claimed: The price rises while sentiment falls "
            "(mom10 = +0.0321; f_sentiment = -0.4).",
        ],
    }


def test_a_conjunction_decided_by_one_part_quotes_it_and_says_what_is_missing():
    row = make_row({"mom10": -0.0321, "f_sentiment": None})
    entry = thesis.collect(row, RULES)[-1]
    assert entry == {
        "claim_id": "divergence",
        "stance": "declined",
        "quote": "mom10 = -0.0321, above 0: no; f_sentiment: not available",
        "source": "us20 daily closes",
        "time": "2020-01-03",
    }


def test_evidence_is_one_entry_for_each_known_claim(rows):
    for row in rows:
        written = thesis.to_dict(row, RULES)
        names = np.array(list(RULES))
        stances = {e["claim_id"]: e["stance"] for e in written["evidence"]}
        assert list(stances) == list(names[row.known])
        asserted = [name for name in stances if stances[name] == "asserted"]
        assert asserted == list(names[row.known & row.claims])
        supported = [
            c["claim_id"] for c in written["claims"] if c["status"] == "supported"
        ]
        assert supported == list(names[row.claims & row.truth])


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("bound", [0.0, 0.02, -1.5, 70.0])
def test_quoted_numbers_prove_the_quoted_answer(symbol, bound):
    """Also where four digits would round the number across the threshold."""
    rules = {"c": RULES["calm"] | {"conditions": (("vol", symbol, bound),)}}
    edge = np.float32(bound)
    nearby = [np.nextafter(edge, np.float32(side)) for side in (-1e9, 1e9)]
    close = [edge + np.float32(shift) for shift in (-1e-4, -1e-6, 1e-6, 1e-4)]
    for value in (edge, *nearby, *close, -12345.6, 1e-9):
        row = make_row({"vol": float(value)}, rules)
        (entry,) = thesis.collect(row, rules)
        number, words, limit, answer = re.fullmatch(
            r"vol = ([+-]\S+), ([a-z ]+) (\S+): (yes|no)", entry["quote"]
        ).groups()
        proven = WORDS[words](Decimal(number), Decimal(limit))
        assert proven == (answer == "yes") == row.truth[0]


def test_decision_follows_from_the_probabilities(rows):
    for row in rows:
        decision = thesis.to_dict(row, RULES)["decision"]
        best = int(row.probabilities.argmax())
        assert decision["label"] == DECISION_LABELS[best]
        assert decision["conviction"] == pytest.approx(
            row.probabilities[best], abs=1e-6
        )
        position = row.probabilities @ np.array(DECISION_POSITIONS)
        assert decision["position"] == pytest.approx(position, abs=1e-5)
        assert decision["horizons"] == [5, 21]


def test_a_calibrated_confidence_is_stated_where_there_is_one():
    row = make_row(confidence=0.34567891)
    written = thesis.generate_thesis(row, RULES)
    assert written["decision"]["confidence"] == 0.345679
    assert "Conviction 40% (calibrated 35%), position" in thesis.to_markdown(written)
    silent = thesis.generate_thesis(make_row(), RULES)
    assert "confidence" not in silent["decision"]
    assert "Conviction 40%, position" in thesis.to_markdown(silent)
    # It says how sure to be of the decision, and is no part of it.
    del written["decision"]["confidence"]
    assert written == silent


def test_json_round_trip(rows):
    for row in rows:
        written = thesis.to_dict(row, RULES)
        assert json.loads(json.dumps(written, allow_nan=False)) == written


def test_the_panel_and_the_thesis_read_the_same_evidence(rows):
    """What `claims.evaluate` finds in float32 is what the quotes say, or it raises."""
    edges = [
        make_row({"vol": float(np.nextafter(np.float32(0.02), x))}) for x in (0, 1)
    ]
    rows = [*rows, *edges, make_row({"vol": 0.02})]
    raw = [[row.features[name] for name in FEATURES] for row in rows]
    features = np.array(raw, np.float32)  # None becomes NaN.
    table = claims.make_table(RULES, FEATURES)
    truth, known = jax.vmap(claims.evaluate, in_axes=(0, 0, None))(
        np.nan_to_num(features), ~np.isnan(features), table
    )
    for row, holds, decided in zip(rows, np.array(truth), np.array(known), strict=True):
        entries = thesis.collect(row._replace(truth=holds, known=decided), RULES)
        assert len(entries) == decided.sum()


def test_rules_may_be_a_config_whose_order_is_then_the_order_of_claims():
    frozen = config_dict.FrozenConfigDict(RULES)
    plain = {name: RULES[name] for name in frozen}
    assert list(plain) != list(RULES)  # A config iterates in alphabetical order.
    row = make_row(rules=plain)
    assert thesis.to_dict(row, frozen) == thesis.to_dict(row, plain)


def broken(written, path, value):
    """A deep copy of a thesis with one field set."""
    copy = json.loads(json.dumps(written))
    node = copy
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return copy


@pytest.mark.parametrize(
    "path, value, problem",
    [
        (("as_of",), "3 January 2020", "as_of: '3 January 2020'"),
        (("as_of",), "2020-02-30", "as_of: '2020-02-30' must be date"),
        (("ticker",), "", "ticker: "),
        (("extra",), 1, "thesis: extra is unknown"),
        (
            ("sections", "weather"),
            {"statements": ["Sun."]},
            "sections: weather is unknown",
        ),
        (("sections", "market", "statements"), [], "sections.market.statements: 0"),
        (("evidence",), [], "evidence: 0 entries, needs at least 1"),
        (("evidence", 0, "time"), "2020-01-04", "evidence.quality..time: 2020-01-04"),
        (("evidence", 0, "quote"), "it rose", "evidence.quality..quote: 'it rose'"),
        (("evidence", 0, "stance"), "declined", "claims.quality.: its evidence says"),
        (("evidence", 0, "claim_id"), "x", "claims.quality.: no evidence entry"),
        (("evidence", 0, "claim_id"), "rising", "evidence.rising.: appears more"),
        (("claims",), [], "evidence.quality.: says asserted, but claims lacks it"),
        (("claims", 0, "status"), "maybe", "claims.quality..status: 'maybe'"),
        (("decision", "label"), "hold", "label: hold, but buy is likelier"),
        (("decision", "conviction"), 0.9, "conviction: 0.9, but .* give 0.4"),
        (("decision", "position"), 0.9, "position: 0.9, but .* give 0.25"),
        (("decision", "position"), float("nan"), "position: nan"),
        (("decision", "probabilities", "buy"), 0.3, "probabilities: sum to 0.9"),
        (("decision", "probabilities", "buy"), float("nan"), "sum to nan"),
        (("decision", "probabilities", "buy"), 1.4, "probabilities.buy: 1.4"),
        (("decision", "confidence"), 1.4, "decision.confidence: 1.4 must be smaller"),
        (("decision", "confidence"), None, "decision.confidence: None must be number"),
        (("decision", "horizons"), [], "decision.horizons: 0 entries"),
        (("schema_version",), "0.9", "schema_version: '0.9' must be .* 1.1"),
    ],
)
def test_broken_theses_are_refused(path, value, problem):
    written = thesis.generate_thesis(make_row(), RULES)
    with pytest.raises(thesis.ThesisError, match=problem):
        thesis.validate(broken(written, path, value))


@pytest.mark.parametrize("field", [*thesis.load()["required"]])
def test_a_missing_field_is_named(field):
    written = thesis.generate_thesis(make_row(), RULES)
    del written[field]
    assert thesis.problems(written) == [f"thesis: {field} is missing"]


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"truth": np.zeros(4, bool)},
            "claim quality on AAPL, 2020-01-03: the row has",
        ),
        ({"known": np.zeros(4, bool)}, "known=False, but its features say .*True"),
        ({"features": {"f_quality": 1.0}}, "claim calm reads feature vol"),
        ({"features": {"f_quality": float("nan")}}, "feature f_quality is nan"),
        ({"claims": np.ones(3, bool)}, r"claims must have shape \(4,\), got \(3,\)"),
        ({"sections": np.ones(5, bool)}, r"sections must have shape \(6,\)"),
    ],
)
def test_rows_that_do_not_fit_the_rules_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        thesis.to_dict(make_row()._replace(**change), RULES)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"section": "weather"}, "claim quality: unknown section 'weather'"),
        ({"conditions": (("f_quality", "=", 0.0),)}, "claim quality: unknown op.*'='"),
    ],
)
def test_rules_in_unknown_words_are_refused(change, message):
    rules = RULES | {"quality": RULES["quality"] | change}
    with pytest.raises(ValueError, match=message):
        thesis.to_dict(make_row(), rules)


def read_markdown(note):
    """The text of every heading, list item and table cell, by a CommonMark parser."""
    page = MarkdownIt("commonmark").enable("table").render(note)
    assert not re.search(r"<(script|img|em|strong|code|a|del)\b", page), page
    blocks = re.findall(r"<(h1|h2|li|td)>(.*?)</\1>", page, re.DOTALL)
    return [(tag, html.unescape(text)) for tag, text in blocks]


def test_markdown_shows_everything(rows):
    for row in rows[:50]:
        written = thesis.to_dict(row, RULES)
        note = thesis.to_markdown(written)
        assert all(f"- {statement}\n" in note for statement in statements(written))
        blocks = read_markdown(note)
        cells = [text for tag, text in blocks if tag == "td"]
        assert all(entry["quote"] in cells for entry in written["evidence"])
        assert note.count("Not written.") == (~row.sections).sum()
        assert ("Asserted without evidence" in note) == (row.claims & ~row.known).any()
        assert ("h2", "Repairs") not in blocks


def test_markdown_shows_repairs():
    row = make_row(sections=np.array([True] * 5 + [False]))
    blocks = read_markdown(
        thesis.to_markdown(thesis.generate_thesis(row, RULES, repair=True))
    )
    assert blocks[-2:] == [("h2", "Repairs"), ("li", "section risks: not covered")]


@pytest.mark.parametrize(
    "ticker",
    [
        "BRK.B",
        "^GSPC",
        "A|B",
        "_A_",
        "A_B_C",
        "*X*",
        "`rm`",
        "# A #",
        "<script>alert(1)</script>",
        "[A](http://x.y)",
        "![A](x.png)",
        "&lt;",
        "\\*",
        "~~A~~",
    ],
)
def test_markdown_shows_odd_words_as_they_are(ticker):
    rules = RULES | {"quality": RULES["quality"] | {"sentence": f"It is {ticker}."}}
    row = make_row(rules=rules, ticker=ticker, source=ticker)
    blocks = read_markdown(thesis.to_markdown(thesis.generate_thesis(row, rules)))
    assert blocks[0] == ("h1", f"{ticker}, 2020-01-03: buy")
    assert ("li", f"It is {ticker} (f_quality = +1.2).") in blocks
    assert [text for _, text in blocks].count(ticker) == len(RULES)


def test_a_line_break_cannot_open_a_block():
    written = thesis.generate_thesis(make_row(ticker="A\n\n# B"), RULES)
    headings = [text for tag, text in read_markdown(thesis.to_markdown(written))]
    assert headings[0] == "A # B, 2020-01-03: buy"


CITATION = {
    "source": "us20",
    "name": "AAPL",
    "field": "close",
    "event_times": ["2019-12-18", "2020-01-03"],
    "known": "2020-01-03",
    "values": [68.2, 72.9],
    "document": "us20_adj_close.csv.gz",
    "raw": "0f" * 32,
}


def test_a_claim_cites_what_its_available_features_rest_on_once():
    other = CITATION | {"source": "newsapi", "field": "article", "values": [1.0]}
    cited = {"mom10": [CITATION], "f_sentiment": [other, CITATION], "vol": []}
    written = thesis.generate_thesis(make_row(citations=cited), RULES)
    found = {entry["claim_id"]: entry["citations"] for entry in written["evidence"]}
    assert found == {
        "quality": [],
        "calm": [],
        "rising": [CITATION],
        "divergence": [CITATION, other],
    }
    without = thesis.generate_thesis(make_row(), RULES)
    assert not any("citations" in entry for entry in without["evidence"])


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("raw", "0f", "must match pattern"),
        ("values", [], "0 entries"),
        ("document", "", "must be longer"),
        ("known", "2020-01-04T21:00:00Z", "was known 2020-01-04"),
    ],
)
def test_broken_citations_are_refused(field, value, problem):
    cited = {"mom10": [CITATION | {field: value}]}
    with pytest.raises(thesis.ThesisError, match=problem):
        thesis.generate_thesis(make_row(citations=cited), RULES)
