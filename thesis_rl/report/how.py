"""What was tested and how, in a paragraph that any reader can follow."""

import math

import matplotlib.dates
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from ml_collections import ConfigDict, FrozenConfigDict

from thesis_rl.data import labels
from thesis_rl.report import canvas, sheet
from thesis_rl.report.canvas import BLUE, INK, MUTED, ORANGE, RED, TEAL
from thesis_rl.report.sheet import Sheet, plain, plural
from thesis_rl.trading.books import CVAR_WINDOW
from thesis_rl.types import Fold
from thesis_rl.walk_forward.experiment import Experiment


def account(summary: dict) -> list[str]:
    """Tells how the policy was trained, how it was judged and how it was calibrated."""
    config, folds = summary["config"], summary["folds"]
    reach = labels.label_reach(ConfigDict(config["labels"]))
    sft, rft = config["sft"]["num_steps"], config["rft"]["num_steps"]
    trains = f"It imitates teachers for {plural(sft, 'step')}"
    if rft:
        trains += (
            f" and is then rewarded for {plural(rft, 'step')} for structure, true "
            "claims and decisions that paid"
        )
    trades = ""
    if config["pace"]["rule"] != "sleeves":
        trades = (
            " How much of the way to its positions the book goes in a day is a rule "
            "of each fold, set by what was forecast before it was seen, net of costs; "
            "sleeves hold the other stages' decisions. " + _stood_still(summary["pace"])
        )
    windows = config["folds"]
    length = f"{windows['train_days']:,}" + " or more" * windows["expanding"]
    are = "is" if len(folds) == 1 else "are"
    return [
        "For each name and day a policy writes a thesis: which sections it covers, "
        "which claims it asserts, and a decision from strong sell to strong buy. "
        f"{trains}. There {are} {plural(len(folds), 'fold')}: each trains "
        f"{plural(config['num_seeds'], 'network')} from scratch on {length} days and "
        f"is judged on the {windows['test_days']:,} days that follow a gap of {reach} "
        f"days, as far as labels reach, and an embargo of {windows['embargo_days']} "
        "days. The mean of the networks' probabilities, the ensemble, is what is "
        f"judged.{trades}",
        "A decision uses what was known at the close of its day. Features are scaled, "
        "thresholds cut and probabilities calibrated on a fold's training days alone; "
        "no fold starts from another's parameters. All baselines go through the same "
        "fills, costs and scores.",
    ]


def _stood_still(rules: list[dict]) -> str:
    judged = [rule["exposure"] for rule in rules[:-1]]
    still = sum(exposure == 0 for exposure in judged)
    if not still:
        return "In no fold did it stand still."
    return (
        f"In {still} of {plural(len(judged), 'fold')} its past spoke against trading, "
        "and it stood still."
    )


MAX_NAMES = 10  # Of delisted ones, by name.
HEADINGS = plain("Assumption", "In this run", "Which way it errs")


def assumptions_table(summary: dict) -> Sheet:
    """Lists every assumption about fills, costs and names."""
    rules, data = summary["config"]["backtest"], summary["data"]
    rows = [*_fills(rules), *_costs(rules, data), *_names(rules, data)]
    return Sheet(HEADINGS, rows, num_words=len(HEADINGS))


def warnings(summary: dict) -> list[str]:
    """Says aloud what nobody may overlook."""
    rules, config = summary["config"]["backtest"], summary["config"]
    said = []
    if rules["same_close"]:
        used = rules["fill_lag"] == 0
        said.append(
            "LOOK-AHEAD: config.backtest.same_close is set, and every decision was "
            "filled at the very close that it was decided on. Nobody could have traded "
            "this."
            if used
            else "config.backtest.same_close is set; with fill_lag = "
            f"{rules['fill_lag']} no fill made use of it."
        )
    said += summary["data"].get("notices", [])
    if config["size"] == "smoke":
        said.append(
            "SMOKE RUN: few days, steps and seeds. It shows that the code runs."
        )
    return said


def book_rules(summary: dict) -> list[tuple[str, str]]:
    """Lists the rules by which decisions become a book."""
    rules = summary["config"]["backtest"]
    target, cvar = rules["volatility_target"], rules["cvar_limit"]
    held_back = summary["costs"]["clipped"]
    return [
        ("Book", _BOOKS[rules["book"]]),
        ("Position of a decision", _MAPPINGS[rules["mapping"]]),
        ("Holding", _holding(summary["config"])),
        (
            "Volatility target",
            f"{sheet.percent(target)} a year and name" if target else "none",
        ),
        (
            "Limits, of the capital",
            f"{_limit(rules['max_position'])} a name, {_limit(rules['max_gross'])} "
            f"gross; they held back {plural(held_back, 'position')}, names times days",
        ),
        (
            "Exposure controller",
            f"the book is scaled by min(1, {sheet.fine_percent(cvar)} a day / CVaR), "
            f"the CVaR at 95% of its last {CVAR_WINDOW} days; it was in force on "
            f"{summary['costs']['controlled_days']:,} days; reported apart"
            if cvar
            else "none",
        ),
    ]


