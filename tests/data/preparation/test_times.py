"""The order of a history is that of the times, whatever they look like, or benchkit stops."""

import datetime as dt

import polars as pl
import pytest

from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.preparation.times import find_likely_times
from benchkit.data.raw import RawData
from benchkit.data.spec import DatasetSpec
from benchkit.errors import ConfigError, DataError

ITEMS = pl.DataFrame(
    {"item": [f"i{n}" for n in range(1, 6)], "title": [f"T{n}" for n in range(1, 6)]}
)
S = 1_600_000_000


def prepare(late, middle, early, column="timestamp", dtype=None, unit=None, **settings):
    """Prepare two users; the first one's items i3, i2, i1 stand in the file, the latest first."""
    table = pl.DataFrame(
        {
            "user": ["a", "a", "a", "b", "b"],
            "item": ["i3", "i2", "i1", "i4", "i5"],
            column: pl.Series([late, middle, early, early, middle], dtype=dtype, strict=False),
        }
    )
    spec = {"name": "mine", "source": "table", "candidates": {"count": 2}, **settings}
    raw = RawData(table, ITEMS, ("mine.csv", "items.csv"), time_unit=unit)
    return prepare_dataset(raw, DatasetSpec.model_validate(spec))


def order(data):
    return [data.catalog.ids[code] for code in data.interactions.sequence(0)]


ORDERED = {
    "fractions": ("0.9", "0.5", "0.1"),
    "fractions of large seconds": (f"{S}.000000003", f"{S}.000000002", f"{S}.000000001"),
    "milliseconds": (S * 1000 + 3, S * 1000 + 2, S * 1000 + 1),
    "microseconds as text": tuple(str(S * 10**6 + n) for n in (3, 2, 1)),
    "17 digits as text": tuple(str(10**16 + n) for n in (3, 2, 1)),
    "17 digits": (10**16 + 3, 10**16 + 2, 10**16 + 1),
    "nanoseconds as text": tuple(str(S * 10**9 + n) for n in (3, 2, 1)),
    "negative": ("-0.5", "-1.25", "-2"),
    "exponents": ("1.600000003e9", "1.600000002e9", "1600000001"),
    "zones": ("2020-01-01T10:00:00Z", "2020-01-01T10:30:00+01:00", "2020-01-01T10:00:00+02:00"),
    "no zone": ("2020-01-01 10:00:00.3", "2020-01-01 10:00:00.2", "2020-01-01 10:00"),
    "days": ("2020-01-03", "2020-01-02", "2020-01-01"),
    "datetimes": tuple(dt.datetime(2020, 1, 1, 0, 0, 0, n) for n in (3, 2, 1)),
    "dates": tuple(dt.date(2020, 1, n) for n in (3, 2, 1)),
    "floats": (S + 0.75, S + 0.5, S + 0.25),
}


@pytest.mark.parametrize("times", ORDERED.values(), ids=ORDERED)
def test_histories_are_in_the_order_of_time(times):
    data = prepare(*times)
    assert order(data) == ["i1", "i2", "i3"]
    assert data.report["users_with_tied_times"] == 0


SAME = {
    "seconds": (S + 2, S + 1, S),
    "milliseconds": ((S + 2) * 1000, (S + 1) * 1000, S * 1000),
    "nanoseconds": tuple(str((S + n) * 10**9) for n in (2, 1, 0)),
    "text": tuple(f"2020-09-13T12:26:4{n}Z" for n in (2, 1, 0)),
    "datetimes": tuple(dt.datetime(2020, 9, 13, 12, 26, 40 + n) for n in (2, 1, 0)),
}


def test_one_time_has_one_fingerprint_however_it_is_written():
    data = {name: prepare(*times) for name, times in SAME.items()}
    assert len({one.fingerprint for one in data.values()}) == 1
    event = next(data["text"].requests(data["text"].test)).history[0]
    assert event.timestamp == S * 10**9


def test_equal_numbers_of_different_units_have_different_fingerprints():
    assert prepare(3, 2, 1, time="s").fingerprint != prepare(3, 2, 1, time="ms").fingerprint
    assert prepare(3, 2, 1, time="s").fingerprint == prepare(3, 2, 1).fingerprint


