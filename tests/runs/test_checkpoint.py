"""What goes in comes out, and nothing else ever does."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thesis_rl.runs import checkpoint
from thesis_rl.runs.checkpoint import CheckpointError

META = {"config": {"hidden": [64, 64], "lr": 3e-3}, "schema": "1.0", "note": "Zürich"}


@pytest.fixture
def arrays():
    return {
        "params": {
            "Dense_0": {
                "kernel": jnp.arange(6, dtype=jnp.float32).reshape(2, 3),
                "bias": jnp.array([0.5, jnp.nan, -jnp.inf], jnp.float32),
            }
        },
        "step": np.int64(7),
        "names": np.array(["AAPL", "XOM"]),
        "empty": np.zeros((0, 4)),
        "mask": np.array([True, False]),
    }


@pytest.fixture
def path(tmp_path, arrays):
    path = tmp_path / "run.npz"
    checkpoint.save(path, arrays, META)
    return path


def assert_same(have, want):
    assert jax.tree.structure(have) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(have), jax.tree.leaves(want), strict=True):
        assert isinstance(a, np.ndarray) and a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_round_trip(path, arrays):
    loaded, meta = checkpoint.load(path)
    assert_same(loaded, arrays)
    assert meta == META
    assert list(path.parent.iterdir()) == [path]


def test_same_content_is_the_same_file(path, arrays, tmp_path):
    checkpoint.save(tmp_path / "again.npz", arrays, META)
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_numpy_alone_can_read_it(path):
    with np.load(path, allow_pickle=False) as archive:
        assert archive["arrays/params/Dense_0/kernel"].shape == (2, 3)
        assert '"schema": "1.0"' in archive["meta"].item()


def test_like_accepts_arrays_and_shapes(path, arrays):
    shapes = {
        name: jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)
        for name, tree in arrays.items()
        if name != "names"
    }
    for like in (arrays, arrays | shapes):
        loaded, _ = checkpoint.load(path, like=like)
        assert_same(loaded, arrays)


def test_like_lists_every_difference(path, arrays):
    arrays["params"]["Dense_0"] = {
        "kernel": jnp.zeros((2, 4), jnp.int32),
        "scale": jnp.zeros(3),
    }
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path, like=arrays)
    assert str(caught.value).splitlines() == [
        f"{path} is not what is wanted:",
        "  missing params/Dense_0/scale",
        "  unexpected params/Dense_0/bias",
        "  shape of params/Dense_0/kernel: have (2, 3), want (2, 4)",
        "  dtype of params/Dense_0/kernel: have float32, want int32",
    ]


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^no checkpoint at .*gone\.npz$"):
        checkpoint.load(tmp_path / "gone.npz")


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 and then nothing"])
def test_not_a_checkpoint(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.npz: no checkpoint, or cut short"):
        checkpoint.load(tmp_path / "a.npz")


def test_another_npz(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(CheckpointError, match=r"a\.npz: .* has no meta, sha256"):
        checkpoint.load(tmp_path / "a.npz")


def test_every_truncation_is_found(path):
    data = path.read_bytes()
    for stop in range(0, len(data), 7):
        path.write_bytes(data[:stop])
        with pytest.raises(CheckpointError, match=r"run\.npz: "):
            checkpoint.load(path)


def test_a_flipped_bit_is_found_or_harmless(path, arrays):
    """Zip has bytes that mean nothing (time stamps); all others must be guarded."""
    data = bytearray(path.read_bytes())
    positions = range(0, len(data), 3)
    harmless = 0
    for position in positions:
        data[position] ^= 1 << position % 8
        path.write_bytes(data)
        try:
            loaded, meta = checkpoint.load(path)
        except CheckpointError as error:
            assert str(error).startswith(f"{path}: ")
        else:
            harmless += 1
            assert_same(loaded, arrays)
            assert meta == META
        data[position] ^= 1 << position % 8
    assert harmless < len(positions) / 4


def test_a_consistent_forgery_fails_the_hash(path):
    with np.load(path) as archive:
        members = dict(archive)
    members["arrays/step"] = np.int64(8)
    buffer = io.BytesIO()
    np.savez(buffer, **members)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError, match="content does not match its hash"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "arrays, meta, message",
    [
        ({"a/b": np.zeros(1)}, {}, "'a/b' is not a name"),
        ({"p": {0: np.zeros(1)}}, {}, "p/: the key 0"),
        ({"p": {"q": {}}}, {}, "p/q: want an array or a non-empty dict"),
        ({"p": [1.0, 2.0]}, {}, "p: want an array"),
        ({"p": np.array([None])}, {}, "p: cannot store dtype object"),
        ({"p": jnp.zeros(1, jnp.bfloat16)}, {}, "p: cannot store dtype bfloat16"),
        ({}, {"lr": float("nan")}, "meta of .*not JSON compliant"),
        ({}, {"when": object()}, "meta of .*not JSON serializable"),
    ],
)
def test_save_refuses_what_load_could_not_return(tmp_path, arrays, meta, message):
    with pytest.raises(ValueError, match=message):
        checkpoint.save(tmp_path / "a.npz", arrays, meta)
    assert not list(tmp_path.iterdir())
