"""Training on several processes: they are started, watched and waited for by the run, which is one.

The training is written to a folder, PyTorch's launcher (or Accelerate's, with a configuration of
its own) starts as many `benchkit.training.distributed.worker` as there are shares, and what they leave is what
one process would have left: the weights and, until then, checkpoints to go on from.
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
from benchkit.training.distributed import serialization

TRAINING_FILE, PROGRESS_FILE, ERROR_FILE, LOG_FILE = (
    "training.pt",
    "progress.jsonl",
    "error.json",
    "log.txt",
)
_ELSEWHERE = (*CLUSTER_VARIABLES, "GROUP_", "MASTER_", "ROLE_", "TORCHELASTIC_", "LOCAL_WORLD_SIZE")
_ROOT_CAUSE = "Root Cause"  # the launcher's words for what failed first
_LINES, _HEAD = 25, 7  # of the log in a message, and of them what says which process it was
_POLL = 0.1  # seconds
_GRACE = 40.0  # seconds that the launcher has to end its processes; it gives them 30


def launch_training(training: serialization.TrainingJob) -> None:
    """Train on several processes; the weights are in `folder` then.

    Raises what a process raised, MethodError with the end of the log when one ended otherwise, and
    ConfigError when the training cannot be written to a file.
    """
    place = training.folder / "processes"
    shutil.rmtree(place, ignore_errors=True)
    run, config = training.run, training.config
    try:
        serialization.write_training_job(place / TRAINING_FILE, training, place / PROGRESS_FILE)
        with _off_the_gpu(training.model, run.device):
            read = serialization.ProgressReader(place / PROGRESS_FILE, run.progress)
            with (
                io.wrap_io_errors(place / LOG_FILE),
                (place / LOG_FILE).open("wb") as log,
                _started(launch_command(config, place, run.threads), run.threads, log) as process,
            ):
                while process.poll() is None:
                    read()
                    time.sleep(_POLL)
                read()
        if process.returncode:
            raise _failure(place, config.processes, process.returncode)
    finally:
        (place / TRAINING_FILE).unlink(missing_ok=True)  # as large as the model


def launch_command(config: TrainConfig, place: Path, threads: int) -> list[str]:
    """What starts the processes."""
    from benchkit.training.distributed import (
        worker,  # which imports this; so its code is part of a run's id
    )

    module = ["-m", worker.__name__, str(place), str(os.getpid())]
    number = str(config.processes)
    if config.accelerate is None:
        # Without an address it would look the machine up by its name, which may lead nowhere.
        where = ["--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", number]
        return [sys.executable, "-m", "torch.distributed.run", *where, *module]
    with_file = ["--config_file", str(config.accelerate), "--num_processes", number]
    # The precision of the forward pass is set within it; here, "bf16" would round the weights.
    own = ["--main_process_port", "0", "--mixed_precision", "no"]
    own += ["--num_cpu_threads_per_process", str(threads)]
    return [sys.executable, "-m", "accelerate.commands.launch", *with_file, *own, *module]


def worker_environment(given: Mapping[str, str], threads: int) -> dict[str, str]:
    """This process's, without what another launcher or the training around left in it.

    Modules are found where they are found here.
    """
    kept = {name: value for name, value in given.items() if not name.startswith(_ELSEWHERE)}
    paths = [path or str(Path.cwd()) for path in sys.path]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": str(threads),
    }


@contextmanager
def _started(command: Sequence[str], threads: int, log: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The launcher; when this is left, for whatever reason, it and its processes have ended."""
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
            process.kill()  # its processes see that it has gone
            process.wait()


@contextmanager
def _off_the_gpu(model: Any, device: str) -> Iterator[None]:
    """Make room for the process that trains on the GPU on which the model is."""
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
    """The lines of a launcher's log that say what went wrong first, or the last ones."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(_ROOT_CAUSE)]
    if not starts:
        return lines[-_LINES:]
    own = [line for line in lines[starts[-1] :] if line.strip("=")]
    return own if len(own) <= _LINES else [*own[:_HEAD], "  ...", *own[_HEAD - _LINES :]]


def _failure(place: Path, processes: int, status: int) -> BenchkitError:
    told = place / ERROR_FILE
    if told.is_file():
        error = json.loads(told.read_text(encoding="utf-8"))
        kind: type[BenchkitError] = getattr(errors, error["kind"], MethodError)
        return kind(error["cause"], error["hint"])
    shown = "\n".join(f"    {line}" for line in failure_excerpt(place / LOG_FILE))
    return MethodError(
        f"training on {processes} processes ended with status {status}; {LOG_FILE} says:\n{shown}",
        "fix what it says and run again: training goes on from its last checkpoint",
    )
