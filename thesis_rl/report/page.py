"""The report as one HTML file that needs nothing else: no network, no scripts."""

import json
import re
from collections.abc import Mapping

import jinja2
import numpy as np
from markupsafe import Markup

from thesis_rl import configs
from thesis_rl.evaluation.books import unseen
from thesis_rl.evaluation.judge import Result
from thesis_rl.report import how, assumptions, audit, book_plots, canvas, costs, headline as headline_lib, forecast_plots, calibration, markdown, learning, regime_plots, regimes, risk_plots, sheet, baselines, timeline, wording
from thesis_rl.report.numbers import interval, percent, probability, ratio
from thesis_rl.report.sheet import Sheet

MINUS = re.compile(r"(?<![\w.])-(?=\d)")  # Not the hyphen of a date or a range.
TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("thesis_rl", "report"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["words"] = wording.words
TEMPLATES.filters["minus"] = lambda text: MINUS.sub("−", text)


def html(result: Result, summary: dict) -> str:
    """Writes the report as HTML.

    Args:
      result: as run; figures are drawn from its arrays.
      summary: every number that is printed, and the config.

    Returns:
      The file's text.
    """
    return TEMPLATES.get_template("report.html.j2").render(
        summary=summary,
        title=wording.title(summary),
        said=sentences(summary),
        cards=cards(summary),
        tables=tables(summary),
        facts_of={
            "book": assumptions.book_rules(summary),
            "data": wording.data_facts(summary),
            "provenance": wording.provenance(summary),
        },
        glossary=sheet.glossary(markdown.sheets(summary)),
        stages={
            stage: canvas.VARIABLES[colour]
            for stage, colour in learning.colours(result.outcome.metrics).items()
        },
        config=config_lines(summary["config"]),
        figures=figures(result, summary),
    )


def sentences(summary: dict) -> dict[str, str | list[str]]:
    """Gathers everything that is said in words, by name."""
    held, market = (
        percent(summary["strategies"][name]["net"]["volatility"])
        for name in ("ensemble", "equal_weight")
    )
    return {
        "account": how.account(summary),
        "warnings": assumptions.warnings(summary),
        "verdict": wording.verdict(summary),
        "power": wording.power(summary),
        "survives": headline_lib.survives(summary),
        "ledger": headline_lib.ledger(summary),
        "superiority": baselines.superiority(summary),
        "many": baselines.MANY,
        "volatility": (
            f"Net of costs. The ensemble's volatility is {held} a year, that of equal "
            f"weight {market}: compare Sharpe ratios, not heights."
        ),
        "break_even": costs.break_even(summary),
        "capacity_off": costs.capacity_off(summary),
        "not_earnable": regimes.NOT_EARNABLE,
        "calibrated": calibration.calibrated(summary),
        "written": wording.written(summary),
        "audit": audit.audit_problems(summary),
    }


def cards(summary: dict) -> list[tuple[str, str]]:
    """Picks the numbers to be read first."""
    headline, trials = summary["headline"], summary.get("trials")
    shown = [
        ("Net headline Sharpe", ratio(headline["sharpe"])),
        ("95% interval", interval(headline["interval"])),
        ("Probabilistic Sharpe ratio", probability(headline["psr"])),
    ]
    if trials:
        counted = wording.plural(trials["num_trials"], "trial")
        label = f"Deflated, {'no trial' if trials['excuse'] else counted}"
        shown.append((label, probability(trials["dsr"])))
    return shown


def tables(summary: dict) -> dict[str, Sheet | None]:
    """Gathers every table, by name."""
    return {
        "assumptions": assumptions.assumptions_table(summary),
        "evidence": headline_lib.evidence_table(summary),
        "siblings": headline_lib.siblings(summary),
        "strategies": baselines.main(summary),
        "other_mappings": baselines.other_mappings(summary),
        "signs": baselines.signs(summary),
        "controlled": baselines.controlled(summary),
        "paid": costs.items(summary),
        "sweep": costs.sweep(summary),
        "capacity": costs.capacity(summary),
        "years": regimes.by_year(summary),
        "market": regimes.by_market(summary),
        "folds": regimes.folds(summary),
        "worst": regimes.worst(summary),
        "paths": regimes.paths(summary),
        "calibration": calibration.calibration(summary),
        "rank_ic": calibration.rank_ic(summary),
        "claims": calibration.claims(summary),
        "audit": audit.audit_table(summary),
        "masked": wording.masked(summary),
    }


def figures(result: Result, summary: dict) -> dict[str, Markup | None]:
    """Draws every figure, by name."""
    config, dataset, _, _ = result.experiment
    days = unseen(result.experiment)
    dates, books, theses = dataset.dates[days], result.books, result.theses
    quoted, truth, known = (
        np.asarray(x)[days]
        for x in (dataset.market.eligible, dataset.panel.truth, dataset.panel.known)
    )
    rules, paths = config.backtest, summary["paths"]
    charged = rules.commission_bps + rules.half_spread_bps
    compared = baselines.without_signs(summary["comparisons"])
    return {
        "timeline": timeline.draw_timeline(result.experiment),
        "equity": book_plots.draw_equity(books, dates),
        "equity_alone": book_plots.draw_equity_alone(books, dates),
        "differences": risk_plots.draw_differences(compared),
        "costs": risk_plots.draw_costs(summary["costs"]["sweep"], charged),
        "capacity": risk_plots.draw_capacity(summary["capacity"], rules.capital),
        "exposure": book_plots.draw_exposure(books["ensemble"], dates),
        "regimes": regime_plots.draw_regimes(summary["regimes"]),
        "folds": regime_plots.draw_folds(summary["folds"]),
        "paths": paths
        and regime_plots.draw_paths(paths["sharpes"], summary["headline"]["sharpe"]),
        "reliability": forecast_plots.draw_reliability(summary["calibration"]),
        "decision_mix": learning.draw_decision_mix(theses.decision, quoted, dates),
        "claims": learning.draw_claims(
            theses, truth, known, quoted, list(config.claims)
        ),
        "training": learning.draw_training(result.outcome.metrics),
    }


def config_lines(config: Mapping) -> list[tuple[str, str]]:
    """Lists a nested config as dotted keys, the way flags name them, and JSON."""
    return [
        (key, json.dumps(value, ensure_ascii=False, default=str))
        for key, value in configs.flatten(config).items()
    ]
