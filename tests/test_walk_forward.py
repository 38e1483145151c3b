"""Folds by brute force, and the one program against its parts and the future."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems
from ml_collections import FrozenConfigDict

from thesis_rl import backtest, walk_forward
from thesis_rl.backtest import Costs

T, N, TEST_DAYS, REACH = 60, 3, 10, 4
SETTINGS = {
    "num_seeds": 2,
    "group_size": 4,
    "folds.test_days": TEST_DAYS,
    "sft.num_steps": 3,
    "rft.num_steps": 3,
    "backtest.hold_days": 3,
}
CONFIG = small_problems.config(SETTINGS)
WITHOUT_EXACT = small_problems.config(SETTINGS | {"exact_baseline": False})
KEY = functools.partial(jax.random.key, 0)
STAGES = ("sft", "rft", "exact")


def make_folds(**changes):
    settings = {"train_days": 20, "test_days": TEST_DAYS, "label_horizon": REACH}
    return walk_forward.make_folds(T, **settings | {"embargo_days": 2} | changes)


def random_settings(rng):
    settings = {
        "train_days": rng.integers(1, 40),
        "test_days": rng.integers(1, 20),
        "label_horizon": rng.integers(0, 12),
        "embargo_days": rng.integers(0, 6),
    }
    settings = {name: int(value) for name, value in settings.items()}
    return int(rng.integers(1, 200)), settings


def spans(folds):
    """Lists each fold's training and test days."""
    return [
        (set(range(a, b)), set(range(c, d)))
        for a, b, c, d in zip(*(bound.tolist() for bound in folds), strict=True)
    ]


@pytest.mark.parametrize("expanding", [False, True])
def test_folds_keep_the_rules_of_time_whatever_the_settings(expanding):
    rng = np.random.default_rng(0)
    made = 0
    for _ in range(400):
        num_days, settings = random_settings(rng)
        reach, embargo = settings["label_horizon"], settings["embargo_days"]
        needed = sum(settings.values())
        if num_days < needed:
            with pytest.raises(ValueError, match=f"{needed} are needed"):
                walk_forward.make_folds(num_days, **settings, expanding=expanding)
            continue
        folds = walk_forward.make_folds(num_days, **settings, expanding=expanding)
        made += 1
        assert all(bound.dtype == np.int32 for bound in folds)
        tested = []
        for train, test in spans(folds):
            assert min(train) >= 0 and max(test) < num_days
            read = {day + k for day in train for k in range(reach + embargo + 1)}
            assert max(read) == min(test) - 1  # Purged in full, and no day wasted.
            full = settings["train_days"]
            assert len(train) == full or (expanding and len(train) > full)
            assert not expanding or min(train) == 0
            assert len(test) == settings["test_days"]
            tested += sorted(test)
        assert tested == list(range(tested[0], tested[-1] + 1))  # Windows tile.
        assert tested[0] == needed - settings["test_days"]
        assert num_days - 1 - tested[-1] < settings["test_days"]  # No room for more.
    assert made > 100


def test_num_folds_keeps_the_latest():
    every = make_folds()
    assert len(every.test_start) == 3
    for num_folds in (1, 2, 3, 9):
        kept = make_folds(num_folds=num_folds)
        expected = jax.tree.map(lambda x, n=num_folds: x[-n:], every)
        chex.assert_trees_all_equal(kept, expected)


def test_too_few_days_says_how_many_are_needed():
    with pytest.raises(ValueError, match="60 days are too few for one fold: 61 are"):
        make_folds(train_days=45)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"train_days": 0}, "train_days and test_days must be at least 1"),
        ({"test_days": -1}, "train_days and test_days must be at least 1"),
        ({"label_horizon": -1}, "embargo_days at least 0"),
        ({"embargo_days": -2}, "embargo_days at least 0"),
        ({"num_folds": 0}, "num_folds must be at least 1, or None; got 0"),
    ],
)
def test_lengths_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_folds(**changes)


@pytest.mark.parametrize("expanding", [False, True])
@pytest.mark.parametrize("num_folds", [1, None])
def test_final_fold_ends_at_the_last_labelled_day(expanding, num_folds):
    folds = make_folds(expanding=expanding, num_folds=num_folds)
    final = walk_forward.with_final_fold(
        folds, T, label_horizon=REACH, expanding=expanding
    )
    kept = jax.tree.map(lambda x: x[:-1], final)
    chex.assert_trees_all_equal(kept, folds)
    last_labelled = T - 1 - REACH
    assert final.train_stop[-1] == last_labelled + 1
    start = 0 if expanding else last_labelled + 1 - 20
    assert final.train_start[-1] == start
    assert final.test_stop[-1] - final.test_start[-1] == TEST_DAYS


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
    return walk_forward.with_final_fold(make_folds(), T, label_horizon=REACH)


