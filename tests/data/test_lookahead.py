"""The audit finds every planted leak by name, and nothing where there is none."""

import numpy as np
import pandas as pd
import pytest
from ml_collections import ConfigDict

from tests.filings import filing
from thesis_rl.data import clock, events, features, join
from thesis_rl.data.quality import lookahead

NAMES = ["A", "B", "C"]
DAYS = clock.sessions("2021-01-04", "2021-12-31")
TIMES = clock.closes(DAYS)
QUARTERS = pd.date_range("2019-06-30", "2021-09-30", freq="QE")
CONCEPTS = ("NetIncomeLoss", "Revenues", "NetCashProvidedByUsedInOperatingActivities")


def row(source, name, field, about, value, known=None, **more):
    known = about if known is None else known
    base = {"source": source, "name": name, "field": field, "value": value}
    return base | {"event_time": about, "knowledge_time": known} | more


def bars(rng):
    rows = []
    for name in NAMES:
        close = 50 * np.exp(np.cumsum(0.02 * rng.normal(size=len(TIMES))))
        for about, price in zip(TIMES, close, strict=True):
            rows.append(row("bars", name, "close", about, price))
            rows.append(row("bars", name, "volume", about, 1e6 * rng.random()))
    rows.append(row("bars", "B", "split", TIMES[200], 2.0))
    return rows


def scores(rng):
    """Scores of each month, public 20 days late, some of them corrected later still."""
    rows = []
    for name in NAMES:
        for about in TIMES[::21]:
            known = about + pd.Timedelta(days=20)
            rows.append(row("scores", name, "score", about, rng.normal(), known))
            if rng.random() < 0.5:
                known += pd.Timedelta(days=50)
                rows.append(row("scores", name, "score", about, rng.normal(), known))
    return rows


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(3)
    return {
        "bars": events.table(bars(rng)),
        "scores": events.table(scores(rng)),
    }


def wide(tables, field):
    own = tables["bars"].query("field == @field").sort_values("seq")
    own = own[own["knowledge_time"] <= own["event_time"]]
    last = own.drop_duplicates(["name", "event_time"], keep="last")
    frame = last.pivot(index="event_time", columns="name", values="value")
    return frame.reindex(index=TIMES, columns=NAMES)


def joined(tables):
    return events.as_of(tables["scores"], NAMES, TIMES)[0]


def honest(tables):
    close = wide(tables, "close")
    return close.pct_change(fill_method=None).to_numpy(), joined(tables)


def scaled_by_the_whole_sample(tables):
    change, score = honest(tables)
    return change, (score - np.nanmean(score)) / np.nanstd(score)


def joined_on_event_time(tables):
    early = tables["scores"].assign(knowledge_time=tables["scores"]["event_time"])
    change, _ = honest(tables)
    return change, events.as_of(early, NAMES, TIMES)[0]


def one_instant_too_far(tables):
    late = TIMES + pd.Timedelta(1, "ns")
    change, _ = honest(tables)
    return change, events.as_of(tables["scores"], NAMES, late)[0]


def back_adjusted_levels(tables):
    split = wide(tables, "split").fillna(1.0)
    to_come = split[::-1].cumprod()[::-1].shift(-1, fill_value=1.0)
    _, score = honest(tables)
    return (wide(tables, "close") / to_come).to_numpy(), score


def filled_back(tables):
    change, score = honest(tables)
    return change, pd.DataFrame(score).bfill().to_numpy()


def builder(of):
    def build(tables):
        values = np.stack(of(tables), axis=-1)
        return values, np.isfinite(values)

    return build


def audit(of, tables):
    return lookahead.audit(builder(of), tables, TIMES, NAMES, ["change", "score"])


def test_an_honest_builder_passes(tables):
    assert audit(honest, tables) == []


@pytest.mark.parametrize(
    "leak, feature",
    [
        (scaled_by_the_whole_sample, "score"),
        (joined_on_event_time, "score"),
        (one_instant_too_far, "score"),
        (filled_back, "score"),
        (back_adjusted_levels, "change"),
    ],
)
def test_a_planted_leak_is_found_and_named(tables, leak, feature):
    (finding,) = audit(leak, tables)
    assert (finding.gate, finding.severity) == ("look-ahead", "stop")
    assert finding.name == feature and finding.count > 0
    assert f"{feature} of " in finding.sentence
    assert DAYS[0] <= pd.Timestamp(finding.first) <= DAYS[int(0.7 * len(DAYS))]


def test_a_value_that_is_there_or_not_by_what_comes_later_is_found(tables):
    """The values themselves are honest."""

    def build(tables):
        values = np.nan_to_num(np.stack(honest(tables), axis=-1))
        available = np.ones(values.shape, bool)
        available[:, 1, 0] = wide(tables, "close")["B"].iloc[-1] > 100
        return values, available

    (found,) = lookahead.audit(build, tables, TIMES, NAMES, ["change", "score"])
    assert found.name == "change" and found.sentence.startswith("change of B on ")


