"""How long after it happened each source's news was public, drawn."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes

from thesis_rl.data.quality import event_gates
from thesis_rl.report import canvas
from thesis_rl.report.canvas import BLUE, INK

INSTANT = 1e-9  # Days, less than any lag that is one.
BINS = (  # From so many days on.
    (-np.inf, "before"),
    (0.0, "at once"),
    (INSTANT, "the same day"),
    (1.0, "1 day"),
    (2.0, "2 to 3 days"),
    (4.0, "4 to 6 days"),
    (7.0, "1 to 2 weeks"),
    (14.0, "2 to 4 weeks"),
    (31.0, "1 to 3 months"),
    (92.0, "3 to 12 months"),
    (366.0, "a year or more"),
)
NUM_COLUMNS = 3


@canvas.styled
def draw_lags(tables: Mapping[str, pd.DataFrame]) -> Markup:
    """Draws the distribution of each source's lags.

    Args:
        tables: events by source.

    Returns:
        SVG.
    """
    num_rows = -(-len(tables) // NUM_COLUMNS)
    figure = canvas.new(canvas.WIDE, 0.2 + 2.0 * num_rows)
    panels = figure.subplots(num_rows, NUM_COLUMNS, squeeze=False).ravel()
    for axes, (source, events) in zip(panels, tables.items(), strict=False):
        _bars(axes, lag_shares(events))
        axes.set_title(source)
    for axes in panels[len(tables) :]:
        axes.set_visible(False)
    return canvas.to_svg(figure, "How long after its event each row was public")


def lag_shares(events: pd.DataFrame) -> np.ndarray:
    """Returns the share of rows in each of `BINS`; zeros where there is no row."""
    starts = np.array([start for start, _ in BINS])
    place = np.searchsorted(starts, event_gates.lags(events), side="right") - 1
    return np.bincount(place, minlength=len(BINS)) / max(len(place), 1)


def _bars(axes: Axes, heights: np.ndarray) -> None:
    places = -np.arange(len(BINS))
    axes.barh(places, heights, height=0.7, color=BLUE)
    axes.set_yticks(places, [label for _, label in BINS], color=INK)
    axes.set(xlim=(0, 1), ylim=(0.4 - len(BINS), 0.6), xlabel="Share of rows")
    axes.xaxis.set_major_formatter(canvas.percent_axis)
    axes.grid(axis="x")
    axes.grid(False, axis="y")
