"""The process, while a model is trained in it."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from benchkit.errors import ConfigError
from benchkit.isolation import isolated
from benchkit.tuning.config import Precision

_PACKAGES = ("transformers", "accelerate", "peft")
# Left by a cluster's launcher; with them Accelerate would wait for other processes.
CLUSTER = ("ACCELERATE_", "FSDP_", "LOCAL_RANK", "RANK", "WORLD_SIZE")


@contextmanager
def tuning_process(device: str) -> Iterator[None]:
    """`isolated` with what training needs imported, for one process on one device.

    Raises ConfigError when a package is not installed.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(isolated(device, *_PACKAGES))
        except ModuleNotFoundError as error:
            mend = "pip install 'benchkit[lm]'"
            raise ConfigError(f"language models cannot be trained: {error}", mend) from error
        for name in [name for name in os.environ if name.startswith(CLUSTER)]:
            del os.environ[name]
        os.environ["ACCELERATE_TORCH_DEVICE"] = device
        yield


def computed_in(precision: Precision, device: str) -> AbstractContextManager[None]:
    """Forward passes in this precision; parameters keep their own."""
    import torch

    low = precision == "bfloat16"
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=low)
