"""What was known when, as a panel and a market."""

__all__ = [
    "citations",
    "events",
    "features",
    "join",
    "labels",
    "panel",
    "prices",
    "quality",
    "sources",
    "store",
    "universe",
]
