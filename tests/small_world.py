"""A made world of six companies, and what its sources say of it.

make()                       what was public by END
until(make(), CUT)           what was public by then
"""

import functools
from typing import NamedTuple

import numpy as np
import pandas as pd

from thesis_rl.data import clock

NAMES = ("ALFA", "BETA", "CRUX.B", "DELT", "ECHO", "FOXT")
CIKS = {name: 1001 + number for number, name in enumerate(NAMES)}
SERIES = ("DGS10", "DGS3MO")
SESSIONS = clock.sessions("2022-01-03", "2023-12-31")[:330]
CUT_DAY = 315
JOINS, DIES, SPLITS, FRED_STARTS = 100, 220, 120, 230  # Sessions.
JOINER, DEAD, DIVIDED, PAYER = "FOXT", "ECHO", "CRUX.B", "ALFA"
DELISTING_RETURN = -0.35
CLOSES = clock.closes(SESSIONS)
CUT, END = CLOSES[CUT_DAY], CLOSES[-1] + pd.Timedelta(days=1)
DAYS = tuple(f"{day:%Y-%m-%d}" for day in SESSIONS)
QUARTERS = pd.date_range("2019-03-31", "2023-03-31", freq="QE")
FLOWS = {
    "Revenues": 5e9,
    "NetIncomeLoss": 6e8,
    "NetCashProvidedByUsedInOperatingActivities": 8e8,
}
STOCKS = {"Assets": 4e10, "Liabilities": 2e10}
WORDS = (
    "gain growth strong success win praise improve great love excellent "
    "loss lawsuit weak failure fraud blame decline terrible hate disaster"
)
ARTICLES_A_DAY = 3


class Filing(NamedTuple):
    """A report with facts, or a Form 4 with trades."""

    accession: str
    form: str
    accepted: pd.Timestamp  # On New York's clock.
    facts: tuple[tuple, ...] = ()  # (concept, start or None, end, value)
    trades: tuple[tuple, ...] = ()  # (day, code, shares, price)

    @property
    def known(self) -> pd.Timestamp:
        return clock.new_york(self.accepted)


class Article(NamedTuple):
    """One text at one address."""

    source: str
    name: str
    url: str
    published: pd.Timestamp  # On New York's clock.
    title: str
    body: str

    @property
    def known(self) -> pd.Timestamp:
        delay = pd.Timedelta(days=int(self.source == "newsapi"))
        return clock.new_york(self.published) + delay


class World(NamedTuple):
    """What was public, by source."""

    bars: pd.DataFrame  # As traded, a row a day and ticker.
    actions: dict[str, list[tuple]]  # split and dividend: (day, ticker, value)
    members: list[tuple]  # As in the file: ticker, event, announced, effective, return
    filings: dict[str, list[Filing]]  # By ticker.
    curves: dict[str, list[float]]  # By day, percent: 3 months, 2 and 10 years.
    vintages: dict[str, dict[str, dict[str, str]]]  # By series, day and vintage.
    articles: list[Article]


@functools.cache
def make() -> World:
    """Makes the world as it stands at END."""
    rng = np.random.default_rng(5)
    market = rng.normal(0, 0.01, len(SESSIONS))
    return World(
        bars=pd.concat([_bars(name, market, rng) for name in NAMES]),
        actions={
            "split": [(DAYS[SPLITS], DIVIDED, 2.0)],
            "dividend": [(DAYS[80], PAYER, 0.4), (DAYS[200], PAYER, 0.5)],
        },
        members=[
            *((name, "add", "", DAYS[0], "") for name in NAMES if name != JOINER),
            (JOINER, "add", f"{DAYS[JOINS - 5]} 17:15", DAYS[JOINS], ""),
            (DEAD, "delist", DAYS[DIES - 9], DAYS[DIES], str(DELISTING_RETURN)),
        ],
        filings={name: _filings(name, rng) for name in NAMES},
        curves=dict(zip(DAYS, _curves(rng), strict=True)),
        vintages={series: _vintages(rng) for series in SERIES},
        articles=_articles("alphavantage", 0, rng)
        + _articles("newsapi", CUT_DAY - 15, rng),
    )


def _bars(name: str, market: np.ndarray, rng) -> pd.DataFrame:
    own = rng.normal(0.0004, 0.015, len(DAYS))
    close = rng.uniform(40, 90) * np.exp(np.cumsum(market + own))
    volume = rng.integers(1e5, 1e6, len(DAYS)).astype(float)
    if name == DIVIDED:
        close[SPLITS:] /= 2
        volume[SPLITS:] *= 2
    close = close.round(2)
    opens = (close * (1 + rng.normal(0, 0.002, len(DAYS)))).round(2)
    columns = [DAYS, [name] * len(DAYS), opens, close, volume]
    titles = ("date", "ticker", "open", "close", "volume")
    table = pd.DataFrame(dict(zip(titles, columns, strict=True)))
    return table[: DIES + 1] if name == DEAD else table


