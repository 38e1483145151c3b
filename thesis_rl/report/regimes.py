"""When the headline was earned: by year, volatility, trend, fold and path."""

import itertools

import matplotlib.dates
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from thesis_rl.report import canvas
from thesis_rl.report.canvas import BLUE, INK, MUTED, ORANGE
from thesis_rl.report.sheet import Heading, Sheet, count, interval, percent, ratio

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


MAX_LABELS = 14  # Of years side by side; of more, every second or third is written.


@canvas.styled
def draw_regimes(tables: dict[str, list[dict]]) -> Markup:
    """Draws the Sharpe ratio of each regime with its interval, one panel a kind.

    Args:
      tables: `summary["regimes"]`.

    Returns:
      SVG.
    """
    widths = (min(max(len(tables["year"]), 8), 11), 4, 3)
    figure = canvas.new(canvas.WIDE, 2.5)
    panels = figure.subplots(1, len(KINDS), sharey=True, width_ratios=widths)
    for axes, (kind, title) in zip(panels, KINDS.items(), strict=True):
        _intervals(axes, tables[kind])
        axes.set_title(title)
    panels[0].set_ylabel("Headline Sharpe")
    return canvas.to_svg(figure, "Headline Sharpe by year, volatility and trend")


def _intervals(axes: Axes, lines: list[dict]) -> None:
    sharpes = np.array([line["sharpe"] for line in lines], np.float64)
    bounds = np.array([line["interval"] for line in lines], np.float64)
    places = np.arange(len(lines))
    axes.axhline(0.0, color=INK, linewidth=0.7)
    axes.vlines(places, *bounds.T, color=BLUE, linewidth=1.2, alpha=0.45)
    axes.plot(places, sharpes, "o", color=BLUE, markersize=4.5)
    stride = -(-len(lines) // MAX_LABELS)
    names = [line["regime"] for line in lines]
    axes.set_xticks(places[::stride], names[::stride])
    axes.set_xlim(-0.6, len(lines) - 0.4)


@canvas.styled
def draw_folds(table: list[dict]) -> Markup:
    """Draws what the ensemble and each seed earned in each test window.

    Args:
      table: `summary["folds"]`.

    Returns:
      SVG.
    """
    spans = matplotlib.dates.date2num(
        np.array([fold["test"] for fold in table], "datetime64[D]")
    )  # [F, 2]
    starts, widths = spans[:, 0], spans[:, 1] - spans[:, 0]
    middles = starts + widths / 2
    figure = canvas.new(canvas.WIDE, 2.9)
    earned, sharpes = figure.subplots(2, 1, sharex=True)
    returns = [fold["headline_return"] for fold in table]
    earned.bar(starts, returns, 0.92 * widths, align="edge", color=BLUE, alpha=0.75)
    earned.set(title="Ensemble", ylabel="Headline\nreturn a year")
    earned.yaxis.set_major_formatter(canvas.percent_axis)
    for seed in zip(*(fold["seed_sharpes"] for fold in table), strict=True):
        sharpes.plot(middles, seed, "_", color=MUTED, markersize=9)
    ensemble = [fold["headline_sharpe"] for fold in table]
    sharpes.plot(middles, ensemble, "o", color=BLUE, markersize=5)
    sharpes.set(
        title="Ensemble (dots) and single seeds (dashes)",
        ylabel="Headline\nSharpe",
        xlabel="Test window",
    )
    for axes in (earned, sharpes):
        axes.axhline(0.0, color=INK, linewidth=0.7)
        axes.xaxis_date()
    return canvas.to_svg(figure, "Headline return and Sharpe of each fold")


@canvas.styled
def draw_paths(sharpes: list[float], walk_forward: float | None) -> Markup:
    """Draws the Sharpe ratios of the cross-validated paths, and the headline's.

    Args:
      sharpes: `summary["paths"]["sharpes"]`.
      walk_forward: the headline Sharpe, which alone could have been earned.

    Returns:
      SVG.
    """
    figure = canvas.new(canvas.HALF, 1.7)
    axes = figure.subplots()
    found = np.array(sharpes, np.float64)
    axes.axvline(0.0, color=INK, linewidth=0.7)
    axes.plot(found, np.full(len(found), 0.3), "|", color=BLUE, markersize=16)
    axes.text(0.0, 0.62, "paths", color=BLUE, transform=axes.transAxes, va="center")
    headline = np.array([walk_forward], np.float64)
    axes.plot(headline, [-0.5], "o", color=ORANGE, markersize=6)
    axes.text(
        0.0, 0.25, "walk-forward", color=ORANGE, transform=axes.transAxes, va="center"
    )
    seen = [x for x in (*found, *headline, 0.0) if np.isfinite(x)]
    room = 0.08 * (max(seen) - min(seen)) + 0.05
    axes.set_xlim(min(seen) - 4 * room, max(seen) + room)
    axes.set(ylim=(-1, 1), title="Cross-validated paths", xlabel="Net headline Sharpe")
    axes.set_yticks([])
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    return canvas.to_svg(figure, "Headline Sharpe of each cross-validated path")
