"""The lexicon tells plain praise from plain blame, and says what it needs."""

import importlib.metadata
import sys

import numpy as np
import pytest

from thesis_rl.data.features import scorers


def test_plain_sentences_have_their_sign():
    texts = [
        "A great quarter: excellent profits and happy customers.",
        "A horrible quarter: fraud, losses and angry customers.",
        "The meeting is on Tuesday.",
    ]
    good, bad, neither = scorers.vader().score(texts, np.zeros(3, "datetime64[ns]"))
    assert 0 < good <= 1
    assert -1 <= bad < 0
    assert neither == 0


def test_each_text_has_its_own_score_and_a_blank_one_none():
    score = scorers.vader().score
    texts = ["good", " \n", "bad", "good", ""]
    found = score(texts, np.zeros(5, "datetime64[ns]"))
    np.testing.assert_array_equal(np.isnan(found), [0, 1, 0, 0, 1])
    assert found[0] == found[3] == score(["good"], None)[0] > 0 > found[2]
    assert score([], None).shape == (0,)


def test_version_is_that_of_the_library():
    scorer = scorers.vader()
    assert scorer.name == "vader"
    assert scorer.version == importlib.metadata.version("vaderSentiment")


def test_without_the_library_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vaderSentiment.vaderSentiment", None)
    with pytest.raises(ImportError, match=r"pip install 'thesis_rl\[text\]'"):
        scorers.vader()
