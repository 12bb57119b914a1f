"""Sources: each reads one public format and returns RawData. Loaded by name, when used.

Each module defines one `DataSource`; `SOURCES` says where it is found.
"""

import inspect
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from benchkit.data.hash_memory import HashMemory
from benchkit.data.raw import RawData
from benchkit.data.sources.base import DataSource
from benchkit.errors import ConfigError
from benchkit.fingerprint import hash_file
from benchkit.registry import Registry

SOURCES: Registry[DataSource] = Registry(
    "dataset source",
    {
        "amazon2018": "benchkit.data.sources.amazon2018:AMAZON2018",
        "amazon2023": "benchkit.data.sources.amazon2023:AMAZON2023",
        "beeradvocate": "benchkit.data.sources.beeradvocate:BEERADVOCATE",
        "frames": "benchkit.data.sources.frames:FRAMES",
        "huggingface": "benchkit.data.sources.huggingface:HUGGINGFACE",
        "lastfm": "benchkit.data.sources.lastfm:LASTFM",
        "ml-100k": "benchkit.data.sources.ml100k:ML100K",
        "movielens": "benchkit.data.sources.movielens:MOVIELENS",
        "recbole": "benchkit.data.sources.recbole:RECBOLE",
        "steam": "benchkit.data.sources.steam:STEAM",
        "table": "benchkit.data.sources.table:OWN_TABLES",
        "toy": "benchkit.data.sources.toy:TOY",
    },
    "benchkit.sources",
    base=DataSource,
    hint="define a benchkit.data.sources.base.DataSource",
)
PATH_OPTIONS = ("folder", "interactions", "items", "meta", "reviews")  # options that name files


def resolve_paths(options: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return `options` with relative paths below `folder`."""
    return {
        key: str(folder / value) if key in PATH_OPTIONS and isinstance(value, str) else value
        for key, value in options.items()
    }


def read_source(source: str, options: dict[str, Any]) -> RawData:
    """Read `source`. Raises ConfigError for a name or an option that does not exist."""
    return _load_source(source, options).read(**options)


def hash_inputs(
    source: str, options: dict[str, Any], memory: HashMemory | None = None
) -> list[str | None]:
    """Return the SHA-256 of each file that the source may read, None for one that is not there.

    Args:
        source: Its name.
        options: Its options, with full paths.
        memory: Hashes that were computed before.

    Raises:
        DataError: None of them is there; the source says how to get them.
    """
    loaded = _load_source(source, options)
    hash_input = loaded.hash_input
    if hash_input is hash_file and memory is not None:
        hash_input = memory.hash_file
    hashes = [hash_input(path) for path in loaded.input_files(**options)]
    if hashes and not any(hashes):
        read_source(source, options)
    return hashes


def identity_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that say how files are read, without those that say where they are."""
    return {name: value for name, value in options.items() if name not in PATH_OPTIONS}


def data_source_file(source: str) -> Path:
    """Return the source file that defines how `source` is read."""
    return Path(str(inspect.getsourcefile(SOURCES.load(source).read)))


def describe_sources() -> dict[str, str]:
    """Return the first line of documentation of each source, by name."""
    return {name: (SOURCES.load(name).read.__doc__ or "").partition("\n")[0] for name in SOURCES}


def _load_source(name: str, options: dict[str, Any]) -> DataSource:
    """Return a source, after a check that it takes `options`."""
    source = SOURCES.load(name)
    signature = inspect.signature(source.read)
    try:
        signature.bind(**options)
    except TypeError as error:
        accepted = ", ".join(signature.parameters) or "no options"
        raise ConfigError(f"dataset source {name!r}: {error}", f"it takes {accepted}") from None
    try:
        types = get_type_hints(source.read)
    except (NameError, TypeError):  # of somebody's own source: it checks them itself
        types = {}
    for option, value in options.items():
        what = f"dataset source {name!r}: {option} = {value!r:.60}"
        _check_option(what, value, types.get(option))
    return source


def _check_option(what: str, value: Any, kind: Any) -> None:
    """Raise ConfigError where an option is no text, number or choice, and should be.

    Tables and lists are left to the source, which knows more of them.
    """
    if not {kind, *get_args(kind)} & {str, int, float, bool} and get_origin(kind) is not Literal:
        return
    if any(get_origin(part) for part in get_args(kind)):
        return
    if isinstance(value, str) and "\0" in value:
        raise ConfigError(f"{what}: no name of a file has such a character", "correct it")
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError as error:
        raise ConfigError(f"{what}: {error.errors()[0]['msg']}", "correct it") from None
