"""From a source into the raw store, group by group, going on where it stopped."""

import contextlib
import functools
import hashlib
import pathlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd

from thesis_rl.data.sources import yahoo
from thesis_rl.data.sources.client import Client
from thesis_rl.data.sources.keys import NotFound, SourceError, Unavailable
from thesis_rl.data.store import raw

FILE = "file"  # The kind of a request for a file of the user's own.
FINAL = ("form4", "header")  # Documents that never change: one day's will do for all.
UNREADABLE = (ValueError, LookupError, TypeError)  # Answers of another format.


class Outcome(NamedTuple):
    """What came of fetching a source."""

    source: str
    asked: int  # Responses that came from the source.
    found: int  # Responses that the store had already.
    failed: dict[str, str]  # Why, by group.
    left: tuple[str, ...]  # Groups that were not tried, or not to their end.
    ended: str  # Why it ended before the last group; "" if it did not.


def fetch_source(
    source,
    groups: Sequence[str],
    config,
    *,
    connect: Callable[[], Client],
    now: Callable[[], pd.Timestamp],
    done: Callable[[str], None] = lambda group: None,
) -> Outcome:
    """Fetches what a source has of each group and the store lacks.

    A group that fails is noted, and the next one is tried; only what concerns them all
    ends the source: its key, its quota, the network.

    Args:
        source: a module of `sources`.
        groups: tickers or series.
        config: of the data; its store and until, and what the source itself reads.
        connect: makes the client; called when the store lacks something, once.
        now: UTC without a zone.
        done: told of every group that is over.

    Returns:
        What came of it.

    Raises:
        OSError: the store cannot be written; what it had is whole.
    """
    counts, failed, ended, left = Counter(), {}, "", ()
    with contextlib.ExitStack() as stack:
        client = functools.cache(lambda: stack.enter_context(_connected(connect)))
        for number, group in enumerate(groups):
            get = functools.partial(_get, source, group, config, client, now, counts)
            try:
                source.fetch(get, group, config)
            except Unavailable as error:
                ended, left = str(error), tuple(groups[number:])
                break
            except SourceError as error:
                failed[group] = str(error)
            except UNREADABLE as error:
                failed[group] = f"{type(error).__name__}: {error}"
            done(group)
    return Outcome(source.NAME, counts["asked"], counts["found"], failed, left, ended)


def groups(source, config) -> tuple[str, ...]:
    """Lists what a source is asked about: the config's tickers, or its series."""
    others = {"fred": config.series, "treasury": ("curves",)}
    return tuple(others.get(source.NAME, config.tickers))


def client_of(source, config, say: Callable[[str], None]) -> Client:
    """Makes the client of a source as the config has it.

    Args:
        source: a module of `sources`; its headers(config), if it has it, are sent.
        config: of the data; its mirror, and what the headers need.
        say: told of every wait.

    Raises:
        SourceError: as `Client` does, or a header cannot be made.
        ValueError: the mirror is wrong.
        ImportError: without httpx.
    """
    if source is yahoo:
        return yahoo.Client()
    headers = source.headers(config) if hasattr(source, "headers") else None
    return Client(source, headers=headers, mirror=config.mirror, say=say)


def _get(source, group, config, client, now, counts, kind, path, params=()) -> bytes:
    """Returns the bytes of one response, which the store has afterwards."""
    pairs = tuple((str(name), str(value)) for name, value in params)
    until = "" if kind in FINAL else config.until
    request = raw.Request(source.NAME, group, kind, str(path), pairs, until)
    stored = raw.find(config.store, request)
    if kind == FILE:
        content = _read(pathlib.Path(path), source)
    elif stored is None:
        content = client().get(path, pairs, source.check)
    else:
        content = stored.content
    if stored is not None and stored.content == content:
        counts["found"] += 1
    else:
        if kind == FILE:
            _refuse_unreadable(source, request, content, config.store, now())
        counts["asked"] += 1
        raw.put(config.store, request, content, now())
    return content


def _read(path: pathlib.Path, source) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from None
    source.check(content)
    return content


def _refuse_unreadable(source, request, content: bytes, store, received) -> None:
    """Raises what `parse` says of a file beside those before: none such is kept."""
    new = raw.Response(request, content, hashlib.sha256(content).hexdigest(), received)
    source.parse([*raw.responses(store, source.NAME, request.group), new])


def _connected(connect: Callable[[], Client]) -> Client:
    try:
        return connect()
    except (SourceError, ImportError, ValueError) as error:
        raise Unavailable(str(error)) from None
