"""From raw responses to decisions: what rows know, and that they know nothing later."""

import functools

import jax
import numpy as np
import pandas as pd
import pytest
import small_world
import world_run
from ml_collections import ConfigDict
from small_world import CLOSES, CUT_DAY, DAYS, DEAD, DIES, JOINER, JOINS, NAMES

from thesis_rl import reread
from thesis_rl.data import (
    adjust,
    clock,
    events,
    features,
    insiders,
    ngrams,
    panel,
    point_in_time,
    ratios,
    store,
    universe,
)
from thesis_rl.data.sentiment import Scorer
from thesis_rl.data.sources import newsapi

DAY = pd.Timedelta(days=1)
WORLDS = ("clean", "poisoned")
KNOWN_DAYS = CUT_DAY + 1  # Days whose decisions were taken by the cut.


def column(which: str, feature: str) -> np.ndarray:
    """Returns a feature [T, N], NaN where it is not available."""
    made = world_run.prepared(which).dataset
    place = made.feature_names.index(feature)
    values = np.asarray(made.panel.features[..., place], np.float64)
    return np.where(np.asarray(made.panel.available[..., place]), values, np.nan)


def known_claim(dataset, name: str) -> np.ndarray:
    return np.asarray(
        dataset.panel.known[..., [*world_run.config().claims].index(name)]
    )


def changed(**keys) -> ConfigDict:
    config = ConfigDict(world_run.config())
    config.update_from_flattened_dict({f"data.{k}": v for k, v in keys.items()})
    return config


# What rows know.


def test_yields_are_those_published_by_the_close():
    """Brute force over every vintage; before FRED begins, last evening's curve."""
    world, found = small_world.make(), column("clean", "term_spread")
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
    world, found = small_world.make(), column("clean", "f_insider_age")
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
    world, found = small_world.make(), column("clean", "f_sentiment_age")
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
    found, age = column("clean", "f_quality"), column("clean", "f_quality_age")
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
        there = np.isfinite(column("clean", feature))
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
        config = changed(**{"events.sources": ("sec", "fredd", "newsapi")})
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
        panel.load(changed(**keys))


def test_scorers():
    """None reads nothing; a lexicon reads from the first article on."""
    pytest.importorskip("vaderSentiment")
    there = {}
    for scorer in ("none", "vader"):
        with world_run.within("clean"):
            prices, evidence, _ = panel.load(changed(**{"events.scorer": scorer}))
        there[scorer] = "f_sentiment" in prices.signals
        assert (evidence.scorer is None) == (scorer == "none")
    assert there == {"none": False, "vader": True}
    assert prices.signals["f_sentiment"].iloc[9].notna().all()


# Nothing after a decision reaches it: another future, the same past.


def test_the_worlds_differ_in_every_source():
    """A poison that never arrived would prove nothing."""
    for source in ("bars", *world_run.config().data.events.sources):
        stored = []
        for which in WORLDS:
            with world_run.within(which):
                stored.append(store.load("store", source))
        late = stored[1][stored[1]["knowledge_time"] > small_world.CUT]
        old = late[late["event_time"] <= small_world.CUT]
        assert len(stored[1]) > len(stored[0]) and len(old), source


def test_features_and_claims_of_the_past_are_the_same_in_both_worlds():
    clean, wild = (
        world_run.prepared("clean").dataset,
        world_run.prepared("poisoned").dataset,
    )
    for field in ("features", "available", "truth", "known"):
        one, other = (np.asarray(getattr(each.panel, field)) for each in (clean, wild))
        np.testing.assert_array_equal(one[:KNOWN_DAYS], other[:KNOWN_DAYS], field)
        assert not np.array_equal(one[KNOWN_DAYS:], other[KNOWN_DAYS:])
    for name in clean.feature_names:
        pair = [column(which, name)[KNOWN_DAYS:] for which in WORLDS]
        assert not np.array_equal(*pair, equal_nan=True), f"{name} was not poisoned"


def test_what_trading_costs_is_the_same_in_both_worlds():
    clean, wild = (world_run.prepared(which).dataset.market for which in WORLDS)
    for field, one, other in zip(clean._fields, clean, wild, strict=True):
        one, other = np.asarray(one)[:KNOWN_DAYS], np.asarray(other)[:KNOWN_DAYS]
        np.testing.assert_array_equal(one, other, field)


def test_decisions_of_the_past_are_the_same_in_both_worlds():
    """Networks and all that is fitted beside them, forecasts, and the books held."""
    clean, wild = (world_run.outcome(which) for which in WORLDS)
    stop = KNOWN_DAYS - world_run.prepared("clean").folds.test_start[0]
    past, future = np.s_[:, :stop], np.s_[:, stop:]
    for name in clean.forecasts:
        forecasts = clean.forecasts[name], wild.forecasts[name]
        assert_same(part(forecasts, past))
        assert not np.array_equal(*(x.decision for x in part(forecasts, future)))
        params = clean.params[name], wild.params[name]
        assert_same(part(params, np.s_[:, :-1]))  # Of all but the final model.
        books = clean.ledgers[name], wild.ledgers[name]
        assert_same(
            [{k: x.weights for k, x in book.items()} for book in part(books, past)]
        )
    for fitted in ("scalers", "calibrators"):
        pair = getattr(clean, fitted), getattr(wild, fitted)
        assert_same(part(pair, np.s_[:-1]))
        assert differ(part(pair, np.s_[-1]))


