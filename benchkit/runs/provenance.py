"""Where a number was computed: versions, git revision, hardware. No part of a run id."""

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import benchkit
from benchkit.fingerprint import package_versions

_RECORDED_PACKAGES = (
    "benchkit", "numpy", "scipy", "polars", "torch", "transformers", "peft", "trl", "vllm",
    "recbole", "scikit-learn",
)  # fmt: skip


@cache
def collect_provenance() -> dict[str, Any]:
    """Return what is recorded beside every run so that its numbers can be traced."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "packages": {k: v for k, v in package_versions(_RECORDED_PACKAGES).items() if v},
        "git": _git_revision(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _git_revision() -> str | None:
    """Return the commit of the sources, with '+' if files were changed; None outside a checkout."""
    root = Path(benchkit.__file__).parent.parent
    if not (root / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        return subprocess.run(  # noqa: S603
            # Without locks: git would rewrite its index, and on a full disk, or where it is killed
            # with this process, leave a lock in the user's checkout.
            ["git", "--no-optional-locks", "-C", str(root), *arguments],  # noqa: S607
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
