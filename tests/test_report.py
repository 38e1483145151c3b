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
from thesis_rl.backtest import MAPPINGS
from thesis_rl.report import html as html_report
from thesis_rl.report import tables, wording

HOSTILE = '<script>alert("$x$")</script>'
VOID = {"meta", "link", "br", "img"}
PATTERNS = {
    ("net", "headline_sharpe"): "{:z.2f}",
    ("seed_sd", "net", "headline_sharpe"): "{:z.2f}",
    ("net", "sharpe"): "{:z.2f}",
    ("net", "annual_return"): "{:z.1%}",
    ("net", "volatility"): "{:z.1%}",
    ("net", "max_drawdown"): "{:z.1%}",
    ("net", "turnover"): "{:z.1f}×",
    ("gross", "headline_sharpe"): "{:z.2f}",
}


@pytest.fixture(scope="module")
def result():
    """All stages, three seeds, synthetic, and every text hostile."""
    return random_run.run(
        ("exact", "rft", "sft"), num_seeds=3, num_steps=5, text=HOSTILE, synthetic=True
    )


@pytest.fixture(scope="module")
def page(result):
    return html_report.page(result, result.summary)


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


def rows_of(form, summary, page):
    """Reads (strategy, mapping) -> cells back out of one form of the report."""
    if form == "html":
        rows = [row for row in Reader(page).rows if len(row) == 2 + len(PATTERNS)]
    elif form == "markdown":
        lines = tables.markdown(summary).splitlines()
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
        rows = [row for row in rows if len(row) == 2 + len(PATTERNS)]
    else:
        rows = [
            [" ".join(words[: -len(PATTERNS)]), "", *words[-len(PATTERNS) :]]
            for words in map(str.split, printed(summary).splitlines())
            if len(words) > len(PATTERNS)
        ]
        for row in rows:
            for mapping in MAPPINGS:
                if row[0].endswith(f" {mapping}"):
                    row[:2] = row[0].removesuffix(f" {mapping}"), mapping
    return {(name.replace(" ", "_"), mapping): cells for name, mapping, *cells in rows}


def printed(summary, width=78):
    console = Console(width=width, file=io.StringIO())
    console.print(tables.headline(summary))
    console.print(tables.console(summary))
    return console.file.getvalue()


def expected_cells(numbers):
    cells = []
    for path, pattern in PATTERNS.items():
        value = numbers
        for key in path:
            value = value.get(key, {}) if isinstance(value, dict) else value
        missing = value == {} or math.isnan(value)
        cells.append("–" if missing else pattern.format(value))
    return cells


@pytest.mark.parametrize("form", ["console", "markdown", "html"])
def test_every_number_of_the_table_is_the_summarys(form, result, page):
    shown = rows_of(form, result.summary, page)
    for name, numbers in result.summary["strategies"].items():
        by_mapping = numbers.get("by_mapping", {"": numbers})
        for mapping, metrics in by_mapping.items():
            assert shown[name, mapping] == expected_cells(metrics), (name, mapping)


def test_order_puts_the_judged_first_and_baselines_last(result, page):
    order = [name for name, _ in rows_of("html", result.summary, page)][1:]
    assert list(dict.fromkeys(order)) == [
        *("ensemble", "rft", "sft_ensemble", "sft", "exact_ensemble", "exact"),
        *("equal_weight", "momentum", "best_constant", "hold"),
    ]
    assert list(rows_of("html", result.summary, page))[1] == ("ensemble", "expected")


def test_console_table_fits_eighty_columns_uncut(result):
    text = printed(result.summary)
    assert "…" not in text and max(map(len, text.splitlines())) <= 80


def test_headline_is_the_same_sentence_everywhere(result, page):
    headline = result.summary["headline"]
    low, high = headline["interval"]
    sentence = (
        f"Net headline Sharpe {headline['sharpe']:.2f}, 95% interval {low:.2f} to "
        f"{high:.2f}, over {headline['num_days']} unseen days"
    )
    smallest = f"80% power is {headline['detectable_sharpe']:.2f}."
    text = " ".join(Reader(page).texts).replace("−", "-")
    for form in (
        " ".join(printed(result.summary).split()),
        tables.markdown(result.summary),
        text,
    ):
        assert sentence in form and smallest in form


@pytest.mark.parametrize(
    "interval, words",
    [
        ((0.1, 0.9), "distinguishable from zero"),
        ((-0.9, -0.1), "distinguishable from zero, and negative"),
        ((-0.1, 0.9), "not distinguishable from zero"),
        ((math.nan, math.nan), "not distinguishable from zero"),
        ((None, None), "not distinguishable from zero"),
    ],
)
def test_verdict_depends_on_where_zero_lies(interval, words):
    headline = {"sharpe": 0.4, "interval": interval, "num_days": 9, "years": 1.0}
    assert wording.verdict({"headline": headline}).endswith(f": {words}.")


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
    assert len(page) < 3e6


