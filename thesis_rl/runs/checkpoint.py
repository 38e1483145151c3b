"""One file that holds arrays and what they mean, and knows when it was damaged."""

import hashlib
import io
import json
import os
import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from thesis_rl import files

_ARRAYS, _META, _DIGEST = "arrays/", "meta", "sha256"


class CheckpointError(ValueError):
    """A file that is no checkpoint, is damaged, or holds something else."""


def save(path: str | os.PathLike, arrays: Mapping, meta: Mapping) -> None:
    """Writes a checkpoint in one step.

    The file is an .npz without pickles: "arrays/params/Dense_0/kernel" and so on,
    "meta" (JSON text) and "sha256" (over all the others).

    Args:
      path: the file; replaced whole if it exists.
      arrays: nested dict of NumPy or JAX arrays; keys are strings without "/".
      meta: JSON-able dict; comes back with its tuples as lists.

    Raises:
      ValueError: a key, an array or a meta value cannot be stored; says which.
      OSError: the file cannot be written.
    """
    flat = {name: np.asarray(leaf) for name, leaf in _flatten(arrays).items()}
    for name, array in flat.items():
        if array.dtype.kind in "OV":
            raise ValueError(f"{name}: cannot store dtype {array.dtype}")
    try:
        text = json.dumps(dict(meta), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"meta of {path}: {error}") from error
    buffer = io.BytesIO()
    members = {_ARRAYS + name: array for name, array in flat.items()}
    members |= {_META: np.array(text), _DIGEST: np.array(_digest(flat, text))}
    np.savez(buffer, **members)
    files.write_bytes(path, buffer.getvalue())


def load(path: str | os.PathLike, like: Mapping | None = None) -> tuple[dict, dict]:
    """Reads a checkpoint back, checked against its hash.

    Args:
      path: a file that `save` wrote.
      like: nested dict of arrays or `jax.ShapeDtypeStruct`; if given, names, shapes
        and dtypes must be the same.

    Returns:
      The nested dict of NumPy arrays, and the meta dict.

    Raises:
      FileNotFoundError: there is no such file.
      CheckpointError: not a checkpoint, damaged, or unlike `like`; lists every
        difference.
    """
    path = pathlib.Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"no checkpoint at {path}") from None
    flat, text = _read(path, data)
    if like is not None and (found := _differences(flat, _flatten(like))):
        raise CheckpointError(f"{path} is not what is wanted:\n  " + "\n  ".join(found))
    return _nest(flat), json.loads(text)


def _read(path: pathlib.Path, data: bytes) -> tuple[dict[str, np.ndarray], str]:
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise CheckpointError(f"{path}: no checkpoint, or cut short: not a whole .npz")
    try:
        members = _members(data)
    except Exception as error:  # A damaged zip raises almost anything.
        raise CheckpointError(f"{path}: damaged: {error}") from error
    if missing := {_META, _DIGEST} - set(members):
        raise CheckpointError(
            f"{path}: an .npz, but no checkpoint: has no {', '.join(sorted(missing))}"
        )
    text, digest = str(members.pop(_META)), str(members.pop(_DIGEST))
    flat = {name.removeprefix(_ARRAYS): array for name, array in members.items()}
    if _digest(flat, text) != digest:
        raise CheckpointError(f"{path}: damaged: its content does not match its hash")
    return flat, text


def _members(data: bytes) -> dict[str, np.ndarray]:
    # Each member is read whole, and so checked by its CRC, before NumPy trusts the
    # shape in its header.
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {
            name.removesuffix(".npy"): np.lib.format.read_array(
                io.BytesIO(archive.read(name)), allow_pickle=False
            )
            for name in archive.namelist()
        }


def _digest(flat: Mapping[str, np.ndarray], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(flat.items()):
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _flatten(tree: Mapping, prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in tree.items():
        if not isinstance(key, str) or not key or "/" in key:
            raise ValueError(f"{prefix}: the key {key!r} is not a name without '/'")
        name = prefix + key
        if isinstance(value, Mapping) and value:
            flat |= _flatten(value, name + "/")
        elif hasattr(value, "dtype") and hasattr(value, "shape"):
            flat[name] = value
        else:
            raise ValueError(f"{name}: want an array or a non-empty dict")
    return flat


def _nest(flat: Mapping[str, np.ndarray]) -> dict:
    tree: dict = {}
    for name, array in flat.items():
        *parents, leaf = name.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = array
    return tree


def _differences(have: Mapping, want: Mapping) -> list[str]:
    found = [f"missing {name}" for name in want if name not in have]
    found += [f"unexpected {name}" for name in have if name not in want]
    for name in (name for name in want if name in have):
        for field in ("shape", "dtype"):
            has, wants = getattr(have[name], field), getattr(want[name], field)
            if has != wants:
                found.append(f"{field} of {name}: have {has}, want {wants}")
    return found
