"""The HTML page is whole, safe, labelled, and needs nothing but itself."""

import json
import re

import pytest
from markdown_it import MarkdownIt

from tests import random_run
from tests.random_run import HOSTILE
from tests.report_reader import Reader
from thesis_rl.report import page as page_lib


@pytest.fixture(scope="module")
def result():
    return random_run.hostile()


@pytest.fixture(scope="module")
def page():
    return random_run.hostile_page()


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
    rendered = MarkdownIt().render(page_lib.markdown(result.summary))
    assert "<script" not in rendered and "&lt;script" in rendered


def test_whole_config_is_listed_by_its_flags(result, page):
    rows = {row[0]: row[1] for row in Reader(page).rows if len(row) == 2}
    assert json.loads(rows["folds.train_days"]) == 40
    assert json.loads(rows["reward.weights"]) == [0.2, 0.3, 0.5]


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