def test_the_first_day_and_name_are_those_that_differ(tables):
    """The volume of B known 7 sessions ahead differs from 7 sessions before the cut."""
    ahead = 7

    def peeking(tables):
        volume = wide(tables, "volume")
        volume["B"] = volume["B"].shift(-ahead)
        return volume.to_numpy(), joined(tables)

    build = builder(peeking)
    names = ["volume", "score"]
    (found,) = lookahead.audit(build, tables, TIMES, NAMES, names, cuts=[0.5])
    cut = len(DAYS) // 2
    assert found.first == f"{DAYS[cut - ahead + 1]:%Y-%m-%d}" and found.count == ahead
    assert found.sentence.startswith(f"volume of B on {found.first} was ")


def test_an_audit_that_can_show_nothing_says_so(tables):
    fixed = builder(honest)(tables)
    (finding,) = lookahead.audit(
        lambda _: fixed, tables, TIMES, NAMES, ["change", "score"]
    )
    assert finding.severity == "warn" and "showed nothing" in finding.sentence


def test_a_builder_of_another_shape_is_refused(tables):
    with pytest.raises(
        ValueError, match=r"shape \(252, 3, 2\).* make it \(251, 3, 2\)"
    ):
        lookahead.audit(builder(honest), tables, TIMES[1:], NAMES, ["change", "score"])


def test_poison_keeps_what_was_visible_and_changes_all_else(tables):
    cut = TIMES[100]
    for table in tables.values():
        poisoned = lookahead.poison(table, cut, np.random.default_rng(0))
        at = [poisoned["knowledge_time"] <= cut, poisoned["event_time"] <= cut]
        seen = table[(table["knowledge_time"] <= cut) & (table["event_time"] <= cut)]
        same = poisoned[at[0] & at[1]].reset_index(drop=True)
        pd.testing.assert_frame_equal(same, seen.reset_index(drop=True))
        hidden = table[~table.index.isin(seen.index)]
        numbered = poisoned.set_index("seq")["value"]
        assert numbered.index.is_unique and 0 < len(seen) < len(table)
        assert (numbered.loc[hidden["seq"]].to_numpy() != hidden["value"]).all()
        assert (numbered.loc[hidden["seq"]] > 0).to_numpy().tolist() == (
            hidden["value"] > 0
        ).to_list()
        assert len(poisoned) == 2 * len(table)


def filings(rng):
    rows = []
    for name in NAMES:
        for end in QUARTERS:
            start = f"{end - pd.offsets.MonthBegin(3):%Y-%m-%d}"
            said = {c: {(start, f"{end:%Y-%m-%d}"): 1 + rng.random()} for c in CONCEPTS}
            for concept in ("Assets", "Liabilities", "StockholdersEquity"):
                said[concept] = {f"{end:%Y-%m-%d}": 20 + rng.random()}
            rows += filing(name, f"{end + pd.Timedelta(days=40):%Y-%m-%d}", said)
    return rows


def trades(rng):
    days = rng.choice(len(DAYS) - 30, 30, replace=False)
    return [
        row(
            "sec",
            rng.choice(NAMES),
            rng.choice(["purchase", "sale"]),
            clock.end_of_day(DAYS[day]),
            1e5 * rng.random(),
            TIMES[day + 2],
            document=f"form {day}",
            place="nonDerivativeTransaction[1]",
        )
        for day in days
    ]


def yields(rng):
    return [
        row("treasury", tenor, "yield", clock.end_of_day(day), 2 + rng.random())
        for tenor in ("3month", "2year", "10year")
        for day in clock.sessions("2019-10-01", "2021-12-31")
    ]


def articles(rng):
    """One a name and day: enough for the scorer of our own to be fitted in autumn."""
    words = ["gain", "loss", "growth", "lawsuit", "profit", "recall"]
    return [
        row(
            "newsapi",
            name,
            "article",
            time - pd.Timedelta(hours=3),
            1.0,
            text=f"{name} of {time:%m-%d}\n{' '.join(rng.choice(words, 3))}",
            document=f"https://example.com/{name}/{time:%m-%d}",
        )
        for name in NAMES
        for time in TIMES
    ]


def members(rng):
    early = pd.Timestamp("2020-06-01")
    rows = [row("membership", name, "member", early, 1.0) for name in NAMES]
    out = row("membership", "C", "member", TIMES[180], 0.0, TIMES[170])
    return [*rows, out]


def test_the_packages_own_features_pass():
    rng = np.random.default_rng(5)
    makers = {"bars": bars, "treasury": yields, "newsapi": articles}
    tables = {source: events.table(make(rng)) for source, make in makers.items()}
    tables["membership"] = events.table(members(rng))
    tables["sec"] = events.table([*filings(rng), *trades(rng)])
    data = {"source": "store", "path": "", "start": "", "end": ""}
    config = ConfigDict(data | {"events": {"scorer": "ngrams"}})
    names = tuple(name for name in features.KNOWN if name != "f_momentum")
    names += ("f_quality_rel", "mom10_rel", "vol_rel")

    def build(tables):
        source, _ = join.assemble(tables, config)
        return features.compute(source, names)

    _, available = build(tables)
    empty = [
        n for n, there in zip(names, available.any((0, 1)), strict=True) if not there
    ]
    assert empty == ["vol_regime"]  # It needs more than a year.
    assert lookahead.audit(build, tables, TIMES, NAMES, names, cuts=[0.8]) == []
