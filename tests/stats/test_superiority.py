"""SPA and StepM against arch, their size, and the case that studentising decides."""

import jax
import numpy as np
import pytest

from thesis_rl import stats
from thesis_rl.stats.bootstrap import resampled_means
from thesis_rl.stats.superiority import _bootstrap_sd

KEY = jax.random.key(0)


@pytest.fixture
def models():
    """Returns [400, 6]: t of 4 or so, of 1, twice of 0, and two that are far worse."""
    noise = np.random.default_rng(0).normal(size=(400, 6))
    noise[1:] += 0.3 * noise[:-1]
    noise -= noise.mean(axis=0)
    return noise * [1, 1, 5, 1, 2, 1] + [0.25, 0.06, 0.0, -0.5, -2.0, 0.0]


def one_good_among_noisy(seed):
    """Returns [500, 21]: a quiet model with t = 0.18·√500 = 4, and twenty loud ones.

    The luckiest of the loud means is about 1.9 · 10/√500 = 0.85, far above 0.18.
    """
    performance = np.random.default_rng(seed).normal(0.0, 10.0, size=(500, 21))
    good = performance[:, 0] - performance[:, 0].mean()
    performance[:, 0] = 0.18 + good / good.std()
    return performance


def unstudentised_p(performance, num_draws=1000):
    """White's reality check: the same test of plain means."""
    mean = performance.mean(axis=0)
    draws = resampled_means(KEY, performance, 1.0, num_draws) - mean
    return (draws.max(axis=1) >= mean.max()).mean()


@pytest.mark.parametrize("seed", range(3))
def test_studentising_finds_the_good_model_among_noisy_ones(seed):
    performance = one_good_among_noisy(seed)
    assert unstudentised_p(performance) > 0.1
    assert stats.superior_predictive_ability(KEY, performance, 1.0, 1000) < 0.05
    assert np.flatnonzero(stats.step_m(KEY, performance, 1.0, 1000)).tolist() == [0]


@pytest.mark.parametrize("mean_block", [1.0, 6.0])
def test_sd_is_that_of_the_bootstrap_means(models, mean_block):
    deviation = models - models.mean(axis=0)
    draws = resampled_means(KEY, deviation, mean_block, 20000)
    np.testing.assert_allclose(
        _bootstrap_sd(deviation, mean_block),
        draws.std(axis=0) * np.sqrt(len(models)),
        rtol=0.03,
    )


@pytest.mark.parametrize("good", [0.0, 1.0])
def test_p_is_that_of_arch(models, good):
    """arch divides by no sd, so it is given columns already divided by theirs."""
    oracle = pytest.importorskip("arch.bootstrap").SPA
    performance = models - models.mean(axis=0) * [1, 1, 1, 0, 0, 1]
    performance[:, 0] += 0.05 + 0.1 * good
    sd = _bootstrap_sd(performance - performance.mean(axis=0), 6.0)
    spa = oracle(np.zeros(400), -performance / sd, block_size=6, reps=4000, seed=1)
    spa.compute()
    np.testing.assert_allclose(spa._loss_diff_var, 1.0, rtol=1e-9)
    p = stats.superior_predictive_ability(KEY, performance, 6.0, 4000)
    assert p == pytest.approx(spa.pvalues["consistent"], abs=0.025)
    assert (p < 0.05) == bool(good)


def test_survivors_are_those_of_arch(models):
    oracle = pytest.importorskip("arch.bootstrap").StepM
    sd = _bootstrap_sd(models - models.mean(axis=0), 6.0)
    step = oracle(np.zeros(400), -models / sd, block_size=6, reps=2000, seed=1)
    step.compute()
    found = np.flatnonzero(stats.step_m(KEY, models, 6.0, 2000)).tolist()
    assert found == list(step.superior_models) == [0]


def test_scale_of_a_model_means_nothing(models):
    louder = models * [1, 10, 100, 1, 0.1, 1e-3]
    assert stats.superior_predictive_ability(
        KEY, louder, 3.0, 500
    ) == stats.superior_predictive_ability(KEY, models, 3.0, 500)
    np.testing.assert_array_equal(
        stats.step_m(KEY, louder, 3.0, 500), stats.step_m(KEY, models, 3.0, 500)
    )


