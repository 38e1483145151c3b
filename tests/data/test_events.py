"""The point-in-time join is its definition, and each classic leak is refuted by it."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from plain_as_of import DAY, SLOT, definition, frame_of, slot

from thesis_rl.data import events

NAMES = ("B", "A")


@st.composite
def problems(draw):
    """Draws few periods, so that they are revised, tie, are retracted and grow old."""
    fact = st.tuples(
        st.sampled_from(["A", "B", "of no interest"]),
        st.sampled_from([0, 3, 6]),
        st.integers(-2, 7),  # Slots after its event at which it is known.
        st.sampled_from([1.0, 2.0, 3.0, 4.0, np.nan]),
    )
    facts = draw(st.lists(fact, max_size=12))
    frame = frame_of(*[(name, at, at + lag, value) for name, at, lag, value in facts])
    shuffled = frame.iloc[draw(st.permutations(range(len(frame))))]
    decisions = draw(st.lists(st.integers(-1, 14), min_size=1, max_size=8))
    slots_old = draw(st.none() | st.integers(0, 6))
    how = {
        "max_age": None if slots_old is None else slots_old * SLOT,
        "mode": draw(st.sampled_from(events.MODES)),
    }
    return shuffled, [slot(number) for number in decisions], how


def check_definition(as_of, phases=tuple(hypothesis.Phase)) -> None:
    """Holds a join to the definition on what `problems` draws."""

    @hypothesis.settings(
        max_examples=200,
        deadline=None,
        derandomize=True,
        database=None,
        phases=phases,
        report_multiple_bugs=False,
    )
    @hypothesis.given(problems())
    def agrees(problem):
        frame, decisions, how = problem
        _, *expected = definition(frame, NAMES, decisions, **how)
        found = as_of(frame, NAMES, decisions, **how)
        np.testing.assert_array_equal(found, expected)

    agrees()


def test_join_is_its_definition():
    check_definition(events.as_of)


@hypothesis.settings(max_examples=60, deadline=None, derandomize=True)
@hypothesis.given(problems())
def test_the_row_that_counts_is_the_one_that_the_definition_names(problem):
    frame, decisions, how = problem
    expected, *_ = definition(frame, NAMES, decisions, **how)
    rows = events.resolve(frame, NAMES, decisions, mode=how["mode"])
    np.testing.assert_array_equal(rows, expected)


def joins_on_event_time(frame, *given, **how):
    return events.as_of(frame.assign(knowledge_time=frame["event_time"]), *given, **how)


def has_no_frontier(frame, *given, **how):
    """The version known last counts, whatever period it is about."""
    known = frame[["event_time", "knowledge_time"]].max(axis=1)
    frame = frame.assign(knowledge_time=known, event_time=slot(-9))
    return events.as_of(frame, *given, **how)


def restates(frame, *given, **how):
    """Every version of a period shows the value that the last one has."""
    final = frame.sort_values(["knowledge_time", "seq"])
    final = final.drop_duplicates(["name", "event_time"], keep="last")
    keys = ["name", "event_time"]
    value = frame[keys].merge(final, how="left", on=keys)["value"]
    return events.as_of(frame.assign(value=value.to_numpy()), *given, **how)


def compares_strictly(frame, *given, **how):
    later = frame["knowledge_time"] + pd.Timedelta(nanoseconds=1)
    return events.as_of(frame.assign(knowledge_time=later), *given, **how)


def floors_dates(frame, *given, **how):
    day = frame["knowledge_time"].dt.floor("D")
    return events.as_of(frame.assign(knowledge_time=day), *given, **how)


def never_grows_old(*given, max_age, **how):
    return events.as_of(*given, **how)


@pytest.mark.parametrize(
    "leak",
    [
        joins_on_event_time,
        has_no_frontier,
        restates,
        compares_strictly,
        floors_dates,
        never_grows_old,
    ],
)
def test_definition_refutes_each_classic_leak(leak):
    """By the values alone: the ages are given back as they should be."""

    def leaks(*given, **how):
        return leak(*given, **how)[0], events.as_of(*given, **how)[1]

    with pytest.raises(AssertionError, match="Arrays are not equal"):
        check_definition(leaks, phases=(hypothesis.Phase.generate,))


def random_events(num_rows: int, seed: int = 0) -> pd.DataFrame:
    """Draws revised, tied, retracted and pre-announced facts of 20 names."""
    rng = np.random.default_rng(seed)
    about = rng.integers(0, 60, num_rows)
    names = [f"N{number}" for number in rng.integers(0, 20, num_rows)]
    values = np.where(rng.random(num_rows) < 0.1, np.nan, rng.normal(size=num_rows))
    lag = rng.integers(-3, 20, num_rows)
    return frame_of(*zip(names, about, about + lag, values, strict=True))


ALL_NAMES = [f"N{number}" for number in range(21)]  # The last has no events.
DECISIONS = [slot(number) for number in range(-2, 90)]


def both_modes(frame, names=ALL_NAMES, decisions=DECISIONS) -> np.ndarray:
    """Joins in both modes, [2, 2, T, N]."""
    given = frame, names, decisions
    return np.array(
        [events.as_of(*given, max_age=5 * DAY, mode=m) for m in events.MODES]
    )


def test_order_of_rows_names_and_decisions_does_not_matter():
    frame = random_events(2000)
    expected = both_modes(frame)
    assert np.isfinite(expected[:, 0]).mean() > 0.3
    shuffled = frame.sample(frac=1, random_state=1)
    np.testing.assert_array_equal(both_modes(shuffled), expected)
    rng = np.random.default_rng(2)
    names, decisions = rng.permutation(21), rng.integers(0, len(DECISIONS), 200)
    found = both_modes(
        frame, [ALL_NAMES[n] for n in names], [DECISIONS[t] for t in decisions]
    )
    np.testing.assert_array_equal(found, expected[:, :, decisions][..., names])


@pytest.mark.parametrize("cut", [-3, 0, 20, 45, 70])
def test_nothing_that_is_learnt_later_changes_a_number(cut):
    """Later rows are changed in every field, left out, and joined by others."""
    frame = random_events(2000)
    hidden = frame["knowledge_time"] > slot(cut)
    later, extra = frame[hidden], random_events(500, seed=5)
    later = later.assign(
        value=1e9,
        event_time=later["event_time"].sample(frac=1, random_state=0).to_numpy(),
        name=later["name"].sample(frac=1, random_state=1).to_numpy(),
        seq=-later["seq"],
    )
    extra = extra.assign(knowledge_time=slot(cut) + extra.index.to_series() * SLOT)
    extra["knowledge_time"] += pd.Timedelta(1, "ns")
    unseen = frame["event_time"] > slot(cut)
    poisoned = frame.assign(value=frame["value"].mask(unseen, -1e9))[~hidden]
    poisoned = pd.concat([later.iloc[::2], extra, poisoned])
    before = np.array(DECISIONS) <= slot(cut)
    found, expected = both_modes(poisoned), both_modes(frame)
    np.testing.assert_array_equal(found[:, :, before], expected[:, :, before])
    assert not np.array_equal(found, expected, equal_nan=True), "no poison took effect"


FACT = {"name": "A", "event_time": slot(0), "knowledge_time": slot(1), "value": 1}


def test_table_has_every_column_and_its_type():
    table = events.table(
        [FACT, FACT | {"value": None, "document": "0001", "text": None}]
    )
    assert list(table.columns) == list(events.COLUMNS)
    assert table["seq"].tolist() == [0, 1]
    assert table["document"].tolist() == ["", "0001"]
    assert table["text"].tolist() == ["", ""]
    assert table["period_start"].isna().all()
    np.testing.assert_array_equal(table["value"], [1, np.nan])
    nothing = events.table([])
    pd.testing.assert_series_equal(nothing.dtypes, table.dtypes)
    assert set(table.dtypes[list(events.TIMES)]) == {np.dtype("datetime64[ns]")}
    assert table.dtypes["value"] == np.float64 and table.dtypes["seq"] == np.int64


def test_table_takes_units_and_seqs_as_they_come():
    coarse = slot(1).as_unit("us")
    table = events.table([FACT | {"seq": 7}, FACT | {"seq": 3, "event_time": coarse}])
    assert table["event_time"].tolist() == [slot(0), slot(1)]
    assert table["seq"].tolist() == [7, 3]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"nme": "A"}, "unknown column 'nme'; known are source, name"),
        ({"name": None}, "name is missing in row 1"),
        ({"seq": None}, "seq is missing in row 1"),
        ({"event_time": None}, "event_time is missing in row 1"),
        ({"knowledge_time": pd.NaT}, "knowledge_time is missing in row 1"),
    ],
)
def test_table_refuses_what_is_no_event(change, message):
    with pytest.raises(ValueError, match=message):
        events.table([FACT | {"seq": 0}, FACT | {"seq": 1} | change])
    with pytest.raises(ValueError, match="event_time has .* zone"):
        events.table([FACT | {"event_time": slot(0).tz_localize("UTC")}])
