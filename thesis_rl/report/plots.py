"""The figures of what was earned and learned."""

import matplotlib.dates
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from thesis_rl.experiment import Result
from thesis_rl.report import canvas
from thesis_rl.report.canvas import BLUE, INK, MUTED, ORANGE, RULE, TEAL
from thesis_rl.report.wording import words
from thesis_rl.thesis import quality
from thesis_rl.types import Thesis
from thesis_rl.vocabulary import DECISION_LABELS

STAGES = {"sft": ORANGE, "rft": BLUE, "exact": TEAL}
MAX_POINTS = 1000  # Of a daily line; more are finer than the print.
MIX_BINS = 150
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
    "anchor",
    "grad_norm",
)
as_percent = FuncFormatter(lambda share, _: f"{100 * share:g}%")


def unseen_days(result: Result) -> slice:
    """Returns the out-of-sample days of the panel."""
    folds = result.experiment.folds
    return slice(int(folds.test_start[0]), int(folds.test_stop[-1]))


def unseen_dates(result: Result) -> np.ndarray:
    """Returns the out-of-sample dates, [T'], as numbers for the axis."""
    dates = result.experiment.dataset.dates[unseen_days(result)]
    return matplotlib.dates.date2num(dates)


def thin(values: np.ndarray) -> np.ndarray:
    """Keeps about `MAX_POINTS` of a long series, the lowest of each stretch.

    So no drawdown is hidden; dates fall on the first day of their stretch.
    """
    stride = -(-len(values) // MAX_POINTS)
    return np.minimum.reduceat(values, np.arange(0, len(values), stride))


def drawdown(wealth: np.ndarray) -> np.ndarray:
    """Returns V_t / max_{s≤t} V_s − 1, the starting capital included."""
    return wealth / np.maximum(np.maximum.accumulate(wealth), 1.0) - 1.0


@canvas.styled
def equity(result: Result) -> Markup:
    """Draws net worth and drawdown: all lines on one scale, and the book on its own."""
    own = (
        ("ensemble", result.books["ensemble"].net, BLUE),
        ("hedged", result.books["ensemble"].headline_net, TEAL),
        ("cash", np.zeros_like(result.books["ensemble"].net), MUTED),
    )
    market = ("equal weight", result.books["equal_weight"].net, ORANGE)
    dates = thin(unseen_dates(result))
    figure = canvas.new(canvas.WIDE, 4.2)
    axes = figure.subplots(2, 2, sharex=True, height_ratios=(2.4, 1))
    titles = ("Net worth of 1", "The book alone, its own scale")
    for column, title, lines in zip(
        axes.T, titles, ((market, *own), own), strict=True
    ):
        top, bottom = column
        ends = []
        for name, returns, colour in lines:
            wealth = np.cumprod(1.0 + returns)
            top.plot(dates, thin(wealth), color=colour)
            ends.append((wealth[-1], name, colour))
            if name != "cash":
                bottom.plot(dates, thin(drawdown(wealth)), color=colour, linewidth=0.9)
        _log_scale(top)
        canvas.label_ends(top, ends, gap=0.085)
        top.set(title=title, ylabel="Net worth, log scale")
        bottom.set(ylabel="Drawdown", xlabel="Date")
        bottom.yaxis.set_major_formatter(as_percent)
        bottom.yaxis.set_major_locator(MaxNLocator(3))
        bottom.xaxis_date()
    return canvas.to_svg(
        figure, "Net worth and drawdown of the ensemble, equal weight and cash"
    )


def _log_scale(axes: Axes) -> None:
    """Makes the y axis logarithmic with ticks a reader can say, wide range or not."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    many = high / low > 4
    axes.yaxis.set_major_locator(
        LogLocator(subs=(1.0, 2.0, 5.0)) if many else MaxNLocator(5)
    )
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda worth, _: f"{worth:g}"))


@canvas.styled
def folds(result: Result) -> Markup:
    """Draws what the ensemble and each seed earned in each test window."""
    table = result.summary["folds"]
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
    earned.yaxis.set_major_formatter(as_percent)
    for seed in zip(*(fold["seed_sharpes"] for fold in table), strict=True):
        sharpes.plot(middles, seed, "o", color=MUTED, markersize=2.6, alpha=0.6)
    ensemble = [fold["headline_sharpe"] for fold in table]
    sharpes.plot(middles, ensemble, "o", color=BLUE, markersize=5)
    sharpes.set(
        title="Ensemble (large) and single seeds (small)",
        ylabel="Headline\nSharpe",
        xlabel="Test window",
    )
    for axes in (earned, sharpes):
        axes.axhline(0.0, color=INK, linewidth=0.7)
        axes.xaxis_date()
    return canvas.to_svg(figure, "Headline return and Sharpe of each fold")


@canvas.styled
def training(result: Result) -> Markup | None:
    """Draws every training metric by step: mean over runs, and one sd around it."""
    stages = {
        stage: metrics
        for stage, metrics in result.outcome.metrics.items()
        if all(np.size(curve) for curve in metrics.values())
    }
    measured = set().union(*stages.values()) if stages else set()
    names = [name for name in CURVES if name in measured]
    names += sorted(measured.difference(CURVES))
    if not names:
        return None
    num_rows = -(-len(names) // 4)
    figure = canvas.new(canvas.WIDE, 1.55 * num_rows)
    panels = figure.subplots(num_rows, 4, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        for stage, metrics in stages.items():
            if name in metrics:
                _curve(axes, metrics[name], STAGES.get(stage, MUTED))
        axes.set_title(words(name))
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4))
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    for axes in panels[max(0, len(names) - 4) : len(names)]:
        axes.set_xlabel("Training step")
    return canvas.to_svg(figure, "Training curves by stage")


def _curve(axes: Axes, runs: np.ndarray, colour: str) -> None:
    """Draws the mean and sd over runs [S, F + 1, steps]; not finite is left out."""
    runs = np.asarray(runs, np.float64).reshape(-1, runs.shape[-1])
    finite = np.isfinite(runs)
    count = np.where(finite.any(0), finite.sum(0), np.nan)
    mean = np.where(finite, runs, 0.0).sum(0) / count
    sd = np.sqrt(np.where(finite, runs - mean, 0.0) ** 2).sum(0) / count
    steps = np.arange(1, len(mean) + 1)
    axes.fill_between(steps, mean - sd, mean + sd, color=colour, alpha=0.2, linewidth=0)
    axes.plot(steps, mean, color=colour)


@canvas.styled
def decision_mix(result: Result) -> Markup:
    """Draws the shares of the likeliest decisions over time, all quoted names."""
    rows = np.asarray(result.experiment.dataset.market.tradable)[unseen_days(result)]
    decided = result.theses.decision[..., None] == np.arange(len(DECISION_LABELS))
    counts = (decided & rows[..., None]).sum(axis=1)  # [T', A]
    stride = -(-len(counts) // MIX_BINS)
    bins = np.arange(0, len(counts), stride)
    counts = np.add.reduceat(counts, bins, axis=0)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = canvas.new(canvas.HALF, 2.6)
    axes = figure.subplots()
    dates = unseen_dates(result)
    axes.stackplot(dates[bins], shares.T, colors=canvas.DECISIONS, linewidth=0)
    axes.set(xlim=(dates[0], dates[-1]), ylim=(0, 1), ylabel="Share of rows")
    axes.set(title="Likeliest decision of the ensemble", xlabel="Date")
    axes.yaxis.set_major_formatter(as_percent)
    axes.xaxis_date()
    middles = shares[-1].cumsum() - shares[-1] / 2
    labels = [words(label) for label in DECISION_LABELS]
    canvas.label_ends(
        axes, [(m, text, INK) for m, text in zip(middles, labels, strict=True)], 0.075
    )
    return canvas.to_svg(figure, "Shares of the five decisions over time")


@canvas.styled
def exposure(result: Result) -> Markup:
    """Draws how much of the capital the ensemble holds, long plus and less short."""
    book = result.books["ensemble"]
    lines = (("gross", book.gross_exposure, INK), ("net", book.net_exposure, BLUE))
    figure = canvas.new(canvas.HALF, 2.6)
    axes = figure.subplots()
    for _, values, colour in lines:
        axes.plot(thin(unseen_dates(result)), thin(values), color=colour)
    canvas.label_ends(axes, [(v[-1], name, c) for name, v, c in lines], gap=0.08)
    axes.axhline(0.0, color=RULE, linewidth=0.8)
    axes.set(title="Exposure of the ensemble", ylabel="Share of capital", xlabel="Date")
    axes.yaxis.set_major_formatter(as_percent)
    axes.xaxis_date()
    return canvas.to_svg(figure, "Gross and net exposure over time")


@canvas.styled
def claims(result: Result) -> Markup:
    """Draws precision and recall of each claim, out of sample."""
    experiment, days = result.experiment, unseen_days(result)
    panel, rows = experiment.dataset.panel, experiment.dataset.market.tradable
    truth, known, rows = (np.asarray(x)[days] for x in (panel.truth, panel.known, rows))
    names = list(experiment.config.claims)
    measured = []
    for i in range(len(names)):
        one = Thesis(
            result.theses.sections,
            result.theses.claims[..., [i]],
            result.theses.decision,
        )
        measured.append(quality.measure(one, truth[..., [i]], known[..., [i]], rows))
    precision, recall = (
        np.array([m[key] for m in measured]) for key in ("claim_precision", "claim_recall")
    )
    places = -np.arange(len(names))
    figure = canvas.new(canvas.HALF, 0.9 + 0.22 * len(names))
    axes = figure.subplots()
    axes.hlines(places, precision, recall, color=RULE, linewidth=2)
    axes.plot(precision, places, "o", color=BLUE, markersize=5)
    axes.plot(recall, places, "o", color=ORANGE, markersize=5, fillstyle="none")
    axes.set(xlim=(-0.03, 1.03), xlabel="Share", title="Precision (full), recall (open)")
    axes.set_yticks(places, [words(name) for name in names], color=INK)
    axes.xaxis.set_major_formatter(as_percent)
    axes.grid(axis="x")
    return canvas.to_svg(figure, "Precision and recall of each claim")
