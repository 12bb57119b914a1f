"""Compute runs as one array of jobs of Slurm's, through submitit; the disk must be a shared one."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt

from benchkit.errors import ConfigError, StoreError
from benchkit.files.growing_file import GrowingFile
from benchkit.runs.cluster.shipment import RunResult
from benchkit.runs.cluster.transfer import SharedRun, SharedRuns, compute_shared, share_job
from benchkit.runs.execution import fail_job
from benchkit.runs.executors.requirements import require_importable
from benchkit.runs.executors.resources import estimate_resources
from benchkit.runs.executors.slurm_scripts import export_scripts
from benchkit.runs.job import Job, Outcome
from benchkit.runs.progress import EventHandler, RunEvent

_POLL_SECONDS = 1.0
_LOCAL_POLL_SECONDS = 0.1
FOLDER = ".slurm"  # of a store: what submitit writes, and what runs say


class SlurmConfig(BaseModel):
    """Options of the executor `slurm`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    partition: str = ""
    """Partition, by default Slurm's own choice."""
    account: str = ""
    """Account that is charged, by default your own."""
    qos: str = ""
    """Quality of service, by default the account's."""
    time: PositiveInt = 24 * 60
    """Minutes that a run may take. One that takes longer is put back into the queue, and its
    training goes on from its last checkpoint."""
    mem_gb: PositiveFloat | None = None
    """Memory of a run in GB, by default what the methods' cards say, else Slurm's own choice."""
    cpus: PositiveInt | None = None
    """CPUs of a run, by default its threads, times the processes of its training."""
    gres: str = ""
    """Generic resources of a run, e.g. "gpu:a100:1"; by default the GPUs that it needs."""
    constraint: str = ""
    """Features that a machine must have, e.g. "a100"."""
    retries: NonNegativeInt = 2
    """How often a run begins anew whose process was lost; Slurm itself puts back those whose
    machine was."""
    export: Path | None = None
    """Write the scripts to this folder, and submit nothing."""
    cluster: Literal["slurm", "local"] = "slurm"
    """"local" runs the same jobs as processes of this machine, to try them out."""


class SlurmExecutor:
    """Computes the runs of a suite as one array of jobs.

    Args:
        workers: Runs at a time; 1 is as many as Slurm starts.
        config: Options.
    """

    Config = SlurmConfig

    def __init__(self, workers: int = 1, config: SlurmConfig | None = None) -> None:
        self._workers, self._config = workers, config or SlurmConfig()

    def execute(self, jobs: Sequence[Job], emit: EventHandler) -> Iterator[Outcome]:
        """Yield each outcome as it comes; cancels the array when it is interrupted."""
        require_importable(jobs)
        if not jobs:
            return
        parameters = array_parameters(jobs, self._config, self._workers)
        if self._config.export is not None:
            yield from export_scripts(jobs, self._config.export, parameters, emit)
        else:
            yield from _Array(jobs, self._config, parameters).outcomes(emit)


def array_parameters(jobs: Sequence[Job], config: SlurmConfig, workers: int) -> dict[str, Any]:
    """Return the options of sbatch, without dashes; an array has one set for all of its jobs."""
    needs = [estimate_resources(job, memory_gb=config.mem_gb) for job in jobs]
    gpus = max(need.gpus for need in needs)
    memory = max(need.memory_gb for need in needs)
    parameters = {
        "partition": config.partition, "account": config.account, "qos": config.qos,
        "constraint": config.constraint, "time": config.time,
        "cpus-per-task": config.cpus or max(need.cpus for need in needs),
        "mem": f"{memory * 1024:.0f}M" if memory else "",
        "gres": config.gres or (f"gpu:{-(-gpus // 1):.0f}" if gpus else ""),
        "array-parallelism": workers if workers > 1 else len(jobs),
    }  # fmt: skip
    return {name: value for name, value in parameters.items() if value}


