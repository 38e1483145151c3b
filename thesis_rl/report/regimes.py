"""When the headline was earned: by year, volatility, trend, fold and path."""

import itertools

from thesis_rl.report.numbers import count, interval, percent, ratio
from thesis_rl.report.sheet import Heading, Sheet

RETURN = Heading("Headline return a year", "Mean daily headline return · 252.")
SHARPE = Heading(
    "Sharpe", "Mean / sd · √252 of the days of the regime; none in fewer than 20 days."
)
INTERVAL = Heading(
    "95% interval",
    "Days taken to be independent: (SR ± 1.96·√((1 − g₃·SR + (g₄ − 1)/4·SR²)/(T − 1)))"
    "·√252, SR a day.",
)
KINDS = {"year": "Calendar year", "volatility": "Volatility", "trend": "Trend"}
MARKET = Heading(
    "Market",
    "As it stood at day t − 2. Volatility: terciles of the sd of 63 daily equal-weight "
    "returns. Trend: the compounded equal-weight market above or below its mean of 200 "
    "days.",
)
NOT_EARNABLE = (
    "Every path joins networks that trained on both sides of the days they are judged "
    "on, after as well as before. It is no record that anybody could have earned: it "
    "shows how much of a result hangs on the one path that history took. Paths share "
    "their training days, so their spread is no standard error."
)


def by_year(summary: dict) -> Sheet:
    """Tabulates the headline by calendar year."""
    titles = (Heading("Calendar year"), Heading("Days"), RETURN, SHARPE, INTERVAL)
    return Sheet(titles, [_row(x, x["regime"]) for x in summary["regimes"]["year"]])


def by_market(summary: dict) -> Sheet:
    """Tabulates the headline by the market's volatility and trend."""
    rows = [
        _row(line, f"{KINDS[kind]}, {line['regime']}")
        for kind in ("volatility", "trend")
        for line in summary["regimes"][kind]
    ]
    return Sheet((MARKET, Heading("Days"), RETURN, SHARPE, INTERVAL), rows)


def _row(line: dict, name: str) -> tuple[str, ...]:
    numbers = percent(line["return"]), ratio(line["sharpe"]), interval(line["interval"])
    return (name, count(line["days"]), *numbers)


def folds(summary: dict) -> Sheet:
    """Tabulates each fold: when it trained and was judged, and what it earned."""
    titles = (Heading("Train"), Heading("Test"), RETURN, SHARPE, INTERVAL)
    seeds = Heading("Single seeds", "Headline Sharpe of each seed's network alone.")
    pairs = itertools.zip_longest(summary["folds"], summary["regimes"]["fold"])
    rows = [
        (
            " to ".join(fold["train"]),
            " to ".join(fold["test"]),
            percent(fold["headline_return"]),
            ratio(fold["headline_sharpe"]),
            interval(regime["interval"]),
            ", ".join(ratio(x) for x in fold["seed_sharpes"]),
        )
        for fold, regime in pairs
    ]
    return Sheet((*titles, seeds), rows, num_words=2)


def worst(summary: dict) -> Sheet:
    """Tabulates the worst stretches of consecutive days."""
    total = Heading("Return", "Lowest sum of headline returns over so many days.")
    rows = [
        (f"{x['days']:,} days", x["first"], x["last"], percent(x["return"]))
        for x in summary["regimes"]["worst"]
    ]
    titles = (Heading("Worst window"), Heading("First day"), Heading("Last day"), total)
    return Sheet(titles, rows, num_words=3)


def worst_window(summary: dict) -> str:
    """Says when the headline lost most; "" in a record too short to say."""
    found = summary["regimes"]["worst"]
    if not found:
        return ""
    x = found[-1]
    return (
        f"The worst {x['days']:,} days, {x['first']} to {x['last']}, returned "
        f"{percent(x['return'])}."
    )


def paths(summary: dict) -> Sheet | None:
    """Tabulates the spread of the cross-validated paths, if there are any."""
    found = summary["paths"]
    if not found:
        return None
    titles = (
        Heading("Paths"),
        Heading("Mean Sharpe", "Mean over paths of the net headline Sharpe."),
        Heading("sd", "Over paths, with their number − 1; no standard error."),
        Heading("Below zero", "Share of paths with a negative net headline Sharpe."),
    )
    cells = ratio(found["mean"]), ratio(found["sd"]), percent(found["share_negative"])
    return Sheet(titles, [(str(len(found["sharpes"])), *cells)])
