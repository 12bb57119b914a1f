"""What is installed, what is missing, and what to do about it."""

import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata

from benchkit.errors import BenchkitError
from benchkit.identity import package_versions
from benchkit.registry import cards

_MENDS = {
    # RecBole's own pins cannot be met on today's Python, and it does not need what they name.
    "recbole": 'pip install "benchkit[recbole]" && pip install --no-deps recbole==1.2.1',
    "torch": 'pip install "benchkit[torch]"',
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. required: benchkit does not work at all without it."""

    what: str
    ok: bool
    found: str
    why: str = ""
    mend: str = ""
    required: bool = False


def examine() -> list[Finding]:
    """Everything that benchkit and its methods need, in the order of importance."""
    return [_python(), *_own_packages(), *_method_packages(), _recbole_needs(), _catalogs()]


def _python() -> Finding:
    ok = sys.version_info >= (3, 11)
    return Finding(
        "Python", ok, platform.python_version(), "benchkit needs 3.11 or later",
        "create the environment with a newer Python", required=True,
    )  # fmt: skip


def _own_packages() -> Iterable[Finding]:
    for name, version in package_versions(_required("benchkit", extra=None)).items():
        yield Finding(
            name, version is not None, version or "not installed", "benchkit itself needs it",
            f"pip install {name}", required=True,
        )  # fmt: skip


def _method_packages() -> Iterable[Finding]:
    needed_by: dict[str, list[str]] = {}
    for card in cards().values():
        for package in card.packages:
            needed_by.setdefault(package, []).append(card.name)
    own = _required("benchkit", extra=None)
    for name, version in package_versions(n for n in needed_by if n not in own).items():
        methods = ", ".join(needed_by[name][:4]) + (", ..." if len(needed_by[name]) > 4 else "")
        yield Finding(
            name, version is not None, version or "not installed", f"needed by {methods}",
            _MENDS.get(name, f"pip install {name}"),
        )  # fmt: skip


def _recbole_needs() -> Finding:
    missing = [
        name
        for name, version in package_versions(_required("benchkit", extra="recbole")).items()
        if version is None
    ]
    return Finding(
        "what RecBole imports", not missing,
        f"not installed: {', '.join(missing)}" if missing else "all there",
        "recbole/* methods need these beside RecBole itself", 'pip install "benchkit[recbole]"',
    )  # fmt: skip


def _catalogs() -> Finding:
    try:
        number = len(cards())
    except BenchkitError as error:
        return Finding("method catalogs", False, error.cause, mend=error.mend, required=True)
    return Finding(
        "method catalogs", number > 0, f"{number} methods", "no catalog of methods was found",
        "pip install -e . (the entry points are written at installation)", required=True,
    )  # fmt: skip


def _required(distribution: str, extra: str | None) -> list[str]:
    """Names of the distributions that `distribution` requires, of one extra or of none."""
    names = []
    for line in metadata.requires(distribution) or []:
        requirement, _, marker = line.partition(";")
        if (f'extra == "{extra}"' in marker.replace("'", '"')) if extra else "extra" not in marker:
            names.append(
                requirement.split("[")[0].split(">")[0].split("=")[0].split("<")[0].strip()
            )
    return names
