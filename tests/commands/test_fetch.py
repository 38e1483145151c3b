"""The command itself: a small universe off a server on this machine, twice."""

import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading

import pandas as pd
import pytest
import sec_responses
from ml_collections import ConfigDict
from replay_server import Answer, ReplayServer
from rich.console import Console

from experiments import fetch as command
from experiments.data import us20
from thesis_rl.data import store

ROOT = pathlib.Path(__file__).parents[2]
NOW = pd.Timestamp("2020-06-01 12:00")
KEY = "0123456789abcdef0123456789abcdef"
FRED, TREASURY = "api.stlouisfed.org", "home.treasury.gov"
CURVES = "/resource-center/data-chart-center/interest-rates/daily-treasury-rates.csv"
VINTAGES = {
    "realtime_start": "1776-07-04",
    "realtime_end": "9999-12-31",
    "order_by": "vintage_date",
    "sort_order": "asc",
    "count": 2,
    "offset": 0,
    "limit": 10000,
    "vintage_dates": ["2020-04-10", "2020-05-12"],
}
SEEN = {"realtime_start": "2020-04-10", "realtime_end": "9999-12-31"}
OBSERVATIONS = {
    "realtime_start": "2020-04-10",
    "realtime_end": "2020-05-12",
    "observation_start": "1600-01-01",
    "observation_end": "9999-12-31",
    "units": "lin",
    "output_type": 1,
    "file_type": "json",
    "order_by": "observation_date",
    "sort_order": "asc",
    "count": 2,
    "offset": 0,
    "limit": 100000,
    "observations": [
        SEEN | {"date": "2020-04-09", "value": "0.73"},
        SEEN | {"date": "2020-04-10", "value": "."},
    ],
}
BARS = "date,open,high,low,close,volume\n2020-03-02,10,12,9,11,100\n"


