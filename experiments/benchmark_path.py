"""What a path step costs beside a row step, and how noisy each kind of credit is.

    python experiments/benchmark_path.py
    python experiments/benchmark_path.py --repeats=9

1. Seconds for each row and step: pairwise reinforcement on rows, of two theses each,
   and of the trader on paths, of two paths each and one to compare them by.
2. Variance of one sampled gradient of a book's reward, by the kind of credit and the
   number of names, in units of that with leave-one-out.

Times are medians over repeats that take turns, compiled before.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from ml_collections import FrozenConfigDict  # noqa: E402

from experiments import benchmark_backtest, planted, rft_path  # noqa: E402
from experiments.shell import make_parser, run_from_shell  # noqa: E402
from thesis_rl import (  # noqa: E402
    credit,
    experiment,
    orders,
    paths,
    preprocess,
    rft,
    trader,
    training,
)

NUM_STEPS = 50
NAMES = (5, 20, 80)
NUM_DRAWS = 400


def make_config(num_names: int = 20, **path) -> FrozenConfigDict:
    """Returns the PLANTED experiment with a trader."""
    config = planted.get_config()
    config.data.synthetic.update(num_names=num_names, num_days=1800)
    config.path = rft_path.get_config().path
    config.path.update(path)
    config.rft.num_steps = config.path.num_steps = NUM_STEPS
    return FrozenConfigDict(config)


def time_steps(repeats: int) -> None:
    """Prints what a row costs, as a thesis and on a path."""
    config = make_config()
    prepared = experiment.prepare(config)
    panel, market = prepared.dataset.panel, prepared.dataset.market
    fold = jax.tree.map(lambda x: jnp.asarray(x[0]), prepared.folds)
    key = jax.random.key(0)
    scaler = preprocess.fit(panel, fold, config.labels)
    params = training.initialise(key, panel, config)
    positions = jax.random.uniform(key, market.returns.shape, minval=-1.0)
    by_row = jax.jit(lambda: rft.fit(key, params, panel, scaler, fold, config))
    by_path = jax.jit(
        lambda: trader.fit(key, positions, market, fold.train_stop, config)
    )
    names, stage = market.returns.shape[1], config.path
    rows = config.rft.batch_days * names, stage.num_paths * stage.num_days * names
    spent = benchmark_backtest.seconds([by_row, by_path], repeats)
    each = [1e6 * t / (n * NUM_STEPS) for t, n in zip(spent, rows, strict=True)]
    print(f"A row step: {each[0]:.3f} µs a row. A path step: {each[1]:.3f} µs a row.")
    print(f"A path step costs {each[1] / each[0]:.2f} times a row step, row by row.")


def gradients(num_names: int, kind: str) -> np.ndarray:
    """Samples the gradient of one stretch's book reward, [NUM_DRAWS, 2]."""
    config = make_config(num_names, reward="book", credit=kind)
    stage, market = config.path, experiment.prepare(config).dataset.market
    market = jax.tree.map(lambda x: x[: stage.num_days], market)
    rng = np.random.default_rng(0)
    held = jnp.asarray(rng.normal(0, 0.5, market.returns.shape), jnp.float32)
    weights, _ = orders.aims(held, jnp.ones(()), market, config)
    rule = {"logit": jnp.float32(stage.logit), "slope": jnp.float32(stage.slope)}
    stretch = jax.tree.map(lambda x: x[None], (weights, paths.hedged(market, config)))
    shape = (1, stage.num_samples, *weights.shape)

    def one(key):
        noise = stage.exploration * jax.random.normal(key, shape)
        grad = jax.grad(trader.sampled_loss, has_aux=True)
        return jnp.stack(jax.tree.leaves(grad(rule, noise, *stretch, config)[0]))

    return np.asarray(
        jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(1), NUM_DRAWS))
    )


def compare_credits() -> None:
    """Prints the variance of each kind of credit, as the number of names grows."""
    print("Variance of a sampled gradient, leave_one_out = 1:")
    for num_names in NAMES:
        spread = {kind: gradients(num_names, kind).var(0) for kind in credit.CREDITS}
        ratio = {k: np.mean(v / spread["leave_one_out"]) for k, v in spread.items()}
        listed = ", ".join(f"{kind} {value:.1f}" for kind, value in ratio.items())
        print(f"  {num_names} names: {listed}")


def main(argv: list[str]) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="timed calls of each")
    time_steps(parser.parse_args(argv).repeats)
    compare_credits()


if __name__ == "__main__":
    run_from_shell(main)
