"""Splits by brute force: every pair of a training and a test day, by plain loops."""

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thesis_rl.walk_forward import folds as folds_lib
from thesis_rl.walk_forward.folds import combinatorial_folds

T, TEST_DAYS, REACH = 60, 10, 4

properties = settings(max_examples=60, deadline=None, derandomize=True)
horizons = {"label_horizon": st.integers(0, 6), "embargo_days": st.integers(0, 4)}
walk_forward_lengths = st.fixed_dictionaries(
    {"train_days": st.integers(1, 30), "test_days": st.integers(1, 20), **horizons}
)
group_counts = st.integers(2, 6).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(1, n - 1))
)
combinatorial_numbers = st.tuples(group_counts, st.fixed_dictionaries(horizons)).map(
    lambda x: {"num_groups": x[0][0], "num_test_groups": x[0][1], **x[1]}
)


def make_folds(**changes):
    given = {"train_days": 20, "test_days": TEST_DAYS, "label_horizon": REACH}
    return folds_lib.make_folds(T, **given | {"embargo_days": 2} | changes)


def spans(folds):
    """Lists each fold's training and test days."""
    return [
        (set(range(a, b)), set(range(c, d)))
        for a, b, c, d in zip(*(bound.tolist() for bound in folds), strict=True)
    ]


def days_of(folds):
    """Lists each combinatorial split's training and test days."""
    masks = zip(folds.train, folds.test, strict=True)
    return [tuple(set(np.flatnonzero(m).tolist()) for m in pair) for pair in masks]


def overlap(day, other, horizon):
    """Whether the labels of two days share a day, by listing both windows."""
    length = horizon + 1
    return not set(range(day, day + length)).isdisjoint(range(other, other + length))


def embargoed(day, test, horizon, embargo):
    """Whether a day comes within the embargo after a tested day's label."""
    return any(0 < day - (tested + horizon) <= embargo for tested in test)


def assert_no_leak(train, test, horizon, embargo):
    for day, tested in itertools.product(train, test):
        assert not overlap(day, tested, horizon), (day, tested)
    assert not [day for day in train if embargoed(day, test, horizon, embargo)]


def trainable(num_days, test, horizon, embargo):
    """Lists the days that overlap no test label and lie in no embargo."""
    return {
        day
        for day in set(range(num_days)) - test
        if not any(overlap(day, tested, horizon) for tested in test)
        and not embargoed(day, test, horizon, embargo)
    }


@properties
@given(st.integers(1, 90), st.booleans(), walk_forward_lengths)
def test_walk_forward_never_leaks_and_wastes_no_day(num_days, expanding, lengths):
    reach, embargo = lengths["label_horizon"], lengths["embargo_days"]
    cut = functools.partial(folds_lib.make_folds, **lengths, expanding=expanding)
    needed = sum(lengths.values())
    if num_days < needed:
        with pytest.raises(ValueError, match=f"{needed} are needed"):
            cut(num_days)
        return
    folds = cut(num_days)
    assert all(bound.dtype == np.int32 for bound in folds)
    tested = []
    for train, test in spans(folds):
        assert min(train) >= 0 and max(test) < num_days
        assert_no_leak(train, test, reach, embargo)
        assert max(train) + reach + embargo == min(test) - 1
        full = lengths["train_days"]
        assert len(train) == full or (expanding and len(train) > full)
        assert not expanding or min(train) == 0
        assert len(test) == lengths["test_days"]
        tested += sorted(test)
    assert tested == list(range(tested[0], tested[-1] + 1))  # Windows tile.
    assert tested[0] == needed - lengths["test_days"]
    assert num_days - 1 - tested[-1] < lengths["test_days"]  # No room for more.


def test_num_folds_keeps_the_latest():
    every = spans(make_folds())
    assert len(every) == 3
    for num_folds in (1, 2, 3, 9):
        assert spans(make_folds(num_folds=num_folds)) == every[-num_folds:]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"train_days": 45}, "60 days are too few for one fold: 61 are needed"),
        ({"train_days": 0}, "train_days and test_days must be at least 1"),
        ({"test_days": -1}, "train_days and test_days must be at least 1"),
        ({"label_horizon": -1}, "embargo_days at least 0"),
        ({"embargo_days": -2}, "embargo_days at least 0"),
        ({"num_folds": 0}, "num_folds must be at least 1, or None; got 0"),
    ],
)
def test_impossible_walk_forwards_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_folds(**changes)


@pytest.mark.parametrize("expanding, num_folds", [(False, None), (True, 1)])
def test_final_fold_reads_every_label_and_spares_the_others(expanding, num_folds):
    folds = make_folds(expanding=expanding, num_folds=num_folds)
    mode = {"label_horizon": REACH, "expanding": expanding}
    final = folds_lib.with_final_fold(folds, T, **mode)
    *judged, (train, test) = spans(final)
    assert judged == spans(folds)
    for pair in judged:
        assert_no_leak(*pair, REACH, 2)
    last_labelled = T - 1 - REACH
    assert max(day + REACH for day in train) == T - 1  # The data's last day.
    assert min(train) == (0 if expanding else last_labelled + 1 - 20)
    assert len(test) == TEST_DAYS


def test_days_held_out_of_training_are_purged_like_any_test():
    folds = make_folds()
    kept = folds_lib.held_out(folds, 5, label_horizon=REACH, embargo_days=2)
    for (train, test), (whole, _) in zip(spans(kept), spans(folds), strict=True):
        assert_no_leak(train, test, REACH, 2)
        assert train | test <= whole and max(test) == max(whole)
        assert (len(train), len(test)) == (20 - 5 - REACH - 2, 5)
    with pytest.raises(ValueError, match="of 20 training days 14 are kept apart"):
        folds_lib.held_out(folds, 14, label_horizon=REACH, embargo_days=2)


