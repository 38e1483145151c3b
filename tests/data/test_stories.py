"""Which version of an article counts when, and that a story told twice counts once."""

import pytest
from articles import article, day, table

from thesis_rl.data.features import news


def told(*rows):
    return news.trace(table(*rows))["row"].to_list()


def test_the_same_title_within_three_days_is_one_story_from_its_first():
    rows = [
        article(0, "a.com/1", "Apple beats, again\nOne text."),
        article(1, "b.com/1", "APPLE  BEATS - AGAIN!\nAnother text."),
        article(3, "c.com/1", "Apple beats again"),
    ]
    assert told(*rows) == [0]
    assert told(*reversed(rows)) == [2]


def test_the_window_is_counted_from_the_first_and_not_from_the_last_copy():
    rows = [article(2 * i, f"{i}.com", "Stocks to watch") for i in range(7)]
    assert told(*rows) == [0, 2, 4, 6]
    late = article(3 + 1 / 86_400, "late.com", "Stocks to watch")
    assert told(rows[0], late) == [0, 1]


def test_other_names_other_titles_and_untitled_articles_are_other_stories():
    rows = [
        article(0, "a.com", "Apple beats"),
        article(0, "a.com", "Apple beats", name="B"),
        article(0, "b.com", "Apple beats estimates"),
        article(0, "c.com", "\nNo title."),
        article(0, "d.com", "\nNo title."),
    ]
    assert told(*rows) == [0, 1, 2, 3, 4]


def test_a_version_counts_until_the_next_and_stays_as_old_as_the_first():
    traced = news.trace(
        table(
            article(0, "a.com", "First"),
            article(9, "a.com", "Third"),
            article(4, "a.com", "Second"),
        )
    )
    assert traced["row"].to_list() == [0, 2, 1]
    assert traced["first_row"].to_list() == [0, 0, 0]
    assert traced["start"].to_list() == [day(0), day(4), day(9)]
    assert traced["stop"].to_list() == [day(4), day(9), news.FOREVER]
    assert traced["born"].to_list() == [day(0)] * 3


def test_of_versions_of_one_instant_the_last_to_arrive_counts():
    first, last = article(0, "a.com", "One", seq=7), article(0, "a.com", "Two", seq=8)
    for rows, want in (((first, last), 1), ((last, first), 0)):
        traced = news.trace(table(*rows))
        assert traced["row"][traced["stop"] > traced["start"]].to_list() == [want]


def test_a_copy_is_judged_by_its_first_version_and_takes_all_of_them_along():
    copy = article(1, "b.com", "Apple beats")
    renamed = article(2, "b.com", "Apple beats, and more")
    alone = article(1, "b.com", "Apple rises"), article(2, "b.com", "Apple beats")
    assert told(article(0, "a.com", "Apple beats"), copy, renamed) == [0]
    assert told(article(0, "a.com", "Apple beats"), *alone) == [0, 1, 2]


def test_an_article_of_a_later_hour_is_seen_from_then():
    traced = news.trace(table(article(0, "a.com", "News", about=1)))
    assert traced["start"].to_list() == [day(1)]


def test_other_fields_are_left_alone():
    rows = table(
        article(0, "a.com", "News", field="vendor_sentiment"),
        article(0, "a.com", "News"),
    )
    assert news.trace(rows)["row"].to_list() == [1]
    assert news.trace(rows[:0]).empty


def test_an_article_without_an_address_is_refused():
    with pytest.raises(ValueError, match="article of A known at 2024-03-02.*document"):
        told(article(0, "a.com", "News"), article(1, "", "More news"))
