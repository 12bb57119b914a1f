"""What results depend on besides their inputs: benchkit's own files, and versions of packages."""

import hashlib
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

_PACKAGES = ("numpy", "scipy", "polars", "pydantic", "matplotlib", "pillow", "fonttools")
_OMITTED = ("__pycache__",)


@cache
def environment() -> dict[str, str]:
    """Return all that can change a table or a plot of the same records, the same everywhere.

    The hash is of every file of benchkit. `source_hash` follows what can change a number and
    leaves out reports, and texts, which are what a report consists of.
    """
    return {
        "sources": hash_files(Path(__file__).parents[2]),
        "python": platform.python_version(),
        "machine": f"{sys.platform} {platform.machine()}",
        **{name: _version(name) for name in _PACKAGES},
    }


def hash_files(folder: Path) -> str:
    """Return the SHA-256 of the files below a folder and of their paths in it."""
    hasher = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        place = path.relative_to(folder)
        if path.is_file() and not set(place.parts) & set(_OMITTED):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            hasher.update(f"{content} {place.as_posix()}\n".encode())
    return hasher.hexdigest()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
