"""Every form of the report says what the summary says, whatever the run was like."""

import html.parser
import io
import json
import math
import re

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from tests import random_run
from tests.random_run import N, T
from thesis_rl import report
from thesis_rl.report import html as html_report
from thesis_rl.report import markdown, wording
from thesis_rl.report.numbers import probability

HOSTILE = '<script>alert("$x$")</script>'
VOID = {"meta", "link", "br", "img"}
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
    """All stages, three seeds, synthetic, and every text hostile."""
    stages = ("exact", "rft", "sft")
    drawn = random_run.run(stages, 3, 5, text=HOSTILE, synthetic=True, rich=True)
    drawn.summary["trials"] = random_run.trials()
    return drawn


@pytest.fixture(scope="module")
def page(result):
    return html_report.page(result, result.summary)


@pytest.fixture(scope="module")
def small():
    """One stage and seed, no step, and nothing that is optional."""
    return random_run.run(("sft",), num_seeds=1, num_steps=0)


class Reader(html.parser.HTMLParser):
    """Checks that tags nest, and keeps attributes, texts and table rows."""

    def __init__(self, page):
        super().__init__()
        self.open, self.attributes, self.rows, self.texts = [], [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.attributes += [(tag, *pair) for pair in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data.strip().replace("−", "-")

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split()).replace("−", "-")


def rows_of(form, summary, page):
    """Reads (strategy, mapping) -> cells back out of one form of the report."""
    if form == "html":
        rows = Reader(page).rows
    elif form == "markdown":
        lines = markdown.page(summary).splitlines()
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
        re.findall(r"^## (.*)$", markdown.page(result.summary), re.MULTILINE),
    ):
        assert tuple(found) == ORDER
    text = " ".join(printed(result.summary).split())
    marks = ("Net headline Sharpe", "Strategy", "StepM", "basis points", "Calibration")
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
        markdown.page(result.summary),
        Reader(page).text,
    ):
        assert sentence in form and smallest in form
        assert "Nothing survives deflation: the deflated Sharpe ratio is 0.700" in form


def test_page_is_well_formed_and_needs_nothing_else(page):
    attributes = Reader(page).attributes
    loaded = [
        value
        for _, name, value in attributes
        if name in ("src", "href", "xlink:href", "data", "action", "srcset")
    ]
    assert loaded and all(value.startswith(("#", "data:")) for value in loaded)
    assert not re.search(
        r"url\((?!#)|@import|<script|<iframe|<object|javascript:", page
    )
    assert len(page) < 1e6


def test_ids_are_unique_and_those_referred_to_exist(page):
    attributes = Reader(page).attributes
    ids = [value for _, name, value in attributes if name == "id"]
    wanted = re.findall(r'(?:href="|url\()#([^")]+)', page)
    assert len(ids) == len(set(ids)) and set(wanted) <= set(ids) and wanted


def test_every_table_and_figure_has_a_label(page):
    attributes = Reader(page).attributes
    labels = [tag for tag, name, value in attributes if name == "aria-label" and value]
    assert labels.count("table") == len(re.findall("<table", page)) > 10
    assert labels.count("svg") == len(re.findall("<svg", page)) > 10


def test_figures_follow_the_theme_of_the_page(page):
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    drawn = page.replace(style, "")
    used = set(re.findall(r"var\((--[\w-]+)\)", drawn))
    assert used and not re.search(r"#[0-9a-fA-F]{6}\b", drawn)
    for block in (style, style[style.index("prefers-color-scheme: dark") :]):
        assert used <= set(re.findall(r"(--[\w-]+):", block))


def test_hostile_text_is_shown_not_run(result, page):
    text = Reader(page).text
    for expected in (f"A run of {HOSTILE}", f"Survivorship of {HOSTILE}"):
        assert expected in text
    assert f"claim 0 {HOSTILE}" in text
    rendered = MarkdownIt().render(markdown.page(result.summary))
    assert "<script" not in rendered and "&lt;script" in rendered


def test_synthetic_run_says_so_first(result, page):
    assert result.summary["synthetic"]
    assert page.index("SYNTHETIC DATA") < page.index("<h1>")
    assert markdown.page(result.summary).startswith("# SYNTHETIC: A run")
    planted = result.summary | {"title": "SYNTHETIC: planted"}
    assert wording.title(planted) == "SYNTHETIC: planted"
    assert wording.title(planted | {"synthetic": False, "title": "Real"}) == "Real"


