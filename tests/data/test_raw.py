"""What came back is kept to the byte, whatever it is called and whoever is killed."""

import errno
import hashlib
import os
import re

import killed
import pandas as pd
import pytest

from thesis_rl.data.store import raw

NOON = pd.Timestamp("2024-03-01 12:00:00.000000001")
HOUR = pd.Timedelta("1h")
FACTS = raw.Request(
    source="sec",
    group="BRK.B",
    kind="facts",
    path="/api/xbrl/companyfacts/CIK0001067983.json",
    params=(("from", "2020-01-01"), ("q", "Zürich & “co”")),
    until="2024-03-01",
)
GROUPS = (
    *("AAPL", "aapl", "Aapl", "BRK.B", "BRK_B", "BRK/B", "^GSPC", "con", "NUL", "a/b"),
    *("..", ".", "", " ", "-rf", "T10Y2Y", "Ä", "ä", "~", "x" * 300, "x" * 301),
)


def tree(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def bytes_file(root, content):
    sha256 = hashlib.sha256(content).hexdigest()
    return root / "raw" / "sec" / sha256[:2] / sha256


def test_response_comes_back_as_it_was_put(tmp_path):
    content = bytes(range(256))
    stored = raw.put(tmp_path, FACTS, content, NOON)
    sha256 = hashlib.sha256(content).hexdigest()
    assert stored == (FACTS, content, sha256, NOON)
    assert stored.received.unit == "ns"
    assert raw.find(tmp_path, FACTS) == stored
    assert raw.responses(tmp_path, "sec", "BRK.B") == [stored]
    assert raw.read(tmp_path, "sec", sha256) == content
    assert bytes_file(tmp_path, content).read_bytes() == content
    [receipt] = (tmp_path / "receipts" / "sec").rglob("*.json")
    assert receipt.name.endswith(f".{sha256[:16]}.json")


def test_empty_content_is_content(tmp_path):
    raw.put(tmp_path, FACTS, b"", NOON)
    assert raw.find(tmp_path, FACTS).content == b""


def test_same_again_keeps_the_first_receipt(tmp_path):
    first = raw.put(tmp_path, FACTS, b"a", NOON)
    before = tree(tmp_path)
    assert raw.put(tmp_path, FACTS, b"a", NOON - HOUR) == first
    assert tree(tmp_path) == before


@pytest.mark.parametrize("field", raw.Request._fields)
def test_request_that_differs_in_one_field_is_another(tmp_path, field):
    raw.put(tmp_path, FACTS, b"a", NOON)
    other = (("from", "2021-01-01"),) if field == "params" else "other"
    assert raw.find(tmp_path, FACTS._replace(**{field: other})) is None


def test_same_bytes_of_two_requests_are_stored_once_with_two_receipts(tmp_path):
    later = FACTS._replace(until="2024-03-02")
    raw.put(tmp_path, FACTS, b"a", NOON)
    raw.put(tmp_path, later, b"a", NOON + HOUR)
    assert raw.find(tmp_path, FACTS).received == NOON
    assert raw.find(tmp_path, later).received == NOON + HOUR
    assert len(tree(tmp_path)) == 3


def test_responses_are_in_order_of_receipt_and_ties_in_that_of_their_hash(tmp_path):
    hashed = [b"a", b"b", b"c", b"d"]
    hashed.sort(key=lambda content: hashlib.sha256(content).hexdigest())
    for number, content in enumerate((hashed[3], hashed[0], hashed[2])):
        raw.put(tmp_path, FACTS._replace(kind=f"page {number}"), content, NOON)
    raw.put(tmp_path, FACTS, hashed[1], NOON - HOUR)
    contents = [found.content for found in raw.responses(tmp_path, "sec", "BRK.B")]
    assert contents == [hashed[1], hashed[0], hashed[2], hashed[3]]


def test_find_takes_the_latest_of_several_contents(tmp_path):
    for hours, content in ((1, b"b"), (2, b"c"), (0, b"a")):
        raw.put(tmp_path, FACTS, content, NOON + hours * HOUR)
    assert raw.find(tmp_path, FACTS).content == b"c"
    assert len(raw.responses(tmp_path, "sec", "BRK.B")) == 3


def test_any_group_has_a_folder_of_its_own_on_any_disk(tmp_path):
    for group in GROUPS:
        raw.put(tmp_path, FACTS._replace(group=group), group.encode(), NOON)
    assert raw.groups(tmp_path, "sec") == sorted(GROUPS)
    for group in GROUPS:
        [found] = raw.responses(tmp_path, "sec", group)
        assert (found.request.group, found.content) == (group, group.encode())
    folders = [path.name for path in (tmp_path / "receipts" / "sec").iterdir()]
    assert len({name.casefold() for name in folders}) == len(GROUPS)
    for name in folders:
        assert re.fullmatch("[A-Za-z0-9_]*-[0-9a-f]{16}", name) and len(name) < 50
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "receipts"}


def test_what_is_not_there_is_nothing(tmp_path):
    assert raw.find(tmp_path, FACTS) is None
    assert raw.responses(tmp_path, "sec", "BRK.B") == []
    assert raw.groups(tmp_path / "gone", "sec") == []


