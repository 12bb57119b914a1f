"""The runs that can be judged: those that the store's plan names, whoever made them and when."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from benchkit.config.suite import Suite
from benchkit.data.dataset import Dataset
from benchkit.data.preparation.cache import load_or_prepare
from benchkit.data.spec import DatasetSpec
from benchkit.errors import StoreError
from benchkit.runs.records import Manifest
from benchkit.runs.store import Run, Store


@dataclass(frozen=True)
class JudgeableRun:
    """A complete run, and the dataset that it was asked about."""

    run: Run
    manifest: Manifest
    dataset_spec: DatasetSpec
    data_dir: Path

    @property
    def title(self) -> str:
        """What it is called on the screen."""
        seed = f" #{self.manifest.seed}" if self.manifest.seed else ""
        return f"{self.manifest.task} / {self.manifest.label}{seed}"

    def dataset(self) -> Dataset:
        """The dataset. Raises StoreError where it is not the one that the run was asked about."""
        dataset = load_or_prepare(self.dataset_spec, self.data_dir)
        if dataset.fingerprint != self.manifest.test_fingerprint:
            raise StoreError(
                f"{self.title}: dataset {self.dataset_spec.name!r} is not what the run was asked about",
                f"run it again: benchkit run --suite {self.manifest.suite}"
                f" --method {self.manifest.label}",
            )
        return dataset


def find_judgeable_runs(
    store: Store,
    suite: Suite,
    name: str,
    data: Path,
    methods: Collection[str] = (),
    tasks: Collection[str] = (),
) -> list[JudgeableRun]:
    """The complete runs of the plan called `name`, of all methods and tasks where none is named.

    Raises StoreError where the suite was not run.
    """
    plan = store.plan(name)
    if plan is None:
        raise StoreError(
            f"store {store.root}: suite {name!r} has not been run",
            f"benchkit run --suite {suite.name} --out {store.root}",
        )
    specs = {task.name: suite.dataset(task.test) for task in suite.tasks}
    found = []
    for row in plan.rows:
        asked = (not methods or row.label in methods) and (not tasks or row.task in tasks)
        if row.run_id is None or not asked or row.task not in specs:
            continue
        run = store.run(name, row.task, row.label, row.run_id)
        manifest = run.manifest()
        if manifest is not None and manifest.status == "complete":
            found.append(JudgeableRun(run, manifest, specs[row.task], data))
    return found
