"""The likeliest thesis of each row, and how often such theses hold."""

import itertools
import math

import numpy as np

from thesis_rl import policy
from thesis_rl.evaluation import theses
from thesis_rl.types import Thesis


def test_the_mode_asserts_a_claim_at_its_cutoff_and_above():
    sections = np.array([[0.5, 0.51]])
    claims = np.array([[0.7, 0.7, 0.7], [0.69, 0.71, 1.0]])
    decision = np.array([[0.1, 0.2, 0.3, 0.3, 0.1]])
    cutoffs = np.array([0.7, 0.5, 2.0])  # The last one is never asserted.
    found = policy.mode(sections, claims, decision, cutoffs)
    np.testing.assert_array_equal(found.sections, [[False, True]])
    np.testing.assert_array_equal(
        found.claims, [[True, True, False], [False, True, False]]
    )
    np.testing.assert_array_equal(found.decision, [2])
    plain = policy.mode(sections, np.array([[0.49, 0.5, 0.51]]), decision)
    np.testing.assert_array_equal(plain.claims, [[False, True, True]])


def test_cutoffs_may_differ_by_day():
    claims = np.full((2, 3, 1), 0.6)
    cutoffs = np.array([0.5, 0.7])[:, None, None]
    found = policy.mode(claims, claims, np.ones((2, 3, 5)), cutoffs)
    np.testing.assert_array_equal(found.claims[..., 0], [[True] * 3, [False] * 3])


def test_measures_are_counts_of_a_loop():
    rng = np.random.default_rng(0)
    shape = (6, 4)
    known = rng.random((*shape, 3)) < 0.7
    truth = known & (rng.random(known.shape) < 0.5)
    claims = rng.random(known.shape) < 0.4
    sections = rng.random((*shape, 2)) < 0.9
    rows = rng.random(shape) < 0.8
    thesis = Thesis(sections, claims, np.zeros(shape, int))
    valid, hits, asserted, true, unsupported = [], 0, 0, 0, 0
    for day, name in itertools.product(range(6), range(4)):
        if not rows[day, name]:
            continue
        at = (day, name)
        without = sum(claims[at] & ~known[at])
        valid.append(all(sections[at]) and any(known[at]) and not without)
        hits += sum(claims[at] & truth[at])
        asserted += sum(claims[at])
        true += sum(truth[at])
        unsupported += without
    assert theses.measure_truth(thesis, truth, known, rows) == {
        "schema_validity": sum(valid) / len(valid),
        "claim_precision": hits / asserted,
        "claim_recall": hits / true,
        "unsupported_claims": unsupported / asserted,
    }


def test_nothing_claimed_has_no_precision():
    shape = (2, 2, 3)
    thesis = Thesis(np.ones(shape, bool), np.zeros(shape, bool), np.zeros((2, 2), int))
    known = np.ones(shape, bool)
    found = theses.measure_truth(thesis, known, known, np.ones((2, 2), bool))
    assert math.isnan(found["claim_precision"]) and found["claim_recall"] == 0.0
    assert found["schema_validity"] == 1.0
