"""A table of the report: one content for the page, the Markdown and the glossary."""

from typing import NamedTuple


class Heading(NamedTuple):
    """What a column is called, and how its numbers are made."""

    title: str
    formula: str = ""


class Sheet(NamedTuple):
    """Printed cells, and what they mean."""

    headings: tuple[Heading, ...]
    rows: list[tuple[str, ...]]  # The first cell names the row.
    num_words: int = 1  # So many columns are text, the rest numbers.
    formulas: dict[str, str] = {}  # Of rows, by their name.
    marked: int | None = None  # The row that counts.
    divided: int | None = None  # The first row of another kind.


def plain(*titles: str) -> tuple[Heading, ...]:
    """Makes headings that explain themselves."""
    return tuple(Heading(title) for title in titles)


def glossary(sheets: dict[str, Sheet]) -> dict[str, list[tuple[str, str]]]:
    """Lists the formulas of each table; one that was given before is left out."""
    listed, given = {}, set()
    for name, sheet in sheets.items():
        named = [row[0] for row in sheet.rows if row[0] in sheet.formulas]
        pairs = [
            *((title, formula) for title, formula in sheet.headings if formula),
            *((title, sheet.formulas[title]) for title in named),
        ]
        fresh = [pair for pair in dict.fromkeys(pairs) if pair not in given]
        given.update(fresh)
        if fresh:
            listed[name] = fresh
    return listed
