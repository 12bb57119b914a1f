"""Prepared datasets on disk: `<data>/<name>-<key>/`, read back instead of being made again."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
from filelock import FileLock

from benchkit import io
from benchkit.data import sources
from benchkit.data.answer_keys import answer_key_path, read_answer_key, write_answer_key
from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.demo.raw_files import (
    CAVEAT,
    demo_folder,
    identify_demo,
    write_demo_files,
)
from benchkit.data.hash_memory import HashMemory
from benchkit.data.out_of_core import use_scratch_folder
from benchkit.data.preparation import pipeline
from benchkit.data.preparation.list_caveats import describe_lists
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.preparation.split_tables import read_tables
from benchkit.data.spec import CandidateFileSpec, DatasetSpec, map_files
from benchkit.data.splits.base import TEST
from benchkit.data.splits.lookup import split_source_file
from benchkit.errors import DataError
from benchkit.files.search_order import RAW_DIR, SearchOrder, data_folders
from benchkit.fingerprint import hash_json
from benchkit.rating_scale import FIVE_STARS, RatingScale
from benchkit.source_hash import hash_sources
from benchkit.types import Catalog, Interactions

# A damaged file can make Polars panic, too, which is no subclass of its other errors.
_POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
_OPTIONAL = ("rating", "timestamp")
_OPTIONAL_CASES = ("other_targets", "grades")


def load_or_prepare(spec: DatasetSpec, root: Path) -> PreparedDataset:
    """Return the dataset of `spec`: from `dataset_dir(spec, root)` if it is there, else made now.

    Relative paths in the specification are below `root/raw`, or else below `root`. Lines that could
    not be read are kept beside the dataset, in quarantine.jsonl. Raises DataError when the stored
    files are not those that were written.
    """
    root = _data_root(spec, root)
    with io.wrap_io_errors(root):
        root.mkdir(parents=True, exist_ok=True)
    if spec.demo_users is not None:
        write_demo_files(spec.source, spec.options, spec.demo_users, root / RAW_DIR)
    inputs = _hash_inputs(spec, root, write=True)
    folder = _dataset_dir(spec, root, inputs)
    with FileLock(root / f".{folder.name}.lock"):
        if not (folder / "dataset.json").exists() or not answer_key_path(folder.name).exists():
            _prepare(spec, root, folder, inputs)
    return load_dataset(folder)


def _prepare(spec: DatasetSpec, root: Path, folder: Path, inputs: Sequence[str | None]) -> None:
    """Prepare a dataset and save it; nothing of it is in memory when it is read back."""
    resolved = spec.resolve_files(_folders(root))
    with use_scratch_folder(root / f".{folder.name}.columns"):
        raw = read_tables(resolved, sources.resolve_paths(spec.options, _folders(root)))
        if raw.malformed is not None and len(raw.malformed):
            io.write_text(folder / "quarantine.jsonl", raw.malformed.write_ndjson())
        dataset = prepare_dataset(raw, resolved)
    if isinstance(spec.candidates, CandidateFileSpec):
        caveats = (*dataset.caveats, *describe_lists(dataset, spec.candidates))
        dataset = replace(dataset, caveats=caveats)
    if spec.demo_users is not None or spec.synthetic:
        dataset = replace(dataset, caveats=(CAVEAT, *dataset.caveats), is_synthetic=True)
    if _hash_inputs(spec, root) != inputs:
        raise DataError(
            f"dataset {spec.name!r}: its files have changed while they were read", "run again"
        )
    del raw
    save_dataset(dataset, folder, inputs=inputs)


def dataset_dir(spec: DatasetSpec, root: Path) -> Path:
    """Return the folder of a dataset: its name and a key.

    The key changes with the specification, the contents of the input files, and the code that
    reads, splits and prepares.

    Raises:
        DataError: The input files are not there.
    """
    root = _data_root(spec, root)
    return _dataset_dir(spec, root, _hash_inputs(spec, root))


def _data_root(spec: DatasetSpec, root: Path) -> Path:
    """Return the folder that raw and prepared data of `spec` lie below: demos have their own."""
    return root if spec.demo_users is None else demo_folder(root, spec.demo_users)


def _dataset_dir(spec: DatasetSpec, root: Path, inputs: Sequence[str | None]) -> Path:
    key = hash_json(
        {
            "spec": spec.model_dump(mode="json"),
            "inputs": inputs,
            "code": hash_sources(Path(__file__)),
            "reader": hash_sources(sources.data_source_file(spec.source)),
            "split": hash_sources(split_source_file(spec.split)),
        }
    )
    return root / f"{spec.name}-{key[:12]}"


def identify_dataset(spec: DatasetSpec, root: Path) -> str:
    """Return the hash of all that decides what a dataset holds, without preparing or writing it.

    That is the specification without the name, the contents of the input files, and the code that
    reads, splits and prepares. Contents of large files are hashed once: preparing remembers them.

    Raises:
        DataError: The input files are not there.
    """
    options = sources.identity_options(spec.options)
    return hash_json(
        {
            "spec": {**_dump_without_files(spec), "options": options},
            "inputs": _hash_inputs(spec, _data_root(spec, root)),
            "code": hash_sources(
                Path(pipeline.__file__),
                sources.data_source_file(spec.source),
                split_source_file(spec.split),
            ),
        }
    )


def _hash_inputs(spec: DatasetSpec, root: Path, write: bool = False) -> list[str | None]:
    if spec.demo_users is not None:  # the files need not be there yet, as in a dry run
        return [identify_demo(spec.source, spec.options, spec.demo_users)]
    memory = HashMemory(root / ".input-hashes.json")
    try:
        hashes = sources.hash_inputs(spec.source, _source_options(spec, root), memory)
    except DataError as error:
        folders = ", then ".join(map(str, data_folders(root)))
        looked = f"looked in the folder of your suite file, if it is one, then {folders}"
        raise DataError(error.cause, f"{error.hint}; {looked}" if error.hint else looked) from None
    hashes += [memory.hash_file(file) for file in spec.resolve_files(_folders(root)).files]
    if write:
        memory.write()
    return hashes


def _folders(root: Path) -> Path:
    """Return where relative paths are looked for, as a folder: it finds what is divided by."""
    return cast("Path", SearchOrder(data_folders(root)))


def _source_options(spec: DatasetSpec, root: Path) -> dict[str, Any]:
    """Return the options of the source; the first file of a split stands for the interactions."""
    options = sources.resolve_paths(spec.options, _folders(root))
    files = spec.resolve_files(_folders(root)).split_files
    return options if files is None else {**options, "interactions": files.train}


def _dump_without_files(spec: DatasetSpec) -> dict[str, Any]:
    """Return the specification without its name and without where files lie."""
    values = spec.model_dump(mode="json", exclude={"name"})
    map_files(values, lambda _: "file")
    return values


def save_dataset(
    dataset: PreparedDataset, folder: Path, inputs: Sequence[str | None] | None = None
) -> None:
    """Write the dataset as Parquet; `dataset.json` comes last and makes it complete.

    What is asked for is not among it: that goes into the answer key (`benchkit.data.answer_keys`).

    Args:
        dataset: What is written.
        folder: Where to.
        inputs: Hashes of the files that it was read from, where it was read from files.
    """
    data = dataset.interactions
    columns: dict[str, Any] = {"user": data.user, "item": data.item, "part": dataset.part}
    columns |= {c: getattr(data, c) for c in _OPTIONAL if getattr(data, c) is not None}
    if data.review is not None:
        columns["review"] = pl.Series(data.review, dtype=pl.String)
    rows = pl.DataFrame(columns).with_row_index("row")
    is_asked = rows["part"] == TEST
    io.write_parquet(folder / "interactions.parquet", rows.filter(~is_asked))
    io.write_parquet(folder / "users.parquet", pl.DataFrame({"user": dataset.users}))
    texts = {name: pl.Series(v, dtype=pl.String) for name, v in dataset.catalog.texts.items()}
    io.write_parquet(folder / "items.parquet", pl.DataFrame({"item": dataset.catalog.ids, **texts}))
    valid, test = _cases_table(dataset.valid), _cases_table(dataset.test)
    answers = [name for name in ("target", *_OPTIONAL_CASES) if name in test.columns]
    io.write_parquet(folder / "valid.parquet", valid)
    io.write_parquet(folder / "test.parquet", test.drop(answers))
    write_answer_key(folder.name, {"rows": rows.filter(is_asked), "cases": test.select(answers)})
    scale = dataset.catalog.rating_scale
    described = {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "candidates_hash": dataset.candidates_hash,
        "rating_scale": None if scale is None else asdict(scale),
        "report": dataset.report,
        "inputs": inputs,
        "caveats": dataset.caveats,
        "is_synthetic": dataset.is_synthetic,
    }
    io.write_json(folder / "dataset.json", described)


def clear_dataset_cache() -> None:
    """Forget the datasets that were read, so that they are read and checked again."""
    _load_dataset.cache_clear()


def _cases_table(cases: Cases) -> pl.DataFrame:
    """Return cases with their answers as a table."""
    table = pl.DataFrame(
        {
            "case_id": cases.ids,
            "user": cases.user,
            "start": cases.start,
            "stop": cases.stop,
            "target": cases.target,
            "candidates": pl.Series(
                cases.candidates, dtype=pl.Array(pl.Int32, cases.candidates.shape[1])
            ),
        },
        schema_overrides={"case_id": pl.String},
    )
    for column in _OPTIONAL_CASES:
        values = getattr(cases, column)
        if values is not None:
            dtype = pl.Float32 if column == "grades" else pl.Int32
            array = pl.Series(column, values, dtype=pl.Array(dtype, values.shape[1]))
            table = table.with_columns(array)
    return table


def load_dataset(folder: Path) -> PreparedDataset:
    """Read a dataset and its answers back, and check that it is the one that was written."""
    return _load_dataset(folder, answer_key_path(folder.name))


@lru_cache(maxsize=4)
def _load_dataset(folder: Path, key: Path) -> PreparedDataset:  # noqa: ARG001 (what is remembered)
    answers = read_answer_key(folder.name)
    try:
        described = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        known = pl.read_parquet(folder / "interactions.parquet")
        rows = pl.concat([known, answers["rows"].select(known.columns)]).sort("row")
        users = pl.read_parquet(folder / "users.parquet")["user"].to_list()
        items = pl.read_parquet(folder / "items.parquet")
        valid = _load_cases(pl.read_parquet(folder / "valid.parquet"))
        questions = pl.read_parquet(folder / "test.parquet")
        test = _load_cases(pl.concat([questions, answers["cases"]], how="horizontal"))
        scale = RatingScale(**ends) if (ends := described["rating_scale"]) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, *_POLARS_ERRORS) as error:
        raise DataError(
            f"{folder}: cannot be read: {error}", f"remove {folder} and run again"
        ) from None
    user = rows["user"].to_numpy()
    counts = np.bincount(user, minlength=len(users))
    dataset = PreparedDataset(
        name=described["name"],
        users=tuple(users),
        catalog=Catalog(
            tuple(items["item"]),
            {c: items[c].to_list() for c in items.columns if c != "item"},
            scale,
        ),
        interactions=Interactions(
            user=user,
            item=rows["item"].to_numpy(),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            rating=rows["rating"].to_numpy() if "rating" in rows.columns else None,
            timestamp=rows["timestamp"].to_numpy() if "timestamp" in rows.columns else None,
            review=rows["review"].to_list() if "review" in rows.columns else None,
            rating_scale=scale or FIVE_STARS,
        ),
        part=rows["part"].to_numpy(),
        valid=valid,
        test=test,
        report=described["report"],
        caveats=tuple(described.get("caveats", ())),
        is_synthetic=bool(described.get("is_synthetic", False)),
    )
    if dataset.fingerprint != described["fingerprint"]:
        raise DataError(
            f"{folder}: its content is not what was written (hash {dataset.fingerprint[:12]}, not"
            f" {described['fingerprint'][:12]})",
            f"remove {folder} and run again",
        )
    return dataset


def _load_cases(table: pl.DataFrame) -> Cases:
    user, start, stop, target, candidates = (
        table[name].to_numpy() for name in ("user", "start", "stop", "target", "candidates")
    )
    extra = {c: table[c].to_numpy() for c in _OPTIONAL_CASES if c in table.columns}
    return Cases(tuple(table["case_id"]), user, start, stop, target, candidates, **extra)
