"""Early choice: days that a judge has not seen decide, and no later day does."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems
import small_run
from ml_collections import ConfigDict

from thesis_rl import choice, grid, preprocess, sft, training, walk_forward
from thesis_rl.folds import held_out
from thesis_rl.types import Fold

T, N, NUM_CHOICES, REACH, TAIL = 60, 3, 3, 4, 6
EXACT = {"exact": {"rft": {"estimator": "exact"}}}
CONFIG = small_problems.config(
    {
        "num_seeds": 2,
        "ablations": EXACT,
        "folds.train_days": 30,
        "folds.test_days": 10,
        "folds.embargo_days": 0,
        "calibration.share": TAIL / 30,
        "sft.num_steps": 2,
        "rft.num_steps": 6,
        "rft.peak_lr": 0.3,
        "rft.num_choices": NUM_CHOICES,
    }
)
FOLDS = Fold(*(np.array(x, np.int32) for x in ([0, 10], [26, 36], [30, 40], [40, 50])))
HELD_OUT = held_out(FOLDS, TAIL, label_horizon=REACH, embargo_days=0)
MODEL = sft.make_model(CONFIG)


@pytest.fixture(scope="module")
def panel():
    return jax.device_get(small_problems.learnable_panel(T, N))


def decisions(rng):
    return jnp.asarray(rng.dirichlet(np.ones(5), (T, N)), jnp.float32)


@pytest.mark.parametrize("book", ["dollar_neutral", "long_short"])
def test_utility_is_what_a_unit_of_position_earns(panel, book):
    config = small_problems.config({"backtest.book": book})
    probabilities = decisions(np.random.default_rng(0))
    labelled = panel.labelled
    held = np.array(probabilities) @ [-1, -0.5, 0, 0.5, 1]
    if book == "dollar_neutral":
        mean = np.where(labelled, held, 0).sum(1) / np.maximum(labelled.sum(1), 1)
        held = held - mean[:, None]
    held = held[labelled]
    earned = held * np.clip(9 * panel.payoff[labelled], -2, 2)
    got = choice.utility(probabilities, 9 * panel.payoff, labelled, config)
    expected = earned.mean() / np.sqrt(np.mean(held**2))
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    noise = np.where(labelled, 9 * panel.payoff, 7.0)
    again = choice.utility(probabilities, noise, labelled, config)
    np.testing.assert_array_equal(again, got)
    # Less sure of the same, and with a lean that no neutral book holds.
    unsure = 0.5 * probabilities + 0.5 * jnp.eye(5)[2][None, None]
    again = choice.utility(unsure, 9 * panel.payoff, labelled, config)
    np.testing.assert_allclose(again, got, rtol=1e-4)


def test_utility_of_no_position_is_zero():
    hold = jnp.broadcast_to(jnp.eye(5)[2], (T, N, 5))
    got = choice.utility(hold, jnp.ones((T, N)), jnp.ones((T, N), bool), CONFIG)
    assert got == 0


@functools.cache
def reader(sign):
    """A network that buys what the first feature says, or sells it."""
    shapes = jax.eval_shape(
        MODEL.init, jax.random.key(0), jnp.zeros(2 * small_problems.NUM_FEATURES)
    )
    params = jax.tree.map(lambda x: np.zeros(x.shape, np.float32), shapes)["params"]
    params["Dense_0"]["kernel"][0, :2] = 1, -1
    params["decision"]["kernel"][0, -1] = params["decision"]["kernel"][1, 0] = sign
    return {"params": params}


def stack(trees):
    return jax.tree.map(lambda *x: np.stack(x), *trees)


def tagged(params, tag):
    """The same decisions from a network that can be told from others."""
    params = jax.tree.map(np.copy, params)
    params["params"]["sections"]["bias"][:] = tag
    return params


@pytest.fixture(scope="module")
def judged_scalers(panel):
    fit = lambda fold: preprocess.fit(panel, fold, CONFIG.labels)  # noqa: E731
    return jax.jit(jax.vmap(fit))(HELD_OUT)


def test_all_networks_of_a_fold_take_the_number_that_served_its_judge_best(
    panel, judged_scalers
):
    best, runs = (2, 0), []
    for run in range(6):  # Two seeds of two folds, then the judges of both.
        right = best[run % 2] if run >= 4 else 1  # Seeds have no say.
        signs = [1 if number == right else -1 for number in range(NUM_CHOICES)]
        snapshots = [tagged(reader(s), 10 * run + i) for i, s in enumerate(signs)]
        runs.append(stack(snapshots))
    params = {"sft": {"x": np.arange(6)}, "rft": stack(runs)}
    settle = jax.jit(choice.settle, static_argnums=(4, 5))

    def tags(panel):
        kept = settle(params, judged_scalers, HELD_OUT, panel, TAIL, CONFIG)
        np.testing.assert_array_equal(kept["sft"]["x"], np.arange(6))
        return np.asarray(kept["rft"]["params"]["sections"]["bias"][:, 0])

    expected = [10 * run + best[run % 2] for run in range(6)]
    np.testing.assert_array_equal(tags(panel), expected)
    # Only the tail of the fold itself is asked.
    payoff = 0 * panel.payoff
    for start, stop in zip(HELD_OUT.test_start, HELD_OUT.test_stop, strict=True):
        payoff[start:stop] = panel.payoff[start:stop]
    np.testing.assert_array_equal(tags(panel._replace(payoff=payoff)), expected)
    payoff[HELD_OUT.test_start[1] : HELD_OUT.test_stop[1]] *= -1
    turned = tags(panel._replace(payoff=payoff)) - expected
    assert np.all(turned[::2] == 0) and np.all(turned[1::2] != 0)


@pytest.fixture(scope="module")
def program():
    return lambda panel: jax.device_get(
        walk_forward.train_and_predict(
            jax.random.key(0), panel, FOLDS, HELD_OUT, CONFIG
        )
    )


@pytest.fixture(scope="module")
def trained(program, panel):
    return program(panel)


@pytest.mark.parametrize("index", [0, 1])
def test_the_program_keeps_one_step_for_all_seeds_of_a_fold(trained, panel, index):
    train = jax.jit(training.train, static_argnames="config")
    fold, scaler = jax.tree.map(lambda x: x[index], (FOLDS, trained.scalers))

    def number(seed):
        """Finds what was kept of a network among the snapshots of the same, alone."""
        key = jax.random.fold_in(jax.random.key(0), seed)
        key = jax.random.fold_in(key, fold.train_stop)
        alone, _ = train(training.Job(key, fold, scaler), panel, config=CONFIG)
        kept = jax.tree.map(lambda x: x[seed, index], trained.params["rft"])
        near = jax.tree.map(
            lambda x, y: np.isclose(x, y[None], 1e-3, 1e-5).reshape(len(x), -1),
            alone["rft"],
            kept,
        )
        same = np.concatenate(jax.tree.leaves(near), axis=1).all(1)
        return np.flatnonzero(same).tolist()

    assert number(0) == number(1) and len(number(0)) == 1


def test_forecasts_are_those_of_the_networks_that_were_kept(trained, panel):
    predict = jax.jit(training.predict, static_argnames=("num_days", "config"))
    for stage in ("sft", "rft", "exact"):
        params = jax.tree.map(lambda x: x[1, 0], trained.params[stage])
        scaler = jax.tree.map(lambda x: x[0], trained.scalers)
        got = jax.tree.map(lambda x: x[1, :10], trained.forecasts[stage])
        expected = predict(params, panel, scaler, FOLDS.test_start[0], 10, CONFIG)
        chex.assert_trees_all_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("index", [0, 1])
def test_no_choice_reads_a_day_past_the_training_window(program, trained, panel, index):
    """Leakage: replace every row at or past train_stop; nothing kept may move."""
    stop = FOLDS.train_stop[index]
    other = jax.device_get(small_problems.noise_panel(T, N, seed=9))
    again = program(
        jax.tree.map(lambda x, y: np.append(x[:stop], y[stop:], 0), panel, other)
    )
    leaves = [jax.tree.leaves(out.params) for out in (trained, again)]
    moved = [
        any(np.any(x[:, i] != y[:, i]) for x, y in zip(*leaves, strict=True))
        for i in range(2)
    ]
    assert moved == [False, index == 0]


def test_a_sweep_that_would_choose_a_step_is_refused():
    config = ConfigDict(small_run.config().to_dict())
    config.rft.num_choices = 2
    with pytest.raises(ValueError, match="num_choices is 2, but a sweep .* to 1"):
        grid.points({"rft.peak_lr": (0.1, 0.2)}, config)


def test_a_fold_alone_keeps_its_last_step(panel):
    def shapes(config):
        def train(panel, fold):
            scaler = preprocess.fit(panel, fold, config.labels)
            return training.train_fold(jax.random.key(0), panel, scaler, fold, config)

        return jax.eval_shape(train, panel, jax.tree.map(lambda x: x[0], FOLDS))[0]

    one = small_problems.config({"ablations": EXACT, "rft.num_choices": 1})
    chex.assert_trees_all_equal_shapes(shapes(CONFIG), shapes(one))
