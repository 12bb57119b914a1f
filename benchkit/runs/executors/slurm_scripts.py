"""The scripts of an array of Slurm's, to be submitted by hand: `--executor-option export=DIR`."""

import pickle
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchkit import io
from benchkit.errors import ConfigError
from benchkit.runs.cluster.transfer import SharedRun, compute_shared, share_job
from benchkit.runs.execution import describe_planned
from benchkit.runs.job import Job, Outcome
from benchkit.runs.progress import EventHandler, RunEvent
from benchkit.runs.reporters import LineReporter

SCRIPT = "benchkit.sbatch"
_MODULE = "benchkit.runs.executors.slurm_scripts"


def export_scripts(
    jobs: Sequence[Job], folder: Path, parameters: Mapping[str, Any], emit: EventHandler
) -> Iterator[Outcome]:
    """Write an array's script, and a file for each of its jobs; submit nothing.

    What is written can be submitted again: runs that are complete end at once.

    Yields:
        Each job as one that is not done yet.
    """
    folder = folder.resolve()
    for number, job in enumerate(jobs):
        io.write_bytes(folder / f"{number}.job", pickle.dumps(share_job(job)), mode=0o600)
    io.write_text(folder / SCRIPT, _write_script(len(jobs), folder, parameters))
    for job in jobs:
        emit(RunEvent("waiting", job.title, note=f"sbatch {folder / SCRIPT}"))
        yield Outcome(job, describe_planned(job), computed=False)


def _write_script(count: int, folder: Path, parameters: Mapping[str, Any]) -> str:
    options = dict(parameters)
    array = f"0-{count - 1}%{options.pop('array-parallelism')}"
    lines = [
        "#!/bin/bash",
        "#SBATCH --job-name=benchkit",
        f"#SBATCH --array={array}",
        f"#SBATCH --output={folder}/%a.log",
        "#SBATCH --requeue",
        *(f"#SBATCH --{name}={value}" for name, value in options.items()),
        f'exec {shlex.quote(sys.executable)} -m {_MODULE} {shlex.quote(str(folder))}/"'
        '$SLURM_ARRAY_TASK_ID".job',
    ]
    return "\n".join(lines) + "\n"


def compute_file(path: Path) -> int:
    """Compute the run that a file of `export_scripts` describes, and return an exit code."""
    from benchkit.console import VisibleConsole

    run = pickle.loads(path.read_bytes())  # noqa: S301 (it is as much code as the script beside it)
    if not isinstance(run, SharedRun):
        raise ConfigError(f"{path}: describes no run", "export the scripts again")
    result = compute_shared(run, LineReporter(VisibleConsole()).handle)
    if result.error is not None:
        sys.stderr.write(f"{result.error[1]}\n  hint: {result.error[2]}\n")
    return int(result.error is not None or result.outcome.manifest.status != "complete")


if __name__ == "__main__":
    sys.exit(compute_file(Path(sys.argv[1])))
