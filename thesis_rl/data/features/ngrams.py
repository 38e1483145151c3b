"""A scorer of our own: which words came before a name beat the market.

    score = 2 P(beats | text) - 1,   P = 1 / (1 + exp(-(x(text) · w + b)))

with x the words and pairs of words of a text, hashed into buckets, counted, and scaled
to length 1. The regression is fitted again and again as time goes by, each time on the
articles whose outcome was known by then, and reads only articles of later.
"""

import functools
import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, sparse, special

from thesis_rl.data.features import news
from thesis_rl.data.features.news import Scorer

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
DIGIT = re.compile(r"\d")
OPTIONS = {"maxiter": 200, "gtol": 1e-7}


class Model(NamedTuple):
    """What was fitted."""

    weights: np.ndarray  # [buckets] float64.
    intercept: float


def count(texts: Sequence[str], buckets: int) -> sparse.csr_array:
    """Counts the words and pairs of words of texts, by hash; digits are all alike.

    The hash is CRC-32, the same in every process.

    Returns:
        [texts, buckets] float64, each row of length 1, or 0 where there is no word.
    """
    hashes = [_hashes(text) for text in texts]
    stops = np.cumsum([0, *map(len, hashes)])
    column = (np.concatenate([_hashes(""), *hashes]) % buckets).astype(np.int64)
    shape = len(texts), buckets
    counts = sparse.csr_array((np.ones(len(column)), column, stops), shape)
    counts.sum_duplicates()
    length = np.sqrt(counts.multiply(counts).sum(axis=1))
    counts.data /= np.repeat(length, np.diff(counts.indptr))
    return counts


def regress(counts: sparse.csr_array, outcome: np.ndarray, l2: float) -> Model:
    """Fits a logistic regression with an L2 penalty on all but the intercept.

        minimise Σ log(1 + exp(-y (x · w + b))) + l2/2 · w · w,  y = 2 outcome - 1

    by Newton's steps within a region of trust, each found by conjugate gradients: on
    this problem three to ten times faster than L-BFGS, and closer to the minimum.

    Args:
        counts: [E, buckets].
        outcome: [E], 1 or 0.
        l2: the penalty; large next to the number of articles, it makes all weights 0.

    Raises:
        RuntimeError: no convergence.
    """
    size = len(outcome)

    def loss(params: np.ndarray) -> tuple[float, np.ndarray]:
        weights, logit = params[:-1], counts @ params[:-1] + params[-1]
        nats = np.logaddexp(0, logit).sum() - outcome @ logit
        wrong = special.expit(logit) - outcome
        gradient = np.append(counts.T @ wrong + l2 * weights, wrong.sum())
        return (nats + l2 / 2 * weights @ weights) / size, gradient / size

    def curvature(params: np.ndarray, way: np.ndarray) -> np.ndarray:
        chance = special.expit(counts @ params[:-1] + params[-1])
        change = chance * (1 - chance) * (counts @ way[:-1] + way[-1])
        return np.append(counts.T @ change + l2 * way[:-1], change.sum()) / size

    start = np.zeros(counts.shape[1] + 1)
    found = optimize.minimize(
        loss, start, jac=True, hessp=curvature, method="trust-ncg", options=OPTIONS
    )
    if not found.success:
        raise RuntimeError(
            f"n-grams: no fit of {size} articles in {found.nit} steps "
            f"({found.message}); raise l2, now {l2}"
        )
    return Model(found.x[:-1], float(found.x[-1]))


def logits(model: Model, counts: sparse.csr_array) -> np.ndarray:
    """Returns x · w + b of each text, [texts]."""
    return counts @ model.weights + model.intercept


def _hashes(text: str) -> np.ndarray:
    plain = DIGIT.sub("0", text.casefold())
    words = [word.encode() for word in WORD.findall(plain)]
    pairs = zip(words, words[1:], strict=False)
    terms = [*words, *(b" ".join(pair) for pair in pairs)]
    return np.array([zlib.crc32(term) for term in terms], np.uint32)


SCHEME = 1  # Of how texts are counted and labelled; part of a scorer's version.


class Settings(NamedTuple):
    """What a scorer's version is the hash of."""

    horizon: int = 5  # Sessions that a label looks ahead from the fill.
    every: int = 63  # Sessions from one fit to the next, a quarter.
    min_articles: int = 500  # Fewer are not fitted.
    buckets: int = 2**18
    l2: float = 1.0


DEFAULTS = Settings()


class Fitted(NamedTuple):
    """Models in order of time, and what they were fitted on."""

    settings: Settings
    models: tuple[Model, ...]
    instants: np.ndarray  # Of each fit, datetime64[ns], UTC.
    num_articles: tuple[int, ...]  # Behind each model.
    left_out: dict[str, int]  # Articles without a label, and fits, by reason.


