"""The state of the process while a model is trained in it."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from benchkit.errors import ConfigError
from benchkit.process_state import isolate_process
from benchkit.training.core.config import Precision

_PACKAGES = ("transformers", "accelerate", "peft")
# Left by a cluster's launcher; with them Accelerate would wait for other processes.
CLUSTER_VARIABLES = ("ACCELERATE_", "FSDP_", "LOCAL_RANK", "RANK", "WORLD_SIZE")


@contextmanager
def training_context(device: str, *packages: str) -> Iterator[None]:
    """Isolate the process for training on one device, with the needed packages imported.

    `packages` are needed besides those of every training.

    Raises:
        ConfigError: A package is not installed.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(isolate_process(device, *_PACKAGES, *packages))
        except ModuleNotFoundError as error:
            hint = "pip install 'benchkit[lm]'"
            raise ConfigError(f"language models cannot be trained: {error}", hint) from error
        for name in [name for name in os.environ if name.startswith(CLUSTER_VARIABLES)]:
            del os.environ[name]
        os.environ["ACCELERATE_TORCH_DEVICE"] = device
        yield


def autocast(precision: Precision, device: str) -> AbstractContextManager[None]:
    """Run forward passes in this precision; parameters keep theirs."""
    import torch

    low = precision == "bfloat16"
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=low)
