"""Articles of one group: each text at each address once, and when it was known."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pandas as pd

from thesis_rl.data.store.raw import Response

SAME = "same text at the same address again"


class Article(NamedTuple):
    """An article as a response has it."""

    url: str
    published: pd.Timestamp  # UTC without a zone, the later reading where unclear.
    text: str  # Title and summary, a line each.
    place: str
    response: Response


def rows(
    articles: Iterable[Article],
    source: str,
    delays: dict[str, pd.Timedelta],
    rejected: set[tuple],
) -> Iterator[tuple[dict, pd.Timestamp]]:
    """Makes an event of each version of each article.

    All versions of an address are about the time at which it was first published. A
    version is known when it says that it was published, plus the delay; one stamped
    before the first was known when it was received, since a stamp set back is not to
    be believed. A text changed under its old stamp is left to `parsed.consolidate`.

    Args:
        articles: in order of receipt; within a response, in any.
        source: their name of source.
        delays: by kind of request, from publication to when an article can be had.
        rejected: (reason, address) of what is left out is added to it.

    Yields:
        Rows as `parsed.consolidate` takes them.
    """
    first: dict[str, Article] = {}  # By address.
    stamps: dict[tuple[str, str], tuple] = {}  # By address and text.
    ordered = sorted(articles, key=lambda a: (a.response.received, a.published))
    for article in ordered:
        url, published, text, place, response = article
        delay = delays[response.request.kind]
        if stamps.setdefault((url, text), (published, delay)) != (published, delay):
            rejected.add((SAME, url))
            continue
        original = first.setdefault(url, article)
        back = published < original.published
        known = response.received if back else published + delay
        event = {
            "source": source,
            "name": response.request.group,
            "field": "article",
            "event_time": original.published,
            "knowledge_time": known,
            "value": 1.0,
            "document": url,
            "raw": response.sha256,
            "place": place,
            "text": text,
        }
        yield event, response.received


def text_of(title, summary) -> str:
    """Joins what there is of a title and a summary, a line each; "" of neither."""
    lines = (" ".join(str(part or "").split()) for part in (title, summary))
    return "\n".join(line for line in lines if line)