REFUSED = {
    "two units": (
        (S * 1000, S + 1, S), {},
        r"may be of different units: 1600000001 \(line 3\) is 2020-09-13 in seconds;"
        r" 1600000000000 \(line 2\) is 2020-09-13 in milliseconds",
        'time = "s" or time = "ms"',
    ),
    "a zone and none": (
        ("2020-01-01 10:00Z", "2020-01-01 10:00", "2020-01-01 08:00"), {},
        "line 3, column 'timestamp': '2020-01-01 10:00' has no time zone", 'time_zone = "UTC"',
    ),
    "day or month first": (
        ("03/04/2020", "02/04/2020", "01/04/2020"), {}, "'03/04/2020' is neither",
        'time = "%d/%m/%Y" reads day, month, year, and time = "%m/%d/%Y"',
    ),
    "day or month first, short years": (
        ("03.04.20", "02.04.20", "01.04.20"), {}, "'03.04.20' is neither",
        'time = "%d.%m.%y" reads day, month, year, and time = "%m.%d.%y"',
    ),
    "dates in digits": (
        (20200203, 20200202, 20200201), {}, "line 2, .*20200203 can be a time since 1970, or one"
        " of dates of the form %Y%m%d", 'set time = "%Y%m%d"',
    ),
    "dates in digits as text": (
        ("20200203", "20200202", "20200201"), {}, "dates of the form %Y%m%d", 'time = "%Y%m%d"',
    ),
    "dates and minutes in digits": (
        (202002030101, 202002020202, 202002010303), {}, "the form %Y%m%d%H%M", "%Y%m%d%H%M",
    ),
    "dates and seconds in digits": (
        (20200203010101, 20200202020202, 20200201030303), {}, "%Y%m%d%H%M%S", "%Y%m%d%H%M%S",
    ),
    "dates and hours in digits": (
        (2020020323, 2020020202, 2020020103), {}, "dates of the form %Y%m%d%H", "with minutes",
    ),
    "years": ((2003, 2002, 2001), {}, "or one of years", 'set time = "%Y"'),
    "days of Excel": (
        ("44089.5", "44088.25", "44087.75"), {}, "or one of days since 1900", "write them as dates",
    ),
    "minus one among times": (
        (S + 1, S, -1), {}, r"line 4, .*-1 can be the beginning of 1970, or stand for no time"
        r" \(2 such rows; the others are after 1973\)", 'time = "s"',
    ),
    "zero among times": (
        (S * 1000, "0", str(S * 1000 - 1)), {}, r"line 3, .*0 can be the beginning", "none",
    ),
    "minus one alone": ((-1, -1, -1), {}, r"\(5 such rows; so are all others\)", "none"),
    "zero alone": (("0", "0", "0"), {}, r"line 2, .*\(5 such rows; so are all", "none"),
    "zero alone in floats": ((0.0, 0.0, 0.0), {}, "can be the beginning of 1970", "none"),
    "what a spreadsheet left": (
        ("1.60E+09", "1.60E+09", "1.60e9"), {}, r"line 2, .*'1.60E\+09' has few digits", "in full",
    ),
    "no day of the calendar": (
        ("2020-02-30", "2020-01-02", "2020-01-01"), {}, "line 2, .*'2020-02-30' is neither", "none",
    ),
    "a word": (("soon", "2", "1"), {}, "line 2, .*'soon' is not a number", 'time = "none"'),
    "a number among dates": (
        ("2020-01-03", "2020-01-02", "7"), {}, "line 4, .*'7' is a number, and other", "none",
    ),
    "no time": ((3, None, 1), {}, "line 3, .*None is no time", "none"),
    "an empty cell": (("3", " ", "1"), {}, "line 3, .*' ' is no time", "none"),
    "not a number": ((3.0, float("nan"), 1.0), {}, "line 3, .*nan is no time", "none"),
    "beyond 64 bits": (
        ("99999999999999999999", "2", "1"), {}, "has more digits than 64 bits hold", "none",
    ),
    "beyond 2261 in its unit": (
        (S * 1000, S * 1000 - 1, S * 1000 - 2), {"time": "s"}, "beyond the years 1678", "none",
    ),
    "steps below a nanosecond": (
        ("0.30000000000003", "0.30000000000002", "0.1"), {}, "differ by less than a nanosecond",
        "multiply",
    ),
    "floats too large": (
        (1e16 + 4, 1e16 + 2, 1e16), {}, "is a float of 64 bits, which rounds", "whole numbers",
    ),
    "truth values": ((True, False, True), {}, "holds Boolean, which is no time", "none"),
    "another form": (
        ("1/2/2020", "x", "1/1/2020"), {"time": "%d/%m/%Y"}, "'x' is no time of the form", "none",
    ),
    "no number where one is said": (
        ("2020-01-03", "2", "1"), {"time": "s"}, "is not a number, as time = 's' says", "none",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("times", "settings", "message", "hint"), REFUSED.values(), ids=REFUSED)
def test_what_may_be_read_in_two_ways_or_none_is_refused(times, settings, message, hint):
    with pytest.raises(DataError, match=message) as caught:
        prepare(*times, **settings)
    assert str(caught.value).startswith("mine.csv")
    assert hint in caught.value.hint


SETTLED = {
    "a unit": ((S * 1000, S + 1, S), {"time": "ms"}),
    "a zone": (
        ("2020-01-01 10:00Z", "2020-01-01 10:59", "2020-01-01 10:30"), {"time_zone": "Europe/Oslo"}
    ),
    "day first": (("01/03/2020", "01/02/2020", "13/01/2020"), {"time": "%d/%m/%Y"}),
    "dates in digits": ((20200203, 20200202, 20200201), {"time": "%Y%m%d"}),
    "dates in floats": ((20200203.0, 20200202.0, 20200201.0), {"time": "%Y%m%d"}),
    "minutes in digits": ((202002030101, 202002020202, 202001010303), {"time": "%Y%m%d%H%M"}),
    "numbers like dates": ((20200203, 20200202, 20200201), {"time": "s"}),
    "years": ((2003, 2002, 2001), {"time": "%Y"}),
    "numbers that are no dates": ((20201303, 20200202, 20200201), {}),
    "steps from minus one": ((1, 0, -1), {}),
    "days since 1970": ((18520, 18519, 18518), {}),
    "a time of 1970": ((S, 5, 0), {"time": "s"}),
    "exponents": (("3e9", "2e9", "1e9"), {}),
    "naive datetimes": (tuple(dt.datetime(2020, 1, n) for n in (3, 2, 1)), {"time_zone": "UTC"}),
}  # fmt: skip


@pytest.mark.parametrize(("times", "settings"), SETTLED.values(), ids=SETTLED)
def test_a_setting_settles_it(times, settings):
    assert order(prepare(*times, **settings)) == ["i1", "i2", "i3"]


@pytest.mark.parametrize("times", [(1, 2, 3), ("x", "", None)])
def test_none_is_the_order_of_the_file(times):
    data = prepare(*times, time="none")
    assert order(data) == ["i3", "i2", "i1"]
    assert data.interactions.timestamp is None


@pytest.mark.parametrize(
    "name",
    ["Time", "Timestamp", " timestamp", "unix_time", "unixtime", "unixReviewTime", "review_date",
     "created_at", "TIMESTAMP_MS", "Datetime", "ts", "time"],
)  # fmt: skip
def test_a_column_that_may_hold_the_time_is_not_passed_over(name):
    with pytest.raises(DataError, match=f"no column 'timestamp', but {name!r} may hold") as caught:
        prepare(3, 2, 1, column=name)
    assert f'timestamp = "{name}"' in caught.value.hint
    assert "'user', 'item'" in str(caught.value)
    assert order(prepare(3, 2, 1, column=name, time="none")) == ["i3", "i2", "i1"]


def test_other_columns_are_no_times():
    names = ["release_date", "birth_date", "play_time", "runtime", "category", "items", "events"]
    assert find_likely_times(pl.DataFrame(schema=names)) == []
    assert find_likely_times(pl.DataFrame(schema={"when": pl.Date, "lifetime": pl.Int64})) == [
        "when"
    ]
    assert prepare(3, 2, 1, column="release_date").interactions.timestamp is None


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="there is no time zone 'Mars/One'"):
        prepare("2020-01-03", "2020-01-02", "2020-01-01", time_zone="Mars/One")
    with pytest.raises(ConfigError, match="the column 'timestamp' holds dates"):
        prepare(*ORDERED["dates"], time="ms")
    with pytest.raises(ConfigError, match="source 'table' has times in 's'"):
        prepare(3, 2, 1, unit="s", time="ms")
    with pytest.raises(ValueError, match="use 'auto', 'none', 's', 'ms'"):
        prepare(3, 2, 1, time="seconds")


