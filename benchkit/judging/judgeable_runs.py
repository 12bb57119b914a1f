"""The runs that can be judged: those that the store's plan names, whoever made them and when."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from benchkit.config.suite import Suite
from benchkit.data.dataset import PreparedDataset
from benchkit.data.preparation.cache import load_or_prepare
from benchkit.data.spec import DatasetSpec
from benchkit.errors import ConfigError, StoreError, suggest_names
from benchkit.runs.records import Manifest, PlannedRow
from benchkit.runs.store import Run, Store


@dataclass(frozen=True)
class JudgeableRun:
    """A complete run, and the dataset that it was tested on."""

    run: Run
    manifest: Manifest
    dataset_spec: DatasetSpec
    data_dir: Path

    @property
    def title(self) -> str:
        """Its name on the screen."""
        seed = f" #{self.manifest.seed}" if self.manifest.seed else ""
        return f"{self.manifest.task} / {self.manifest.label}{seed}"

    def dataset(self) -> PreparedDataset:
        """Return the dataset. Raises StoreError where it has changed since the run."""
        dataset = load_or_prepare(self.dataset_spec, self.data_dir)
        if dataset.fingerprint != self.manifest.test_fingerprint:
            raise StoreError(
                f"{self.title}: dataset {self.dataset_spec.name!r} has changed since the run",
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
    """Return the complete runs of the plan called `name`.

    Args:
        store: The run store.
        suite: The suite of the plan.
        name: Name of the plan.
        data: Folder of prepared datasets.
        methods: Labels of methods; all by default.
        tasks: Names of tasks; all by default.

    Raises:
        ConfigError: The plan has no such method or task.
        StoreError: The suite was not run.
    """
    plan = store.plan(name)
    if plan is None:
        raise StoreError(
            f"store {store.root}: suite {name!r} has not been run",
            f"benchkit run --suite {suite.name} --out {store.root}",
        )
    for kind, names, known in (
        ("method", methods, dict.fromkeys(row.label for row in plan.rows)),
        ("dataset", tasks, dict.fromkeys(row.task for row in plan.rows)),
    ):
        for wanted in names:
            if wanted not in known:
                raise ConfigError(
                    f"unknown {kind} {wanted!r}: the store has runs of suite {name!r} with"
                    f" {', '.join(known)}",
                    suggest_names(wanted, known),
                )
    specs = {task.name: suite.dataset(task.test) for task in suite.tasks}
    judgeable = []
    for row in plan.rows:
        if row.run_id is None or not _is_selected(row, methods, tasks) or row.task not in specs:
            continue
        run = store.run(name, row.task, row.label, row.run_id)
        manifest = run.manifest()
        if manifest is not None and manifest.status == "complete":
            judgeable.append(JudgeableRun(run, manifest, specs[row.task], data))
    return judgeable


def find_missing_runs(
    store: Store, name: str, methods: Collection[str] = (), tasks: Collection[str] = ()
) -> dict[tuple[str, str], str]:
    """Return of which methods of a plan no run is complete: (task, method) -> why.

    Args:
        store: The run store.
        name: Name of the plan.
        methods: Labels of methods; all by default.
        tasks: Names of tasks; all by default.
    """
    plan = store.plan(name)
    missing, complete = {}, set()
    for row in plan.rows if plan else ():
        if not _is_selected(row, methods, tasks):
            continue
        place = row.task, row.label
        manifest = row.run_id and store.run(name, *place, row.run_id).manifest()
        if manifest and manifest.status == "complete":
            complete.add(place)
        else:
            missing[place] = row.skip_reason or "no complete run"
    return {place: reason for place, reason in missing.items() if place not in complete}


def _is_selected(row: PlannedRow, methods: Collection[str], tasks: Collection[str]) -> bool:
    return (not methods or row.label in methods) and (not tasks or row.task in tasks)
