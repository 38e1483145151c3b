"""Problems small enough to enumerate or to train in a moment."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict, FrozenConfigDict

from experiments import rft
from thesis_rl.thesis.vocabulary import DECISION_LABELS
from thesis_rl.types import Fold, Logits, Market, Panel, Row, Thesis

NUM_CLAIMS = 3
FEATURES = ("mom10", "vol", "vol_rel", "rsi")
NUM_FEATURES = len(FEATURES)
A = len(DECISION_LABELS)


def every_thesis(num_sections: int, num_claims: int) -> Thesis:
    """Lists all 2^P · 2^C · A theses along one leading axis."""
    bits = itertools.product([False, True], repeat=num_sections + num_claims)
    rows = [(*b, d) for b in bits for d in range(A)]
    flags = jnp.array([row[:-1] for row in rows])
    return Thesis(
        sections=flags[:, :num_sections],
        claims=flags[:, num_sections:],
        decision=jnp.array([row[-1] for row in rows], jnp.int32),
    )


def logits(num_sections: int, num_claims: int, seed: int = 0) -> Logits:
    """Draws heads of any size."""
    rng = np.random.default_rng(seed)
    sizes = (num_sections, num_claims, A)
    return Logits(*(jnp.asarray(rng.normal(size=n), jnp.float32) for n in sizes))


def row(truth, known, label: int = 3, payoff: float = 0.7) -> Row:
    """Makes a row that says what hindsight says, and whose inputs nobody reads."""
    return Row(
        inputs=jnp.zeros(0),
        truth=jnp.array(truth),
        known=jnp.array(known),
        label=jnp.int32(label),
        payoff=jnp.float32(payoff),
        weight=jnp.float32(1.0),
    )


def config(changes: dict | None = None) -> FrozenConfigDict:
    """Shrinks the smoke experiment to few claims and features and a narrow layer."""
    small = rft.get_config("smoke")
    small.claims = ConfigDict(dict(list(rft.CLAIMS.items())[:NUM_CLAIMS]))
    small.model.hidden = (8,)
    small.features = FEATURES
    small.sft.batch_days = small.rft.batch_days = 20
    small.update_from_flattened_dict(changes or {})
    return FrozenConfigDict(small)


def fold(*bounds: int) -> Fold:
    """Makes one fold of four day bounds."""
    return Fold(*(jnp.int32(bound) for bound in bounds))


def days(start: int, stop: int, num_days: int = 60) -> jax.Array:
    """Marks the training days from `start` until before `stop`, [T] bool."""
    return (jnp.arange(num_days) >= start) & (jnp.arange(num_days) < stop)


def noise_panel(num_days: int = 60, num_names: int = 3, seed: int = 0) -> Panel:
    """Draws a panel without any structure, a tenth of it missing."""
    rng = np.random.default_rng(seed)
    shape = (num_days, num_names)
    available = rng.random((*shape, NUM_FEATURES)) < 0.9
    known = rng.random((*shape, NUM_CLAIMS)) < 0.9
    labelled = rng.random(shape) < 0.9
    features = rng.normal(2.0, 3.0, (*shape, NUM_FEATURES))
    truth = known & (rng.random(known.shape) < 0.5)
    return Panel(
        features=_floats(np.where(available, features, 0.0)),
        available=jnp.asarray(available),
        truth=jnp.asarray(truth),
        known=jnp.asarray(known),
        score=_floats(np.where(labelled, rng.random(shape), 0.0)),
        payoff=_floats(np.where(labelled, rng.normal(size=shape), 0.0)),
        labelled=jnp.asarray(labelled),
    )


def learnable_panel(num_days: int = 60, num_names: int = 3, seed: int = 0) -> Panel:
    """Draws a panel whose first feature decides the label and all claims."""
    panel = noise_panel(num_days, num_names, seed)
    signal = np.random.default_rng(seed + 1).normal(size=(num_days, num_names))
    rank = (signal.argsort(axis=None).argsort() + 0.5) / signal.size
    return panel._replace(
        features=panel.features.at[..., 0].set(_floats(signal)),
        available=panel.available.at[..., 0].set(True),
        truth=panel.known & jnp.asarray(signal > 0)[..., None],
        score=_floats(rank.reshape(signal.shape)),
        payoff=_floats(signal),
    )


def noise_market(num_days: int = 60, num_names: int = 3, seed: int = 0) -> Market:
    """Draws returns of one per cent a day, a tenth of the closes not quoted."""
    rng = np.random.default_rng(seed)
    tradable = rng.random((num_days, num_names)) < 0.9
    returns = np.where(tradable, rng.normal(0, 0.01, tradable.shape), 0.0)
    return Market(
        _floats(returns),
        jnp.asarray(tradable),
        beta=_floats(np.ones_like(returns)),
        delisted=jnp.zeros_like(tradable),
        days=_floats(np.ones(num_days)),
    )


def _floats(values: np.ndarray) -> jax.Array:
    return jnp.asarray(values, jnp.float32)
