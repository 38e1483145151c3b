"""Bodies of responses in JSON, and what of them may be shown."""

import json
import re

from thesis_rl.data.sources.errors import BadResponse

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
