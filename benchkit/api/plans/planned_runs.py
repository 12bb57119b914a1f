"""Plan what a call of `run` would do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from benchkit.api.suites import MethodLike, as_names, as_seeds, method_rows, resolve_suite
from benchkit.config.changes import changes_models
from benchkit.config.suite import Suite
from benchkit.config.suite_outline import outline_suite
from benchkit.data.sources.remote_files import RemoteFile
from benchkit.errors import DamageError, unknown_name_error
from benchkit.runs.downloads import missing_files
from benchkit.runs.estimates.expected_costs import COMPUTED_BEFORE, UNKNOWN_COSTS, ExpectedCosts
from benchkit.runs.estimates.plan_costs import estimate_jobs
from benchkit.runs.job import Job, must_compute
from benchkit.runs.options import RunOptions
from benchkit.runs.plan import RunPlan, plan_runs
from benchkit.runs.run_linking import find_source
from benchkit.runs.settings.profiles import Profile
from benchkit.runs.store import Run, Store

_NOT_RUN = "what it can do, and its run id: {} is not run in a plan; --trust"


@dataclass(frozen=True)
class PlannedRun:
    """One run that a plan names, and how far it is.

    Attributes:
        state: "to run"; "to link", where another suite of the store has the run; or the state of
            the run in the store: "started", "complete", "failed", "damaged"; "unknown" where that
            would need code of the suite to run.
        reason: Why it will not be run, or is unknown, or what it waits for; else empty.
        missing: Public files that are fetched first; until they are here, a run has no id.
        expected: What it is expected to cost; nothing where it is not computed.
    """

    task: str
    method: str
    seed: int
    run_id: str
    state: str
    reason: str = ""
    missing: tuple[RemoteFile, ...] = ()
    expected: ExpectedCosts = UNKNOWN_COSTS

    @property
    def title(self) -> str:
        """What the run is called on the screen."""
        return f"{self.task} / {self.method}" + (f" #{self.seed}" if self.seed else "")

    @property
    def line(self) -> str:
        """The run in a line: its state, what it is called, and its id or why it has none."""
        state = "left out" if self.state == "skipped" else self.state
        return f"{state:9} {self.title}  {f'({self.reason})' if self.reason else self.run_id}"


def plan(
    suite: str | Path | Suite,
    *,
    methods: Iterable[MethodLike] | MethodLike | None = None,
    datasets: str | Iterable[str] = (),
    seeds: int | Iterable[int] = (),
    trust: bool = False,
    changes: Iterable[str] = (),
    **options: Any,
) -> list[PlannedRun]:
    """List what `run` would do with the same arguments; nothing is computed or written.

    Code that a suite file names is not run: what depends on it is "unknown". With `trust` it is.

    Example:
        >>> import benchkit as bk
        >>> runs = bk.plan("quickstart", methods="popularity", store="new-runs")
        >>> [(run.method, run.state) for run in runs]
        [('popularity', 'to run')]
    """
    outline = None
    if not trust and isinstance(suite, str | Path):
        outline = outline_suite(str(suite), as_names(changes))
    resolved = outline.suite if outline else resolve_suite(suite, trust, changes)
    options["profile"] = choose_run_profile(options.get("profile", "auto"), changes)
    planned = plan_suite(resolved, methods, datasets, seeds, options)
    unknown_rows = outline.unknown_rows() if outline else {}
    unknown_tasks = outline.unknown_tasks() if outline else {}
    rows: list[PlannedRun] = []
    due: dict[int, Job] = {}  # by their places among the rows
    data, store = planned.options.data, Store(planned.options.store)
    waits_for = [missing_files([job], data) for job in planned.jobs]
    ready = [job for job, files in zip(planned.jobs, waits_for, strict=True) if not files]
    elsewhere = store.find_runs({job.run_id for job in ready})
    for job, files in zip(planned.jobs, waits_for, strict=True):
        row = (job.task, job.method.name, job.seed)
        if (code := unknown_rows.get(job.method.name)) and job.method in planned.suite.methods:
            rows.append(PlannedRun(*row, "", "unknown", _NOT_RUN.format(code.target)))
        elif code := unknown_tasks.get(job.task):
            reason = f"its run id: {code.target} is not run in a plan; --trust"
            rows.append(PlannedRun(*row, "", "unknown", reason))
        elif files:
            rows.append(PlannedRun(*row, "", "to run", "its data are fetched first", files))
        else:
            state, reason, is_due = _stored_state(job, elsewhere[job.run_id])
            if is_due:
                due[len(rows)] = job
            expected = UNKNOWN_COSTS if is_due else COMPUTED_BEFORE
            rows.append(PlannedRun(*row, job.run_id, state, reason, expected=expected))
    for place, expected in zip(due, estimate_jobs(list(due.values())), strict=True):
        rows[place] = replace(rows[place], expected=expected)
    for skipped in planned.skipped:
        row = (skipped.task, skipped.label, skipped.seed)
        if code := unknown_rows.get(skipped.label):  # what stands in for it cannot do the task
            rows.append(PlannedRun(*row, "", "unknown", _NOT_RUN.format(code.target)))
        else:
            rows.append(PlannedRun(*row, "", "skipped", str(skipped.skip_reason)))
    return rows


def _stored_state(job: Job, elsewhere: Sequence[Run]) -> tuple[str, str, bool]:
    """Return how far a run is, why it will not be computed if another suite has it, and whether it
    is to be computed."""
    manifest = None
    try:
        manifest = job.run.manifest()
        state: str = manifest.status if manifest else "to run"
    except DamageError:
        state = "damaged"
    is_due = manifest is None or must_compute(manifest, job)
    if is_due and (source := find_source(job, elsewhere)):
        return "to link", f"the same as a run of suite {source.suite}", False
    return state, "", is_due


def choose_run_profile(profile: Profile, changes: Iterable[str]) -> Profile:
    """Return the profile; who chooses a model means it to be used, on a CPU, too."""
    return "paper" if profile == "auto" and changes_models(as_names(changes)) else profile


def plan_suite(
    suite: Suite,
    methods: Iterable[MethodLike] | MethodLike | None,
    datasets: str | Iterable[str],
    seeds: int | Iterable[int],
    options: dict[str, Any],
) -> RunPlan:
    """Return the plan of a suite under options of `RunOptions`, by name."""
    for name in options.keys() & {"store", "data"}:
        options[name] = Path(options[name])
    known = {field.name for field in fields(RunOptions)}
    for name in options.keys() - known:
        raise unknown_name_error("option", name, known)
    return plan_runs(
        suite,
        RunOptions(
            methods=() if methods is None else method_rows(methods),
            datasets=as_names(datasets),
            seeds=as_seeds(seeds),
            **options,
        ),
    )
