"""The store loses nothing, doubles nothing, and reads nothing that was changed."""

import errno
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import hypothesis.strategies as st
import killed
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from thesis_rl.data import events, store
from thesis_rl.data.store import parts

ROOT = pathlib.Path(__file__).parents[2]
SAYS = {"title": "SEC “filings”", "licence": "public domain"}
DAY = pd.Timedelta("1D")


def table(numbers, **changes):
    """Events number 0, 1, …, one every hundred days from the first of 2020."""
    rows = []
    for number in numbers:
        about = pd.Timestamp("2020-01-01") + 100 * number * DAY
        row = {"source": "sec", "name": f"N{number % 3}", "field": "f"}
        row |= {"event_time": about, "knowledge_time": about + DAY, "value": number}
        rows.append(row | {"raw": "a" * 64, "text": f"№ {number}"} | changes)
    return events.table(rows)


def append(root, frame, parents=("a" * 64,)):
    return store.append(root, "sec", frame, **SAYS, parents=parents)


def numbers(root):
    return store.load(root, "sec")["value"].astype(int).to_list()


def tree(root):
    files = (path for path in root.rglob("*") if path.is_file())
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in files}


def written(root):
    """One number a file, another one also where the same was written again."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {path: path.stat().st_ino for path in files if path.suffix != ".lock"}


def said(root):
    return json.loads((root / "manifests" / "sec.json").read_text(encoding="utf-8"))


def test_manifest_says_what_the_store_holds(tmp_path):
    frame = table(range(10))
    assert append(tmp_path, frame) == 10
    manifest = store.manifest(tmp_path, "sec")
    years = frame["event_time"].dt.year
    assert [file["rows"] for file in manifest["files"]] == [4, 4, 2]
    for file, (year, rows) in zip(manifest["files"], frame.groupby(years), strict=True):
        digits = parts.content_hash(rows)
        assert file["path"] == f"events/sec/{year}/{digits}.parquet"
    del manifest["files"], manifest["seal"]
    assert manifest == {
        "schema": 1,
        "source": "sec",
        **SAYS,
        "rows": 10,
        "event_time": ["2020-01-01T00:00:00", "2022-06-19T00:00:00"],
        "knowledge_time": ["2020-01-02T00:00:00", "2022-06-20T00:00:00"],
        "sha256": parts.content_hash(frame),
        "parents": ["a" * 64],
    }
    assert store.sources(tmp_path) == ["sec"]
    assert store.strays(tmp_path, "sec") == []


def test_seq_goes_on_and_keeps_the_order_of_arrival(tmp_path):
    append(tmp_path, table([5, 1]))
    late = table([0, 9, 1]).assign(seq=[7, 2, 3])
    assert append(tmp_path, late) == 2
    loaded = store.load(tmp_path, "sec")
    assert loaded["value"].to_list() == [5, 1, 9, 0]
    assert loaded["seq"].to_list() == [0, 1, 2, 3]
    assert loaded.index.equals(pd.RangeIndex(4))


def test_same_again_changes_no_file(tmp_path):
    append(tmp_path, table(range(10)))
    before = written(tmp_path)
    assert append(tmp_path, table(range(10))) == 0
    assert append(tmp_path, table([4], raw="a" * 64, place="elsewhere")) == 0
    assert append(tmp_path, table([])) == 0
    assert written(tmp_path) == before


def test_further_response_that_says_nothing_new_is_a_parent_all_the_same(tmp_path):
    append(tmp_path, table(range(3)))
    before = said(tmp_path)
    assert append(tmp_path, table(range(3), raw="b" * 64), ["b" * 64]) == 0
    after = said(tmp_path)
    assert after["parents"] == ["a" * 64, "b" * 64]
    assert after["files"] == before["files"]
    assert set(store.load(tmp_path, "sec")["raw"]) == {"a" * 64}


def test_source_without_events_is_a_source(tmp_path):
    append(tmp_path, table([]))
    loaded = store.load(tmp_path, "sec")
    pd.testing.assert_frame_equal(loaded, parts.empty())
    assert store.manifest(tmp_path, "sec")["event_time"] is None
    append(tmp_path, table([3]))
    assert numbers(tmp_path) == [3]


def test_until_leaves_out_what_became_known_after_it(tmp_path):
    frame = table(range(4))
    append(tmp_path, frame)
    known = frame["knowledge_time"][2]
    assert len(store.load(tmp_path, "sec", until=known)) == 3
    assert len(store.load(tmp_path, "sec", until=known - pd.Timedelta(1, "ns"))) == 2
    with pytest.raises(ValueError, match="until has the zone UTC"):
        store.load(tmp_path, "sec", until=known.tz_localize("UTC"))


def test_source_that_is_not_there_is_named(tmp_path):
    append(tmp_path, table([1]))
    for look in (store.load, store.manifest):
        with pytest.raises(
            FileNotFoundError, match="no source 'fred'; it has sec. Fet"
        ):
            look(tmp_path, "fred")
        with pytest.raises(FileNotFoundError, match="it has nothing"):
            look(tmp_path / "gone", "fred")
    assert store.sources(tmp_path / "gone") == []


@pytest.mark.parametrize("source", ["", "../sec", "SEC"])
def test_source_that_no_file_can_bear_is_refused(tmp_path, source):
    with pytest.raises(ValueError, match="want small letters, digits and _"):
        store.append(tmp_path, source, table([1]), **SAYS, parents=[])
    with pytest.raises(ValueError, match="want small letters, digits and _"):
        store.load(tmp_path, source)
    assert not tree(tmp_path)


def test_events_of_another_source_are_refused(tmp_path):
    mixed = pd.concat([table([1]), table([2], source="fred")])
    with pytest.raises(ValueError, match="row 1: source is 'fred', want 'sec'"):
        append(tmp_path, mixed)
    assert not tree(tmp_path)


DAYS = list(pd.date_range("2019-12-31", periods=4))
ROWS = st.fixed_dictionaries(
    {
        "source": st.just("sec"),
        "name": st.sampled_from(["A", "B"]),
        "field": st.just("f"),
        "event_time": st.sampled_from(DAYS[:2]),
        "knowledge_time": st.sampled_from(DAYS[2:]),
        "value": st.sampled_from([1.0, 0.0, -0.0, np.nan]),
        "period_start": st.sampled_from([pd.NaT, pd.Timestamp("2019-10-01")]),
        "text": st.sampled_from(["", "é", "𝔘"]),
    }
)


def facts(frame):
    """What each row says, in their order; NaN equals itself, and 0 is -0."""
    rows = frame[list(parts.SAID)].itertuples(index=False, name=None)
    return [tuple("none" if pd.isna(x) else x for x in row) for row in rows]


@given(st.lists(ROWS, max_size=30), st.integers(0, 30), st.integers(0, 30))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_any_table_comes_back_once_however_it_was_split(
    tmp_path_factory, rows, one, other
):
    frame = events.table(rows)
    whole = tmp_path_factory.mktemp("whole")
    append(whole, frame)
    loaded = store.load(whole, "sec")
    assert facts(loaded) == list(dict.fromkeys(facts(frame)))
    assert loaded["seq"].to_list() == list(range(len(loaded)))
    start, stop = min(one, other), max(one, other)
    split = tmp_path_factory.mktemp("split")
    append(split, frame[:stop])
    append(split, frame[start:])
    pd.testing.assert_frame_equal(store.load(split, "sec"), loaded)
    assert said(split)["sha256"] == said(whole)["sha256"]


def test_order_of_appends_leaves_the_hash_unless_only_seq_ranks_the_rows(tmp_path):
    def hashed(name, *frames):
        for frame in frames:
            append(tmp_path / name, frame)
        return said(tmp_path / name)["sha256"]

    one, two, three = table(range(5)), table(range(3, 9)), table([20])
    forth, back = hashed("forth", one, two, three), hashed("back", three, two, one)
    assert forth == back
    tie = table([20], text="of the same instant")
    assert hashed("forth", tie) != hashed("tie", tie, one, two, three)


FAULTS = {
    "was changed": lambda data: data[:-20] + bytes([data[-20] ^ 1]) + data[-19:],
    "was changed ": lambda data: data[: len(data) // 2],
    "was changed  ": lambda data: b"",
    "is missing": None,
}


@pytest.mark.parametrize("word", FAULTS)
def test_changed_truncated_or_missing_part_is_refused_by_name(tmp_path, word):
    append(tmp_path, table(range(10)))
    path = tmp_path / said(tmp_path)["files"][1]["path"]
    if FAULTS[word] is None:
        path.unlink()
    else:
        path.write_bytes(FAULTS[word](path.read_bytes()))
    before = tree(tmp_path)
    message = (
        f"^{re.escape(str(path))} {word.strip()}.* restore it from a copy, or delete "
        "manifests/sec.json and events/sec and run experiments/fetch.py"
    )
    with pytest.raises(ValueError, match=message):
        store.load(tmp_path, "sec")
    with pytest.raises(ValueError, match=message):
        append(tmp_path, table([30]))
    assert tree(tmp_path) == before


def test_what_the_message_says_to_do_helps(tmp_path):
    append(tmp_path, table(range(10)))
    before = tree(tmp_path)
    for file in said(tmp_path)["files"]:
        (tmp_path / file["path"]).write_bytes(b"tampered")
    (tmp_path / "manifests" / "sec.json").unlink()
    shutil.rmtree(tmp_path / "events" / "sec")
    append(tmp_path, table(range(10)))
    assert tree(tmp_path) == before


def other(value):
    if isinstance(value, int):
        return value + 1
    return "x" if isinstance(value, str) else value[:-1]


KEYS = ("source", "title", "licence", "rows", "event_time", "knowledge_time", "sha256")


@pytest.mark.parametrize("key", [*KEYS, "parents", "files", "seal"])
def test_changed_manifest_is_refused(tmp_path, key):
    append(tmp_path, table(range(10)))
    path = tmp_path / "manifests" / "sec.json"
    manifest = said(tmp_path)
    path.write_text(json.dumps(manifest | {key: other(manifest[key])}))
    with pytest.raises(ValueError, match=r"sec\.json was changed since .* restore it"):
        store.load(tmp_path, "sec")
    with pytest.raises(ValueError, match=r"sec\.json was changed since .* restore it"):
        append(tmp_path, table([30]))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1', "\ud800"])
def test_damaged_manifest_is_refused(tmp_path, text):
    append(tmp_path, table([1]))
    path = tmp_path / "manifests" / "sec.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match=r"sec\.json is no manifest; restore it"):
        store.load(tmp_path, "sec")


def test_manifest_of_another_source_is_refused(tmp_path):
    append(tmp_path, table([1]))
    folder = tmp_path / "manifests"
    (folder / "sec.json").rename(folder / "fred.json")
    with pytest.raises(ValueError, match=r"fred\.json was changed"):
        store.load(tmp_path, "fred")


def test_unknown_schema_is_refused(tmp_path):
    append(tmp_path, table([1]))
    path = tmp_path / "manifests" / "sec.json"
    path.write_text(json.dumps(said(tmp_path) | {"schema": 2}))
    with pytest.raises(
        ValueError, match=r"sec\.json has schema 2, this version reads 1"
    ):
        store.load(tmp_path, "sec")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_killed_at_any_step_leaves_the_old_store_and_a_rerun_completes(tmp_path):
    start = tmp_path / "start"
    append(start, table(range(5)))
    before = store.manifest(start, "sec")
    roots, whole = killed.before_each_step(
        "sys.path[:0] = ['tests', 'tests/data']; import test_store",
        "test_store.append(root, test_store.table(range(3, 12)), ['b' * 64])",
        start,
        tmp_path / "attempts",
    )
    assert len(roots) == 8  # Fsync and rename of the parts of 3 years, the manifest.
    assert numbers(whole) == list(range(12))
    parts_left = []
    for root in roots:
        assert store.manifest(root, "sec") == before
        assert numbers(root) == list(range(5))
        strays = store.strays(root, "sec")
        parts_left.append(sum(name.endswith(".parquet") for name in strays))
        assert append(root, table(range(3, 12)), ["b" * 64]) == 7
        assert store.manifest(root, "sec") == store.manifest(whole, "sec")
        pd.testing.assert_frame_equal(store.load(root, "sec"), store.load(whole, "sec"))
        strays = store.strays(root, "sec")
        assert not [name for name in strays if name.endswith(".parquet")]
    assert parts_left == [0, 0, 1, 1, 2, 2, 3, 3]


def full_after(writes):
    left, sync = iter(range(writes)), os.fsync

    def full(descriptor):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    return full


@pytest.mark.parametrize("writes", range(4))
def test_full_disk_leaves_the_old_store_and_says_what_to_do(
    tmp_path, monkeypatch, writes
):
    append(tmp_path, table(range(5)))
    before = said(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full_after(writes))
        with pytest.raises(
            OSError, match="make room on the disk.* run again"
        ) as caught:
            append(tmp_path, table(range(12)))
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename.startswith(str(tmp_path))
    assert said(tmp_path) == before
    assert numbers(tmp_path) == list(range(5))
    assert append(tmp_path, table(range(12))) == 7
    assert numbers(tmp_path) == list(range(12))
    assert store.strays(tmp_path, "sec") == []


WRITER = """
import pathlib, sys, time
sys.path[:0] = ["tests", "tests/data"]
import test_store
root, first = pathlib.Path(sys.argv[1]), int(sys.argv[2])
(root / f"ready{first}").touch()
while not (root / "go").exists():
    time.sleep(0.001)
