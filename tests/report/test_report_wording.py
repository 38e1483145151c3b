"""Sentences and lists of the report, case by case."""

import math

import pytest

from tests import random_run
from thesis_rl.report import baselines, how, learning, sheet
from thesis_rl.report import costs as costs_lib
from thesis_rl.report import headline as headline_lib
from thesis_rl.report import page as page_lib
from thesis_rl.report.sheet import probability


@pytest.fixture(scope="module")
def result():
    return random_run.hostile()


def test_provenance_shows_git_where_known(result):
    shown = dict(sheet.provenance(result.summary))
    assert shown["Git revision"] == "not known" and shown["Compile"] == "1.2 s"
    git = {"git": {"revision": "abc123", "dirty": True}}
    shown = dict(sheet.provenance(result.summary | git))
    assert shown["Git revision"] == "abc123, with uncommitted changes"


def test_theses_written_out_are_counted(result):
    assert sheet.written(result.summary) == ""
    counts = {"written": 1200, "repaired": 7, "without_evidence": 3, "stride_days": 21}
    theses = result.summary["theses"] | counts
    page = page_lib.markdown(result.summary | {"theses": theses})
    assert "1,200 theses were written out, 7 of them repaired; 3 rows" in page


@pytest.mark.parametrize(
    "value, shown",
    [(0.5, "0.500"), (0.0, "<0.001"), (1.0, ">0.999"), (None, "–"), (math.nan, "–")],
)
def test_probability_is_never_printed_as_certain(value, shown):
    assert probability(value) == shown


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
    assert sheet.verdict({"headline": headline}).endswith(f": {words}.")


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"dsr": 0.96, "dsr_effective": 0.97}, "The headline survives deflation:"),
        ({"dsr": 0.94, "dsr_effective": 0.97}, "only if like trials count as one"),
        ({"dsr": 0.94, "dsr_effective": 0.94}, "Nothing survives deflation"),
        ({"dsr": None, "dsr_effective": None}, "Too little is known of the trials"),
        ({"dsr": math.nan, "dsr_effective": 0.99}, "Too little is known"),
        ({"num_trials": 1, "dsr": 0.96}, "one, 0.960, enough: at least 0.95"),
        ({"num_trials": 1, "dsr": 0.9}, "one, 0.900, not enough: below 0.95"),
        (
            {"num_trials": 1, "excuse": "smoke"},
            "A smoke run is no trial and is deflated",
        ),
    ],
)
def test_deflation_is_judged_at_both_counts(changes, words):
    trials = random_run.trials(**changes)
    summary = {"trials": trials, "headline": {"sharpe": 0.3}}
    assert words in headline_lib.survives(summary)


def test_a_book_that_never_moved_is_not_deflated():
    summary = {"trials": random_run.trials(), "headline": {"sharpe": math.nan}}
    assert "nothing to deflate" in headline_lib.survives(summary)


def test_deflation_needs_a_ledger(result):
    bare = {k: v for k, v in result.summary.items() if k != "trials"}
    assert (
        "No ledger" in headline_lib.survives(bare) and headline_lib.ledger(bare) == ""
    )
    assert headline_lib.siblings(bare) is None
    names = [row[0] for row in headline_lib.evidence_table(bare).rows]
    assert "Deflated Sharpe ratio at N" not in names and "Sortino ratio" in names


def test_evidence_prints_psr_dsr_and_overfitting_with_its_null(result):
    shown = {row[0]: row[1] for row in headline_lib.evidence_table(result.summary).rows}
    headline = result.summary["headline"]
    assert shown["Probabilistic Sharpe ratio"] == f"{headline['psr']:.3f}"
    assert shown["Deflated Sharpe ratio at N"] == "0.700"
    assert shown["Deflated Sharpe ratio at N_eff"] == "0.800"
    assert shown["Probability of overfitting"] == "0.40 (null 0.50 ± 0.10)"
    assert shown["The same, Lo's η(q)"] == f"{headline['sharpe_lo']:.2f}"


def test_what_the_ledger_saw_is_said():
    seen = random_run.trials(num_undefined=1, num_changed_reruns=2)
    said = headline_lib.ledger({"trials": seen})
    assert "counts 2 trials" in said and "2 of them are compared over 80 days" in said
    assert "1 trial had no Sharpe ratio" in said and "2 reruns of the same" in said
    excused = random_run.trials(excuse="smoke", num_trials=1)
    said = headline_lib.ledger({"trials": excused})
    assert said.startswith("A smoke run is no trial: it adds none to the 1 trial")


def changed(summary, **rules):
    config = summary["config"]
    rules = {**config["backtest"], **rules}
    return summary | {"config": {**config, "backtest": rules}}


def test_look_ahead_is_warned_of_aloud(result):
    assert not [x for x in how.warnings(result.summary) if "same_close" in x]
    cheat = changed(result.summary, same_close=True, fill_lag=0)
    assert how.warnings(cheat)[0].startswith("LOOK-AHEAD")
    assert "Flatters: no order can do that." in str(how.assumptions_table(cheat))
    idle = changed(result.summary, same_close=True, fill_lag=1)
    assert "no fill made use of it" in how.warnings(idle)[0]


