"""Numbers that can be read as times in two ways: dates in digits, days of Excel, signs for none."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.disk_table import Table, gather, iter_chunks
from benchkit.data.raw import RawData
from benchkit.data.readers.time_parsing import NANOSECONDS, NumberColumn, split_numbers
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError

_FILE_ORDER = 'time = "none" takes the order of the file'
# (smallest, largest, form for chrono, form for strftime): what begins with a year of our time.
_DATES = (
    (1900_00_00, 2100_00_00, "%Y%m%d", "%Y%m%d"),
    (1900_00_00_00, 2100_00_00_00, "%Y%m%d%H%M", "%Y%m%d%H"),
    (1900_00_00_00_00, 2100_00_00_00_00, "%Y%m%d%H%M", "%Y%m%d%H%M"),
    (1900_00_00_00_00_00, 2100_00_00_00_00_00, "%Y%m%d%H%M%S", "%Y%m%d%H%M%S"),
)
_YEARS = (1900, 2100)
_EXCEL_DAYS = (40_000, 50_000)  # 2009 to 2036
_YEAR = 365 * 24 * 3600 * NANOSECONDS["s"]
_LATE = 10**8 * NANOSECONDS["s"]  # 1973


def refuse_other_readings(raw: RawData, numbers: NumberColumn, times: pl.Series) -> None:
    """Refuse numbers that are times since 1970 only at first sight.

    Args:
        raw: Tables, for messages.
        numbers: The column, every cell of which is a number.
        times: [n] what it was read as, in nanoseconds.

    Raises:
        DataError: All numbers are dates written in digits, years, or days as Excel counts them; all
            are 0 or -1; some are, among times after 1973; or a spreadsheet has rounded them until
            most are equal. `time` in the dataset says which reading is meant.
    """
    whole = numbers.whole.fill_null(0).to_numpy()
    is_whole = not (numbers.fraction.str.strip_chars("0") != "").any()
    if is_whole and not numbers.negative.any():
        _refuse_dates(raw, whole)
    low, high = int(whole.min()), int(whole.max())
    if not is_whole and _EXCEL_DAYS[0] <= low and high < _EXCEL_DAYS[1]:
        raise _two_readings(
            raw, "days since 1900, as Excel counts them", "write them as dates (2020-09-13 12:00)"
        )
    _refuse_none_signs(raw, times)
    _refuse_rounded_text(raw, times)


def describe_early_times(raw: RawData, times: Table, spec: DatasetSpec) -> Iterator[str]:
    """Yield a caveat where all numbers, read as seconds, are times of 1970: they may be days.

    The order is right whatever the unit is, and nothing else of a time decides a figure. Numbers
    that count from 0 or 1 no further than there are rows are a mere order, and say so by
    themselves.

    Args:
        raw: Tables as they were read.
        times: Table whose `timestamp` is what the times were read as, in nanoseconds.
        spec: The dataset, which may say the unit.
    """
    table = raw.interactions
    if spec.time != "auto" or raw.time_unit is not None or table.schema["timestamp"].is_temporal():
        return
    if not len(times):
        return
    ends = [(int(low), int(high)) for low, high in map(_range, iter_chunks(times, "timestamp"))]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    second = NANOSECONDS["s"]
    is_order = low in (0, second) and high <= len(times) * second
    if is_order or low <= -_YEAR or high >= _YEAR:
        return
    first = gather(table, "timestamp", np.zeros(1, dtype=np.int64))
    if not split_numbers(first).is_number.all():  # where one is a number, all are
        return
    yield (
        "all times are of 1970 if they are seconds since then: they may be days, hours or minutes,"
        ' in the right order but on wrong dates; write dates, or set time = "s" if they are right,'
        " or only their order is meant"
    )


def _range(chunk: pl.DataFrame) -> tuple[int, int]:
    column = chunk["timestamp"]
    return int(column.min()), int(column.max())  # type: ignore[arg-type]


def depends_on_others(column: pl.Series) -> bool:
    """Return whether a time may stand for none, or be rounded, which only all times can tell."""
    return bool(_sign_mask(column).any() or _short_mask(column).any())


def _sign_mask(column: pl.Series) -> pl.Series:
    """Return [n] whether a time is written as 0 or -1."""
    values = column.cast(pl.String).str.strip_chars()
    return values.str.contains(r"^-?[01](?:\.0*)?$") & values.str.contains(r"^(?:0|-)")


def _short_mask(column: pl.Series) -> pl.Series:
    """Return [n] whether a text is a number of few digits and an exponent, like 1.60E+09."""
    if column.dtype != pl.String:
        return pl.zeros(len(column), pl.Boolean, eager=True)
    return column.str.contains(r"(?i)^\s*\d(?:\.\d{1,6})?e\+?\d+\s*$")


def _refuse_dates(raw: RawData, whole: NDArray[np.int64]) -> None:
    low, high = int(whole.min()), int(whole.max())
    if low > _YEARS[0] and high < _YEARS[1]:
        raise _two_readings(raw, "years", 'set time = "%Y"')
    for smallest, largest, form, written in _DATES:
        if not (smallest < low and high < largest):
            continue
        text = pl.Series(np.unique(whole)).cast(pl.String)
        if written.endswith("%H"):  # chrono reads no hour without a minute
            text = text + "00"
        if text.str.to_datetime(form, strict=False).is_not_null().all():
            mend = f'set time = "{written}"' if form == written else "write them with minutes"
            raise _two_readings(raw, f"dates of the form {written}", mend)


def _two_readings(raw: RawData, reading: str, mend: str) -> DataError:
    value = raw.interactions["timestamp"][0]
    (line,) = raw.lookup_lines(np.array([0], dtype=np.int64))
    return DataError(
        f"{raw.origin[0]}, line {line}, column 'timestamp': {value} can be a time since 1970, or"
        f" one of {reading}",
        f'{mend} if they are {reading}; or time = "s" (or "ms") in the dataset if they count from'
        f" 1970; {_FILE_ORDER}",
    )


def _refuse_none_signs(raw: RawData, times: pl.Series) -> None:
    """Refuse 0 and -1 where they seem to stand for no time."""
    column = raw.interactions["timestamp"]
    is_sign = _sign_mask(column)
    rows = is_sign.arg_true().to_numpy().astype(np.int64)
    if not len(rows):
        return
    others = times.filter(~is_sign)
    if len(others) and int(others.min() or 0) < _LATE:  # type: ignore[arg-type]
        return
    values = column.cast(pl.String).str.strip_chars()
    if not len(others) and values.n_unique() > 1:
        return
    (line,) = raw.lookup_lines(rows[:1])
    value = values[int(rows[0])]
    rest = "the others are after 1973" if len(others) else "so are all others"
    raise DataError(
        f"{raw.origin[0]}, line {line}, column 'timestamp': {value} can be the beginning of 1970,"
        f" or stand for no time ({len(rows)} such rows; {rest})",
        f'remove or correct these rows if it stands for none, set time = "s" (or "ms") in the'
        f" dataset if it is a time; {_FILE_ORDER}",
    )


def _refuse_rounded_text(raw: RawData, times: pl.Series) -> None:
    """Refuse numbers like 1.60E+09, of which a spreadsheet has left three digits."""
    column = raw.interactions["timestamp"]
    if column.dtype != pl.String or len(times) < 2:
        return
    short = _short_mask(column)
    count = int(short.sum())
    if count and times.filter(short).n_unique() * 2 <= count:
        row = short.arg_true().to_numpy()[:1].astype(np.int64)
        (line,) = raw.lookup_lines(row)
        raise DataError(
            f"{raw.origin[0]}, line {line}, column 'timestamp': {column[int(row[0])]!r} has few"
            f" digits, and most of the {count} times written so are equal: a spreadsheet may have"
            " rounded them",
            f'export them in full; set time = "s" (or "ms") if they are meant so; {_FILE_ORDER}',
        )
