"""Claim rules: three-valued truth, equality, and refusals that say what is wrong."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import rft
from thesis_rl.thesis import claims

NAMES = ("vol", "mom10", "f_sentiment")


def rule(*conditions, **changes):
    fields = {"section": "risks", "sentence": "It is so.", "conditions": conditions}
    return {"it": fields | changes}


def check(rules, features, available):
    table = claims.make_table(rules, NAMES)
    truth, known = claims.evaluate(jnp.array(features), jnp.array(available), table)
    return truth.tolist(), known.tolist()


def kleene_and(parts):
    """False if one part is, else None if one part is, else True."""
    if False in parts:
        return False
    return None if None in parts else True


@pytest.mark.parametrize("length", [1, 2, 3])
def test_conjunctions_are_three_valued(length):
    rules = rule(*[(name, ">", 0.0) for name in NAMES[:length]])
    for parts in itertools.product([True, False, None], repeat=3):
        features = [1.0 if part else -1.0 for part in parts]
        truth, known = check(rules, features, [part is not None for part in parts])
        expected = kleene_and(parts[:length])
        assert (truth, known) == ([expected is True], [expected is not None])


def test_a_missing_value_decides_nothing_whatever_stands_in_its_place():
    rules = rule(("vol", ">", 0.5)) | {"other": rule(("vol", "<=", 0.5))["it"]}
    for value in (0.0, 1.0, float("nan"), float("inf")):
        assert check(rules, [value, 0.0, 0.0], [False, True, True]) == (
            [False, False],
            [False, False],
        )


@pytest.mark.parametrize(
    "operator, expected",
    [
        (">", [False, False, True]),
        (">=", [False, True, True]),
        ("<", [True, False, False]),
        ("<=", [True, True, False]),
    ],
)
def test_operators_below_at_and_above_the_threshold(operator, expected):
    held = [
        check(rule(("vol", operator, 0.25)), [x, 0.0, 0.0], [True] * 3)[0][0]
        for x in (0.0, 0.25, 0.5)
    ]
    assert held == expected


def test_padding_a_shorter_conjunction_adds_no_condition():
    rules = {
        "short": rule(("mom10", "<", 0.0))["it"],
        "long": rule(("vol", ">", 0.0), ("mom10", "<", 0.0))["it"],
    }
    # The padding looks at the first feature, which fails and then is missing.
    assert check(rules, [-1.0, -1.0, 0.0], [True] * 3)[0] == [True, False]
    assert check(rules, [-1.0, -1.0, 0.0], [False, True, True])[1] == [True, False]


def test_shipped_rules_say_what_their_sentences_say():
    config = rft.get_config()
    table = claims.make_table(config.claims, config.features)
    assert table.feature.shape == (8, 2)
    features = np.zeros(len(config.features), np.float32)
    features[config.features.index("vol")] = 0.03
    features[config.features.index("mom10")] = 0.01
    features[config.features.index("f_sentiment")] = -0.5
    available = np.ones(len(features), bool)
    available[config.features.index("f_quality")] = False
    truth, known = claims.evaluate(jnp.array(features), jnp.array(available), table)
    names = np.array(list(config.claims))
    held = {"high_volatility", "short_term_momentum", "divergence_risk"}
    assert set(names[np.array(truth)]) == held
    assert set(names[~np.array(known)]) == {"financial_health"}


def test_a_rule_without_a_stance_is_neutral():
    rules = {
        "old": rule(("vol", ">", 0.5))["it"],
        "against": rule(("vol", ">", 0.5), stance=-1)["it"],
        "for": rule(("vol", "<", 0.5), stance=1)["it"],
    }
    claims.check_rules(rules, NAMES)


@pytest.mark.parametrize(
    "rules, message",
    [
        ({}, "config.claims is empty; a thesis needs at least one claim"),
        ({"it": {"section": "risks"}}, r"it must have the keys .*got \['section'\]"),
        (rule(("vol", ">", 0.0), extra=1), "it must have the keys .*extra"),
        (rule(("vol", ">", 0.0), stance=2), "it.stance is 2; give 1 for a claim that"),
        (rule(("vol", ">", 0.0), stance=True), "it.stance is True; give 1"),
        (rule(("vol", ">", 0.0), stance="against"), "it.stance is 'against'; give 1"),
        (rule(("vol", ">", 0.0), section="risk"), "it.section is 'risk'; .*'risks'"),
        (rule(), "it.conditions is empty; give at least one"),
        (rule(("beta", ">", 0.0)), "unknown feature 'beta'; .*'vol', 'mom10'"),
        (rule(("vol", "==", 0.0)), "operator '==' must be one of .*'>='"),
        (rule(("vol", ">", "high")), "threshold 'high' must be a number"),
        (rule(("vol", ">", True)), "threshold True must be a number"),
        (rule(("vol", ">")), r"\('vol', '>'\) must be \(feature, operator, threshold"),
        # A forgotten comma makes the conjunction its own first condition.
        (rule("vol", ">", 0.0), "it.conditions: 'vol' must be .feature, operator"),
    ],
)
def test_a_bad_rule_is_refused_by_name(rules, message):
    with pytest.raises(ValueError, match=message):
        claims.make_table(rules, NAMES)
