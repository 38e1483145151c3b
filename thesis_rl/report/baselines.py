"""The table of strategies: every book, and the judged one compared with each."""

from typing import NamedTuple

from thesis_rl.report.columns import COLUMNS, CONTROLLED, EXPLANATIONS, find
from thesis_rl.report.numbers import exists, probability
from thesis_rl.report.sheet import Heading, Sheet
from thesis_rl.report.wording import plural, words
from thesis_rl.saved import flatten

SIGN = "sign_of_"
MANY = (
    "The p-values of the table are of one comparison each. Of so many one in twenty "
    "falls below 0.05 by chance alone; SPA and StepM allow for all of them at once."
)


class Line(NamedTuple):
    """One printed row: a strategy under one mapping of decisions to positions."""

    strategy: str
    mapping: str  # "" for a baseline, whose positions need no mapping.
    numbers: dict

    @property
    def cells(self) -> tuple[str, ...]:
        """The printed cells, one a column."""
        return tuple(c.show(find(self.numbers, c.path)) for c in COLUMNS)


def lines(summary: dict) -> list[Line]:
    """Lists every strategy: the ensemble first, learned ones next, baselines last.

    A learned strategy has a line a mapping, the headline's mapping first and alone
    compared. The book under the exposure controller is left out.
    """
    table, first = summary["strategies"], summary["headline"]["mapping"]
    compared = summary["comparisons"]
    place = {name: i for i, name in enumerate(explanations(summary))}
    learned = [name for name in table if "by_mapping" in table[name]]
    learned.sort(key=lambda name: place.get(name, len(place)))
    listed = []
    for name in learned:
        by_mapping = table[name]["by_mapping"]
        against = {"comparison": compared.get(name, {})}
        listed.append(Line(name, first, by_mapping[first] | against))
        listed += [Line(name, m, x) for m, x in by_mapping.items() if m != first]
    for name in table:
        if name not in (*learned, CONTROLLED):
            against = {"comparison": compared.get(name, {})}
            listed.append(Line(name, "", table[name] | against))
    return listed


def explanations(summary: dict) -> dict[str, str]:
    """Says what each strategy is; ablations come last, with what they change."""
    said = dict(EXPLANATIONS)
    for name, changes in summary["config"]["ablations"].items():
        listed = ", ".join(
            f"{key} = {value}" for key, value in flatten(changes).items()
        )
        said[f"{name}_ensemble"] = f"The same mean, of networks trained with {listed}."
        said[name] = f"Single networks trained with {listed}, averaged over seeds."
    return said


def main(summary: dict) -> Sheet:
    """Tabulates every strategy under the headline's mapping, signs left out."""
    return _sheet(summary, _shown(summary))


def other_mappings(summary: dict) -> Sheet:
    """Tabulates the learned strategies under every other mapping."""
    first = summary["headline"]["mapping"]
    shown = [x for x in lines(summary) if x.mapping not in ("", first)]
    sheet = _sheet(summary, shown)
    rows = [(x.mapping, *row) for x, row in zip(shown, sheet.rows, strict=True)]
    return Sheet((Heading("Mapping"), *sheet.headings), rows, num_words=2)


def signs(summary: dict) -> Sheet:
    """Tabulates the baselines that trade the sign of one feature, best first."""
    return _sheet(summary, _signs(summary))


def console_lines(summary: dict) -> list[Line]:
    """Picks what a console has room for: one mapping, the best and the worst sign."""
    shown = _shown(summary)
    ranked = [x for x in _signs(summary) if exists(_headline(x))]
    return shown + (ranked if len(ranked) < 3 else [ranked[0], ranked[-1]])


def controlled(summary: dict) -> Sheet | None:
    """Tabulates the ensemble with and without the exposure controller, if there is."""
    if CONTROLLED not in summary["strategies"]:
        return None
    compared = {"comparison": summary["comparisons"].get(CONTROLLED, {})}
    held = summary["strategies"][CONTROLLED] | compared
    first = summary["headline"]["mapping"]
    return _sheet(summary, [lines(summary)[0], Line(CONTROLLED, first, held)])


def without_signs(comparisons: dict[str, dict]) -> dict[str, dict]:
    """Leaves out the signs of single features, and what is reported apart."""
    return {
        name: found
        for name, found in comparisons.items()
        if not name.startswith(SIGN) and name != CONTROLLED
    }


def superiority(summary: dict) -> str:
    """Says what all strategies together show, the number of tries allowed for."""
    found = summary["superiority"]
    if not found["num_models"]:
        return "No strategy ever varied, so there is nothing to test."
    best, kept = words(found["best"]), [words(name) for name in found["survivors"]]
    beats = "beats" if exists(found["p"]) and found["p"] < 0.05 else "does not beat"
    survivors = f"keeps {', '.join(kept)}" if kept else "keeps none of them"
    return (
        f"Of {plural(found['num_models'], 'book')} whose headline return varied, "
        f"{best} has the highest headline Sharpe. The best of them {beats} zero by "
        f"more than luck would in so many tries: p {probability(found['p'])} (SPA, "
        "Hansen 2005, studentised). "
        f"StepM (Romano and Wolf 2005) at 5% {survivors}."
    )


def _sheet(summary: dict, listed: list[Line]) -> Sheet:
    judged = summary["headline"]["strategy"], summary["headline"]["mapping"]
    places = [i for i, x in enumerate(listed) if (x.strategy, x.mapping) == judged]
    baselines = [i for i, x in enumerate(listed) if not x.mapping]
    return Sheet(
        (Heading("Strategy"), *(Heading(c.title, c.formula) for c in COLUMNS)),
        [(words(x.strategy), *x.cells) for x in listed],
        formulas={words(name): text for name, text in explanations(summary).items()},
        marked=places[0] if places else None,
        divided=baselines[0] if places and baselines else None,
    )


def _shown(summary: dict) -> list[Line]:
    first = summary["headline"]["mapping"]
    return [x for x in lines(summary) if x.mapping in ("", first) and not _is_sign(x)]


def _signs(summary: dict) -> list[Line]:
    found = [x for x in lines(summary) if _is_sign(x)]

    def order(line: Line) -> float:
        return -_headline(line) if exists(_headline(line)) else float("inf")

    return sorted(found, key=order)


def _is_sign(line: Line) -> bool:
    return line.strategy.startswith(SIGN)


def _headline(line: Line) -> float | None:
    return find(line.numbers, ("net", "headline_sharpe"))
