"""The report as one HTML file that needs nothing else: no network, no scripts."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence

import jinja2
import numpy as np
from markupsafe import Markup

from thesis_rl import configs
from thesis_rl.evaluation.books import unseen
from thesis_rl.evaluation.judge import Result
from thesis_rl.report import (
    baselines,
    calibration,
    canvas,
    costs,
    headline,
    how,
    learning,
    regimes,
    sheet,
)
from thesis_rl.report.headline import (
    draw_equity,
    draw_equity_alone,
    draw_exposure,
    evidence_table,
    ledger,
    siblings,
    survives,
)
from thesis_rl.report.sheet import Sheet, interval, percent, probability, ratio
from thesis_rl.thesis.render import MARKUP

MINUS = re.compile(r"(?<![\w.])-(?=\d)")  # Not the hyphen of a date or a range.
TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("thesis_rl", "report"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["words"] = sheet.words
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
        title=sheet.title(summary),
        said=sentences(summary),
        cards=cards(summary),
        tables=tables(summary),
        facts_of={
            "book": how.book_rules(summary),
            "data": sheet.data_facts(summary),
            "provenance": sheet.provenance(summary),
        },
        glossary=sheet.glossary(sheets(summary)),
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
        "warnings": how.warnings(summary),
        "verdict": sheet.verdict(summary),
        "power": sheet.power(summary),
        "survives": survives(summary),
        "ledger": ledger(summary),
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
        "written": sheet.written(summary),
        "audit": calibration.audit_problems(summary),
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
        counted = sheet.plural(trials["num_trials"], "trial")
        label = f"Deflated, {'no trial' if trials['excuse'] else counted}"
        shown.append((label, probability(trials["dsr"])))
    return shown


def tables(summary: dict) -> dict[str, Sheet | None]:
    """Gathers every table, by name."""
    return {
        "assumptions": how.assumptions_table(summary),
        "evidence": evidence_table(summary),
        "siblings": siblings(summary),
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
        "audit": calibration.audit_table(summary),
        "masked": sheet.masked(summary),
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
        "timeline": how.draw_timeline(result.experiment),
        "equity": draw_equity(books, dates),
        "equity_alone": draw_equity_alone(books, dates),
        "differences": baselines.draw_differences(compared),
        "costs": costs.draw_costs(summary["costs"]["sweep"], charged),
        "capacity": costs.draw_capacity(summary["capacity"], rules.capital),
        "exposure": draw_exposure(books["ensemble"], dates),
        "regimes": regimes.draw_regimes(summary["regimes"]),
        "folds": regimes.draw_folds(summary["folds"]),
        "paths": paths
        and regimes.draw_paths(paths["sharpes"], summary["headline"]["sharpe"]),
        "reliability": calibration.draw_reliability(summary["calibration"]),
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


def markdown(summary: dict) -> str:
    """Writes the report as a Markdown page.

    Args:
      summary: the run's.

    Returns:
      The page; what looks like markup in names and titles is escaped.
    """
    said = [*how.warnings(summary), *summary["data"]["caveats"]]
    blocks = [
        f"# {escaped(sheet.title(summary))}",
        *(f"> {escaped(sentence)}" for sentence in said),
        *_opening(summary),
        *_strategies(summary),
        *_dependence(summary),
        *_forecasts(summary),
        *_data(summary),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _opening(summary: dict) -> list[str]:
    return [
        "## What was tested, and how",
        *map(escaped, how.account(summary)),
        _pairs(how.book_rules(summary)),
        _table(how.assumptions_table(summary)),
        "## Headline",
        f"**{escaped(sheet.verdict(summary))}** {escaped(sheet.power(summary))}",
        escaped(headline.survives(summary)),
        _table(headline.evidence_table(summary)),
        escaped(headline.ledger(summary)),
        _table(headline.siblings(summary)),
    ]


def _strategies(summary: dict) -> list[str]:
    return [
        "## Against baselines",
        f"{escaped(baselines.superiority(summary))} {escaped(baselines.MANY)}",
        _table(baselines.main(summary)),
        "### Other mappings of decisions to positions",
        _table(baselines.other_mappings(summary)),
        "### Signs of single features",
        _table(baselines.signs(summary)),
    ]


def _dependence(summary: dict) -> list[str]:
    controlled, paths = baselines.controlled(summary), regimes.paths(summary)
    return [
        "## Costs and capacity",
        escaped(costs.break_even(summary)),
        _table(costs.items(summary)),
        _table(costs.sweep(summary)),
        escaped(costs.capacity_off(summary)),
        _table(costs.capacity(summary)),
        "### Under the exposure controller" if controlled else "",
        _table(controlled),
        "## Regimes",
        _table(regimes.by_year(summary)),
        _table(regimes.by_market(summary)),
        _table(regimes.worst(summary)),
        _table(regimes.folds(summary)),
        "### Cross-validated paths" if paths else "",
        regimes.NOT_EARNABLE if paths else "",
        _table(paths),
    ]


def _forecasts(summary: dict) -> list[str]:
    return [
        "## Calibration and claims",
        escaped(calibration.calibrated(summary)),
        _table(calibration.calibration(summary)),
        _table(calibration.rank_ic(summary)),
        _table(calibration.claims(summary)),
        sheet.written(summary),
        "### Evidence" if calibration.audit_table(summary) else "",
        _table(calibration.audit_table(summary)),
        escaped(calibration.audit_problems(summary)),
        "## Learning curves",
        "They are drawn in `report.html`; `metrics.jsonl` holds their numbers.",
    ]


def _data(summary: dict) -> list[str]:
    return [
        "## Data and caveats",
        _pairs(sheet.data_facts(summary)),
        _table(sheet.masked(summary)),
        "### Provenance",
        _pairs(sheet.provenance(summary)),
        "## What the numbers mean",
        *(
            f"**{name}**\n\n"
            + "\n".join(f"- {escaped(title)}: {escaped(text)}" for title, text in pairs)
            for name, pairs in sheet.glossary(sheets(summary)).items()
        ),
    ]


def sheets(summary: dict) -> dict[str, Sheet]:
    """Gathers the tables whose headings and rows have formulas, in order."""
    every = {
        "Strategies": baselines.main(summary),
        "Costs": costs.items(summary),
        "Sharpe over costs": costs.sweep(summary),
        "Capacity": costs.capacity(summary),
        "Exposure controller": baselines.controlled(summary),
        "Years": regimes.by_year(summary),
        "Market": regimes.by_market(summary),
        "Worst windows": regimes.worst(summary),
        "Folds": regimes.folds(summary),
        "Cross-validated paths": regimes.paths(summary),
        "Calibration": calibration.calibration(summary),
        "Rank correlation": calibration.rank_ic(summary),
        "Theses and claims": calibration.claims(summary),
    }
    return {name: one for name, one in every.items() if one}


def _table(sheet: Sheet | None) -> str:
    if sheet is None or not sheet.rows:
        return ""
    return _lines([heading.title for heading in sheet.headings], sheet.rows)


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return _lines(("", ""), pairs)


def _lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [[escaped(cell) for cell in row] for row in (header, *rows)]
    cells.insert(1, ["---"] * len(header))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def escaped(text: str) -> str:
    """Escapes markup and joins lines."""
    return MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