@dataclass(frozen=True)
class ArrayTask:
    """One job of an array, as Slurm starts it."""

    run: SharedRun
    events: Path
    """What the run does is written here, a line each."""

    def __call__(self) -> RunResult:
        with self.events.open("a", encoding="utf-8") as file:

            def emit(event: RunEvent) -> None:
                file.write(json.dumps(asdict(event)) + "\n")
                file.flush()

            return compute_shared(self.run, emit)

    def checkpoint(self, *_: object) -> Any:
        """Return what submitit puts back into the queue where time is up: the same once more."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


@dataclass
class _Task:
    """A job that was submitted."""

    job: Job
    handle: Any
    events: GrowingFile


class _Array:
    """The jobs of an array that are not done yet."""

    def __init__(
        self, jobs: Sequence[Job], config: SlurmConfig, parameters: dict[str, Any]
    ) -> None:
        self._jobs, self._config = jobs, config
        self._folder = jobs[0].store.resolve() / FOLDER
        self._executor = make_submitter(self._folder, config, parameters)
        self._transfer = SharedRuns()
        self._losses: Counter[str] = Counter()
        self._tasks: list[_Task] = []
        self._poll = _LOCAL_POLL_SECONDS if config.cluster == "local" else _POLL_SECONDS

    def outcomes(self, emit: EventHandler) -> Iterator[Outcome]:
        """Yield each outcome as it comes."""
        try:
            self._submit(self._jobs)
            while self._tasks:
                for task in [*self._tasks]:
                    is_done = task.handle.done()
                    _show_events(task, emit)
                    if is_done and (outcome := self._end(task, emit)) is not None:
                        yield outcome
                if self._tasks:
                    time.sleep(self._poll)
        finally:
            for task in self._tasks:
                task.handle.cancel(check=False)
            _wait_for_end(self._tasks)
            for task in self._tasks:
                task.events.path.unlink(missing_ok=True)

    def _submit(self, jobs: Sequence[Job]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        stamp = f"{time.time_ns():x}"
        events = [self._folder / f"events-{stamp}-{number}.jsonl" for number in range(len(jobs))]
        tasks = [ArrayTask(share_job(job), path) for job, path in zip(jobs, events, strict=True)]
        handles = self._executor.map_array(ArrayTask.__call__, tasks)
        new = zip(jobs, handles, events, strict=True)
        self._tasks += [_Task(job, handle, GrowingFile(path)) for job, handle, path in new]

    def _end(self, task: _Task, emit: EventHandler) -> Outcome | None:
        """Return the outcome of a task that has ended; None where its run begins anew."""
        self._tasks.remove(task)
        task.events.path.unlink(missing_ok=True)
        import submitit

        try:
            result: RunResult = task.handle.result()
        except submitit.core.utils.FailedJobError as error:
            raise StoreError(f"{task.job.title}: {error}", "report this: it is a defect") from error
        except submitit.core.utils.UncompletedJobError as error:
            return self._retry(task.job, str(error).partition("\n")[0], emit)
        return self._transfer.receive(task.job, result, emit)

    def _retry(self, job: Job, cause: str, emit: EventHandler) -> Outcome | None:
        self._losses[job.run_id] += 1
        times = self._losses[job.run_id]
        if times > self._config.retries:
            return fail_job(job, f"lost {times} times, at last: {cause}", emit)
        emit(RunEvent("waiting", job.title, note=f"it begins anew: {cause}"))
        self._submit([job])
        return None


def _show_events(task: _Task, emit: EventHandler) -> None:
    """Emit what a run has said since the last time, but for its end, which its result says."""
    for line in task.events.read_new_lines():
        event = RunEvent(**json.loads(line))
        if event.kind in ("started", "progress"):
            emit(event)


def make_submitter(folder: Path, config: SlurmConfig, parameters: dict[str, Any]) -> Any:
    """Return submitit's executor.

    Args:
        folder: For its files.
        config: Options.
        parameters: Those of `array_parameters`.

    Raises:
        ConfigError: submitit or Slurm is not here.
    """
    try:
        import submitit
    except ImportError:
        raise ConfigError(
            "executor 'slurm' needs submitit, which is not installed",
            'pip install "benchkit[slurm]"',
        ) from None
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=config.cluster)
    except RuntimeError as error:
        raise ConfigError(
            f"executor 'slurm': {error}", "run it on a machine that has sbatch, or export=DIR"
        ) from None
    names = {"time": "timeout_min", "cpus-per-task": "cpus_per_task"}
    slurm = {
        names.get(name, f"slurm_{name.replace('-', '_')}"): value
        for name, value in parameters.items()
    }
    executor.update_parameters(name="benchkit", **slurm)
    return executor


def _wait_for_end(tasks: Sequence[_Task]) -> None:
    """Wait a moment for tasks that were cancelled, so that their locks are free."""
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline and not all(task.handle.done() for task in tasks):
        time.sleep(_LOCAL_POLL_SECONDS)
