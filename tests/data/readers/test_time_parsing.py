"""Times of every spelling become the same nanoseconds, and none passes through a float."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from benchkit.data.readers.time_parsing import (
    TIME_UNITS,
    coarsest_unit,
    datetimes_to_nanoseconds,
    formatted_to_nanoseconds,
    guess_units,
    iso_parts,
    iso_to_nanoseconds,
    numbers_to_nanoseconds,
    split_numbers,
)

SECOND = 10**9
NOON = 1_577_880_000 * SECOND  # 2020-01-01 12:00 UTC


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("1600000000", "s", 1_600_000_000 * SECOND),
        ("1600000000.000000001", "s", 1_600_000_000 * SECOND + 1),
        (" +007.5 ", "s", 7_500_000_000),
        (".5", "s", 500_000_000),
        ("5.", "s", 5 * SECOND),
        ("1.6e9", "s", 1_600_000_000 * SECOND),
        ("-0.5", "s", -500_000_000),
        ("1600000000000.25", "ms", 1_600_000_000_000_250_000),
        ("1600000000000001", "us", 1_600_000_000_000_001_000),
        ("16000000000000001", "ns", 16_000_000_000_000_001),
        ("9223372036854775807", "ns", None),  # the very last one, left out
        ("99999999999999999999", "ns", None),
        ("9300000000", "s", None),  # the year 2264
        ("1e999999999", "s", None),
        ("1e-999999999", "s", 0),
        ("nan", "s", None),
        ("0x10", "s", None),
        ("1_000", "s", None),
        ("", "s", None),
    ],
)
def test_numbers_are_read_exactly(text, unit, expected):
    numbers = split_numbers(pl.Series([text]))
    assert numbers_to_nanoseconds(numbers, unit).values.to_list() == [expected]


@pytest.mark.parametrize(
    ("values", "dtype", "unit", "expected"),
    [
        ([2**53 + 1, -(2**53) - 1], pl.Int64, "ns", [2**53 + 1, -(2**53) - 1]),
        ([-(2**63), 5], pl.Int64, "ns", [None, 5]),  # the lowest one stands for "no time"
        ([2**63 + 1, 5], pl.UInt64, "ns", [None, 5]),
        ([0.1, 1_600_000_000.1], pl.Float64, "s", [100_000_000, 1_600_000_000_100_000_000]),
        ([0.1], pl.Float32, "s", [100_000_000]),
        ([dt.datetime(1970, 1, 1)], pl.Datetime("ms"), "ms", None),
    ],
)
def test_columns_of_numbers_are_read_exactly(values, dtype, unit, expected):
    column = pl.Series(values, dtype=dtype)
    if expected is None:
        assert datetimes_to_nanoseconds(column).values.to_list() == [0]
    else:
        assert numbers_to_nanoseconds(split_numbers(column), unit).values.to_list() == expected


def test_what_is_smaller_than_a_nanosecond_is_marked():
    numbers = split_numbers(pl.Series(["0.1234567891", "0.1234567890", "7"]))
    assert numbers_to_nanoseconds(numbers, "s").cut.to_list() == [True, False, False]


@pytest.mark.parametrize(
    ("number", "unit"),
    [
        ("1", "s"), ("1600000000.5", "s"), ("-86400", "s"), ("1600000000000", "ms"),
        ("1600000000000000", "us"), ("16000000000000001", "ns"), ("1600000000000000000", "ns"),
    ],
)  # fmt: skip
def test_a_unit_is_the_coarsest_one_before_2262(number, unit):
    assert TIME_UNITS[guess_units(split_numbers(pl.Series([number])))[0]] == unit


def test_zero_and_words_have_no_unit():
    assert guess_units(split_numbers(pl.Series(["0", "0.0", "soon", None]))).tolist() == [-1] * 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-01T12:00:00Z", NOON),
        ("2020-01-01t12:00:00z", NOON),
        ("2020-01-01 12:00", NOON),
        ("20200101T120000", NOON),
        ("2020/01/01 12:00:00 UTC", NOON),
        ("2020-01-01T13:30:00+01:30", NOON),
        ("2020-01-01T07:00:00-0500", NOON),
        ("2020-01-01 14:00:00.000000001+02", NOON + 1),
        ("2020-01-01 12:00:00,25", NOON + 250_000_000),
        ("2020-01-01", NOON - 12 * 3600 * SECOND),
        ("1969-12-31T23:59:59.5Z", -500_000_000),
        ("2020-02-30", None),
        ("2020-13-01", None),
        ("2020-01-01 25:00", None),
        ("0001-01-01", None),  # before 1677
        ("9999-12-31", None),
        ("01.02.2020", None),
        ("2020-01", None),
        ("tomorrow", None),
    ],
)
def test_iso_8601_is_read_with_and_without_a_zone(text, expected):
    assert iso_to_nanoseconds(iso_parts(pl.Series([text]))).values.to_list() == [expected]


def test_times_without_a_zone_can_be_placed_in_one():
    parts = iso_parts(
        pl.Series(["2020-01-01 13:00", "2020-01-01T12:00Z", "2020-07-01 14:00", "2020-03-29 02:30"])
    )
    summer = (dt.datetime(2020, 7, 1, 12) - dt.datetime(1970, 1, 1)) // dt.timedelta(seconds=1)
    # The clocks of Berlin had no 02:30 on the last of these days.
    berlin = iso_to_nanoseconds(parts, "Europe/Berlin").values.to_list()
    assert berlin == [NOON, NOON, summer * SECOND, None]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_datetimes_of_every_unit_are_one_time(unit):
    column = pl.Series([dt.datetime(2020, 1, 1, 12), None]).cast(pl.Datetime(unit))
    assert datetimes_to_nanoseconds(column).values.to_list() == [NOON, None]
    tokyo = column.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
    assert datetimes_to_nanoseconds(tokyo, "Europe/Berlin").values.to_list() == [NOON, None]


def test_dates_are_midnight():
    column = pl.Series([dt.date(2020, 1, 1)])
    assert datetimes_to_nanoseconds(column).values.to_list() == [NOON - 12 * 3600 * SECOND]


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("01/01/2020 12:00", "%d/%m/%Y %H:%M", NOON),
        ("Jan 1, 2020 01:00 PM +0100", "%b %d, %Y %I:%M %p %z", NOON),
        ("2020-01-01 12:00:00.000000007", "%Y-%m-%d %H:%M:%S%.f", NOON + 7),
        ("3020-01-01 12:00:00.000000007", "%Y-%m-%d %H:%M:%S%.f", None),
        ("13/13/2020 12:00", "%d/%m/%Y %H:%M", None),
    ],
)
def test_a_pattern_says_how_times_are_written(text, pattern, expected):
    assert formatted_to_nanoseconds(pl.Series([text]), pattern).values.to_list() == [expected]


@pytest.mark.parametrize(
    ("times", "unit"), [([SECOND], "s"), ([SECOND, 10**6], "ms"), ([1000], "us"), ([1], "ns")]
)
def test_the_coarsest_unit_holds_all_times(times, unit):
    assert coarsest_unit(np.array(times)) == unit
