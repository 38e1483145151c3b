"""The table of strategies: every book, and the judged one compared with each."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from thesis_rl.configs import flatten
from thesis_rl.report import canvas, sheet
from thesis_rl.report.canvas import BLUE, INK, MUTED
from thesis_rl.report.sheet import (
    Heading,
    Sheet,
    exists,
    multiple,
    percent,
    plural,
    probability,
    ratio,
    words,
)

CONTROLLED = "ensemble_cvar"  # Reported apart from the signal.


class Column(NamedTuple):
    """One metric of the table."""

    path: tuple[str, ...]  # Where it lies under a strategy.
    title: str
    show: Callable[[Any], str]
    formula: str
    short: str = ""  # In 80 characters of console; "" leaves it out there.


COLUMNS = (
    Column(
        ("net", "headline_sharpe"),
        "Headline Sharpe",
        ratio,
        "Mean / sd · √252, sd with T − 1, of the daily net return in excess of cash "
        "less Σ w·β times the equal-weight return of the same names, β trailing 252 "
        "days and lagged; for a long-only book and the long-only baselines, of the net "
        "return less that of the equal-weight book.",
        "Headline",
    ),
    Column(
        ("seed_sd", "net", "headline_sharpe"),
        "± seeds",
        ratio,
        "Standard deviation over seeds of the headline Sharpe, with S − 1.",
        "± sd",
    ),
    Column(
        ("comparison", "sharpe_difference"),
        "Ensemble less this",
        ratio,
        "Headline Sharpe of the ensemble less that of this strategy. None where a "
        "headline is zero by definition, as that of equal weight and of cash: there "
        "the headline's own interval says it.",
    ),
    Column(
        ("comparison", "interval"),
        "95% interval",
        sheet.interval,
        "Difference ± the 95% quantile of |d* − d| over 2,000 stationary bootstrap "
        "records that draw the same days of both (Ledoit and Wolf 2008).",
    ),
    Column(
        ("comparison", "p"),
        "p",
        probability,
        "(1 + #{|d* − d| ≥ |d|}) / (1 + draws) of the same bootstrap: two-sided, of no "
        "difference. Uncorrected for the number of comparisons.",
        "p",
    ),
    Column(
        ("comparison", "dm_p"),
        "DM p",
        probability,
        "Diebold and Mariano (1995) with the correction of Harvey, Leybourne and "
        "Newbold (1997), two-sided, of a day's loss −Σ w·payoff / Σ |w| of the "
        "positions taken, payoffs in units of volatility and clipped at ±2, Bartlett "
        "weights over the days that labels overlap. Where they overlap by weeks it "
        "rejects a true null about one time in ten at 5%. Uncorrected.",
    ),
    Column(
        ("net", "sharpe"),
        "Sharpe",
        ratio,
        "Mean / sd · √252 of the daily net return in excess of cash, unhedged.",
        "Sharpe",
    ),
    Column(
        ("net", "annual_return"),
        "Return",
        percent,
        "A year: V_T^(252/T) − 1, V the net worth of 1 in excess of cash, compounded "
        "daily.",
        "Return",
    ),
    Column(
        ("net", "volatility"),
        "Volatility",
        percent,
        "A year: sd · √252 of the daily net return in excess of cash, sd with T − 1.",
        "Vol",
    ),
    Column(
        ("net", "max_drawdown"),
        "Max drawdown",
        percent,
        "Minimum over t of V_t / max V_s (s ≤ t) − 1, V as for the return, its start "
        "included.",
        "Max DD",
    ),
    Column(
        ("net", "turnover"),
        "Turnover",
        multiple,
        "A year: 252 · mean of Σ |w − w_drifted|, two-way, in times the capital.",
        "Turns",
    ),
    Column(
        ("gross", "headline_sharpe"),
        "Gross",
        ratio,
        "The headline Sharpe before all costs, in excess of cash.",
    ),
)

EXPLANATIONS = {
    "ensemble": "The mean of all seeds' decision probabilities after the last stage.",
    "rft": "Single networks after reinforcement, averaged over seeds.",
    "rft_ensemble": "The mean of all seeds' decision probabilities, held in sleeves.",
    "paced": "Single networks after reinforcement, traded at the folds' pace.",
    "sft_ensemble": "The mean of all seeds' decision probabilities before it.",
    "sft": "Single networks after imitation alone, averaged over seeds.",
    CONTROLLED: "The ensemble, scaled down while its trailing tail loss is too large.",
    "equal_weight": "Every quoted name, long, in equal parts.",
    "momentum": "Long what beat the day's mean 12-1 month return, short the rest.",
    "hold": "Always hold: cash.",
    "best_constant": "Each fold's one decision that its training window paid best.",
    "logistic": "Logistic regression of the decision on the features, fold by fold.",
    "boosting": "Gradient boosting of the decision on the features, fold by fold.",
}


def find(record: dict, path: tuple[str, ...]) -> Any:
    """Returns what lies at a path of a nested dictionary, or None."""
    for key in path:
        if key not in record:
            return None
        record = record[key]
    return record


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


@canvas.styled
def draw_differences(comparisons: dict[str, dict]) -> Markup | None:
    """Draws by how much the ensemble's headline Sharpe beats each other strategy's.

    Args:
      comparisons: of `summary["comparisons"]`, those to be drawn.

    Returns:
      SVG, or None where no difference exists.
    """
    drawn = {}
    for name, found in comparisons.items():
        numbers = np.array([found["sharpe_difference"], *found["interval"]], np.float64)
        if np.isfinite(numbers).all():
            drawn[name] = numbers
    if not drawn:
        return None
    middle, low, high = np.array(list(drawn.values())).T
    places = -np.arange(len(drawn))
    figure = canvas.new(canvas.WIDE, 0.75 + 0.2 * len(drawn))
    axes = figure.subplots()
    axes.axvline(0.0, color=INK, linewidth=0.7)
    axes.hlines(places, low, high, color=BLUE, linewidth=1.2, alpha=0.45)
    axes.plot(middle, places, "o", color=BLUE, markersize=4.5)
    axes.set_yticks(places, [words(name) for name in drawn], color=INK)
    axes.set(ylim=(0.4 - len(drawn), 0.6), xlabel="Difference of headline Sharpe")
    axes.set_title("Ensemble less each other strategy, 95% interval")
    axes.grid(axis="x")
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", labelcolor=MUTED)
    return canvas.to_svg(figure, "Difference of headline Sharpe from each strategy")