@pytest.mark.parametrize("fault", [b"tampered", b"", None])
def test_changed_or_missing_bytes_are_refused_by_name(tmp_path, fault):
    stored = raw.put(tmp_path, FACTS, b"good", NOON)
    path = bytes_file(tmp_path, b"good")
    if fault is None:
        path.unlink()
    else:
        path.write_bytes(fault)
    word = "is missing" if fault is None else "was changed"
    message = (
        rf"^{re.escape(str(path))} {word}.*; restore it from a copy, or delete the "
        rf"receipts \*\.{stored.sha256[:16]}\.json below .*sec and fetch again$"
    )
    for look in (
        lambda: raw.read(tmp_path, "sec", stored.sha256),
        lambda: raw.find(tmp_path, FACTS),
        lambda: raw.responses(tmp_path, "sec", "BRK.B"),
    ):
        with pytest.raises(ValueError, match=message):
            look()
    assert raw.put(tmp_path, FACTS, b"good", NOON + HOUR) == stored


def edited(text):
    return text.replace("companyfacts", "companyconcept")


@pytest.mark.parametrize(
    "fault",
    [
        lambda text: "",
        lambda text: text[:-9],
        lambda text: "[]",
        lambda text: "{}",
        lambda text: text.replace("2024-03-01T", "2024-13-01T"),
        lambda text: text.replace('"received"', '"came"'),
        lambda text: text.replace('"kind"', '"sort"'),
        edited,
    ],
)
def test_damaged_receipt_is_refused_by_name(tmp_path, fault):
    raw.put(tmp_path, FACTS, b"good", NOON)
    [receipt] = (tmp_path / "receipts").rglob("*.json")
    text = receipt.read_text(encoding="utf-8")
    assert fault(text) != text
    receipt.write_text(fault(text), encoding="utf-8")
    with pytest.raises(
        ValueError, match=f"{re.escape(str(receipt))} is no receipt any"
    ):
        raw.find(tmp_path, FACTS)


@pytest.mark.parametrize("zoned", [NOON.tz_localize("UTC"), pd.NaT])
def test_time_of_receipt_is_utc_without_a_zone(tmp_path, zoned):
    with pytest.raises(ValueError, match="received is .*; give an instant in UTC"):
        raw.put(tmp_path, FACTS, b"a", zoned)
    assert not tree(tmp_path)


@pytest.mark.parametrize("source", ["", "..", "a/b", "Sec", "1st", "sec\n"])
def test_source_that_no_folder_can_bear_is_refused(tmp_path, source):
    with pytest.raises(ValueError, match="source is .*; want small letters"):
        raw.put(tmp_path / "store", FACTS._replace(source=source), b"a", NOON)
    assert not tree(tmp_path)


@pytest.mark.parametrize("sha256", ["", "../../etc", "A" * 64, "a" * 63])
def test_hash_that_is_none_is_refused(tmp_path, sha256):
    with pytest.raises(ValueError, match="want 64 hexadecimal digits"):
        raw.read(tmp_path, "sec", sha256)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_killed_at_any_step_leaves_all_or_bytes_that_nobody_reads(tmp_path):
    start = tmp_path / "start"
    other = raw.put(start, FACTS._replace(kind="submissions"), b"old", NOON)
    roots, whole = killed.before_each_step(
        "import pandas as pd; from thesis_rl.data.store import raw",
        f"raw.put(root, raw.Request(*{tuple(FACTS)!r}), b'new', "
        f"pd.Timestamp('{NOON.isoformat()}'))",
        start,
        tmp_path / "attempts",
    )
    assert len(roots) == 4  # The fsync and the rename of the bytes and of the receipt.
    expected = raw.responses(whole, "sec", "BRK.B")
    assert [found.content for found in expected] in ([b"old", b"new"], [b"new", b"old"])
    for root in roots:
        assert raw.responses(root, "sec", "BRK.B") == [other]
        assert raw.find(root, FACTS) is None
        assert raw.groups(root, "sec") == ["BRK.B"]
        raw.put(root, FACTS, b"new", NOON)
        assert raw.responses(root, "sec", "BRK.B") == expected


@pytest.mark.parametrize("writes", [0, 1])
def test_full_disk_names_the_file_and_what_to_do(tmp_path, monkeypatch, writes):
    other = raw.put(tmp_path, FACTS._replace(kind="submissions"), b"old", NOON)
    left, sync = iter(range(writes)), os.fsync

    def full(descriptor):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(
            OSError, match="make room on the disk.* run again"
        ) as caught:
            raw.put(tmp_path, FACTS, b"new", NOON)
    assert caught.value.errno == errno.ENOSPC
    room = ("raw", "receipts")[writes]
    assert caught.value.filename.startswith(str(tmp_path / room / "sec"))
    assert raw.responses(tmp_path, "sec", "BRK.B") == [other]
    raw.put(tmp_path, FACTS, b"new", NOON)
    assert raw.find(tmp_path, FACTS).content == b"new"
