"""Sources: each reads one public format and returns RawData. Loaded by name, when used.

A source is a module with `read(**options) -> RawData` and `files(**options) -> list[Path]`, the
files that it reads: when one of them changes, the dataset is prepared anew.
"""

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from benchkit.data.raw import RawData
from benchkit.errors import ConfigError, unknown_name_error

SOURCES = {
    "amazon2018": "benchkit.data.sources.amazon2018",
    "amazon2023": "benchkit.data.sources.amazon2023",
    "beeradvocate": "benchkit.data.sources.beeradvocate",
    "lastfm": "benchkit.data.sources.lastfm",
    "ml-100k": "benchkit.data.sources.ml100k",
    "movielens": "benchkit.data.sources.movielens",
    "steam": "benchkit.data.sources.steam",
    "table": "benchkit.data.sources.table",
    "toy": "benchkit.data.sources.toy",
}
PATH_OPTIONS = ("folder", "interactions", "items", "meta", "reviews")  # options that name files


def resolve_paths(options: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`options` with relative paths below `folder`."""
    return {
        key: str(folder / value) if key in PATH_OPTIONS and isinstance(value, str) else value
        for key, value in options.items()
    }


def read_source(source: str, options: dict[str, Any]) -> RawData:
    """Read `source`. Raises ConfigError for a name or an option that does not exist."""
    result: RawData = _module(source, options).read(**options)
    return result


def file_signatures(source: str, options: dict[str, Any]) -> list[tuple[str, int, int]]:
    """(name, size, time of change) of each file that the source reads."""
    paths: list[Path] = _module(source, options).files(**options)
    return [(p.name, s.st_size, s.st_mtime_ns) for p in paths if p.is_file() for s in [p.stat()]]


def data_source_file(source: str) -> Path:
    """The file that reads `source`."""
    return Path(str(_module(source).__file__))


def describe_sources() -> dict[str, str]:
    """Source name -> first line of its documentation."""
    return {name: (_module(name).read.__doc__ or "").partition("\n")[0] for name in SOURCES}


def _module(source: str, options: dict[str, Any] | None = None) -> ModuleType:
    if source not in SOURCES:
        raise unknown_name_error("dataset source", source, SOURCES)
    module = importlib.import_module(SOURCES[source])
    if options is not None:
        signature = inspect.signature(module.read)
        try:
            signature.bind(**options)
        except TypeError as error:
            accepted = ", ".join(signature.parameters) or "no options"
            raise ConfigError(
                f"dataset source {source!r}: {error}", f"it takes {accepted}"
            ) from None
    return module
