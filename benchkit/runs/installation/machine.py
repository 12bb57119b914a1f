"""Check the machine: GPU, room on the disk, memory, and which data are here."""

import csv
import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from benchkit.count_text import count_text
from benchkit.runs.estimates.machine import measure_free_memory
from benchkit.runs.installation.check import InstallationCheck

_LEAST_DISK_GB = 5.0  # what the quickstart, its packages and a shared cache take
_LEAST_MEMORY_GB = 4.0
_GB = 1024**3
_QUERY = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]


def check_machine(data: Path, store: Path) -> Iterator[InstallationCheck]:
    """Yield a check of the GPU, the disk, the memory and the data.

    Args:
        data: Folder of prepared and raw data.
        store: The run store, which need not exist.
    """
    yield _check_gpu()
    yield _check_disk(store)
    yield _check_memory()
    yield _check_data(data)


def _check_gpu() -> InstallationCheck:
    """Return what nvidia-smi says; nothing is wrong with a machine that has no GPU."""
    without = "none: everything but vLLM runs on CPUs, large language models slowly"
    program = shutil.which("nvidia-smi")
    if program is None:
        return InstallationCheck("GPU", True, without)
    try:
        done = subprocess.run(  # noqa: S603
            [program, *_QUERY], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return InstallationCheck(
            "GPU", False, "nvidia-smi fails", "the driver does not answer", "run nvidia-smi"
        )
    gpus = [[cell.strip() for cell in row] for row in csv.reader(done.stdout.splitlines())]
    names = [f"{row[0]}, {row[1]} MB, driver {row[2]}" for row in gpus if len(row) == 3]
    if not names:
        return InstallationCheck("GPU", True, without)
    if find_spec("torch") is None:
        return InstallationCheck("GPU", True, f"{'; '.join(names)} (without PyTorch it is unused)")
    import torch

    return InstallationCheck(
        "GPU", torch.cuda.is_available(), "; ".join(names),
        f"PyTorch {torch.__version__} cannot use it",
        "install a build of PyTorch with CUDA that this driver supports",
    )  # fmt: skip


def _check_disk(store: Path) -> InstallationCheck:
    place = store.resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / _GB
    is_writable = os.access(place, os.W_OK)
    detail = f"{free:,.1f} GB free for {store}" + ("" if is_writable else ", which is read-only")
    return InstallationCheck(
        "disk", is_writable and free >= _LEAST_DISK_GB, detail,
        "runs, prepared data and trained models are written there",
        "make room, or name another place: benchkit run --out DIR --data DIR",
    )  # fmt: skip


def _check_memory() -> InstallationCheck:
    megabytes = measure_free_memory()
    if megabytes is None:
        return InstallationCheck("memory", True, "unknown")
    free = megabytes / 1024
    return InstallationCheck(
        "memory", free >= _LEAST_MEMORY_GB, f"{free:,.1f} GB free",
        "training a language model, however small, takes some gigabytes",
        "close other programs, or use --jobs 1 and --limit-users",
    )  # fmt: skip


def _check_data(data: Path) -> InstallationCheck:
    """Return how many datasets are prepared, and whether the quickstart's come with RecBole."""
    prepared = len(list(data.glob("*/*/dataset.json"))) + len(list(data.glob("*/dataset.json")))
    raw = data / "raw"
    sizes = [path.stat().st_size for path in raw.rglob("*") if path.is_file()]
    parts = [count_text(prepared, "prepared dataset")]
    if sizes:
        parts.append(f"{count_text(len(sizes), 'raw file')} of {sum(sizes) / _GB:,.1f} GB")
    has_movielens = find_spec("recbole") is not None
    if has_movielens:
        parts.append("MovieLens 100K comes with RecBole")
    return InstallationCheck(
        "data", has_movielens or bool(prepared or sizes), f"in {data}: {', '.join(parts)}",
        "without RecBole there is no MovieLens 100K, which the quickstart runs on",
        'pip install "benchkit[recbole]" && pip install --no-deps recbole==1.2.1; other data:'
        " benchkit data fetch",
    )  # fmt: skip
