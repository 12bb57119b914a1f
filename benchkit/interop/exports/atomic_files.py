"""Write a prepared dataset as RecBole's atomic files, with a suite that reads them back.

Cells that hold a tab, a line end or a quote, and empty texts, stand in quotes, in which a quote is
written twice, as RecBole's reader (pandas) expects it; an empty cell is no value. The files hold
the answers, too: whoever reads them knows what is asked.

Reference: https://recbole.io/docs/user_guide/data/atomic_files.html
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchkit import io
from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.preparation.split_tables import read_tables
from benchkit.data.readers.time_parsing import NANOSECONDS, coarsest_unit
from benchkit.data.request_batch import PADDING_ITEM
from benchkit.data.spec import CandidateFileSpec, DatasetSpec
from benchkit.data.splits.base import TEST, TRAIN, VALID
from benchkit.errors import DataError
from benchkit.interop.exports.toml_text import format_table

SUITE_FILE = "suite.toml"
_PART_NAMES = {TRAIN: "train", VALID: "valid", TEST: "test"}
_SPECIAL = '[\t\n\r"]'


@dataclass(frozen=True)
class AtomicExport:
    """What was written, and whether it reads back as the same dataset."""

    files: tuple[Path, ...]
    fingerprint: str
    """Of the dataset."""
    read_back: str
    """Fingerprint of what the files give when they are prepared again."""

    @property
    def is_same(self) -> bool:
        """Whether the files hold all that the dataset holds."""
        return self.fingerprint == self.read_back


def export_atomic_files(dataset: PreparedDataset, spec: DatasetSpec, folder: Path) -> AtomicExport:
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
    files = _write_interactions(dataset, spec, folder)
    items = {"item_id:token": pl.Series(dataset.catalog.ids, dtype=pl.String)}
    for name, texts in dataset.catalog.texts.items():
        items[f"{_check_name(name)}:token_seq"] = pl.Series(texts, dtype=pl.String)
    item_file = folder / f"{dataset.name}.item"
    _write_table(item_file, items)
    user_file = folder / f"{dataset.name}.user"
    _write_table(user_file, {"user_id:token": pl.Series(dataset.users, dtype=pl.String)})
    lists = _write_lists(dataset, spec, folder)
    values = _describe(dataset, spec, files, lists)
    suite = folder / SUITE_FILE
    io.write_text(suite, _suite_text(dataset, values))
    written = (*files.values(), item_file, user_file, *lists.values(), suite)
    return AtomicExport(written, dataset.fingerprint, _read_back(values, folder))


def _write_interactions(
    dataset: PreparedDataset, spec: DatasetSpec, folder: Path
) -> dict[str, Path]:
    """Write the interactions; return option or part -> file."""
    data = dataset.interactions
    columns = {
        "user_id:token": pl.Series(dataset.users, dtype=pl.String).gather(data.user),
        "item_id:token": pl.Series(dataset.catalog.ids, dtype=pl.String).gather(data.item),
    }
    if data.rating is not None:
        # The shortest text that gives the same 32 bits again.
        rating = pl.Series(data.rating).fill_nan(None).cast(pl.String)
        columns["rating:float"] = rating
    if data.timestamp is not None:
        unit = NANOSECONDS[coarsest_unit(data.timestamp)]
        columns["timestamp:float"] = pl.Series(data.timestamp // unit).cast(pl.String)
    if data.review is not None:
        columns["review:token_seq"] = pl.Series(data.review, dtype=pl.String)
    split = spec.split_files
    if split is None:
        path = folder / f"{dataset.name}.inter"
        _write_table(path, columns)
        return {"interactions": path}
    files = {}
    for part in split.files:
        rows = np.flatnonzero(dataset.part == part)
        files[_PART_NAMES[part]] = path = folder / f"{dataset.name}.{_PART_NAMES[part]}.inter"
        _write_table(path, {name: values.gather(rows) for name, values in columns.items()})
    return files


def _write_lists(dataset: PreparedDataset, spec: DatasetSpec, folder: Path) -> dict[str, Path]:
    """Write candidate lists that a file gave; return setting -> file."""
    if not isinstance(spec.candidates, CandidateFileSpec):
        return {}
    parts = {"file": dataset.test} | (
        {"valid_file": dataset.valid} if spec.candidates.valid_file else {}
    )
    files = {}
    for setting, cases in parts.items():
        name = "test" if setting == "file" else "valid"
        files[setting] = path = folder / f"{dataset.name}.{name}.candidates.jsonl"
        io.write_text(path, "".join(_list_lines(dataset.catalog.ids, cases)))
    return files


def _list_lines(ids: tuple[str, ...], cases: Cases) -> list[str]:
    lines = []
    for case, codes in zip(cases.ids, cases.candidates.tolist(), strict=True):
        items = [ids[code] for code in codes if code != PADDING_ITEM]
        # In ASCII, because many readers take U+2028 and its like for the end of a line.
        lines.append(json.dumps({"case_id": case, "candidates": items}) + "\n")
    return lines


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


def _describe(
    dataset: PreparedDataset, spec: DatasetSpec, files: dict[str, Path], lists: dict[str, Path]
) -> dict[str, Any]:
    """Return the settings by which the files give the dataset again: what they hold is filtered."""
    data, scale = dataset.interactions, dataset.catalog.rating_scale
    options = {"items": f"{dataset.name}.item", "title": "title", "quoting": "csv"}
    split: Any = spec.model_dump(mode="json")["split"]
    if spec.split_files is None:
        options = {"interactions": files["interactions"].name, **options}
    else:
        split = {**split, **{part: path.name for part, path in files.items()}}
    candidates: dict[str, Any] = spec.candidates.model_dump(mode="json")
    if isinstance(spec.candidates, CandidateFileSpec):
        names = {setting: path.name for setting, path in lists.items()}
        how = {"holds": "candidates", "names": "id", "match": "case"}
        candidates = {**names, **how, "seed": spec.candidates.seed}
    values = {
        "name": dataset.name,
        "source": "recbole",
        "options": options,
        "duplicates": "keep",
        "similar_ids": "keep",
        "time": None if data.timestamp is None else coarsest_unit(data.timestamp),
        "rating_scale": None if scale is None else (scale.low, scale.high),
        "split": split,
        "cold": None if spec.cold is None else spec.cold.model_dump(mode="json"),
        "candidates": candidates,
        "synthetic": dataset.is_synthetic or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _suite_text(dataset: PreparedDataset, values: dict[str, Any]) -> str:
    head = format_table({"title": f"{dataset.name}, from atomic files"})
    note = f"# fingerprint {dataset.fingerprint}\n"
    row = format_table({"method": "popularity"})
    return f"{head}\n{note}[[datasets]]\n{format_table(values)}\n[[methods]]\n{row}"


def _read_back(values: dict[str, Any], folder: Path) -> str:
    """Return the fingerprint of what the files give when they are prepared again."""
    spec = DatasetSpec.model_validate(values).resolve_files(folder)
    options = {
        name: str(folder / value) if name in ("interactions", "items") else value
        for name, value in spec.options.items()
    }
    prepared = prepare_dataset(read_tables(spec, options), spec)
    return replace(prepared, is_synthetic=spec.synthetic).fingerprint
