"""What can go wrong between a source and the store."""


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
