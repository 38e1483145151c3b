"""The list of a company's filings at the SEC, and when each was accepted.

The Z at the end of an `acceptanceDateTime` does not mean UTC for every filer: for some
the time is read off a clock in New York. That is the later reading and is taken for
all, unless an SGML header was fetched, whose time is New York's for certain.
"""

import json
import re
from collections.abc import Iterable, Sequence

import pandas as pd

from thesis_rl.data import clock
from thesis_rl.data.store.raw import Response

KINDS = ("submissions", "older")  # The company, and the further pages of its list.
COLUMNS = {
    "accessionNumber": "accession",
    "form": "form",
    "filingDate": "filed",
    "acceptanceDateTime": "stamp",
    "primaryDocument": "primary",
}
ACCESSION = re.compile(r"/(\d{10})(\d\d)(\d{6})/")
HEADER_TIME = re.compile(rb"<ACCEPTANCE-DATETIME>\s*(\d{14})\b")
LAST_HOUR = pd.Timedelta(hours=22)  # New York: EDGAR accepts nothing later that day.
NS = "datetime64[ns]"
# Banks file one for each note that they sell, ten thousand a year.
NOTES = ("424B2", "424B3", "424B8", "FWP")


def columns(content: bytes) -> tuple[dict[str, list], str]:
    """Finds the list in a response, column by column, and its JSON pointer."""
    body = json.loads(content)
    recent = "filings" in body
    return (body["filings"]["recent"], "/filings/recent") if recent else (body, "")


def accession_of(path: str) -> str:
    """Reads an accession number, as 0000320193-23-000006, off a filing's address."""
    return "-".join(ACCESSION.search(path).groups())


def read(
    lists: Sequence[Response], headers: Sequence[Response]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Lists the filings of one company, each as it was listed first.

    Args:
        lists: responses of `KINDS`, at least one, in order of receipt.
        headers: SGML headers.

    Returns:
        A row a filing: accession, form, primary (the name of its document), accepted
        (UTC), place, raw, received; and how many will be no events, by reason.
    """
    table = pd.concat([_listed(response) for response in lists], ignore_index=True)
    table = table.drop_duplicates("accession", ignore_index=True)
    exact = pd.Series(dict(map(_stamped, headers)), dtype=NS)
    exact = exact.reindex(table["accession"]).set_axis(table.index)
    table["accepted"] = exact.fillna(_accepted(table["stamp"], table["filed"]))
    undated = table["accepted"].isna()
    notes = table["form"].isin(NOTES)
    return table[~undated], {
        "filing without a date": int(undated.sum()),
        "prospectus of a single note": int((notes & ~undated).sum()),
    }


def rows(table: pd.DataFrame, name: str) -> Iterable[tuple[dict, pd.Timestamp]]:
    """Makes the event of each filing, but for those of `NOTES`.

    Args:
        table: as `read` returns it.
        name: the ticker.

    Returns:
        Rows as `parsed.consolidate` takes them.
    """
    for filing in table[~table["form"].isin(NOTES)].itertuples(index=False):
        event = {
            "source": "sec",
            "name": name,
            "field": "filing",
            "event_time": filing.accepted,
            "knowledge_time": filing.accepted,
            "value": 1.0,
            "document": filing.accession,
            "raw": filing.raw,
            "place": filing.place,
            "text": filing.form,
        }
        yield event, filing.received


def _listed(response: Response) -> pd.DataFrame:
    listed, pointer = columns(response.content)
    table = pd.DataFrame(
        {new: listed[old] for old, new in COLUMNS.items()}, dtype=object
    )
    places = [f"{pointer}/accessionNumber/{row}" for row in range(len(table))]
    return table.assign(place=places, raw=response.sha256, received=response.received)


def _stamped(header: Response) -> tuple[str, pd.Timestamp]:
    digits = HEADER_TIME.search(header.content)[1].decode()
    naive = pd.to_datetime(digits, format="%Y%m%d%H%M%S")
    return accession_of(header.request.path), clock.new_york(naive)


def _accepted(stamps: pd.Series, filed: pd.Series) -> pd.Series:
    """Reads the instants of acceptance, UTC; NaT where there is no date at all."""
    bare = stamps.fillna("").str.removesuffix("Z")
    times = pd.to_datetime(bare, format="ISO8601", errors="coerce").astype(NS)
    days = times.dt.normalize()
    # Midnight, here or in UTC, is how old filings say that they have a date only.
    dated = (times == days) | (times == clock.new_york(days))
    read = clock.new_york(times).where(~dated, clock.end_of_day(days))
    filed = pd.to_datetime(filed, format="%Y-%m-%d", errors="coerce").astype(NS)
    return read.fillna(clock.new_york(filed + LAST_HOUR))
