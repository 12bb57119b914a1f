"""The run store, `runs/<suite>/<task>/<label>/<run_id>/`. Only a complete run is a result."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from filelock import FileLock, Timeout
from pydantic import BaseModel

from benchkit import io
from benchkit.config.loading import validate_model
from benchkit.disk_faults import read_hint
from benchkit.errors import ConfigError, StoreError, unknown_name_error
from benchkit.io import find_folder_clash, folder_name
from benchkit.runs import records
from benchkit.runs.records import JudgementManifest, Manifest, PlannedJudge, PlannedRow, PlanRecord

_M = TypeVar("_M", bound=BaseModel)
_SUITE_GLOB = "[!.]*"  # folders with a dot hold locks and the cache


class Run:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def scratch(self) -> Path:
        """Where the recommender keeps checkpoints; it outlives an interrupted attempt."""
        return self.path / "scratch"

    @property
    def artifacts(self) -> Path:
        """What the recommender stores of its training, e.g. preferences and margins."""
        return self.path / "artifacts"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    def manifest(self) -> Manifest | None:
        """Return the manifest, None if the run was never started."""
        return _read_record(self.path / "manifest.json", Manifest)

    def write_manifest(self, manifest: Manifest) -> None:
        io.write_json(self.path / "manifest.json", manifest.model_dump(mode="json"))

    def predictions(self) -> pl.DataFrame:
        """Return the answers, in the order of the cases (schema `records.PREDICTIONS_SCHEMA`)."""
        return self._read_table("predictions.parquet")

    def metrics(self) -> pl.DataFrame:
        """Return a value a case and metric (schema `records.METRICS_SCHEMA`)."""
        return self._read_table("metrics.parquet")

    def _read_table(self, name: str) -> pl.DataFrame:
        try:
            return pl.read_parquet(self.path / name)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise StoreError(
                f"{self.path / name}: cannot be read: {error}",
                read_hint(error, "run it again, or read the store again"),
            ) from None

    def judgements(self) -> list[JudgementManifest]:
        """Return the judgements of the run, in the order of their files."""
        paths = sorted(self._judgements.glob("*.json"))
        return [record for path in paths if (record := _read_record(path, JudgementManifest))]

    def judgement(self, label: str, judge_id: str) -> JudgementManifest | None:
        """Return the judgement of one judge, None if it was never started."""
        return _read_record(
            self._judgements / f"{folder_name(label)}-{judge_id}.json", JudgementManifest
        )

    def verdicts(self, judgement: JudgementManifest) -> pl.DataFrame:
        """Return the verdicts of a complete judgement (schema `records.JUDGEMENTS_SCHEMA`)."""
        return pl.read_parquet(self._verdicts(judgement))

    def write_judgement(
        self, judgement: JudgementManifest, verdicts: pl.DataFrame | None = None
    ) -> None:
        """Write the verdicts, then the manifest that makes them count."""
        path = self._verdicts(judgement)
        if verdicts is not None:
            io.write_parquet(path, verdicts)
        io.write_json(path.with_suffix(".json"), judgement.model_dump(mode="json"))

    @property
    def _judgements(self) -> Path:
        return self.path / "judgements"

    def _verdicts(self, judgement: JudgementManifest) -> Path:
        return self._judgements / f"{folder_name(judgement.label)}-{judgement.judge_id}.parquet"

    def clear(self) -> None:
        """Remove what an earlier attempt left, except its scratch folder."""
        with io.wrap_io_errors(self.path):
            for name in ("manifest.json", "predictions.parquet", "metrics.parquet", "log.jsonl"):
                (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self._judgements, ignore_errors=True)  # of answers that are gone
        if not self.scratch.is_dir():  # else training goes on, and so do its records
            shutil.rmtree(self.artifacts, ignore_errors=True)

    def finish(self, manifest: Manifest, tables: dict[str, pl.DataFrame]) -> None:
        """Write the tables, then the manifest: only its last rename makes the run a result."""
        for name, table in tables.items():
            io.write_parquet(self.path / f"{name}.parquet", table)
        self.write_manifest(manifest)
        shutil.rmtree(self.scratch, ignore_errors=True)


class Store:
    """All runs under one folder. Several processes may use it at the same time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        if marker := _read_json(root / "store.json"):
            records.check_schema(marker.get("schema_version"), f"store {root}")

    def create(self) -> "Store":
        """Make the folder and mark it with the schema."""
        marker = self.root / "store.json"
        if not marker.exists():
            io.write_json(marker, {"schema_version": records.SCHEMA_VERSION})
        return self

    @property
    def cache(self) -> Path:
        """Folder of what several runs need, such as a backbone, under hashes of the content."""
        return self.root / ".cache"

    def suites(self) -> list[str]:
        """Return the names of the suites that have a plan."""
        return sorted(path.parent.name for path in self.root.glob(f"{_SUITE_GLOB}/plan.json"))

    def run(self, suite: str, task: str, label: str, run_id: str) -> Run:
        names = (folder_name(name) for name in (suite, task, label, run_id))
        return Run(self.root.joinpath(*names))

    def runs(self) -> Iterator[Run]:
        """Yield every run that was started, in the order of paths."""
        for path in sorted(self.root.glob(f"{_SUITE_GLOB}/*/*/*/manifest.json")):
            yield Run(path.parent)

    def plan(self, suite: str) -> PlanRecord | None:
        """Return the plan of a suite, None if it was not run."""
        return _read_record(self.root / folder_name(suite) / "plan.json", PlanRecord)

    def require_plan(self, suite: str) -> PlanRecord:
        """Return the plan of a suite. Raises StoreError if it was not run."""
        plan = self.plan(suite)
        if plan is None:
            others = f"   (here: {', '.join(self.suites())})" if self.suites() else ""
            raise StoreError(
                f"store {self.root}: suite {suite!r} has not been run",
                f"benchkit run --suite {suite} --out {self.root}{others}",
            )
        return plan

    def update_plan(self, plan: PlanRecord, *, whole: bool = False) -> PlanRecord:
        """Merge a plan into the stored one, and return the result.

        Its rows replace those of the same task and label, imports included, except other seeds of
        the same version (row id). Rows that were added to the suite (`--method FILE.py:Class`,
        imports) stay until `forget`.

        Args:
            plan: The rows of the run that begins.
            whole: Whether these are all that the suite names; then other seeds, and tasks and
                methods that the suite no longer names, are removed.

        Raises:
            ConfigError: Two rows would share a folder.
        """
        with self._file_lock(f"plan-{folder_name(plan.suite)}"):
            old = self.plan(plan.suite)
            if old is not None:
                old_rows = _rows_to_keep(old, plan, whole)
                old_labels = {row.label for row in old_rows}
                tasks = plan.tasks if whole else dict.fromkeys([*plan.tasks, *old.tasks])
                labels = [*plan.labels, *(label for label in old.labels if label in old_labels)]
                if clash := find_folder_clash(labels):
                    raise ConfigError(
                        f"rows {clash[0]!r} and {clash[1]!r} of suite {plan.suite!r} would share"
                        " a folder",
                        "choose another label",
                    )
                plan = plan.model_copy(
                    update={
                        "rows": old_rows + plan.rows,
                        "tasks": list(tasks),
                        "labels": list(dict.fromkeys(labels)),
                        "judges": _merge_judges(plan.judges, old.judges),
                    }
                )
            self._write_plan(plan)
            return plan

    def forget(self, suite: str, label: str) -> int:
        """Remove a row from the tables of a suite; its runs stay on disk.

        Returns:
            Number of runs that the row had.

        Raises:
            StoreError: The suite has no plan.
            ConfigError: No row has this label.
        """
        with self._file_lock(f"plan-{folder_name(suite)}"):
            plan = self.require_plan(suite)
            rows = [row for row in plan.rows if row.label != label]
            if len(rows) == len(plan.rows):
                raise unknown_name_error(
                    f"row of suite {suite!r}:", label, {r.label for r in plan.rows}
                )
            labels = [name for name in plan.labels if name != label]
            self._write_plan(plan.model_copy(update={"rows": rows, "labels": labels}))
            return len(plan.rows) - len(rows)

    def _write_plan(self, plan: PlanRecord) -> None:
        path = self.root / folder_name(plan.suite) / "plan.json"
        io.write_json(path, plan.model_dump(mode="json"))

    @contextmanager
    def lock(self, run_id: str, wait: bool = True) -> Iterator[bool]:
        """Lock a run for this process; the operating system unlocks it when the process dies.

        Yields:
            Whether it is locked for this process. False only where another process has the lock
            and `wait` is False.
        """
        lock = self._file_lock(run_id)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def is_locked(self, run_id: str) -> bool:
        """Return whether some process is computing the run right now."""
        with self.lock(run_id, wait=False) as free:
            return not free

    def _file_lock(self, name: str) -> FileLock:
        folder = self.root / ".locks"
        with io.wrap_io_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{name}.lock")


