"""The size head: a density over positions, draws and means; and a run with it."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import small_problems
import small_run
from scipy import integrate, stats

from thesis_rl import config as config_lib
from thesis_rl import experiment, preprocess, record, run_folder, sft, sizing, training

PARAMS = [(0.0, -1.0), (0.6, -2.0), (-1.2, 0.0), (0.3, 0.5)]
SIZED = {"model.sizing": True}


def moments(mean, log_sd):
    """E[tanh u], E|tanh u| and E[tanh² u] by adaptive quadrature in float64."""
    law = stats.norm(mean, np.exp(log_sd))
    powers = (np.tanh, lambda u: abs(np.tanh(u)), lambda u: np.tanh(u) ** 2)
    low, high = law.ppf(1e-16), law.isf(1e-16)
    return [
        integrate.quad(lambda u, f=f: f(u) * law.pdf(u), low, high, points=[0.0])[0]
        for f in powers
    ]


@pytest.mark.parametrize("params", PARAMS)
def test_density_integrates_to_one_over_positions(params):
    # Chebyshev's nodes crowd where a squashed density may rise without bound.
    angle = (np.arange(4000) + 0.5) * np.pi / 4000
    grid = jnp.asarray(np.cos(angle), jnp.float32)
    log_p = jax.vmap(sizing.log_prob, in_axes=(None, 0))(jnp.array(params), grid)
    mass = np.exp(np.asarray(log_p, np.float64)) * np.sin(angle) * np.pi / 4000
    np.testing.assert_allclose(mass.sum(), 1.0, atol=2e-3)
    np.testing.assert_allclose(mass @ np.cos(angle), moments(*params)[0], atol=2e-3)


@pytest.mark.parametrize("params", PARAMS)
def test_means_stand_on_adaptive_quadrature(params):
    mean, size, _ = moments(*params)
    params = jnp.array(params)
    np.testing.assert_allclose(sizing.mean_position(params), mean, atol=1e-6)
    np.testing.assert_allclose(sizing.mean_size(params), size, atol=1e-6)


@pytest.mark.parametrize("params", PARAMS)
def test_draws_have_the_moments_of_the_density(params):
    grid = jnp.asarray((np.arange(20_000) + 0.5) / 20_000, jnp.float32)
    drawn = jax.vmap(sizing.from_uniform, in_axes=(0, None))(grid, jnp.array(params))
    found = np.asarray(drawn, np.float64)
    got = [found.mean(), abs(found).mean(), (found**2).mean()]
    np.testing.assert_allclose(got, moments(*params), atol=1e-4)
    assert np.all(np.diff(found) >= 0)
    np.testing.assert_allclose(np.median(found), np.tanh(params[0]), atol=1e-4)


def test_divergence_is_the_mean_log_ratio_of_positions():
    grid = jnp.asarray((np.arange(20_000) + 0.5) / 20_000, jnp.float32)
    one, other = jnp.array([0.4, -1.0]), jnp.array([-0.2, -0.5])
    drawn = jax.vmap(sizing.from_uniform, in_axes=(0, None))(grid, one)
    log_p, log_q = (
        jax.vmap(sizing.log_prob, in_axes=(None, 0))(x, drawn) for x in (one, other)
    )
    expected = np.mean(np.asarray(log_p - log_q, np.float64))
    np.testing.assert_allclose(sizing.kl(one, other), expected, rtol=2e-3)
    np.testing.assert_allclose(sizing.kl(one, one), 0.0, atol=1e-6)
    entropy = stats.norm(0.4, np.exp(-1.0)).entropy()
    np.testing.assert_allclose(sizing.entropy(one), entropy, rtol=1e-6)


@pytest.mark.parametrize("params", [(9.0, 9.0), (-30.0, -30.0), (0.0, 30.0)])
def test_extreme_parameters_stay_finite(params):
    params = jnp.array(params)
    positions = [sizing.from_uniform(jnp.array(u), params) for u in (0.0, 1 - 2**-24)]
    for position in (*positions, jnp.array(1.0), jnp.array(-1.0)):
        assert abs(position) <= 1
        found = jax.value_and_grad(sizing.log_prob)(params, position)
        chex.assert_tree_all_finite(found)
    for mean in (sizing.mean_position, sizing.mean_size):
        chex.assert_tree_all_finite(jax.value_and_grad(mean)(params))


def test_imitation_teaches_the_label_s_position():
    panel = small_problems.learnable_panel()
    steps = {"sft.num_steps": 60, "sft.peak_lr": 0.05, "sft.weight_decay": 0.0}
    config = small_problems.config(steps | SIZED)
    fold = small_problems.fold(0, 40, 45, 55)

    @functools.partial(jax.jit, static_argnames="config")
    def learn(key, panel, config):
        init_key, fit_key = jax.random.split(key)
        scaler = preprocess.fit(panel, fold, config.labels)
        params = training.initialise(init_key, panel, config)
        params, _ = sft.fit(fit_key, params, panel, scaler, fold, config)
        return training.predict(params, panel, scaler, 0, 40, config).size

    size = learn(jax.random.key(0), panel, config)
    assert jnp.corrcoef(size.ravel(), panel.payoff[:40].ravel())[0, 1] > 0.8


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"backtest.mapping": "sizes"}, "model.sizing is off"),
        (SIZED | {"path.num_steps": 5}, "path.num_steps is 5"),
    ],
)
def test_sizes_that_cannot_be_traded_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        config_lib.check(small_problems.config(changes))


def test_without_sizing_nothing_is_stated():
    config = small_problems.config()
    logits = sft.make_model(config).init_with_output(jax.random.key(0), jnp.zeros(8))
    assert logits[0].size is None and "size" not in logits[1]["params"]


@pytest.fixture(scope="module")
def run():
    changes = SIZED | {"backtest.mapping": "sizes"}
    config = training.with_changes(small_run.config(), changes)
    config_lib.check(config)
    return experiment.run(experiment.prepare(config))


def test_a_run_trades_its_sizes(run, tmp_path):
    summary, final = run.summary, run.final_stage
    assert summary["headline"]["mapping"] == "sizes"
    by_mapping = summary["strategies"]["ensemble"]["by_mapping"]
    assert set(by_mapping) == {"signs", "expected", "sizes"}
    weights = run.outcome.ledgers[final]
    assert np.any(weights["sizes"].weights != weights["expected"].weights)
    assert np.all(abs(run.forecasts[final].size) < 1)
    folder = run_folder.claim(tmp_path, run.experiment.config.to_dict())
    record.write_returns(run, folder)
    record.write(run, folder)
    table = pd.read_csv(folder / "decisions.csv")
    assert table["size"].between(-1, 1).all()
