"""The report as a Markdown page, in the order of the HTML page."""

from collections.abc import Iterable, Sequence

from thesis_rl.report import how, assumptions, audit, costs, headline, calibration, regimes, sheet, baselines, wording
from thesis_rl.report.sheet import Sheet
from thesis_rl.thesis.render import MARKUP


def markdown(summary: dict) -> str:
    """Writes the report as a Markdown page.

    Args:
      summary: the run's.

    Returns:
      The page; what looks like markup in names and titles is escaped.
    """
    said = [*assumptions.warnings(summary), *summary["data"]["caveats"]]
    blocks = [
        f"# {escaped(wording.title(summary))}",
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
        _pairs(assumptions.book_rules(summary)),
        _table(assumptions.assumptions_table(summary)),
        "## Headline",
        f"**{escaped(wording.verdict(summary))}** {escaped(wording.power(summary))}",
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
        wording.written(summary),
        "### Evidence" if audit.audit_table(summary) else "",
        _table(audit.audit_table(summary)),
        escaped(audit.audit_problems(summary)),
        "## Learning curves",
        "They are drawn in `report.html`; `metrics.jsonl` holds their numbers.",
    ]


def _data(summary: dict) -> list[str]:
    return [
        "## Data and caveats",
        _pairs(wording.data_facts(summary)),
        _table(wording.masked(summary)),
        "### Provenance",
        _pairs(wording.provenance(summary)),
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
