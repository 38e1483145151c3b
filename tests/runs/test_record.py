"""Tables are written as pandas would write them."""

import numpy as np
import pandas as pd
import pytest

from thesis_rl.runs import record

DATES = pd.bdate_range("2019-12-30", periods=4, name="date")
NUMBERS = (0.0, -0.0, 1.0, 1e-9, -123456789.0, 0.1 + 0.2, np.nan, np.inf)


def by_date() -> pd.DataFrame:
    values = np.reshape(NUMBERS, (4, 2))
    return pd.DataFrame(values, DATES, ['A,B "C"', "Ä"])


def by_date_and_ticker() -> pd.DataFrame:
    index = pd.MultiIndex.from_product([DATES, ["A", 'B,"']], names=["date", "ticker"])
    table = pd.DataFrame({"size": np.array(NUMBERS, np.float32)}, index)
    table.insert(0, "decision", ["hold", "buy"] * 4)
    return table[np.arange(8) != 3]


@pytest.mark.parametrize("table", [by_date(), by_date_and_ticker()])
def test_a_table_is_written_as_pandas_writes_it(table):
    assert record.csv_text(table) == table.to_csv(float_format="%.8g")


def test_the_parts_of_a_table_are_the_table(monkeypatch):
    table = by_date()
    monkeypatch.setattr(record, "DAYS_A_PART", 3)
    monkeypatch.setattr(record, "unseen_dates", lambda result: table.index)
    parts = list(record.csv_parts(None, lambda result, days: table[days]))
    assert len(parts) == 2
    assert b"".join(parts).decode() == record.csv_text(table)
