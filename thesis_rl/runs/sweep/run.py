"""Many points of a sweep at once: one compiled program, one scored book each."""

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from thesis_rl.evaluation import inference
from thesis_rl.evaluation.books import (
    Book,
    check_solvent,
    is_hedged,
    make_benchmark,
    make_book,
    unseen,
)
from thesis_rl.runs import checkpoint, fingerprint
from thesis_rl.runs.saves import identity
from thesis_rl.runs.sweep.grid import Point
from thesis_rl.runs.sweep.program import Traded, train
from thesis_rl.trading.backtest import Ledger
from thesis_rl.trading.costs import line
from thesis_rl.walk_forward.experiment import Experiment
from thesis_rl.walk_forward.experiment import prepare as prepare_experiment

Say = Callable[[str], None]
POINTS_AT_A_TIME = 8  # As many are trained again after an interruption, at most.


class Tried(NamedTuple):
    """One point, scored as `runs.run.run` would score its ensemble."""

    point: Point
    experiment: Experiment  # With the point's config.
    book: Book | None  # None where it failed.
    headline: dict  # Of `inference.headline`; empty where it failed.
    predictions_sha256: str
    failure: str  # What went wrong, or "".

    @property
    def dates(self) -> pd.DatetimeIndex:
        """The out-of-sample dates, [T']."""
        return self.experiment.dataset.dates[unseen(self.experiment)]


def prepare(points: Sequence[Point]) -> list[tuple[Experiment, list[Point]]]:
    """Prepares every program that some points need.

    Args:
      points: of `grid.points`.

    Returns:
      A program's experiment, and the points that run in it.

    Raises:
      ValueError: the data of a point cannot run; says what and where.
      FileNotFoundError: a file is missing.
    """
    programs = {}
    for point in points:
        programs.setdefault(point.program, []).append(point)
    return [(prepare_experiment(c), shared) for c, shared in programs.items()]


def batches(points: Sequence[Point]) -> list[list[Point]]:
    """Cuts the points of one program where an interruption may fall.

    Returns:
      Lists of one length, so that they share a compiled program; the last is filled up
      with points that are in there already.
    """
    num_batches = -(-len(points) // POINTS_AT_A_TIME)
    length = -(-len(points) // num_batches)
    starts = range(0, len(points), length)
    return [[*points[i : i + length], *points[:length]][:length] for i in starts]


def run(
    experiment: Experiment, points: Sequence[Point], say: Say, saves: Path
) -> list[Tried]:
    """Runs the points of one program and scores them.

    Args:
      experiment: prepared from the config that the points share.
      points: of one program.
      say: told what is about to happen.
      saves: folder of what was trained before, where a batch is found again or saved.

    Returns:
      One a point, in their order.
    """
    config, dataset, folds, _ = experiment
    num_runs = len(points) * config.num_seeds * len(folds.test_start)
    plural = "s" if len(points) > 1 else ""
    say(f"Training {len(points)} point{plural} in one program: {num_runs} runs")
    same = identity(config.to_dict(), dataset, fingerprint.code_hash())
    done = []
    for batch in batches(points):
        named = json.dumps([same, [str(point.values) for point in batch]])
        file = saves / f"{hashlib.sha256(named.encode()).hexdigest()[:16]}.npz"
        if not file.is_file():
            save(file, train(experiment, batch))
            say(f"{min(len(done) + len(batch), len(points))} of {len(points)} trained")
        traded = load(file)
        for i, point in enumerate(batch[: len(points) - len(done)]):
            changed = experiment._replace(config=point.config)
            done.append(score(changed, point, line(traded, i)))
    return done


def save(file: Path, traded: Traded) -> None:
    """Keeps what training some points came to, in one step."""
    file.parent.mkdir(exist_ok=True)
    fields = traded._asdict()
    books = {k: fields[k]._asdict() for k in ("ledger", "equal_weight")}
    checkpoint.save(file, fields | books, {})


def load(file: Path) -> Traded:
    """Reads what `save` kept.

    Raises:
      CheckpointError: the file is damaged.
    """
    fields, _ = checkpoint.load(file)
    books = {k: Ledger(**fields[k]) for k in ("ledger", "equal_weight")}
    return Traded(**fields | books)


def score(experiment: Experiment, point: Point, traded: Traded) -> Tried:
    """Scores the ensemble of one point.

    Args:
      experiment: with the point's config.
      point: which.
      traded: of the point alone.

    Returns:
      The point; one that diverged or lost all its capital has no book and says so.
    """
    rules, dataset = experiment.config.backtest, experiment.dataset
    predictions = hashlib.sha256(traded.stated.tobytes()).hexdigest()
    failed = functools.partial(Tried, point, experiment, None, {}, predictions)
    if traded.broken:
        return failed(f"training diverged: {traded.broken} parameters are not finite")
    hedged = is_hedged(rules)
    benchmark = make_benchmark(
        dataset.market,
        int(experiment.folds.test_start[0]),
        traded.equal_weight,
        rules.fill_lag,
        rules.cash_rate,
    )
    book = make_book(traded.ledger, benchmark, hedged)
    try:
        check_solvent("ensemble", book, dataset.dates[unseen(experiment)])
    except ValueError as error:
        return failed(str(error))
    key = inference.key_for(experiment.config.seed, inference.HEADLINE)
    headline = inference.headline(key, book, rules.hold_days)
    return Tried(point, experiment, book, headline, predictions, "")


def daily_returns(tried: Tried) -> pd.DataFrame:
    """Tabulates the ensemble's returns as a run's folder does, a row a date."""
    fields = ("gross", "net", "headline_gross", "headline_net")
    columns = {f"ensemble.{field}": getattr(tried.book, field) for field in fields}
    return pd.DataFrame(columns, tried.dates)