@properties
@given(st.integers(6, 48), combinatorial_numbers)
def test_combinatorial_splits_never_leak_and_keep_every_day_they_may(num_days, numbers):
    reach, embargo = numbers["label_horizon"], numbers["embargo_days"]
    blocks = np.array_split(np.arange(num_days), numbers["num_groups"])
    tests = [
        set(np.concatenate(chosen).tolist())
        for chosen in itertools.combinations(blocks, numbers["num_test_groups"])
    ]
    expected = [(trainable(num_days, test, reach, embargo), test) for test in tests]
    if all(train for train, _ in expected):
        folds = combinatorial_folds(num_days, **numbers)
        assert days_of(folds) == expected
        for train, test in days_of(folds):
            assert_no_leak(train, test, reach, embargo)
    else:
        with pytest.raises(ValueError, match="none is left to train on"):
            combinatorial_folds(num_days, **numbers)


@pytest.mark.parametrize(
    "groups, tested, num_splits, num_paths", [(6, 2, 15, 5), (10, 2, 45, 9)]
)
def test_published_counts_of_splits_and_paths(groups, tested, num_splits, num_paths):
    numbers = {"num_groups": groups, "num_test_groups": tested, "label_horizon": 5}
    folds = combinatorial_folds(200, **numbers)
    assert folds.train.shape == folds.test.shape == (num_splits, 200)
    assert folds.paths.shape == (num_paths, groups)
    assert [x.dtype for x in folds] == [bool, bool, np.int32]


@properties
@given(group_counts, st.integers(0, 12))
def test_splits_are_all_choices_and_each_serves_its_paths_once(counts, more):
    (groups, tested), num_days = counts, counts[0] + more
    folds = combinatorial_folds(
        num_days, num_groups=groups, num_test_groups=tested, label_horizon=0
    )
    blocks = np.array_split(np.arange(num_days), groups)
    choices = [
        {g for g, block in enumerate(blocks) if folds.test[split, block].all()}
        for split in range(len(folds.test))
    ]
    assert len(choices) == math.comb(groups, tested)
    assert len({frozenset(choice) for choice in choices}) == len(choices)
    assert {len(choice) for choice in choices} == {tested}
    assert len(folds.paths) == math.comb(groups - 1, tested - 1)
    used = {(int(split), g) for (_, g), split in np.ndenumerate(folds.paths)}
    assert used == {(split, g) for split, c in enumerate(choices) for g in c}
    assert len(used) == folds.paths.size  # None twice.


def test_purge_keeps_what_lies_clear_on_both_sides():
    # Labels of test days 10 … 19 cover 10 … 24; day 4's own label ends on day 9.
    numbers = {"num_groups": 3, "num_test_groups": 1, "label_horizon": 5}
    train, test = days_of(combinatorial_folds(30, **numbers))[1]
    assert test == set(range(10, 20))
    assert train == {*range(5), *range(25, 30)}
    train, _ = days_of(combinatorial_folds(30, **numbers, embargo_days=2))[1]
    assert train == {*range(5), *range(27, 30)}  # Embargoed after the test alone.


@pytest.mark.parametrize("num_names", [1, 7])
def test_a_split_is_the_same_for_any_number_of_names_and_any_order_of_rows(num_names):
    """A purge that counts rows leaves no gap between the days of many names."""
    folds = combinatorial_folds(
        40, num_groups=4, num_test_groups=2, label_horizon=3, embargo_days=1
    )
    day_of_row = np.repeat(np.arange(40), num_names)
    np.random.default_rng(0).shuffle(day_of_row)
    for split, (train, test) in enumerate(days_of(folds)):
        rows = np.flatnonzero(folds.train[split, day_of_row])
        assert len(rows) == num_names * len(train)
        assert_no_leak(set(day_of_row[rows].tolist()), test, 3, 1)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_groups": 1}, "num_groups must be at least 2, got 1"),
        ({"num_test_groups": 0}, "must lie in 1 … 5, .* got 0"),
        ({"num_test_groups": 6}, "must lie in 1 … 5, .* got 6"),
        ({"num_groups": 61}, "60 days are too few for 61 groups"),
        ({"label_horizon": -1}, "must be at least 0; got -1, 0"),
        ({"embargo_days": -1}, "must be at least 0; got 4, -1"),
        ({"label_horizon": 40}, r"groups \(0, 1\) of 0 to 5 tested, .* more days"),
    ],
)
def test_impossible_splits_are_refused(changes, message):
    numbers = {"num_groups": 6, "num_test_groups": 2, "label_horizon": REACH}
    with pytest.raises(ValueError, match=message):
        combinatorial_folds(T, **numbers | changes)


@pytest.mark.filterwarnings("ignore")  # Of the other library's own imports.
@pytest.mark.parametrize("groups, tested", [(6, 2), (10, 2), (7, 3), (5, 4)])
def test_splits_and_paths_agree_with_skfolio(groups, tested):
    selection = pytest.importorskip("skfolio.model_selection")
    num_days = 4 * groups  # Without a remainder, which it puts in the last group.
    theirs = selection.CombinatorialPurgedCV(groups, tested, 0, 0)
    numbers = {"num_groups": groups, "num_test_groups": tested, "label_horizon": 0}
    ours = combinatorial_folds(num_days, **numbers)
    assert len(ours.train) == theirs.n_splits
    assert len(ours.paths) == theirs.n_test_paths
    splits = theirs.split(np.zeros((num_days, 1)))
    assert days_of(ours) == [
        (set(train.tolist()), set(np.concatenate(test).tolist()))
        for train, test in splits
    ]
