"""Curves from the Treasury and from the packaged file are one thing, in percent."""

import csv
import gzip
import hashlib
import io
from importlib import resources

import ml_collections
import numpy as np
import pandas as pd
import pytest
from macro_news_responses import TENORS, collect, response, treasury_csv

from thesis_rl.data import clock, events
from thesis_rl.data.sources import treasury
from thesis_rl.data.sources.keys import BadResponse
from thesis_rl.data.store.raw import Request

RECEIVED = "2024-01-05 12:00"
DAYS = {
    "2023-12-28": (5.57, 5.55, 5.45, 5.43, 5.26, 4.82, 4.26, 4.02, 3.83, 3.84, 3.84)
    + (4.14, 3.98),
    "2023-12-29": (5.60, 5.59, 5.40, 5.41, 5.26, 4.79, 4.23, 4.01, 3.84, 3.88, 3.88)
    + (4.20, 4.03),
}
NAMES = ("1month", "2month", "3month", "4month", "6month", "1year", "2year", "3year")
NAMES += ("5year", "7year", "10year", "20year", "30year")


def parsed(content: bytes) -> treasury.Parsed:
    request = Request("treasury", "curves", "curves", treasury.PATH)
    return treasury.parse([response(request, content, RECEIVED)])


def curves(table: pd.DataFrame) -> pd.DataFrame:
    """Makes a table of values, a row a day and a column a tenor."""
    return table.pivot(index="event_time", columns="name", values="value")


@pytest.fixture(scope="module")
def shipped():
    return treasury.shipped()


def test_the_treasurys_file_becomes_percent_by_tenor_and_day():
    table, rejected = parsed(treasury_csv(DAYS))
    assert rejected == {}
    assert set(table["field"]) == {"yield"} and set(table["source"]) == {"treasury"}
    found = curves(table)
    assert list(found.index) == list(clock.end_of_day(sorted(DAYS)))
    for day, values in DAYS.items():
        row = found.loc[clock.end_of_day(day)]
        assert tuple(row[list(NAMES)]) == values


def test_a_curve_is_known_at_the_end_of_its_day_in_new_york():
    table, _ = parsed(treasury_csv(DAYS))
    last = table[table["document"].str.endswith("2023-12-29")]
    assert set(last["knowledge_time"]) == {pd.Timestamp("2023-12-30 04:59:59")}
    assert (table["event_time"] == table["knowledge_time"]).all()


def test_every_place_names_the_cell():
    content = treasury_csv(DAYS)
    rows = list(csv.reader(io.StringIO(content.decode())))
    for event in parsed(content).events.to_dict("records"):
        line, column = event["place"].removeprefix("line ").split(", column ")
        cell = rows[int(line) - 1][rows[0].index(column)]
        assert float(cell) == event["value"]


def test_both_formats_give_the_same_numbers_to_the_last_bit(shipped):
    """The packaged fractions, times 100 in binary, would miss 7.83 by one bit."""
    past = curves(shipped).tail(500)
    tenors = [name for name in NAMES if name in past]
    columns = [TENORS[NAMES.index(name)] for name in tenors]
    days = past.index.tz_localize("UTC").tz_convert(clock.NEW_YORK)
    sent = dict(zip(days.strftime("%Y-%m-%d"), past[tenors].to_numpy(), strict=True))
    again = curves(parsed(treasury_csv(sent, columns)).events)
    pd.testing.assert_frame_equal(past[tenors], again[tenors], check_exact=True)


def test_the_packaged_file_is_whole(shipped):
    treasury.check(treasury.packaged().content)
    assert list(shipped.columns) == list(events.COLUMNS)
    assert set(shipped["name"]) == set(NAMES) - {"2month", "4month"}
    assert shipped["event_time"].min() == clock.end_of_day("1990-01-02")
    assert shipped["event_time"].max() == clock.end_of_day("2017-03-29")
    first = curves(shipped).iloc[0]
    assert (first["3month"], first["10year"], first["30year"]) == (7.83, 7.94, 8.0)
    assert np.isnan(first["1month"])
    assert shipped["value"].between(0, 10).all()


