"""The sources of a small world, by HTTP and as files, in their true formats.

write_files(world, config)
with Server(world) as server:
    config.mirror = server.address
"""

import fred_responses
import macro_news_responses as news
import pandas as pd
import sec_responses
import small_world
from ml_collections import ConfigDict
from replay_server import Answer, Asked, ReplayServer
from small_world import Filing, World

from experiments.data import us20
from thesis_rl.data import clock
from thesis_rl.data.sources import bars, membership

SOURCES = ("bars", "membership", "sec", "treasury", "fred", "newsapi", "alphavantage")
TENORS = ("3 Mo", "2 Yr", "10 Yr")


def config() -> ConfigDict:
    """Makes the config of the data; store and files are where the process is."""
    made = us20.get_config()
    companies = {
        name: {"cik": cik, "query": f'"{name}"'}
        for name, cik in small_world.CIKS.items()
    }
    made.tickers = ConfigDict(companies, allow_dotted_keys=True)
    files = ("bars", "splits", "dividends", "membership")
    made.update({key: f"{key}.csv" for key in files}, store="store")
    made.update(sources=SOURCES, series=small_world.SERIES, start=small_world.DAYS[0])
    made.user_agent = "name name@example.com"
    return made


def write_files(world: World, made: ConfigDict) -> None:
    """Writes the files of one's own, as they are in a world."""
    world.bars.to_csv(made.bars, index=False)
    for field, key in bars.ACTIONS.items():
        table = pd.DataFrame(world.actions[field], columns=["date", "ticker", field])
        table.to_csv(made[key], index=False)
    columns = [*membership.COLUMNS, membership.RETURN]
    pd.DataFrame(world.members, columns=columns).to_csv(made.membership, index=False)


class Server(ReplayServer):
    """Answers as the sources of a world do."""

    def __init__(self, world: World):
        super().__init__()
        self._world = world

    def answer(self, asked: Asked) -> Answer:
        with self._lock:
            self.requests.append(asked)
        return Answer(answer(self._world, asked.host, asked.path, asked.query))


def answer(world: World, host: str, path: str, query: dict[str, str]) -> bytes:
    """Answers one request, in the true format of the host."""
    if host == "home.treasury.gov":
        year = path.split("/")[-2]
        days = {day: x for day, x in world.curves.items() if day.startswith(year)}
        return news.treasury_csv(days, TENORS)
    if host == "api.stlouisfed.org":
        history = world.vintages[query["series_id"]]
        return fred_responses.fred(history)(path, query)
    if host == "newsapi.org":
        items = [
            news.newsapi_article(
                article.url,
                f"{clock.new_york(article.published):%Y-%m-%dT%H:%M:%SZ}",
                article.title,
                article.body,
            )
            for article in _articles(world, "newsapi", query["q"].strip('"'))
        ]
        return news.newsapi(items, most=100)(path, query)
    if host == "www.alphavantage.co":
        items = [
            news.alphavantage_item(
                article.url,
                f"{article.published:%Y%m%dT%H%M%S}",
                {article.name: ("0.9", "0.1")},
                article.title,
                article.body,
            )
            for article in _articles(world, "alphavantage", query["tickers"])
        ]
        return news.alphavantage(items)(path, query)
    return _sec(world, path)


def _articles(world: World, source: str, name: str) -> list[small_world.Article]:
    asked = source, name
    return [each for each in world.articles if (each.source, each.name) == asked]


def _sec(world: World, path: str) -> bytes:
    if path.startswith("/Archives/"):
        cik, accession = path.split("/")[4:6]
        name = _name(int(cik))
        filing = next(
            each
            for each in world.filings[name]
            if each.accession.replace("-", "") == accession
        )
        trades = [sec_responses.trade(*trade) for trade in filing.trades]
        return sec_responses.form4(int(cik), trades, kind=filing.form)
    cik = int(path.partition("CIK")[2].removesuffix(".json"))
    filings = sorted(world.filings[_name(cik)], key=lambda each: each.accepted)
    if path.startswith("/submissions/"):
        return sec_responses.submissions(cik, [*map(_listed, filings[::-1])])
    return sec_responses.company_facts(cik, _facts(filings))


def _name(cik: int) -> str:
    return next(name for name, known in small_world.CIKS.items() if known == cik)


def _listed(filing: Filing) -> dict:
    insider = bool(filing.trades)
    return sec_responses.filing(
        filing.accession,
        filing.form,
        f"{filing.accepted:%Y-%m-%dT%H:%M:%S}.000Z",
        primary="xslF345X05/wf-form4.xml" if insider else "report.htm",
        xbrl=int(not insider),
    )


def _facts(filings: list[Filing]) -> dict[str, dict[str, list]]:
    """Lists facts as the SEC does, by concept in order of their period's end."""
    found: dict[str, dict[str, list]] = {}
    for filing in filings:
        for concept, start, end, value in filing.facts:
            row = sec_responses.fact(
                end,
                value,
                filing.accession,
                f"{filing.accepted:%Y-%m-%d}",
                start=start,
                form=filing.form,
            )
            units = found.setdefault(f"us-gaap:{concept}", {"USD": []})
            units["USD"].append(row)
    for units in found.values():
        units["USD"].sort(key=lambda row: row["end"])
    return found