def test_masked_rows_are_counted_with_their_reason(result, page):
    rows, quoted = wording.masked(result.summary).rows, T * N - 7
    assert ("Not quoted: gap", "7", f"{7 / (T * N):.1%} of rows") in rows
    assert ("Quoted, without vol", "413", "100.0% of quoted rows") in rows
    assert ("Quoted, no volume", "21", f"{21 / quoted:.1%} of quoted rows") in rows
    cells = {row[0]: row[1:] for row in Reader(page).rows}
    assert all(cells[reason] == rest for reason, *rest in rows)


def test_account_and_timeline_have_the_runs_true_numbers(result, page):
    hold = result.experiment.config.backtest.hold_days
    for text in (
        "purge 3 + embargo 2, then test 20 days",
        "train 40 days",
        f"hold {hold} sessions and earn",
        "label: looks 3 sessions ahead",
        "There are 4 folds: each trains 3 networks from scratch on 40 days",
        "follow a gap of 3 days",
    ):
        assert text in Reader(page).text


def test_provenance_shows_git_where_known(result):
    shown = dict(wording.provenance(result.summary))
    assert shown["Git revision"] == "not known" and shown["Compile"] == "1.2 s"
    git = {"git": {"revision": "abc123", "dirty": True}}
    shown = dict(wording.provenance(result.summary | git))
    assert shown["Git revision"] == "abc123, with uncommitted changes"


def test_theses_written_out_are_counted(result):
    assert wording.written(result.summary) == ""
    counts = {"written": 1200, "repaired": 7, "without_evidence": 3, "stride_days": 21}
    theses = result.summary["theses"] | counts
    page = markdown.page(result.summary | {"theses": theses})
    assert "1,200 theses were written out, 7 of them repaired; 3 rows" in page


def test_write_fills_the_folder(result, page, tmp_path):
    report.write(result, result.summary, tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    written = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert written == markdown.page(result.summary)


def test_whole_config_is_listed_by_its_flags(result, page):
    rows = {row[0]: row[1] for row in Reader(page).rows if len(row) == 2}
    assert json.loads(rows["folds.train_days"]) == 40
    assert json.loads(rows["reward.weights"]) == [0.2, 0.3, 0.5]


def test_summary_read_back_from_its_file_prints_the_same(result):
    def stored(x):
        if isinstance(x, dict):
            return {k: stored(v) for k, v in x.items()}
        if isinstance(x, list | tuple):
            return [stored(v) for v in x]
        return None if isinstance(x, float) and not math.isfinite(x) else x

    again = json.loads(json.dumps(stored(result.summary)))
    assert markdown.page(again) == markdown.page(result.summary)
    assert printed(again) == printed(result.summary)


def test_smallest_run_renders_without_what_it_lacks(small):
    page = html_report.page(small, small.summary)
    for absent in ("Learning curves", "Cross-validated", "exposure controller</h3>"):
        assert absent not in page
    assert "SYNTHETIC" not in page and not re.search(r"\b(nan|None|inf)\b", page)
    shown = rows_of("html", small.summary, page)
    assert ("rft", "expected") not in shown
    assert shown["sft", "expected"][1] == "–", "one seed has no spread"
    assert shown["hold", "expected"][6] == "–", "cash has no Sharpe"
    assert "| – |" in markdown.page(small.summary)
    assert "No ledger of trials was kept" in printed(small.summary)


def test_run_without_a_headline_says_so(result):
    nothing = {"sharpe": math.nan, "interval": [math.nan, math.nan]}
    summary = result.summary | {"headline": result.summary["headline"] | nothing}
    assert "There is no headline Sharpe" in markdown.page(summary)
    assert not re.search(r"\bnan\b", markdown.page(summary))


@pytest.mark.parametrize(
    "value, shown",
    [(0.5, "0.500"), (0.0, "<0.001"), (1.0, ">0.999"), (None, "–"), (math.nan, "–")],
)
def test_probability_is_never_printed_as_certain(value, shown):
    assert probability(value) == shown
