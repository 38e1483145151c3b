"""Every form of the report says what the summary says, whatever the run was like."""

import io
import json
import math
import re

import pytest
from rich.console import Console

from tests import random_run
from tests.random_run import N, T
from tests.report_reader import Reader
from thesis_rl import report
from thesis_rl.report import page as html_report
from thesis_rl.report import page as page_lib
from thesis_rl.report import sheet

PATTERNS = {
    ("net", "headline_sharpe"): "{:z.2f}",
    ("seed_sd", "net", "headline_sharpe"): "{:z.2f}",
    ("comparison", "sharpe_difference"): "{:z.2f}",
    ("comparison", "interval"): "{0[0]:z.2f} to {0[1]:z.2f}",
    ("comparison", "p"): "{:.3f}",
    ("comparison", "dm_p"): "{:.3f}",
    ("net", "sharpe"): "{:z.2f}",
    ("net", "annual_return"): "{:z.1%}",
    ("net", "volatility"): "{:z.1%}",
    ("net", "max_drawdown"): "{:z.1%}",
    ("net", "turnover"): "{:z.1f}×",
    ("gross", "headline_sharpe"): "{:z.2f}",
}
CONSOLE = [0, 1, 4, 6, 7, 8, 9, 10]  # Of `PATTERNS`.
ORDER = (
    "What was tested, and how",
    "Headline",
    "Against baselines",
    "Costs and capacity",
    "Regimes",
    "Calibration and claims",
    "Learning curves",
    "Data and caveats",
    "What the numbers mean",
)


@pytest.fixture(scope="module")
def result():
    return random_run.hostile()


@pytest.fixture(scope="module")
def page():
    return random_run.hostile_page()


@pytest.fixture(scope="module")
def small():
    """One stage and seed, no step, and nothing that is optional."""
    return random_run.run(("sft",), num_seeds=1, num_steps=0)


def rows_of(form, summary, page):
    """Reads (strategy, mapping) -> cells back out of one form of the report."""
    if form == "html":
        rows = Reader(page).rows
    elif form == "markdown":
        lines = page_lib.markdown(summary).splitlines()
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    else:
        lines = [line.split() for line in printed(summary).splitlines()]
        rows = [
            [" ".join(words[: -len(CONSOLE)]), *words[-len(CONSOLE) :]]
            for words in lines
            if len(words) > len(CONSOLE)
        ]
    width = len(CONSOLE if form == "console" else PATTERNS)
    first = summary["headline"]["mapping"]
    found = {}
    for row in rows:
        if len(row) == width + 2:
            found[row[1].replace(" ", "_"), row[0]] = row[2:]
        elif len(row) == width + 1:
            found[row[0].replace(" ", "_"), first] = row[1:]
    return found


def printed(summary, width=80):
    console = Console(width=width, file=io.StringIO())
    report.print_summary(summary, console)
    return console.file.getvalue()


def expected_cells(numbers):
    cells = []
    for path, pattern in PATTERNS.items():
        value = numbers
        for key in path:
            value = value.get(key, {}) if isinstance(value, dict) else value
        listed = value if isinstance(value, list) else [value]
        missing = value == {} or any(map(math.isnan, listed))
        cells.append("–" if missing else pattern.format(value))
    return [cell.replace("0.000", "<0.001") for cell in cells]


@pytest.mark.parametrize("form", ["console", "markdown", "html"])
def test_every_number_of_the_table_is_the_summarys(form, result, page):
    summary = result.summary
    shown = rows_of(form, summary, page)
    first = summary["headline"]["mapping"]
    for name, numbers in summary["strategies"].items():
        for mapping, metrics in numbers.get("by_mapping", {first: numbers}).items():
            compared = {"comparison": summary["comparisons"].get(name, {})}
            cells = expected_cells(metrics | compared if mapping == first else metrics)
            if form != "console":
                assert shown[name, mapping] == cells, (name, mapping)
            elif mapping == first and name != "ensemble_cvar":
                assert shown[name, mapping] == [cells[i] for i in CONSOLE], name


@pytest.mark.parametrize("form", ["console", "markdown", "html"])
def test_order_puts_the_judged_first_and_baselines_last(form, result, page):
    order = [name for name, _ in rows_of(form, result.summary, page)]
    order = order[order.index("ensemble") :][:9]
    assert order == [
        *("ensemble", "rft", "sft_ensemble", "sft", "exact_ensemble", "exact"),
        *("equal_weight", "momentum", "best_constant"),
    ]


def test_console_fits_eighty_columns_uncut(result):
    long = result.summary["strategies"]["momentum"]
    wild = {name: -123.456 for name in long["net"]}
    table = result.summary["strategies"] | {
        "momentum": {"net": wild, "gross": wild},
        "no_structure_ensemble": long,
    }
    for strategies in (result.summary["strategies"], table):
        text = printed(result.summary | {"strategies": strategies})
        assert "…" not in text and max(map(len, text.splitlines())) <= 80
    assert "-12345.6%" in text and "-123.5×" in text


