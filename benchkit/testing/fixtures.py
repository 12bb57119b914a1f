"""What a test needs to run a recommender: a small dataset, a context, the state of the process."""

import atexit
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchkit import seeds
from benchkit.config.decoding_spec import DecodingSpec
from benchkit.data import sources
from benchkit.data.dataset import PreparedDataset
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.spec import DatasetSpec
from benchkit.runs.progress import SilentProgress
from benchkit.types import Catalog, RunContext


@lru_cache(maxsize=8)
def toy_dataset(**options: int) -> PreparedDataset:
    """Return the generated dataset, prepared with 20 candidates a case."""
    spec = DatasetSpec.model_validate(
        {"name": "toy", "source": "toy", "options": options, "candidates": {"count": 20}}
    )
    return prepare_dataset(sources.read_source("toy", options), spec)


def run_context(
    catalog: Catalog,
    scratch: Path | None = None,
    seed: int = 0,
    cache: Path | None = None,
    decoding: Mapping[str, float] | None = None,
) -> RunContext:
    """Return a context for calling `fit`, `predict` and `sample` without a runner.

    Args:
        catalog: The items that requests speak of.
        scratch: By default a new folder, which is removed when this process ends.
        seed: Of the run.
        cache: By default one folder for this process, as the runs of a store share one.
        decoding: By default that of a suite without `[decoding]`.
    """
    return RunContext(
        seed=seed,
        catalog=catalog,
        scratch=scratch or make_test_folder("scratch-"),
        progress=SilentProgress(),
        cache=cache or _cache_folder(),
        decoding=DecodingSpec().model_dump() if decoding is None else decoding,
    )


@lru_cache(maxsize=1)
def _cache_folder() -> Path:
    return make_test_folder("cache-")


def make_test_folder(prefix: str) -> Path:
    """Make an empty folder that is removed when this process ends."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=_parent_folder(os.getpid())))


@lru_cache(maxsize=1)
def _parent_folder(process: int) -> Path:
    """Make the one folder that holds all folders of this process; a forked process has its own."""
    folder = Path(tempfile.mkdtemp(prefix="benchkit-test-"))
    atexit.register(_remove_folder, folder, process)
    return folder


def _remove_folder(folder: Path, process: int) -> None:
    if os.getpid() == process:  # a forked process inherits what its parent registered
        shutil.rmtree(folder, ignore_errors=True)


def capture_process_state() -> dict[str, object]:
    """Return the process-wide state that a recommender must not change."""
    state: dict[str, object] = {
        "random": seeds.derive(random.getstate()),
        "numpy": seeds.derive(str(np.random.get_state())),  # noqa: NPY002
        "argv": tuple(sys.argv),
        "cwd": sorted(path.name for path in Path.cwd().iterdir()),
    }
    if find_spec("torch") is not None:  # loaded now, so that its state is seen from the start on
        import torch

        state["torch"] = seeds.derive(*torch.get_rng_state().tolist())
        state["anomaly"] = torch.is_anomaly_enabled()
        state["dtype"] = str(torch.get_default_dtype())
    return state
