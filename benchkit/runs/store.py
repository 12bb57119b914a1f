"""The run store, `runs/<suite>/<task>/<label>/<run_id>/`. Only a complete run is a result."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from benchkit import io
from benchkit.errors import DamageError, StoreError, unknown_name_error
from benchkit.io import folder_name
from benchkit.runs import records
from benchkit.runs.ledger import LEDGER_FILE, Ledger
from benchkit.runs.plan_merging import find_double_row, merge_plans
from benchkit.runs.record_files import damage_error, read_json, read_record, write_record
from benchkit.runs.records import PlannedJudge, PlanRecord
from benchkit.runs.run_folder import Run

__all__ = ["Run", "Store", "find_replaced_judges"]

_PLAN_AGAIN = "run the suite again, and add imports and rows of --method again"
_SUITE_GLOB = "[!.]*"  # folders with a dot hold locks and the cache


class Store:
    """All runs under one folder. Several processes may use it at the same time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        marker = read_json(root / "store.json", "delete this file, and run again")
        if marker is not None:
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

    @property
    def report_cache(self) -> Path:
        """Folder of what reports have computed; methods may write to `cache`, and not to this."""
        return self.root / ".reports"

    def suites(self) -> list[str]:
        """Return the names of the suites that have a plan."""
        return sorted(path.parent.name for path in self.root.glob(f"{_SUITE_GLOB}/plan.json"))

    def suite_folders(self) -> list[Path]:
        """Return the folders of suites, those without a plan included."""
        names = ("*/*/*/manifest.json", "plan.json", LEDGER_FILE)
        paths = (path for name in names for path in self.root.glob(f"{_SUITE_GLOB}/{name}"))
        depth = len(self.root.parts)
        return sorted({self.root / path.parts[depth] for path in paths})

    def run(self, suite: str, task: str, label: str, run_id: str) -> Run:
        """Return a run by the names of its place."""
        names = (folder_name(name) for name in (suite, task, label, run_id))
        return self.run_at(self.root.joinpath(*names))

    def run_at(self, path: Path) -> Run:
        """Return the run in a folder of this store."""
        return Run(path, self._ledger(path.parts[len(self.root.parts)]))

    def runs(self) -> Iterator[Run]:
        """Yield every run that was started, in the order of paths."""
        for path in sorted(self.root.glob(f"{_SUITE_GLOB}/*/*/*/manifest.json")):
            yield self.run_at(path.parent)

    def find_runs(self, run_ids: Collection[str]) -> dict[str, list[Run]]:
        """Return, for each of these ids, the runs of all suites that have it, by their paths."""
        runs: dict[str, list[Run]] = {run_id: [] for run_id in run_ids}
        for path in sorted(self.root.glob(f"{_SUITE_GLOB}/*/*/*")):
            if path.name in runs:
                runs[path.name].append(self.run_at(path))
        return runs

    def ledger(self, suite: str) -> Ledger:
        """Return the ledger of a suite: which records it should hold."""
        return self._ledger(folder_name(suite))

    def _ledger(self, folder: str) -> Ledger:
        return Ledger(self.root / folder, lambda: self._file_lock(f"ledger-{folder}"))

    def plan(self, suite: str) -> PlanRecord | None:
        """Return the plan of a suite, None if it was not run.

        Raises:
            DamageError: It is not what was written.
        """
        path = self._plan_path(suite)
        plan = read_record(path, PlanRecord, self.ledger(suite), _PLAN_AGAIN)
        if plan is None:
            return None
        if folder_name(plan.suite) != path.parent.name:
            raise damage_error(path, f"it is the plan of suite {plan.suite!r}", _PLAN_AGAIN)
        if row := find_double_row(plan):
            name = f"{row.task} / {row.label} #{row.seed}"
            raise damage_error(path, f"it has {name} twice", _PLAN_AGAIN)
        return plan

    def _plan_path(self, suite: str) -> Path:
        return self.root / folder_name(suite) / "plan.json"

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
            old = None
            with suppress(DamageError):  # what it said is lost: the new one stands alone
                old = self.plan(plan.suite)
            if old is not None:
                plan = merge_plans(old, plan, whole)
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
        path = self._plan_path(plan.suite)
        plan = plan.model_copy(update={"schema_version": records.SCHEMA_VERSION})
        write_record(path, plan, self.ledger(plan.suite), replaces=True)

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
        """Return whether some process is computing the run right now.

        Nothing is written for it, and a store that can only be read has no process that computes.
        """
        if not self._lock_path(run_id).exists():
            return False
        try:
            with self.lock(run_id, wait=False) as free:
                return not free
        except OSError:
            return False

    def _file_lock(self, name: str) -> FileLock:
        path = self._lock_path(name)
        with io.wrap_io_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path)

    def _lock_path(self, name: str) -> Path:
        return self.root / ".locks" / f"{name}.lock"


def find_replaced_judges(
    new: Sequence[PlannedJudge], old: Sequence[PlannedJudge]
) -> list[PlannedJudge]:
    """Return the old judges that have the label of a new one, but another id.

    Their rubric, settings or cases differ. Tables show the new ones; old judgements stay on disk.
    """
    ids = {judge.label: judge.judge_id for judge in new}
    return [judge for judge in old if ids.get(judge.label, judge.judge_id) != judge.judge_id]
