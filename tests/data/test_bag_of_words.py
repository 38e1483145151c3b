"""Texts are counted by hash alike everywhere; the regression is scikit-learn's."""

import collections
import os
import pathlib
import subprocess
import sys
import zlib

import numpy as np
import pytest
from sklearn import linear_model

from thesis_rl.data.features import ngrams

WORDS = [a + b for a in "bcdfghjklm" for b in "aeiou"]
TEXT = "Apple's profit rose 3% in 2024; profit ROSE.\nÜber-Umsatz"
TERMS = [
    *("apple's", "profit", "rose", "0", "in", "0000", "profit", "rose"),
    *("über", "umsatz", "apple's profit", "profit rose", "rose 0", "0 in", "in 0000"),
    *("0000 profit", "profit rose", "rose über", "über umsatz"),
]


def texts_and_outcomes(num: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(WORDS), size=(num, 8))
    sign = np.where(np.arange(len(WORDS)) % 5 == 0, 1.0, -0.3)
    chance = 1 / (1 + np.exp(-sign[chosen].sum(axis=1)))
    texts = [" ".join(WORDS[word] for word in row) for row in chosen]
    return texts, (rng.random(num) < chance).astype(float)


@pytest.mark.parametrize("buckets", [2**18, 7])
def test_counts_are_those_of_words_and_pairs_scaled_to_length_one(buckets):
    counts = ngrams.count(["", TEXT, "... !"], buckets).toarray()
    plain = collections.Counter(zlib.crc32(t.encode()) % buckets for t in TERMS)
    want = np.zeros(buckets)
    want[list(plain)] = list(plain.values())
    np.testing.assert_allclose(counts[1], want / np.linalg.norm(want), rtol=1e-12)
    assert not counts[0].any() and not counts[2].any()
    assert ngrams.count([], buckets).shape == (0, buckets)


@pytest.mark.parametrize("l2", [0.3, 30.0])
def test_coefficients_are_those_of_scikit_learn(l2):
    texts, outcome = texts_and_outcomes(400)
    counts = ngrams.count(texts, 2**10)
    oracle = linear_model.LogisticRegression(
        C=1 / l2, tol=1e-10, solver="newton-cholesky"
    ).fit(counts.toarray(), outcome)
    model = ngrams.regress(counts, outcome, l2)
    np.testing.assert_allclose(model.weights, oracle.coef_[0], atol=1e-4)
    np.testing.assert_allclose(model.intercept, oracle.intercept_[0], atol=1e-4)
    found = ngrams.logits(model, counts)
    np.testing.assert_allclose(
        found, oracle.decision_function(counts.toarray()), atol=1e-4
    )


def test_a_fit_that_does_not_converge_says_what_to_do(monkeypatch):
    monkeypatch.setitem(ngrams.OPTIONS, "maxiter", 1)
    texts, outcome = texts_and_outcomes(50)
    with pytest.raises(RuntimeError, match="no fit of 50 articles .*raise l2, now 0.1"):
        ngrams.regress(ngrams.count(texts, 64), outcome, 0.1)


def test_another_process_counts_and_fits_alike_to_the_bit():
    program = (
        "import sys; from thesis_rl.data.features import ngrams as bag;"
        "counts = bag.count(sys.argv[1].split('|'), 64);"
        "model = bag.regress(counts, [1.0, 0.0], 1.0);"
        "print(counts.toarray().tobytes().hex(), model.weights.tobytes().hex())"
    )
    texts = [TEXT, "the loss grew"]
    command = [sys.executable, "-c", program, "|".join(texts)]
    root = str(pathlib.Path(__file__).parents[2])
    outputs = [
        subprocess.run(
            command,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": root},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    counts = ngrams.count(texts, 64)
    model = ngrams.regress(counts, np.array([1.0, 0.0]), 1.0)
    here = counts.toarray().tobytes().hex(), model.weights.tobytes().hex()
    assert [output.split() for output in outputs] == [list(here)] * 2
