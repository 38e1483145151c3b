"""Responses as they came, kept before anything reads them, addressed by their hash.

Below the folder of a store, `raw/<source>/<2 digits>/<SHA-256>` holds the bytes, and
`receipts/<source>/<group>/<request>.<16 digits>.json` says which request got them, and
when. A receipt is written after its bytes: whoever is killed in between leaves bytes
that no receipt names, which nothing reads and the next attempt takes over.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from thesis_rl import files

_SOURCE = re.compile("[a-z][a-z0-9_]*")
_SHA256 = re.compile("[0-9a-f]{64}")


class Request(NamedTuple):
    """What was asked for. It names no key, and so may be written anywhere."""

    source: str  # A module of `sources`, as sec or fred.
    group: str  # The ticker or series; the responses of a group are parsed together.
    kind: str  # What is asked of the source, as submissions or facts.
    path: str  # Below the source's address, as /submissions/CIK0000320193.json.
    params: tuple[tuple[str, str], ...] = ()  # Of the query, without any key.
    until: str = ""  # ISO day; the same request of another day is another request.


class Response(NamedTuple):
    """What came back."""

    request: Request
    content: bytes
    sha256: str  # Of the content, hexadecimal.
    received: pd.Timestamp  # UTC without a zone, datetime64[ns].


def put(
    root: str | os.PathLike,
    request: Request,
    content: bytes,
    received: pd.Timestamp,
) -> Response:
    """Stores what a request got. What it got last, got again, keeps its receipt.

    Args:
        root: folder of the store; made if absent.
        request: what was asked for.
        content: what came back, every byte.
        received: when it came, UTC without a zone.

    Returns:
        The response as it is stored; `received` is that of the first receipt.

    Raises:
        ValueError: `received` has a zone or is missing, or the source has no name that
            a folder could bear.
        OSError: a file cannot be written; names it and says what to do.
    """
    received = pd.Timestamp(received)
    if pd.isna(received) or received.tz is not None:
        raise ValueError(f"received is {received}; give an instant in UTC, no zone")
    sha256 = hashlib.sha256(content).hexdigest()
    stored = _bytes_path(root, request.source, sha256)
    if not stored.is_file() or stored.read_bytes() != content:
        write(stored, content)
    folder = _folder(root, request.source, request.group)
    before = find(root, request)
    if before is not None and before.sha256 == sha256:
        return before
    receipt = folder / f"{_key(request)}.{sha256[:16]}.json"
    if receipt.is_file():  # It came before, and something else since.
        again = f"{pd.Timestamp(received).as_unit('ns').value:x}"
        receipt = receipt.with_suffix(f".{again}.json")
    if not receipt.is_file():
        said = {
            "request": request._asdict(),
            "sha256": sha256,
            "received": received.isoformat(),
        }
        write(receipt, (files.to_json(said, indent=2) + "\n").encode())
    return _response(root, receipt)


def find(root: str | os.PathLike, request: Request) -> Response | None:
    """Looks up what a request got, the latest if it got several contents.

    Raises:
        ValueError: as `read` does, or the receipt is damaged.
    """
    folder = _folder(root, request.source, request.group)
    found = folder.glob(f"{_key(request)}.*.json")
    return max((_response(root, path) for path in found), key=_arrival, default=None)


def responses(root: str | os.PathLike, source: str, group: str) -> list[Response]:
    """Reads all responses of a group in order of receipt, ties by their hash.

    Raises:
        ValueError: as `read` does, or a receipt is damaged.
    """
    found = _folder(root, source, group).glob("*.json")
    return sorted((_response(root, path) for path in found), key=_arrival)


def groups(root: str | os.PathLike, source: str) -> list[str]:
    """Lists the groups that a source has responses of, sorted."""
    folders = _source_folder(root, "receipts", source).glob("*")
    firsts = (next(folder.glob("*.json"), None) for folder in folders)
    return sorted(_receipt(path)[0].group for path in firsts if path is not None)


def read(root: str | os.PathLike, source: str, sha256: str) -> bytes:
    """Reads the bytes of a response and holds them to their hash.

    Args:
        root: folder of the store.
        source: whose response it is.
        sha256: of the bytes, 64 hexadecimal digits, as the column raw of events.

    Raises:
        ValueError: they are missing or were changed; names the file, says what to do.
    """
    path = _bytes_path(root, source, sha256)
    again = (
        f"restore it from a copy, or delete the receipts *.{sha256[:16]}.json below "
        f"{_source_folder(root, 'receipts', source)} and fetch again"
    )
    if not path.is_file():
        raise ValueError(f"{path} is missing; {again}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"{path} was changed: its SHA-256 is now {found}; {again}")
    return content


def write(path: pathlib.Path, data: bytes) -> None:
    """Writes a file of the store in one step; raises as `writing` does."""
    with writing(path):
        files.write_bytes(path, data)


@contextlib.contextmanager
def writing(path: pathlib.Path) -> Iterator[None]:
    """Makes the folders above a file of the store, which the body then writes.

    Raises:
        OSError: it cannot be written; names it and says what to do.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        text = (
            f"{error.strerror}; all that was stored before is whole: make room on the "
            "disk, or make its folder writable, and run again"
        )
        raise OSError(error.errno, text, str(path)) from error


def check_source(source: str) -> None:
    """Raises a ValueError unless files and folders may bear a source's name."""
    if not _SOURCE.fullmatch(source):
        raise ValueError(
            f"source is {source!r}; want small letters, digits and _, as in sec"
        )


def _source_folder(root: str | os.PathLike, room: str, source: str) -> pathlib.Path:
    check_source(source)
    return pathlib.Path(root) / room / source


def _bytes_path(root: str | os.PathLike, source: str, sha256: str) -> pathlib.Path:
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"sha256 is {sha256!r}; want 64 hexadecimal digits")
    return _source_folder(root, "raw", source) / sha256[:2] / sha256


def _folder(root: str | os.PathLike, source: str, group: str) -> pathlib.Path:
    """Names the folder of a group's receipts, so that no two groups ever share one.

    The start of the name is for the eye. The hash tells AAPL from aapl where a disk
    does not, and makes of con, a/b or .. a name that any system takes.
    """
    start = re.sub("[^A-Za-z0-9]", "_", group)[:32]
    digits = hashlib.sha256(group.encode()).hexdigest()[:16]
    return _source_folder(root, "receipts", source) / f"{start}-{digits}"


def _key(request: Request) -> str:
    text = files.to_json(request._asdict())
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _arrival(response: Response) -> tuple[pd.Timestamp, str, str]:
    return response.received, response.sha256, _key(response.request)


def _response(root: str | os.PathLike, receipt: pathlib.Path) -> Response:
    request, sha256, received = _receipt(receipt)
    return Response(request, read(root, request.source, sha256), sha256, received)


def _receipt(path: pathlib.Path) -> tuple[Request, str, pd.Timestamp]:
    try:
        said = json.loads(path.read_bytes())
        asked = said["request"]
        pairs = tuple((name, value) for name, value in asked["params"])
        request = Request(**asked | {"params": pairs})
        received = pd.Timestamp(said["received"]).as_unit("ns")
        named = f"{_key(request)}.{said['sha256'][:16]}"
        if not re.fullmatch(rf"{named}(\.[0-9a-f]+)?\.json", path.name):
            raise ValueError("its name fits another request or content")
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} is no receipt any more ({error}); restore it from a copy, or "
            "delete it and fetch again"
        ) from error
    return request, said["sha256"], received
