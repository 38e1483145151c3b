"""Who was known to be a member, who died, and what a panel without such must say."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest

from thesis_rl.data import clock, events, universe
from thesis_rl.data.sources import membership
from thesis_rl.data.store.raw import Request, Response

HEADER = "ticker,event,announced,effective,delisting_return\n"
SESSIONS = clock.sessions("2020-06-15", "2020-07-10")
CLOSES = clock.closes(SESSIONS)
NAMES = ("A", "B", "C", "D")


def parsed(*lines: str) -> pd.DataFrame:
    content = (HEADER + "\n".join(lines) + "\n").encode()
    groups = sorted({line.split(",")[0] for line in lines})
    tables = [
        membership.parse(
            [
                Response(
                    Request("membership", group, "file", "m.csv"),
                    content,
                    "",
                    pd.Timestamp("2021-01-04"),
                )
            ]
        ).events
        for group in groups
    ]
    return pd.concat(tables, ignore_index=True)


def days(table: pd.DataFrame, name: str) -> list[str]:
    known = universe.members(table, NAMES, CLOSES)
    assert known.shape == (len(SESSIONS), 4) and known.dtype == bool
    return [f"{day:%m-%d}" for day in SESSIONS[known[:, NAMES.index(name)]]]


def between(first: str, last: str) -> list[str]:
    return [f"{day:%m-%d}" for day in SESSIONS if first <= f"{day:%m-%d}" <= last]


def test_a_removal_that_is_announced_counts_from_its_day():
    table = parsed("A,add,2020-06-01,2020-06-22,", "A,remove,2020-06-23,2020-07-01,")
    assert days(table, "A") == between("06-22", "06-30")


def test_an_addition_announced_late_counts_from_the_next_close():
    """Announced on Wednesday without an hour: known at its end, used on Thursday."""
    assert days(parsed("A,add,2020-06-24,2020-06-22,"), "A") == between(
        "06-25", "07-10"
    )


def test_without_an_announcement_the_day_itself_counts_from_its_close():
    assert days(parsed("A,add,,2020-06-22,"), "A") == between("06-22", "07-10")


def test_reentry():
    table = parsed("A,add,,2020-06-16,", "A,remove,,2020-06-18,", "A,add,,2020-07-09,")
    assert days(table, "A") == ["06-16", "06-17", "07-09", "07-10"]


def test_a_name_that_was_never_added_is_no_member():
    table = parsed(
        "A,add,,2020-06-16,", "B,remove,,2020-06-16,", "C,delist,,2020-07-01,"
    )
    assert [days(table, name) for name in "BCD"] == [[], [], []]
    assert days(table.iloc[:0], "A") == []


def test_a_name_that_is_delisted_is_a_member_until_its_last_trade():
    table = parsed("A,add,,2020-06-16,", "A,delist,2020-06-20,2020-07-02,-0.3")
    assert days(table, "A") == between("06-16", "07-02")


def test_delistings_have_the_day_of_the_last_trade_and_the_newest_return():
    table = parsed(
        "C,delist,,2020-07-02,",
        "A,add,,2020-06-16,",
        "A,delist,2020-06-20,2020-06-30,-0.3",
        "B,delist,,2021-06-30,-1",
        "X,delist,,2020-06-30,-1",
    )
    changed = table[(table["name"] == "A") & (table["field"] == "delisting")].assign(
        value=-0.5, knowledge_time=pd.Timestamp("2020-09-01"), seq=99
    )
    found = universe.delistings(pd.concat([changed, table]), NAMES, SESSIONS)
    assert found.index.to_list() == ["A", "C"]
    assert found["day"].to_list() == [
        pd.Timestamp("2020-06-30"),
        pd.Timestamp("2020-07-02"),
    ]
    np.testing.assert_array_equal(found["delisting_return"], [-0.5, np.nan])
    nothing = universe.delistings(table.iloc[:0], NAMES, SESSIONS)
    assert nothing.columns.to_list() == ["day", "delisting_return"] and nothing.empty


def test_caveat_says_what_is_not_known_of_these_names():
    both = parsed("A,add,,2020-06-16,", "A,delist,,2020-07-01,")
    members = both[both["field"] == "member"]
    nothing = events.table([])
    assert universe.caveat(both, NAMES) == ""
    assert universe.caveat(members, NAMES) == universe.NO_DELISTINGS
    assert universe.caveat(nothing, NAMES) == universe.caveat(both, ["Z"])
    assert "Survivorship: there are no membership" in universe.caveat(nothing, NAMES)


LINES = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(["add", "remove", "delist"]),
        st.sampled_from(["", *(f"{day:%Y-%m-%d}" for day in SESSIONS[:12])]),
        st.sampled_from([f"{day:%Y-%m-%d}" for day in SESSIONS]),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda line: (line[0], line[3]),
)


@hypothesis.settings(max_examples=20, deadline=None)
@hypothesis.given(lines=LINES, cut=st.integers(0, len(SESSIONS) - 1))
def test_nothing_that_is_known_later_changes_the_members(lines, cut):
    table = parsed(*(",".join(line) + "," for line in lines))
    late = (table["knowledge_time"] > CLOSES[cut]) | (table["event_time"] > CLOSES[cut])
    whole = universe.members(table, NAMES, CLOSES)[: cut + 1]
    poisoned = table.assign(value=table["value"].mask(late, 1 - table["value"]))
    for other in (table[~late], poisoned):
        np.testing.assert_array_equal(
            whole, universe.members(other, NAMES, CLOSES)[: cut + 1]
        )


def test_times_with_a_zone_are_refused():
    with pytest.raises(ValueError, match="zone"):
        universe.members(events.table([]), NAMES, CLOSES.tz_localize("UTC"))
