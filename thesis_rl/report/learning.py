"""Figures of how the policy learned, and what it then wrote."""

import itertools
from collections.abc import Iterable

import matplotlib.dates
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from thesis_rl.evaluation.theses import measure_truth
from thesis_rl.report import canvas
from thesis_rl.report.canvas import (
    BLUE,
    INK,
    OLIVE,
    ORANGE,
    PURPLE,
    RED,
    RULE,
    TEAL,
)
from thesis_rl.report.sheet import in_order, words
from thesis_rl.thesis.vocabulary import DECISION_LABELS
from thesis_rl.types import Thesis

STAGES = {"sft": ORANGE, "rft": BLUE, "paced": INK}
ABLATIONS = (TEAL, PURPLE, OLIVE, RED)
CURVES = (  # Rows of four; what a run does not measure is left out.
    "sections_loss",
    "claims_loss",
    "decision_loss",
    "loss",
    "structure_reward",
    "claims_reward",
    "decision_reward",
    "reward",
    "entropy",
    "grad_norm",
)
NUM_COLUMNS = 4
MIX_BINS = 90


def colours(stages: Iterable[str]) -> dict[str, str]:
    """Gives each stage a colour, in their order; ablations take turns."""
    others = itertools.cycle(ABLATIONS)
    return {x: STAGES[x] if x in STAGES else next(others) for x in in_order(stages)}


@canvas.styled
def draw_training(stages: dict[str, dict[str, np.ndarray]]) -> Markup | None:
    """Draws every training metric by step: mean over runs, and one sd around it.

    Args:
      stages: `outcome.metrics`; by stage and name, [S, F + 1, num_steps].

    Returns:
      SVG, or None where no stage took a step.
    """
    trained = {
        stage: metrics
        for stage, metrics in stages.items()
        if all(np.size(runs) for runs in metrics.values())
    }
    measured = {name for metrics in trained.values() for name in metrics}
    names = [name for name in CURVES if name in measured]
    names += sorted(measured.difference(CURVES))
    if not names:
        return None
    num_rows = -(-len(names) // NUM_COLUMNS)
    figure = canvas.new(canvas.WIDE, 0.2 + 1.5 * num_rows)
    panels = figure.subplots(num_rows, NUM_COLUMNS, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        for stage, colour in colours(trained).items():
            if name in trained[stage]:
                _curve(axes, trained[stage][name], colour)
        axes.set_title(words(name))
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4))
    for axes in panels[-NUM_COLUMNS:]:
        axes.set_xlabel("Training step")
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    return canvas.to_svg(figure, "Training curves by stage")


def _curve(axes: Axes, runs: np.ndarray, colour: str) -> None:
    mean, sd = mean_and_sd(runs)
    steps = np.arange(1, len(mean) + 1)
    axes.fill_between(steps, mean - sd, mean + sd, color=colour, alpha=0.2, linewidth=0)
    axes.plot(steps, mean, color=colour)


def mean_and_sd(runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and sd over the runs that are finite, [num_steps] each.

    Args:
      runs: [S, F + 1, num_steps].
    """
    runs = np.asarray(runs, np.float64).reshape(-1, runs.shape[-1])
    finite = np.isfinite(runs)
    count = np.where(finite.any(axis=0), finite.sum(axis=0), np.nan)
    mean = np.where(finite, runs, 0.0).sum(axis=0) / count
    squares = np.square(np.where(finite, runs - mean, 0.0))
    return mean, np.sqrt(squares.sum(axis=0) / count)


@canvas.styled
def draw_decision_mix(
    decision: np.ndarray, quoted: np.ndarray, dates: pd.DatetimeIndex
) -> Markup:
    """Draws the shares of the five decisions over time.

    Args:
      decision: [T', N], the likeliest.
      quoted: [T', N], the rows that count.
      dates: [T'].

    Returns:
      SVG.
    """
    chosen = decision[..., None] == np.arange(len(DECISION_LABELS))
    counts = (chosen & quoted[..., None]).sum(axis=1)  # [T', A]
    bins = np.arange(0, len(counts), -(-len(counts) // MIX_BINS))
    counts = np.add.reduceat(counts, bins, axis=0)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = canvas.new(canvas.HALF, 2.6)
    axes = figure.subplots()
    days = matplotlib.dates.date2num(dates)
    axes.stackplot(days[bins], shares.T, colors=canvas.DECISIONS, linewidth=0)
    axes.set(xlim=days[bins[[0, -1]]] if len(bins) > 1 else None, ylim=(0, 1))
    axes.set(title="Likeliest decision of the ensemble", xlabel="Date")
    axes.set_ylabel("Share of quoted rows")
    axes.yaxis.set_major_formatter(canvas.percent_axis)
    axes.xaxis_date()
    middles = shares[-1].cumsum() - shares[-1] / 2
    names = [words(label) for label in DECISION_LABELS]
    ends = [(end, name, INK) for end, name in zip(middles, names, strict=True)]
    canvas.label_ends(axes, ends, gap=0.075)
    return canvas.to_svg(figure, "Shares of the five decisions over time")


@canvas.styled
def draw_claims(
    theses: Thesis,
    truth: np.ndarray,
    known: np.ndarray,
    quoted: np.ndarray,
    names: list[str],
) -> Markup:
    """Draws precision and recall of each claim.

    Args:
      theses: modes, [T', N, ...].
      truth: [T', N, C].
      known: [T', N, C].
      quoted: [T', N], the rows that count.
      names: [C].

    Returns:
      SVG.
    """
    measured = [
        measure_truth(
            theses._replace(claims=theses.claims[..., [i]]),
            truth[..., [i]],
            known[..., [i]],
            quoted,
        )
        for i in range(len(names))
    ]
    precision = np.array([one["claim_precision"] for one in measured])
    recall = np.array([one["claim_recall"] for one in measured])
    places = -np.arange(len(names))
    figure = canvas.new(canvas.HALF, 0.9 + 0.22 * len(names))
    axes = figure.subplots()
    axes.hlines(places, precision, recall, color=RULE, linewidth=2)
    axes.plot(precision, places, "o", color=BLUE, markersize=5)
    axes.plot(recall, places, "o", color=ORANGE, markersize=5, fillstyle="none")
    axes.set(xlim=(-0.03, 1.03), ylim=(0.4 - len(names), 0.6), xlabel="Share")
    axes.set_title("Precision (full), recall (open)")
    axes.set_yticks(places, [words(name) for name in names], color=INK)
    axes.xaxis.set_major_formatter(canvas.percent_axis)
    axes.grid(axis="x")
    return canvas.to_svg(figure, "Precision and recall of each claim")
