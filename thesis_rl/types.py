"""The containers that pass between modules, and the axis letters of every shape.

T  days       N  names (tickers)   M  rows, one a (day, name)   D  features
P  sections   C  claims            A  decisions                 B  rows in a minibatch
K  theses drawn for one row        F  folds                     S  seeds

A panel is dense: row (t, n) is stored at [t, n] and what is missing is masked, so
that a fold is two pairs of day bounds and no fold ever copies a row.
"""

from typing import Any, NamedTuple

import jax

Params = Any  # A pytree of float32 arrays.
Metrics = dict[str, jax.Array]  # Scalars; scan and vmap add leading axes.


class Logits(NamedTuple):
    """Unnormalised log-probabilities of a `Thesis`, head by head."""

    sections: jax.Array  # [P]
    claims: jax.Array  # [C]
    decision: jax.Array  # [A]


class Thesis(NamedTuple):
    """What the policy writes about one row."""

    sections: jax.Array  # [P] bool, which sections are written.
    claims: jax.Array  # [C] bool, which claims are asserted.
    decision: jax.Array  # [] int32, an index into `DECISION_LABELS`.


class Panel(NamedTuple):
    """All rows of all folds. Dates stay on the host; the day index is the clock.

    The first four fields are known at the close of the row's day. The last three
    look `label_reach` sessions ahead, and are read in training and scoring alone.
    """

    features: jax.Array  # [T, N, D] float32, raw; 0 where not available.
    available: jax.Array  # [T, N, D] bool.
    truth: jax.Array  # [T, N, C] bool, the claims that are known to hold.
    known: jax.Array  # [T, N, C] bool, the claims that can be checked.
    score: jax.Array  # [T, N] float32, cut by thresholds into the decision label.
    payoff: jax.Array  # [T, N] float32, volatility units a long position earned.
    labelled: jax.Array  # [T, N] bool, whether the label window lies in the data.


class Market(NamedTuple):
    """What a book earns and where it may trade."""

    returns: jax.Array  # [T, N] float32, simple close-to-close; 0 where not tradable.
    tradable: jax.Array  # [T, N] bool, whether the close of the day was quoted.


class Fold(NamedTuple):
    """Walk-forward day bounds, half-open: train [a, b), test [c, d), b <= c."""

    train_start: jax.Array  # [] or [F] int32
    train_stop: jax.Array  # [] or [F] int32
    test_start: jax.Array  # [] or [F] int32
    test_stop: jax.Array  # [] or [F] int32


class Row(NamedTuple):
    """One row as a network is trained on it: inputs, and what hindsight says."""

    inputs: jax.Array  # [I] float32, standardised features and missing-value flags.
    truth: jax.Array  # [C] bool
    known: jax.Array  # [C] bool
    label: jax.Array  # [] int32, an index into `DECISION_LABELS`.
    payoff: jax.Array  # [] float32
    weight: jax.Array  # [] float32, 0 for a row without a label.
