"""How far the headline can be trusted: its interval, its odds, and its siblings."""

import matplotlib.dates
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from thesis_rl.evaluation.books import Book
from thesis_rl.report import canvas
from thesis_rl.report.baselines import find
from thesis_rl.report.canvas import BLUE, INK, MUTED, ORANGE, RULE, TEAL
from thesis_rl.report.sheet import (
    Heading,
    Sheet,
    count,
    exists,
    fine_percent,
    interval,
    one_decimal,
    percent,
    plural,
    probability,
    ratio,
)

CONFIDENT = 0.95
HEADINGS = (Heading("Measure"), Heading("Value"), Heading("How it is computed"))
MOMENTS = "1 − g₃·SR + (g₄ − 1)/4·SR²"
MEASURES = (  # (path in the summary, title, printed by, formula), SR a day.
    (
        ("headline", "sharpe"),
        "Net headline Sharpe, √q",
        ratio,
        "SR·√252, SR = mean / sd of the daily net headline return, sd with T − 1.",
    ),
    (
        ("headline", "sharpe_lo"),
        "The same, Lo's η(q)",
        ratio,
        "SR·q/√(q + 2·Σ (q − k)·ρ_k), q = 252, autocorrelations ρ_k up to lag "
        "⌊4·(T/100)^(2/9)⌋ (Lo 2002). Without autocorrelation it is SR·√q.",
    ),
    (
        ("headline", "interval"),
        "95% interval, bootstrap",
        interval,
        "Sharpe ± the 95% quantile of |SR* − SR| over 2,000 stationary bootstrap "
        "records (Politis and Romano 1994); blocks keep autocorrelation.",
    ),
    (
        ("headline", "mean_block"),
        "Mean block of the bootstrap, days",
        one_decimal,
        "Politis and White (2004) with Patton's correction; at least the holding "
        "period.",
    ),
    (
        ("headline", "interval_iid"),
        "95% interval, days independent",
        interval,
        f"(SR ± 1.96·√(({MOMENTS})/T))·√252.",
    ),
    (
        ("headline", "psr"),
        "Probabilistic Sharpe ratio",
        probability,
        f"PSR = Φ[SR·√(T − 1)/√({MOMENTS})], g₃ skew, g₄ raw kurtosis (Bailey and "
        "López de Prado 2012): the confidence that the true Sharpe is above 0.",
    ),
    (
        ("trials", "dsr"),
        "Deflated Sharpe ratio at N",
        probability,
        "PSR against SR₀ = sd(SR of the trials)·E[max of N normals] instead of 0 "
        "(Bailey and López de Prado 2014), N as counted by the ledger.",
    ),
    (
        ("trials", "dsr_effective"),
        "Deflated Sharpe ratio at N_eff",
        probability,
        "The same, with the effective number of trials for N.",
    ),
    (
        ("trials", "num_trials"),
        "Trials counted, N",
        count,
        "Every config and data set in the ledger, this one included. A rerun is no new "
        "trial; smoke and synthetic runs are none.",
    ),
    (
        ("trials", "num_effective"),
        "Effective trials, N_eff",
        one_decimal,
        "exp(−Σ p·log p), p the eigenvalues of the trials' correlation over their sum "
        "(Roy and Vetterli 2007), and one for each trial that cannot be compared.",
    ),
    (
        ("headline", "min_track_record_years"),
        "Minimum track record, years",
        one_decimal,
        f"(1 + ({MOMENTS})·(1.645/SR)²)/252: with so many PSR would be 0.95. None "
        "where SR is not above 0.",
    ),
    (
        ("trials", "min_backtest_years"),
        "Minimum backtest length, years",
        one_decimal,
        "(E[max of N normals]/SR)²: in so many, N trials without skill would show a "
        "best Sharpe as high as this (Bailey, Borwein, López de Prado and Zhu 2014).",
    ),
    (
        ("headline", "detectable_sharpe"),
        "Smallest detectable Sharpe",
        ratio,
        "(1.96 + 0.84)·√(252/T): what T days tell from zero with 80% power.",
    ),
    (
        ("headline", "sortino"),
        "Sortino ratio",
        ratio,
        "mean/√(mean of min(r, 0)² over all T days)·√252, of the headline return.",
    ),
    (
        ("headline", "max_drawdown"),
        "Max drawdown of the headline",
        percent,
        "Minimum over t of V_t / max V_s (s ≤ t) − 1, compounded, start included.",
    ),
    (
        ("headline", "calmar"),
        "Calmar ratio",
        ratio,
        "Compound return a year / |max drawdown|, of the headline return.",
    ),
    (
        ("headline", "value_at_risk"),
        "Value at risk, 95%, a day",
        fine_percent,
        "−(5% quantile of the daily headline return); losses are positive.",
    ),
    (
        ("headline", "conditional_value_at_risk"),
        "Conditional value at risk, 95%, a day",
        fine_percent,
        "Mean loss of the worst 5% of days (Rockafellar and Uryasev 2002).",
    ),
    (
        ("headline", "skew"),
        "Skew, g₃",
        ratio,
        "Biased third standardised moment of the daily headline return.",
    ),
    (
        ("headline", "kurtosis"),
        "Kurtosis, g₄",
        ratio,
        "Biased fourth standardised moment, raw: 3 for a normal.",
    ),
)