def part(pair, where) -> list:
    """Cuts all arrays of two trees."""
    return [jax.tree.map(lambda x: x[where], each) for each in pair]


def differ(pair) -> bool:
    leaves = zip(*map(jax.tree.leaves, pair), strict=True)
    return any(not np.array_equal(*both, equal_nan=True) for both in leaves)


def assert_same(pair) -> None:
    jax.tree.map(np.testing.assert_array_equal, *pair)


# Each of the classic leaks is seen by the same comparison.


@functools.cache
def tables(which: str) -> dict[str, pd.DataFrame]:
    with world_run.within(which):
        return point_in_time.read(world_run.config().data)[0]


def reparsed(which: str, *sources: str) -> dict[str, pd.DataFrame]:
    """Returns the events of some sources, parsed anew from their responses."""
    with world_run.within(which):
        return {source: reread.parse("store", source) for source in sources}


def stored(which: str, *sources: str) -> dict[str, pd.DataFrame]:
    return {source: tables(which)[source] for source in sources}


def leaks(take, sources: tuple[str, ...], scorer: str = "none") -> bool:
    """Says whether the features of some sources know of what came after the cut."""
    names, config = world_run.config().features, changed(**{"events.scorer": scorer})
    found = []
    for which in WORLDS:
        events_of = stored(which, "bars", "membership") | take(which, *sources)
        prices, _ = point_in_time.assemble(events_of, config.data)
        found.append([x[:KNOWN_DAYS] for x in features.compute(prices, names)])
    return differ(found)


def on_event_time(patch) -> None:
    """Joins when things happened, not when they were known."""
    patch.setattr(events, "_times", lambda table: (about(table), about(table)))


def about(table: pd.DataFrame) -> np.ndarray:
    return table["event_time"].to_numpy("datetime64[ns]")


def on_the_transaction_date(patch) -> None:
    patch.setattr(insiders, "_seen", about)


def at_the_end_of_the_period(patch) -> None:
    derive = ratios.derive

    def early(table):
        return derive(table.assign(knowledge_time=table["event_time"]))

    patch.setattr(ratios, "derive", early)


def counting_words(patch) -> None:
    """Scores texts by a count, at once."""
    words = Scorer("words", "1", lambda texts, known: [len(t) % 7 - 3 for t in texts])
    patch.setattr(ngrams, "fit", lambda *given: None)
    patch.setattr(ngrams, "scorer", lambda fitted: words)


def without_delay(patch) -> None:
    patch.setitem(newsapi.DELAYS, "developer", 0 * DAY)


def from_midnight(patch) -> None:
    """Has a date known from the start of its day."""
    patch.setattr(
        clock, "end_of_day", lambda days: clock.new_york(pd.to_datetime(days))
    )


def back_adjusted(patch) -> None:
    """Divides past levels by later splits, also those that volume is multiplied by."""
    adjusted = adjust.adjusted

    def back(bars, report):
        made = adjusted(bars, report)
        later = bars.split.fillna(1.0)[::-1].cumprod()[::-1].shift(-1, fill_value=1.0)
        return made._replace(dollar_volume=made.dollar_volume / later)

    patch.setattr(adjust, "adjusted", back)


def with_bars_restated(patch) -> None:
    """Takes the newest version of a bar, whenever it came."""
    prices = adjust.prices

    def restated(table, *rest):
        return prices(table.assign(knowledge_time=table["event_time"]), *rest)

    patch.setattr(adjust, "prices", restated)


def announced_or_not(patch) -> None:
    """Takes members as they are known to have been today."""
    members = universe.members

    def restated(table, *rest):
        return members(table.assign(knowledge_time=table["event_time"]), *rest)

    patch.setattr(universe, "members", restated)


@pytest.mark.parametrize(
    "leak, take, sources, scorer",
    [
        (on_event_time, stored, ("sec",), "none"),
        (on_event_time, stored, ("treasury",), "none"),
        (on_event_time, stored, ("fred",), "none"),
        (on_the_transaction_date, stored, ("sec",), "none"),
        (at_the_end_of_the_period, stored, ("sec",), "none"),
        (without_delay, reparsed, ("newsapi", "alphavantage"), "ngrams"),
        (from_midnight, reparsed, ("treasury",), "none"),
        (from_midnight, reparsed, ("fred",), "none"),
        (back_adjusted, stored, ("sec",), "none"),
        (with_bars_restated, stored, ("sec",), "none"),
        (announced_or_not, stored, ("sec",), "none"),
    ],
)
def test_a_planted_leak_is_seen(monkeypatch, leak, take, sources, scorer):
    counting_words(monkeypatch)
    leak(monkeypatch)
    assert leaks(take, sources, scorer)


def test_without_a_leak_nothing_is_seen(monkeypatch):
    counting_words(monkeypatch)
    sources = ("sec", "treasury", "newsapi", "alphavantage")
    assert not leaks(reparsed, sources, "ngrams")
    assert not leaks(reparsed, ("fred",))
