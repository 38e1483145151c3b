"""Articles into stories: which version of a text counts when, and each story once."""

import re

import numpy as np
import pandas as pd

from thesis_rl.data import events as events_lib

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
    events_lib.check(events)
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
