"""A small HTTP client: paced, patient with servers, strict about what they answer."""

import json
import os
import re
import time
import urllib.request
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit
from xml.etree import ElementTree

from thesis_rl.data.sources import keys
from thesis_rl.data.sources.keys import BadResponse, NotFound, SourceError, Unavailable

TRIES = 5
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # Seconds.
PATIENCE = 120.0  # Seconds; a server that asks for more gets it by another run.
TIMEOUT = 30.0  # Seconds without a byte.
SHOWN = 200  # Characters of an error's body.
HERE = ("127.0.0.1", "localhost")


class Client:
    """GETs of one source: its pace, its key, its retries.

    Args:
        source: the module: NAME, ADDRESS, RATE, KEY, and KEY_IN where it has a key.
        headers: of every request, as the User-Agent that the SEC wants.
        mirror: "", or where https://HOST/PATH is found as MIRROR/HOST/PATH.
        transport: of httpx, for the network if not given.
        environment: where the key is.
        clock: seconds since 1970.
        sleep: waits so many seconds.
        say: told of every wait.

    Raises:
        MissingKey: the source needs a key and the environment has none.
        ValueError: the mirror is no address that a key may be sent to.
        ImportError: without httpx.
    """

    def __init__(
        self,
        source,
        *,
        headers: Mapping[str, str] | None = None,
        mirror: str = "",
        transport=None,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        say: Callable[[str], None] = lambda text: None,
    ):
        try:
            import httpx
        except ImportError:
            raise ImportError(
                f"{source.NAME} needs httpx: pip install 'thesis_rl[net]'"
            ) from None
        near = urlsplit(mirror).hostname in HERE
        if mirror and not (near or mirror.startswith("https://")):
            raise ValueError(
                f"mirror is {mirror!r}; want http://127.0.0.1:PORT or none"
            )
        self._source, self._mirror = source, mirror.rstrip("/")
        self._clock, self._sleep, self._say = clock, sleep, say
        self._buckets: dict[str, TokenBucket] = {}
        address = self._at(source.ADDRESS)
        self._key = keys.read(source, urlsplit(address).hostname, environment)
        transport = transport or httpx.HTTPTransport(proxy=_proxy(address))
        if self._key:
            transport = keys.KeyedTransport(transport, self._key)
        self._http = httpx.Client(transport=transport, timeout=TIMEOUT, headers=headers)

    def __enter__(self):
        return self

    def __exit__(self, *failure) -> None:
        self._http.close()

    def get(self, path: str, params=(), check=lambda content: None) -> bytes:
        """Gets what stands at a path, trying again where that may help.

        Args:
            path: below the source's address; or all of one, from https:// on.
            params: of the query, (name, value) pairs.
            check: raises BadResponse where a 200 is no answer.

        Returns:
            The body, checked, and without the key.

        Raises:
            Unavailable: no network, a key or user agent refused, too many requests.
            BadResponse: a 200 that is no answer.
            SourceError: any other status, or still no whole answer after `TRIES` tries.
        """
        whole = path.startswith("https://")
        url = self._at(path if whole else self._source.ADDRESS.rstrip("/") + path)
        for left in reversed(range(TRIES)):
            self._pace(path if whole else self._source.ADDRESS)
            content, error, wait = self._once(url, params, check)
            if error is None:
                return content
            if wait is None or not left:
                break
            wait = wait or min(FIRST_WAIT * 2 ** (TRIES - 1 - left), LONGEST_WAIT)
            self._say(f"{error}; trying again in {wait:.0f} s")
            self._sleep(wait)
        raise error from None

    def _once(self, url: str, params, check):
        """Asks once: (content, None, None), or an error and how long to wait.

        The wait is 0 where the server names none, None where another try is no use.
        Errors are made here and raised elsewhere, since their causes may hold a key.
        """
        import httpx

        try:
            answer = self._http.get(url, params=list(params), follow_redirects=False)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            text = f"no connection to {urlsplit(url).netloc} ({self._plain(error)})"
            return None, Unavailable(f"{text}: is the network there?"), 0.0
        except httpx.TimeoutException:
            return None, SourceError(f"{self._short(url)}: no answer in time"), 0.0
        except (httpx.TransportError, httpx.DecodingError) as error:
            text = f"{self._short(url)}: answer broke off ({self._plain(error)})"
            return None, SourceError(text), 0.0
        if answer.status_code != 200:
            return None, *self._refusal(answer, url, check)
        fault = self._fault(answer.content, check)
        if not fault:
            return answer.content, None, None
        error = BadResponse(f"{self._short(url)}: {fault}")
        return None, error, 0.0 if _cut_short(answer.content) else None

    def _refusal(self, answer, url: str, check):
        """Returns the error of any status but 200, and how long to wait."""
        status, where = answer.status_code, self._short(url)
        page = answer.content.lstrip().startswith(b"<")
        # A page says little in its first characters, and its source knows what to do.
        fault = self._fault(answer.content, check) if page else ""
        body = fault or self._plain(answer.text)
        text = f"{where}: status {status}" + (f", {body}" if body else "")
        wait = retry_after(answer.headers.get("Retry-After", ""), self._clock())
        if status == 429:
            text = f"{where}: too many requests (status 429)"
            if wait > PATIENCE:
                text += f"; run again in {wait / 60:.0f} minutes: it goes on from here"
                return Unavailable(text), None
            return Unavailable(f"{text}; later, run again: it goes on from here"), wait
        if status >= 500:
            return SourceError(text), wait if wait <= PATIENCE else None
        bad_key = self._key and status == 400 and self._key.name in body
        if status in (401, 403) or bad_key:
            variable = f"key in {self._source.KEY}" if self._key else "user_agent"
            hint = "" if fault else f"; is the {variable} right?"
            return Unavailable(text + hint), None
        if status == 404:
            return NotFound(f"{text}; it has no such ticker, series or document"), None
        return SourceError(text), None

    def _fault(self, content: bytes, check) -> str:
        """Says why a body is no answer; "" where it is one."""
        try:
            check(content)
        except BadResponse as error:
            return self._plain(error) or "no answer"
        if self._key and self._key.stands_in(content):
            return "repeats the key, and so is not kept"
        return ""

    def _plain(self, text) -> str:
        """Returns one short line that holds no key."""
        line = " ".join(str(text).split())
        return (self._key.hide(line) if self._key else line)[:SHOWN]

    def _short(self, url: str) -> str:
        return self._plain(urlsplit(url).path)

    def _at(self, address: str) -> str:
        split = urlsplit(address)
        return f"{self._mirror}/{split.netloc}{split.path}" if self._mirror else address

    def _pace(self, address: str) -> None:
        """Waits for the host's turn; hosts of one site share it, as the SEC's do."""
        site = ".".join(urlsplit(address).hostname.split(".")[-2:])
        if site not in self._buckets:
            bucket = TokenBucket(
                self._source.RATE, clock=self._clock, sleep=self._sleep
            )
            self._buckets[site] = bucket
        self._buckets[site].take()


