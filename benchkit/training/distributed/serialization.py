"""A training as one file, for other processes: the model, its examples, the loss and the settings.

Losses and validation scores are often closures. They are written by cloudpickle together with the
model, so that what they refer to (the calibrator, the model itself) is the same object when it is
read again; the handle for showing progress becomes one that writes to a file.
"""

import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from benchkit import io
from benchkit.errors import ConfigError
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.trainer import Objective
from benchkit.types import Progress, RunContext

_UNSENT = (pickle.PicklingError, TypeError, AttributeError, NotImplementedError, RecursionError)


@dataclass(frozen=True)
class TrainingJob:
    """All that a training consists of; what it leaves goes to `folder`."""

    model: Any
    examples: Sequence[Any]
    objective: Objective[Any]
    config: TrainConfig
    run: RunContext
    validate: Callable[[Any], float] | None
    validation: Sequence[Any] | None
    folder: Path


class ProgressWriter:
    """A Progress that another process reads: one JSON line a call, unless `path` is None."""

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
    """Repeats what a `Written` was told. It may be called again and again while that goes on."""

    def __init__(self, path: Path, progress: Progress) -> None:
        self._path, self._progress, self._at = path, progress, 0

    def __call__(self) -> None:
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            file.seek(self._at)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        for line in whole.splitlines():
            name, *given = json.loads(line)
            getattr(self._progress, name)(*given)


def write_training_job(path: Path, training: TrainingJob, progress: Path) -> None:
    """progress: the file that is told of it. Raises ConfigError when a part cannot be written."""
    try:
        import cloudpickle
    except ModuleNotFoundError as error:
        raise ConfigError(
            "training on several processes needs cloudpickle", "pip install cloudpickle"
        ) from error
    told = training.run.progress

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            if obj is told:
                return ProgressWriter, (progress,)
            return super().reducer_override(obj)

    module = SimpleNamespace(__name__="cloudpickle", Pickler=Pickler)
    with io.wrap_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.save(training, path, pickle_module=module, pickle_protocol=5)
        except _UNSENT as error:
            raise ConfigError(
                "the training cannot be given to several processes, for its model, its loss or its"
                f" validation score cannot be written: {error}",
                "processes = 1, or a loss and a score without what is bound to this process",
            ) from error


def read_training_job(path: Path, silent: bool = False) -> TrainingJob:
    """What `write` wrote, on the CPU; silent: nothing is told of its progress."""
    training: TrainingJob = torch.load(path, map_location="cpu", weights_only=False, mmap=True)
    if silent and isinstance(training.run.progress, ProgressWriter):
        training.run.progress.path = None
    return training