@pytest.fixture(scope="module")
def program(market, folds):
    """The compiled program as a function of the key and the panel alone."""
    positions = jnp.stack([jnp.zeros((30, N)), jnp.ones((30, N))])

    def run(key, panel, config=CONFIG):
        outcome = walk_forward.run(key, panel, market, folds, positions, config)
        return jax.device_get(outcome)

    return run


@pytest.fixture(scope="module")
def outcome(program, panel):
    return program(KEY(), panel)


def of_fold(outcome, index):
    """What fold `index` fitted, of all seeds and stages."""
    learned = (outcome.params, outcome.metrics)
    return (
        jax.tree.map(lambda x: x[index], outcome.scalers),
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
    predict = jax.jit(walk_forward.predict, static_argnames="config")
    forecasts = predict(params, panel, scaler, fold, config=CONFIG)
    expected = jax.tree.map(lambda x: x[0], forecasts_of(outcome, 1)["rft"])
    chex.assert_trees_all_close(forecasts, expected, rtol=1e-5, atol=1e-6)
    day = int(fold.test_start) + 4
    features = panel.features.copy()
    features[day, 1] += 5.0
    moved = predict(
        params, panel._replace(features=features), scaler, fold, config=CONFIG
    )
    changed = np.any(moved.decision != forecasts.decision, axis=-1)
    assert np.argwhere(changed).tolist() == [[4, 1]]


def test_a_fold_alone_is_the_fold_in_the_program(panel, folds, outcome):
    alone = jax.jit(walk_forward.train_fold, static_argnames="config")
    for seed, index in ((0, 0), (1, 2), (1, 3)):
        fold, scaler = jax.tree.map(lambda x, i=index: x[i], (folds, outcome.scalers))
        key = jax.random.fold_in(KEY(), seed)
        learned = alone(key, panel, scaler, fold, config=WITHOUT_EXACT)
        program = jax.tree.map(
            lambda x, s=seed, i=index: x[s, i], (outcome.params, outcome.metrics)
        )
        for got, expected in zip(learned, program, strict=True):
            assert set(got) == {"sft", "rft"}
            expected = {stage: expected[stage] for stage in got}
            chex.assert_trees_all_close(got, expected, rtol=1e-3, atol=1e-5)


def test_neither_other_folds_nor_padded_groups_matter(panel, outcome):
    folds = walk_forward.with_final_fold(
        make_folds(num_folds=2), T, label_horizon=REACH
    )
    train = jax.jit(walk_forward.train_and_predict, static_argnames="config")
    # Two seeds of three folds in groups of four: two runs only fill the last group.
    scalers, params, metrics, _ = train(KEY(), panel, folds, config=WITHOUT_EXACT)
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
    compiled = walk_forward.run._cache_size()
    equal = FrozenConfigDict(small_problems.config(SETTINGS).to_dict())
    other = program(jax.random.key(1), panel, equal)
    assert not are_equal(other.params, outcome.params)
    assert walk_forward.run._cache_size() == compiled


@pytest.mark.parametrize("mapping", backtest.MAPPINGS)
def test_ledgers_are_those_of_each_seed_and_last_of_their_mean(
    outcome, market, folds, mapping
):
    start = int(folds.test_start[0])
    unseen = jax.tree.map(lambda x: x[start : start + 30], market)
    costs = Costs(CONFIG.backtest.commission_bps, CONFIG.backtest.half_spread_bps)

    @jax.jit
    def book(probabilities):
        positions = backtest.positions(probabilities, mapping)
        weights = backtest.equal_gross_weights(positions, unseen.tradable, True)
        sleeves = backtest.sleeve_weights(weights, CONFIG.backtest.hold_days)
        return backtest.simulate(sleeves, unseen, costs)

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


def test_without_reinforcement_there_is_only_the_supervised_policy(panel, folds):
    config = small_problems.config(SETTINGS | {"rft.num_steps": 0})
    shapes = jax.eval_shape(
        functools.partial(walk_forward.train_and_predict, config=config),
        KEY(),
        panel,
        folds,
    )
    assert [set(by_stage) for by_stage in shapes[1:]] == [{"sft"}] * 3
