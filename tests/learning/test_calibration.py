"""Calibration: what was bent comes back straight, and what knows nothing says so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from thesis_rl.learning import calibration
from thesis_rl.learning.calibration import Scaling
from thesis_rl.learning.network import Forecasts

NUM_ROWS, A, C = 4000, 5, 2
FIT = jax.jit(calibration.fit, static_argnames="claim_precision")
CUTOFF = jax.jit(calibration.cutoff)


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def drawn(rng, probabilities):
    """Draws a label from each row of probabilities."""
    below = rng.random(len(probabilities))[:, None] > probabilities.cumsum(axis=1)
    return np.minimum(below.sum(axis=1), A - 1)


@pytest.fixture(scope="module")
def rows():
    """True log-probabilities, up to a constant a row, and labels drawn from them."""
    rng = np.random.default_rng(0)
    logits = 1.2 * rng.normal(size=(NUM_ROWS, A)) + np.array([0.5, 0, -0.5, 0, 0.3])
    return logits, drawn(rng, softmax(logits))


def fitted(probabilities, label, weight=None, claims=None, truth=None):
    num = len(label)
    nothing = np.zeros((num, C))
    forecasts = Forecasts(
        sections=jnp.zeros((num, 1)),
        claims=jnp.asarray(nothing if claims is None else claims, jnp.float32),
        decision=jnp.asarray(probabilities, jnp.float32),
    )
    return FIT(
        forecasts,
        jnp.asarray(label, jnp.int32),
        jnp.asarray(nothing if truth is None else truth, bool),
        jnp.asarray(np.ones(num) if weight is None else weight, jnp.float32),
        claim_precision=0.9,
    )


def loss(scaling, probabilities, label):
    """Mean cross-entropy in float64, with nothing of the module's."""
    scale, bias = (np.asarray(x, np.float64) for x in scaling)
    chosen = softmax(np.log(probabilities) * scale + bias)[np.arange(len(label)), label]
    return -np.log(chosen).mean()


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_bent_the_probabilities_is_found(rows, temperature):
    logits, label = rows
    # Divided by 1/temperature, they are as much too sure, or too shy, as that says.
    found = fitted(softmax(temperature * logits), label).temperature
    np.testing.assert_array_equal(found.scale, np.full(A, found.scale[0]))
    np.testing.assert_array_equal(found.bias, 0.0)
    assert temperature * found.scale[0] == pytest.approx(1.0, abs=0.06)


def test_the_temperature_is_that_of_an_independent_minimiser(rows):
    logits, label = rows
    stated = softmax(2.5 * logits)
    best = scipy.optimize.minimize_scalar(
        lambda x: loss((np.full(A, x), np.zeros(A)), stated, label),
        bounds=(0.0, 5.0),
        method="bounded",
    ).x
    scale = fitted(stated, label).temperature.scale[0]
    assert scale == pytest.approx(best, rel=1e-3)


def test_vector_scaling_undoes_what_no_temperature_can(rows):
    logits, label = rows
    bent = 2 * logits + np.array([1.0, 0.0, 0.0, -1.0, 0.5])
    found = fitted(softmax(bent), label)
    vector, temperature = (
        loss(scaling, softmax(bent), label) for scaling in (found.vector, found[0])
    )
    truth = loss((np.ones(A), np.zeros(A)), softmax(logits), label)
    assert vector < truth + 0.005 < temperature - 0.01


@pytest.mark.parametrize("num", [10, 60])
def test_vector_scaling_is_as_good_as_a_temperature_where_it_was_fitted(rows, num):
    logits, label = (x[:num] for x in rows)
    for steepness in (0.3, 2.0, 8.0):
        stated = softmax(steepness * logits)
        found = fitted(stated, label)
        worse = loss(found.temperature, stated, label)
        assert loss(found.vector, stated, label) <= worse + 1e-5


def test_what_knows_nothing_ends_all_but_uniform():
    rng = np.random.default_rng(1)
    stated = softmax(3 * rng.normal(size=(NUM_ROWS, A)))
    found = fitted(stated, rng.integers(0, A, NUM_ROWS)).temperature
    rescaled = calibration.apply(found, stated.astype(np.float32))
    assert stated.max(axis=1).mean() > 0.7
    assert abs(rescaled - 1 / A).max() < 0.08


def test_what_is_worse_than_nothing_ends_uniform_and_keeps_its_order(rows):
    logits, label = rows
    stated = softmax(-logits)  # The likeliest decision is the least likely to be right.
    found = fitted(stated, label).temperature
    assert found.scale[0] == np.float32(calibration.MIN_INVERSE_TEMPERATURE)
    rescaled = calibration.apply(found, stated.astype(np.float32))
    assert abs(rescaled - 1 / A).max() < 0.01


def test_a_temperature_keeps_the_order_of_decisions(rows):
    logits, label = rows
    stated = softmax(logits)
    found = fitted(stated, label).temperature
    rescaled = calibration.apply(found, stated.astype(np.float32))
    np.testing.assert_array_equal(rescaled.argsort(axis=1), stated.argsort(axis=1))
    np.testing.assert_allclose(rescaled.sum(axis=1), 1.0, rtol=1e-5)


