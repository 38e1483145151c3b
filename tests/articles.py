"""Articles for tests: what each said and when it was known, in days."""

import re

import numpy as np
import pandas as pd

from thesis_rl.data import events
from thesis_rl.data.features.news import Scorer

START = pd.Timestamp("2024-03-01")


def day(number: float) -> pd.Timestamp:
    return (START + number * pd.Timedelta(days=1)).as_unit("ns")


def article(known, document, text, name="A", *, about=None, value=1.0, **more):
    """Makes a row of an article known, and about, so many days from `START`."""
    return {
        "source": "newsapi",
        "name": name,
        "field": "article",
        "event_time": day(known if about is None else about),
        "knowledge_time": day(known),
        "value": value,
        "document": document,
        "text": text,
    } | more


def table(*rows: dict) -> pd.DataFrame:
    return events.table(rows)


def last_number(texts, known) -> np.ndarray:
    """Scores a text by the number it ends in; one that ends in none has no score."""
    ends = [re.search(r"-?\d+(\.\d+)?$", text) for text in texts]
    return np.array([float(end[0]) if end else np.nan for end in ends])


LAST_NUMBER = Scorer("last number", "1", last_number)
