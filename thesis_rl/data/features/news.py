"""f_sentiment: what articles said of a name of late, as a scorer reads them.

Articles become stories first: which version of a text counts when, and each story once.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from thesis_rl.data.events import Aged, check

FIELD = "article"
WINDOW = pd.Timedelta(days=3)
FOREVER = pd.Timestamp.max
NO_WORD = re.compile(r"\W+")


def trace(events: pd.DataFrame) -> pd.DataFrame:
    """Finds from when until when each version of an article counts.

    A version is seen from its knowledge_time, or its event_time where that is later. A
    later version of the same document replaces it. Its age is that of the document's
    first version, so that a correction makes nothing new again. A document whose title
    is that of another on the same name, first seen in the three days before, letter
    case and punctuation aside, is the same story in another place: it never counts.

    Args:
        events: columns of `events.COLUMNS`, rows of field article. Other fields are
            left alone.

    Returns:
        A row for each version that counts, in the order in which they are seen: row
        and first_row, its position in `events` and that of the document's first
        version; name; start and stop, seen from and replaced at (`FOREVER` where it is
        not); born, the start of the first version.

    Raises:
        ValueError: an article without a document, or what `events.check` refuses.
    """
    check(events)
    rows = np.flatnonzero(events["field"] == FIELD)
    articles = events.iloc[rows]
    if (articles["document"] == "").any():
        article = articles[articles["document"] == ""].iloc[0]
        raise ValueError(
            f"events: an article of {article['name']} known at "
            f"{article['knowledge_time']} has no document; its address is needed to "
            "tell a correction from another article"
        )
    seen = articles[["event_time", "knowledge_time"]].max(axis=1)
    seen = seen.astype("datetime64[ns]").to_numpy()
    order = np.lexsort((articles["seq"], seen))
    versions = articles[["name", "document", "text"]].iloc[order]
    versions = versions.assign(row=rows[order], start=seen[order])
    versions = versions.reset_index(drop=True)
    of_document = versions.groupby(["name", "document"], sort=False)
    versions["stop"] = of_document["start"].shift(-1).fillna(FOREVER)
    versions["born"] = of_document["start"].transform("first")
    versions["first_row"] = of_document["row"].transform("first")
    told = versions["first_row"].isin(_copies(versions))
    columns = ["row", "first_row", "name", "start", "stop", "born"]
    return versions.loc[~told, columns].reset_index(drop=True)


def plain_title(text: str) -> str:
    """Reads the words of a title, the first line of a text, in lower case."""
    title, _, _ = text.partition("\n")
    return NO_WORD.sub(" ", title.casefold()).strip()


def _copies(versions: pd.DataFrame) -> list[int]:
    """Finds the documents, by first_row, that tell a story already told."""
    first = versions[versions["row"] == versions["first_row"]]
    first = first.assign(title=[plain_title(text) for text in first["text"].to_list()])
    first = first[first["title"] != ""]
    alike = first[first.duplicated(["name", "title"], keep=False)]
    told, copies = {}, []
    stories = zip(alike["name"], alike["title"], strict=True)
    starts = alike["start"].to_numpy("datetime64[ns]").astype(np.int64).tolist()
    for story, start, row in zip(stories, starts, alike["row"], strict=True):
        if start <= told.get(story, -np.inf) + WINDOW.value:
            copies.append(row)
        else:
            told[story] = start
    return copies


FEATURE = "f_sentiment"
HALF_LIFE = pd.Timedelta(days=3)
MAX_AGE = pd.Timedelta(days=15)  # An article then weighs 1/32 of a new one.
DAY = pd.Timedelta(days=1).as_unit("ns").value
TRACED = ("start", "stop", "born")
SENTENCE_END = re.compile(r"\s*\n\s*|(?<=[.!?])\s+|(?<=[.!?][\"'”’])\s+")
# A stop that ends no sentence: an initial, as in U.S. or J. Smith, or these.
ABBREVIATION = re.compile(r"\b([A-Z]|Inc|Corp|Co|Ltd|Mr|Mrs|Ms|Dr|St|No|vs)\.$")


class Scorer(NamedTuple):
    """Says how good a text is for a name; citations and reports state which said so."""

    name: str
    version: str  # Of its library, or the hash of its settings.
    # Texts, and the instants [n] at which they became known -> scores [n] float64 from
    # -1 to 1, NaN where it has none. A score may rest on nothing later than its text.
    score: Callable[[Sequence[str], np.ndarray], np.ndarray]


def compute(
    events: pd.DataFrame,
    names: Sequence[str],
    decision_times,
    scorer: Scorer,
    *,
    half_life: pd.Timedelta = HALF_LIFE,
    max_age: pd.Timedelta = MAX_AGE,
) -> dict[str, Aged]:
    """Computes what articles said of every name, the new ones above the old.

        f_sentiment[d] = Σ w s / Σ w,  w = 0.5 ** (age[d] / half_life)

    over the stories of a name, of score s, whose age since they were first known is
    max_age or less. `news.trace` says what a story is and which version counts. A
    version without a score counts for nothing.

    Args:
        events: articles, field article. Other fields are left alone.
        names: N tickers.
        decision_times: T instants, UTC, in any order.
        scorer: of the texts.
        half_life: in which an article loses half its weight.
        max_age: past it, an article counts no more.

    Returns:
        f_sentiment [T, N], as old as the newest story in it; both NaN where none
        counts.

    Raises:
        ValueError: a name that stands twice, a time with a zone or none at all, a
            half_life or max_age that is not above 0, scores of another shape, or what
            `news.trace` refuses.
    """
    names, decided = _asked(names, decision_times)
    order = np.argsort(decided, kind="stable")
    read = _read(events, names, decided[order], scorer, half_life, max_age)
    values, age = np.empty((2, len(decided), len(names)))
    values[order], age[order] = _mean(read, len(names), decided[order], half_life)
    return {FEATURE: Aged(values, age)}


def cite(
    events: pd.DataFrame,
    feature: str,
    name: str,
    decision_time,
    scorer: Scorer,
    *,
    half_life: pd.Timedelta = HALF_LIFE,
    max_age: pd.Timedelta = MAX_AGE,
) -> pd.DataFrame:
    """Finds the articles behind f_sentiment of one name at one decision.

    Args:
        events: as `compute` takes them.
        feature: f_sentiment.
        name: a ticker.
        decision_time: an instant, UTC.
        scorer, half_life, max_age: as in `compute`.

    Returns:
        Rows of `events`, the latest known first, with weight and score, of which Σ
        weight · score is the feature; and start and stop of the span to quote, see
        `span`. Where a text was revised its first version is cited too, for its age,
        with the weight 0.

    Raises:
        ValueError: another feature, or what `compute` refuses.
    """
    if feature != FEATURE:
        raise ValueError(f"articles are behind {FEATURE} alone, not {feature!r}")
    names, decided = _asked([name], [decision_time])
    of_name = events[events["name"] == name]
    read = _read(of_name, names, decided, scorer, half_life, max_age)
    weight = _weight(decided[0] - read["born"].to_numpy(), half_life)
    weights = dict(zip(read["row"], weight / weight.sum(), strict=True))
    rows = sorted({*read["row"], *read["first_row"]})
    cited = of_name.iloc[rows].copy()
    texts, known = cited["text"].to_list(), cited["knowledge_time"].to_numpy()
    cited["weight"] = [weights.get(row, 0.0) for row in rows]
    cited["score"] = _scores(scorer, texts, known)
    spans = [span(*each, scorer) for each in zip(texts, known, strict=True)]
    cited["start"], cited["stop"] = np.array(spans, np.int64).reshape(-1, 2).T
    latest_last = cited.sort_values(["knowledge_time", "seq"], kind="stable")
    return latest_last[::-1]


def span(text: str, known: np.datetime64, scorer: Scorer) -> tuple[int, int]:
    """Finds the sentence or title that speaks most for the score of a text.

    Args:
        text: title, a line break, and what follows.
        known: the instant at which it became known, UTC.
        scorer: of the text.

    Returns:
        start and stop in characters, so that text[start:stop] is the quote: the
        sentence whose own score lies furthest to the side of the text's, the first of
        equals; the first sentence where the text has no score or one of 0.
    """
    spans = sentences(text)
    if not spans:
        return 0, len(text)
    texts = [text, *(text[start:stop] for start, stop in spans)]
    scores = _scores(scorer, texts, np.full(len(texts), known))
    side = np.nan_to_num(np.sign(scores[0]) * scores[1:], nan=-np.inf)
    return spans[int(np.argmax(side))]


def sentences(text: str) -> list[tuple[int, int]]:
    """Finds start and stop of every sentence; a line break ends one too."""
    found, start = [], 0
    for end in SENTENCE_END.finditer(text + "\n"):
        sentence = text[start : end.start()]
        if "\n" not in end.group() and ABBREVIATION.search(sentence):
            continue
        if words := sentence.strip():
            first = start + sentence.index(words)
            found.append((first, first + len(words)))
        start = end.end()
    return found


def _asked(names: Sequence[str], decision_times) -> tuple[pd.Index, np.ndarray]:
    names, decided = pd.Index(names), pd.DatetimeIndex(decision_times)
    if names.has_duplicates:
        twice = names[names.duplicated()][0]
        raise ValueError(f"names has {twice!r} twice; once is right")
    if decided.tz is not None or decided.hasnans:
        raise ValueError("decision_times must be instants in UTC without a zone")
    return names, _nanoseconds(decided)


def _read(events, names, decided, scorer, half_life, max_age) -> pd.DataFrame:
    """Lists the versions that count at some decision, scored, in order of start.

    column is that of their name, born is in nanoseconds, and they count at the
    decisions from first up to last.
    """
    for what, time in (("half_life", half_life), ("max_age", max_age)):
        if not time > pd.Timedelta(0):
            raise ValueError(f"{what} must be a time above 0, got {time}")
    traced = trace(events)
    column = names.get_indexer(traced["name"])
    start, stop, born = (_nanoseconds(traced[name]) for name in TRACED)
    first = np.searchsorted(decided, start)
    last = np.minimum(
        np.searchsorted(decided, stop),
        np.searchsorted(decided, born + max_age.as_unit("ns").value, side="right"),
    )
    traced = traced.assign(column=column, first=first, last=last, born=born)
    counts = (column >= 0) & (last > first)
    counts &= events["value"].notna().to_numpy()[traced["row"]]
    read = traced[counts]
    articles = events.iloc[read["row"]]
    known = articles["knowledge_time"].to_numpy("datetime64[ns]")
    read = read.assign(score=_scores(scorer, articles["text"].to_list(), known))
    return read[read["score"].notna()]


def _scores(scorer: Scorer, texts: list[str], known: np.ndarray) -> np.ndarray:
    scores = np.asarray(scorer.score(texts, known), np.float64)
    if scores.shape != (len(texts),):
        raise ValueError(
            f"the scorer {scorer.name} gave scores of shape {scores.shape} for "
            f"{len(texts)} texts; one each is right"
        )
    return scores


def _mean(read, num_names, decided, half_life) -> tuple[np.ndarray, np.ndarray]:
    """Averages scores into values and ages, [T, N].

    One round for each number of decisions that a version is in use, the longest first:
    each sum then adds its terms in order of start, whatever is known later and
    whatever other decisions are asked for, and so is the same to the last bit.
    """
    cells = len(decided) * num_names
    total, weights = np.zeros((2, cells))
    newest = np.full(cells, np.iinfo(np.int64).min)
    columns = ("first", "last", "column", "score", "born")
    first, last, column, score, born = (read[name].to_numpy() for name in columns)
    for lag in range(max(last - first, default=0) - 1, -1, -1):
        on = np.flatnonzero(last - first > lag)
        row = first[on] + lag
        cell = row * num_names + column[on]
        weight = _weight(decided[row] - born[on], half_life)
        np.add.at(total, cell, weight * score[on])
        np.add.at(weights, cell, weight)
        np.maximum.at(newest, cell, born[on])
    seen = weights > 0
    values = np.divide(total, weights, out=np.full(cells, np.nan), where=seen)
    age = np.where(seen, (np.repeat(decided, num_names) - newest) / DAY, np.nan)
    return values.reshape(-1, num_names), age.reshape(-1, num_names)


def _weight(age: np.ndarray, half_life: pd.Timedelta) -> np.ndarray:
    return 0.5 ** (age / half_life.as_unit("ns").value)


def _nanoseconds(times) -> np.ndarray:
    return np.asarray(times, "datetime64[ns]").view(np.int64)