def test_hopeless_models_do_not_count_as_tries():
    """SPA_c looks past them; the least favourable test would count all forty."""
    rng = np.random.default_rng(1)
    good = rng.normal(0.1, 1.0, size=(500, 1))
    hopeless = rng.normal(-1.0, 1.0, size=(500, 40))
    alone = stats.superior_predictive_ability(KEY, good, 1.0, 4000)
    crowded = stats.superior_predictive_ability(
        KEY, np.concatenate([good, hopeless], axis=1), 1.0, 4000
    )
    assert crowded == pytest.approx(alone, abs=0.01)


def test_later_steps_find_more():
    """Once the sure winners are out, the bar for the rest is lower."""
    rng = np.random.default_rng(2)
    shape = (400, 30)
    noise = rng.normal(size=shape)
    noise -= noise.mean(axis=0)
    t = np.where(np.arange(30) < 27, 8.0, 2.6)  # Between the two critical values.
    performance = noise / noise.std(axis=0) + t / np.sqrt(400)
    draws = resampled_means(KEY, performance, 1.0, 2000) - performance.mean(axis=0)
    one_step = np.quantile(np.sqrt(400) * draws.max(axis=1), 0.95)
    assert one_step > 2.6
    assert stats.step_m(KEY, performance, 1.0, 2000).all()


def test_a_copy_of_the_benchmark_is_never_superior(models):
    performance = models.copy()
    performance[:, 2] = 0.0
    without = np.delete(models, 2, axis=1)
    assert not stats.step_m(KEY, performance, 3.0, 500)[2]
    assert stats.superior_predictive_ability(
        KEY, performance, 3.0, 500
    ) == stats.superior_predictive_ability(KEY, without, 3.0, 500)
    nothing = np.zeros((50, 3))
    assert stats.superior_predictive_ability(KEY, nothing, 3.0, 500) == 1.0
    assert not stats.step_m(KEY, nothing, 3.0, 500).any()


def test_all_worse_is_p_of_one(models):
    p = stats.superior_predictive_ability(KEY, models - 3.0, 3.0, 500)
    assert p == 1.0


@pytest.mark.parametrize(
    "performance, message",
    [
        (np.zeros(10), r"want performance \[T, M\]"),
        (np.zeros((2, 3)), "at least 3 periods and one model"),
        (np.zeros((9, 0)), "at least 3 periods and one model"),
        (np.full((9, 2), [0.0, 0.1]), r"performance\[:, 1\] is 0.1 in every period"),
        (np.full((9, 2), [0.0, np.nan]), r"performance\[0, 1\] = nan"),
    ],
)
@pytest.mark.parametrize("test", [stats.superior_predictive_ability, stats.step_m])
def test_what_cannot_be_tested_is_refused(test, performance, message):
    with pytest.raises(ValueError, match=message):
        test(KEY, performance, 2.0, 100)


def test_size_is_a_share(models):
    with pytest.raises(ValueError, match="size must lie between 0 and 1, got 5"):
        stats.step_m(KEY, models, 2.0, 100, size=5)


def rejections(num_simulations, num_draws):
    """Returns how often SPA and StepM find one of ten models that are no better."""
    rng = np.random.default_rng(3)
    found = []
    for seed in range(num_simulations):
        performance = rng.normal(size=(250, 10)) * np.linspace(1, 5, 10)
        key = jax.random.key(seed)
        p = stats.superior_predictive_ability(key, performance, 2.0, num_draws)
        survivors = stats.step_m(key, performance, 2.0, num_draws)
        found.append([p < 0.05, survivors.any()])
    return np.mean(found, axis=0)


def test_size_under_the_null():
    # Three standard errors of 200 simulations about 5%.
    assert (rejections(200, 200) <= 0.05 + 3 * 0.0154).all()


@pytest.mark.slow
def test_size_under_the_null_in_full():
    rates = rejections(1000, 400)
    assert (rates >= 0.03).all() and (rates <= 0.08).all()