def _holding(config: dict) -> str:
    days = config["backtest"]["hold_days"]
    sleeves = f"{plural(days, 'staggered sleeve')}, each held {plural(days, 'session')}"
    if config["pace"]["rule"] == "sleeves":
        return sleeves
    return (
        f"{_PACES[config['pace']['rule']]}; books of other stages are held in {sleeves}"
    )


_PACES = {
    "partial": "a share of each gap to the wanted position is closed a day",
    "band": "a gap to the wanted position is closed as far as the fold's best band",
}
_BOOKS = {
    "dollar_neutral": "dollar neutral: the day's mean position is taken off each name",
    "market_hedged": "market hedged: the day's positions are projected onto beta zero",
    "long_only": "long only: what would be sold short is not held",
    "long_short": "long and short, as decided",
}
_MAPPINGS = {
    "signs": "its sign: −1, 0 or 1, of the likeliest decision",
    "expected": "Σ p · position over the five decisions, positions −1, −½, 0, ½, 1",
}


def _fills(rules: dict) -> list[tuple[str, str, str]]:
    lag = rules["fill_lag"]
    place = rules["fill"]
    if lag == 0:
        fill = ("At the close that was decided on", "Flatters: no order can do that.")
    elif place == "open":
        fill = (
            f"At the open of t + {lag}, decided at the close of t; earns from there",
            "Flatters where the opening auction could not have filled it.",
        )
    else:
        fill = (
            f"At the close of t + {lag}, decided at the close of t; first earns on day "
            f"t + {lag + 1}",
            "Hurts, if at all: a session passes unused.",
        )
    return [
        ("Fill", *fill),
        (
            "Price of a fill",
            "The quoted price and the costs below; any fraction of a share",
            "Flatters small capital, which buys whole shares.",
        ),
        (
            "Capital",
            f"{sheet.money(rules['capital'])}, constant: gains are paid out and "
            "losses made good every day",
            "Neither.",
        ),
    ]


def _costs(rules: dict, data: dict) -> list[tuple[str, str, str]]:
    spread = rules["commission_bps"] + rules["half_spread_bps"]
    listed = [
        (
            "Commission and half-spread",
            f"{rules['commission_bps']:g} + {rules['half_spread_bps']:g} = {spread:g} "
            "basis points of the value traded, every name and year alike",
            "Flatters years and names of wider spreads, hurts the others.",
        ),
        ("Market impact", *_impact(rules, data)),
    ]
    if rules["book"] != "long_only":
        rate = sheet.fine_percent(rules["borrow_rate"])
        listed += [
            (
                "Borrow",
                f"{rate} a year on what is short, by calendar days; every name can be "
                "borrowed, and none is called back",
                "Flatters: names that are hard to borrow cost more.",
            ),
            (
                "Hedge of the headline",
                "Trailing, lagged betas times the equal-weight market, free of cost",
                "Flatters: a hedge costs too.",
            ),
        ]
    cash = sheet.fine_percent(rules["cash_rate"])
    return [
        *listed,
        (
            "Cash",
            f"Earns {cash} a year, short proceeds too; returns are in excess of it",
            "Neither, but for short proceeds, on which a broker pays less.",
        ),
        ("Taxes, margin calls", "None", "Flatters."),
    ]


def _impact(rules: dict, data: dict) -> tuple[str, str]:
    if not data["has_volume"]:
        return (
            "Impact and capacity are OFF: the prices have no volume",
            "Flatters: any size trades at the same cost.",
        )
    cap = rules["participation_cap"]
    share = "no" if math.isinf(cap) else f"{100 * cap:g}% of a name's average volume as"
    capped = f"{share} cap on what a day trades"
    if not rules["impact_coefficient"]:
        return (
            f"OFF: config.backtest.impact_coefficient is 0; {capped}",
            "Flatters: any size trades at the same cost.",
        )
    return (
        f"Y·σ·√(Q/ADV) of the value traded, Y = {rules['impact_coefficient']:g}, σ and "
        f"ADV trailing; {capped}",
        "Flatters large capital a little: no impact outlasts its day.",
    )


