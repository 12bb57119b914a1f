"""Isolation of RecBole 1.2.1 from the process that imports it.

RecBole is more a program than a library: it reads `sys.argv`, evaluates strings of its
configuration, relies on NumPy names that NumPy 2 removed, seeds every global generator, selects
the visible GPUs through the environment, writes checkpoints and TensorBoard files into the working
directory, talks to the root logger, and one of its modules (`sine`) switches PyTorch's anomaly
detection on for the whole process. `recbole_context` undoes or prevents each of these, with the
help of `benchkit.process_state`; it leaves nothing behind but the imported modules. Call all
functions that import RecBole inside it. `recbole.quick_start` is never imported: it would start
Ray.
"""

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.cf.recbole_models import RECBOLE_PACKAGES, available_models, recbole_dir, yaml_loader
from benchkit import process_state
from benchkit.errors import ConfigError
from benchkit.types import Progress

if TYPE_CHECKING:
    import torch

# RecBole's Config sets eight names that NumPy dropped; its code then uses this one.
_NUMPY_NAMES = {"float": np.float64}


# The process, while RecBole runs in it.


@contextmanager
def recbole_context(device: str) -> Iterator[None]:
    """Import and run RecBole, and leave the process as it was.

    Raises:
        ConfigError: RecBole or a package it needs is not installed.
    """
    with ExitStack() as stack:
        with _wrap_import_errors():
            stack.enter_context(process_state.isolate_process(device))
            stack.enter_context(_quiet())
            trainer = _import_recbole()
        # Only now: a package that is imported meanwhile must not see a name that will vanish.
        stack.enter_context(process_state.patch_attributes(np, _NUMPY_NAMES))
        stack.enter_context(process_state.patch_attributes(trainer, {"get_tensorboard": _NoBoard}))
        yield


def _import_recbole() -> Any:
    """Import the parts of RecBole that are used, and return the module of its trainers."""
    # Anomaly detection must be off while RecBole runs, too.
    with process_state.preserve_torch_settings():
        for package in RECBOLE_PACKAGES:
            importlib.import_module(f"recbole.model.{package}")
        return importlib.import_module("recbole.trainer.trainer")


@contextmanager
def _wrap_import_errors() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        hint = "pip install 'benchkit[recbole]' && pip install --no-deps recbole==1.2.1"
        raise ConfigError(f"RecBole cannot be imported: {error}", hint) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop RecBole's records of the root logger; records of others pass."""
    root, folder = logging.getLogger(), str(recbole_dir())

    def is_foreign(record: logging.LogRecord) -> bool:
        return not record.pathname.startswith(folder)

    root.addFilter(is_foreign)
    try:
        yield
    finally:
        root.removeFilter(is_foreign)


class _NoBoard:
    """A TensorBoard writer that writes nothing; RecBole's would go to the working directory."""

    def __init__(self, *_: Any) -> None:
        pass

    def add_scalar(self, *_: Any) -> None:
        pass

    def add_hparams(self, *_: Any) -> None:
        pass


# RecBole's classes, closed to the outside.


def model_class(model: str) -> Any:
    """Return the class of a RecBole model."""
    return getattr(importlib.import_module(available_models()[model]), model)


def make_config(model: str, values: Mapping[str, Any]) -> Any:
    """Return a RecBole Config of `values` (with `device`) over RecBole's defaults only."""
    import torch
    from recbole.config import Config

    closed = type("Config", (_Closed, Config), {})
    # The dataset's name must be none that RecBole knows: it would bring settings of its own.
    return closed(
        model=model_class(model),
        dataset="benchkit",
        config_dict={**values, "device": torch.device(values["device"])},
    )


class _Closed:
    """Mixin for RecBole's Config: no command line, no `eval`, no environment, no global YAML."""

    final_config_dict: dict[str, Any]

    def compatibility_settings(self) -> None:
        pass

    def _build_yaml_loader(self) -> Any:
        return yaml_loader()

    def _convert_config_dict(self, config_dict: dict[str, Any]) -> dict[str, Any]:
        return config_dict

    def _load_cmd_line(self) -> dict[str, Any]:
        return {}

    def _init_device(self) -> None:
        self.final_config_dict |= {"single_spec": True, "local_rank": 0}


def make_trainer(config: Any, model: "torch.nn.Module", progress: Progress) -> Any:
    """Return RecBole's trainer of a model.

    Its `fit(train_data, valid_data)` expects for `valid_data` a function that returns NDCG@10 on
    the validation cases, or None. It leaves the weights of the best epoch, or of the last.
    """
    from recbole.utils import get_trainer

    base = get_trainer(config["MODEL_TYPE"], config["model"])
    return type("Trainer", (_Reporting, base), {"progress": progress})(config, model)


class _Reporting:
    """Mixin for RecBole's Trainer: progress for its log, memory for its checkpoint files."""

    model: "torch.nn.Module"
    progress: Progress
    best: dict[str, "torch.Tensor"] | None = None

    def fit(self, train_data: Any, valid_data: Callable[[], float] | None) -> None:
        self.validates = valid_data is not None
        super().fit(train_data, valid_data, verbose=False)  # type: ignore[misc]
        if self.best is not None:
            self.model.load_state_dict(self.best)

    def _train_epoch(self, train_data: Any, *args: Any, **kwargs: Any) -> Any:
        loss = super()._train_epoch(train_data, *args, **kwargs)  # type: ignore[misc]
        total = sum(loss) if isinstance(loss, tuple) else loss
        self.note = f"loss {total / len(train_data):.3f}"
        if not self.validates:
            self.progress.advance(note=self.note)
        return loss

    def _valid_epoch(
        self, valid_data: Callable[[], float], **_: Any
    ) -> tuple[float, dict[str, float]]:
        score = valid_data()
        self.progress.advance(note=f"{self.note} ndcg@10 {score:.3f}")
        return score, {"ndcg@10": score}

    def _save_checkpoint(self, *_: Any, **__: Any) -> None:
        self.best = {name: value.clone() for name, value in self.model.state_dict().items()}
