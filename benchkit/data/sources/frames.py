"""Tables that a Python program held in memory, as `benchkit.Dataset` stored them."""

from pathlib import Path

import polars as pl

from benchkit.data.raw import RawData, make_line_lookup
from benchkit.data.sources.base import DataSource
from benchkit.errors import DataError


def read_frames(interactions: str, items: str | None = None) -> RawData:
    """Tables from memory: what `benchkit.Dataset.from_pandas` and `from_polars` hold."""
    paths = frame_files(interactions, items)
    for path in paths:
        if not path.is_file():
            raise DataError(
                f"{path}: no such file", "build the dataset again and hand it to benchkit.run"
            )
    tables = [pl.read_parquet(path) for path in paths]
    origin = ("interactions", "items")
    return RawData(tables[0], tables[1] if len(tables) > 1 else None, origin, make_line_lookup([]))


def frame_files(interactions: str, items: str | None = None) -> list[Path]:
    """Return the files that hold the tables."""
    return [Path(path) for path in (interactions, items) if path is not None]


def hash_of_name(path: Path) -> str:
    """Return the hash that a table is named by: it may not be written yet, as in a dry run."""
    return path.stem


FRAMES = DataSource("frames", read_frames, frame_files, hash_of_name)
