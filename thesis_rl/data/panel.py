"""Prices to a panel, the rows that are learnt from and traded.

With market.py the crossing from pandas to JAX: every dtype is explicit, dates stay
behind.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from thesis_rl.data import features, join, labels, market, synthetic
from thesis_rl.data.join import Evidence
from thesis_rl.data.prices.frames import Prices
from thesis_rl.data.quality import gates
from thesis_rl.thesis import claims
from thesis_rl.types import Market, Panel

LOADING, MAKING = "Loading prices", "Making features, claims and labels"


class Dataset(NamedTuple):
    """A panel ready for training, and the host's view of the same rows."""

    panel: Panel
    market: Market
    close: pd.DataFrame  # [T, N] adjusted closes, NaN where not quoted.
    feature_names: tuple[str, ...]  # [D]
    label_reach: int  # Sessions that a label looks ahead.
    signal: np.ndarray | None  # [T, N], the planted signal of a synthetic market.
    report: dict  # Provenance, and every masked row counted by reason.
    evidence: Evidence | None = None  # What features rest on.

    @property
    def dates(self) -> pd.DatetimeIndex:
        return self.close.index

    @property
    def tickers(self) -> tuple[str, ...]:
        return tuple(self.close.columns)


def build(config, say: Callable[[str], None] = lambda text: None) -> Dataset:
    """Loads prices and makes features, claims and labels of every row.

    Args:
      config: the experiment's.
      say: told what is about to happen.

    Returns:
      The data set.

    Raises:
      ValueError: names the file and row, or the config key, that is wrong.
      FileNotFoundError: a file or folder is missing.
    """
    say(LOADING)
    source, evidence, signal = load(config)
    say(MAKING)
    quoted = source.close.notna().to_numpy()
    panel = make_panel(source, quoted, config)
    source = source._replace(signals={})  # The panel has them, in half the space.
    delisting = config.backtest.delisting_return, config.backtest.delisting_gap
    return Dataset(
        panel=panel,
        market=market.make(source, *delisting),
        close=source.close,
        feature_names=tuple(config.features),
        label_reach=labels.label_reach(config.labels),
        signal=signal,
        report=source.report
        | market.describe(source, *delisting)
        | _count_masked(panel, quoted, config.features),
        evidence=evidence,
    )


def make_panel(source: Prices, quoted: np.ndarray, config) -> Panel:
    """Makes features, claims and labels of every row.

    Args:
      source: frames [T, N].
      quoted: [T, N] bool; what is not has no feature.
      config: the experiment's.

    Returns:
      The panel.

    Raises:
      ValueError: names the config key that is wrong.
    """
    values, available = features.compute(source, config.features)
    available &= quoted[:, :, None]
    values[~available] = 0.0
    # What has crossed is not kept on this side as well.
    values = jnp.asarray(values, jnp.float32)
    available = jnp.asarray(available, jnp.bool_)
    table = claims.make_table(config.claims, config.features)
    truth, known = evaluate_claims(values, available, table)
    made = labels.make(source.close, config.labels, source.member)
    listed = quoted if source.member is None else quoted & source.member.to_numpy()
    return Panel(
        features=values,
        available=available,
        truth=truth,
        known=known,
        score=jnp.asarray(made.score, jnp.float32),
        payoff=jnp.asarray(made.payoff, jnp.float32),
        labelled=jnp.asarray(made.labelled & listed, jnp.bool_),
    )


def load(config) -> tuple[Prices, Evidence, np.ndarray | None]:
    """Loads prices and joins to them what events said.

    Args:
      config: the experiment's.

    Returns:
      Prices with signals, what these rest on, and the planted signal [T, N] of a
      synthetic market.

    Raises:
      ValueError: as `build`.
      FileNotFoundError: as `build`.
    """
    if config.data.source == "synthetic":
        if config.data.start or config.data.end:
            raise ValueError(
                "config.data.start and end cut real data; leave them '' for a "
                "synthetic market, whose length is config.data.synthetic.num_days"
            )
        source, signal = synthetic.make(config.data.synthetic)
        return source, join.nothing(source), signal
    tables, notices = join.read(config.data)
    source, evidence = join.assemble(tables, config.data)
    found = gates.inspect(source, tables)
    if config.data.events.gates == "stop":
        gates.refuse(found)
    report = {"notices": notices, "findings": [f._asdict() for f in found]}
    return source._replace(report=source.report | report), evidence, None


@jax.jit
def evaluate_claims(
    values: jax.Array, available: jax.Array, table: claims.ClaimTable
) -> tuple[jax.Array, jax.Array]:
    """Checks the claims of every row: truth and known, each [T, N, C] bool."""
    day = jax.vmap(claims.evaluate, in_axes=(0, 0, None))
    # What every condition compares, of all days at once, is larger than the panel.
    return jax.lax.map(lambda x: day(*x, table), (values, available))


def _count_masked(panel: Panel, quoted: np.ndarray, names: tuple[str, ...]) -> dict:
    """Counts quoted rows that lack a label, and rows that lack each feature."""
    labelled = np.asarray(panel.labelled)
    available = np.asarray(panel.available)
    return {
        "rows": int(quoted.size),
        "rows_quoted": int(quoted.sum()),
        "rows_labelled": int(labelled.sum()),
        "rows_quoted_without_label": int((quoted & ~labelled).sum()),
        "features_missing": {
            name: int((quoted & ~available[:, :, i]).sum())
            for i, name in enumerate(names)
        },
    }