def test_probabilities_are_rescaled_by_hand():
    # p' ∝ p^scale · e^bias: (.5², .25², .25²·2) = (4, 1, 2)/16.
    scaling = Scaling(jnp.full(3, 2.0), jnp.array([0.0, 0.0, np.log(2)], jnp.float32))
    found = calibration.apply(scaling, jnp.array([[0.5, 0.25, 0.25]]))
    np.testing.assert_allclose(found, [[4 / 7, 1 / 7, 2 / 7]], rtol=1e-6)
    certain = calibration.apply(scaling, jnp.array([1.0, 0.0, 0.0]))
    assert np.isfinite(certain).all() and certain[0] > 0.999


def test_rows_without_weight_are_not_read(rows):
    logits, label = rows
    weight = np.arange(NUM_ROWS) % 3 > 0
    claims = softmax(logits)[:, :C] + 0.4
    truth = np.random.default_rng(2).random((NUM_ROWS, C)) < claims
    given = softmax(2 * logits), label, weight, claims, truth
    before = fitted(*given)
    out = ~weight
    after = fitted(
        np.where(out[:, None], 1 / A, given[0]),
        np.where(out, 0, label),
        weight,
        np.where(out[:, None], 0.99, claims),
        np.where(out[:, None], False, truth),
    )
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (before.cutoffs < 1).all()


def test_without_a_single_label_all_decisions_are_alike(rows):
    logits, label = rows
    found = fitted(softmax(logits), label, weight=np.zeros(NUM_ROWS))
    for scaling in found[:2]:
        rescaled = calibration.apply(scaling, jnp.asarray(softmax(logits), jnp.float32))
        assert abs(np.asarray(rescaled) - 1 / A).max() < 0.01
    np.testing.assert_array_equal(found.cutoffs, calibration.NEVER)


@pytest.mark.parametrize("far", [0.0, 5.0])
def test_newtons_method_ends_where_the_slope_is_nothing(far):
    """Log-sum-exp, also from where a bare Newton step would overshoot."""
    rng = np.random.default_rng(3)
    lines = jnp.asarray(rng.normal(size=(40, 3)), jnp.float32)
    height = jnp.asarray(rng.normal(size=40), jnp.float32)

    def convex(x):
        slopes = jnp.matmul(lines, x, precision="highest")
        return jax.nn.logsumexp(slopes + height) + 0.5 * jnp.sum(x**2)

    @jax.jit
    def slopes(start):
        derivatives = lambda x: (jax.grad(convex)(x), jax.hessian(convex)(x))  # noqa: E731
        found = calibration.minimise(derivatives, start)
        return jax.grad(convex)(start), jax.grad(convex)(found)

    before, after = slopes(far * jnp.array([1.0, -1.0, 1.0]))
    assert abs(before).max() > 0.1
    np.testing.assert_allclose(after, 0.0, atol=1e-5)


def looped_cutoff(probability, truth, precision):
    good = [
        c
        for c in probability
        if c >= 0.5 and truth[probability >= c].mean() >= precision
    ]
    return min(good, default=calibration.NEVER)


@pytest.mark.parametrize("precision", [0.3, 0.63, 0.81, 0.97])
@pytest.mark.parametrize("levels", [4, 11, 10**6])
def test_the_cutoff_is_the_lowest_good_one_of_all_candidates(precision, levels):
    """Few levels make many ties, which no cut-off can part."""
    rng = np.random.default_rng(4)
    asserted = set()
    for _ in range(40):
        probability = np.round(rng.random(50) * levels) / levels
        probability = probability.astype(np.float32)
        truth = rng.random(50) < probability ** rng.choice([0.2, 1.0, 5.0])
        found = float(CUTOFF(jnp.asarray(probability), jnp.asarray(truth), precision))
        assert found == pytest.approx(looped_cutoff(probability, truth, precision))
        assert found >= 0.5
        asserted.add(found <= 1)
    assert True in asserted


def test_a_claim_that_cannot_be_checked_counts_as_one_that_fails():
    """The panel says false of what it does not know: .9 and up is half true here."""
    probability = jnp.array([0.95, 0.95, 0.9, 0.9])
    known_to_hold = jnp.array([True, True, False, False])
    assert CUTOFF(probability, known_to_hold, 0.9) == np.float32(0.95)
    assert CUTOFF(probability, known_to_hold, 0.5) == np.float32(0.9)


def test_a_claim_is_asserted_where_it_is_likely_and_holds_or_never():
    low = jnp.linspace(0.1, 0.45, 20)
    assert CUTOFF(low, jnp.ones(20, bool), 0.9) > 1  # None is likelier true than not.
    # Nine in ten hold among all, but only half of those at one half and above.
    mixed = jnp.concatenate([jnp.full(16, 0.3), jnp.full(4, 0.6)])
    truth = jnp.arange(20) < 18
    assert CUTOFF(mixed, truth, 0.9) > 1
    assert CUTOFF(jnp.full(20, 0.99), jnp.zeros(20, bool), 0.1) > 1
