"""Times, however a table writes them, as whole nanoseconds since 1970-01-01 00:00 UTC.

No time passes through a float: at 1.6e9 seconds one has steps of 240 ns, and integers of 17 digits
and more would be rounded to their neighbours.
"""

from decimal import Decimal
from typing import Literal, NamedTuple, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

TimeUnit = Literal["s", "ms", "us", "ns"]
TIME_UNITS: tuple[TimeUnit, ...] = get_args(TimeUnit)
NANOSECONDS: dict[TimeUnit, int] = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_LARGEST = 2**63 - 1  # nanoseconds: the year 2262
_MAX_EXPONENT = 40  # of a number that is written out

_PLAIN = r"^([+-]?)0*(\d+)(?:\.(\d*))?$"
_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_DATE = r"(\d{4})([-/]?)(\d{2})[-/]?(\d{2})"
_CLOCK = r"(\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?"
_ZONE = r"(Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)"
_ISO = rf"^{_DATE}(?:[Tt ]\s*{_CLOCK}\s*{_ZONE}?)?$"


class NumberColumn(NamedTuple):
    """A column of numbers, each as its whole part and the digits of its fraction."""

    whole: pl.Series
    """[n] Int64, without the sign; null where the number is beyond that, or is none."""
    fraction: pl.Series
    """[n] digits after the point, "" for none; null where there is no number."""
    negative: pl.Series
    """[n] whether there is a minus sign."""

    @property
    def is_number(self) -> pl.Series:
        """[n] whether the cell holds a number, however large."""
        return self.fraction.is_not_null()


class Nanoseconds(NamedTuple):
    """Times that were read."""

    values: pl.Series
    """[n] Int64; null where a time is out of range or cannot be read."""
    cut: pl.Series
    """[n] whether a time had parts smaller than a nanosecond, which are left out."""


def split_numbers(column: pl.Series) -> NumberColumn:
    """Split integers, floats, decimals or texts that may hold numbers, exactly.

    >>> numbers = split_numbers(pl.Series(["-1.50", "2e3", "soon"]))
    >>> numbers.whole.to_list(), numbers.fraction.to_list()
    ([1, 2000, None], ['50', '', None])
    """
    if column.dtype.is_integer():
        exact = column.cast(pl.Int64, strict=False)
        sign = (column < 0).fill_null(value=False)
        whole = pl.select(  # of the lowest one, which stands for "no time", there is no opposite
            pl.when(exact > -_LARGEST - 1).then(pl.when(sign).then(-exact).otherwise(exact))
        ).to_series()
        empty = pl.select(pl.when(column.is_not_null()).then(pl.lit(""))).to_series()
        return NumberColumn(whole, empty, sign)
    # The shortest text that gives a float again is the number that was meant: 0.1, not 0.1 + 5e-18.
    text = _write_out(column.cast(pl.String).str.strip_chars())
    groups = pl.DataFrame({"text": text}).select(
        sign=pl.col("text").str.extract(_PLAIN, 1),
        whole=pl.col("text").str.extract(_PLAIN, 2).cast(pl.Int64, strict=False),
        fraction=pl.when(pl.col("text").str.contains(_PLAIN)).then(
            pl.col("text").str.extract(_PLAIN, 3).fill_null("")
        ),
    )
    negative = (groups["sign"] == "-").fill_null(value=False)
    return NumberColumn(groups["whole"], groups["fraction"], negative)