def test_each_packaged_number_is_found_in_the_bytes_of_its_hash(shipped):
    file = resources.files("thesis_rl.data").joinpath("files", "treasury_curves.csv.gz")
    content = file.read_bytes()
    assert set(shipped["raw"]) == {hashlib.sha256(content).hexdigest()}
    assert treasury.packaged().content == content
    lines = gzip.decompress(content).decode().splitlines()
    for event in shipped.iloc[::4999].to_dict("records"):
        line, column = event["place"].removeprefix("line ").split(", column ")
        cells = dict(
            zip(lines[0].split(","), lines[int(line) - 1].split(","), strict=True)
        )
        assert round(100 * float(cells[column]), 6) == event["value"]
        assert event["event_time"] == clock.end_of_day(cells["date"])


def test_a_day_in_both_files_is_told_once(shipped):
    last = shipped[shipped["event_time"] == shipped["event_time"].max()]
    sent = {"2017-03-29": list(last["value"])}
    columns = [TENORS[NAMES.index(name)] for name in last["name"]]
    request = Request("treasury", "curves", "curves", treasury.PATH)
    later = response(request, treasury_csv(sent, columns), RECEIVED)
    both = treasury.parse([treasury.packaged(), later]).events
    pd.testing.assert_frame_equal(both, shipped)


def test_blank_cells_are_counted_and_zero_is_a_yield():
    tenors = ("1 Mo", "2 Mo", "30 Yr")
    days = {
        "2020-03-25": (0.0, 0.01, 1.45),
        "2005-01-03": (1.99, "", ""),
        "2010-10-11": ("N/A", "", " "),
        "2010-10-12": (0.14, "n.a.", "NaN"),
    }
    table, rejected = parsed(treasury_csv(days, tenors))
    assert sorted(table["value"]) == [0.0, 0.01, 0.14, 1.45, 1.99]
    assert rejected == {treasury.BLANK: 5, treasury.NO_NUMBER: 2}


def test_new_tenors_get_names_and_other_columns_are_counted():
    tenors = ("1 Mo", "1.5 Month", "10 Yr", "Extrapolation Factor")
    table, rejected = parsed(treasury_csv({"2025-02-18": (4.4, 4.3, 4.5, 0)}, tenors))
    assert list(table["name"]) == ["1month", "1.5month", "10year"]
    assert rejected == {treasury.NO_TENOR: 1}


def test_dates_of_neither_form_are_counted():
    content = b'Date,"10 Yr"\n13/29/2023,3.88\n12/29/2023,3.88\n\n'
    table, rejected = parsed(content)
    assert list(table["event_time"]) == [clock.end_of_day("2023-12-29")]
    assert rejected == {treasury.NO_DATE: 1}


def test_a_correction_is_known_when_it_was_received():
    request = Request("treasury", "curves", "curves", treasury.PATH)
    wrong = treasury_csv({"2023-12-29": (3.88,)}, ("10 Yr",))
    right = treasury_csv({"2023-12-29": (3.98,)}, ("10 Yr",))
    responses = [
        response(request, content, when)
        for content, when in ((wrong, "2024-01-02"), (right, "2024-01-09"))
    ]
    table = treasury.parse(responses).events
    assert list(table["value"]) == [3.88, 3.98]
    assert table["knowledge_time"].iloc[1] == pd.Timestamp("2024-01-09")


def test_requests_are_one_a_year_and_begin_two_years_early():
    config = ml_collections.ConfigDict({"start": "2023-06-01", "until": "2024-01-05"})
    empty = b'Date,"1 Mo","10 Yr"\n'
    responses = collect(treasury, lambda path, params: empty, "all", config, RECEIVED)
    paths = [r.request.path for r in responses]
    assert paths == [
        "/resource-center/data-chart-center/interest-rates/daily-treasury-rates.csv/"
        f"{year}/all"
        for year in (2021, 2022, 2023, 2024)
    ]
    assert responses[0].request.params == (
        ("type", "daily_treasury_yield_curve"),
        ("field_tdr_date_value", "2021"),
        ("page", ""),
        ("_format", "csv"),
    )
    assert treasury.parse(responses).events.empty


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "no table of yields"),
        (b"<!DOCTYPE html><html>Page not found", "begins with '<!DOCTYPE html>"),
        (b'Date,"4 WEEKS BANK DISCOUNT"\n', "without tenors"),
        (treasury_csv(DAYS)[:-20], r"line 3 has \d+ of 14 cells"),
    ],
)
def test_what_is_no_table_of_curves_is_refused(content, reason):
    with pytest.raises(BadResponse, match=reason):
        treasury.check(content)
