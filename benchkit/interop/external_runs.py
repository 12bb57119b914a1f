"""Recording results made elsewhere as a run of their own, marked as external in every table."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from benchkit import fingerprint
from benchkit.errors import ConfigError, DataError
from benchkit.evaluation.protocols.base import ProtocolResult
from benchkit.evaluation.record import predictions_table
from benchkit.interop.evaluation_task import EvaluationTask
from benchkit.io import find_folder_clash
from benchkit.runs.options import RunOptions
from benchkit.runs.plan import RunPlan
from benchkit.runs.progress import utc_timestamp
from benchkit.runs.provenance import collect_provenance
from benchkit.runs.records import EXTERNAL, Manifest, PlannedRow, PlanRecord
from benchkit.runs.store import Run, Store


@dataclass(frozen=True)
class ExternalRun:
    """Results made elsewhere.

    sha256: of the file with the answers. identity: all else that can change a number, as of a run.
    origin: where they come from, for the record; no part of the run id. provenance: of the run
    itself, where it is known.
    """

    label: str
    family: str
    seed: int
    sha256: str
    identity: Mapping[str, Any]
    origin: Mapping[str, Any]
    caveats: tuple[str, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        return fingerprint.hash_json(self.full_identity)

    @property
    def row_id(self) -> str:
        """The run id without the seed and its answers: the seeds of one row share it."""
        return fingerprint.hash_json({k: v for k, v in self.identity.items() if k != "seed"})

    @property
    def full_identity(self) -> dict[str, Any]:
        return {**self.identity, EXTERNAL: self.sha256}


@dataclass(frozen=True)
class ImportResult:
    """A run that now stands in the store. `computed` is False for one that stood there already."""

    manifest: Manifest
    path: Path
    computed: bool


def record_external_run(
    store: Store,
    place: EvaluationTask,
    external: ExternalRun,
    measure: Callable[[], list[ProtocolResult]],
) -> ImportResult:
    """Score the answers unless they stand in the store already, and put them into the plan.

    Raises ConfigError where the row is one that benchkit ran here, or another seed's answers.
    """
    store.create()
    row = PlannedRow(
        task=place.task.name,
        label=external.label,
        family=external.family,
        seed=external.seed,
        unsupported=tuple(
            name for name in place.suite.protocols if name not in external.identity["protocols"]
        ),
        caveats=external.caveats,
        run_id=external.run_id,
        row_id=external.row_id,
    )
    _check_row(store, place, row, external)
    run = store.run(place.suite_name, place.task.name, external.label, external.run_id)
    with store.lock(external.run_id):
        old = run.intact_manifest()
        if done := old is not None and old.status == "complete":
            manifest = _update_manifest(run, old, _make_manifest(place, external))
        else:
            manifest = _write_run(run, _make_manifest(place, external), place, measure())
    store.update_plan(_make_plan(store, place, row))
    return ImportResult(manifest, run.path, computed=not done)


def _write_run(
    run: Run, manifest: Manifest, place: EvaluationTask, results: Sequence[ProtocolResult]
) -> Manifest:
    run.clear()
    summary = [line for result in results for line in result.summary]
    manifest = manifest.model_copy(update={"summary": summary, "finished": utc_timestamp()})
    tables = {
        "metrics": pl.concat([result.metrics for result in results]),
        "predictions": predictions_table(results, place.dataset, place.cases),
    }
    return run.finish(manifest, tables)


def _update_manifest(run: Run, old: Manifest, new: Manifest) -> Manifest:
    """The run as it stands, under the family and the remarks of the last import of it."""
    if (old.family, old.caveats) == (new.family, new.caveats):
        return old
    changed = {name: getattr(new, name) for name in ("family", "caveats", "provenance")}
    manifest = old.model_copy(update=changed)
    run.write_manifest(manifest)
    return manifest


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", "check the path") from None


def _make_manifest(place: EvaluationTask, external: ExternalRun) -> Manifest:
    return Manifest(
        run_id=external.run_id,
        row_id=external.row_id,
        status="complete",
        suite=place.suite_name,
        task=place.task.name,
        label=external.label,
        family=external.family,
        seed=external.seed,
        caveats=external.caveats,
        identity=external.full_identity,
        datasets={"test": place.dataset.fingerprint},
        provenance={
            **external.provenance,
            EXTERNAL: {**external.origin, "imported_with": collect_provenance()},
        },
        started=utc_timestamp(),
    )


def _check_row(store: Store, place: EvaluationTask, row: PlannedRow, external: ExternalRun) -> None:
    """An import must not take the place of what was run here, nor pass for a seed of its own."""
    plan = store.plan(place.suite_name)
    for planned in plan.rows if plan else ():
        if find_folder_clash([planned.label, row.label]):
            raise ConfigError(
                f"rows {planned.label!r} and {row.label!r} would share a folder",
                "choose another --label",
            )
        if (planned.task, planned.label) != (row.task, row.label) or planned.run_id is None:
            continue
        run = store.run(place.suite_name, planned.task, planned.label, planned.run_id)
        manifest = run.intact_manifest()
        if manifest is None or manifest.status == "failed":
            continue
        if not manifest.is_external:
            raise ConfigError(
                f"suite {place.suite_name!r} has a row {row.label!r} on {row.task} that was run"
                " here",
                "choose another --label",
            )
        same = manifest.identity[EXTERNAL] == external.sha256
        # A run whose method draws nothing does answer alike under every seed.
        if same and planned.seed != row.seed and external.origin["kind"] == "predictions":
            raise ConfigError(
                f"these are the answers of seed {planned.seed} of {row.label!r} on {row.task}",
                f"give the file of seed {row.seed}, or leave --seed {planned.seed}",
            )


def _make_plan(store: Store, place: EvaluationTask, row: PlannedRow) -> PlanRecord:
    """The suite's plan with this row alone; the store merges it into its own."""
    plan = RunPlan(place.suite, place.suite_name, (), (), RunOptions()).to_record()
    old = store.plan(place.suite_name)
    labels = [*plan.labels, *(old.labels if old else ()), row.label]
    return plan.model_copy(update={"rows": [row], "labels": list(dict.fromkeys(labels))})