def retry_after(header: str, now: float) -> float:
    """Reads a Retry-After header, RFC 9110: seconds, or an HTTP date.

    Args:
        header: as sent; what cannot be read counts as none.
        now: seconds since 1970.

    Returns:
        Seconds to wait; 0 where the header names no time to come.
    """
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(parsedate_to_datetime(header).timestamp() - now, 0.0)
    except ValueError:
        return 0.0


def _cut_short(content: bytes) -> bool:
    """Says whether JSON or XML ends too early; an error body or page does not."""
    start = content.lstrip()[:5].lower()
    try:
        if start[:1] in (b"{", b"["):
            json.loads(content)
        elif start[:1] == b"<" and start not in (b"<html", b"<!doc"):
            ElementTree.fromstring(content)
    except (ValueError, ElementTree.ParseError):
        return True
    return not start


def _proxy(address: str) -> str | None:
    split = urlsplit(address)
    bypass = urllib.request.proxy_bypass(split.netloc)
    return None if bypass else urllib.request.getproxies().get(split.scheme)


class TokenBucket:
    """Lets one request through for every token, of which `rate` arrive a second.

    It holds one at most, so that no second ever sees more than `rate` requests and one.

    Args:
        rate: tokens a second, above 0.
        clock: seconds; it may jump, which makes a wait shorter or 1 / rate, not longer.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ):
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._tokens, self._counted = 1.0, clock()

    def take(self) -> None:
        """Takes a token; where there is none, waits until the next one is there."""
        now = self._clock()
        arrived = max(now - self._counted, 0.0) * self._rate
        self._counted = now
        self._tokens = min(self._tokens + arrived, 1.0) - 1.0
        if self._tokens < 0.0:
            self._sleep(-self._tokens / self._rate)


# Alpha Vantage repeats the key it was asked with: behind "key as", whatever it looks
# like. Elsewhere a long word with a digit in it may be one.
KEYS = re.compile(r"(?<=key as )\S+|\b(?=[A-Za-z]*\d)[A-Za-z0-9]{12,}\b", re.IGNORECASE)
HIDDEN = "[key]"


def json_object(content: bytes) -> dict:
    """Reads a response that is one JSON object.

    Raises:
        BadResponse: it is no JSON, is cut short, or is no object.
    """
    try:
        body = json.loads(content)
    except ValueError as error:
        what = "damaged JSON" if content.lstrip()[:1] == b"{" else "no JSON"
        raise BadResponse(f"{len(content)} bytes of {what}: {error}") from None
    if not isinstance(body, dict):
        raise BadResponse(f"a JSON {type(body).__name__} where an object is right")
    return body


def shown(message: object) -> str:
    """Makes what a source says fit for an error: one line, and no key in it."""
    return KEYS.sub(HIDDEN, " ".join(str(message).split()))
