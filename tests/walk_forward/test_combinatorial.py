"""Cross-validated paths: every day from a split that tested it and never read it."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_problems

from thesis_rl.learning import network, preprocess
from thesis_rl.walk_forward import combinatorial, train
from thesis_rl.walk_forward.folds import combinatorial_folds

T, N = 23, 3
SETTINGS = {
    "num_seeds": 1,
    "sft.num_steps": 2,
    "rft.num_steps": 2,
    "combinatorial.num_groups": 4,
}
CONFIG = small_problems.config(SETTINGS)
FIT = jax.jit(preprocess.fit, static_argnames="config")
TRAIN = jax.jit(network.train, static_argnames="config")


def make_folds(num_days=T, num_groups=4, num_test_groups=2, reach=1):
    return combinatorial_folds(
        num_days,
        num_groups=num_groups,
        num_test_groups=num_test_groups,
        label_horizon=reach,
    )


@pytest.fixture(scope="module")
def panel():
    return jax.device_get(small_problems.noise_panel(T, N))


@pytest.mark.parametrize(
    "sizes", [(20, 4, 2), (23, 4, 2), (22, 4, 2), (31, 5, 3), (9, 3, 1), (11, 6, 1)]
)
def test_every_day_of_a_path_points_at_a_split_that_tested_it(sizes):
    num_days, num_groups, _ = sizes
    folds = make_folds(*sizes, reach=0)
    found = combinatorial.combine(folds)
    length = combinatorial.slice_days(num_days, num_groups)
    np.testing.assert_array_equal(found.train, folds.train)
    assert found.first_days.min() >= 0
    assert found.first_days.max() + length <= num_days
    group_of = np.repeat(
        np.arange(num_groups),
        [len(days) for days in np.array_split(np.arange(num_days), num_groups)],
    )
    for path in range(len(folds.paths)):
        for day in range(num_days):
            split = found.split[path, day]
            assert split == folds.paths[path, group_of[day]]
            assert folds.test[split, day] and not folds.train[split, day]
            offset = found.offset[path, day]
            assert 0 <= offset < length
            assert found.first_days[split, found.slot[path, day]] + offset == day


def test_no_forecast_serves_two_paths():
    found = combinatorial.combine(make_folds())
    places = np.stack([found.split, found.slot, found.offset], axis=-1).reshape(-1, 3)
    assert len(np.unique(places, axis=0)) == len(places)


@pytest.mark.parametrize("marked", [[4], [0, 1, 7, 8, 19], [*range(5), 18, 22]])
def test_days_are_drawn_from_the_marked_ones_uniformly(panel, marked):
    num = 4000
    so_far = jnp.cumsum(jnp.zeros(T, bool).at[jnp.array(marked)].set(True))
    day = jnp.broadcast_to(jnp.arange(T, dtype=jnp.float32)[:, None], (T, N))
    told = panel._replace(payoff=day)
    scaler = FIT(panel, so_far > 0, config=CONFIG.labels)
    drawn = preprocess.draw(jax.random.key(0), told, scaler, so_far, num).payoff
    counts = np.bincount(np.asarray(drawn[::N], int), minlength=T)
    assert set(np.flatnonzero(counts)) == set(marked)
    share = 1 / len(marked)
    error = np.sqrt(num * share * (1 - share))
    assert (abs(counts[marked] - num * share) <= 5 * error).all()


def scrambled(panel, keep):
    """Other rows wherever `keep` is False."""
    other = jax.device_get(small_problems.noise_panel(T, N, seed=9))
    other = other._replace(features=9 * other.features, payoff=9 * other.payoff)

    def mix(x, y):
        return np.where(keep.reshape(-1, *[1] * (x.ndim - 1)), x, y)

    return jax.tree.map(mix, panel, other)


def test_a_split_reads_its_training_days_and_no_others(panel):
    """Leakage: both sides of a test train, so rows of any other day are replaced."""
    folds = make_folds()
    middle = int(np.flatnonzero((folds.test[:, [8, 14]]).all(axis=1))[0])
    keep = folds.train[middle]
    assert keep[0] and keep[-1] and not keep[T // 2]
    split = jnp.asarray(keep)

    def learn(panel):
        scaler = FIT(panel, split, config=CONFIG.labels)
        job = network.Job(jax.random.key(0), split, scaler)
        return scaler, TRAIN(job, panel, config=CONFIG)

    learned = learn(panel)
    chex.assert_trees_all_equal(learned, learn(scrambled(panel, keep)))
    _, (params, _) = learn(scrambled(panel, ~keep))
    kernel = lambda p: np.asarray(p["rft"]["params"]["claims"]["kernel"])  # noqa: E731
    assert not np.array_equal(kernel(params), kernel(learned[1][0]))


def test_a_path_joins_what_each_split_alone_says_of_its_tested_days(panel):
    folds = make_folds()
    combination = combinatorial.combine(folds)
    key = jax.random.key(0)
    joined = combinatorial.train_and_predict(
        key, panel, combination, CONFIG, train.UNWATCHED
    )
    chex.assert_shape(joined, (1, 3, T, N, 5))
    predict = jax.jit(network.predict, static_argnames=("num_days", "config"))
    for index in (0, len(folds.train) - 1):
        split = jnp.asarray(folds.train[index])
        scaler = FIT(panel, split, config=CONFIG.labels)
        own_key = jax.random.fold_in(key, CONFIG.num_seeds)
        run_key = jax.random.fold_in(jax.random.fold_in(own_key, 0), T + 1 + index)
        params, _ = TRAIN(network.Job(run_key, split, scaler), panel, config=CONFIG)
        alone = predict(params["rft"], panel, scaler, 0, num_days=T, config=CONFIG)
        serves = combination.split == index
        assert serves.sum() == folds.test[index].sum()
        for path, day in np.argwhere(serves):
            np.testing.assert_allclose(
                joined[0, path, day], alone.decision[day], rtol=1e-3, atol=1e-5
            )
