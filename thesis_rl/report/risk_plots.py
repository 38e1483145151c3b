"""Figures of the headline over costs and capital, and against other strategies."""

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from thesis_rl.report import canvas
from thesis_rl.report.canvas import BLUE, INK, MUTED, ORANGE
from thesis_rl.report.numbers import money
from thesis_rl.report.wording import words


@canvas.styled
def draw_costs(sweep: list[dict], charged_bps: float) -> Markup:
    """Draws the headline Sharpe over the cost of trading.

    Args:
      sweep: `summary["costs"]["sweep"]`.
      charged_bps: what the run itself charged.

    Returns:
      SVG.
    """
    figure = canvas.new(canvas.HALF, 2.4)
    axes = figure.subplots()
    bps = [point["bps"] for point in sweep]
    _sharpe_line(axes, bps, sweep)
    _mark(axes, charged_bps, f"charged: {charged_bps:g}")
    axes.set(title="Over costs", xlabel="Basis points of the value traded")
    axes.set_xticks(bps)
    return canvas.to_svg(figure, "Net headline Sharpe over the cost of trading")


@canvas.styled
def draw_capacity(table: list[dict], capital: float) -> Markup | None:
    """Draws the headline Sharpe over capital, on a logarithmic scale.

    Args:
      table: `summary["capacity"]`.
      capital: the run's own.

    Returns:
      SVG, or None where capacity is off.
    """
    if not table:
        return None
    figure = canvas.new(canvas.HALF, 2.4)
    axes = figure.subplots()
    sizes = [point["capital"] for point in table]
    axes.set_xscale("log")
    _sharpe_line(axes, sizes, table)
    _mark(axes, capital, f"run at {money(capital)}")
    axes.set_xticks(sizes, [money(size).replace(" ", "\n") for size in sizes])
    axes.minorticks_off()
    axes.set(title="Over capital", xlabel="Capital, log scale")
    return canvas.to_svg(figure, "Net headline Sharpe over capital")


def _sharpe_line(axes: Axes, places: list[float], points: list[dict]) -> None:
    sharpes = np.array([point["sharpe"] for point in points], np.float64)
    axes.axhline(0.0, color=INK, linewidth=0.7)
    axes.plot(places, sharpes, "o-", color=BLUE, markersize=4.5)
    axes.margins(y=0.2)
    axes.set_ylabel("Net headline Sharpe")


def _mark(axes: Axes, place: float, text: str) -> None:
    axes.axvline(place, color=ORANGE, linewidth=0.9, linestyle="--")
    axes.annotate(
        text,
        (place, 1.0),
        (4, 0),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        color=ORANGE,
        va="top",
    )


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
