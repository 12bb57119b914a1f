"""One run as a picklable description, and what identifies it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from benchkit import fingerprint
from benchkit.cards import Card
from benchkit.config.decoding_spec import DecodingSpec
from benchkit.config.suite import MethodSpec
from benchkit.data.dataset import PreparedDataset
from benchkit.data.preparation.cache import identify_dataset, load_dataset, load_or_prepare
from benchkit.data.spec import DatasetSpec
from benchkit.evaluation.lookup import find_metric, find_protocol, source_files
from benchkit.faults import DEFAULT_MAX_FAULT_SHARE
from benchkit.runs.estimates.expected_costs import ExpectedCosts
from benchkit.runs.records import Manifest
from benchkit.runs.store import Run, Store
from benchkit.source_hash import hash_sources

Overwrite = Literal["never", "failed", "always"]


@dataclass(frozen=True)
class Job:
    """Everything that a run needs; it can be sent to another process."""

    suite: str
    task: str
    method: MethodSpec
    card: Card
    train: DatasetSpec
    test: DatasetSpec
    protocols: tuple[str, ...]
    """Those of the suite that the method can do."""
    decoding: DecodingSpec
    component: Mapping[str, Any]
    """What can change the numbers of the method; see `cards.identify_component`."""
    caveats: tuple[str, ...]
    metrics: tuple[str, ...]
    popular_share: float
    seed: int
    limit_users: int | None
    device: str
    threads: int
    store: Path
    data: Path
    overwrite: Overwrite
    max_fault_share: float = DEFAULT_MAX_FAULT_SHARE
    """Share of the cases that may have faults of the engine; it changes no number."""
    confine: bool = False
    """Whether the process of the method is kept from reading the answer keys and the store."""
    dataset_folders: tuple[Path, Path] | None = None
    """Where the prepared training and test data lie, on a machine that has no raw data."""
    expected: ExpectedCosts | None = None
    """What it is expected to cost; it changes no number."""

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that can change a number of this run, and nothing else.

        Reading it prepares no dataset and writes no file.
        """
        protocols = [find_protocol(spec) for spec in self.protocols]
        metrics = [find_metric(spec) for spec in self.metrics]
        sampling = {"decoding": self.effective_decoding} if self._uses_decoding else {}
        return {
            **sampling,
            **self.component,
            "harness": hash_sources(*source_files([*protocols, *metrics])),
            "train": identify_dataset(self.train, self.data),
            "test": identify_dataset(self.test, self.data),
            "limit_users": self.limit_users,
            "protocols": [protocol.name for protocol in protocols],
            "metrics": [metric.name for metric in metrics],
            "popular_share": self.popular_share,
            "seed": self.seed,
            "device": self.device.partition(":")[0],  # cuda, whichever of several
            "threads": self.threads,
        }

    @property
    def effective_decoding(self) -> dict[str, float]:
        """The suite's decoding where a protocol samples, else the default: no suite changes it."""
        decoding = self.decoding if self._uses_decoding else DecodingSpec()
        return decoding.model_dump()

    @property
    def _uses_decoding(self) -> bool:
        return any(find_protocol(spec).uses_decoding for spec in self.protocols)

    @cached_property
    def run_id(self) -> str:
        """Hash of the identity."""
        return fingerprint.hash_json(self.identity)

    @cached_property
    def row_id(self) -> str:
        """Hash of the identity without the seed: the seeds of one row share it."""
        return fingerprint.hash_json({k: v for k, v in self.identity.items() if k != "seed"})

    def load_datasets(self) -> tuple[PreparedDataset, PreparedDataset]:
        """Return the data of the training and of the test."""
        if self.dataset_folders is not None:
            return load_dataset(self.dataset_folders[0]), load_dataset(self.dataset_folders[1])
        return load_or_prepare(self.train, self.data), load_or_prepare(self.test, self.data)

    def change(self, **changes: Any) -> "Job":
        """Return the job elsewhere or on other hardware, as the same run with the same id."""
        changed = replace(self, **changes)
        vars(changed)["identity"] = self.identity  # its parts may not be at hand there
        return changed

    @property
    def title(self) -> str:
        """What the run is called on the screen."""
        return f"{self.task} / {self.method.name}" + (f" #{self.seed}" if self.seed else "")

    @property
    def run(self) -> Run:
        """The folder of the run in the store."""
        return Store(self.store).run(self.suite, self.task, self.method.name, self.run_id)


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    job: Job
    manifest: Manifest
    computed: bool
    """False for a run that was complete before."""
    linked_from: str = ""
    """The suite whose run was linked, if one was."""


def must_compute(old: Manifest, job: Job) -> bool:
    """Return whether the run of a job, which has this manifest, must be computed (again)."""
    if old.status == "started" or job.overwrite == "always":
        return True  # if started, its lock is free, so the process that started it is gone
    if old.status == "failed":
        return old.resumable or job.overwrite == "failed"
    return any(record.share > job.max_fault_share for record in old.faults)
