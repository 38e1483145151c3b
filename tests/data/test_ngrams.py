"""The scorer of n-grams learns what is there, nothing from noise or from later."""

import numpy as np
import pandas as pd
import pytest
from articles import START, article, table

from thesis_rl.data.features import ngrams
from thesis_rl.data.features.ngrams import Settings

NAMES = [f"N{i}" for i in range(24)]
SETTINGS = Settings(every=50, min_articles=60, buckets=2**10)
NUM_SESSIONS = 300
CLOSES = pd.date_range(START + pd.Timedelta("21h"), periods=NUM_SESSIONS).as_unit("ns")
GOOD, BAD = ["soars", "wins", "gains"], ["falls", "loses", "sinks"]
NEUTRAL = [a + b for a in "bcdfgh" for b in "aeiou"]


def world(seed: int, edge: float):
    """Makes an article of every name each six sessions, and closes with an `edge`.

    Each falls between two closes; from the second close after it on, its name earns
    its sign times the edge for five sessions, plus noise. Its words tell the sign.
    """
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.01, (NUM_SESSIONS, len(NAMES)))
    rows = []
    for name, ticker in enumerate(NAMES):
        for session in range(1 + name % 6, NUM_SESSIONS, 6):
            sign = int(rng.choice([-1, 1]))
            words = [*rng.choice(NEUTRAL, 6), rng.choice(GOOD if sign > 0 else BAD)]
            known = session - rng.uniform(0.01, 0.99) + 21 / 24
            rows.append(article(known, f"{len(rows)}.com", " ".join(words), ticker))
            returns[session + 2 : session + 7, name] += sign * edge
    return table(*rows), 100 * np.exp(np.cumsum(returns, axis=0))


def outcomes(events, close) -> np.ndarray:
    """Says of each article whether its name beat the market, in plain steps."""
    found = []
    for row in events.to_dict("records"):
        session = int((row["knowledge_time"] > CLOSES).sum())
        fill, sale = session + 1, session + 1 + SETTINGS.horizon
        if session == 0 or sale >= len(close) or row["name"] not in NAMES:
            found.append(np.nan)
            continue
        returns = close[sale] / close[fill] - 1
        own = returns[NAMES.index(row["name"])]
        beats = own > np.nanmean(returns)
        found.append(float(beats) if np.isfinite(own) else np.nan)
    return np.array(found)


def fit(events, close, settings=SETTINGS):
    return ngrams.fit(events, NAMES, CLOSES, close, settings)


def read(fitted, events) -> np.ndarray:
    known = events["knowledge_time"].to_numpy()
    return ngrams.scorer(fitted).score(events["text"].to_list(), known)


def accuracy(events, close) -> tuple[float, int]:
    scores, beat = read(fit(events, close), events), outcomes(events, close)
    judged = np.isfinite(scores) & np.isfinite(beat)
    return np.mean((scores > 0)[judged] == beat[judged]), judged.sum()


def test_planted_words_are_learnt_and_read_out_of_sample():
    right, num = accuracy(*world(0, edge=0.03))
    assert num > 800
    assert right > 0.95


def test_labels_of_noise_teach_nothing():
    right, num = np.transpose([accuracy(*world(seed, edge=0.0)) for seed in range(3)])
    assert num.min() > 800
    assert abs(np.average(right, weights=num) - 0.5) < 3 * 0.5 / np.sqrt(num.sum())


def test_labels_are_outcomes_from_the_fill_on():
    events, close = world(1, edge=0.01)
    close[np.random.default_rng(0).random(close.shape) < 0.05] = np.nan
    at = CLOSES[100]
    hours = [at, at + pd.Timedelta(1, "ns"), CLOSES[0], CLOSES[-7], CLOSES[-6]]
    events["knowledge_time"] = [*hours, *events["knowledge_time"][5:]]
    events["event_time"] = events["knowledge_time"]
    events.loc[5:9, "name"] = "of no interest"
    column = pd.Index(NAMES).get_indexer(events["name"])
    seen, closes = events["knowledge_time"].to_numpy(), CLOSES.to_numpy()
    beat, known, left_out = ngrams.label(seen, column, closes, close, SETTINGS.horizon)
    np.testing.assert_array_equal(beat, outcomes(events, close))
    assert known[:5].tolist() == [106, 107, 6, NUM_SESSIONS - 1, NUM_SESSIONS]
    assert sum(left_out.values()) == np.isnan(beat).sum()
    assert min(left_out.values()) > 0


def test_a_market_of_one_name_or_of_few_sessions_labels_nothing():
    for close in (np.linspace(1, 2, 20)[:, None], np.ones((3, 4))):
        closes = CLOSES[: len(close)].to_numpy()
        beat, _, _ = ngrams.label(closes[1:3], np.array([0, 0]), closes, close, 5)
        assert np.isnan(beat).all()


def same(model, other) -> bool:
    return model.intercept == other.intercept and np.array_equal(
        model.weights, other.weights
    )


