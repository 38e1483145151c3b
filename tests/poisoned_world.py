"""Another world by END, which is the same as the first by CUT.

All is wild that became known after the cut. It also says other things of days before:
corrections and late filings, with stamps of their own, and old numbers and texts that
were rewritten in place, under their old stamps.
"""

import numpy as np
import pandas as pd
import small_world
from small_world import (
    CUT,
    CUT_DAY,
    DAYS,
    NAMES,
    PAYER,
    SESSIONS,
    Article,
    Filing,
    World,
    until,
)

from thesis_rl.data import clock


def poison(world: World) -> World:
    """Makes the other world."""
    rng = np.random.default_rng(99)
    before, noon = until(world, CUT), SESSIONS[CUT_DAY] + pd.Timedelta(hours=12)
    after, late = DAYS[CUT_DAY + 1 :], f"{DAYS[CUT_DAY + 1]} 09:00"
    bars, is_after = world.bars.copy(), world.bars["date"].isin(after)
    prices = ["open", "close"]
    wild = np.exp(rng.normal(0, 1, is_after.sum()))
    bars.loc[is_after, prices] = bars.loc[is_after, prices].mul(wild, axis=0).round(2)
    bars.loc[is_after, "volume"] *= 50
    bars.loc[~is_after, [*prices, "volume"]] *= 2
    gone = (bars["ticker"] == "BETA") & (bars["date"] > after[5])
    return World(
        bars=bars[~gone],
        actions={
            "split": [*world.actions["split"], (after[3], "DELT", 3.0)],
            "dividend": [(day, name, 9.0) for day, name, _ in world.actions["dividend"]]
            + [(after[2], PAYER, 5.0)],
        },
        members=[
            *world.members,
            ("DELT", "remove", late, DAYS[CUT_DAY - 30], ""),
            ("BETA", "delist", late, after[5], "-0.9"),
        ],
        filings={name: _refiled(name, rows) for name, rows in world.filings.items()},
        curves={
            day: [x + (1.11 if day in before.curves else 40.0) for x in curve]
            for day, curve in world.curves.items()
        },
        vintages={
            series: {day: _revised(said) for day, said in history.items()}
            for series, history in world.vintages.items()
        },
        articles=[_rewritten(article) for article in world.articles]
        + [
            Article(
                "newsapi", name, f"https://example.com/{name}", noon, name, "Fraud."
            )
            for name in NAMES
        ],
    )


def _refiled(name: str, filings: list[Filing]) -> list[Filing]:
    """Rewrites reports, and files further ones: on old periods, and of old trades."""
    said = tuple(fact for filing in filings for fact in filing.facts)
    insider = [filing for filing in filings if filing.trades and filing.known <= CUT]
    day, code, _, price = insider[-1].trades[0]
    noon = SESSIONS[CUT_DAY] + pd.Timedelta(days=3, hours=12)
    bought = (DAYS[CUT_DAY - 3], "P", "5000000", "60.00")
    mended = (day, code, "888888", price)
    return [
        *(_scaled(filing, 1.3 if filing.known <= CUT else -50) for filing in filings),
        _scaled(Filing(small_world.accession(name, 101), "10-K/A", noon, said), -7),
        Filing(small_world.accession(name, 102), "4", noon, (), (bought,)),
        Filing(small_world.accession(name, 103), "4/A", noon, (), (mended,)),
    ]


def _scaled(filing: Filing, factor: float) -> Filing:
    facts = tuple((*fact[:3], fact[3] * factor) for fact in filing.facts)
    return filing._replace(facts=facts)


def _revised(said: dict[str, str]) -> dict[str, str]:
    """Rewrites each vintage, and adds one after the cut."""
    shifts = {day: 0.5 if clock.end_of_day(day) <= CUT else 30.0 for day in said}
    found = {day: f"{float(text) + shifts[day]:.2f}" for day, text in said.items()}
    return found | {DAYS[CUT_DAY + 2]: "-9.00"} if min(said) < DAYS[CUT_DAY] else found


def _rewritten(article: Article) -> Article:
    title = f"{article.title}, again" if article.known <= CUT else "Terrible fraud"
    return article._replace(title=title, body="Nothing but disaster, loss and hate.")
