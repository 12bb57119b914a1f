"""Leave the process as it was: undo what libraries change when they are imported and used.

Training libraries behave like programs: they seed every global generator, write to the
environment, set the level of loggers and add handlers to them, print progress bars, and switch
PyTorch's settings. `isolate_process` undoes all of this; some parts can be used alone.
"""

import importlib
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

_ABSENT = object()
_HUGGING_FACE = ("accelerate", "datasets", "huggingface_hub", "peft", "transformers", "trl")
_SINGLETONS = ("PartialState", "AcceleratorState", "GradientState")


@contextmanager
def isolate_process(device: str, *packages: str) -> Iterator[None]:
    """Use libraries quietly, and leave the process as it was.

    Restored are the environment, the working directory, warning filters, loggers, the states of all
    global random generators, PyTorch's settings, and what Accelerate knows of the process. Modules
    stay imported. Inside, warnings are off, and so are the progress bars and all messages below
    errors of those libraries of Hugging Face that are imported.

    Args:
        device: Where PyTorch computes.
        packages: What is imported first.

    Raises:
        ModuleNotFoundError: PyTorch or one of `packages` is not installed.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.callback(_restore_environment, dict(os.environ))
        stack.callback(os.chdir, Path.cwd())
        stack.callback(_restore_loggers, _logger_states(), logging.root.manager.disable)
        stack.enter_context(preserve_torch_settings())
        stack.enter_context(preserve_random_states(device))
        for package in packages:
            importlib.import_module(package)
        stack.enter_context(silence_hugging_face())
        stack.callback(_restore_accelerate, [dict(state) for state in _accelerate_states()])
        for state in _accelerate_states():
            state.clear()
        yield


@contextmanager
def patch_attributes(owner: Any, values: Mapping[str, Any]) -> Iterator[None]:
    """Set attributes of `owner`, and restore them afterwards."""
    before = {name: vars(owner).get(name, _ABSENT) for name in values}
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


@contextmanager
def preserve_random_states(device: str) -> Iterator[None]:
    """Restore the states of the global generators, on the CPU and on a CUDA device."""
    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    on_cuda = device.startswith("cuda") or torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    cuda = torch.cuda.get_rng_state_all() if on_cuda else None
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


@contextmanager
def preserve_torch_settings() -> Iterator[None]:
    """Restore PyTorch's settings: dtype, determinism, anomaly mode, precision, threads, grad."""
    import torch

    cudnn = torch.backends.cudnn
    settings: tuple[tuple[Callable[..., Any], tuple[Any, ...]], ...] = (
        (torch.set_default_dtype, (torch.get_default_dtype(),)),
        (
            torch.autograd.set_detect_anomaly,
            (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        ),
        (torch.set_float32_matmul_precision, (torch.get_float32_matmul_precision(),)),
        (torch.set_num_threads, (torch.get_num_threads(),)),
        (torch.set_grad_enabled, (torch.is_grad_enabled(),)),
        (setattr, (cudnn, "deterministic", cudnn.deterministic)),
        (setattr, (cudnn, "benchmark", cudnn.benchmark)),
    )
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        settings += ((torch.cuda.set_device, (torch.cuda.current_device(),)),)
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        for change, values in settings:
            change(*values)


@contextmanager
def silence_hugging_face() -> Iterator[None]:
    """Switch off progress bars and messages below errors of Hugging Face's libraries."""
    logs = [logging.getLogger(name) for name in _HUGGING_FACE]
    levels = [log.level for log in logs]
    messages = sys.modules.get("transformers.utils.logging")
    hub = sys.modules.get("huggingface_hub.utils.tqdm")
    bars = messages is not None and messages.is_progress_bar_enabled()
    hub_bars = dict(hub.progress_bar_states) if hub is not None else {}
    try:
        for log in logs:
            log.setLevel(logging.ERROR)
        if messages is not None:
            messages.disable_progress_bar()
        elif hub is not None:
            hub.disable_progress_bars()
        yield
    finally:
        if messages is not None and bars:
            messages.enable_progress_bar()
        if hub is not None:
            hub.progress_bar_states.clear()
            hub.progress_bar_states.update(hub_bars)
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def _restore_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update({k: v for k, v in before.items() if os.environ.get(k) != v})


def _logger_states() -> list[tuple[logging.Logger, Any, Any, Any, bool, bool]]:
    """Return the level, handlers and filters of every logger that there is."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    return [
        (log, log.level, log.handlers[:], log.filters[:], log.propagate, log.disabled)
        for log in loggers
        if isinstance(log, logging.Logger)
    ]


def _restore_loggers(
    before: list[tuple[logging.Logger, Any, Any, Any, bool, bool]], disabled_level: int
) -> None:
    logging.disable(disabled_level)
    for log, level, handlers, filters, propagate, disabled in before:
        if log.level != level:  # setting it empties the caches of all loggers
            log.setLevel(level)
        log.handlers[:], log.filters[:] = handlers, filters
        log.propagate, log.disabled = propagate, disabled


def _accelerate_states() -> list[dict[str, Any]]:
    """Return what Accelerate knows of the process (device, precision), if it is imported."""
    module = sys.modules.get("accelerate.state")
    return [] if module is None else [getattr(module, name)._shared_state for name in _SINGLETONS]


def _restore_accelerate(before: list[dict[str, Any]]) -> None:
    states = _accelerate_states()
    for state, values in zip(states, before or [{} for _ in states], strict=True):
        state.clear()
        state.update(values)
