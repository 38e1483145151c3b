"""f_sentiment is its definition, knows nothing of later, and cites what it rests on."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from articles import LAST_NUMBER, article, day, table
from plain_sentiment import definition

from thesis_rl.data.features import news
from thesis_rl.data.features.news import Scorer

NAMES = ("B", "A")
SECOND = 1 / 86_400  # Of a day.


def compute(events, decisions, names=("A",), **how):
    times = [day(number) for number in decisions]
    return news.compute(events, names, times, LAST_NUMBER, **how)["f_sentiment"]


@st.composite
def articles(draw, earliest=0.0):
    """Draws few addresses, titles and instants, so that all of them meet."""
    known = draw(st.integers(0, 40)) / 2 + earliest
    title = draw(st.sampled_from(["Up", "up!", "Down", "Down on Tuesday"]))
    said = draw(st.sampled_from(["1", "-1", "0.5", "-0.25", "no score"]))
    return article(
        known,
        draw(st.sampled_from(["a.com", "b.com", "c.com", "d.com"])),
        f"{title}\n{said}",
        draw(st.sampled_from(["A", "A", "B", "of no interest"])),
        about=known + draw(st.sampled_from([0, 0, -1, 1])),
        value=draw(st.sampled_from([1.0, 1.0, 1.0, np.nan])),
        field=draw(st.sampled_from(["article"] * 5 + ["vendor_sentiment"])),
    )


DECISIONS = st.lists(st.integers(-1, 90), min_size=1, max_size=8)


@hypothesis.settings(max_examples=80, deadline=None, derandomize=True)
@hypothesis.given(st.lists(articles(), max_size=12), DECISIONS, st.randoms())
def test_feature_is_its_definition_in_any_order(rows, halves, random):
    decisions = [half / 2 for half in halves]
    events = table(*rows)
    shuffled = events.iloc[random.sample(range(len(rows)), len(rows))]
    values, ages = definition(events, NAMES, decisions)
    found = compute(shuffled, decisions, NAMES)
    np.testing.assert_allclose(found.values, values, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.age_days, ages, rtol=1e-12)


@hypothesis.settings(max_examples=40, deadline=None, derandomize=True)
@hypothesis.given(
    st.lists(articles(), max_size=12), st.lists(articles(10.5), max_size=6), DECISIONS
)
def test_nothing_after_a_decision_moves_it_by_a_bit(rows, poison, halves):
    decisions = [half / 2 for half in halves if half <= 20]
    known = [row for row in rows if row["knowledge_time"] <= day(10)]
    poisoned = table(*(row | {"seq": i} for i, row in enumerate([*known, *poison])))
    clean = compute(table(*rows), decisions, NAMES)
    found = compute(poisoned.iloc[::-1], decisions, NAMES)
    np.testing.assert_array_equal(found.values, clean.values)
    np.testing.assert_array_equal(found.age_days, clean.age_days)


@hypothesis.settings(max_examples=40, deadline=None, derandomize=True)
@hypothesis.given(st.lists(articles(), max_size=12), st.integers(0, 50))
def test_citation_alone_gives_the_number_to_the_bit(rows, half):
    events, decisions = table(*rows), [half / 2, 3.0, 30.0]
    cited = news.cite(events, "f_sentiment", "A", day(half / 2), LAST_NUMBER)
    value = compute(events, decisions).values[0, 0]
    assert (cited["knowledge_time"] <= day(half / 2)).all()
    assert cited["knowledge_time"].is_monotonic_decreasing
    if np.isnan(value):
        assert cited.empty
    else:
        used = cited[cited["weight"] > 0]
        np.testing.assert_allclose(used["weight"] @ used["score"], value, atol=1e-15)
        np.testing.assert_allclose(used["weight"].sum(), 1)
        assert compute(cited, decisions[:1]).values[0, 0] == value
        pd.testing.assert_frame_equal(
            cited[events.columns], events.loc[cited.index], check_dtype=False
        )


def test_weight_halves_in_three_days_from_when_it_was_known():
    events = table(
        article(0, "a.com", "Old\n-1", about=-9), article(3, "b.com", "New\n1")
    )
    found = compute(events, [0, 3, 6])
    want = [-1, (1 - 0.5) / 1.5, (0.5 - 0.25) / 0.75]
    np.testing.assert_allclose(found.values[:, 0], want)
    np.testing.assert_array_equal(found.age_days[:, 0], [0, 0, 3])
    faster = compute(events, [3], half_life=pd.Timedelta(days=1)).values[0, 0]
    np.testing.assert_allclose(faster, (1 - 1 / 8) / (1 + 1 / 8))


def test_an_article_counts_from_its_instant_to_its_limit_and_no_further():
    events = table(article(0, "a.com", "News\n1"))
    at = [-SECOND, 0, 15, 15 + SECOND]
    found = compute(events, at)
    np.testing.assert_array_equal(found.values[:, 0], [np.nan, 1, 1, np.nan])
    np.testing.assert_array_equal(found.age_days[:, 0], [np.nan, 0, 15, np.nan])
    soon = compute(events, [2], max_age=pd.Timedelta(days=1))
    assert np.isnan(soon.values).all()


def test_a_revised_text_replaces_the_former_and_makes_nothing_new():
    events = table(article(0, "a.com", "News\n1"), article(4, "a.com", "News\n-1"))
    found = compute(events, [3, 4, 16])
    np.testing.assert_array_equal(found.values[:, 0], [1, -1, np.nan])
    np.testing.assert_array_equal(found.age_days[:, 0], [3, 4, np.nan])


def test_a_syndicated_story_counts_once_and_ages_from_its_first():
    events = table(
        article(0, "a.com", "Profit up\n1"),
        article(1, "b.com", "Fraud found\n-1"),
        *(article(2, f"copy{i}.com", "Profit up!\n1") for i in range(5)),
    )
    found = compute(events, [2])
    weights = 0.5 ** (np.array([2, 1]) / 3)
    np.testing.assert_allclose(found.values[0, 0], weights @ [1, -1] / weights.sum())
    assert found.age_days[0, 0] == 1


def test_a_retracted_article_and_a_name_without_any_are_masked():
    events = table(
        article(0, "a.com", "News\n1"), article(2, "a.com", "News\n1", value=np.nan)
    )
    found = compute(events, [1, 2], NAMES)
    np.testing.assert_array_equal(found.values, [[np.nan, 1], [np.nan, np.nan]])
    np.testing.assert_array_equal(found.age_days, [[np.nan, 1], [np.nan, np.nan]])
    nothing = compute(events[:0], [1, 2], NAMES)
    assert np.isnan(nothing.values).all() and np.isnan(nothing.age_days).all()


def test_sums_do_not_depend_on_what_else_is_asked():
    rng = np.random.default_rng(0)
    known = rng.uniform(0, 40, 400)
    score = rng.normal(size=400)
    events = table(
        *(
            article(known[i], f"{i}.com", f"{i}\n{score[i]}", name=NAMES[i % 2])
            for i in range(400)
        )
    )
    decisions = np.arange(5, 45, 0.25)
    together = compute(events, decisions, NAMES).values
    for place in (0, 37, 101):
        alone = compute(events, decisions[[place]], NAMES[1:]).values
        assert alone[0, 0] == together[place, 1]


def test_citation_of_a_revised_text_shows_the_version_that_dates_it():
    events = table(
        article(0, "a.com", "News\n1"),
        article(4, "a.com", "Other news\n-1"),
        article(3, "b.com", "More news\n0.5"),
    )
    cited = news.cite(events, "f_sentiment", "A", day(6), LAST_NUMBER)
    assert cited.index.to_list() == [1, 2, 0]
    np.testing.assert_allclose(cited["weight"], [1 / 3, 2 / 3, 0])
    assert cited["score"].to_list() == [-1, 0.5, 1]


def test_spans_quote_the_sentence_that_speaks_most_for_the_score():
    text = "Chip maker rises 0.5\nSales fell -0.9 Orders doubled. 0.8"
    # The whole ends in 0.8; of its sentences the last says so.
    start, stop = news.span(text, day(0), LAST_NUMBER)
    assert text[start:stop] == "0.8"
    fallen = "Chip maker rises 0.5\nSales fell by -0.9"
    start, stop = news.span(fallen, day(0), LAST_NUMBER)
    assert fallen[start:stop] == "Sales fell by -0.9"


@pytest.mark.parametrize("text", ["A title\nand what follows", "A title 0\nNot so 0"])
def test_a_text_that_speaks_for_neither_side_is_quoted_by_its_title(text):
    start, stop = news.span(text, day(0), LAST_NUMBER)
    assert text[start:stop] == text.split("\n")[0]


def test_citation_quotes_what_its_span_says():
    text = " Shares rose 0.5 \n\nOutlook cut, says 2"
    events = table(article(0, "a.com", text), article(0, "b.com", "  \n 1"))
    cited = news.cite(events, "f_sentiment", "A", day(0), LAST_NUMBER)
    quotes = [
        row["text"][row["start"] : row["stop"]] for row in cited.to_dict("records")
    ]
    assert quotes == ["1", "Outlook cut, says 2"]


@pytest.mark.parametrize(
    "text, want",
    [
        ("", []),
        (" \n ", []),
        ("Title", ["Title"]),
        ("Title\nOne. Two!  Three? ", ["Title", "One.", "Two!", "Three?"]),
        ('He said "no." Then left.', ['He said "no."', "Then left."]),
        ("U.S. stocks fell 3.5 percent.", ["U.S. stocks fell 3.5 percent."]),
        ("Apple Inc. beat J. Smith.\r\nEnd", ["Apple Inc. beat J. Smith.", "End"]),
    ],
)
def test_sentences(text, want):
    spans = news.sentences(text)
    assert [text[start:stop] for start, stop in spans] == want


def test_faults_are_named():
    events = table(article(0, "a.com", "News\n1"))
    with pytest.raises(ValueError, match="names has 'A' twice"):
        compute(events, [1], ("A", "A"))
    with pytest.raises(ValueError, match="max_age must be a time above 0"):
        compute(events, [1], max_age=pd.Timedelta(0))
    with pytest.raises(ValueError, match="half_life must be a time above 0"):
        compute(events, [1], half_life=pd.Timedelta(days=-3))
    with pytest.raises(ValueError, match="decision_times must be .* without a zone"):
        news.compute(events, ["A"], [day(1).tz_localize("UTC")], LAST_NUMBER)
    with pytest.raises(ValueError, match="f_sentiment alone, not 'f_quality'"):
        news.cite(events, "f_quality", "A", day(1), LAST_NUMBER)
    short = Scorer("short", "1", lambda texts, known: np.zeros(len(texts) + 1))
    with pytest.raises(ValueError, match=r"scorer short gave .* \(2,\) for 1 texts"):
        news.compute(events, ["A"], [day(1)], short)
