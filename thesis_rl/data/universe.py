"""The universe as it was known: members, delistings, and what a panel without says."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from thesis_rl.data.clock import NEW_YORK
from thesis_rl.data.events import as_of

MEMBER, DELISTING = "member", "delisting"
NO_MEMBERS = (
    "Survivorship: there are no membership events. The names were chosen with today's "
    "knowledge, and those that left the universe are missing: only the excess over "
    "equal weight of the same names counts."
)
NO_DELISTINGS = (
    "Survivorship: no name of the universe has a delisting. What was lost with a name "
    "that died is missing, or an assumption."
)


def members(events: pd.DataFrame, names: Sequence[str], decision_times) -> np.ndarray:
    """Says who was known to be a member at each decision.

    A removal that is announced counts from the day it takes effect. A name that was
    never added is no member.

    Args:
        events: of membership; other fields are left aside.
        names: N names.
        decision_times: T instants, UTC without a zone.

    Returns:
        [T, N] bool.

    Raises:
        ValueError: what `events.as_of` refuses.
    """
    own = events[events["field"] == MEMBER].reset_index(drop=True)
    values, _ = as_of(own, names, decision_times)
    return values == 1.0


def delistings(
    events: pd.DataFrame, names: Sequence[str], sessions: pd.DatetimeIndex
) -> pd.DataFrame:
    """Finds the last delisting of each name, and what its holders were left with.

    This is what happened, as the newest version has it, and no feature: the return is
    earned after the last close, whoever knew of it.

    Args:
        events: of membership; other fields are left aside.
        names: N names.
        sessions: T trading days at midnight, without a zone, ascending.

    Returns:
        One row a name that was delisted on one of the sessions, in the order of
        `names`, which index it: day, the session it last traded on, and
        delisting_return, from that close on, NaN where not known.
    """
    own = events[(events["field"] == DELISTING) & events["name"].isin(names)]
    close = own["event_time"].dt.tz_localize("UTC").dt.tz_convert(NEW_YORK)
    own = own.assign(day=close.dt.tz_localize(None).dt.normalize())
    own = own[own["day"].isin(sessions)]
    newest = own.sort_values(["event_time", "knowledge_time", "seq"], kind="stable")
    last = newest.drop_duplicates("name", keep="last").set_index("name")
    found = last.rename(columns={"value": "delisting_return"})
    return found.loc[
        [n for n in names if n in found.index], ["day", "delisting_return"]
    ]


def caveat(events: pd.DataFrame, names: Sequence[str]) -> str:
    """Says what is not known of survivorship; "" where both kinds of event are there.

    Args:
        events: of membership, possibly none.
        names: the names of the panel.
    """
    own = events[events["name"].isin(names)]
    sentences = {MEMBER: NO_MEMBERS, DELISTING: NO_DELISTINGS}
    there = set(own["field"])
    return " ".join(text for field, text in sentences.items() if field not in there)