@pytest.mark.parametrize(
    "rules, words",
    [
        ({"fill": "open"}, "At the open of t + 1"),
        ({"fill_lag": 2}, "At the close of t + 2"),
        ({"fill_lag": 2}, "first earns on day t + 3"),
        ({"commission_bps": 2.5, "half_spread_bps": 3.0}, "2.5 + 3 = 5.5 basis points"),
        ({"impact_coefficient": 0.0}, "OFF: config.backtest.impact_coefficient is 0"),
        ({"impact_coefficient": 0.7}, "Y = 0.7"),
        ({"participation_cap": math.inf}, "no cap on what a day trades"),
        ({"participation_cap": 0.05}, "5% of a name's average volume"),
        ({"borrow_rate": 0.0123}, "1.23% a year on what is short"),
        ({"cash_rate": 0.02}, "Earns 2.00% a year"),
        ({"delisting_return": -0.3}, "1 of 3 names: "),
        ({"delisting_return": -0.3}, "Each earns -30.0%"),
        ({"capital": 2.5e7}, "25 million"),
    ],
)
def test_every_assumption_follows_the_config(result, rules, words):
    assert words in str(how.assumptions_table(changed(result.summary, **rules)))


def test_a_long_only_book_borrows_and_hedges_nothing(result):
    rows = how.assumptions_table(changed(result.summary, book="long_only")).rows
    assert not {"Borrow", "Hedge of the headline"} & {row[0] for row in rows}


@pytest.mark.parametrize(
    "rules, label, words",
    [
        ({"volatility_target": 0.1}, "Volatility target", "10.0% a year and name"),
        ({"max_gross": math.inf}, "Limits, of the capital", "no limit gross"),
        ({"cvar_limit": 0.012}, "Exposure controller", "1.20% a day"),
        ({"cvar_limit": 0.0}, "Exposure controller", "none"),
        ({"book": "market_hedged"}, "Book", "beta zero"),
        ({"hold_days": 1}, "Holding", "1 staggered sleeve, each held 1 session"),
    ],
)
def test_rules_of_the_book_follow_the_config(result, rules, label, words):
    assert words in dict(how.book_rules(changed(result.summary, **rules)))[label]


def test_positions_held_back_are_counted(result):
    shown = dict(how.book_rules(result.summary))["Limits, of the capital"]
    assert f"held back {result.summary['costs']['clipped']:,} positions" in shown


def test_capacity_is_said_to_be_off_and_why(result):
    assert costs_lib.capacity_off(result.summary) == ""
    for volume, words in ((False, "have no volume"), (True, "impact_coefficient is 0")):
        data = result.summary["data"] | {"has_volume": volume}
        off = result.summary | {"capacity": [], "data": data}
        assert words in costs_lib.capacity_off(off)
        assert costs_lib.capacity(off) is None


def test_costs_are_tabulated_as_they_stand(result):
    costs = result.summary["costs"]
    sweep = costs_lib.sweep(result.summary).rows
    assert sweep == [(f"{x['bps']:g}", f"{x['sharpe']:z.2f}") for x in costs["sweep"]]
    paid = dict(costs_lib.items(result.summary).rows)
    assert paid["Half spread"] == f"{costs['items']['half_spread']:.2%}"
    known = result.summary | {"costs": costs | {"break_even_bps": 12.34}}
    assert "zero at 12.3 basis points" in costs_lib.break_even(known)


@pytest.mark.parametrize(
    "p, survivors, words",
    [
        (0.03, ["sign_of_vol", "hold"], "beats zero"),
        (0.03, ["sign_of_vol", "hold"], "keeps sign of vol, hold."),
        (0.3, [], "does not beat zero"),
        (0.3, [], "keeps none of them."),
        (None, [], "does not beat zero"),
    ],
)
def test_superiority_is_told_in_a_sentence(p, survivors, words):
    found = {"p": p, "best": "x", "survivors": survivors, "num_models": 9}
    assert words in baselines.superiority({"superiority": found})


def test_the_controlled_book_is_reported_apart(result):
    assert "ensemble cvar" not in {r[0] for r in baselines.main(result.summary).rows}
    rows = baselines.controlled(result.summary).rows
    assert [row[0] for row in rows] == ["ensemble", "ensemble cvar"]


def test_of_many_delisted_names_the_rest_is_counted(result):
    gone = {f"N{i}": "2020-01-02" for i in range(13)}
    data = result.summary["data"] | {"delisted": gone}
    shown = str(how.assumptions_table(result.summary | {"data": data}))
    assert "N9 (2020-01-02), 3 more in results.json." in shown and "N10" not in shown


def test_an_ablation_of_any_name_is_explained_by_what_it_changes(result):
    named = {"bold": {"rft": {"entropy_coef": 0.1}, "sft": {"num_steps": 0}}}
    config = result.summary["config"] | {"ablations": named}
    said = baselines.explanations(result.summary | {"config": config})
    assert list(said)[-2:] == ["bold_ensemble", "bold"]
    assert said["bold"] == (
        "Single networks trained with rft.entropy_coef = 0.1, sft.num_steps = 0, "
        "averaged over seeds."
    )
    assert sheet.in_order(["bold", "sft", "able", "rft"]) == [
        *("sft", "rft", "able", "bold")
    ]
    stages = ["sft", "rft", "paced", *"abcde"]
    assert len(set(learning.colours(stages).values())) == 7
