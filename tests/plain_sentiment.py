"""What f_sentiment is, read aloud, article by article: slow, and plainly right."""

import numpy as np
import pandas as pd
from articles import LAST_NUMBER, day


def definition(events, names, decisions) -> tuple[np.ndarray, np.ndarray]:
    """Computes f_sentiment as its definition reads, article by article."""
    values, ages = np.full((2, len(decisions), len(names)), np.nan)
    rows = events.to_dict("records")
    for place in np.ndindex(values.shape):
        now, name = day(decisions[place[0]]), names[place[1]]
        scores, weights, young = [], [], []
        for seen, version in counted(rows, name, now):
            age = (now - seen) / pd.Timedelta(days=1)
            score = LAST_NUMBER.score([version["text"]], None)[0]
            if age <= 15 and np.isfinite(score) and np.isfinite(version["value"]):
                scores.append(score)
                weights.append(0.5 ** (age / 3))
                young.append(age)
        if scores:
            values[place] = np.average(scores, weights=weights)
            ages[place] = min(young)
    return values, ages


def counted(rows, name, now):
    """Lists of each story of a name when it was first seen, and its latest version."""
    visible = [
        (max(row["event_time"], row["knowledge_time"]), row["seq"], row)
        for row in rows
        if (row["field"], row["name"]) == ("article", name)
    ]
    visible = sorted((v for v in visible if v[0] <= now), key=lambda v: v[:2])
    versions, told = {}, {}
    for seen, _, row in visible:
        versions.setdefault(row["document"], []).append((seen, row))
    stories = []
    for (seen, first), *later in versions.values():
        title = first["text"].split("\n")[0].lower().strip("!")
        if title in told and seen - told[title] <= pd.Timedelta(days=3):
            continue
        told[title] = seen
        stories.append((seen, (later or [(seen, first)])[-1][1]))
    return stories
