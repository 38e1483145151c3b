"""What is known before anything is trained: data, folds, baselines, all checked."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import FrozenConfigDict

from thesis_rl.data.panel import Dataset, build
from thesis_rl.trading import portfolio
from thesis_rl.types import Fold
from thesis_rl.walk_forward import baselines, combinatorial, program
from thesis_rl.walk_forward import folds as folds_lib
from thesis_rl.walk_forward.check import check
from thesis_rl.walk_forward.program import Windows

MAX_SMOKE_DAYS = 126


class Experiment(NamedTuple):
    """What is known before anything is trained."""

    config: FrozenConfigDict
    dataset: Dataset
    folds: Fold  # [F]; the final model's window is not among them.
    baselines: dict[str, np.ndarray]  # positions [T', N].

    @property
    def all_folds(self) -> Fold:
        """The folds, and last the final model's window, [F + 1]."""
        return program.with_final_fold(
            self.folds,
            len(self.dataset.dates),
            label_horizon=self.dataset.label_reach,
            expanding=self.config.folds.expanding,
        )

    @property
    def windows(self) -> Windows:
        """Which days train and which are judged, in every role."""
        return make_windows(
            self.all_folds,
            len(self.dataset.dates),
            self.dataset.label_reach,
            self.config,
        )


def prepare(
    config: FrozenConfigDict, say: Callable[[str], None] = lambda text: None
) -> Experiment:
    """Checks a config, builds its data set and cuts it into folds.

    Args:
      config: the experiment's.
      say: told what is about to happen.

    Returns:
      The experiment, ready to run.

    Raises:
      ValueError: something in the config or the data is wrong; says what and where.
      FileNotFoundError: a file is missing.
    """
    check(config)
    dataset = build(config, say)
    folds = program.make_folds(
        len(dataset.dates),
        label_horizon=dataset.label_reach,
        **config.folds,
    )
    if len(dataset.tickers) == 1 and config.backtest.book in portfolio.NEUTRAL_BOOKS:
        raise ValueError(
            f"the universe is {dataset.tickers[0]} alone, and a neutral book of one "
            "name holds nothing; set config.backtest.book=long_short"
        )
    if config.backtest.fill == "open" and dataset.market.open_to_close is None:
        raise ValueError(
            "config.backtest.fill is open, but the prices of "
            f"config.data.source={config.data.source} have no open; set it to close"
        )
    num_unseen = int(folds.test_stop[-1] - folds.test_start[0])
    if config.size == "smoke" and num_unseen > MAX_SMOKE_DAYS:
        raise ValueError(
            f"config.size is smoke, which no ledger counts, but {num_unseen:,} days "
            f"would be judged; a smoke run judges {MAX_SMOKE_DAYS} at most, so set "
            "config.size=full"
        )
    positions = baselines.positions(dataset, folds)
    for name in config.baselines:
        positions[name] = baselines.walk_forward_classifier(
            dataset.panel, folds, baselines.LEARNED[name], config
        )
    prepared = Experiment(config, dataset, folds, positions)
    windows = prepared.windows
    for bounds in (windows.folds, windows.held_out):
        check_training_rows(dataset, bounds)
    check_calibration_rows(dataset, windows.held_out)
    return prepared


def make_windows(
    folds: Fold, num_days: int, label_horizon: int, config: FrozenConfigDict
) -> Windows:
    """Lays out calibration and cross-validation beside the folds.

    Args:
      folds: [F + 1], the final model's window last.
      num_days: T.
      label_horizon: sessions that a label looks ahead.
      config: the experiment's.

    Returns:
      The windows.

    Raises:
      ValueError: a fold or a split has no day to train on.
    """
    embargo = config.folds.embargo_days
    held_out = folds_lib.held_out(
        folds,
        program.calibration_days(config),
        label_horizon=label_horizon,
        embargo_days=embargo,
    )
    combination = None
    if config.combinatorial.num_groups:
        combination = combinatorial.combine(
            folds_lib.combinatorial_folds(
                num_days,
                num_groups=config.combinatorial.num_groups,
                num_test_groups=combinatorial.NUM_TEST_GROUPS,
                label_horizon=label_horizon,
                embargo_days=embargo,
            )
        )
    lead = None
    if config.pace.rule != "sleeves":
        lead = np.arange(held_out.test_start[0], folds.test_start[0], dtype=np.int32)
    return Windows(folds, held_out, combination, lead)


def check_training_rows(dataset: Dataset, folds: Fold) -> None:
    """Raises a ValueError that names the first fold with nothing to train on."""
    labelled = np.asarray(dataset.panel.labelled)
    seen = np.asarray(dataset.panel.available).any(axis=-1)
    for start, stop in zip(folds.train_start, folds.train_stop, strict=True):
        if not (labelled & seen)[start:stop].any():
            first, last = dataset.dates[start], dataset.dates[stop - 1]
            raise ValueError(
                f"the fold that trains from {first.date()} to {last.date()} has no row "
                "with a label and a feature; widen config.data.start and end, or "
                "lengthen config.folds.train_days"
            )


def check_calibration_rows(dataset: Dataset, held_out: Fold) -> None:
    """Raises a ValueError that names the first fold with nothing to calibrate on."""
    labelled = np.asarray(dataset.panel.labelled)
    for start, stop in zip(held_out.test_start, held_out.test_stop, strict=True):
        if not labelled[start:stop].any():
            first, last = dataset.dates[start], dataset.dates[stop - 1]
            raise ValueError(
                f"no row has a label from {first.date()} to {last.date()}, training "
                "days that are kept apart to calibrate on; raise "
                "config.calibration.share, or widen config.data.start and end"
            )


def arguments(experiment: Experiment) -> tuple:
    """Returns what `program.run` takes, but for the config."""
    config, dataset, _, others = experiment
    return (
        jax.random.key(config.seed),
        dataset.panel,
        dataset.market,
        jax.tree.map(jnp.asarray, experiment.windows),
        jnp.stack([jnp.asarray(x, jnp.float32) for x in others.values()]),
    )
