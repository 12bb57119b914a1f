"""A training job as one file, for other processes.

Losses and validation scores are often closures. cloudpickle writes them together with the model,
so that what they refer to (the calibrator, the model itself) is the same object when it is read;
the progress display becomes one that writes to a file.
"""

import json
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from benchkit import io
from benchkit.errors import BenchkitError, ConfigError
from benchkit.files.growing_file import GrowingFile
from benchkit.training.core.training_job import TrainingJob
from benchkit.types import Progress

TRAINING_FILE = "training.pt"
PROGRESS_FILE = "progress.jsonl"
ERROR_FILE = "error.json"
LOG_FILE = "log.txt"
_REPORT_BYTES = 16 * 1024
# What objects raise that cannot be written to a file; some of PyTorch's refuse by the fourth.
_UNPICKLABLE = (
    pickle.PicklingError, TypeError, AttributeError, NotImplementedError, RecursionError,
)  # fmt: skip


class ProgressWriter:
    """A Progress that writes one JSON line per call, for another process; silent without a path."""

    def __init__(self, path: Path | None) -> None:
        self.path: Path | None = path

    def start(self, what: str, total: int | None = None) -> None:
        self._write(["start", what, total])

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._write(["advance", steps, note])

    def _write(self, call: list[Any]) -> None:
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(call) + "\n")


class ProgressReader:
    """Repeat the calls that a `ProgressWriter` has written since the last time."""

    def __init__(self, path: Path, progress: Progress) -> None:
        self._calls, self._progress = GrowingFile(path), progress

    def __call__(self) -> None:
        for line in self._calls.read_new_lines():
            name, *arguments = json.loads(line)
            getattr(self._progress, name)(*arguments)


def reserve_reports(folder: Path, processes: int) -> None:
    """Take the room on the disk for `write_report`: the error may be that the disk is full."""
    for rank in range(processes):
        path = folder / f"{ERROR_FILE}.{rank}"
        with io.wrap_io_errors(path):
            path.write_bytes(b" " * _REPORT_BYTES)


def write_report(folder: Path, rank: int, error: BenchkitError) -> None:
    """Say which error ends a process; of several processes the last one counts."""
    fields = {"kind": type(error).__name__, "cause": error.cause, "hint": error.hint}
    if len(json.dumps(fields)) > _REPORT_BYTES:
        longest = _REPORT_BYTES // 32  # a character is up to 12 bytes of JSON
        fields |= {"cause": error.cause[:longest], "hint": error.hint[:longest]}
    path = folder / f"{ERROR_FILE}.{rank}"
    with path.open("r+b") as file:  # spaces follow, which JSON allows
        file.write(json.dumps(fields).encode())
    path.rename(folder / ERROR_FILE)


def write_training_job(path: Path, job: TrainingJob, progress_path: Path) -> None:
    """Write a job whose progress will be written to `progress_path`.

    Raises:
        ConfigError: cloudpickle is missing, or a part of the job cannot be pickled.
    """
    try:
        import cloudpickle
    except ModuleNotFoundError as error:
        raise ConfigError(
            "training on several processes needs cloudpickle", "pip install cloudpickle"
        ) from error
    progress = job.run.progress

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            if obj is progress:
                return ProgressWriter, (progress_path,)
            return super().reducer_override(obj)

    module = SimpleNamespace(__name__="cloudpickle", Pickler=Pickler)
    with io.wrap_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.save(job, path, pickle_module=module, pickle_protocol=5)
        except _UNPICKLABLE as error:
            raise ConfigError(
                "the training cannot be sent to several processes, because its model, its loss or"
                f" its validation score cannot be pickled: {error}",
                "set processes = 1, or keep the loss and the score free of open files, locks and"
                " connections",
            ) from error


def read_training_job(path: Path, silent: bool = False) -> TrainingJob:
    """Read a job onto the CPU; a silent one reports no progress."""
    job: TrainingJob = torch.load(path, map_location="cpu", weights_only=False, mmap=True)
    if silent and isinstance(job.run.progress, ProgressWriter):
        job.run.progress.path = None
    return job
