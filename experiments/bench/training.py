"""A process that trains many runs of `rft.py`, and times it, on random rows.

    python experiments/bench/training.py "rft 8" "gemm 8" --size=yardstick

`run.py` starts it and asks. A measurement is rows a second; that of `gemm` is of rows
whose matrix products alone are done, on the same devices.
"""

import functools
import pathlib
import sys
import time
from collections.abc import Callable, Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from absl import flags  # noqa: E402
from ml_collections import FrozenConfigDict  # noqa: E402

from experiments import rft  # noqa: E402
from experiments.bench import process, roofline  # noqa: E402
from experiments.command import Command, run_from_shell  # noqa: E402
from thesis_rl.learning import network, preprocess  # noqa: E402
from thesis_rl.runs import machine  # noqa: E402
from thesis_rl.types import Fold, Panel  # noqa: E402
from thesis_rl.walk_forward import devices, train  # noqa: E402

NUM_NAMES = {"default": 20, "yardstick": 8}
NUM_FOLDS = 22


def make_config(size: str, num_steps: int) -> FrozenConfigDict:
    """Returns the main experiment, or one with the yardstick's sizes.

    Those are 7 features, a width of 64 and 256 rows a step.
    """
    config = rft.get_config()
    config.rft.num_steps = config.sft.num_steps = num_steps
    if size == "yardstick":
        config.features = config.features[:7]
        config.rft.batch_days = config.sft.batch_days = 32
    return FrozenConfigDict(config)


def random_panel(num_names: int, config: FrozenConfigDict) -> tuple[Panel, Fold]:
    """Draws rows without any meaning, and folds over them as a walk-forward has them.

    Args:
      num_names: N.
      config: the experiment's.

    Returns:
      A panel [T, N], and bounds [F].
    """
    rng = np.random.default_rng(0)
    train_days, test_days = config.folds.train_days, config.folds.test_days
    shape = train_days + NUM_FOLDS * test_days, num_names
    features = rng.normal(size=(*shape, len(config.features)))
    truth = rng.random((*shape, len(config.claims))) < 0.5
    start = np.arange(NUM_FOLDS, dtype=np.int32) * test_days
    stop = start + train_days
    panel = Panel(
        features=jnp.asarray(features, jnp.float32),
        available=jnp.ones(features.shape, bool),
        truth=jnp.asarray(truth),
        known=jnp.ones(truth.shape, bool),
        score=jnp.asarray(rng.random(shape), jnp.float32),
        payoff=jnp.asarray(rng.normal(size=shape), jnp.float32),
        labelled=jnp.ones(shape, bool),
    )
    bounds = Fold(start, stop, stop, stop + test_days)
    return panel, jax.tree.map(jnp.asarray, bounds)


def compile_training(
    stage: str, num_runs: int, panel: Panel, folds: Fold, config: FrozenConfigDict
) -> Callable[[], object]:
    """Compiles one stage of the training of many runs, shared out over all devices.

    Args:
      stage: sft or rft.
      num_runs: of folds and seeds together; all folds in turn.
      panel: all rows.
      folds: [F].
      config: the experiment's.

    Returns:
      A call that takes every step of the stage.
    """
    days = folds.trains_on(len(panel.score))
    scalers = preprocess.fit_all(panel, days, config.labels)
    index = jnp.arange(num_runs)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(config.seed), index)
    own = jax.tree.map(lambda x: x[index % NUM_FOLDS], (days, scalers))
    jobs, mesh = network.Job(keys, *own), devices.make_mesh()
    given = jobs, num_runs, devices.replicate(panel, mesh), config, mesh
    warm, _ = train.Program("sft", *given).begin(None)
    program = train.Program(stage, *given)
    params, state = program.begin(warm)
    jax.block_until_ready(program.advance(params, state, 0, 0))
    num_steps = network.settings(stage, config).num_steps
    return functools.partial(program.advance, params, state, 0, num_steps)


def measures(
    names: Sequence[str], num_steps: int, size: str
) -> tuple[process.Measures, dict]:
    """Compiles what is to be measured, and runs it once.

    Args:
      names: "rft 8" trains 8 runs by reinforcement, "sft 8" by imitation, "gemm 8"
        does the matrix products of either.
      num_steps: of a training.
      size: a key of `NUM_NAMES`.

    Returns:
      By name a call that measures rows a second; and what was found on the way.
    """
    config, num_names = make_config(size, num_steps), NUM_NAMES[size]
    panel, folds = random_panel(num_names, config)
    batch = num_names * config.rft.batch_days
    calls, compiling = {}, {}
    for name in names:
        stage, number = name.split()
        if stage == "gemm":
            calls[name] = roofline.compile_step(batch, int(number), config)
            continue
        started = time.perf_counter()
        call = compile_training(stage, int(number), panel, folds, config)
        compiling[name] = time.perf_counter() - started
        rows = int(number) * num_steps * batch
        calls[name] = functools.partial(rate, call, rows)
        calls[name]()
    facts = {
        "compile": compiling,
        "batch": batch,
        "flops_per_row": roofline.flops_per_row(config),
        "devices": len(jax.devices()),
        "platform": jax.default_backend(),
    }
    return calls, facts


def rate(call: Callable[[], object], rows: int) -> float:
    """Returns the rows a second of a call that works on so many."""
    return rows / roofline.seconds(call)


def declare(own: flags.FlagValues) -> None:
    """Declares the arguments beside the names."""
    flags.DEFINE_enum("size", "default", list(NUM_NAMES), "Of a step.", own)
    flags.DEFINE_integer("steps", 50, "Of a training.", flag_values=own)
    flags.DEFINE_bool("keep_compiled", False, "Also use what was compiled before.", own)


def main(given: flags.FlagValues, *names: str) -> None:
    """Answers until nobody asks any more."""
    machine.use_every_core()
    if given.keep_compiled:
        machine.keep_compiled_programs()
    process.serve(lambda: measures(names, given.steps, given.size))


COMMAND = Command(__doc__, declare, main, takes_words=True)

if __name__ == "__main__":
    run_from_shell(COMMAND)
