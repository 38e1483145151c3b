"""Figures of how far stated probabilities came true."""

import numpy as np
from markupsafe import Markup

from thesis_rl.report import canvas
from thesis_rl.report.canvas import BLUE, INK, MUTED, ORANGE, TEAL
from thesis_rl.report.calibration import SCALINGS

COLOURS = dict(zip(SCALINGS, (ORANGE, BLUE, TEAL), strict=True))


@canvas.styled
def draw_reliability(calibration: dict) -> Markup:
    """Draws how often decisions came true against how likely they were said to be.

    Args:
      calibration: `summary["calibration"]`.

    Returns:
      SVG.
    """
    figure = canvas.new(canvas.HALF, 3.6)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.plot((0, 1), (0, 1), color=MUTED, linewidth=0.8, linestyle="--")
    for place, (name, title) in enumerate(SCALINGS.items()):
        bins = {
            k: np.array(v, np.float64) for k, v in calibration[name]["bins"].items()
        }
        share = bins["count"] / max(bins["count"].sum(), 1.0)
        colour, filled = COLOURS[name], bins["count"] > 0
        stated, came_true = bins["confidence"][filled], bins["accuracy"][filled]
        top.plot(stated, came_true, color=colour, linewidth=0.9)
        top.scatter(stated, came_true, 6 + 60 * share[filled], color=colour)
        words = title[0].lower() + title[1:]
        top.text(
            0.03, 0.93 - 0.09 * place, words, color=colour, transform=top.transAxes
        )
        edges = np.linspace(0.0, 1.0, len(share) + 1)
        bottom.stairs(share, edges, color=colour, linewidth=1.2)
    for axes in (top, bottom):
        axes.yaxis.set_major_formatter(canvas.percent_axis)
    top.set(xlim=(0, 1), ylim=(0, 1), title="Reliability", ylabel="Came true")
    bottom.set(ylim=(0, None), ylabel="Rows", xlabel="Stated probability")
    bottom.axhline(0.0, color=INK, linewidth=0.7)
    bottom.xaxis.set_major_formatter(canvas.percent_axis)
    return canvas.to_svg(figure, "Stated probability against share that came true")
