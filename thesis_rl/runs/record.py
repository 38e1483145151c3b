"""A run's folder: everything a reader, an auditor or a later program needs."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from thesis_rl import files
from thesis_rl.data import citations
from thesis_rl.data.panel import Dataset
from thesis_rl.evaluation import audit, books
from thesis_rl.evaluation.judge import Result
from thesis_rl.learning.calibration import Calibrator, Scaling
from thesis_rl.runs import checkpoint
from thesis_rl.thesis import Row, ThesisError, generate_thesis, to_markdown
from thesis_rl.thesis.schema import SCHEMA_VERSION
from thesis_rl.thesis.vocabulary import DECISION_LABELS, expected_position
from thesis_rl.walk_forward.experiment import Experiment

DAYS_A_PART = 64  # Of a table that is written part by part.


def write(result: Result, workdir: Path) -> dict:
    """Writes all but returns and reports, each file whole or not at all.

    Args:
      result: as run.
      workdir: of `folder.claim`.

    Returns:
      As `write_theses`.

    Raises:
      OSError: the disk is full or the folder is not writable.
    """
    write_checkpoint(result, workdir / "checkpoint.npz")
    files.write_text(workdir / "metrics.jsonl", metrics_lines(result))
    for name, tabulate in {"weights": weights, "decisions": decisions}.items():
        files.write_parts(workdir / f"{name}.csv", csv_parts(result, tabulate))
    return write_theses(result, workdir)


def write_checkpoint(result: Result, path: Path) -> None:
    """Saves parameters, scalers and all that is needed to read them."""
    experiment, outcome = result.experiment, result.outcome
    arrays = {
        "params": outcome.params,
        "scalers": outcome.scalers._asdict(),
        "calibrators": calibrator_arrays(outcome.calibrators),
    }
    checkpoint.save(path, arrays, checkpoint_meta(experiment))


def calibrator_arrays(calibrators: Calibrator) -> dict:
    """Names the arrays of calibrators [F + 1], as a checkpoint nests them."""
    fields = calibrators._asdict()
    return {k: v._asdict() if isinstance(v, Scaling) else v for k, v in fields.items()}


def checkpoint_meta(experiment: Experiment) -> dict:
    """Says what the arrays of a checkpoint mean: config, names and dates."""
    dataset, dates = experiment.dataset, experiment.dataset.dates
    day = lambda i: str(dates[i].date())  # noqa: E731
    return {
        "schema_version": SCHEMA_VERSION,
        "config": experiment.config.to_dict(),
        "claims": list(experiment.config.claims),
        "feature_names": dataset.feature_names,
        "tickers": dataset.tickers,
        "last_day": day(-1),
        "folds": [
            {
                "train": [day(fold[0]), day(fold[1] - 1)],
                "test": [day(fold[2]), day(fold[3] - 1)],
                "final": i == len(experiment.folds.test_start),
            }
            for i, fold in enumerate(zip(*experiment.all_folds, strict=True))
        ],
    }


def metrics_lines(result: Result) -> str:
    """Returns one JSON line a training step: means and spreads over all runs."""
    lines = []
    for stage, curves in result.outcome.metrics.items():
        num_steps = next(iter(curves.values())).shape[-1]
        mean = {k: v.mean((0, 1)) for k, v in curves.items()}
        spread = {f"{k}_sd": v.std((0, 1)) for k, v in curves.items()}
        for step in range(num_steps):
            values = {k: float(v[step]) for k, v in (mean | spread).items()}
            lines.append(files.to_json({"stage": stage, "step": step} | values))
    return "".join(f"{line}\n" for line in lines)


def unseen_dates(result: Result) -> pd.DatetimeIndex:
    """Returns the out-of-sample dates, [T']."""
    experiment = result.experiment
    return experiment.dataset.dates[books.unseen(experiment)]


def write_returns(result: Result, workdir: Path) -> None:
    """Writes `daily_returns.csv`; arguments as in `write`."""
    files.write_text(workdir / "daily_returns.csv", csv_text(daily_returns(result)))


def csv_text(table: pd.DataFrame, header: bool = True) -> str:
    """Writes a table as pandas would, in a tenth of its time.

    Args:
      table: of dates, texts and floats, under one index or several.
      header: whether the columns are named in a first line.

    Returns:
      CSV: dates as ISO days, numbers to eight digits, NaN as nothing.
    """
    levels = [table.index.get_level_values(i) for i in range(table.index.nlevels)]
    columns = [cells(x.to_numpy()) for x in (*levels, *(c for _, c in table.items()))]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    if header:
        rows.writerow([*(name or "" for name in table.index.names), *table.columns])
    rows.writerows(zip(*columns, strict=True))
    return text.getvalue()


def cells(column: np.ndarray) -> list[str]:
    """Prints a column of `csv_text`."""
    if column.dtype.kind == "M":
        return np.datetime_as_string(column.astype("datetime64[D]")).tolist()
    if column.dtype.kind != "f":
        return column.tolist()
    return ["" if x != x else f"{x:.8g}" for x in column.tolist()]


def daily_returns(result: Result) -> pd.DataFrame:
    """Tabulates gross, net and headline returns of every book, a row a date."""
    named = result.books | {f"seed_{i}": b for i, b in enumerate(result.seed_books)}
    columns = {
        f"{name}.{field}": getattr(book, field)
        for name, book in named.items()
        for field in ("gross", "net", "headline_gross", "headline_net")
    }
    return pd.DataFrame(columns, unseen_dates(result))


def csv_parts(
    result: Result, tabulate: Callable[[Result, slice], pd.DataFrame]
) -> Iterator[bytes]:
    """Writes a table of all unseen days as CSV, a few days at a time."""
    for first in range(0, len(unseen_dates(result)), DAYS_A_PART):
        table = tabulate(result, slice(first, first + DAYS_A_PART))
        yield csv_text(table, header=first == 0).encode()


def weights(result: Result, days: slice = slice(None)) -> pd.DataFrame:
    """Tabulates the weights that the ensemble held, a row a date of unseen days."""
    mapping = result.experiment.config.backtest.mapping
    held = result.outcome.ledgers[result.final_stage][mapping].weights[-1]
    dates, tickers = unseen_dates(result), result.experiment.dataset.tickers
    return pd.DataFrame(held[days], dates[days], tickers)


def decisions(result: Result, days: slice = slice(None)) -> pd.DataFrame:
    """Tabulates the ensemble's decisions, a row a date and ticker of unseen days."""
    dataset, dates = result.experiment.dataset, unseen_dates(result)[days]
    forecasts = result.forecasts[result.final_stage]
    probabilities = forecasts.decision[days]
    quoted = dataset.close.loc[dates].notna().to_numpy()
    index = pd.MultiIndex.from_product(
        [dates, dataset.tickers], names=["date", "ticker"]
    )
    table = pd.DataFrame(
        probabilities.reshape(-1, len(DECISION_LABELS)),
        index,
        [f"p_{label}" for label in DECISION_LABELS],
    )
    labels = np.take(DECISION_LABELS, result.theses.decision[days].ravel())
    table.insert(0, "decision", labels)
    table.insert(1, "position", expected_position(probabilities).ravel())
    return table[quoted.ravel()]


NUM_MARKDOWN = 3  # Theses written out as pages of their own.


def row_of(
    dataset: Dataset,
    config,
    day: int,
    name: int,
    sections: np.ndarray,
    claims: np.ndarray,
    probabilities: np.ndarray,
    confidence: float,
) -> Row:
    """Gathers what rendering needs about one (day, name)."""
    features, available, truth, known = (
        np.asarray(x[day, name])
        for x in (
            dataset.panel.features,
            dataset.panel.available,
            dataset.panel.truth,
            dataset.panel.known,
        )
    )
    return Row(
        ticker=dataset.tickers[name],
        as_of=str(dataset.dates[day].date()),
        sections=sections,
        claims=claims,
        probabilities=probabilities,
        confidence=float(confidence),
        features={
            feature: float(x) if seen else None
            for feature, x, seen in zip(
                dataset.feature_names, features, available, strict=True
            )
        },
        truth=truth,
        known=known,
        source=dataset.report["description"],
        horizons=tuple(config.labels.horizons),
        citations=_cited(dataset, config, day, name, available),
    )


def _cited(
    dataset: Dataset, config, day: int, name: int, available: np.ndarray
) -> dict[str, list[dict]] | None:
    """Cites what each feature in a claim rests on; None for a simulated market."""
    if dataset.report["synthetic"]:
        return None
    seen = {f for f, has in zip(dataset.feature_names, available, strict=True) if has}
    asked = {f for rule in config.claims.values() for f, _, _ in rule["conditions"]}
    return citations.of_row(dataset.evidence, sorted(asked & seen), day, name)


def write_theses(result: Result, workdir: Path) -> dict:
    """Writes the ensemble's theses of every `thesis_stride`-th unseen day.

    What the schema refuses is repaired, and says so; a row without any evidence has
    no thesis.

    Args:
      result: as run.
      workdir: the run's folder.

    Returns:
      Counts: written, repaired, without_evidence, stride_days; and evidence, what
      `audit.verify` found, None for a simulated market.
    """
    config, dataset, folds, _ = result.experiment
    stride = config.report.thesis_stride
    host = dataset._replace(panel=type(dataset.panel)(*map(np.asarray, dataset.panel)))
    rules = {claim: dict(rule) for claim, rule in config.claims.items()}
    num_days = result.theses.decision.shape[0]
    theses, missing = [], 0
    for i in range(0, num_days, stride):
        day = folds.test_start[0] + i
        for name in np.flatnonzero(np.asarray(dataset.market.eligible[day])):
            row = row_of(
                host,
                config,
                day,
                name,
                result.theses.sections[i, name],
                result.theses.claims[i, name],
                result.forecasts[result.final_stage].decision[i, name],
                result.confidence[i, name],
            )
            try:
                theses.append(generate_thesis(row, rules, repair=True))
            except ThesisError:
                missing += 1
    lines = "".join(f"{files.to_json(thesis)}\n" for thesis in theses)
    files.write_text(workdir / "theses.jsonl", lines)
    (workdir / "theses").mkdir(exist_ok=True)
    for thesis in theses[-NUM_MARKDOWN:]:
        page = f"{thesis['ticker']}-{thesis['as_of']}.md"
        files.write_text(workdir / "theses" / page, to_markdown(thesis))
    return {
        "written": len(theses),
        "repaired": sum(bool(thesis["repairs"]) for thesis in theses),
        "without_evidence": missing,
        "stride_days": stride,
        "evidence": None
        if dataset.report["synthetic"]
        else audit.verify(theses, config),
    }