def find_replaced_judges(
    new: Sequence[PlannedJudge], old: Sequence[PlannedJudge]
) -> list[PlannedJudge]:
    """Return the old judges that have the label of a new one, but another id.

    Their rubric, settings or cases differ. Tables show the new ones; old judgements stay on disk.
    """
    ids = {judge.label: judge.judge_id for judge in new}
    return [judge for judge in old if ids.get(judge.label, judge.judge_id) != judge.judge_id]


def _rows_to_keep(old: PlanRecord, new: PlanRecord, whole: bool) -> list[PlannedRow]:
    """Return the rows of `old` that stay beside those of `new` (see `Store.update_plan`)."""
    planned = {(row.task, row.label, row.seed) for row in new.rows}
    versions = {(row.task, row.label): row.row_id for row in new.rows}

    def stays(row: PlannedRow) -> bool:
        if (row.task, row.label) not in versions:
            return not whole or (row.task in new.tasks and not row.in_suite)
        same_version = row.row_id == versions[row.task, row.label]
        return not whole and same_version and (row.task, row.label, row.seed) not in planned

    return [row for row in old.rows if stays(row)]


def _merge_judges(new: list[PlannedJudge], old: list[PlannedJudge]) -> list[PlannedJudge]:
    labels = {judge.label for judge in new}
    return [*new, *(judge for judge in old if judge.label not in labels)]


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise StoreError(
            f"{path}: cannot be read: {error}", read_hint(error, "remove this folder and run again")
        ) from None
    if not isinstance(value, dict):
        raise StoreError(f"{path}: is not a record of benchkit", "remove this folder and run again")
    return value


def _read_record(path: Path, model: type[_M]) -> _M | None:
    value = _read_json(path)
    if value is None:
        return None
    records.check_schema(value.get("schema_version"), os.fspath(path))
    hint = "remove this folder and run again"
    return validate_model(
        model, records.upgrade_record(value), os.fspath(path), error=StoreError, hint=hint
    )
