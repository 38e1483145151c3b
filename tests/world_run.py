"""A small world fetched, trained on and written out, each once for all tests.

    with within("clean"):        in the folder whose store holds the world, or poisoned
        store.load("store", "sec")
    prepared("clean")            its panel and folds
    ran()                        what `experiments/run.py` makes of the clean one

Stores and configs have the same relative names in both folders: one compiled program
serves all.
"""

import contextlib
import functools
import io
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import poisoned_world
import pytest
import small_world
import world_sources
from ml_collections import ConfigDict, FrozenConfigDict
from replay_server import Asked
from rich.console import Console

from experiments import fetch as fetch_command
from experiments import rft, rft_full
from experiments import run as run_command
from thesis_rl.data.sources import treasury
from thesis_rl.data.sources.client import Client
from thesis_rl.runs import run
from thesis_rl.walk_forward.experiment import Experiment, prepare
from thesis_rl.walk_forward.program import Outcome

KEYS = {
    "FRED_API_KEY": "0f0f0f0f11112222333344445555abcd",
    "NEWS_API_KEY": "1a1a1a1a22223333444455556666bcde",
    "ALPHAVANTAGE_API_KEY": "2B2B2B2B33334444",
}
CURVES = functools.cache(treasury.shipped)  # It takes seconds to read.
MACRO_CLAIM = {
    "section": "market",
    "sentence": "Long yields are above short ones.",
    "conditions": (("term_spread", ">", 0.0),),
    "stance": 0,
}


class Fetched(NamedTuple):
    """What came of fetching a world at CUT and at END."""

    folder: pathlib.Path
    results: list[fetch_command.Fetched]  # Of CUT, then of END.
    requests: list[Asked]
    printed: str


class Ran(NamedTuple):
    """What came of a run on the clean world."""

    folder: pathlib.Path  # Of the run.
    summary: dict
    said: list[str]


def config() -> FrozenConfigDict:
    """Makes the experiment; its last fold's test days lie on both sides of the cut."""
    small = rft_full.get_config("smoke")
    small.claims = ConfigDict(rft.CLAIMS | {"steep_curve": MACRO_CLAIM})
    small.data.update(source="store", start="")
    small.data.events.store = "store"
    small.labels.update(horizons=(2, 5), vol_window=10)
    small.folds.update(train_days=79, test_days=30, num_folds=4)
    small.model.hidden = (8,)
    small.sft.num_steps = small.rft.num_steps = 3
    small.report.thesis_stride = 50
    return FrozenConfigDict(small)


def changed(**keys) -> ConfigDict:
    """Makes the experiment with other values below config.data, by dotted key."""
    made = ConfigDict(config())
    made.update_from_flattened_dict({f"data.{k}": v for k, v in keys.items()})
    return made


@functools.cache
def _home() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory()


@functools.cache
def fetched(which: str) -> Fetched:
    """Runs `experiments/fetch.py` at END, in a store that it began to fill at CUT.

    Args:
        which: clean or poisoned. Leave its folder as it is.
    """
    world, begun = small_world.make(), _begun()
    world = world if which == "clean" else poisoned_world.poison(world)
    folder = pathlib.Path(_home().name) / which
    shutil.copytree(begun.folder, folder)
    ended = _fetch(world, small_world.END, folder)
    return Fetched(folder, *(x + y for x, y in zip(begun[1:], ended[1:], strict=True)))


@functools.cache
def _begun() -> Fetched:
    folder = pathlib.Path(_home().name) / "begun"
    folder.mkdir()
    earlier = small_world.until(small_world.make(), small_world.CUT)
    return _fetch(earlier, small_world.CUT, folder)


def _fetch(world: small_world.World, now: pd.Timestamp, folder) -> Fetched:
    made, page = world_sources.config(), Console(file=io.StringIO(), width=160)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(folder))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in (KEYS | {"no_proxy": "127.0.0.1"}).items():
            patch.setenv(name, value)
        server = stack.enter_context(world_sources.Server(world))
        world_sources.write_files(world, made)
        made.mirror = server.address
        results = fetch_command.fetch(made, page, lambda: now, _hurried)
    page.print(fetch_command.summary(results), fetch_command.left_out(results))
    return Fetched(folder, results, server.requests, page.file.getvalue())


def _hurried(source, made: ConfigDict, say) -> Client:
    """Makes the client of a source that waits for nothing."""
    headers = source.headers(made) if hasattr(source, "headers") else None
    return Client(
        source, headers=headers, mirror=made.mirror, sleep=lambda seconds: None, say=say
    )


@contextlib.contextmanager
def within(which: str) -> Iterator[None]:
    """Goes into a world's folder, and back."""
    with contextlib.chdir(fetched(which).folder):
        yield


@functools.cache
def prepared(which: str) -> Experiment:
    """Builds the panel and the folds of a world."""
    with within(which):
        return prepare(config())


def column(which: str, feature: str) -> np.ndarray:
    """Returns a feature [T, N], NaN where it is not available."""
    made = prepared(which).dataset
    place = made.feature_names.index(feature)
    values = np.asarray(made.panel.features[..., place], np.float64)
    return np.where(np.asarray(made.panel.available[..., place]), values, np.nan)


@functools.cache
def outcome(which: str) -> Outcome:
    """Trains on a world, in the one program."""
    return run.execute(prepared(which))[0]


@functools.cache
def ran() -> Ran:
    """Runs the whole experiment on the clean world, into a folder."""
    said: list[str] = []
    with within("clean"):
        summary = run_command.run(config(), "run", said.append)
        return Ran(pathlib.Path("run").absolute(), summary, said)
