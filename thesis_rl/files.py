"""Files that are whole or not there at all: written aside, then renamed."""

import json
import math
import os
import pathlib
import secrets
from collections.abc import Iterable
from typing import Any

import numpy as np

_NUMERIC_OR_TEXT = "biufU"  # The NumPy dtype kinds that JSON can hold.


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Writes `data` in one step; raises as `write_parts` does."""
    write_parts(path, [data])


def write_parts(path: str | os.PathLike, parts: Iterable[bytes]) -> None:
    """Writes a file in one step: a failure leaves what was there before.

    Only one part at a time needs to be in memory.

    Raises:
      FileNotFoundError: the folder does not exist.
      OSError: the file cannot be written; names `path` and the cause.
    """
    path = pathlib.Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} to write {path.name} in")
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(aside, "xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` as UTF-8 in one step; raises as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes `value` as JSON in one step; raises as `write_bytes` and `to_json` do."""
    write_text(path, to_json(value, indent=2) + "\n")


def to_json(value: Any, indent: int | None = None) -> str:
    """Returns `value` as strict JSON, its keys in their own order.

    NaN and the infinities become null, since JSON has no words for them. Arrays and
    scalars of NumPy and JAX become lists and numbers.

    Raises:
      TypeError: something in it has no JSON form; says where it stands.
    """
    return json.dumps(
        _plain(value, None), indent=indent, ensure_ascii=False, allow_nan=False
    )


def _plain(value: Any, where: tuple | None) -> Any:
    # `where` is (where it stands in, its step): put into words for an error alone.
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(
                    f"{_place(where)} has the key {key!r}; JSON keys are strings"
                )
        return {k: _plain(v, (where, f".{k}")) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, (where, i)) for i, v in enumerate(value)]
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype.kind in _NUMERIC_OR_TEXT:
            return _plain(array.tolist(), where)
    name = type(value).__name__
    raise TypeError(f"{_place(where)} is a {name}, which has no JSON form")


def _place(where: tuple | None) -> str:
    if where is None:
        return "value"
    outer, step = where
    return _place(outer) + (f"[{step}]" if isinstance(step, int) else step)
