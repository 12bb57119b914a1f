"""Check what is installed and what is missing, with what to do about it."""

import platform
import re
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata

from benchkit.cards import list_cards
from benchkit.count_text import count_text
from benchkit.errors import BenchkitError
from benchkit.fingerprint import package_versions

_HINTS = {
    # RecBole's own pins cannot be met on today's Python, and it does not need what they name.
    "recbole": 'pip install "benchkit[recbole]" && pip install --no-deps recbole==1.2.1',
    "torch": 'pip install "benchkit[torch]"',
}


@dataclass(frozen=True)
class InstallationCheck:
    """The result of one check."""

    subject: str
    ok: bool
    detail: str
    reason: str = ""
    hint: str = ""
    required: bool = False
    """Whether benchkit does not work at all without it."""


def check_installation() -> list[InstallationCheck]:
    """Check all that benchkit and its methods need, in the order of importance."""
    return [
        _check_python(),
        *_check_core_packages(),
        *_check_method_packages(),
        _check_recbole_packages(),
        _check_catalogs(),
        _check_ray(),
        _check_slurm(),
    ]


def _check_python() -> InstallationCheck:
    ok = sys.version_info >= (3, 11)
    return InstallationCheck(
        "Python", ok, platform.python_version(), "benchkit needs 3.11 or later",
        "create the environment with a newer Python", required=True,
    )  # fmt: skip


def _check_core_packages() -> Iterable[InstallationCheck]:
    for name, version in package_versions(_required_distributions("benchkit")).items():
        yield InstallationCheck(
            name, version is not None, version or "not installed", "benchkit itself needs it",
            f"pip install {name}", required=True,
        )  # fmt: skip


def _check_method_packages() -> Iterable[InstallationCheck]:
    methods: dict[str, list[str]] = {}  # package -> methods that need it
    for card in list_cards().values():
        for package in card.packages:
            methods.setdefault(package, []).append(card.name)
    for name in _required_distributions("benchkit"):
        methods.pop(name, None)
    for name, version in package_versions(methods).items():
        names = ", ".join(methods[name][:4]) + (", ..." if len(methods[name]) > 4 else "")
        yield InstallationCheck(
            name, version is not None, version or "not installed", f"needed by {names}",
            _HINTS.get(name, f"pip install {name}"),
        )  # fmt: skip


def _check_recbole_packages() -> InstallationCheck:
    versions = package_versions(_required_distributions("benchkit", extra="recbole"))
    missing = [name for name, version in versions.items() if version is None]
    return InstallationCheck(
        "what RecBole imports", not missing,
        f"not installed: {', '.join(missing)}" if missing else "all there",
        "recbole/* methods need these beside RecBole itself", 'pip install "benchkit[recbole]"',
    )  # fmt: skip


def _check_catalogs() -> InstallationCheck:
    try:
        number = len(list_cards())
    except BenchkitError as error:
        return InstallationCheck(
            "method catalogs", False, error.cause, hint=error.hint, required=True
        )
    return InstallationCheck(
        "method catalogs", number > 0, count_text(number, "method"),
        "no catalog of methods was found",
        "pip install -e . (the entry points are written at installation)", required=True,
    )  # fmt: skip


def _check_ray() -> InstallationCheck:
    version = package_versions(["ray"])["ray"]
    return InstallationCheck(
        "Ray", version is not None, version or "not installed",
        "needed by --executor ray, which computes runs on several machines",
        'pip install "benchkit[ray]", on every machine',
    )  # fmt: skip


def _check_slurm() -> InstallationCheck:
    version = package_versions(["submitit"])["submitit"]
    sbatch = shutil.which("sbatch")
    detail = f"submitit {version or 'not installed'}, sbatch {sbatch or 'not here'}"
    missing = "submitit" if version is None else "sbatch"
    return InstallationCheck(
        "Slurm", bool(version and sbatch), detail,
        f"--executor slurm needs {missing}",
        'pip install "benchkit[slurm]"' if version is None else "run it where sbatch is; without"
        " it: --executor-option export=DIR writes scripts",
    )  # fmt: skip


def _required_distributions(distribution: str, extra: str = "") -> list[str]:
    """Return the names of what a distribution requires: for one extra, or always."""
    names = []
    for line in metadata.requires(distribution) or []:
        requirement, _, marker = line.partition(";")
        if (f'extra == "{extra}"' in marker.replace("'", '"')) if extra else "extra" not in marker:
            names.append(re.split(r"[\[><=~! ]", requirement, maxsplit=1)[0])
    return names
