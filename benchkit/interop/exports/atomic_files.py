"""Write a prepared dataset as RecBole's atomic files, with a suite that reads them back.

Cells that hold a tab, a line end or a quote, and empty texts, stand in quotes, in which a quote is
written twice, as RecBole's reader (pandas) expects it; an empty cell is no value. The files hold
the answers, too: whoever reads them knows what is asked.

Reference: https://recbole.io/docs/user_guide/data/atomic_files.html
"""

from pathlib import Path

import polars as pl

from benchkit import io
from benchkit.data.dataset import PreparedDataset
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError
from benchkit.interop.exports.dataset_suite import (
    DatasetExport,
    finish_export,
    part_rows,
    short_times,
)

_SPECIAL = '[\t\n\r"]'


def export_atomic_files(dataset: PreparedDataset, spec: DatasetSpec, folder: Path) -> DatasetExport:
    """Write NAME.inter, NAME.item, NAME.user and a suite, and read them back.

    A split that files gave is written as NAME.train.inter, NAME.valid.inter and NAME.test.inter;
    candidate lists that a file gave as JSON lines.

    Args:
        dataset: The prepared dataset.
        spec: What it was prepared by.
        folder: Where the files go.

    Raises:
        DataError: A column has a name that a header cannot hold.
    """
    items = {"item_id:token": pl.Series(dataset.catalog.ids, dtype=pl.String)}
    for name, texts in dataset.catalog.texts.items():
        items[f"{_check_name(name)}:token_seq"] = pl.Series(texts, dtype=pl.String)
    item_file = folder / f"{dataset.name}.item"
    _write_table(item_file, items)
    user_file = folder / f"{dataset.name}.user"
    _write_table(user_file, {"user_id:token": pl.Series(dataset.users, dtype=pl.String)})
    columns = _interaction_columns(dataset)
    parts = {}
    for part, rows in part_rows(dataset, spec).items():
        parts[part] = path = folder / f"{dataset.name}.{part}.inter"
        _write_table(path, {name: values.gather(rows) for name, values in columns.items()})
    options = {"items": item_file.name, "title": "title", "quoting": "csv"}
    files = [*parts.values()]
    if not parts:
        files = [folder / f"{dataset.name}.inter"]
        _write_table(files[0], columns)
        options = {"interactions": files[0].name, **options}
    others, read_back = finish_export(dataset, spec, folder, "recbole", options, parts)
    written = (*files, item_file, user_file, *others)
    return DatasetExport(written, dataset.fingerprint, read_back)


def _interaction_columns(dataset: PreparedDataset) -> dict[str, pl.Series]:
    data, time = dataset.interactions, short_times(dataset)
    columns = {
        "user_id:token": pl.Series(dataset.users, dtype=pl.String).gather(data.user),
        "item_id:token": pl.Series(dataset.catalog.ids, dtype=pl.String).gather(data.item),
    }
    if data.rating is not None:
        # The shortest text that gives the same 32 bits again.
        columns["rating:float"] = pl.Series(data.rating).fill_nan(None).cast(pl.String)
    if time is not None:
        columns["timestamp:float"] = pl.Series(time).cast(pl.String)
    if data.review is not None:
        columns["review:token_seq"] = pl.Series(data.review, dtype=pl.String)
    return columns


def _write_table(path: Path, columns: dict[str, pl.Series]) -> None:
    cells = [_write_cells(values).alias(name) for name, values in columns.items()]
    lines = pl.DataFrame(cells).select(pl.concat_str(pl.all(), separator="\t")).to_series()
    header = "\t".join(columns)
    with io.replace_file(path) as temporary, temporary.open("wb") as file:
        file.write(header.encode() + b"\n")
        for line in lines:
            file.write(line.encode() + b"\n")


def _write_cells(values: pl.Series) -> pl.Series:
    cell = pl.col("cell")
    needs_quotes = cell.str.contains(_SPECIAL) | (cell == "")
    in_quotes = pl.concat_str(pl.lit('"'), cell.str.replace_all('"', '""'), pl.lit('"'))
    written = pl.when(needs_quotes).then(in_quotes).otherwise(cell).fill_null("")
    return values.alias("cell").to_frame().select(written).to_series()


def _check_name(name: str) -> str:
    if name in ("item", "item_id") or any(mark in name for mark in ':\t\n\r"') or not name:
        raise DataError(
            f"the column {name!r} of the items cannot be written to an atomic file",
            "rename it in the dataset: options.columns = { items = { new = ... } }",
        )
    return name
