"""The interactions of a split that somebody else made: one file a part, read like any table."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data import sources
from benchkit.data.disk_table import in_memory
from benchkit.data.out_of_core import keep_in_memory
from benchkit.data.preparation.times import interpret_times
from benchkit.data.raw import RawData, validate_raw_data
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError


def read_tables(spec: DatasetSpec, options: dict[str, Any]) -> RawData:
    """Return the raw tables of a dataset; those of a split's files joined, with each row's part.

    Args:
        spec: The dataset, with resolved files.
        options: The options of its source, with resolved paths.

    Raises:
        DataError: A file cannot be read, the files differ in their columns, or a user has an item
            in two of them.
    """
    if spec.split_files is None:
        return sources.read_source(spec.source, options)
    for file in spec.split_files.files.values():
        _refuse_sequences(Path(file))
    with keep_in_memory():  # the files are joined
        parts = {
            part: sources.read_source(spec.source, {**options, "interactions": file})
            for part, file in spec.split_files.files.items()
        }
    for raw in parts.values():
        _check_part(raw, spec)
    tables = [in_memory(raw.interactions) for raw in parts.values()]
    _check_columns(list(parts.values()))
    sizes = [len(table) for table in tables]
    starts = np.concatenate([[0], np.cumsum(sizes)])

    def lookup_lines(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        lines = np.zeros(len(rows), dtype=np.int64)
        for raw, start, stop in zip(parts.values(), starts[:-1], starts[1:], strict=True):
            inside = (rows >= start) & (rows < stop)
            lines[inside] = raw.lookup_lines(rows[inside] - start)
        return lines

    first = next(iter(parts.values()))
    names = [Path(raw.origin[0]).name for raw in parts.values()]
    malformed = [raw.malformed for raw in parts.values() if raw.malformed is not None]
    funnel: dict[str, int] = {}
    for raw in parts.values():
        for stage, count in raw.funnel.items():
            funnel[stage] = funnel.get(stage, 0) + count
    joined = replace(
        first,
        interactions=_join(tables, names),
        origin=(", ".join(names), first.origin[1]),
        lookup_lines=lookup_lines,
        funnel=funnel,
        malformed=pl.concat(malformed) if malformed else None,
        part=np.repeat(np.array(list(parts), dtype=np.uint8), sizes),
        part_files=dict(zip(parts, names, strict=True)),
    )
    if spec.duplicates == "error":
        _check_repeats(joined, names, starts)
    return joined


def _check_part(raw: RawData, spec: DatasetSpec) -> None:
    """Refuse what cannot be read of one file, whose name and lines are known here.

    What times and ratings mean is decided later, by all files together.
    """
    if spec.rating_scale == "implicit":
        raw = raw.replace_interactions(raw.interactions.drop("rating", strict=False))
    validate_raw_data(interpret_times(raw, spec))


def _join(tables: list[pl.DataFrame], names: list[str]) -> pl.DataFrame:
    columns = tables[0].columns
    try:
        return pl.concat([table.select(columns) for table in tables], how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{', '.join(names)}: their columns hold different kinds of values: {error}",
            "give each column one type in all files of a split",
        ) from None


def _refuse_sequences(path: Path) -> None:
    """Refuse RecBole's files of sequences, whose rows are a history and its next item.

    Read as interactions they would lose the first items, and training would run backwards in time.
    """
    if path.suffix.lower() != ".inter" or not path.is_file():
        return
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        names = [name.partition(":")[0] for name in file.readline().strip().split("\t")]
    lists = [name for name in names if name.endswith("_list")]
    if lists:
        raise DataError(
            f"{path}: a row holds a history ({lists[0]!r}) and the next item, not one interaction",
            "write one row an interaction: user, item and, where known, the time",
        )


def _check_columns(parts: list[RawData]) -> None:
    first = parts[0]
    for other in parts[1:]:
        differing = set(first.interactions.columns) ^ set(other.interactions.columns)
        if differing:
            raise DataError(
                f"{first.origin[0]} and {other.origin[0]}: only one of them has a column"
                f" {min(differing)!r}",
                "give all files of a split the same columns",
            )


def _check_repeats(raw: RawData, names: list[str], starts: NDArray[np.int64]) -> None:
    """Refuse a user's item that stands in two files, or twice in one."""
    table = in_memory(raw.interactions).select("user", "item").with_row_index("row")
    rows = (
        table.group_by("user", "item")
        .agg(pl.col("row").sort())
        .filter(pl.col("row").list.len() > 1)
    )
    if not len(rows):
        return
    repeats = rows.sort(pl.col("row").list.first())
    user, item, places = repeats.row(0)
    lines = raw.lookup_lines(np.array(places, dtype=np.int64))
    files = np.searchsorted(starts, places, side="right") - 1
    named = " and ".join(
        f"{names[file]} line {line}" for file, line in zip(files[:3], lines[:3], strict=True)
    )
    raise DataError(
        f"split: user {user!r} has item {item!r} more than once ({named}); {len(repeats)} pairs"
        " of user and item are repeated",
        "correct the files: what is trained on cannot be asked for; or set duplicates ="
        ' "first", "last" or "keep" in the dataset, where users do choose items again',
    )