def _names(rules: dict, data: dict) -> list[tuple[str, str, str]]:
    gone = data["delisted"]
    earns = sheet.percent(rules["delisting_return"])
    if gone:
        listed = [f"{name} ({day})" for name, day in gone.items()]
        if len(listed) > MAX_NAMES:
            more = len(listed) - MAX_NAMES
            listed[MAX_NAMES:] = [f"{more} more in results.json"]
        delisted = (
            f"{len(gone)} of {len(data['tickers'])} names: {', '.join(listed)}. Each "
            f"earns {earns} the session after its last quote and becomes cash",
            "Flatters where the end was a greater loss, hurts where it was a takeover.",
        )
    else:
        delisted = (
            "None in these prices",
            "Flatters if names that failed are missing: survivorship.",
        )
    return [
        ("Delisted names", *delisted),
        (
            "Names not quoted",
            "Are not traded; the return over a gap is earned when the quote returns",
            "Neither.",
        ),
    ]


def _limit(share: float) -> str:
    return "no limit" if math.isinf(share) else f"{100 * share:g}%"


LOOK_BACK = 8  # Sessions drawn before the decision.


@canvas.styled
def draw_timeline(experiment: Experiment) -> Markup:
    """Draws one decision by sessions, and all folds by date.

    Args:
      experiment: as prepared.

    Returns:
      SVG.
    """
    num_folds = len(experiment.folds.test_start)
    height = 0.5 + max(0.5, 0.13 * num_folds)
    figure = canvas.new(canvas.WIDE, 1.8 + height)
    decision, folds = figure.subplots(2, 1, height_ratios=(1.8, height))
    config, dataset = experiment.config, experiment.dataset
    _one_decision(
        decision,
        config,
        config.labels.entry_lag,
        dataset.label_reach,
    )
    _all_folds(
        folds,
        experiment.folds,
        dataset.dates,
        dataset.label_reach,
        config.folds.embargo_days,
    )
    return canvas.to_svg(
        figure, "When a decision is taken, filled and judged; and the folds by date"
    )


def _one_decision(
    axes: Axes, config: FrozenConfigDict, entry_lag: int, reach: int
) -> None:
    rules = config.backtest
    fill, hold_days = rules.fill_lag, rules.hold_days
    held = f"hold {hold_days} sessions and earn"
    if config.pace.rule != "sleeves":
        held = "move there at the fold's pace, and earn"
    spans = (  # (from, to, colour, text), in sessions after the decision.
        (-LOOK_BACK, 0, MUTED, "observe"),
        (fill, fill + hold_days, BLUE, held),
        (entry_lag, reach, ORANGE, f"label: looks {reach} sessions ahead"),
    )
    for row, (start, stop, colour, text) in enumerate(spans):
        axes.barh(-row, stop - start, left=start, height=0.62, color=colour, alpha=0.25)
        axes.text(start + 0.3, -row, text, color=INK, va="center")
    for x in (0, fill):
        axes.axvline(x, color=INK, linewidth=0.9, ymax=0.86)
    axes.text(-0.2, 0.62, "decide at the close of t", ha="right", va="bottom")
    axes.text(
        fill + 0.2, 0.62, f"fill at the {rules.fill} of {_day(fill)}", va="bottom"
    )
    stop = max(fill + hold_days, reach)
    axes.set(
        title="One decision",
        xlabel="Sessions from the decision",
        xlim=(-LOOK_BACK, stop + 1),
        ylim=(-2.5, 1.2),
    )
    ticks = sorted({0, fill, fill + hold_days, reach})
    axes.set_xticks(ticks, [_day(x) for x in ticks])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _day(sessions: int) -> str:
    return f"t + {sessions}" if sessions else "t"


def _all_folds(
    axes: Axes, folds: Fold, dates: pd.DatetimeIndex, reach: int, embargo: int
) -> None:
    days = matplotlib.dates.date2num(dates)
    days = np.append(days, days[-1] + 1)
    starts, stops, firsts, lasts = (np.asarray(x) for x in folds)
    rows = -np.arange(len(starts))
    spans = (
        (starts, stops, MUTED, 0.3),
        (stops, firsts - embargo, RED, 0.9),
        (firsts - embargo, firsts, ORANGE, 0.9),
        (firsts, lasts, TEAL, 0.9),
    )
    for start, stop, colour, alpha in spans:
        width = days[stop] - days[start]
        axes.barh(rows, width, left=days[start], height=0.7, color=colour, alpha=alpha)
    top = 0.65
    train, test = stops[0] - starts[0], lasts[0] - firsts[0]
    axes.text(days[starts[0]], top, f"train {train:,} days", color=MUTED, va="bottom")
    axes.text(
        days[firsts[0]],
        top,
        f"purge {reach} + embargo {embargo}, then test {test:,} days",
        color=TEAL,
        va="bottom",
    )
    axes.set(
        title=f"{len(starts)} folds, fresh parameters in each",
        xlabel="Date",
        ylim=(rows[-1] - 0.6, 2.0),
    )
    axes.xaxis_date()
    axes.grid(False)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
