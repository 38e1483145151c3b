"""What trading cost, what it could have cost, and how much capital it bears."""

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from thesis_rl.report import canvas
from thesis_rl.report.canvas import BLUE, INK, ORANGE
from thesis_rl.report.sheet import (
    Heading,
    Sheet,
    exists,
    fine_percent,
    money,
    one_decimal,
    percent,
    ratio,
    words,
)

SHARPE = Heading(
    "Headline Sharpe",
    "As in the table of strategies, net of costs; of a long-only book less the equal "
    "weight of this run, at its own costs and capital.",
)
EARNED = {"interest": ", earned"}
CAPACITY = (
    Heading("Capital", "In the currency of the volumes; constant over the record."),
    SHARPE,
    Heading("Impact a year", "252 · mean daily market impact paid, of the capital."),
    Heading(
        "Mean gross exposure",
        "Mean over days of Σ |w|: falls where the participation cap binds.",
    ),
)


def items(summary: dict) -> Sheet:
    """Tabulates what the judged book paid a year for each kind of cost."""
    formula = "252 · mean daily amount, of the capital; of the ensemble."
    paid = {name: fine_percent(x) for name, x in summary["costs"]["items"].items()}
    if capacity_off(summary):
        paid["impact"] = "off"
    rows = [
        (words(name).capitalize() + EARNED.get(name, ""), cell)
        for name, cell in paid.items()
    ]
    return Sheet((Heading("Item"), Heading("A year", formula)), rows)


def sweep(summary: dict) -> Sheet:
    """Tabulates the headline Sharpe at other costs of trading."""
    bps = Heading(
        "Basis points",
        "Of the value traded, instead of commission and half-spread; impact and borrow "
        "are paid besides.",
    )
    rows = [(f"{x['bps']:g}", ratio(x["sharpe"])) for x in summary["costs"]["sweep"]]
    return Sheet((bps, SHARPE), rows)


def break_even(summary: dict) -> str:
    """Says at which cost nothing is left."""
    bps = summary["costs"]["break_even_bps"]
    if not exists(bps):
        return (
            "There is no break-even cost: the mean headline return is not above zero "
            "even where trading is free, or nothing was traded."
        )
    return (
        f"The mean headline return is zero at {one_decimal(bps)} basis points of the "
        "value traded (break-even cost), impact and borrow paid besides."
    )


def capacity(summary: dict) -> Sheet | None:
    """Tabulates the headline over capital; None where capacity is off."""
    rows = [
        (
            money(x["capital"]),
            ratio(x["sharpe"]),
            fine_percent(x["impact"]),
            percent(x["gross_exposure"]),
        )
        for x in summary["capacity"]
    ]
    return Sheet(CAPACITY, rows) if rows else None


def capacity_off(summary: dict) -> str:
    """Says why there is no capacity curve; "" where there is one."""
    if summary["capacity"]:
        return ""
    if not summary["data"]["has_volume"]:
        return "Impact and capacity are OFF: the prices have no volume."
    return "Impact and capacity are OFF: config.backtest.impact_coefficient is 0."


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