def evidence_table(summary: dict) -> Sheet:
    """Tabulates what is known of the headline, a row a measure with its formula."""
    rows = [
        (title, show(find(summary, path)), formula)
        for path, title, show, formula in MEASURES
        if path[0] in summary
    ]
    if trials := summary.get("trials"):
        rows.append(_overfitting(trials))
    return Sheet(HEADINGS, rows)


def _overfitting(trials: dict) -> tuple[str, str, str]:
    value = ratio(trials["pbo"])
    if exists(trials["pbo"]):
        value += f" (null {ratio(trials['pbo_null'])} ± {ratio(trials['pbo_null_sd'])})"
    missing = f" Not given: {trials['pbo_missing']}." if trials["pbo_missing"] else ""
    return (
        "Probability of overfitting",
        value,
        "PBO: share of 12,870 splits of 16 blocks in which the trial that is best on "
        "one half is no better than the median on the other (Bailey, Borwein, López "
        "de Prado and Zhu 2017). Null: its mean and sampling sd with random signs of "
        f"the same days, so that no trial has skill.{missing}",
    )


def survives(summary: dict) -> str:
    """Says in one sentence what is left of the headline once trials are counted."""
    trials = summary.get("trials")
    if not trials:
        return "No ledger of trials was kept, so the headline is not deflated."
    if not exists(summary["headline"]["sharpe"]):
        return "Without a headline Sharpe there is nothing to deflate."
    n, at_n, at_effective = (
        trials[key] for key in ("num_trials", "dsr", "dsr_effective")
    )
    if not (exists(at_n) and exists(at_effective)):
        return "Too little is known of the trials to deflate the headline."
    if n == 1:
        enough = "not enough: below" if at_n < CONFIDENT else "enough: at least"
        why = "There are no other trials to deflate by"
        if trials["excuse"]:
            why = f"A {trials['excuse']} run is no trial and is deflated by none"
        return (
            f"{why}, so the deflated Sharpe ratio is the probabilistic one, "
            f"{probability(at_n)}, {enough} {CONFIDENT}."
        )
    effective = f"{one_decimal(trials['num_effective'])} effective ones"
    if min(at_n, at_effective) >= CONFIDENT:
        verdict = "The headline survives deflation"
    elif at_effective >= CONFIDENT:
        verdict = "The headline survives deflation only if like trials count as one"
    else:
        verdict = "Nothing survives deflation"
    return (
        f"{verdict}: the deflated Sharpe ratio is {probability(at_n)} with {n:,} "
        f"trials counted and {probability(at_effective)} with the {effective}; "
        f"{CONFIDENT} is asked."
    )


def ledger(summary: dict) -> str:
    """Says how the trials were counted; "" without a ledger."""
    trials = summary.get("trials")
    if not trials:
        return ""
    if trials["excuse"]:
        others = plural(len(trials["siblings"]), "trial")
        return (
            f"A {trials['excuse']} run is no trial: it adds none to the {others} that "
            "the ledger counts, and is deflated by none."
        )
    n, compared = trials["num_trials"], trials["num_compared"]
    counted = plural(n, "trial")
    said = [f"The ledger {trials['ledger']} counts {counted}, this run's included"]
    if compared > 1:
        days = plural(trials["num_days"], "day")
        said[0] += f"; {compared:,} of them are compared over {days}"
    elif n > 1:
        said[0] += "; no other can be compared day by day"
    if undefined := trials["num_undefined"]:
        said.append(f"{plural(undefined, 'trial')} had no Sharpe ratio")
    if reruns := trials["num_changed_reruns"]:
        said.append(
            f"{plural(reruns, 'rerun')} of the same config and data predicted "
            "something else than before, as where the code changed, and counted once"
        )
    return ". ".join(said) + "."


def siblings(summary: dict) -> Sheet | None:
    """Tabulates the other trials of the ledger, if there are any."""
    others = summary.get("trials", {}).get("siblings")
    if not others:
        return None
    titles = ("Trial", "Config", "Data", "First run", "Day by day", "Sharpe")
    keys = ("title", "config_hash", "data_hash", "first_time", "returns")
    rows = [(*(t[key] for key in keys), ratio(t["sharpe"])) for t in others]
    return Sheet(tuple(map(Heading, titles)), rows, num_words=len(keys))


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