for number in range(first, first + 6):
    test_store.append(root / "store", test_store.table([number, number + 1]))
"""


def test_two_writers_at_once_lose_nothing_and_write_nothing_twice(tmp_path):
    command = [sys.executable, "-W", "error", "-c", WRITER, str(tmp_path)]
    firsts = (0, 3)
    writers = [subprocess.Popen([*command, str(n)], cwd=ROOT) for n in firsts]
    while not all((tmp_path / f"ready{first}").exists() for first in firsts):
        assert not any(writer.poll() for writer in writers)
    (tmp_path / "go").touch()
    seen = [0]
    while any(writer.poll() is None for writer in writers):
        if store.sources(tmp_path / "store"):  # Who reads meanwhile sees it grow.
            seen.append(len(store.load(tmp_path / "store", "sec")))
        time.sleep(0.02)
    assert seen == sorted(seen)
    assert [writer.wait(60) for writer in writers] == [0, 0]
    loaded = store.load(tmp_path / "store", "sec")
    assert sorted(numbers(tmp_path / "store")) == list(range(10))
    assert loaded["seq"].to_list() == list(range(10))
    assert store.strays(tmp_path / "store", "sec") == []
    rows = sum(file["rows"] for file in said(tmp_path / "store")["files"])
    assert rows == said(tmp_path / "store")["rows"] == 10


@pytest.mark.parametrize("module", ["pyarrow", "filelock"])
def test_missing_package_is_named_with_its_extra(tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ImportError, match=rf"{module}: pip install 'thesis_rl\[data\]'"
    ):
        append(tmp_path, table([1]))
