"""What a backtest takes for granted, and which way each of it errs."""

import math

from thesis_rl.report import numbers
from thesis_rl.report.sheet import Sheet, plain
from thesis_rl.report.wording import plural
from thesis_rl.trading.books import CVAR_WINDOW

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
            f"{numbers.percent(target)} a year and name" if target else "none",
        ),
        (
            "Limits, of the capital",
            f"{_limit(rules['max_position'])} a name, {_limit(rules['max_gross'])} "
            f"gross; they held back {plural(held_back, 'position')}, names times days",
        ),
        (
            "Exposure controller",
            f"the book is scaled by min(1, {numbers.fine_percent(cvar)} a day / CVaR), "
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
            f"{numbers.money(rules['capital'])}, constant: gains are paid out and "
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
        rate = numbers.fine_percent(rules["borrow_rate"])
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
    cash = numbers.fine_percent(rules["cash_rate"])
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
    earns = numbers.percent(rules["delisting_return"])
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
