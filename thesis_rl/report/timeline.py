"""When things are known, decided, filled, earned and judged, drawn to scale."""

import matplotlib.dates
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from ml_collections import FrozenConfigDict

from thesis_rl.report import canvas
from thesis_rl.report.canvas import BLUE, INK, MUTED, ORANGE, RED, TEAL
from thesis_rl.types import Fold
from thesis_rl.walk_forward.experiment import Experiment

LOOK_BACK = 8  # Sessions drawn before the decision.


@canvas.styled
def draw_timeline(experiment: Experiment) -> Markup:
    """Draws one decision by sessions, and all folds by date.

    Args:
      experiment: as prepared.

    Returns:
      SVG.
    """
    num_folds = len(experiment.folds.test_start)
    height = 0.5 + max(0.5, 0.13 * num_folds)
    figure = canvas.new(canvas.WIDE, 1.8 + height)
    decision, folds = figure.subplots(2, 1, height_ratios=(1.8, height))
    config, dataset = experiment.config, experiment.dataset
    _one_decision(
        decision,
        config,
        config.labels.entry_lag,
        dataset.label_reach,
    )
    _all_folds(
        folds,
        experiment.folds,
        dataset.dates,
        dataset.label_reach,
        config.folds.embargo_days,
    )
    return canvas.to_svg(
        figure, "When a decision is taken, filled and judged; and the folds by date"
    )


def _one_decision(
    axes: Axes, config: FrozenConfigDict, entry_lag: int, reach: int
) -> None:
    rules = config.backtest
    fill, hold_days = rules.fill_lag, rules.hold_days
    held = f"hold {hold_days} sessions and earn"
    if config.pace.rule != "sleeves":
        held = "move there at the fold's pace, and earn"
    spans = (  # (from, to, colour, text), in sessions after the decision.
        (-LOOK_BACK, 0, MUTED, "observe"),
        (fill, fill + hold_days, BLUE, held),
        (entry_lag, reach, ORANGE, f"label: looks {reach} sessions ahead"),
    )
    for row, (start, stop, colour, text) in enumerate(spans):
        axes.barh(-row, stop - start, left=start, height=0.62, color=colour, alpha=0.25)
        axes.text(start + 0.3, -row, text, color=INK, va="center")
    for x in (0, fill):
        axes.axvline(x, color=INK, linewidth=0.9, ymax=0.86)
    axes.text(-0.2, 0.62, "decide at the close of t", ha="right", va="bottom")
    axes.text(
        fill + 0.2, 0.62, f"fill at the {rules.fill} of {_day(fill)}", va="bottom"
    )
    stop = max(fill + hold_days, reach)
    axes.set(
        title="One decision",
        xlabel="Sessions from the decision",
        xlim=(-LOOK_BACK, stop + 1),
        ylim=(-2.5, 1.2),
    )
    ticks = sorted({0, fill, fill + hold_days, reach})
    axes.set_xticks(ticks, [_day(x) for x in ticks])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _day(sessions: int) -> str:
    return f"t + {sessions}" if sessions else "t"


def _all_folds(
    axes: Axes, folds: Fold, dates: pd.DatetimeIndex, reach: int, embargo: int
) -> None:
    days = matplotlib.dates.date2num(dates)
    days = np.append(days, days[-1] + 1)
    starts, stops, firsts, lasts = (np.asarray(x) for x in folds)
    rows = -np.arange(len(starts))
    spans = (
        (starts, stops, MUTED, 0.3),
        (stops, firsts - embargo, RED, 0.9),
        (firsts - embargo, firsts, ORANGE, 0.9),
        (firsts, lasts, TEAL, 0.9),
    )
    for start, stop, colour, alpha in spans:
        width = days[stop] - days[start]
        axes.barh(rows, width, left=days[start], height=0.7, color=colour, alpha=alpha)
    top = 0.65
    train, test = stops[0] - starts[0], lasts[0] - firsts[0]
    axes.text(days[starts[0]], top, f"train {train:,} days", color=MUTED, va="bottom")
    axes.text(
        days[firsts[0]],
        top,
        f"purge {reach} + embargo {embargo}, then test {test:,} days",
        color=TEAL,
        va="bottom",
    )
    axes.set(
        title=f"{len(starts)} folds, fresh parameters in each",
        xlabel="Date",
        ylim=(rows[-1] - 0.6, 2.0),
    )
    axes.xaxis_date()
    axes.grid(False)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
