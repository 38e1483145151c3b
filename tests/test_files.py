"""A file is whole or untouched, and JSON is strict."""

import errno
import json
import os
import stat

import jax.numpy as jnp
import numpy as np
import pytest

from thesis_rl import files


def full_disk(descriptor):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupt(descriptor):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "failure, error", [(full_disk, OSError), (interrupt, KeyboardInterrupt)]
)
@pytest.mark.parametrize("old", [None, b"old"])
def test_failed_write_changes_nothing(tmp_path, monkeypatch, failure, error, old):
    path = tmp_path / "results.json"
    if old is not None:
        path.write_bytes(old)
    monkeypatch.setattr(os, "fsync", failure)
    with pytest.raises(error):
        files.write_bytes(path, b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == (
        {} if old is None else {"results.json": old}
    )


def test_full_disk_names_the_file_that_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError) as caught:
        files.write_text(tmp_path / "report.html", "x")
    assert str(caught.value) == (
        f"[Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}: "
        f"{str(tmp_path / 'report.html')!r}"
    )


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*gone to write a\.json"):
        files.write_json(tmp_path / "gone" / "a.json", {})


def test_write_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "note.txt"
    files.write_text(path, "a longer first text")
    files.write_text(str(path), "naïve\n")
    assert path.read_bytes() == "naïve\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    files.write_bytes(tmp_path / "atomic", b"")
    modes = {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    assert len(modes) == 1


def test_json_of_arrays_scalars_and_what_is_not_finite(tmp_path):
    value = {
        "zeta": np.float64("nan"),
        "alpha": [np.inf, -np.inf, 0.5],
        "jax": {"scalar": jnp.int32(3), "array": jnp.array([[1.5, jnp.nan]])},
        "numpy": (np.bool_(True), np.int64(2**60), np.float32(0.25), np.arange(2)),
        "text": "Zürich",
        "none": None,
    }
    files.write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    back = json.loads(text, parse_constant=refuse)
    assert back == {
        "zeta": None,
        "alpha": [None, None, 0.5],
        "jax": {"scalar": 3, "array": [[1.5, None]]},
        "numpy": [True, 2**60, 0.25, [0, 1]],
        "text": "Zürich",
        "none": None,
    }
    assert list(back) == list(value), "keys keep their order"
    assert text.startswith('{\n  "zeta": null,') and text.endswith("}\n")
    assert "Zürich" in text


def test_to_json_is_one_line_by_default():
    assert files.to_json({"step": 1, "loss": [0.5, 2]}) == (
        '{"step": 1, "loss": [0.5, 2]}'
    )


@pytest.mark.parametrize(
    "value, message",
    [
        ({"run": {"path": [object()]}}, r"value\.run\.path\[0\] is a object"),
        ({"days": np.array(["2020-01-01"], "M8[ns]")}, r"value\.days is a ndarray"),
        ({"by_day": {3: 1.0}}, r"value\.by_day has the key 3"),
    ],
)
def test_json_refuses_and_says_where(value, message):
    with pytest.raises(TypeError, match=message):
        files.to_json(value)
