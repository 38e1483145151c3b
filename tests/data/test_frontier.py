"""The point-in-time join at its edges, one rule at a time."""

import numpy as np
import pandas as pd
import pytest
from plain_as_of import DAY, SLOT, frame_of, slot

from thesis_rl.data import events


def join(frame, *slots, name="A", **how) -> tuple[list, list]:
    """Joins one name at some slots: values and ages, in slots."""
    decisions = [slot(number) for number in slots]
    values, ages = events.as_of(frame, [name], decisions, **how)
    return values[:, 0].tolist(), (ages[:, 0] * 3).tolist()


def same(found, expected) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_amendment_of_an_old_period_does_not_replace_the_current_one():
    frame = frame_of(("A", 0, 1, 10), ("A", 3, 4, 20), ("A", 0, 5, 11), ("A", 3, 6, 21))
    same(join(frame, 0, 1, 4, 5, 6)[0], [np.nan, 10, 20, 20, 21])


def test_retraction_of_the_current_period_does_not_fall_back_to_the_one_before():
    frame = frame_of(
        ("A", 0, 1, 10), ("A", 3, 4, 20), ("A", 3, 5, np.nan), ("A", 3, 8, 22)
    )
    values, ages = join(frame, 4, 5, 7, 8)
    same(values, [20, np.nan, np.nan, 22])
    same(ages, [0, 1, 3, 4])
    same(join(frame, 4, 5, 7, 8, mode="first_release")[0], [20, 20, 20, 20])


def test_age_is_counted_from_the_first_release_and_its_limit_is_included():
    frame = frame_of(("A", 0, 1, 10), ("A", 0, 5, 11))
    for mode, value in (("latest_known", 11), ("first_release", 10)):
        values, ages = join(frame, 1, 5, 7, 8, max_age=6 * SLOT, mode=mode)
        same(values, [10, value, value, np.nan])
        same(ages, [0, 4, 6, 7])
    nanosecond = pd.Timedelta(1, "ns")
    decisions = [slot(7), slot(7) + nanosecond]
    for max_age, expected in [
        (6 * SLOT, [11, np.nan]),
        (6 * SLOT + nanosecond, [11, 11]),
        (6 * SLOT - nanosecond, [np.nan, np.nan]),
    ]:
        values, _ = events.as_of(frame, ["A"], decisions, max_age=max_age)
        same(values[:, 0], expected)


def test_of_versions_known_together_the_later_arrival_counts():
    frame = frame_of(("A", 0, 1, 10), ("A", 0, 1, 11), ("A", 0, 1, 12))
    for rows in (frame, frame[::-1], frame.iloc[[1, 2, 0]]):
        assert join(rows, 1)[0] == [12]
        assert join(rows, 1, mode="first_release")[0] == [10]


def test_what_is_announced_counts_from_its_event_on_and_ages_from_its_announcement():
    frame = frame_of(("A", 1, 1, 1), ("A", 6, 2, 0))
    values, ages = join(frame, 1, 5, 6, 7)
    same(values, [1, 1, 0, 0])
    same(ages, [0, 4, 4, 5])


def test_a_nanosecond_decides_what_is_known():
    frame = frame_of(("A", 0, 1, 10))
    nanosecond = pd.Timedelta(1, "ns")
    decisions = [slot(1) - nanosecond, slot(1), slot(1) + nanosecond]
    values, ages = events.as_of(frame, ["A"], decisions)
    same(values[:, 0], [np.nan, 10, 10])
    same(ages[:, 0], [np.nan, 0, nanosecond / DAY])


def test_without_events_decisions_or_names_there_is_nothing():
    frame, decisions = frame_of(("A", 0, 1, 10)), [slot(1), slot(2)]
    for mode in events.MODES:
        for rows, names in ((frame[:0], ["A", "B"]), (frame, ["B", "C"])):
            values, ages = events.as_of(rows, names, decisions, max_age=DAY, mode=mode)
            assert values.shape == ages.shape == (2, 2)
            assert np.isnan(values).all() and np.isnan(ages).all()
            assert (events.resolve(rows, names, decisions, mode=mode) == -1).all()
        assert events.as_of(frame, [], decisions, mode=mode)[0].shape == (2, 0)
        assert events.as_of(frame, ["A"], [], mode=mode)[0].shape == (0, 1)
    assert events.as_of(events.table([]), ["A"], decisions)[0].shape == (2, 1)


