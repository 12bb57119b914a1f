"""The suite beside an export, by which its files give the same dataset again.

What the files hold is filtered already, so that the suite filters nothing: it takes the split and
the candidates of the original, and declares times and ratings as they are.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchkit import io
from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.preparation.split_tables import read_tables
from benchkit.data.readers.time_parsing import NANOSECONDS, coarsest_unit
from benchkit.data.request_batch import PADDING_ITEM
from benchkit.data.sources import resolve_paths
from benchkit.data.spec import CandidateFileSpec, DatasetSpec
from benchkit.data.splits.base import TEST, TRAIN, VALID
from benchkit.interop.exports.toml_text import format_table

SUITE_FILE = "suite.toml"
PART_NAMES = {TRAIN: "train", VALID: "valid", TEST: "test"}


@dataclass(frozen=True)
class DatasetExport:
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


def finish_export(
    dataset: PreparedDataset,
    spec: DatasetSpec,
    folder: Path,
    source: str,
    options: Mapping[str, Any],
    parts: Mapping[str, Path],
) -> tuple[tuple[Path, ...], str]:
    """Write candidate lists and the suite; return these files and what is read back.

    Args:
        dataset: The prepared dataset.
        spec: What it was prepared by.
        folder: Where its other files lie.
        source: The source that reads them, with these options.
        options: Of the source.
        parts: Part -> file, of a split that files gave.
    """
    lists = _write_lists(dataset, spec, folder)
    values = _describe(dataset, spec, source, options, parts, lists)
    suite = folder / SUITE_FILE
    io.write_text(suite, _suite_text(dataset, values))
    return (*lists.values(), suite), _read_back(values, folder)


def short_times(dataset: PreparedDataset) -> NDArray[np.int64] | None:
    """Return the times [n] in the coarsest unit that holds them all."""
    time = dataset.interactions.timestamp
    if time is None:
        return None
    shortened: NDArray[np.int64] = time // NANOSECONDS[coarsest_unit(time)]
    return shortened


def part_rows(dataset: PreparedDataset, spec: DatasetSpec) -> dict[str, NDArray[np.int64]]:
    """Return part -> its rows, of a split that files gave; nothing for any other."""
    if spec.split_files is None:
        return {}
    return {PART_NAMES[p]: np.flatnonzero(dataset.part == p) for p in spec.split_files.files}


def _write_lists(dataset: PreparedDataset, spec: DatasetSpec, folder: Path) -> dict[str, Path]:
    """Write candidate lists that a file gave; return setting -> file."""
    if not isinstance(spec.candidates, CandidateFileSpec):
        return {}
    sets = {"file": ("test", dataset.test)}
    if spec.candidates.valid_file:
        sets["valid_file"] = ("valid", dataset.valid)
    files = {}
    for setting, (name, cases) in sets.items():
        files[setting] = path = folder / f"{dataset.name}.{name}.candidates.jsonl"
        io.write_text(path, "".join(_list_lines(dataset.catalog.ids, cases)))
    return files


def _list_lines(ids: tuple[str, ...], cases: Cases) -> Iterator[str]:
    for case, codes in zip(cases.ids, cases.candidates.tolist(), strict=True):
        items = [ids[code] for code in codes if code != PADDING_ITEM]
        # In ASCII, because many readers take U+2028 and its like for the end of a line.
        yield json.dumps({"case_id": case, "candidates": items}) + "\n"


def _describe(
    dataset: PreparedDataset,
    spec: DatasetSpec,
    source: str,
    options: Mapping[str, Any],
    parts: Mapping[str, Path],
    lists: Mapping[str, Path],
) -> dict[str, Any]:
    data, scale = dataset.interactions, dataset.catalog.rating_scale
    split: Any = spec.model_dump(mode="json")["split"]
    if spec.split_files is not None:
        split = {**split, **{part: path.name for part, path in parts.items()}}
    candidates: dict[str, Any] = spec.candidates.model_dump(mode="json")
    if isinstance(spec.candidates, CandidateFileSpec):
        names = {setting: path.name for setting, path in lists.items()}
        how = {"holds": "candidates", "names": "id", "match": "case"}
        candidates = {**names, **how, "seed": spec.candidates.seed}
    values = {
        "name": dataset.name,
        "source": source,
        "options": dict(options),
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


def _suite_text(dataset: PreparedDataset, values: Mapping[str, Any]) -> str:
    head = format_table({"title": f"{dataset.name}, as it was exported"})
    note = f"# fingerprint {dataset.fingerprint}\n"
    row = format_table({"method": "popularity"})
    return f"{head}\n{note}[[datasets]]\n{format_table(values)}\n[[methods]]\n{row}"


def _read_back(values: Mapping[str, Any], folder: Path) -> str:
    """Return the fingerprint of what the files give when they are prepared again."""
    spec = DatasetSpec.model_validate(values).resolve_files(folder)
    prepared = prepare_dataset(read_tables(spec, resolve_paths(spec.options, folder)), spec)
    return replace(prepared, is_synthetic=spec.synthetic).fingerprint