def guess_units(numbers: NumberColumn) -> NDArray[np.int64]:
    """Return [n] for each number the coarsest unit that places it before 2262, as its index.

    Zero and what is no number are -1: the first is 1970 in every unit.
    """
    values = numbers.whole.fill_null(0).to_numpy()
    limits = [_LARGEST // NANOSECONDS[unit] for unit in TIME_UNITS]
    units = np.searchsorted(limits, values).astype(np.int64)
    fractional = (numbers.fraction.fill_null("").str.strip_chars("0") != "").to_numpy()
    units[(values == 0) & ~fractional] = -1
    return units


def numbers_to_nanoseconds(numbers: NumberColumn, unit: TimeUnit) -> Nanoseconds:
    """Return numbers of a unit as nanoseconds, cut where they have smaller parts.

    >>> numbers_to_nanoseconds(split_numbers(pl.Series(["0.5", "-1.25"])), "s").values.to_list()
    [500000000, -1250000000]
    """
    factor = NANOSECONDS[unit]
    digits = len(str(factor)) - 1
    table = pl.DataFrame(
        {"whole": numbers.whole, "fraction": numbers.fraction, "negative": numbers.negative}
    )
    part = pl.col("fraction").str.slice(0, digits).str.pad_end(digits, "0").cast(pl.Int64)
    within = pl.col("whole") <= _LARGEST // factor - 1
    absolute = pl.when(within).then(pl.col("whole") * factor) + (part if digits else 0)
    rest = pl.col("fraction").str.slice(digits).str.strip_chars("0")
    result = table.select(
        values=pl.when("negative").then(-absolute).otherwise(absolute),
        cut=(rest != "").fill_null(value=False),
    )
    return Nanoseconds(result["values"], result["cut"])


def datetimes_to_nanoseconds(column: pl.Series, zone: str | None = None) -> Nanoseconds:
    """Return dates or datetimes as nanoseconds; those without a zone are UTC, or of `zone`."""
    dtype = column.dtype if isinstance(column.dtype, pl.Datetime) else pl.Datetime("us")
    column = column.cast(dtype)
    if zone is not None and dtype.time_zone is None:
        column = _place_in_zone(column, zone)
    return numbers_to_nanoseconds(split_numbers(column.to_physical()), dtype.time_unit)


def iso_parts(text: pl.Series) -> pl.DataFrame:
    """Return the parts of ISO 8601 texts: `moment` (to the second), `fraction`, `zone`.

    `moment` is null for what is no such text, or no day of the calendar.
    """
    names = ("year", "between", "month", "day", "hour", "minute", "second", "fraction", "zone")
    groups = pl.DataFrame({"text": text.str.strip_chars()}).select(
        pl.col("text").str.extract(_ISO, place).alias(name) for place, name in enumerate(names, 1)
    )
    moment = pl.format(
        "{}-{}-{} {}:{}:{}",
        *(pl.col(name).fill_null("00") if place > 3 else pl.col(name)
          for place, name in enumerate(names[:7]) if name != "between"),
    )  # fmt: skip
    moment = moment.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    return groups.select(
        moment=pl.when(pl.col("year").is_not_null()).then(moment),
        fraction=pl.col("fraction").fill_null(""),
        zone="zone",
    )


def iso_to_nanoseconds(parts: pl.DataFrame, zone: str | None = None) -> Nanoseconds:
    """Return `iso_parts` as nanoseconds; those without a zone are UTC, or of `zone`.

    >>> iso_to_nanoseconds(iso_parts(pl.Series(["1970-01-01T01:00:00.5+01:00"]))).values.to_list()
    [500000000]
    """
    moment, fraction = parts["moment"], pl.col("fraction")
    hours = pl.col("zone").str.extract(r"^[+-](\d\d)", 1).cast(pl.Int64)
    minutes = pl.col("zone").str.extract(r"^[+-]\d\d:?(\d\d)$", 1).cast(pl.Int64)
    east = (hours * 3600 + minutes.fill_null(0) * 60).fill_null(0)
    table = parts.with_columns(
        local=moment if zone is None else _place_in_zone(moment, zone),
        east=pl.when(pl.col("zone").str.starts_with("-")).then(-east).otherwise(east),
    )
    clock = pl.when(pl.col("zone").is_null()).then("local").otherwise("moment")
    table = table.with_columns(seconds=clock.dt.epoch("us") // 10**6 - pl.col("east"))
    limit = _LARGEST // 10**9 - 1
    part = fraction.str.slice(0, 9).str.pad_end(9, "0").cast(pl.Int64)
    result = table.select(
        values=pl.when(pl.col("seconds").abs() <= limit).then(pl.col("seconds") * 10**9 + part),
        cut=fraction.str.slice(9).str.strip_chars("0") != "",
    )
    return Nanoseconds(result["values"], result["cut"])


def formatted_to_nanoseconds(text: pl.Series, pattern: str, zone: str | None = None) -> Nanoseconds:
    """Return texts of a strftime `pattern` as nanoseconds; without a zone UTC, or of `zone`.

    >>> formatted_to_nanoseconds(pl.Series(["02/01/1970", "1.2."]), "%d/%m/%Y").values.to_list()
    [86400000000000, None]
    """
    text = text.str.strip_chars()
    moment = text.str.to_datetime(pattern, strict=False, time_unit="us")
    coarse = datetimes_to_nanoseconds(moment, zone)
    if "f" not in pattern:
        return coarse
    # What microseconds hold is in range, and so are the nanoseconds of the same time.
    fine = text.str.to_datetime(pattern, strict=False, time_unit="ns")
    values = datetimes_to_nanoseconds(fine, zone).values
    inside = pl.select(pl.when(coarse.values.is_not_null()).then(values)).to_series()
    return Nanoseconds(inside, coarse.cut)


def coarsest_unit(nanoseconds: NDArray[np.int64]) -> TimeUnit:
    """Return the coarsest unit in which all times are whole.

    >>> coarsest_unit(np.array([0, 3_000_000]))
    'ms'
    """
    for unit in TIME_UNITS[:-1]:
        if not (nanoseconds % NANOSECONDS[unit]).any():
            return unit
    return "ns"


def _place_in_zone(moment: pl.Series, zone: str) -> pl.Series:
    """Return clock times of `zone` as UTC; null where the clocks were put past one.

    Where the clocks were put back, a time that stands twice is the earlier one.
    """
    there = moment.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return there.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _write_out(text: pl.Series) -> pl.Series:
    """Return texts with numbers like "1.6e9" and ".5" written out: "1600000000", "0.5"."""
    short = text.str.contains(_NUMBER) & ~text.str.contains(_PLAIN)
    rows = short.fill_null(value=False).arg_true()
    if not len(rows):
        return text
    numbers = [_write_out_number(number) for number in text.gather(rows)]
    return text.scatter(rows, pl.Series(numbers, dtype=pl.String))


def _write_out_number(text: str) -> str:
    number = Decimal(text)
    exponent = number.adjusted()
    if exponent > _MAX_EXPONENT:
        return "9" * _MAX_EXPONENT  # beyond every range
    return f"{number:f}" if exponent > -_MAX_EXPONENT else f"{number:.{_MAX_EXPONENT}f}"
