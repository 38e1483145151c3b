"""Keys of sources: from the environment into a request, and into nothing else.

A key enters the request below the HTTP client, which logs addresses and puts them into
its exceptions; what comes back is searched for it, and so are the logs. What can go
wrong between a source and the store has its exceptions here.
"""

import logging
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote


class SourceError(Exception):
    """A source cannot give what was asked; says what to do. It never holds a key."""


class BadResponse(SourceError):
    """What came back is cut short, or says that it is an error."""


class NotFound(SourceError):
    """The source has no such ticker, series or document."""


class Unavailable(SourceError):
    """Nothing more can be had of the source for now: its quota, the network, a key."""


class MissingKey(Unavailable):
    """The source needs a key, and the environment has none."""


SHORTEST = 8  # Of real keys; a shorter word may stand in any text.
HIDDEN = "[key]"
# They log the headers of answers, which may echo a query.
LOGGERS = ("httpx", *(f"httpcore.{x}" for x in ("connection", "http11", "proxy")))


class Key(NamedTuple):
    """A key, and where its source wants it; it does not print itself."""

    place: str  # header or query.
    name: str  # Of the header or the parameter, as X-Api-Key.
    secret: str
    host: str  # It is sent to no other.

    def __repr__(self) -> str:
        return f"Key({self.place} {self.name}, to {self.host})"

    def hide(self, text: str) -> str:
        """Returns a text without the key, however it is spelled there."""
        return re.sub(_spellings(self.secret), HIDDEN, text, flags=re.IGNORECASE)

    def clean(self, record: logging.LogRecord) -> bool:
        """Hides the key in a log record, as a filter of its logger."""
        record.msg, record.args = self.hide(record.getMessage()), ()
        return True

    def stands_in(self, content: bytes) -> bool:
        """Says whether a response repeats the key."""
        spelled = _spellings(self.secret).encode()
        return re.search(spelled, content, flags=re.IGNORECASE) is not None


def read(source, host: str, environment: Mapping[str, str]) -> Key | None:
    """Takes the key of a source from the environment.

    Args:
        source: the module; its KEY names the variable, its KEY_IN says where the key
            goes, as ("header", "X-Api-Key") or ("query", "api_key").
        host: to which alone it may be sent.
        environment: as os.environ.

    Returns:
        The key; None where the source needs none.

    Raises:
        MissingKey: the variable is not set, or holds what cannot be a key.
    """
    if source.KEY is None:
        return None
    secret = environment.get(source.KEY, "").strip()
    if not secret:
        raise MissingKey(
            f"no key in the environment: export {source.KEY}=… (a key of your own), "
            f"or leave {source.NAME} out of config.sources"
        )
    if len(secret) < SHORTEST or not re.fullmatch(r"[!-~]+", secret):
        raise MissingKey(
            f"{source.KEY} holds no key: a key has {SHORTEST} characters or more and "
            "neither spaces nor accents"
        )
    place, name = source.KEY_IN
    return Key(place, name, secret, host)


class KeyedTransport:
    """An HTTP transport that adds the key just before a request leaves."""

    def __init__(self, transport, key: Key):
        self._transport, self._key = transport, key
        for name in LOGGERS:
            logging.getLogger(name).addFilter(key.clean)

    def close(self) -> None:
        """Closes the transport below, and lets its logs be."""
        self._transport.close()
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(self._key.clean)

    def handle_request(self, request):
        """Sends a copy that has the key; `request`, which gets logged, has none."""
        import httpx

        key, url, headers = self._key, request.url, request.headers.copy()
        if url.host == key.host and key.place == "header":
            headers[key.name] = key.secret
        elif url.host == key.host:
            url = url.copy_merge_params({key.name: key.secret})
        keyed = httpx.Request(
            request.method,
            url,
            headers=headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return self._transport.handle_request(keyed)


def _spellings(secret: str) -> str:
    """Makes the pattern of a key: plain, and as an address spells it."""
    return "|".join(re.escape(text) for text in {secret, quote(secret, safe="")})
