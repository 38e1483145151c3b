"""How figures look: one palette, quiet axes, and SVG that follows the page's theme.

Figures are drawn in the light palette and leave as SVG in which every colour is a
CSS variable, so that one drawing reads on a light page, a dark one and on paper.
"""

import io
import re

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

INK, MUTED, RULE = "#1b1f24", "#67707b", "#d8dce1"
BLUE, ORANGE, TEAL, RED = "#2563ac", "#c2590e", "#0d7a6b", "#b3261e"
PURPLE, OLIVE = "#7a4aa8", "#7c7414"
DECISIONS = ("#b6480f", "#e9a97d", "#cfd4da", "#8db4e2", "#1f5a9e")  # [A]
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    BLUE: "--blue",
    ORANGE: "--orange",
    TEAL: "--teal",
    RED: "--red",
    PURPLE: "--purple",
    OLIVE: "--olive",
    **{colour: f"--decision-{i}" for i, colour in enumerate(DECISIONS)},
}
WIDE, HALF = 9.6, 4.7  # Inches.
SVG_DPI = 72  # One point is one unit.
STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 8.0,
    "text.color": INK,
    "axes.facecolor": "none",
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0.0,
    "date.converter": "concise",
}

percent_axis = FuncFormatter(lambda share, _: f"{100 * share:g}%")
styled = matplotlib.rc_context(STYLE)  # Decorates every function that draws.


def new(width: float, height: float) -> Figure:
    """Returns an empty figure, transparent, laid out when it is drawn."""
    figure = Figure((width, height), SVG_DPI, facecolor="none", layout="constrained")
    FigureCanvasSVG(figure)  # So that text is measured as it will be drawn.
    return figure


def to_svg(figure: Figure, description: str) -> Markup:
    """Returns a figure as inline SVG that scales with its box.

    Args:
      figure: drawn in the palette.
      description: read aloud where the figure cannot be seen.

    Returns:
      Safe markup: all text in it was escaped when it was drawn.
    """
    matplotlib.rcParams["svg.hashsalt"] = description  # Two figures share no id.
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # Laid out here, or savefig draws everything once more just to lay it out.
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine(None)
    figure.savefig(buffer, format="svg", metadata=nothing)
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    head, body = drawn.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)[0]
    body = re.sub(r' id="[\w.]+_\d+"', "", body)
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    return Markup(
        f'<svg {box} role="img" aria-label="{escape(description)}" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )


def label_ends(axes: Axes, ends: list[tuple[float, str, str]], gap: float) -> None:
    """Writes names beside the right ends of lines, pushed apart where they meet.

    Args:
      axes: with all its lines.
      ends: height in data units, text and colour of each.
      gap: smallest distance between two names, as a share of the axes' height.
    """
    ends = sorted((end for end in ends if np.isfinite(end[0])), key=lambda end: end[0])
    if not ends:
        return
    axes.autoscale_view()  # Limits are lazy, and heights are read off them.
    to_share = axes.transData + axes.transAxes.inverted()
    heights = np.array([to_share.transform((0.0, end[0]))[1] for end in ends])
    steps = gap * np.arange(len(ends))
    pushed = np.maximum.accumulate(heights - steps) + steps
    pushed -= max(0.0, pushed[-1] - 1.0)
    for height, (_, text, colour) in zip(pushed, ends, strict=True):
        axes.text(
            1.01, height, text, color=colour, va="center", transform=axes.transAxes
        )
