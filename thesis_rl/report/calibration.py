"""Whether forecasts came true: probabilities, ranks and claims."""

import numpy as np
from markupsafe import Markup

from thesis_rl.report import canvas
from thesis_rl.report.canvas import BLUE, INK, MUTED, ORANGE, TEAL
from thesis_rl.report.sheet import (
    NOTHING,
    Heading,
    Sheet,
    count,
    fine,
    in_order,
    percent,
    probability,
    ratio,
    words,
)

CALIBRATION = {
    "accuracy": (
        "Accuracy",
        percent,
        "Share of rows on which the likeliest decision was the label.",
    ),
    "ece": (
        "ECE",
        fine,
        "Expected calibration error of the likeliest decision: Σ n_b/n · |accuracy − "
        "confidence| over 15 equal bins (Guo et al. 2017).",
    ),
    "classwise_ece": (
        "Classwise ECE",
        fine,
        "The same for each of the five decisions, averaged (Kull et al. 2019).",
    ),
    "brier": (
        "Brier",
        fine,
        "Mean of Σ (p_k − 1[label = k])², summed over the five decisions (Brier 1950).",
    ),
    "brier_constant": (
        "Brier, constant",
        fine,
        "The Brier score of always stating the labels' own frequencies: a forecast "
        "that knows anything is below it.",
    ),
    "rps": (
        "RPS",
        fine,
        "Ranked probability score: Σ (P(decision ≤ k) − 1[label ≤ k])² over the four "
        "cuts (Epstein 1969), mean over rows.",
    ),
}
SCALINGS = {
    "before": "As the networks state them",
    "temperature": "Temperature scaling",
    "vector": "Vector scaling",
}
RANK_IC = (
    Heading("Stage"),
    Heading(
        "Mean rank IC",
        "Mean over days of Spearman's correlation between Σ k·p_k and the raw forward "
        "return, across names; days with fewer than 5 names have none.",
    ),
    Heading(
        "t",
        "Mean over its standard error, which counts the overlap of labels (Hansen and "
        "Hodrick 1980, small samples corrected).",
    ),
    Heading(
        "p", "Two-sided, of that t, with as many degrees as labels do not overlap."
    ),
    Heading(
        "Sparse t",
        "The t of every H-th day alone, H the sessions that labels overlap: a check "
        "that no overlap can disturb.",
    ),
    Heading("Sparse p", "Two-sided, of that t."),
    Heading("Days"),
    Heading("Without", "Days without a correlation."),
)
QUALITY = {
    "schema_validity": (
        "Schema validity",
        "Share of the likeliest theses that validate before any repair.",
    ),
    "claim_precision": ("Claim precision", "True claims asserted / claims asserted."),
    "claim_recall": ("Claim recall", "True claims asserted / true claims."),
    "unsupported_claims": (
        "Asserted without evidence",
        "Asserted claims that could not be checked / claims asserted.",
    ),
}


def calibration(summary: dict) -> Sheet:
    """Tabulates the ensemble's probabilities before and after each scaling."""
    found = summary["calibration"]
    rows = [
        (name, *(show(found[key][k]) for k, (_, show, _) in CALIBRATION.items()))
        for key, name in SCALINGS.items()
    ]
    columns = (Heading(name, formula) for name, _, formula in CALIBRATION.values())
    used = list(SCALINGS).index(found["scaling"])
    titles = (Heading("Decision probabilities"), *columns)
    return Sheet(titles, rows, marked=used)


def calibrated(summary: dict) -> str:
    """Says how the scalings were fitted and which is used."""
    found, share = summary["calibration"], summary["config"]["calibration"]["share"]
    return (
        f"Measured on {found['num_rows']:,} unseen rows with a label. Each fold fits "
        f"its scalings on the last {100 * share:g}% of its training days, with a "
        "network that trained on the days before. Theses state the confidence after "
        f"{found['scaling']} scaling; the median temperature is "
        f"{ratio(found['median_temperature'])}, and a large one says that the networks "
        "knew little."
    )


def rank_ic(summary: dict) -> Sheet:
    """Tabulates each stage's rank correlation with what prices then did."""
    measured = summary["rank_ic"]
    rows = [
        (
            words(stage),
            fine(measured[stage]["mean"]),
            ratio(measured[stage]["t"]),
            probability(measured[stage]["p"]),
            ratio(measured[stage]["sparse_t"]),
            probability(measured[stage]["sparse_p"]),
            count(measured[stage]["days"]),
            count(measured[stage]["without"]),
        )
        for stage in in_order(measured)
    ]
    return Sheet(RANK_IC, rows)


def claims(summary: dict) -> Sheet:
    """Tabulates validity and truth of each stage, and of the theses as written."""
    by_stage = summary["theses"]["by_stage"]
    measured = {words(stage): by_stage[stage] for stage in in_order(by_stage)}
    measured["as written"] = summary["theses"]
    rows = [
        (name, *(percent(numbers.get(key)) for key in QUALITY))
        for name, numbers in measured.items()
    ]
    stage = Heading(
        "Stage",
        "A stage asserts claims of probability one half or more. As written: the final "
        "stage, each claim cut where it held often enough on the calibration days.",
    )
    titles = (stage, *(Heading(*column) for column in QUALITY.values()))
    return Sheet(titles, rows, marked=len(rows) - 1, divided=len(rows) - 1)


def in_short(summary: dict) -> str:
    """Says in a sentence how well probabilities and claims came true."""
    found, theses = summary["calibration"], summary["theses"]
    return (
        f"Calibration error {fine(found['before']['ece'])} as stated, "
        f"{fine(found[found['scaling']]['ece'])} after {found['scaling']} scaling. "
        f"Claims as written: {percent(theses['claim_precision'])} true, "
        f"{percent(theses['claim_recall'])} of the true ones found."
    )


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


HEADINGS = (
    Heading("Of the theses written"),
    Heading("Right"),
    Heading("Checked"),
    Heading("Share"),
)
CHECKS = {
    "bytes": "Citations whose bytes are there, their hash right",
    "facts": "Citations whose bytes, parsed anew, say what is cited",
    "time": "Citations known by the close of the thesis",
    "basis": "Claims whose citations are what they rest on, no more and no less",
    "numbers": "Quoted numbers that come out again from the bytes",
}


def audit_table(summary: dict) -> Sheet | None:
    """Tabulates coverage and correctness of evidence; None for simulated markets."""
    found = summary["theses"].get("evidence")
    if found is None:
        return None
    counts = [("Claims asserted that cite what they rest on", *_coverage(found))]
    counts += [(title, *found["checks"][check]) for check, title in CHECKS.items()]
    rows = [
        (title, f"{right:,}", f"{made:,}", percent(right / made) if made else NOTHING)
        for title, right, made in counts
    ]
    return Sheet(HEADINGS, rows)


def audit_problems(summary: dict) -> str:
    """Says which citations and numbers were wrong; "" where none was."""
    found = summary["theses"].get("evidence")
    if not found or not found["num_problems"]:
        return ""
    return (
        f"{found['num_problems']:,} checks of evidence failed; the first: "
        f"{found['problems'][0]}"
    )


def _coverage(found: dict) -> tuple[int, int]:
    return found["cited"], found["claims"]
