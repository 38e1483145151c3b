"""One experiment on the host: run its programs, and score what they traded."""

import time
from collections.abc import Callable

import jax
import numpy as np

from thesis_rl.evaluation import judge
from thesis_rl.evaluation.judge import Result
from thesis_rl.learning import network
from thesis_rl.runs.saves import Follower, Saves, Standing
from thesis_rl.walk_forward import program
from thesis_rl.walk_forward.experiment import Experiment, arguments
from thesis_rl.walk_forward.program import Outcome

Say = Callable[[str], None]
Tell = Callable[[Standing], None]


def execute(
    experiment: Experiment,
    say: Say = lambda text: None,
    tell: Tell = lambda standing: None,
    saves: Saves | None = None,
    save_seconds: float = 60.0,
) -> tuple[Outcome, dict[str, float]]:
    """Compiles and runs the programs of one experiment.

    Args:
      experiment: as prepared.
      say: told what is about to happen.
      tell: told how far the training is.
      saves: where it is saved, and goes on from; None saves nothing.
      save_seconds: between two saves.

    Returns:
      The outcome as NumPy arrays, and seconds spent compiling, training, and
      predicting and trading.
    """
    given, config = arguments(experiment), experiment.config
    num_folds = len(experiment.folds.test_start)
    num_runs = config.num_seeds * (num_folds + 1)
    num_names = len(experiment.dataset.tickers)
    say(
        f"Compiling, then training {num_runs} runs: {num_folds} folds and a final "
        f"model, {config.num_seeds} seeds each"
    )

    def rows_per_step(stage: str) -> int:
        return network.settings(stage, config).batch_days * num_names

    started = time.perf_counter()
    follower = Follower(rows_per_step, tell, saves, save_seconds)
    outcome = program.run(*given, config, follower)
    outcome = jax.tree.map(np.asarray, outcome)
    _check_finite(outcome.params)
    seconds = follower.seconds
    total = time.perf_counter() - started
    return outcome, seconds | {"predict_trade": total - sum(seconds.values())}


def _check_finite(params: dict) -> None:
    for stage in sorted(params, key=lambda stage: stage != "sft"):
        leaves = jax.tree.leaves(params[stage])
        bad = sum(np.size(x) - np.isfinite(x).sum() for x in leaves)
        if bad:
            raise ValueError(
                f"training diverged: {bad} parameters after {stage} are not finite; "
                f"lower config.{'sft' if stage == 'sft' else 'rft'}.peak_lr"
            )


def run(experiment: Experiment, say: Say = lambda text: None) -> Result:
    """Runs an experiment and scores everything it traded.

    Args:
      experiment: as prepared.
      say: told what is about to happen.

    Returns:
      The result.
    """
    return judge.judge(experiment, *execute(experiment, say), say)
