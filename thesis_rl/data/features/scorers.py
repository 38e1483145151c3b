"""A scorer that looks words up: VADER. It is weak on news; take it for no more."""

import functools
import importlib.metadata
from collections.abc import Sequence

import numpy as np

from thesis_rl.data.features.news import Scorer


def vader() -> Scorer:
    """Makes a scorer of VADER's compound score, from -1 to 1.

    Hutto and Gilbert (2014), "VADER: A Parsimonious Rule-based Model for Sentiment
    Analysis of Social Media Text". A text is scored word for word, whatever it is
    about and whenever it became known; one without a word has no score.

    Raises:
        ImportError: vaderSentiment is not installed.
    """
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError:
        raise ImportError(
            "the scorer vader needs vaderSentiment: pip install 'thesis_rl[text]'"
        ) from None
    version = importlib.metadata.version("vaderSentiment")
    polarity = SentimentIntensityAnalyzer().polarity_scores
    return Scorer("vader", version, functools.partial(_compound, polarity))


def _compound(polarity, texts: Sequence[str], known: np.ndarray) -> np.ndarray:
    # The same story stands under many names, and is read once.
    read = {text: polarity(text)["compound"] for text in set(texts) if text.strip()}
    return np.array([read.get(text, np.nan) for text in texts], np.float64)
