"""Tables larger than memory: columns in files, a chunk of rows each, and what works on any table.

A table of `pl.DataFrame` is one chunk. So what is written for chunks is written once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count, pairwise
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit import io

CHUNK_ROWS = 1 << 20
_numbers = count()


@dataclass(frozen=True)
class DiskTable:
    """A table whose columns are files of a folder; whoever made the folder removes it."""

    folder: Path
    sizes: tuple[int, ...]
    """Rows of each chunk."""
    schema: Mapping[str, pl.DataType]
    files: Mapping[str, str]
    """Column -> what its files are called."""

    def __len__(self) -> int:
        return sum(self.sizes)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.schema)

    @property
    def starts(self) -> NDArray[np.int64]:
        """[n_chunks + 1] the row at which each chunk begins, and the number of rows."""
        return np.cumsum([0, *self.sizes]).astype(np.int64)

    def __getitem__(self, name: str) -> pl.Series:
        """Return a whole column, in memory."""
        empty = pl.Series(name, [], dtype=self.schema[name])
        return pl.concat([empty, *(chunk[name] for chunk in self.chunks([name]))], rechunk=True)

    def chunks(self, names: Iterable[str]) -> Iterator[pl.DataFrame]:
        """Yield the chunks of some columns, in order."""
        names = list(names)
        for number in range(len(self.sizes)):
            yield self.chunk(number, names)

    def chunk(self, number: int, names: Iterable[str]) -> pl.DataFrame:
        """Return a chunk of some columns."""
        return pl.DataFrame([self._read(number, name) for name in names])

    def select(self, *names: str) -> "DiskTable":
        """Return the table with these columns alone."""
        schema = {name: self.schema[name] for name in names}
        return replace(self, schema=schema, files={name: self.files[name] for name in names})

    def drop(self, *names: str, strict: bool = True) -> "DiskTable":
        """Return the table without some columns; without `strict` they need not be there."""
        if strict and (missing := set(names) - set(self.schema)):
            raise KeyError(min(missing))
        return self.select(*(name for name in self.columns if name not in names))

    def rename(self, names: Mapping[str, str]) -> "DiskTable":
        """Return the table with other names for some columns."""
        renamed = {name: names.get(name, name) for name in self.columns}
        return replace(
            self,
            schema={renamed[name]: dtype for name, dtype in self.schema.items()},
            files={renamed[name]: file for name, file in self.files.items()},
        )

    def replace_column(self, name: str, parts: Iterable[pl.Series]) -> "DiskTable":
        """Return the table with other values in a column, written chunk by chunk."""
        file, dtype = f"{next(_numbers)}", None
        for number, values in enumerate(parts):
            dtype = values.dtype
            _write(self.folder / f"{file}-{number}", values)
        schema = {**self.schema, name: dtype or self.schema[name]}
        return replace(self, schema=schema, files={**self.files, name: file})

    def _read(self, number: int, name: str) -> pl.Series:
        path = self.folder / f"{self.files[name]}-{number}"
        # From bytes: a file that is mapped counts against a limit of the address space.
        return pl.read_ipc(path.read_bytes()).to_series().alias(name)


Table = pl.DataFrame | DiskTable


_T_co = TypeVar("_T_co", covariant=True)


class TableWriter(Protocol[_T_co]):
    """Takes a table piece by piece."""

    def append(self, piece: pl.DataFrame) -> None:
        """Add rows."""

    def finish(self) -> _T_co:
        """Return the table of all pieces."""


class MemoryWriter:
    """Keeps the pieces in memory."""

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        self._pieces = [pl.DataFrame(schema=schema)]

    def append(self, piece: pl.DataFrame) -> None:
        """Add rows."""
        self._pieces.append(piece)

    def finish(self) -> pl.DataFrame:
        """Return the table of all pieces."""
        return _concat_tables(self._pieces)


class DiskWriter:
    """Writes the pieces into a folder, a chunk at a time."""

    def __init__(self, schema: Mapping[str, pl.DataType], folder: Path) -> None:
        self._schema, self._folder = dict(schema), folder
        self._files = {name: f"{next(_numbers)}" for name in schema}
        self._sizes: list[int] = []
        self._pieces: list[pl.DataFrame] = []
        self._rows = 0

    def append(self, piece: pl.DataFrame) -> None:
        """Add rows."""
        self._pieces.append(piece)
        self._rows += len(piece)
        if self._rows >= CHUNK_ROWS:
            self._flush()

    def finish(self) -> DiskTable:
        """Return the table of all pieces."""
        if self._rows or not self._sizes:  # a table without rows has one chunk, too
            self._flush()
        return DiskTable(self._folder, tuple(self._sizes), self._schema, self._files)

    def _flush(self) -> None:
        with io.wrap_io_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        table = _concat_tables([pl.DataFrame(schema=self._schema), *self._pieces])
        for name, file in self._files.items():
            _write(self._folder / f"{file}-{len(self._sizes)}", table[name])
        self._sizes.append(self._rows)
        self._pieces, self._rows = [], 0


def _write(path: Path, values: pl.Series) -> None:
    with io.wrap_io_errors(path):
        values.to_frame().write_ipc(path, compression="lz4")


def _concat_tables(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """Return one table of many and empty these, column by column, so that little is held twice."""
    names = tables[0].columns
    stacked = []
    for name in names:
        stacked.append(pl.concat([table[name] for table in tables], rechunk=True))
        tables[:] = [table.drop(name) for table in tables]
    return pl.DataFrame(stacked)


def in_memory(table: Table) -> pl.DataFrame:
    """Return a table in memory; one that is there is returned as it is."""
    if isinstance(table, pl.DataFrame):
        return table
    return pl.DataFrame([table[name] for name in table.columns])


def iter_chunks(table: Table, *names: str) -> Iterator[pl.DataFrame]:
    """Yield some columns of a table, chunk by chunk; one of memory has one chunk."""
    if isinstance(table, DiskTable):
        yield from table.chunks(names)
    else:
        yield table.select(names)


def change_column(table: Table, name: str, change: Callable[[pl.Series], pl.Series]) -> Table:
    """Return a table with a column changed by a function of its values, each by itself."""
    if isinstance(table, DiskTable):
        return table.replace_column(name, (change(part[name]) for part in table.chunks([name])))
    return table.with_columns(change(table[name]).alias(name))


def set_column(table: Table, values: pl.Series) -> Table:
    """Return a table with a column, by its name, of other values."""
    if not isinstance(table, DiskTable):
        return table.with_columns(values)
    parts = (
        values[int(a) : int(a) + size]
        for a, size in zip(table.starts[:-1], table.sizes, strict=True)
    )
    return table.replace_column(values.name, parts)


def find_rows(table: Table, condition: pl.Expr) -> NDArray[np.int64]:
    """Return the rows for which a condition on their own values holds, ascending."""
    names = dict.fromkeys(condition.meta.root_names())
    rows, start = [np.empty(0, dtype=np.int64)], 0
    for chunk in iter_chunks(table, *names):
        holds = chunk.select(condition.alias("holds")).to_series()
        rows.append(holds.arg_true().to_numpy().astype(np.int64) + start)
        start += len(chunk)
    return np.concatenate(rows)


def gather(table: Table, name: str, rows: NDArray[np.integer]) -> pl.Series:
    """Return the values of a column in some rows, in the order of these."""
    if not isinstance(table, DiskTable):
        return table[name].gather(rows)
    if len(rows) > 1 and not bool((rows[1:] >= rows[:-1]).all()):
        order = np.argsort(rows, kind="stable")
        back = np.empty(len(rows), dtype=np.uint32)
        back[order] = np.arange(len(rows), dtype=np.uint32)
        return gather(table, name, rows[order]).gather(back)
    return pl.concat([*gather_chunks(table, name, rows)], rechunk=True)


def gather_chunks(table: Table, name: str, rows: NDArray[np.integer]) -> Iterator[pl.Series]:
    """Yield the values of a column in some rows, a chunk's at a time; on disk in their order."""
    if not isinstance(table, DiskTable):
        yield table[name].gather(rows)
        return
    if len(rows) > 1 and not bool((rows[1:] >= rows[:-1]).all()):
        rows = np.sort(rows)
    yield pl.Series(name, [], dtype=table.schema[name])
    starts = table.starts
    places = np.searchsorted(rows, starts)
    for number, (at, until) in enumerate(pairwise(places.tolist())):
        if at < until:
            wanted = rows[at:until].astype(np.int64) - starts[number]
            yield table.chunk(number, [name])[name].gather(wanted)
