"""SEC company facts: every number that a filing tagged, by the filing that said it.

`frame` stands on the last filing of a fact only, and `fy` and `fp` describe the filing,
not the number; all three are left alone. A number is about the days from `start` to
`end`, and is known once the filing `accn` was accepted.
"""

import itertools
import json
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from thesis_rl.data import clock
from thesis_rl.data.sources import submissions
from thesis_rl.data.store.raw import Response

# What features are made of, and the unit it must stand in. A company changes its tags
# over the years, above all that of its revenue.
CONCEPTS = {
    "us-gaap": {
        "NetIncomeLoss": "USD",
        "ProfitLoss": "USD",
        "NetIncomeLossAvailableToCommonStockholdersBasic": "USD",
        "Revenues": "USD",
        "RevenueFromContractWithCustomerExcludingAssessedTax": "USD",
        "RevenueFromContractWithCustomerIncludingAssessedTax": "USD",
        "RevenuesNetOfInterestExpense": "USD",
        "SalesRevenueNet": "USD",
        "SalesRevenueGoodsNet": "USD",
        "SalesRevenueServicesNet": "USD",
        "CostOfRevenue": "USD",
        "GrossProfit": "USD",
        "OperatingIncomeLoss": "USD",
        "NetCashProvidedByUsedInOperatingActivities": "USD",
        "NetCashProvidedByUsedInOperatingActivitiesContinuingOperations": "USD",
        "Assets": "USD",
        "AssetsCurrent": "USD",
        "Liabilities": "USD",
        "LiabilitiesCurrent": "USD",
        "LiabilitiesAndStockholdersEquity": "USD",
        "StockholdersEquity": "USD",
        "StockholdersEquityIncludingPortionAttributableToNoncontrollingInterest": "USD",
        "CashAndCashEquivalentsAtCarryingValue": "USD",
        "LongTermDebt": "USD",
        "LongTermDebtNoncurrent": "USD",
        "CommonStockSharesOutstanding": "shares",
        "WeightedAverageNumberOfSharesOutstandingBasic": "shares",
        "WeightedAverageNumberOfDilutedSharesOutstanding": "shares",
    },
    "dei": {"EntityCommonStockSharesOutstanding": "shares"},
}
READ = ("start", "end", "val", "accn", "filed")
DATES = ("start", "end", "filed")
YEARS = (pd.Timestamp("1900-01-01"), pd.Timestamp("2199-12-31"))  # Others are typos.
NONE_FETCHED = "no company facts"
OTHER_CONCEPTS = "other concepts"
SAID_TWICE = "another value for the same in one filing (both kept)"


def rows(
    responses: Sequence[Response], name: str, accepted: pd.Series
) -> tuple[list[tuple[dict, pd.Timestamp]], dict[str, int]]:
    """Reads the facts of one company.

    Args:
        responses: of company facts, in order of receipt; each holds all facts.
        name: the ticker.
        accepted: when each filing was accepted, UTC, by accession number. A filing
            that is not in it counts as accepted on the day `filed` at 22:00 New York.

    Returns:
        Rows as `parsed.consolidate` takes them, and how many facts of the last
        response were left out, by reason. `SAID_TWICE` alone counts rows that were
        kept: of those the later in the file counts.
    """
    found, rejected = [], {NONE_FETCHED: 1}
    for _, same in itertools.groupby(responses, key=lambda response: response.sha256):
        response = next(same)
        table, rejected = _listed(json.loads(response.content)["facts"])
        table, unfit = _fit(table)
        rejected |= unfit
        found += _events(table, response, name, accepted)
    return found, {reason: count for reason, count in rejected.items() if count}


def _listed(body: dict) -> tuple[pd.DataFrame, dict[str, int]]:
    """Lists the facts of `CONCEPTS` in their units, and counts the others."""
    columns = {key: [] for key in ("field", "place", *READ)}
    rejected = {NONE_FETCHED: int(not body), OTHER_CONCEPTS: 0}
    for taxonomy, concepts in body.items():
        wanted = CONCEPTS.get(taxonomy, {})
        for concept, held in concepts.items():
            for unit, facts in held["units"].items():
                if concept not in wanted:
                    rejected[OTHER_CONCEPTS] += len(facts)
                elif unit != wanted[concept]:
                    reason = f"unit {unit}, not {wanted[concept]}"
                    rejected[reason] = rejected.get(reason, 0) + len(facts)
                else:
                    _append(columns, f"{taxonomy}:{concept}", unit, facts)
    return pd.DataFrame(columns, dtype=object), rejected


def _append(columns: dict[str, list], field: str, unit: str, facts: list[dict]) -> None:
    taxonomy, concept = field.split(":")
    place = f"/facts/{taxonomy}/{concept}/units/{unit}"
    columns["field"] += [field] * len(facts)
    columns["place"] += [f"{place}/{position}" for position in range(len(facts))]
    for key in READ:
        columns[key] += [fact.get(key) for fact in facts]


def _fit(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Types the columns; leaves out facts that cannot be right, counted by reason."""
    typed = table.assign(val=pd.to_numeric(table["val"], errors="coerce"))
    typed["val"] = typed["val"].astype(np.float64)
    for key in DATES:
        typed[key] = _days(table[key])
    faults = {
        "val is no number": ~np.isfinite(typed["val"]),
        "no accession number": table["accn"].isna(),
        "end is no date": typed["end"].isna(),
        "filed is no date": typed["filed"].isna(),
        "start is no date": typed["start"].isna() & table["start"].notna(),
        "period starts after it ends": typed["start"] > typed["end"],
        "period ends after the filing": typed["end"] > typed["filed"],
    }
    first = np.select(list(faults.values()), list(faults), default="").astype(object)
    rejected = {reason: int((first == reason).sum()) for reason in faults}
    fit = typed[first == ""]
    rejected[SAID_TWICE] = _said_twice(fit)
    return fit, rejected


def _days(texts: pd.Series) -> pd.Series:
    days = pd.to_datetime(texts, format="%Y-%m-%d", errors="coerce")
    return days.where(days.between(*YEARS)).astype("datetime64[ns]")


def _said_twice(table: pd.DataFrame) -> int:
    about = ["field", "start", "end", "accn"]
    versions = table.drop_duplicates([*about, "val"])
    return int(versions.duplicated(about).sum())


def _events(
    table: pd.DataFrame, response: Response, name: str, accepted: pd.Series
) -> Iterable[tuple[dict, pd.Timestamp]]:
    timed = accepted.reindex(table["accn"]).set_axis(table.index)
    filed = clock.new_york(table["filed"] + submissions.LAST_HOUR)
    columns = {
        "field": table["field"],
        "event_time": clock.end_of_day(table["end"]),
        "knowledge_time": timed.fillna(filed),
        "value": table["val"],
        "period_start": clock.new_york(table["start"]),
        "document": table["accn"],
        "place": table["place"],
    }
    same = {"source": "sec", "name": name, "raw": response.sha256}
    listed = zip(*(column.tolist() for column in columns.values()), strict=True)
    for values in listed:
        event = dict(zip(columns, values, strict=True))
        yield same | event, response.received
