"""Prices read, checked and adjusted."""

from thesis_rl.data.prices.table import (
    FILES,
    FOLDER_CAVEATS,
    PACKAGED,
    Prices,
    between,
    load,
    read_folder,
)

__all__ = [
    "FILES",
    "FOLDER_CAVEATS",
    "PACKAGED",
    "Prices",
    "adjust",
    "between",
    "cells",
    "frames",
    "load",
    "quotes",
    "read_folder",
]
