"""Refuses settings of the event sources that cannot be right."""

from thesis_rl.data.join import NEWS, YIELDS

SOURCES = ("sec", *YIELDS, *NEWS, "membership")
CHOICES = {
    "missing": ("mask", "stop"),
    "scorer": ("none", "vader", "ngrams"),
    "gates": ("report", "stop"),
}


def check(config) -> None:
    """Raises a ValueError that names the key of config.data.events that is wrong."""
    asked = config.events
    for key, choices in CHOICES.items():
        if asked[key] not in choices:
            raise ValueError(
                f"config.data.events.{key} is {asked[key]!r}; choose one of {choices}"
            )
    listed = isinstance(asked.sources, tuple | list)
    unknown = [x for x in asked.sources if x not in SOURCES] if listed else [asked]
    if unknown or len(set(asked.sources)) < len(asked.sources):
        raise ValueError(
            f"config.data.events.sources is {asked.sources!r}; list none, some or all "
            f"of {SOURCES}, each once"
        )
    if config.source == "store" and not asked.store:
        raise ValueError(
            "config.data.source is store, but config.data.events.store is ''; name the "
            "folder that experiments/fetch.py filled"
        )
