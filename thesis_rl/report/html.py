"""The report as one HTML file that needs nothing else: no network, no scripts."""

import json
from collections.abc import Mapping

import jinja2
import numpy as np
from markupsafe import Markup

from thesis_rl.experiment import Result
from thesis_rl.report import book_plots, canvas, policy_plots, tables, timeline, wording
from thesis_rl.report.columns import COLUMNS, lines, percent, ratio

TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("thesis_rl", "report"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["words"] = wording.words
TEMPLATES.filters["minus"] = lambda number: number.replace("-", "−")


def page(result: Result, summary: dict) -> str:
    """Writes the report as HTML.

    Args:
      result: as run; figures are drawn from its arrays.
      summary: every number that is printed.

    Returns:
      The file's text.
    """
    experiment = result.experiment
    return TEMPLATES.get_template("report.html.j2").render(
        summary=summary,
        title=wording.title(summary),
        method=method(result),
        headline={
            "sharpe": ratio(summary["headline"]["sharpe"]),
            "interval": [ratio(x) for x in summary["headline"]["interval"]],
            "detectable": ratio(summary["headline"]["detectable_sharpe"]),
            "verdict": wording.verdict(summary),
            "power": wording.power(summary),
        },
        volatility={
            name: percent(summary["strategies"][name]["net"]["volatility"])
            for name in ("ensemble", "equal_weight")
        },
        columns=COLUMNS,
        lines=lines(summary),
        fold_titles=tables.FOLD_TITLES,
        folds=wording.folds(summary),
        quality_columns=wording.QUALITY.values(),
        quality=wording.quality(summary),
        stages={
            stage: canvas.VARIABLES[policy_plots.STAGE_COLOURS.get(stage, canvas.MUTED)]
            for stage in wording.in_order(result.outcome.metrics)
        },
        written=wording.written(summary),
        data=wording.data(summary),
        masked=wording.masked(summary),
        provenance=wording.provenance(summary),
        config=flatten(summary.get("config") or experiment.config.to_dict()),
        figures=figures(result, summary),
    )


def figures(result: Result, summary: dict) -> dict[str, Markup | None]:
    """Draws every figure, by name."""
    config, dataset, folds, _ = result.experiment
    days = slice(int(folds.test_start[0]), int(folds.test_stop[-1]))
    dates, books, theses = dataset.dates[days], result.books, result.theses
    quoted, truth, known = (
        np.asarray(x)[days]
        for x in (dataset.market.tradable, dataset.panel.truth, dataset.panel.known)
    )
    names = list(config.claims)
    return {
        "timeline": timeline.draw(result.experiment),
        "equity": book_plots.equity(books, dates),
        "equity_alone": book_plots.equity_alone(books, dates),
        "folds": book_plots.folds(summary["folds"]),
        "training": policy_plots.training(result.outcome.metrics),
        "decision_mix": policy_plots.decision_mix(theses.decision, quoted, dates),
        "exposure": book_plots.exposure(books["ensemble"], dates),
        "claims": policy_plots.claims(theses, truth, known, quoted, names),
    }


def method(result: Result) -> dict:
    """Gathers the run's true numbers for the account of what was tested."""
    config, dataset, folds, _ = result.experiment
    train_days = f"{folds.train_stop[0] - folds.train_start[0]:,}"
    return {
        "num_names": len(dataset.tickers),
        "num_folds": len(folds.test_start),
        "num_seeds": config.num_seeds,
        "train_days": train_days + " or more" * config.folds.expanding,
        "test_days": config.folds.test_days,
        "label_reach": dataset.label_reach,
        "embargo_days": config.folds.embargo_days,
        "hold_days": config.backtest.hold_days,
        "cost_bps": config.backtest.commission_bps + config.backtest.half_spread_bps,
        "steps": {"sft": config.sft.num_steps, "rft": config.rft.num_steps},
    }


def flatten(config: Mapping, prefix: str = "") -> list[tuple[str, str]]:
    """Lists a nested config as dotted keys, the way flags name them, and JSON."""
    listed = []
    for key, value in config.items():
        if isinstance(value, Mapping):
            listed += flatten(value, f"{prefix}{key}.")
        else:
            text = json.dumps(value, ensure_ascii=False, default=str)
            listed.append((f"{prefix}{key}", text))
    return listed
