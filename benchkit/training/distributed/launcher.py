"""Start the processes of a training, watch them, and wait for them.

The training is written to a folder. PyTorch's launcher, or Accelerate's if it has a configuration
file, starts the workers. They leave what one process would have left: the weights and, until
then, checkpoints to resume from.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchkit import errors, io
from benchkit.errors import BenchkitError, MethodError
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.training_context import CLUSTER_VARIABLES
from benchkit.training.core.training_job import TrainingJob
from benchkit.training.distributed import serialization
from benchkit.training.distributed.serialization import (
    ERROR_FILE,
    LOG_FILE,
    PROGRESS_FILE,
    TRAINING_FILE,
)

_FOREIGN_VARIABLES = (
    *CLUSTER_VARIABLES, "GROUP_", "MASTER_", "ROLE_", "TORCHELASTIC_", "LOCAL_WORLD_SIZE",
)  # fmt: skip
_ROOT_CAUSE = "Root Cause"  # the launcher's heading for what failed first
_LINES, _HEAD = 25, 7  # lines of the log in a message, and those of them that name the process
_POLL = 0.1  # seconds
_GRACE = 40.0  # seconds that the launcher has to end its processes; it gives them 30


def launch_training(job: TrainingJob) -> None:
    """Train on several processes, which leave the weights in `job.folder`.

    Raises:
        ConfigError: The training cannot be written to a file.
        MethodError: A process ended without an error of benchkit; has the end of its log.
        BenchkitError: The error that a process raised.
    """
    folder = job.folder / "processes"
    shutil.rmtree(folder, ignore_errors=True)
    run, config = job.run, job.config
    try:
        serialization.write_training_job(folder / TRAINING_FILE, job, folder / PROGRESS_FILE)
        serialization.reserve_reports(folder, config.processes)
        with _release_gpu(job.model, run.device):
            read = serialization.ProgressReader(folder / PROGRESS_FILE, run.progress)
            command = launch_command(config, folder, run.threads)
            with (
                io.wrap_io_errors(folder / LOG_FILE),
                (folder / LOG_FILE).open("wb") as log,
                _run_launcher(command, run.threads, log) as process,
            ):
                while process.poll() is None:
                    read()
                    time.sleep(_POLL)
                read()
        if process.returncode:
            raise _failure(folder, config.processes, process.returncode)
    finally:
        (folder / TRAINING_FILE).unlink(missing_ok=True)  # as large as the model


def launch_command(config: TrainConfig, folder: Path, threads: int) -> list[str]:
    """Return the command that starts the processes of the training in `folder`."""
    # By its name alone, a change of the worker's code would not change the id of a run.
    from benchkit.training.distributed import worker

    module = ["-m", worker.__name__, str(folder), str(os.getpid())]
    number = str(config.processes)
    if config.accelerate is None:
        # Without an address it would look up the machine by its name, which may not resolve.
        options = ["--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", number]
        return [sys.executable, "-m", "torch.distributed.run", *options, *module]
    options = ["--config_file", str(config.accelerate), "--num_processes", number]
    # The precision of the forward pass is set by the trainer; here, "bf16" would round the weights.
    options += ["--main_process_port", "0", "--mixed_precision", "no"]
    options += ["--num_cpu_threads_per_process", str(threads)]
    return [sys.executable, "-m", "accelerate.commands.launch", *options, *module]


def worker_environment(environment: Mapping[str, str], threads: int) -> dict[str, str]:
    """Return `environment` for workers, without the variables of other launchers.

    Workers import modules from the same paths as this process.
    """
    clean = {n: value for n, value in environment.items() if not n.startswith(_FOREIGN_VARIABLES)}
    paths = [path or str(Path.cwd()) for path in sys.path]
    return {
        **clean,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": str(threads),
    }


@contextmanager
def _run_launcher(
    command: Sequence[str], threads: int, log: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the launcher; on leaving, for whatever reason, it and its processes have ended."""
    process = subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=worker_environment(os.environ, threads),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()  # its processes notice and end
            process.wait()


@contextmanager
def _release_gpu(model: Any, device: str) -> Iterator[None]:
    """Move the model off its GPU to make room for the process that trains on it."""
    if not device.startswith("cuda"):
        yield
        return
    import torch

    model.to("cpu")
    torch.cuda.empty_cache()
    try:
        yield
    finally:
        model.to(device)


def failure_excerpt(log: Path) -> list[str]:
    """Return the lines of a launcher's log on the first failure, or its last lines."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(_ROOT_CAUSE)]
    if not starts:
        return lines[-_LINES:]
    cause = [line for line in lines[starts[-1] :] if line.strip("=")]
    if len(cause) <= _LINES:
        return cause
    return [*cause[:_HEAD], "  ...", *cause[_HEAD - _LINES :]]


def _failure(folder: Path, processes: int, status: int) -> BenchkitError:
    path = folder / ERROR_FILE
    if path.is_file():
        error = json.loads(path.read_text(encoding="utf-8"))
        kind: type[BenchkitError] = getattr(errors, error["kind"], MethodError)
        return kind(error["cause"], error["hint"])
    lines = failure_excerpt(folder / LOG_FILE)
    if (fault := io.disk_error(RuntimeError("\n".join(lines)))) is not None:
        return fault
    excerpt = "\n".join(f"    {line}" for line in lines)
    return MethodError(
        f"training on {processes} processes ended with status {status}; {LOG_FILE}:\n{excerpt}",
        "fix the cause and run again: training resumes from its last checkpoint",
    )
