"""Datasets that a program holds in memory."""

import hashlib
import re
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import PrivateAttr

from benchkit import io
from benchkit.config.loading import validate_model
from benchkit.config.suite import Suite
from benchkit.data.disk_table import in_memory
from benchkit.data.readers.column_map import SINGLE_VALUES, ColumnMap
from benchkit.data.readers.nested_values import join_nested_columns
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError
from benchkit.files.search_order import RAW_DIR

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = "frames"  # below the raw data: tables that came from memory, named by their content


class Dataset(DatasetSpec):
    """A dataset of a suite: where it comes from, and how it becomes frozen cases.

    Its fields are the keys of a `[[datasets]]` table of a suite file. `from_pandas` and
    `from_polars` take tables that a program holds.

    Example:
        >>> import pandas as pd
        >>> import benchkit as bk
        >>> events = pd.DataFrame({"user": [1, 1, 1], "item": ["a", "b", "c"]})
        >>> dataset = bk.Dataset.from_pandas(events, name="shop", candidates={"count": 2})
        >>> dataset.name, dataset.source, dataset.candidates.count
        ('shop', 'frames', 2)
    """

    _frames: dict[str, pl.DataFrame] = PrivateAttr(default_factory=dict)

    @classmethod
    def from_pandas(
        cls,
        interactions: "pd.DataFrame",
        items: "pd.DataFrame | None" = None,
        *,
        name: str = "memory",
        columns: dict[str, Any] | None = None,
        **settings: Any,
    ) -> "Dataset":
        """Take two pandas tables.

        Args:
            interactions: One row an interaction: `user`, `item` and, where there are any,
                `rating`, `timestamp`, `review`. Without `timestamp`, rows are in the order of time.
                Times are numbers since 1970, dates, datetimes or ISO 8601; see `time`.
            items: One row an item: `item`, `title` and any further text; None where an item's id
                is its title.
            name: What the suite calls it.
            columns: House name -> name in your tables, e.g. {"user": "customer_id"}, or a map for
                each: {"interactions": {...}, "items": {...}}.
            settings: Further keys of a suite's dataset: k_core, split, time, candidates, ...

        Raises:
            DataError: A column is missing, or cannot be stored.

        Example:
            >>> import pandas as pd
            >>> events = pd.DataFrame({"customer": ["u"], "item": ["a"]})
            >>> Dataset.from_pandas(events, columns={"user": "customer"}).name
            'memory'
        """
        tables = {"interactions": _from_pandas(interactions)}
        if items is not None:
            tables["items"] = _from_pandas(items)
        return cls._from_frames(tables, name, columns, settings)

    @classmethod
    def from_polars(
        cls,
        interactions: pl.DataFrame,
        items: pl.DataFrame | None = None,
        *,
        name: str = "memory",
        columns: dict[str, Any] | None = None,
        **settings: Any,
    ) -> "Dataset":
        """Take two polars tables; see `from_pandas`.

        Example:
            >>> import polars as pl
            >>> Dataset.from_polars(pl.DataFrame({"user": ["u"], "item": ["a"]})).source
            'frames'
        """
        tables = {"interactions": interactions}
        if items is not None:
            tables["items"] = items
        return cls._from_frames(tables, name, columns, settings)

    @classmethod
    def _from_frames(
        cls,
        tables: dict[str, pl.DataFrame],
        name: str,
        columns: dict[str, Any] | None,
        settings: dict[str, Any],
    ) -> "Dataset":
        for kind, table in tables.items():
            if not isinstance(table, pl.DataFrame):
                raise DataError(f"{kind} is a {type(table).__name__}", "give a table")
        names = ColumnMap(columns, {kind: table.columns for kind, table in tables.items()})
        frames = {}
        for kind, table in tables.items():
            named = names.rename(kind, kind, table)
            frames[kind] = in_memory(join_nested_columns(kind, named, SINGLE_VALUES))
        for column in ("user", "item"):
            if column not in frames["interactions"].columns:
                present = ", ".join(map(repr, tables["interactions"].columns))
                raise DataError(
                    f"interactions have no column {column!r}; they have {present}",
                    f'columns={{"{column}": "its name in your table"}}',
                )
        options = {kind: f"{_FOLDER}/{_digest(frame)}.parquet" for kind, frame in frames.items()}
        values = {"name": name, "source": "frames", "options": options, **settings}
        dataset = validate_model(cls, values, f"dataset {name!r}")
        dataset._frames.update(frames)
        return dataset


def write_frames(suite: Suite, data: Path) -> None:
    """Write the tables that the suite's datasets hold to where their source reads them."""
    for dataset in suite.datasets:
        if not isinstance(dataset, Dataset):
            continue
        for kind, frame in dataset._frames.items():
            path = data / RAW_DIR / str(dataset.options[kind])
            if not path.exists():
                io.write_parquet(path, frame)


def _from_pandas(table: "pd.DataFrame") -> pl.DataFrame:
    try:
        return pl.from_pandas(table)
    except Exception as error:  # pyarrow and polars raise many kinds
        bad = re.sub(r"\s+", " ", str(error))
        raise DataError(
            f"the table cannot be converted: {bad}", "give every column one type, e.g. strings"
        ) from error


def _digest(frame: pl.DataFrame) -> str:
    """Return a hash of names, types and values, in which row order counts."""
    buffer = BytesIO()
    frame.rechunk().write_ipc(buffer, compression="uncompressed")
    return hashlib.sha256(buffer.getbuffer()).hexdigest()[:24]