@pytest.fixture
def server(monkeypatch):
    """FRED and the Treasury, which has two days a year."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("FRED_API_KEY", KEY)
    with ReplayServer() as server:
        series = "/fred/series"
        server.on(FRED, f"{series}/vintagedates", json.dumps(VINTAGES).encode())
        server.on(FRED, f"{series}/observations", json.dumps(OBSERVATIONS).encode())
        for year in (2018, 2019, 2020):
            table = f'Date,"3 Mo","10 Yr"\n03/03/{year},1.0,1.5\n01/03/{year},1.1,1.6\n'
            server.on(TREASURY, f"{CURVES}/{year}/all", table.encode())
        yield server


@pytest.fixture
def config(tmp_path, server) -> ConfigDict:
    bars = tmp_path / "bars"
    bars.mkdir()
    for ticker in ("AAPL", "BRK.B"):
        (bars / f"{ticker}.csv").write_text(BARS)
    config = us20.get_config()
    config.tickers = tickers({"AAPL": {"cik": 320193}, "BRK.B": {"cik": 1067983}})
    config.series = ("DGS10",)
    config.sources = ("bars", "treasury", "fred")
    config.update(store=str(tmp_path / "store"), bars=str(bars), mirror=server.address)
    config.update(start="2020-01-01", until="2020-06-01")
    return config


def tickers(companies: dict) -> ConfigDict:
    return ConfigDict(companies, allow_dotted_keys=True)


def fetch(config, now=NOW) -> tuple[list[command.Fetched], str]:
    results = command.fetch(config, Console(file=io.StringIO()), lambda: now)
    page = Console(file=io.StringIO(), width=160)
    page.print(command.summary(results), command.left_out(results))
    return results, page.file.getvalue()


def line(page: str, start: str) -> str:
    """Returns the first row of a page that begins so, its words one space apart."""
    rows = (" ".join(row.split()) for row in page.splitlines())
    return next(row for row in rows if row.startswith(f"{start} "))


def test_all_sources_are_in_the_store_and_in_the_table(config, server):
    results, page = fetch(config)
    assert [result.failures for result in results] == [{}, {}, {}]
    assert store.sources(config.store) == ["bars", "fred", "treasury"]
    assert line(page, "bars") == "bars 2 0 10 10 2 2020-03-02 2020-03-02"
    # A day of New York ends on the next one by UTC.
    spans = "2018-01-04 2020-03-04 10year, 306 days"
    assert line(page, "treasury") == f"treasury 3 0 12 12 2 {spans}"
    assert line(page, "fred") == "fred 2 0 1 1 1 2020-04-10 2020-04-10"
    assert "1 rows" in page and "missing (.)" in page
    kept = [path for path in pathlib.Path(config.store).rglob("*") if path.is_file()]
    assert KEY not in page + "".join(map(str, kept))
    assert KEY.encode() not in b"".join(path.read_bytes() for path in kept)
    assert any(KEY in asked.query.values() for asked in server.requests)


def test_again_asks_the_network_nothing(config, server):
    config.sources = ("fred", "treasury")
    fetch(config)
    asked = len(server.requests)
    results, _ = fetch(config)
    assert len(server.requests) == asked
    assert [result.outcome.asked for result in results] == [0, 0]
    assert [result.ingested.added for result in results] == [0, 0]


def test_the_next_day_asks_again_for_lists_but_not_for_documents(config, server):
    """The SEC: two hosts, a user agent, and a Form 4 that its list names."""
    cik, report, trade = 320193, "0000320193-20-000052", "0000320193-20-000053"
    accepted = "2020-05-01T16:30:00.000Z"
    primary = "xslF345X05/wf-form4.xml"
    filings = [
        sec_responses.filing(report, "10-Q", accepted),
        sec_responses.filing(trade, "4", accepted, primary=primary, xbrl=0),
    ]
    assets = sec_responses.fact("2020-03-28", 3.2e11, report, "2020-05-01")
    facts = {"us-gaap:Assets": {"USD": [assets]}}
    bought = sec_responses.trade("2020-04-30", "P", "100", "2.50")
    for address, body in {
        "data.sec.gov/submissions/CIK0000320193.json": sec_responses.submissions(
            cik, filings
        ),
        "data.sec.gov/api/xbrl/companyfacts/CIK0000320193.json": (
            sec_responses.company_facts(cik, facts)
        ),
        sec_responses.form4_path(cik, trade).removeprefix("https://"): (
            sec_responses.form4(cik, [bought])
        ),
    }.items():
        host, _, path = address.partition("/")
        server.on(host, f"/{path}", body)
    config.update(sources=("sec",), user_agent="name name@example.com")
    config.tickers = tickers({"AAPL": {"cik": cik}})
    (sec,), _ = fetch(config)
    assert sec.failures == {} and sec.outcome.asked == 3
    assert {one.headers["user-agent"] for one in server.requests} == {config.user_agent}
    events = store.load(config.store, "sec")
    found = dict(zip(events["field"], events["value"], strict=True))
    assert found == {"filing": 1, "us-gaap:Assets": 3.2e11, "purchase": 250}
    assert set(events["knowledge_time"].astype(str)) == {"2020-05-01 20:30:00"}

    config.until = "2020-06-02"
    (sec,), _ = fetch(config, NOW + pd.Timedelta("1D"))
    assert (sec.outcome.asked, sec.outcome.found, sec.ingested.added) == (2, 1, 0)


def test_source_without_key_and_bad_group_are_lines_and_the_rest_goes_on(
    config, server, monkeypatch
):
    monkeypatch.delenv("FRED_API_KEY")
    config.sources = ("fred", "sec", "bars")
    config.tickers = tickers({"AAPL": {"cik": 320193}, "NONE": {"cik": 1}})
    (fred, sec, bars), page = fetch(config)
    assert "FRED_API_KEY" in fred.outcome.ended and fred.outcome.left == ("DGS10",)
    assert "user_agent" in sec.outcome.ended
    assert list(bars.outcome.failed) == ["NONE"] and bars.coverage.rows == 5
    assert sec.coverage is None
    assert "failed: 1 (NONE)" in page and "failed: 2 (AAPL, NONE)" in page
    assert server.requests == []


def test_until_is_today_where_none_is_given(config):
    assert command.last_day(config, pd.Timestamp("2021-01-01")) == "2020-06-01"
    config.until = ""
    assert command.last_day(config, pd.Timestamp("2021-01-01")) == "2021-01-01"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"start": "2020"}, "start is '2020'; want a day such as 2016-01-31"),
        ({"until": "soon"}, "until is 'soon'; want a day"),
        ({"until": "2020-06-02"}, "neither after today, 2020-06-01"),
        ({"start": "2020-06-01", "until": "2020-05-01"}, "want start before until"),
        ({"sources": ("bars", "edgar")}, "sources names 'edgar'; known are .*sec"),
    ],
)
def test_mistakes_in_the_config_are_named(config, changes, message):
    config.update(changes)
    with pytest.raises(ValueError, match=message):
        fetch(config)


def test_us20_names_the_stocks_of_the_shipped_prices():
    header = pd.read_csv(
        ROOT / "thesis_rl" / "data" / "files" / "us20_adj_close.csv.gz", nrows=0
    )
    config = us20.get_config()
    assert list(config.tickers) == list(header.columns[1:])
    ciks = [about.cik for about in config.tickers.values()]
    assert len(set(ciks)) == 20 and config.tickers.AAPL.cik == 320193
    command.chosen(config)


def shell(config, *flags) -> subprocess.Popen:
    """Starts the command on a config of its own."""
    lab_book = pathlib.Path(config.store).parent / "config.py"
    given = {key: value for key, value in config.items() if key != "tickers"}
    lab_book.write_text(
        "from ml_collections import ConfigDict\n"
        "from experiments.data import us20\n\n\ndef get_config():\n"
        "    config = us20.get_config()\n"
        f"    companies = {config.tickers.to_dict()!r}\n"
        "    config.tickers = ConfigDict(companies, allow_dotted_keys=True)\n"
        f"    config.update({given!r})\n"
        "    return config\n"
    )
    return subprocess.Popen(
        [sys.executable, "experiments/fetch.py", f"--config={lab_book}", *flags],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "160"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_while_waiting_and_started_again_nothing_is_asked_twice(config, server):
    waiting = Answer(hold=threading.Event())
    server.on(TREASURY, f"{CURVES}/2020/all", waiting)
    first = shell(config, "--config.sources=('treasury',)")
    try:
        while len(server.requests) < 3:
            assert first.poll() is None, first.communicate()
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    server.on(TREASURY, f"{CURVES}/2020/all", b"Date,10 Yr\n01/03/2020,1.6\n")
    second = shell(config, "--config.sources=('treasury',)")
    told, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors
    assert "What the store has" in told and KEY not in told + errors
    years = [path.split("/")[-2] for path in server.paths()]
    assert years == ["2018", "2019", "2020", "2020"]


def test_what_failed_ends_with_1_and_how_to_go_on(config, server):
    shutil.rmtree(config.bars)
    process = shell(config, "--config.sources=('bars',)", "--config.until=")
    told, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert "python experiments/fetch.py --config=" in told and "config.bars is" in told
