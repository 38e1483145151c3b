"""An experiment on a small world that trains in seconds: prices and events of a store.

    config(store)                rft_full, shrunk
    stored("clean")              a store of the world, or of the poisoned one
"""

import functools
import pathlib
import tempfile

import small_world
import world_sources
from ml_collections import ConfigDict

from experiments import rft, rft_full

MACRO_CLAIM = {
    "section": "market",
    "sentence": "Long yields are above short ones.",
    "conditions": (("term_spread", ">", 0.0),),
    "stance": 0,
}


def config(store: str) -> ConfigDict:
    """Makes the experiment; its last fold's test days lie on both sides of the cut."""
    small = rft_full.get_config("smoke")
    small.claims = ConfigDict(rft.CLAIMS | {"steep_curve": MACRO_CLAIM})
    small.ablations = ()
    small.data.update(source="store", start="")
    small.data.events.store = store
    small.labels.update(horizons=(2, 5), vol_window=10)
    small.folds.update(train_days=79, test_days=30, num_folds=4)
    small.model.hidden = (8,)
    small.sft.num_steps = small.rft.num_steps = 3
    return small


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory()


@functools.cache
def stored(which: str) -> str:
    """Fills a store, once; which is clean or poisoned. Leave it as it is."""
    world = small_world.make()
    if which == "poisoned":
        world = small_world.poisoned(world)
    folder = pathlib.Path(_folder().name) / which
    folder.mkdir()
    return world_sources.collect(world, folder).store
