"""Run a suite: plan, compute what is missing, judge what the suite wants judged, collect."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchkit.api.datasets import write_frames
from benchkit.api.plans.planned_runs import choose_run_profile, plan_suite
from benchkit.api.results import Results
from benchkit.api.run_report import RunReport
from benchkit.api.stored_results import load_results
from benchkit.api.suites import MethodLike, as_names, resolve_suite
from benchkit.config.suite import Suite
from benchkit.console import VisibleConsole
from benchkit.data.answer_keys import use_answer_keys_folder
from benchkit.errors import ConfigError
from benchkit.interactive import is_live
from benchkit.interop.trackers.sinks import open_trackers
from benchkit.judging.judgeable_runs import find_judgeable_runs
from benchkit.judging.runner import judge_runs
from benchkit.key_access import allow_keys as allow_key_pairs
from benchkit.runs.downloads import fetch_missing_files
from benchkit.runs.executors import JobExecutor, make_executor
from benchkit.runs.executors.inline import InlineExecutor
from benchkit.runs.plan import RunPlan, execute_plan
from benchkit.runs.progress import EventHandler
from benchkit.runs.reporters import make_reporter
from benchkit.runs.settings.profiles import Profile
from benchkit.runs.store import Store

if TYPE_CHECKING:
    from rich.console import Console


def run(
    suite: str | Path | Suite,
    *,
    methods: Iterable[MethodLike] | MethodLike | None = None,
    datasets: str | Iterable[str] = (),
    seeds: int | Iterable[int] = (),
    limit_users: int | None = None,
    jobs: int = 1,
    executor: str | JobExecutor = "",
    executor_options: Iterable[str] = (),
    threads: int = 1,
    device: str = "cpu",
    overwrite: Literal["never", "failed", "always"] = "never",
    confine: bool = False,
    profile: Profile = "auto",
    keys: str | Path | None = None,
    store: str | Path = "runs",
    data: str | Path = "data",
    fetch: bool = True,
    trust: bool = False,
    changes: Iterable[str] = (),
    allow_keys: Iterable[str] = (),
    trackers: str | Iterable[str] = (),
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
        jobs: Runs at a time, each in a process of its own; on clusters 1 is as many as have room.
        executor: Where runs are computed: "inline", "processes", "ray", "slurm", the name of an
            entry point, `FILE.py:Class`, or an object; by default processes where `jobs` is more
            than 1.
        executor_options: Options of a named executor, e.g. ["address=auto"] of ray.
        threads: Threads of one run; part of a run's identity.
        device: "cpu", "cuda", "cuda:1", ...
        overwrite: Which finished runs are done again.
        confine: Keep the processes of methods from reading the answer keys and the store; Linux.
        profile: For suites with [models] tables: "paper" uses them, "laptop" takes nano and the
            offline teacher instead; "auto" is "laptop" on a CPU. Part of a run's identity.
        keys: Folder of the answer keys, by default `$BENCHKIT_KEYS` or one of the user's state.
        store: Folder of the run records.
        data: Folder of the prepared datasets.
        fetch: Fetch public data that are missing before anything is computed; otherwise they are
            an error.
        trust: Let code run that a suite file names, wherever the file is from. Without it such code
            runs where file and code lie in the current folder.
        changes: Values of the suite's file to change, e.g. ["decoding.n=1"].
        allow_keys: Which API key may go to which server besides OpenAI's to OpenAI and to this
            machine, e.g. ["MY_KEY=gpu01.example.org"].
        trackers: Where runs are copied to as they end: "tensorboard", "mlflow", "wandb", "trackio",
            the name of an entry point or `FILE.py:Class`; by default what `$BENCHKIT_TRACKERS`
            names. One that fails is a warning, and no run depends on it.
        progress: Show progress on the screen, or hand every event to a function.
        on_outcome: Called with the `Outcome` of each run as it ends.

    Returns:
        The results of everything that the store holds of the suite. A run that fails does not
        raise: its row says why, and `results.run_report.n_failed` counts it.

    Raises:
        ConfigError: A suite, a name or a setting is wrong; nothing was computed.
        DataError: A dataset cannot be fetched or read.
        StoreError: The store cannot be read or written.

    Example:
        >>> import benchkit as bk
        >>> results = bk.run(
        ...     "quickstart", methods=["random", "popularity"], limit_users=50, progress=False
        ... )
        >>> results.methods
        ('random', 'popularity')
    """
    folder = None if keys is None else Path(keys)
    with allow_key_pairs(allow_keys), use_answer_keys_folder(folder):
        planned = plan_suite(
            resolve_suite(suite, trust, changes), methods, datasets, seeds,
            {
                "limit_users": limit_users, "jobs": jobs, "threads": threads, "device": device,
                "overwrite": overwrite, "executor": executor, "confine": confine,
                "executor_options": tuple(executor_options),
                "profile": choose_run_profile(profile, changes),
                "store": Path(store), "data": Path(data),
            },
        )  # fmt: skip
        report = _execute(planned, fetch, progress, on_outcome, as_names(trackers))
    return load_results(Path(store), planned.name, data=data, run_report=report)


def _execute(
    planned: RunPlan,
    fetch: bool,
    progress: bool | EventHandler,
    on_outcome: Callable[[Any], None] | None,
    trackers: tuple[str, ...],
) -> RunReport:
    """Compute what is missing, have it judged, and return what was done."""
    options = planned.options
    live = [job.method.name for job in planned.jobs if is_live(job.card.target)]
    executor = make_executor(options.executor, options.jobs, options.executor_options)
    if live and not isinstance(executor, InlineExecutor):
        raise ConfigError(
            f"{', '.join(dict.fromkeys(live))}: lives in this Python process, and runs would be"
            " computed in others",
            "use jobs=1 and the inline executor, or define the class in a file: FILE.py:Class",
        )
    write_frames(planned.suite, options.data)
    records = Store(options.store)
    computed = 0
    linked: Counter[str] = Counter()
    failed = sum("not installed" in str(row.skip_reason) for row in planned.skipped)
    judgements = 0
    with (
        open_handler(progress) as handler,
        open_trackers(trackers, records, handler) as sinks,
    ):
        fetch_missing_files(planned.jobs, options.data, handler, fetch=fetch)
        for outcome in execute_plan(planned, handler):
            computed += outcome.computed
            linked.update([outcome.linked_from] * bool(outcome.linked_from))
            failed += outcome.manifest.status == "failed"
            sinks.log(outcome)
            if on_outcome is not None:
                on_outcome(outcome)
        for judgement in _judge_plan(planned, records, handler):
            judgements += judgement.computed
            failed += judgement.manifest is not None and judgement.manifest.status == "failed"
    return RunReport(
        n_runs=len(planned.jobs),
        n_computed=computed,
        n_failed=failed,
        n_judgements=judgements if planned.judges else None,
        linked=dict(linked),
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
    with make_reporter(console or VisibleConsole(stderr=True)) as reporter:
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
