"""Figures of what was earned, held and lost."""

import matplotlib.dates
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from thesis_rl.evaluation.books import Book
from thesis_rl.report import canvas
from thesis_rl.report.canvas import BLUE, INK, MUTED, ORANGE, RULE, TEAL

MAX_POINTS = 1000  # Of a daily line; more are finer than the print.


@canvas.styled
def draw_equity(books: dict[str, Book], dates: pd.DatetimeIndex) -> Markup:
    """Draws the ensemble's net worth and drawdown beside those of equal weight.

    Args:
      books: by strategy, [T'] each.
      dates: [T'].

    Returns:
      SVG.
    """
    market = ("equal weight", books["equal_weight"].net, ORANGE)
    return _net_worth((market, *_own_lines(books)), dates, "Beside equal weight")


@canvas.styled
def draw_equity_alone(books: dict[str, Book], dates: pd.DatetimeIndex) -> Markup:
    """Draws the same without equal weight, on a scale of its own."""
    return _net_worth(_own_lines(books), dates, "The same book, its own scale")


def _own_lines(books: dict[str, Book]) -> tuple[tuple[str, np.ndarray, str], ...]:
    book = books["ensemble"]
    return (
        ("ensemble", book.net, BLUE),
        ("hedged", book.headline_net, TEAL),
        ("cash", np.zeros_like(book.net), MUTED),
    )


def _net_worth(lines, dates: pd.DatetimeIndex, title: str) -> Markup:
    figure = canvas.new(canvas.HALF, 4.2)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
    days = thin(matplotlib.dates.date2num(dates))
    ends = []
    for name, returns, colour in lines:
        wealth = np.cumprod(1.0 + returns)
        top.plot(days, thin(wealth), color=colour)
        bottom.plot(days, thin(draw_drawdown(wealth)), color=colour, linewidth=0.9)
        ends.append((wealth[-1], name, colour))
    _log_scale(top)
    canvas.label_ends(top, ends, gap=0.08)
    top.set(title=title, ylabel="Net worth of 1, log scale")
    bottom.set(ylabel="Drawdown", xlabel="Date")
    bottom.yaxis.set_major_formatter(canvas.percent_axis)
    bottom.yaxis.set_major_locator(MaxNLocator(3))
    bottom.xaxis_date()
    return canvas.to_svg(figure, f"Net worth and drawdown: {title}")


def _log_scale(axes: Axes) -> None:
    """Makes the y axis logarithmic with ticks a reader can say, wide range or not."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    wide = high / low > 4
    axes.yaxis.set_major_locator(
        LogLocator(subs=(1.0, 2.0, 5.0)) if wide else MaxNLocator(5)
    )
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda worth, _: f"{worth:g}"))


def thin(values: np.ndarray) -> np.ndarray:
    """Keeps about `MAX_POINTS` of a long series, the lowest of each stretch.

    So no drawdown is hidden; dates fall on the first day of their stretch.
    """
    stride = -(-len(values) // MAX_POINTS)
    return np.minimum.reduceat(values, np.arange(0, len(values), stride))


def draw_drawdown(wealth: np.ndarray) -> np.ndarray:
    """Returns V_t / max_{s≤t} V_s − 1, [T'], the starting capital included."""
    return wealth / np.maximum(np.maximum.accumulate(wealth), 1.0) - 1.0


@canvas.styled
def draw_exposure(book: Book, dates: pd.DatetimeIndex) -> Markup:
    """Draws how much of the capital a book holds, long plus short and long less short.

    Args:
      book: [T'].
      dates: [T'].

    Returns:
      SVG.
    """
    lines = (("gross", book.gross_exposure, INK), ("net", book.net_exposure, BLUE))
    figure = canvas.new(canvas.HALF, 2.6)
    axes = figure.subplots()
    axes.axhline(0.0, color=RULE, linewidth=0.8)
    for _, shares, colour in lines:
        axes.plot(matplotlib.dates.date2num(dates), shares, color=colour)
    canvas.label_ends(axes, [(s[-1], name, c) for name, s, c in lines], gap=0.08)
    axes.set(title="Exposure of the ensemble", ylabel="Share of capital", xlabel="Date")
    axes.yaxis.set_major_formatter(canvas.percent_axis)
    axes.xaxis_date()
    return canvas.to_svg(figure, "Gross and net exposure over time")
