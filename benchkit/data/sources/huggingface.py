"""Datasets of the `datasets` library that lie on this disk; nothing is downloaded."""

from pathlib import Path
from typing import Any

import polars as pl

from benchkit.data.disk_table import in_memory
from benchkit.data.raw import RawData, make_line_lookup
from benchkit.data.readers.column_map import SINGLE_VALUES, ColumnMap
from benchkit.data.readers.nested_values import join_nested_columns
from benchkit.data.sources.base import DataSource
from benchkit.errors import ConfigError, DataError


def read_saved_datasets(
    interactions: str,
    items: str = "",
    split: str = "",
    items_split: str = "",
    columns: dict[str, Any] | None = None,
) -> RawData:
    """Folders that `save_to_disk` of Hugging Face's datasets wrote: interactions, and items.

    interactions: the folder with user, item and maybe rating, timestamp, review.
    items: the folder with item, title and other texts; without it the id of an item is its title.
    split: of the interactions, where the folder holds several, e.g. "train".
    items_split: of the items, likewise.
    columns: our name -> the datasets', e.g. {"user": "user_id"}, or a map for each:
        {"interactions": {...}, "items": {...}}.
    """
    folders = {"interactions": (interactions, split)}
    if items:
        folders["items"] = (items, items_split)
    read = {kind: _load(Path(folder), name) for kind, (folder, name) in folders.items()}
    names = ColumnMap(columns, {kind: table.columns for kind, table in read.items()})
    tables = {}
    for kind, table in read.items():
        where = folders[kind][0]
        named = join_nested_columns(where, names.rename(kind, where, table), SINGLE_VALUES)
        tables[kind] = in_memory(named)
    origin = (interactions, items or interactions)
    rows = make_line_lookup([])
    return RawData(
        tables["interactions"], tables.get("items"), origin, rows, rows if items else None
    )


def saved_files(interactions: str, items: str = "", **_: Any) -> list[Path]:
    """Return the files that `read_saved_datasets` opens."""
    folders = [Path(folder) for folder in (interactions, items) if folder]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return files or [folder / "state.json" for folder in folders]


def _load(folder: Path, split: str) -> pl.DataFrame:
    """Return one dataset as a table."""
    try:
        import datasets
    except ModuleNotFoundError:
        raise ConfigError(
            "the package datasets is not installed, which source 'huggingface' reads by",
            "pip install datasets",
        ) from None
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "name the folder that save_to_disk wrote")
    try:
        loaded = datasets.load_from_disk(str(folder))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder}: cannot be read: {error}", "name the folder that save_to_disk wrote"
        ) from None
    if isinstance(loaded, datasets.DatasetDict):
        present = ", ".join(map(repr, loaded))
        if not split and len(loaded) == 1:
            split = next(iter(loaded))
        if split not in loaded:
            raise DataError(
                f"{folder}: {f'no split {split!r}' if split else 'several splits'}; it has"
                f" {present}",
                'say which: options.split = "train" (items_split for the items)',
            )
        loaded = loaded[split]
    return pl.DataFrame(loaded.to_polars())


HUGGINGFACE = DataSource("huggingface", read_saved_datasets, saved_files)