def test_names_may_be_of_any_kind():
    frame = frame_of(("A", 0, 1, 10), ("B", 0, 1, 20), ("C", 0, 1, 30))
    expected = [[30, 10]]
    for dtype in (object, "category", "string"):
        rows = frame.astype({"name": dtype})
        for names in (["C", "A"], np.array(["C", "A"]), pd.Series(["C", "A"], [5, 2])):
            same(events.as_of(rows, names, [slot(1)])[0], expected)
        names = pd.Series(["C", "A"], dtype="category")
        same(events.as_of(rows, names, [slot(1)])[0], expected)
    numbered = frame.assign(name=[7, 8, 9])
    same(events.as_of(numbered, [9, 7], [slot(1)])[0], expected)
    assert np.isnan(events.as_of(numbered, ["9"], [slot(1)])[0]).all()


def test_labels_of_rows_do_not_matter():
    """A filtered table keeps the labels of the whole; a joined one has some twice."""
    whole = frame_of(("B", 0, 1, 10), ("A", 0, 1, 20), ("B", 0, 1, 30), ("A", 1, 2, 40))
    filtered = whole[whole["name"] == "A"]
    for rows in (filtered, filtered.set_axis([0, 0]), filtered.set_axis(["x", "y"])):
        assert join(rows, 1, 2) == ([20, 40], [0, 0])
        found = events.resolve(rows, ["A"], pd.Series([slot(1), slot(2)], [4, 4]))
        assert found.tolist() == [[0], [1]]


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_times_may_be_of_any_unit(unit):
    frame = frame_of(("A", 0, 1, 10), ("A", 3, 4, 20))
    times = {name: f"datetime64[{unit}]" for name in ("event_time", "knowledge_time")}
    index = pd.DatetimeIndex([slot(1), slot(4), slot(9)]).as_unit(unit)
    for decisions in (index, index.to_numpy(), pd.Series(index), list(index)):
        values, ages = events.as_of(
            frame.astype(times), ["A"], decisions, max_age=pd.Timedelta("1D")
        )
        same(values[:, 0], [10, 20, np.nan])
        same(ages[:, 0], [0, 0, 5 / 3])


GOOD = {
    "frame": frame_of(("A", 0, 1, 10), ("A", 3, 4, 20)),
    "names": ["A"],
    "decisions": pd.Series([slot(1), slot(2)]),
    "mode": "latest_known",
}


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda g: {"mode": "latest"}, "mode is 'latest'; choose one of"),
        (lambda g: {"names": ["A", "B", "A"]}, "names has 'A' twice"),
        (lambda g: {"frame": g.drop(columns="seq")}, "events have no column seq"),
        (lambda g: {"frame": g.assign(name=["A", None])}, "name is missing in row 1"),
        (
            lambda g: {"frame": g.assign(event_time=[slot(0), pd.NaT])},
            "event_time is missing in row 1",
        ),
        (
            lambda g: {"frame": g.assign(knowledge_time=[1, 2])},
            "knowledge_time holds numbers",
        ),
        (
            lambda g: {"frame": g.assign(knowledge_time=pd.Timestamp(0, tz="UTC"))},
            "knowledge_time has the zone UTC",
        ),
        (
            lambda g: {"decisions": [slot(1), pd.NaT]},
            "decision_times is missing in row 1",
        ),
        (
            lambda g: {
                "decisions": GOOD["decisions"].dt.tz_localize("America/New_York")
            },
            "decision_times has the zone America/New_York; give UTC without",
        ),
        (
            lambda g: {"decisions": [slot(1).tz_localize("UTC")]},
            "decision_times has the zone UTC",
        ),
        (lambda g: {"decisions": [1.5]}, "decision_times holds numbers"),
    ],
)
def test_what_cannot_be_joined_is_refused(change, message):
    frame, names, decisions, mode = (GOOD | change(GOOD["frame"])).values()
    for join in (events.as_of, events.resolve):
        with pytest.raises(ValueError, match=message):
            join(frame, names, decisions, mode=mode)