def test_a_source_that_knows_its_unit_is_believed():
    data = prepare(S * 1000, 20, 10, unit="ms")
    assert data.interactions.timestamp[:3].tolist() == [10 * 10**6, 20 * 10**6, S * 10**9]


EARLY = {
    "whole days of Excel": ((45125, 45124, 45123), {}),
    "days since 1970 as text": (("18520", "18519", "18518"), {}),
    "minutes since 1970": ((26_300_003, 26_300_002, 26_300_001), {}),
    "shares of a range": ((0.9, 0.5, 0.1), {}),
}


@pytest.mark.parametrize(("times", "settings"), EARLY.values(), ids=EARLY)
def test_times_of_1970_may_be_days_and_it_is_said(times, settings):
    data = prepare(*times, **settings)
    assert order(data) == ["i1", "i2", "i3"]
    (caveat,) = data.caveats
    assert "all times are of 1970 if they are seconds" in caveat
    assert "days, hours or minutes" in caveat and 'time = "s"' in caveat


@pytest.mark.parametrize(
    ("times", "settings"),
    [
        ((45125, 45124, 45123), {"time": "s"}),  # it is said that they are seconds
        ((45125, 45124, 45123), {"unit": "s"}),  # the source knows
        ((3, 2, 1), {}),  # an order
        ((2, 1, 0), {}),
        ((S, 5, 2), {}),  # not all of them
        ((S + 2, S + 1, S), {}),
        (("1970-01-03", "1970-01-02", "1970-01-01"), {}),
    ],
)
def test_other_times_are_what_they_seem(times, settings):
    assert prepare(*times, **settings).caveats == ()