def test_ids_are_unique_and_those_referred_to_exist(page):
    attributes = Reader(page).attributes
    ids = [value for _, name, value in attributes if name == "id"]
    wanted = re.findall(r'(?:href="|url\()#([^")]+)', page)
    assert len(ids) == len(set(ids)) and set(wanted) <= set(ids) and wanted


def test_figures_follow_the_theme_of_the_page(page):
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    drawn = page.replace(style, "")
    used = set(re.findall(r"var\((--[\w-]+)\)", drawn))
    assert used and not re.search(r"#[0-9a-fA-F]{6}\b", drawn)
    for block in (style, style[style.index("prefers-color-scheme: dark") :]):
        assert used <= set(re.findall(r"(--[\w-]+):", block))


def test_hostile_text_is_shown_not_run(result, page):
    texts = " ".join(Reader(page).texts)
    for text in (f"A run of {HOSTILE}", f"Survivorship of {HOSTILE}", HOSTILE):
        assert text in texts
    assert f"claim 0 {HOSTILE}" in texts
    rendered = MarkdownIt().render(tables.markdown(result.summary))
    assert "<script" not in rendered and "&lt;script" in rendered


def test_synthetic_run_says_so_first(result, page):
    assert result.summary["synthetic"]
    assert page.index("SYNTHETIC DATA") < page.index("<h1>")
    assert tables.markdown(result.summary).startswith("# SYNTHETIC: A run")
    planted = result.summary | {"title": "SYNTHETIC: planted"}
    assert wording.title(planted) == "SYNTHETIC: planted"
    assert wording.title(planted | {"synthetic": False, "title": "Real"}) == "Real"


def test_masked_rows_are_counted_with_their_reason(result, page):
    rows = wording.masked(result.summary)
    assert ("Not quoted: gap", "7", f"{7 / (T * N):.1%} of rows") in rows
    assert ("Quoted, without vol", "413", "100.0% of quoted rows") in rows
    cells = {row[0]: row[1:] for row in Reader(page).rows}
    assert all(cells[reason] == rest for reason, *rest in rows)


def test_account_and_timeline_have_the_runs_true_numbers(result, page):
    texts = " ".join(" ".join(Reader(page).texts).split())
    hold = result.experiment.config.backtest.hold_days
    for text in (
        "purge 3 + embargo 2, then test 20 days",
        "train 40 days",
        f"hold {hold} sessions and earn",
        "label: looks 3 sessions ahead",
        "There are 4 folds: each trains 3 networks from scratch on 40 days",
    ):
        assert text in texts


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
    page = tables.markdown(result.summary | {"theses": theses})
    assert "1,200 theses were written out, 7 of them repaired; 3 rows" in page


def test_write_fills_the_folder_and_print_the_console(result, page, tmp_path):
    report.write(result, result.summary, tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    written = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert written == tables.markdown(result.summary)
    console = Console(width=78, file=io.StringIO())
    report.print_summary(result.summary, console)
    assert "Net headline Sharpe" in console.file.getvalue()


def test_whole_config_is_listed_by_its_flags(result, page):
    rows = {row[0]: row[1] for row in Reader(page).rows if len(row) == 2}
    assert json.loads(rows["folds.train_days"]) == 40
    assert json.loads(rows["reward.weights"]) == [0.2, 0.3, 0.5]


def test_smallest_run_renders_without_what_it_lacks():
    small = random_run.run(("sft",), num_seeds=1, num_steps=0)
    page = html_report.page(small, small.summary)
    headings = Reader(page).texts
    assert "Training" not in headings and "Headline" in headings
    assert "SYNTHETIC" not in page and not re.search(r"\bnan\b", page)
    shown = rows_of("html", small.summary, page)
    assert ("rft", "expected") not in shown
    assert shown["sft", "expected"][1] == "–", "one seed has no spread"
    assert shown["hold", ""][2] == "–", "cash has no Sharpe"
    assert "| – |" in tables.markdown(small.summary)


def test_run_without_a_headline_says_so(result):
    nothing = {"sharpe": math.nan, "interval": [math.nan, math.nan]}
    summary = result.summary | {"headline": result.summary["headline"] | nothing}
    assert "There is no headline Sharpe" in tables.markdown(summary)
    assert not re.search(r"\bnan\b", tables.markdown(summary))
