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
from thesis_rl.report import (
    account,
    assumptions,
    audit,
    book_plots,
    canvas,
    cost_tables,
    evidence,
    forecast_plots,
    forecast_tables,
    markdown,
    policy_plots,
    regime_plots,
    regime_tables,
    risk_plots,
    sheet,
    strategies,
    timeline,
    wording,
)
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


def page(result: Result, summary: dict) -> str:
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
            "book": assumptions.book(summary),
            "data": wording.data(summary),
            "provenance": wording.provenance(summary),
        },
        glossary=sheet.glossary(markdown.sheets(summary)),
        stages={
            stage: canvas.VARIABLES[colour]
            for stage, colour in policy_plots.colours(result.outcome.metrics).items()
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
        "account": account.write(summary),
        "warnings": assumptions.warnings(summary),
        "verdict": wording.verdict(summary),
        "power": wording.power(summary),
        "survives": evidence.survives(summary),
        "ledger": evidence.ledger(summary),
        "superiority": strategies.superiority(summary),
        "many": strategies.MANY,
        "volatility": (
            f"Net of costs. The ensemble's volatility is {held} a year, that of equal "
            f"weight {market}: compare Sharpe ratios, not heights."
        ),
        "break_even": cost_tables.break_even(summary),
        "capacity_off": cost_tables.capacity_off(summary),
        "not_earnable": regime_tables.NOT_EARNABLE,
        "calibrated": forecast_tables.calibrated(summary),
        "written": wording.written(summary),
        "audit": audit.problems(summary),
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
        "assumptions": assumptions.tabulate(summary),
        "evidence": evidence.tabulate(summary),
        "siblings": evidence.siblings(summary),
        "strategies": strategies.main(summary),
        "other_mappings": strategies.other_mappings(summary),
        "signs": strategies.signs(summary),
        "controlled": strategies.controlled(summary),
        "paid": cost_tables.items(summary),
        "sweep": cost_tables.sweep(summary),
        "capacity": cost_tables.capacity(summary),
        "years": regime_tables.by_year(summary),
        "market": regime_tables.by_market(summary),
        "folds": regime_tables.folds(summary),
        "worst": regime_tables.worst(summary),
        "paths": regime_tables.paths(summary),
        "calibration": forecast_tables.calibration(summary),
        "rank_ic": forecast_tables.rank_ic(summary),
        "claims": forecast_tables.claims(summary),
        "audit": audit.tabulate(summary),
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
    compared = strategies.without_signs(summary["comparisons"])
    return {
        "timeline": timeline.draw(result.experiment),
        "equity": book_plots.equity(books, dates),
        "equity_alone": book_plots.equity_alone(books, dates),
        "differences": risk_plots.differences(compared),
        "costs": risk_plots.costs(summary["costs"]["sweep"], charged),
        "capacity": risk_plots.capacity(summary["capacity"], rules.capital),
        "exposure": book_plots.exposure(books["ensemble"], dates),
        "regimes": regime_plots.regimes(summary["regimes"]),
        "folds": regime_plots.folds(summary["folds"]),
        "paths": paths
        and regime_plots.paths(paths["sharpes"], summary["headline"]["sharpe"]),
        "reliability": forecast_plots.reliability(summary["calibration"]),
        "decision_mix": policy_plots.decision_mix(theses.decision, quoted, dates),
        "claims": policy_plots.claims(
            theses, truth, known, quoted, list(config.claims)
        ),
        "training": policy_plots.training(result.outcome.metrics),
    }


def config_lines(config: Mapping) -> list[tuple[str, str]]:
    """Lists a nested config as dotted keys, the way flags name them, and JSON."""
    return [
        (key, json.dumps(value, ensure_ascii=False, default=str))
        for key, value in configs.flatten(config).items()
    ]
