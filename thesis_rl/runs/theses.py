"""The theses of a run, written out with what they rest on."""

from pathlib import Path

import numpy as np

from thesis_rl import files
from thesis_rl.data import citations
from thesis_rl.data.panel import Dataset
from thesis_rl.evaluation import audit
from thesis_rl.evaluation.judge import Result
from thesis_rl.thesis import Row, ThesisError, generate_thesis, to_markdown

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


def write(result: Result, workdir: Path) -> dict:
    """Writes the ensemble's theses of every `thesis_stride`-th unseen day.

    What the schema refuses is repaired, and says so; a row without any evidence has
    no thesis.

    Args:
      result: as run.
      workdir: the run's folder.

    Returns:
      Counts: written, repaired, without_evidence, stride_days; and evidence, what
      `verification.verify` found, None for a simulated market.
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