def fit(
    events: pd.DataFrame,
    names: Sequence[str],
    closes,
    close: np.ndarray,
    settings: Settings = DEFAULTS,
) -> Fitted:
    """Fits a model at every settings.every-th close, on what was known before it.

    An article trains once its label was known before the close of the fit: with the
    first version of its text, and each story once, see `news.trace`.

    Args:
        events: articles, as `news.compute` takes them.
        names: N tickers.
        closes: T closes of consecutive sessions, UTC.
        close: [T, N] adjusted closes, NaN where not quoted.
        settings: of labels, fits and n-grams.

    Returns:
        The models; none of a fit with fewer than settings.min_articles, or where all
        beat the market or none did.

    Raises:
        ValueError: closes that do not ascend, prices of another shape, a setting that
            is not above 0, or what `news.trace` refuses.
        RuntimeError: a fit that does not converge.
    """
    closes = pd.DatetimeIndex(closes).to_numpy("datetime64[ns]")
    close = np.asarray(close, np.float64)
    _check(closes, close, names, settings)
    traced = news.trace(events)
    first = traced[traced["row"] == traced["first_row"]]
    column = pd.Index(names).get_indexer(first["name"])
    seen = first["start"].to_numpy("datetime64[ns]")
    beat, known, reasons = label(seen, column, closes, close, settings.horizon)
    has_label = np.flatnonzero(np.isfinite(beat))
    beat, known = beat[has_label], known[has_label]
    texts = events["text"].iloc[first["row"].iloc[has_label]].to_list()
    counts = count(texts, settings.buckets)

    models, instants, sizes, unfit = [], [], [], 0
    for session in range(settings.every, len(closes), settings.every):
        told = np.flatnonzero(known < session)
        if len(told) < settings.min_articles or len(np.unique(beat[told])) < 2:
            unfit += 1
            continue
        models.append(regress(counts[told], beat[told], settings.l2))
        instants.append(closes[session])
        sizes.append(len(told))
    num_told = int((events["field"] == news.FIELD).sum()) - len(traced)
    left_out = reasons | {
        "article that tells a story told already": num_told,
        "fit with too few articles or one outcome": unfit,
    }
    instants = np.array(instants, "datetime64[ns]")
    return Fitted(settings, tuple(models), instants, tuple(sizes), left_out)


def scorer(fitted: Fitted) -> Scorer:
    """Makes a scorer that reads each text with the latest model from before it.

    A text known before or at the first fit has no score, nor has one without a word.
    """
    described = json.dumps([SCHEME, fitted.settings])
    version = hashlib.sha256(described.encode()).hexdigest()[:12]
    return Scorer("ngrams", version, functools.partial(_score, fitted))


def label(
    seen: np.ndarray,
    column: np.ndarray,
    closes: np.ndarray,
    close: np.ndarray,
    horizon: int,
) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Says whether names beat the market after their articles.

        r[n] = P[t+1+h] / P[t+1] - 1,  beat = r[n] > mean of r over all n that have it

    with t the first close at which an article could be acted on; known at t + 1 + h.

    Args:
        seen: [E] instants of articles, UTC.
        column: [E] n, -1 for a name that has no prices here.
        closes: [T] instants.
        close: [T, N] adjusted closes.
        horizon: h, sessions.

    Returns:
        beat [E], 1 or 0, NaN without a label; the session t + 1 + h of each, [E]; and
        how many have no label, by reason. A market of fewer than 2 names gives none.
    """
    decided = np.searchsorted(closes, seen)
    start, stop = decided + 1, decided + 1 + horizon
    # Before the first close there may have been others to act at.
    listed, dated, over = column >= 0, decided > 0, stop < len(close)
    fits = np.flatnonzero(listed & dated & over)
    returns = np.full(close.shape, np.nan)
    num_sold = max(len(close) - horizon, 0)
    returns[:num_sold] = close[horizon:] / close[:num_sold] - 1
    has = np.isfinite(returns)
    num = has.sum(axis=1, keepdims=True)
    market = np.where(has, returns, 0).sum(axis=1, keepdims=True) / np.maximum(num, 1)
    excess = np.where(num >= 2, returns - market, np.nan)[start[fits], column[fits]]
    beat = np.full(len(decided), np.nan)
    beat[fits] = np.where(np.isnan(excess), np.nan, excess > 0)
    return (
        beat,
        stop,
        {
            "article of a name without prices": int((~listed).sum()),
            "article before the first close": int((listed & ~dated).sum()),
            "article whose outcome is not known yet": int(
                (listed & dated & ~over).sum()
            ),
            "article without a price at the fill or after": int(np.isnan(excess).sum()),
        },
    )


def _score(fitted: Fitted, texts: Sequence[str], known: np.ndarray) -> np.ndarray:
    scores = np.full(len(texts), np.nan)
    if not fitted.models:
        return scores
    counts = count(texts, fitted.settings.buckets)
    readable = np.diff(counts.indptr) > 0
    # Strictly before: a model fitted at the very instant does not count.
    latest = np.searchsorted(fitted.instants, known) - 1
    for number in np.unique(latest[latest >= 0]):
        on = np.flatnonzero((latest == number) & readable)
        scores[on] = np.tanh(logits(fitted.models[number], counts[on]) / 2)
    return scores


def _check(closes, close, names, settings: Settings) -> None:
    if (np.diff(closes) <= np.timedelta64(0, "ns")).any():
        raise ValueError("closes must ascend, a session each")
    if close.shape != (len(closes), len(names)):
        raise ValueError(
            f"close has the shape {close.shape}; want a row for each of the "
            f"{len(closes)} closes and a column for each of the {len(names)} names"
        )
    for key, value in settings._asdict().items():
        if not value > 0:
            raise ValueError(f"{key} must be above 0, got {value}")
