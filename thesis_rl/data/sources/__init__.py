"""Sources: how to fetch the responses of each, and how to read events in them."""

from thesis_rl.data.sources import (
    alphavantage,
    bars,
    fred,
    membership,
    newsapi,
    sec,
    treasury,
    yahoo,
)

ALL = (bars, yahoo, membership, sec, fred, treasury, newsapi, alphavantage)


def name_of(source) -> str:
    """Names a source as config.sources does: after its module."""
    return source.__name__.rpartition(".")[2]
