"""Another future, the same past, from raw responses to decisions; and leaks, seen."""

import functools

import jax
import numpy as np
import pandas as pd
import pytest
import small_world
import world_run
from small_world import CUT_DAY

from thesis_rl.data import clock, events, features, join, store, universe
from thesis_rl.data.features import insiders, ngrams, ratios
from thesis_rl.data.features.news import Scorer
from thesis_rl.data.prices import adjust
from thesis_rl.data.sources import newsapi
from thesis_rl.evaluation import audit

DAY = pd.Timedelta(days=1)
WORLDS = ("clean", "poisoned")
KNOWN_DAYS = CUT_DAY + 1  # Days whose decisions were taken by the cut.


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
        pair = [world_run.column(which, name)[KNOWN_DAYS:] for which in WORLDS]
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
        return join.read(world_run.config().data)[0]


def reparsed(which: str, *sources: str) -> dict[str, pd.DataFrame]:
    """Returns the events of some sources, parsed anew from their responses."""
    with world_run.within(which):
        return {source: audit.parse("store", source) for source in sources}


def stored(which: str, *sources: str) -> dict[str, pd.DataFrame]:
    return {source: tables(which)[source] for source in sources}


def leaks(take, sources: tuple[str, ...], scorer: str = "none") -> bool:
    """Says whether the features of some sources know of what came after the cut."""
    names, config = (
        world_run.config().features,
        world_run.changed(**{"events.scorer": scorer}),
    )
    found = []
    for which in WORLDS:
        events_of = stored(which, "bars", "membership") | take(which, *sources)
        prices, _ = join.assemble(events_of, config.data)
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
