"""The report as a Markdown page, in the order of the HTML page."""

from collections.abc import Iterable, Sequence

from thesis_rl.report import (
    account,
    assumptions,
    audit,
    cost_tables,
    evidence,
    forecast_tables,
    regime_tables,
    sheet,
    strategies,
    wording,
)
from thesis_rl.report.sheet import Sheet
from thesis_rl.thesis.render import MARKUP


def page(summary: dict) -> str:
    """Writes the report as a Markdown page.

    Args:
      summary: the run's.

    Returns:
      The page; what looks like markup in names and titles is escaped.
    """
    said = [*assumptions.warnings(summary), *summary["data"]["caveats"]]
    blocks = [
        f"# {plain(wording.title(summary))}",
        *(f"> {plain(sentence)}" for sentence in said),
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
        *map(plain, account.write(summary)),
        _pairs(assumptions.book(summary)),
        _table(assumptions.tabulate(summary)),
        "## Headline",
        f"**{plain(wording.verdict(summary))}** {plain(wording.power(summary))}",
        plain(evidence.survives(summary)),
        _table(evidence.tabulate(summary)),
        plain(evidence.ledger(summary)),
        _table(evidence.siblings(summary)),
    ]


def _strategies(summary: dict) -> list[str]:
    return [
        "## Against baselines",
        f"{plain(strategies.superiority(summary))} {plain(strategies.MANY)}",
        _table(strategies.main(summary)),
        "### Other mappings of decisions to positions",
        _table(strategies.other_mappings(summary)),
        "### Signs of single features",
        _table(strategies.signs(summary)),
    ]


def _dependence(summary: dict) -> list[str]:
    controlled, paths = strategies.controlled(summary), regime_tables.paths(summary)
    return [
        "## Costs and capacity",
        plain(cost_tables.break_even(summary)),
        _table(cost_tables.items(summary)),
        _table(cost_tables.sweep(summary)),
        plain(cost_tables.capacity_off(summary)),
        _table(cost_tables.capacity(summary)),
        "### Under the exposure controller" if controlled else "",
        _table(controlled),
        "## Regimes",
        _table(regime_tables.by_year(summary)),
        _table(regime_tables.by_market(summary)),
        _table(regime_tables.worst(summary)),
        _table(regime_tables.folds(summary)),
        "### Cross-validated paths" if paths else "",
        regime_tables.NOT_EARNABLE if paths else "",
        _table(paths),
    ]


def _forecasts(summary: dict) -> list[str]:
    return [
        "## Calibration and claims",
        plain(forecast_tables.calibrated(summary)),
        _table(forecast_tables.calibration(summary)),
        _table(forecast_tables.rank_ic(summary)),
        _table(forecast_tables.claims(summary)),
        wording.written(summary),
        "### Evidence" if audit.tabulate(summary) else "",
        _table(audit.tabulate(summary)),
        plain(audit.problems(summary)),
        "## Learning curves",
        "They are drawn in `report.html`; `metrics.jsonl` holds their numbers.",
    ]


def _data(summary: dict) -> list[str]:
    return [
        "## Data and caveats",
        _pairs(wording.data(summary)),
        _table(wording.masked(summary)),
        "### Provenance",
        _pairs(wording.provenance(summary)),
        "## What the numbers mean",
        *(
            f"**{name}**\n\n"
            + "\n".join(f"- {plain(title)}: {plain(text)}" for title, text in pairs)
            for name, pairs in sheet.glossary(sheets(summary)).items()
        ),
    ]


def sheets(summary: dict) -> dict[str, Sheet]:
    """Gathers the tables whose headings and rows have formulas, in order."""
    every = {
        "Strategies": strategies.main(summary),
        "Costs": cost_tables.items(summary),
        "Sharpe over costs": cost_tables.sweep(summary),
        "Capacity": cost_tables.capacity(summary),
        "Exposure controller": strategies.controlled(summary),
        "Years": regime_tables.by_year(summary),
        "Market": regime_tables.by_market(summary),
        "Worst windows": regime_tables.worst(summary),
        "Folds": regime_tables.folds(summary),
        "Cross-validated paths": regime_tables.paths(summary),
        "Calibration": forecast_tables.calibration(summary),
        "Rank correlation": forecast_tables.rank_ic(summary),
        "Theses and claims": forecast_tables.claims(summary),
    }
    return {name: one for name, one in every.items() if one}


def _table(sheet: Sheet | None) -> str:
    if sheet is None or not sheet.rows:
        return ""
    return _lines([heading.title for heading in sheet.headings], sheet.rows)


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return _lines(("", ""), pairs)


def _lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [[plain(cell) for cell in row] for row in (header, *rows)]
    cells.insert(1, ["---"] * len(header))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def plain(text: str) -> str:
    """Escapes markup and joins lines."""
    return MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
