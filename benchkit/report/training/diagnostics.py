"""Preference training of a suite: every run with its record, and why others have none."""

from dataclasses import dataclass

from benchkit.errors import DamageError, StoreError
from benchkit.report.training.preference_conflicts import PreferenceConflicts, read_conflicts
from benchkit.report.training.training_trace import TrainingTrace, read_trace
from benchkit.runs.records import PlannedRow
from benchkit.runs.store import Store

_UNTRAINED = {"control", "cf", "prompted"}  # families without training on preferences
_NONE = "no preference method: no row left a steps.jsonl"


@dataclass(frozen=True)
class Diagnosis:
    """One run: its name, how it ended, its training and its preferences."""

    task: str
    label: str
    seed: int
    run_id: str
    status: str
    trace: TrainingTrace
    conflicts: PreferenceConflicts | None

    @property
    def rejected_names(self) -> tuple[str, ...]:
        """Names of the k rejected responses."""
        k = self.trace.lead.shape[1]
        if self.conflicts is not None and k == 2:
            return ("hard", "easy")
        return tuple(f"rejected {i}" for i in range(1, k + 1))


@dataclass(frozen=True)
class SuiteDiagnoses:
    """The runs of a suite with something to show, and why the others have nothing."""

    suite: str
    diagnoses: tuple[Diagnosis, ...]
    skipped: tuple[str, ...]
    title: str = ""

    @property
    def heading(self) -> str:
        """What the titles of tables and plots begin with."""
        return self.title or self.suite


def diagnose_suite(store: Store, suite: str, task: str = "", label: str = "") -> SuiteDiagnoses:
    """Diagnose every run of a suite that left a training record.

    Args:
        store: The run store.
        suite: Its name in the store.
        task: Only this task; all when empty.
        label: Only this method; all when empty.

    Raises:
        StoreError: The suite was not run, a name is not in its plan, no run has a record, or a
            record cannot be read.
    """
    plan = store.require_plan(suite)
    for kind, name, known in (("dataset", task, plan.tasks), ("method", label, plan.labels)):
        if name and name not in known:
            raise StoreError(
                f"suite {suite!r} was run without {kind} {name!r}", f"known: {', '.join(known)}"
            )
    diagnoses, skipped = [], []
    for row in plan.rows:
        if (task and row.task != task) or (label and row.label != label):
            continue
        diagnosis = _diagnosis(store, suite, row)
        if diagnosis is None:
            continue
        if isinstance(diagnosis, str):
            seed = f" #{row.seed}" if row.seed else ""
            skipped.append(f"{row.task} / {row.label}{seed}: {diagnosis}")
        else:
            diagnoses.append(diagnosis)
    if not diagnoses:
        raise StoreError(
            f"suite {suite!r}: nothing to diagnose\n  " + "\n  ".join(skipped or [_NONE]),
            "run a preference method, e.g. dpo or c-apo; others leave no training record",
        )
    return SuiteDiagnoses(suite, tuple(diagnoses), tuple(skipped), plan.title)


def _diagnosis(store: Store, suite: str, row: PlannedRow) -> Diagnosis | str | None:
    """Return the diagnosis, or why there is none; None for a method that never has one."""
    if row.family in _UNTRAINED:
        return None
    if row.skip_reason:
        return row.skip_reason
    run = store.run(suite, row.task, row.label, row.run_id or "")
    try:
        manifest = run.manifest()
    except DamageError as error:
        return error.row_status
    if manifest is None:
        return "not run"
    path = run.artifacts / "steps.jsonl"
    if not path.is_file():
        if manifest.status == "complete":
            return None
        return f"{manifest.status}, and preference training had not begun"
    return Diagnosis(
        row.task, row.label, row.seed, manifest.run_id, manifest.status,
        read_trace(path), read_conflicts(run),
    )  # fmt: skip