@pytest.mark.parametrize("session", [100, 150])
def test_a_fit_knows_no_price_of_its_close_or_later(session):
    events, close = world(2, edge=0.01)
    number = list(fit(events, close).instants).index(CLOSES[session])
    clean = fit(events, close).models

    def poisoned(start):
        wild = close.copy()
        wild[start:] = np.random.default_rng(5).uniform(1, 1000, wild[start:].shape)
        return fit(events, wild).models

    assert all(map(same, poisoned(session)[: number + 1], clean))
    assert not same(poisoned(session - 1)[number], clean[number])
    assert same(poisoned(session - 1)[number - 1], clean[number - 1])


def test_no_score_rests_on_anything_known_after_its_article():
    events, close = world(3, edge=0.01)
    cut = CLOSES[170] - pd.Timedelta("2h")
    past = (events["knowledge_time"] <= cut).to_numpy()
    wild = close.copy()
    wild[170:] = 1 / wild[170:]
    after = events[~past].assign(text=[f"soars {i}" for i in range((~past).sum())])
    news = after.assign(document=after["document"] + "/more", text="falls and falls")
    revised = events[past].assign(
        knowledge_time=cut + pd.Timedelta("1h"), text="loses", seq=10_000
    )
    poisoned = pd.concat([news, revised, after, events[past]], ignore_index=True)
    scores = read(fit(poisoned, wild), events[past])
    np.testing.assert_array_equal(scores, read(fit(events, close), events[past]))
    assert np.isfinite(scores).sum() > 200
    later = events[~past]
    moved = read(fit(poisoned, wild), later) - read(fit(events, close), later)
    assert (np.abs(moved) > 0.01).any()


def test_an_article_is_read_by_the_latest_model_from_strictly_before_it():
    events, close = world(4, edge=0.01)
    fitted = fit(events, close)
    score = ngrams.scorer(fitted).score
    instant = fitted.instants[1]
    around = [instant + np.timedelta64(shift, "ns") for shift in (-1, 0, 1)]
    before, at, after = score(["wins and gains"] * 3, np.array(around))
    assert before == at != after
    at_first, after_first = score(
        ["wins"] * 2, fitted.instants[0] + np.array([0, 1], "timedelta64[ns]")
    )
    assert np.isnan(at_first) and -1 <= after_first <= 1
    assert np.isnan(score(["...", ""], CLOSES[-2:].to_numpy())).all()
    assert np.isnan(score([""], CLOSES[:1].to_numpy())).all()


def test_scores_of_articles_do_not_depend_on_what_else_is_read():
    events, close = world(5, edge=0.01)
    fitted = fit(events, close)
    together = read(fitted, events)
    np.testing.assert_array_equal(read(fitted, events[::-1])[::-1], together)
    np.testing.assert_array_equal(read(fitted, events[700:710]), together[700:710])


def test_copies_revisions_and_other_fields_teach_nothing_more():
    events, close = world(6, edge=0.01)
    minute = pd.Timedelta("1min")
    more = [
        events.assign(knowledge_time=events["knowledge_time"] + minute, seq=2_000),
        events.assign(field="vendor_sentiment"),
    ]
    more[0]["document"] += "/syndicated"
    revised = events.assign(
        knowledge_time=events["knowledge_time"] + minute, text="wins"
    )
    alone = fit(events, close)
    crowd = fit(pd.concat([events, *more, revised], ignore_index=True), close)
    assert crowd.num_articles == alone.num_articles
    assert all(map(same, crowd.models, alone.models))
    assert alone.left_out["article that tells a story told already"] == 0
    assert crowd.left_out["article that tells a story told already"] == len(events)


def test_too_few_articles_or_one_outcome_give_no_model_and_no_score():
    events, close = world(7, edge=0.01)
    few = fit(events, close, SETTINGS._replace(min_articles=5_000))
    one = fit(
        events[events["name"] == "N0"],
        np.vander(np.linspace(1, 1.01, NUM_SESSIONS), len(NAMES)),
        SETTINGS._replace(min_articles=2),
    )
    for fitted in (few, one):
        assert fitted.models == ()
        assert fitted.left_out["fit with too few articles or one outcome"] == 5
        assert np.isnan(read(fitted, events)).all()


def test_version_is_that_of_the_settings():
    events, close = world(8, edge=0.01)
    other = SETTINGS._replace(l2=2.0)
    first, again = (ngrams.scorer(fit(part, close)) for part in (events, events[:900]))
    assert first.name == "ngrams"
    assert first.version == again.version
    assert first.version != ngrams.scorer(fit(events, close, other)).version


def test_faults_are_named():
    events, close = world(9, edge=0.0)
    with pytest.raises(ValueError, match="l2 must be above 0, got 0"):
        fit(events, close, SETTINGS._replace(l2=0))
    with pytest.raises(ValueError, match=r"shape \(299, 24\).* the 300 closes"):
        fit(events, close[1:])
    with pytest.raises(ValueError, match="closes must ascend"):
        ngrams.fit(events, NAMES, CLOSES[::-1], close, SETTINGS)
