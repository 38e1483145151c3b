"""Figures of when the headline was earned, and on which paths."""

import matplotlib.dates
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from thesis_rl.report import canvas
from thesis_rl.report.canvas import BLUE, INK, MUTED, ORANGE
from thesis_rl.report.regimes import KINDS

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
