"""Check which packages are installed, and which methods need those that are not."""

import platform
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata

from benchkit.cards import list_cards
from benchkit.count_text import count_text
from benchkit.errors import BenchkitError
from benchkit.fingerprint import package_versions
from benchkit.runs.installation.check import InstallationCheck

_HINTS = {
    # RecBole's own pins cannot be met on today's Python, and it does not need what they name.
    "recbole": 'pip install "benchkit[recbole]" && pip install --no-deps recbole==1.2.1',
    "torch": 'pip install "benchkit[torch]"',
}
_FOR_DEVELOPERS = ("all", "notebooks", "docs", "test", "test-slow")  # extras
_REASONS = {
    "lm": "language models in this process need it",
    "openai": "engines, judges and teachers on servers need it",
    "teacher": "the offline teacher and the heuristic judge need it",
    "vllm": 'needed by engine = { kind = "vllm" }, on a machine with a GPU',
    "trl": 'needed by trainer = "trl" of methods that learn from rewards',
    "plots": "needed to draw plots; tables and the page work without",
}


def check_packages() -> Iterator[InstallationCheck]:
    """Yield a check of Python, of each required package, and of each that an extra brings."""
    yield _check_python()
    yield from _check_core_packages()
    yield from _check_method_packages()
    yield _check_recbole_packages()
    yield from _check_other_extras()
    yield _check_catalogs()
    yield _check_ray()
    yield _check_slurm()


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


def _check_other_extras() -> Iterator[InstallationCheck]:
    """Yield a check of each package of an extra for users that no check before has named."""
    checked = {name for card in list_cards().values() for name in card.packages}
    checked |= {*_required_distributions("benchkit", extra="recbole"), "ray", "submitit"}
    extras: dict[str, list[str]] = {}  # package -> extras that bring it
    for extra in metadata.metadata("benchkit").get_all("Provides-Extra") or []:
        if extra not in _FOR_DEVELOPERS:
            for name in _required_distributions("benchkit", extra=extra):
                if name not in checked and name != "benchkit":
                    extras.setdefault(name, []).append(extra)
    for name, version in package_versions(extras).items():
        extra = extras[name][0]
        yield InstallationCheck(
            name, version is not None, version or "not installed",
            _REASONS.get(extra, f"the extra {extra!r} brings it"),
            f'pip install "benchkit[{extra}]"',
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
