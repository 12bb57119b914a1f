"""The complete runs of a suite with the datasets that they were asked, for exports."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.preparation.cache import load_dataset
from benchkit.errors import DataError
from benchkit.runs.records import Manifest
from benchkit.runs.store import Run, Store


@dataclass(frozen=True)
class StoredRun:
    """A complete run that counts in the tables of its suite."""

    run: Run
    manifest: Manifest
    dataset: PreparedDataset

    @property
    def name(self) -> str:
        """Its label, with the seed where that is not 0."""
        seed = self.manifest.seed
        return f"{self.manifest.label}#{seed}" if seed else self.manifest.label

    @cached_property
    def cases(self) -> Cases:
        """The cases that it was asked, in the order of its predictions."""
        places = {case: row for row, case in enumerate(self.dataset.test.ids)}
        ids = self.run.predictions(["case_id"])["case_id"].to_list()
        unknown = [case for case in ids if case not in places]
        if unknown:
            raise DataError(
                f"{self.run.path}: case {unknown[0]!r} is no case of its dataset", "run it again"
            )
        return self.dataset.test.select(np.array([places[case] for case in ids], dtype=np.int64))


def find_stored_runs(store: Store, suite: str, data: Path) -> Iterator[StoredRun]:
    """Yield the complete runs of a suite in the order of its plan.

    Args:
        store: The run store.
        suite: What the store calls the suite.
        data: The folder of prepared datasets.

    Raises:
        DataError: The dataset of a run is not among them.
        StoreError: The suite was not run, or a record is damaged.
    """
    folders = find_dataset_folders(data)
    for row in store.require_plan(suite).rows:
        if row.run_id is None:
            continue
        run = store.run(suite, row.task, row.label, row.run_id)
        manifest = run.manifest()
        if manifest is None or manifest.status != "complete":
            continue
        folder = folders.get(manifest.test_fingerprint)
        if folder is None:
            raise DataError(
                f"{data}: the dataset of task {row.task!r} is not there"
                f" (fingerprint {manifest.test_fingerprint[:12]})",
                f"benchkit data prepare --suite {suite}, or name its folder with --data",
            )
        yield StoredRun(run, manifest, load_dataset(folder))


def find_dataset_folders(data: Path) -> dict[str, Path]:
    """Return fingerprint -> folder of the prepared datasets, those of demos included."""
    paths = [*data.glob("*/dataset.json"), *data.glob("demo-*/*/dataset.json")]
    folders = {}
    for path in sorted(paths):
        described = json.loads(path.read_text(encoding="utf-8"))
        folders[str(described["fingerprint"])] = path.parent
    return folders
