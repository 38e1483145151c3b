"""From a store to a panel: what rows know, whom they are about, what is masked."""

import numpy as np
import pandas as pd
import pytest
import small_world
import world_run
from small_world import CLOSES, CUT_DAY, DAYS, DEAD, DIES, JOINER, JOINS, NAMES

from thesis_rl.data import clock, panel

DAY = pd.Timedelta(days=1)
KNOWN_DAYS = CUT_DAY + 1  # Days whose decisions were taken by the cut.


def known_claim(dataset, name: str) -> np.ndarray:
    return np.asarray(
        dataset.panel.known[..., [*world_run.config().claims].index(name)]
    )


# What rows know.


def test_yields_are_those_published_by_the_close():
    """Brute force over every vintage; before FRED begins, last evening's curve."""
    world, found = small_world.make(), world_run.column("clean", "term_spread")
    ends = dict(zip(DAYS, clock.end_of_day(list(DAYS)), strict=True))

    def fred(series, close):
        told = [
            (day, vintage, float(text))
            for day, said in world.vintages[series].items()
            for vintage, text in said.items()
            if ends[vintage] <= close
        ]
        return max(told)[2] if told else None

    for day, close in enumerate(CLOSES[1:], 1):
        ten, three = (fred(series, close) for series in small_world.SERIES)
        if ten is None:
            three, _, ten = world.curves[DAYS[day - 1]]
        quoted = ~(np.array(NAMES) == DEAD) | (day <= DIES)
        wanted = np.where(quoted, np.float32(ten - three), np.nan)
        np.testing.assert_array_equal(found[day], wanted)
    assert np.isnan(found[0]).all()


def test_insiders_are_as_old_as_their_latest_filing():
    world, found = small_world.make(), world_run.column("clean", "f_insider_age")
    for number, name in enumerate(NAMES):
        known = pd.DatetimeIndex(
            sorted(filing.known for filing in world.filings[name] if filing.trades)
        )
        latest = known.searchsorted(CLOSES, "right") - 1
        age = np.where(latest >= 0, (CLOSES - known[latest]) / DAY, np.nan)
        has = np.isfinite(found[:, number])
        np.testing.assert_allclose(found[has, number], age[has], rtol=1e-6)
        assert has[latest >= 0].mean() > 0.5 and not has[latest < 0].any()


def test_news_are_as_old_as_the_latest_article_and_end_with_it():
    world, found = small_world.make(), world_run.column("clean", "f_sentiment_age")
    has = np.isfinite(found)
    assert not has[:126].any()  # No scorer had 500 articles to learn from.
    assert has[260:, :4].all()
    for number, name in enumerate(NAMES):
        known = [each.known for each in world.articles if each.name == name]
        latest = pd.DatetimeIndex(sorted(known))
        latest = latest[latest.searchsorted(CLOSES, "right") - 1]
        age = (CLOSES - latest) / DAY
        rows = has[:, number]
        np.testing.assert_allclose(found[rows, number], age[rows], rtol=1e-6)


def test_quality_is_that_of_reports_and_ends_with_its_age():
    found, age = (
        world_run.column("clean", "f_quality"),
        world_run.column("clean", "f_quality_age"),
    )
    np.testing.assert_array_equal(np.isnan(found), np.isnan(age))
    assert np.nanmax(age) <= 200 and np.nanmin(age) < 1
    assert np.isnan(found[:JOINS, NAMES.index(JOINER)]).all()  # Ranked among members.


def test_claims_light_up_as_their_evidence_comes():
    made = world_run.prepared("clean").dataset
    needs = {
        "financial_health": "f_quality",
        "positive_sentiment": "f_sentiment",
        "insider_buying": "f_insider",
        "steep_curve": "term_spread",
    }
    for claim, feature in needs.items():
        there = np.isfinite(world_run.column("clean", feature))
        np.testing.assert_array_equal(known_claim(made, claim), there)
        assert 0 < there.mean() < 1


# Membership and delistings.


def test_who_is_no_member_has_no_label_and_no_decision_but_trades():
    made, name = world_run.prepared("clean").dataset, NAMES.index(JOINER)
    eligible, tradable = made.market.eligible, made.market.tradable
    assert tradable[:, name].all()
    assert not eligible[:JOINS, name].any() and eligible[JOINS:, name].all()
    labelled = np.asarray(made.panel.labelled[:, name])
    assert not labelled[:JOINS].any() and labelled[JOINS:-6].all()


def test_a_removal_counts_from_its_announcement_though_it_says_sooner():
    """In the poisoned world DELT was removed 30 sessions before anyone said so."""
    eligible = np.asarray(world_run.prepared("poisoned").dataset.market.eligible)
    member = eligible[:, NAMES.index("DELT")]
    assert member[:KNOWN_DAYS].all() and not member[KNOWN_DAYS:].any()


def test_the_delisting_return_reaches_the_market():
    made, name = world_run.prepared("clean").dataset, NAMES.index(DEAD)
    earned, delisted = made.market.returns[:, name], made.market.delisted[:, name]
    assert np.flatnonzero(delisted).tolist() == [DIES + 1]
    assert earned[DIES + 1] == np.float32(small_world.DELISTING_RETURN)
    assert made.report["delisted"] == {DEAD: DAYS[DIES]}
    assert not [text for text in made.report["caveats"] if "assumption" in text]


# Sources that are missing, and scorers.


def test_what_is_missing_is_masked_and_told():
    with world_run.within("clean"):
        config = world_run.changed(**{"events.sources": ("sec", "fredd", "newsapi")})
        made = panel.build(config)
    (notice,) = made.report["notices"]
    assert notice == (
        "No events of fredd: the store store. What rests on them is masked."
    )
    assert not known_claim(made, "steep_curve").any()
    assert known_claim(made, "insider_buying").any()


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"events.sources": ("gold",), "events.missing": "stop"}, "names gold, but"),
        ({"events.store": "", "events.sources": ()}, "no store .*store is ''"),
    ],
)
def test_what_must_not_be_missing_stops(keys, message):
    """Without bars there are no prices, whatever may be masked."""
    with world_run.within("clean"), pytest.raises(ValueError, match=message):
        panel.load(world_run.changed(**keys))


def test_scorers():
    """None reads nothing; a lexicon reads from the first article on."""
    pytest.importorskip("vaderSentiment")
    there = {}
    for scorer in ("none", "vader"):
        with world_run.within("clean"):
            prices, evidence, _ = panel.load(
                world_run.changed(**{"events.scorer": scorer})
            )
        there[scorer] = "f_sentiment" in prices.signals
        assert (evidence.scorer is None) == (scorer == "none")
    assert there == {"none": False, "vader": True}
    assert prices.signals["f_sentiment"].iloc[9].notna().all()
