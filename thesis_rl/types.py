"""The containers that pass between modules, and the axis letters of every shape.

T  days       N  names (tickers)   M  rows, one a (day, name)   D  features
P  sections   C  claims            A  decisions                 B  rows in a minibatch
K  theses drawn for one row        F  folds                     S  seeds

A panel is dense: row (t, n) is stored at [t, n] and what is missing is masked, so
that a fold is two pairs of day bounds and no fold ever copies a row.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

PERIODS_A_YEAR = 252  # Sessions, wherever something is annualised.

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
    """What a book earns, where it may trade, and what trading may cost.

    The optional fields are None where nothing is known of them for any name.
    """

    returns: jax.Array  # [T, N] float32, simple close-to-close; 0 where not tradable.
    tradable: jax.Array  # [T, N] bool, whether the close of the day was quoted.
    # Trailing, known at the close of the day; 0 where not known, beta its prior of 1.
    dollar_volume: jax.Array | None = None  # [T, N], mean currency value traded a day.
    volatility: jax.Array | None = None  # [T, N], daily standard deviation.
    beta: jax.Array | None = None  # [T, N], to the equal-weight market.
    open_to_close: jax.Array | None = None  # [T, N], simple; NaN without an open.
    # [T, N] bool, the first session after the last quote of a name that never trades
    # again; `returns` of that session holds its delisting return.
    delisted: jax.Array | None = None
    days: jax.Array | None = (
        None  # [T] float32, calendar days since the session before.
    )
    member: jax.Array | None = None  # [T, N] bool, in the universe, as known that day.

    @property
    def eligible(self) -> jax.Array:
        """Marks the names that a decision may be about, [T, N] bool.

        A name that left the universe is still traded, until nothing of it is held.
        """
        return self.tradable if self.member is None else self.tradable & self.member


class Fold(NamedTuple):
    """Walk-forward day bounds, half-open: train [a, b), test [c, d), b <= c."""

    train_start: jax.Array  # [] or [F] int32
    train_stop: jax.Array  # [] or [F] int32
    test_start: jax.Array  # [] or [F] int32
    test_stop: jax.Array  # [] or [F] int32

    def trains_on(self, num_days: int) -> jax.Array:
        """Marks the training days, [T] or [F, T] bool."""
        start, stop = jnp.asarray(self.train_start), jnp.asarray(self.train_stop)
        day = jnp.arange(num_days).reshape((1,) * start.ndim + (-1,))
        return (day >= start[..., None]) & (day < stop[..., None])


class Row(NamedTuple):
    """One row as a network is trained on it: inputs, and what hindsight says."""

    inputs: jax.Array  # [I] float32, standardised features and missing-value flags.
    truth: jax.Array  # [C] bool
    known: jax.Array  # [C] bool
    label: jax.Array  # [] int32, an index into `DECISION_LABELS`.
    payoff: jax.Array  # [] float32
    weight: jax.Array  # [] float32, 0 for a row without a label.
