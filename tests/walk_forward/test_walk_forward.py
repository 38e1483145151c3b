"""The one program against its parts, alone, and against the future."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems
from ml_collections import FrozenConfigDict

from thesis_rl.learning import network, preprocess
from thesis_rl.trading import backtest, books
from thesis_rl.walk_forward import experiment, train
from thesis_rl.walk_forward import program as program_lib

T, N, TEST_DAYS, REACH = 60, 3, 10, 4
SETTINGS = {
    "num_seeds": 2,
    "group_size": 4,
    "folds.test_days": TEST_DAYS,
    "sft.num_steps": 3,
    "rft.num_steps": 3,
    "backtest.hold_days": 3,
    "calibration.share": 0.2,
    "folds.train_days": 20,
    "folds.embargo_days": 2,
    "combinatorial.num_groups": 4,
    "ablations": {"exact": {"rft": {"estimator": "exact"}}},
}
CONFIG = small_problems.config(SETTINGS)
ALONE = small_problems.config(
    SETTINGS | {"ablations": {}, "combinatorial.num_groups": 0}
)
KEY = functools.partial(jax.random.key, 0)
STAGES = ("sft", "rft", "exact")


def make_folds(**changes):
    settings = {"train_days": 20, "test_days": TEST_DAYS, "label_horizon": REACH}
    return program_lib.make_folds(T, **settings | {"embargo_days": 2} | changes)


# On the host, where a slice compiles nothing.
@pytest.fixture(scope="module")
def panel():
    return jax.device_get(small_problems.noise_panel(T, N))


@pytest.fixture(scope="module")
def other_panel():
    panel = jax.device_get(small_problems.noise_panel(T, N, seed=9))
    return panel._replace(features=9 * panel.features, payoff=9 * panel.payoff)


@pytest.fixture(scope="module")
def market():
    return jax.device_get(small_problems.noise_market(T, N))


@pytest.fixture(scope="module")
def folds():
    return program_lib.with_final_fold(make_folds(), T, label_horizon=REACH)


@pytest.fixture(scope="module")
def windows(folds):
    return experiment.make_windows(folds, T, REACH, CONFIG)


@pytest.fixture(scope="module")
def program(market, windows):
    """The compiled program as a function of the key and the panel alone."""
    positions = jnp.stack([jnp.zeros((30, N)), jnp.ones((30, N))])

    def run(key, panel, config=CONFIG):
        outcome = program_lib.run(key, panel, market, windows, positions, config)
        return jax.device_get(outcome)

    return run


@pytest.fixture(scope="module")
def outcome(program, panel):
    return program(KEY(), panel)


def of_fold(outcome, index):
    """What fold `index` fitted, of all seeds and stages."""
    fitted, learned = (
        (outcome.scalers, outcome.calibrators),
        (outcome.params, outcome.metrics),
    )
    return (
        jax.tree.map(lambda x: x[index], fitted),
        jax.tree.map(lambda x: x[:, index], learned),
    )


def forecasts_of(outcome, index):
    window = slice(index * TEST_DAYS, (index + 1) * TEST_DAYS)
    return jax.tree.map(lambda x: x[:, window], outcome.forecasts)


def are_equal(a, b):
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))


def spliced(panel, other, day):
    """The rows of `panel` before `day`, those of `other` from then on."""
    return jax.tree.map(lambda x, y: np.concatenate([x[:day], y[day:]]), panel, other)


def test_outcome_has_the_shapes_it_promises(outcome):
    assert set(outcome.params) == set(outcome.ledgers) == set(STAGES)
    chex.assert_tree_all_finite(outcome)
    for stage in STAGES:
        chex.assert_tree_shape_prefix(outcome.params[stage], (2, 4))
        chex.assert_tree_shape_prefix(outcome.metrics[stage], (2, 4, 3))
        chex.assert_tree_shape_prefix(outcome.forecasts[stage], (2, 30, N))
        assert set(outcome.ledgers[stage]) == set(backtest.MAPPINGS)
        chex.assert_tree_shape_prefix(outcome.ledgers[stage], (3, 30))
    decision = outcome.forecasts["rft"].decision
    np.testing.assert_allclose(decision.sum(-1), 1.0, rtol=1e-5)


def test_seeds_folds_and_stages_all_differ(outcome):
    kernel = lambda stage: outcome.params[stage]["params"]["claims"]["kernel"]  # noqa: E731
    runs = np.concatenate([kernel(stage).reshape(8, -1) for stage in STAGES])
    assert len(np.unique(runs, axis=0)) == 3 * 8


@pytest.mark.parametrize("index", range(3))
def test_rows_past_the_training_window_change_nothing(
    program, panel, other_panel, outcome, index
):
    """Leakage: replace every row at or past train_stop; nothing learned may move."""
    stop = int(make_folds().train_stop[index])
    again = program(KEY(), spliced(panel, other_panel, stop))
    for earlier in range(index + 1):
        chex.assert_trees_all_equal(of_fold(again, earlier), of_fold(outcome, earlier))
    for later in range(index + 1, 4):
        assert not are_equal(of_fold(again, later), of_fold(outcome, later))


@pytest.mark.parametrize("index", range(3))
def test_labels_past_the_training_window_never_reach_a_forecast(
    program, panel, other_panel, outcome, index
):
    stop = int(make_folds().train_stop[index])
    again = program(
        KEY(),
        spliced(panel, other_panel, stop)._replace(
            features=panel.features, available=panel.available
        ),
    )
    chex.assert_trees_all_equal(
        forecasts_of(again, index), forecasts_of(outcome, index)
    )


@pytest.mark.parametrize("name", ["features", "truth", "score", "payoff"])
def test_rows_of_the_training_window_matter(program, panel, other_panel, outcome, name):
    column = spliced(other_panel, panel, 20)._asdict()[name]
    again = program(KEY(), panel._replace(**{name: column}))
    assert not are_equal(again.params["rft"], outcome.params["rft"])


def test_a_forecast_reads_its_own_row_alone(panel, folds, outcome):
    fold, scaler = jax.tree.map(lambda x: x[1], (folds, outcome.scalers))
    params = jax.tree.map(lambda x: x[0, 1], outcome.params["rft"])
    predict = jax.jit(network.predict, static_argnames=("num_days", "config"))
    first = fold.test_start
    forecasts = predict(params, panel, scaler, first, TEST_DAYS, CONFIG)
    expected = jax.tree.map(lambda x: x[0], forecasts_of(outcome, 1)["rft"])
    chex.assert_trees_all_close(forecasts, expected, rtol=1e-5, atol=1e-6)
    day = int(fold.test_start) + 4
    features = panel.features.copy()
    features[day, 1] += 5.0
    changed_panel = panel._replace(features=features)
    moved = predict(params, changed_panel, scaler, first, TEST_DAYS, CONFIG)
    changed = np.any(moved.decision != forecasts.decision, axis=-1)
    assert np.argwhere(changed).tolist() == [[4, 1]]


def test_a_fold_alone_is_the_fold_in_the_program(panel, folds, outcome):
    alone = jax.jit(network.train, static_argnames="config")
    for seed, index in ((0, 0), (1, 2), (1, 3)):
        fold, scaler = jax.tree.map(lambda x, i=index: x[i], (folds, outcome.scalers))
        key = jax.random.fold_in(jax.random.fold_in(KEY(), seed), fold.train_stop)
        job = network.Job(key, fold.trains_on(T), scaler)
        learned = alone(job, panel, config=ALONE)
        program = jax.tree.map(
            lambda x, s=seed, i=index: x[s, i], (outcome.params, outcome.metrics)
        )
        for got, expected in zip(learned, program, strict=True):
            assert set(got) == {"sft", "rft"}
            expected = {stage: expected[stage] for stage in got}
            chex.assert_trees_all_close(got, expected, rtol=1e-3, atol=1e-5)


def test_neither_other_folds_nor_padded_groups_matter(panel, outcome):
    folds = program_lib.with_final_fold(make_folds(num_folds=2), T, label_horizon=REACH)
    held_out = experiment.make_windows(folds, T, REACH, ALONE).held_out
    # Three networks of three folds in groups of four: three only fill the last group.
    trained = program_lib.train_and_predict(KEY(), panel, folds, held_out, ALONE)
    scalers, params, metrics = trained[:3]
    kept = (outcome.params, outcome.metrics)
    kept = jax.tree.map(lambda x: x[:, -3:], kept)
    for stage in ("sft", "rft"):
        chex.assert_trees_all_close(
            (params[stage], metrics[stage]),
            (kept[0][stage], kept[1][stage]),
            rtol=1e-3,
            atol=1e-5,
        )
    expected = jax.tree.map(lambda x: x[-3:], outcome.scalers)
    chex.assert_trees_all_close(scalers, expected, rtol=1e-5)


def test_compiles_once(program, panel, outcome):
    compiled = train.advance._cache_size()
    equal = FrozenConfigDict(small_problems.config(SETTINGS).to_dict())
    other = program(jax.random.key(1), panel, equal)
    assert not are_equal(other.params, outcome.params)
    assert train.advance._cache_size() == compiled


@pytest.mark.parametrize("mapping", backtest.MAPPINGS)
def test_ledgers_are_those_of_each_seed_and_last_of_their_mean(
    outcome, market, folds, mapping
):
    start = int(folds.test_start[0])
    unseen = jax.tree.map(lambda x: x[start : start + 30], market)

    @jax.jit
    def book(probabilities):
        positions = backtest.positions(probabilities, mapping)
        weights = backtest.equal_gross_weights(positions, unseen.tradable, True)
        sleeves = backtest.sleeve_weights(weights, CONFIG.backtest.hold_days)
        return backtest.simulate(sleeves, unseen, books.rates(CONFIG))

    seeds = outcome.forecasts["rft"].decision
    for i, probabilities in enumerate([*seeds, seeds.mean(0)]):
        ledger = jax.tree.map(lambda x, i=i: x[i], outcome.ledgers["rft"][mapping])
        chex.assert_trees_all_close(ledger, book(probabilities), rtol=1e-4, atol=1e-6)
        assert abs(ledger.gross).max() > 0


def test_baselines_are_traded_as_they_are_given(outcome, market, folds):
    cash, equal_weight = (
        jax.tree.map(lambda x, i=i: x[i], outcome.baselines) for i in range(2)
    )
    np.testing.assert_array_equal(cash.gross, 0.0)
    np.testing.assert_allclose(equal_weight.net_exposure[-5:], 1.0, atol=0.1)


def test_without_reinforcement_there_is_only_the_supervised_policy(panel, windows):
    config = small_problems.config(SETTINGS | {"rft.num_steps": 0})
    trained = program_lib.train_and_predict(
        KEY(), panel, windows.folds, windows.held_out, config
    )
    assert [set(by_stage) for by_stage in trained[1:4]] == [{"sft"}] * 3


@pytest.mark.parametrize("days_at_once", [1, 3])
def test_forecasts_in_blocks_are_those_of_all_days_at_once(
    monkeypatch, panel, days_at_once
):
    panel = jax.device_put(panel)
    scaler = preprocess.fit(panel, small_problems.days(0, 20, T), ALONE.labels)
    params = network.initialise(KEY(), panel, ALONE)
    asked = params, panel, scaler, 22, TEST_DAYS, ALONE
    whole = network.predict(*asked)
    monkeypatch.setattr(network, "PREDICTED_ROWS", N * days_at_once)
    chex.assert_trees_all_close(network.predict(*asked), whole, rtol=1e-6)