def test_console_shows_of_many_signs_the_best_and_the_worst(result):
    summary = dict(result.summary)
    numbers = summary["strategies"]["sign_of_vol"]
    table = {k: v for k, v in summary["strategies"].items() if k != "sign_of_vol"}
    for i in range(7):
        net = numbers["net"] | {"headline_sharpe": float(i)}
        table[f"sign_of_x{i}"] = numbers | {"net": net}
    still = numbers["net"] | {"headline_sharpe": math.nan}
    table["sign_of_nothing"] = numbers | {"net": still}
    text = printed(summary | {"strategies": table})
    assert re.findall(r"^sign of (\w+)", text, re.MULTILINE) == ["x6", "x0"]
    assert "Of 8 signs of features the best and the worst" in " ".join(text.split())


def test_sections_follow_one_order_in_every_form(result, page):
    for found in (
        re.findall(r"<h2>(.*?)</h2>", page),
        re.findall(r"^## (.*)$", page_lib.markdown(result.summary), re.MULTILINE),
    ):
        assert tuple(found) == ORDER
    text = " ".join(printed(result.summary).split())
    marks = ("Net headline Sharpe", "Strategy", "StepM", "break-even", "Calibration")
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)


def test_headline_is_the_same_sentence_everywhere(result, page):
    headline = result.summary["headline"]
    low, high = headline["interval"]
    sentence = (
        f"Net headline Sharpe {headline['sharpe']:.2f}, 95% interval {low:.2f} to "
        f"{high:.2f}, over {headline['num_days']} unseen days"
    )
    smallest = f"80% power is {headline['detectable_sharpe']:.2f}."
    for form in (
        " ".join(printed(result.summary).split()),
        page_lib.markdown(result.summary),
        Reader(page).text,
    ):
        assert sentence in form and smallest in form
        assert "Nothing survives deflation: the deflated Sharpe ratio is 0.700" in form


def test_synthetic_run_says_so_first(result, page):
    assert result.summary["synthetic"]
    assert page.index("SYNTHETIC DATA") < page.index("<h1>")
    assert page_lib.markdown(result.summary).startswith("# SYNTHETIC: A run")
    planted = result.summary | {"title": "SYNTHETIC: planted"}
    assert sheet.title(planted) == "SYNTHETIC: planted"
    assert sheet.title(planted | {"synthetic": False, "title": "Real"}) == "Real"


def test_masked_rows_are_counted_with_their_reason(result, page):
    rows, quoted = sheet.masked(result.summary).rows, T * N - 7
    assert ("Not quoted: gap", "7", f"{7 / (T * N):.1%} of rows") in rows
    assert ("Quoted, without vol", "413", "100.0% of quoted rows") in rows
    assert ("Quoted, no volume", "21", f"{21 / quoted:.1%} of quoted rows") in rows
    cells = {row[0]: row[1:] for row in Reader(page).rows}
    assert all(cells[reason] == rest for reason, *rest in rows)


def test_write_fills_the_folder(result, page, tmp_path):
    report.write(result, result.summary, tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    written = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert written == page_lib.markdown(result.summary)


def test_summary_read_back_from_its_file_prints_the_same(result):
    def stored(x):
        if isinstance(x, dict):
            return {k: stored(v) for k, v in x.items()}
        if isinstance(x, list | tuple):
            return [stored(v) for v in x]
        return None if isinstance(x, float) and not math.isfinite(x) else x

    again = json.loads(json.dumps(stored(result.summary)))
    assert page_lib.markdown(again) == page_lib.markdown(result.summary)
    assert printed(again) == printed(result.summary)


def test_smallest_run_renders_without_what_it_lacks(small):
    page = html_report.html(small, small.summary)
    for absent in ("Learning curves", "Cross-validated", "exposure controller</h3>"):
        assert absent not in page
    assert "SYNTHETIC" not in page and not re.search(r"\b(nan|inf)\b", page)
    shown = rows_of("html", small.summary, page)
    assert ("rft", "expected") not in shown
    assert shown["sft", "expected"][1] == "–", "one seed has no spread"
    assert shown["hold", "expected"][6] == "–", "cash has no Sharpe"
    assert "| – |" in page_lib.markdown(small.summary)
    assert "No ledger of trials was kept" in printed(small.summary)


def test_run_without_a_headline_says_so(result):
    nothing = {"sharpe": math.nan, "interval": [math.nan, math.nan]}
    summary = result.summary | {"headline": result.summary["headline"] | nothing}
    assert "There is no headline Sharpe" in page_lib.markdown(summary)
    assert not re.search(r"\bnan\b", page_lib.markdown(summary))
