"""Which public files datasets need that are not here."""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from benchkit.data.sources import SOURCES, hash_inputs, resolve_paths
from benchkit.data.sources.remote_files import RemoteFile, find_remote_file
from benchkit.data.spec import DatasetSpec
from benchkit.files.search_order import SearchOrder


def find_missing_files(
    specs: Iterable[DatasetSpec], raw: Path, *elsewhere: Path
) -> tuple[RemoteFile, ...]:
    """Return the public files that datasets need and that are neither below `raw` nor `elsewhere`.

    Raises:
        DataError: Files that nobody can fetch are missing, so that fetching the others is no use.
    """
    missing: dict[str, RemoteFile] = {}
    for spec in specs:
        # Demo data are generated, and the files of a split are somebody's own.
        if spec.demo_users is None and spec.split_files is None:
            missing |= {r.path: r for r in _find_missing(spec, raw, elsewhere)}
    return tuple(missing.values())


def _find_missing(spec: DatasetSpec, raw: Path, elsewhere: Iterable[Path]) -> list[RemoteFile]:
    options = resolve_paths(spec.options, cast("Path", SearchOrder((raw, *elsewhere))))
    try:
        paths = SOURCES.load(spec.source).input_files(**options)
    except TypeError:  # an option that there is not
        hash_inputs(spec.source, options)
        raise
    absent = [path for path in paths if not path.exists()]
    below = [path.relative_to(raw).as_posix() for path in absent if path.is_relative_to(raw)]
    public = [remote for path in below if (remote := find_remote_file(path)) is not None]
    if not public and len(absent) == len(paths) > 0:
        hash_inputs(spec.source, options)  # the source says how to get them
    return public
