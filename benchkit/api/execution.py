"""Run a suite: plan, compute what is missing, judge what the suite wants judged, collect."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchkit.api.datasets import write_frames
from benchkit.api.results import Results
from benchkit.api.run_report import RunReport
from benchkit.api.stored_results import load_results
from benchkit.api.suites import MethodLike, as_names, as_seeds, method_rows, resolve_suite
from benchkit.config.suite import Suite
from benchkit.errors import ConfigError, DamageError, unknown_name_error
from benchkit.interactive import is_live
from benchkit.judging.judgeable_runs import find_judgeable_runs
from benchkit.judging.runner import judge_runs
from benchkit.runs.executors import JobExecutor, make_executor
from benchkit.runs.executors.inline import InlineExecutor
from benchkit.runs.plan import RunOptions, RunPlan, execute_plan, plan_runs
from benchkit.runs.progress import EventHandler, make_reporter
from benchkit.runs.store import Store

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class PlannedRun:
    """One run that a plan names, and how far it is.

    Attributes:
        state: "to run", or the state of the run in the store: "started", "complete", "failed",
            "damaged".
        reason: Why it will not be run; empty where it will.
    """

    task: str
    method: str
    seed: int
    run_id: str
    state: str
    reason: str = ""

    @property
    def title(self) -> str:
        """What the run is called on the screen."""
        return f"{self.task} / {self.method}" + (f" #{self.seed}" if self.seed else "")


def plan(
    suite: str | Path | Suite,
    *,
    methods: Iterable[MethodLike] | MethodLike | None = None,
    datasets: str | Iterable[str] = (),
    seeds: int | Iterable[int] = (),
    **options: Any,
) -> list[PlannedRun]:
    """List what `run` would do with the same arguments; nothing is computed or written.

    Example:
        >>> import benchkit as bk
        >>> [(run.method, run.state) for run in bk.plan("quickstart", methods="popularity")]
        [('popularity', 'to run')]
    """
    planned = _plan(suite, methods, datasets, seeds, options)
    rows = []
    for job in planned.jobs:
        try:
            manifest = job.run.manifest()
            state: str = manifest.status if manifest else "to run"
        except DamageError:
            state = "damaged"
        rows.append(PlannedRun(job.task, job.method.name, job.seed, job.run_id, state))
    skipped = [
        PlannedRun(row.task, row.label, row.seed, "", "skipped", str(row.skip_reason))
        for row in planned.skipped
    ]
    return rows + skipped


def run(
    suite: str | Path | Suite,
    *,
    methods: Iterable[MethodLike] | MethodLike | None = None,
    datasets: str | Iterable[str] = (),
    seeds: int | Iterable[int] = (),
    limit_users: int | None = None,
    jobs: int = 1,
    executor: str | JobExecutor = "",
    threads: int = 1,
    device: str = "cpu",
    overwrite: Literal["never", "failed", "always"] = "never",
    store: str | Path = "runs",
    data: str | Path = "data",
    progress: bool | EventHandler = True,
    on_outcome: Callable[[Any], None] | None = None,
) -> Results:
    """Run a suite and return its results; what is complete is kept, the rest is computed.

    Args:
        suite: A suite by name, the path of a TOML file, or a `Suite` built in Python.
        methods: Rows to run, all of the suite's by default: labels of the suite, names of any
            method, `FILE.py:Class`, recommender classes, or recommenders that are not fitted yet.
        datasets: Tasks of the suite to run, all by default.
        seeds: Seeds instead of the suite's.
        limit_users: Ask only so many users; such runs are kept apart as `SUITE@Nusers`.
        jobs: Runs at a time, each in a process of its own.
        executor: Where runs are computed: "inline", "processes", the name of an entry point,
            `FILE.py:Class`, or an object; by default processes where `jobs` is more than 1.
        threads: Threads of one run; part of a run's identity.
        device: "cpu", "cuda", "cuda:1", ...
        overwrite: Which finished runs are done again.
        store: Folder of the run records.
        data: Folder of the prepared datasets.
        progress: Show progress on the screen, or hand every event to a function.
        on_outcome: Called with the `Outcome` of each run as it ends.

    Returns:
        The results of everything that the store holds of the suite. A run that fails does not
        raise: its row says why, and `results.run_report.n_failed` counts it.

    Raises:
        ConfigError: A suite, a name or a setting is wrong; nothing was computed.
        DataError: A dataset cannot be read.
        StoreError: The store cannot be read or written.

    Example:
        >>> import benchkit as bk
        >>> results = bk.run(
        ...     "quickstart", methods=["random", "popularity"], limit_users=50, progress=False
        ... )
        >>> results.methods
        ('random', 'popularity')
    """
    planned = _plan(
        suite, methods, datasets, seeds,
        {
            "limit_users": limit_users, "jobs": jobs, "threads": threads, "device": device,
            "overwrite": overwrite, "executor": executor, "store": Path(store), "data": Path(data),
        },
    )  # fmt: skip
    live = [job.method.name for job in planned.jobs if is_live(job.card.target)]
    if live and not isinstance(make_executor(executor, jobs), InlineExecutor):
        raise ConfigError(
            f"{', '.join(dict.fromkeys(live))}: lives in this Python process, and runs would be"
            " computed in others",
            "use jobs=1 and the inline executor, or define the class in a file: FILE.py:Class",
        )
    write_frames(planned.suite, Path(data))
    records = Store(Path(store))
    computed = 0
    failed = sum("not installed" in str(row.skip_reason) for row in planned.skipped)
    judgements = 0
    with open_handler(progress) as handler:
        for outcome in execute_plan(planned, handler):
            computed += outcome.computed
            failed += outcome.manifest.status == "failed"
            if on_outcome is not None:
                on_outcome(outcome)
        for judgement in _judge_plan(planned, records, handler):
            judgements += judgement.computed
            failed += judgement.manifest is not None and judgement.manifest.status == "failed"
    report = RunReport(
        n_runs=len(planned.jobs),
        n_computed=computed,
        n_failed=failed,
        n_judgements=judgements if planned.judges else None,
    )
    return load_results(records.root, planned.name, data=data, run_report=report)


def _plan(
    suite: str | Path | Suite,
    methods: Iterable[MethodLike] | MethodLike | None,
    datasets: str | Iterable[str],
    seeds: int | Iterable[int],
    options: dict[str, Any],
) -> RunPlan:
    for name in options.keys() & {"store", "data"}:
        options[name] = Path(options[name])
    known = {field.name for field in fields(RunOptions)}
    for name in options.keys() - known:
        raise unknown_name_error("option", name, known)
    return plan_runs(
        resolve_suite(suite),
        RunOptions(
            methods=() if methods is None else method_rows(methods),
            datasets=as_names(datasets),
            seeds=as_seeds(seeds),
            **options,
        ),
    )


def _judge_plan(planned: RunPlan, store: Store, handler: EventHandler) -> Iterator[Any]:
    """Let the suite's own judges grade the runs of a plan."""
    if not planned.judges:
        return
    ids = {job.run_id for job in planned.jobs}
    targets = [
        target
        for target in find_judgeable_runs(store, planned.suite, planned.name, planned.options.data)
        if target.manifest.run_id in ids
    ]
    share = planned.suite.max_fault_share
    yield from judge_runs(store, targets, planned.suite.judging, handler, max_fault_share=share)


@contextmanager
def show_progress(console: "Console | None" = None) -> Iterator[EventHandler]:
    """Show events as bars on a terminal, or as lines; by default on standard error."""
    from rich.console import Console

    with make_reporter(console or Console(stderr=True)) as reporter:
        yield reporter.handle


@contextmanager
def open_handler(progress: bool | EventHandler) -> Iterator[EventHandler]:
    """Return a caller's own event handler, one that shows events, or one that ignores them."""
    if not isinstance(progress, bool) and not callable(progress):
        raise ConfigError(
            f"progress must be True, False or a function, not {progress!r}", "progress=False"
        )
    if not isinstance(progress, bool):
        yield progress
    elif progress:
        with show_progress() as handler:
            yield handler
    else:
        yield lambda _event: None