def _filings(name: str, rng) -> list[Filing]:
    """Makes 10-Qs, 10-Ks, one amendment, and the Form 4s of insiders."""
    growth = 1 + rng.normal(0.01, 0.05, (len(FLOWS) + len(STOCKS), len(QUARTERS)))
    sizes = np.array([*FLOWS.values(), *STOCKS.values()])[:, None]
    numbers = (sizes * np.cumprod(growth, axis=1) * rng.uniform(0.5, 2)).round(-3)
    said = dict(zip([*FLOWS, *STOCKS], numbers, strict=True))
    found = []
    for last in range(4, len(QUARTERS)):
        annual = last % 4 == 3
        late = pd.Timedelta(days=int(rng.integers(20, 24)) + 25 * annual, hours=16.6)
        facts = tuple(_report(said, last, annual))
        accepted = QUARTERS[last] + late
        form = "10-K" if annual else "10-Q"
        found.append(Filing(accession(name, len(found)), form, accepted, facts))
    quarter = found[9]  # Of the second of 2022, amended after the third was filed.
    amended = tuple((*fact[:3], round(fact[3] * 0.9, -3)) for fact in quarter.facts)
    accepted = pd.Timestamp("2022-11-30 12:00")
    found.append(Filing(accession(name, 50), "10-Q/A", accepted, amended))
    for number, day in enumerate(range(5, len(DAYS), 20)):
        traded = SESSIONS[day]
        accepted = traded + pd.Timedelta(days=40 if number == 7 else 2, hours=19)
        code, shares = rng.choice(["P", "S"]), str(int(rng.integers(1e3, 2e4)))
        trade = (DAYS[day], str(code), shares, "50.25")
        filing = Filing(accession(name, 60 + number), "4", accepted, (), (trade,))
        found.append(filing)
    again = found[-3]  # Its shares were mistaken.
    accepted, trade = again.accepted + pd.Timedelta(days=1), again.trades[0]
    trade = (*trade[:2], "777", trade[3])
    return [*found, Filing(accession(name, 99), "4/A", accepted, (), (trade,))]


def _report(said: dict[str, np.ndarray], last: int, annual: bool):
    """Yields the facts of a report: its own, and those of the year before."""
    for concept in FLOWS:
        yearly = concept.startswith("NetCash")  # Stands from the year's start only.
        for end in (last - 4, last):
            lengths = {end % 4 + 1} if annual or yearly else {end % 4 + 1, 1}
            for length in sorted(lengths):
                start = QUARTERS[end] - pd.offsets.MonthEnd(3 * length)
                value = said[concept][end - length + 1 : end + 1].sum()
                day = f"{start + pd.Timedelta(days=1):%Y-%m-%d}"
                yield concept, day, f"{QUARTERS[end]:%Y-%m-%d}", float(value)
    for concept in STOCKS:
        for end in (last - last % 4 - 1, last):
            value = float(said[concept][end])
            yield concept, None, f"{QUARTERS[end]:%Y-%m-%d}", value


def accession(name: str, number: int) -> str:
    """Names a filing of a company."""
    return f"{CIKS[name]:010d}-23-{number:06d}"


def _curves(rng) -> np.ndarray:
    walk = 3 + np.cumsum(rng.normal(0, 0.05, (len(DAYS), 1)), axis=0)
    return (walk + [-0.8, -0.2, 0.5]).round(2).tolist()


def _vintages(rng) -> dict[str, dict[str, str]]:
    """Tells each day's number on the next session, and mends every ninth a week on."""
    found, level = {}, 4.0
    for day in range(FRED_STARTS, len(DAYS) - 1):
        level += rng.normal(0, 0.05)
        found[DAYS[day]] = {DAYS[day + 1]: f"{level:.2f}"}
        if day % 9 == 0 and day + 6 < len(DAYS):
            found[DAYS[day]][DAYS[day + 6]] = f"{level + 0.25:.2f}"
    return found


def _articles(source: str, first: int, rng) -> list[Article]:
    """Makes the articles of each session from the first on."""
    found = []
    for number in range(first * ARTICLES_A_DAY, len(DAYS) * ARTICLES_A_DAY):
        hour = pd.Timedelta(hours=int(rng.integers(7, 23)))
        published = SESSIONS[number // ARTICLES_A_DAY] + hour
        name, words = rng.choice(NAMES), rng.choice(WORDS.split(), 6)
        title = f"{name} sees {words[0]} and {words[1]}, note {number}"
        body = f"Some tell of {words[2]} in {words[3]}. They say {' '.join(words[4:])}."
        url = f"https://example.com/{source}/{number}"
        found.append(Article(source, str(name), url, published, title, body))
    return found


def until(world: World, when: pd.Timestamp) -> World:
    """Keeps what was public by an instant, UTC."""
    days = [day for day, close in zip(DAYS, CLOSES, strict=True) if close <= when]
    ends = dict(zip(DAYS, clock.end_of_day(list(DAYS)) <= when, strict=True))
    vintages = {
        series: {
            day: {vintage: text for vintage, text in said.items() if ends[vintage]}
            for day, said in history.items()
        }
        for series, history in world.vintages.items()
    }
    return World(
        bars=world.bars[world.bars["date"].isin(days)],
        actions={
            field: [row for row in rows if row[0] in days]
            for field, rows in world.actions.items()
        },
        members=[row for row in world.members if _announced(row) <= when],
        filings={
            name: [filing for filing in filings if filing.known <= when]
            for name, filings in world.filings.items()
        },
        curves={day: curve for day, curve in world.curves.items() if ends[day]},
        vintages={
            series: {day: said for day, said in history.items() if said}
            for series, history in vintages.items()
        },
        articles=[article for article in world.articles if article.known <= when],
    )


def _announced(row: tuple) -> pd.Timestamp:
    _, _, announced, effective, _ = row
    if " " in announced:
        return clock.new_york(announced)
    return clock.end_of_day(announced or effective)
