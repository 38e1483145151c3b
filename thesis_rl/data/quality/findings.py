"""What a look at the data found, in a form that a report can keep."""

from typing import NamedTuple

SEVERITIES = ("stop", "warn", "note")  # The worst first.


class Finding(NamedTuple):
    """Something about the data that a person should know."""

    gate: str
    severity: str  # One of `SEVERITIES`.
    name: str  # A ticker, a source or a feature; "" for all.
    first: str  # ISO day of the first case, "" if there is none.
    count: int
    sentence: str  # What is wrong, and what to do.
