"""The column `timestamp`: found or missed, its unit, and what cannot be read of it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn

import numpy as np
import polars as pl

from benchkit.data.disk_table import DiskTable, Table, set_column
from benchkit.data.preparation.time_plausibility import depends_on_others, refuse_other_readings
from benchkit.data.raw import RawData
from benchkit.data.readers.time_parsing import (
    NANOSECONDS,
    TIME_UNITS,
    Nanoseconds,
    NumberColumn,
    TimeUnit,
    datetimes_to_nanoseconds,
    formatted_to_nanoseconds,
    guess_units,
    iso_parts,
    iso_to_nanoseconds,
    numbers_to_nanoseconds,
    split_numbers,
)
from benchkit.data.spec import DatasetSpec
from benchkit.errors import ConfigError, DataError

_FILE_ORDER = 'set time = "none" in the dataset to take the order of the file for it'
_WAYS = (
    'correct these rows, say how times are written (time = "ms", time = "%d/%m/%Y %H:%M"), or '
    f"{_FILE_ORDER}: that changes what is asked"
)
_LIKELY_WORDS = frozenset(
    ("timestamp", "timestamps", "time", "date", "datetime", "unixtime", "epoch", "ts")
)
_UNLIKELY_WORDS = frozenset(("release", "birth", "play", "run", "life", "updated", "last"))
_LIKELY_ENDS = ("timestamp", "datetime", "reviewtime", "createdat", "reviewdate")
_DAY_OR_MONTH_FIRST = r"^\d{1,2}([/.-])\d{1,2}[/.-]\d{2,4}"
_LONG_YEAR = r"^\d{1,2}[/.-]\d{1,2}[/.-]\d{4}"
_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


def interpret_times(raw: RawData, spec: DatasetSpec) -> RawData:
    """Return `raw` with its times in nanoseconds since 1970 (Int64), or without any.

    Raises:
        DataError: A time cannot be read, units are mixed, or there is no column `timestamp` though
            another one looks like it.
        ConfigError: `spec.time` does not fit the source or the column.
    """
    if spec.time == "none":
        return replace(raw, interactions=raw.interactions.drop("timestamp", strict=False))
    if "timestamp" not in raw.interactions.columns:
        _refuse_unused_times(raw)
        return raw
    table = raw.interactions
    if isinstance(table, DiskTable):
        in_chunks = _read_chunks(raw, table, spec)
        if in_chunks is not None:
            return replace(raw, interactions=in_chunks)
    times = _read(raw, spec).values.alias("timestamp")
    return replace(raw, interactions=set_column(table, times))


def _read_chunks(raw: RawData, table: DiskTable, spec: DatasetSpec) -> DiskTable | None:
    """Return the table with its times read chunk by chunk, None if only all of them decide.

    They do where a chunk is refused, since a message counts rows, and where chunks differ in what
    they are read as. What is refused of all times only together, is also refused of some chunk, or
    `depends_on_others`.
    """
    is_guess = spec.time == "auto" and raw.time_unit is None
    forms = set()

    def times() -> Iterator[pl.Series]:
        for chunk in table.chunks(["timestamp"]):
            reading = _read(raw.replace_interactions(chunk), spec)
            doubtful = reading.cut or (is_guess and depends_on_others(chunk["timestamp"]))
            forms.add((reading.form, doubtful))
            yield reading.values

    try:
        read = table.replace_column("timestamp", times())
    except (DataError, ConfigError):
        return None
    is_certain = len(forms) == 1 and not any(doubtful for _, doubtful in forms)
    return read if is_certain else None


def find_likely_times(table: Table) -> list[str]:
    """List the columns that may hold the times of interactions, by their names and types.

    >>> find_likely_times(pl.DataFrame(schema=["Timestamp", "unix_time", "play_time", "item"]))
    ['Timestamp', 'unix_time']
    """
    return [name for name, dtype in table.schema.items() if _may_be_time(name, dtype)]


def _may_be_time(name: str, dtype: pl.DataType) -> bool:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.findall(r"[a-z]+", spaced.lower())
    if _UNLIKELY_WORDS.intersection(words):
        return False
    sounds_like_time = not _LIKELY_WORDS.isdisjoint(words) or "".join(words).endswith(_LIKELY_ENDS)
    return sounds_like_time or isinstance(dtype, pl.Datetime | pl.Date)


def _refuse_unused_times(raw: RawData) -> None:
    likely = find_likely_times(raw.interactions)
    if not likely or not {"user", "item"} <= set(raw.interactions.columns):
        return  # without these columns it is not the right table
    columns = ", ".join(map(repr, raw.interactions.columns))
    raise DataError(
        f"{raw.origin[0]}: no column 'timestamp', but {' and '.join(map(repr, likely))} may hold"
        f" the time; the columns are {columns}",
        f'name it: columns = {{ timestamp = "{likely[0]}" }}; or {_FILE_ORDER}',
    )


class _Reading(NamedTuple):
    values: pl.Series  # nanoseconds
    form: str  # how times are written
    cut: bool = False  # whether some have parts smaller than a nanosecond


def _read(raw: RawData, spec: DatasetSpec) -> _Reading:
    column = raw.interactions["timestamp"]
    empty = column.is_null()
    if column.dtype == pl.String:
        empty |= (column.str.strip_chars() == "").fill_null(value=True)
    elif column.dtype.is_float():
        empty |= column.is_nan().fill_null(value=True)
    _refuse(raw, empty, "is no time", _WAYS)
    if isinstance(column.dtype, pl.Datetime | pl.Date):
        if spec.time != "auto":
            raise ConfigError(
                f"{raw.origin[0]}: time = {spec.time!r}, but the column 'timestamp' holds dates",
                'leave time out, or set it to "none"',
            )
        return _Reading(_check(raw, _in_zone(datetimes_to_nanoseconds, column, spec)), "dates")
    if not (column.dtype.is_numeric() or column.dtype in (pl.String, pl.Categorical, pl.Enum)):
        raise DataError(
            f"{raw.origin[0]}, column 'timestamp': holds {column.dtype}, which is no time",
            f"store numbers, dates or text there, or {_FILE_ORDER}",
        )
    if "%" in spec.time:
        text = column.cast(pl.String)
        if column.dtype.is_float():  # 20200913.0, as a table with empty cells has integers
            text = text.str.strip_suffix(".0")
        try:
            times = formatted_to_nanoseconds(text, spec.time, spec.time_zone)
        except pl.exceptions.PolarsError as error:
            raise ConfigError(
                f"time = {spec.time!r} (time zone {spec.time_zone!r}) cannot be used: {error}",
                'write the form as strftime does, e.g. "%d/%m/%Y %H:%M:%S"',
            ) from None
        return _Reading(_check(raw, times, f"is no time of the form {spec.time!r}"), spec.time)
    _refuse_rounded_floats(raw, column)
    numbers = split_numbers(column)
    numeric = numbers.is_number
    if not numeric.any() and spec.time == "auto" and raw.time_unit is None:
        return _read_iso(raw, spec, column.cast(pl.String))
    # A number among texts, or a text among numbers: what is rarer is what is named.
    mostly_numbers = int(numeric.sum()) * 2 >= len(column)
    if mostly_numbers or spec.time != "auto":
        _refuse(raw, ~numeric, "is not a number" if spec.time == "auto" else
                f"is not a number, as time = {spec.time!r} says", _WAYS)  # fmt: skip
    else:
        _refuse(raw, numeric, "is a number, and other times are dates", _WAYS)
    _refuse(raw, numbers.whole.is_null(), "has more digits than 64 bits hold", _WAYS)
    unit = _choose_unit(raw, spec, numbers)
    times = numbers_to_nanoseconds(numbers, unit)
    _refuse_ties(raw, times)
    if spec.time == "auto" and raw.time_unit is None:
        refuse_other_readings(raw, numbers, times.values)
    values = _check(raw, times, f"is a time beyond the years 1678 to 2261, in {_NAMES[unit]}")
    return _Reading(values, unit, bool(times.cut.any()))


def _refuse_rounded_floats(raw: RawData, column: pl.Series) -> None:
    """Refuse floats so large that the whole numbers next to them are the same float."""
    if column.dtype.is_float():
        bits, digits = (32, 24) if column.dtype == pl.Float32 else (64, 53)
        _refuse(
            raw,
            column.is_finite() & (column.abs() > 2**digits),
            f"is a float of {bits} bits, which rounds times of this size",
            f"store whole numbers, dates or text in the column; or {_FILE_ORDER}",
        )


def _choose_unit(raw: RawData, spec: DatasetSpec, numbers: NumberColumn) -> TimeUnit:
    """Return the unit that the suite says, the source knows, or all numbers agree on."""
    if raw.time_unit is not None:
        if spec.time not in ("auto", raw.time_unit):
            raise ConfigError(
                f"dataset {spec.name!r}: time = {spec.time!r}, but source {spec.source!r} has times"
                f" in {raw.time_unit!r}",
                "leave time out",
            )
        return raw.time_unit
    if spec.time in NANOSECONDS:
        return TIME_UNITS[TIME_UNITS.index(spec.time)]
    units = guess_units(numbers)
    present = np.unique(units[units >= 0])
    if len(present) > 1:
        _refuse_mixed_units(raw, units, present.tolist())
    return TIME_UNITS[int(present[0])] if len(present) else "s"


def _refuse_mixed_units(
    raw: RawData, units: np.ndarray[Any, np.dtype[np.int64]], present: Sequence[int]
) -> NoReturn:
    readings, choices = [], []
    for unit in present:
        rows = np.flatnonzero(units == unit)
        (line,) = raw.lookup_lines(rows[:1])
        value, name = raw.interactions["timestamp"][int(rows[0])], TIME_UNITS[unit]
        numbers = split_numbers(pl.Series([value]))
        moment = numbers_to_nanoseconds(numbers, name).values.cast(pl.Datetime("ns"))
        day = "?" if moment[0] is None else str(moment.dt.date()[0])
        readings.append(f"{value} (line {line}) is {day} in {_NAMES[name]}")
        choices.append(f'time = "{name}"')
    raise DataError(
        f"{raw.origin[0]}, column 'timestamp': its numbers may be of different units:"
        f" {'; '.join(readings)}",
        f"if they are all of one unit, set {' or '.join(choices)} in the dataset; otherwise convert"
        f" them; or {_FILE_ORDER}",
    )


def _read_iso(raw: RawData, spec: DatasetSpec, text: pl.Series) -> _Reading:
    parts = iso_parts(text)
    hint = _WAYS
    wrong = parts["moment"].is_null()
    if wrong.any() and text.str.contains(_DAY_OR_MONTH_FIRST).any():
        between = text.filter(wrong).str.extract(_DAY_OR_MONTH_FIRST, 1)[0] or "/"
        year = "%Y" if text.str.contains(_LONG_YEAR).any() else "%y"
        day_first, month_first = (f"%{a}{between}%{b}{between}{year}" for a, b in ("dm", "md"))
        hint = (
            f'say which comes first: time = "{day_first}" reads day, month, year, and time ='
            f' "{month_first}" month, day, year (with " %H:%M:%S" for a clock); or {_FILE_ORDER}:'
            " that changes what is asked"
        )
    _refuse(raw, wrong, "is neither a number nor a time as ISO 8601 writes it", hint)
    without = parts["zone"].is_null()
    if spec.time_zone is None and without.any() and not without.all():
        _refuse(
            raw,
            without,
            "has no time zone, and other times have one",
            'say where those without a zone are from: time_zone = "UTC" or, say,'
            ' time_zone = "America/New_York", in the dataset',
        )
    times = _in_zone(iso_to_nanoseconds, parts, spec)
    _refuse_ties(raw, times)
    local = spec.time_zone is None and bool(without.all())
    return _Reading(_check(raw, times), f"ISO {local}", bool(times.cut.any()))


def _in_zone(convert: Any, source: Any, spec: DatasetSpec) -> Nanoseconds:
    try:
        times: Nanoseconds = convert(source, spec.time_zone)
    except pl.exceptions.PolarsError:
        raise ConfigError(
            f"dataset {spec.name!r}: there is no time zone {spec.time_zone!r}",
            'use a name of the IANA time zones, such as "UTC" or "Europe/Berlin"',
        ) from None
    return times


def _check(
    raw: RawData,
    times: Nanoseconds,
    what: str = "is a time beyond the years 1678 to 2261, or one that the clocks left out",
) -> pl.Series:
    _refuse(raw, times.values.is_null(), what, _WAYS)
    return times.values


def _refuse_ties(raw: RawData, times: Nanoseconds) -> None:
    """Refuse times that differ by less than a nanosecond, as those scaled to 0..1 may."""
    if not times.cut.any():
        return
    text = raw.interactions["timestamp"].cast(pl.String)
    pairs = pl.DataFrame({"text": text, "time": times.values, "cut": times.cut}).unique()
    alike = pairs.filter(
        pl.col("cut").any().over("time") & (pl.len().over("time") > 1),
    ).sort("time", "text")
    if len(alike):
        first, second = alike["text"][:2]
        raise DataError(
            f"{raw.origin[0]}, column 'timestamp': {first} and {second} differ by less than a"
            " nanosecond, the smallest step that is told apart",
            "multiply the column, e.g. by 1,000,000: only the order of times counts",
        )


def _refuse(raw: RawData, bad: pl.Series, what: str, hint: str) -> None:
    rows = bad.arg_true().to_numpy()
    if len(rows) == 0:
        return
    value = raw.interactions["timestamp"][int(rows[0])]
    (line,) = raw.lookup_lines(rows[:1].astype(np.int64))
    raise DataError(
        f"{raw.origin[0]}, line {line}, column 'timestamp': {value!r} {what}"
        f" ({len(rows)} such rows)",
        hint,
    )
