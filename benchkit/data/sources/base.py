"""What a data source is: how one public format is read, and which files it reads."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchkit.data.raw import RawData
from benchkit.fingerprint import hash_file


@dataclass(frozen=True)
class DataSource:
    """One public format."""

    name: str
    """What suites call it."""
    read: Callable[..., RawData]
    """Reads the raw tables. Its keyword arguments are the source's options, the first line of its
    docstring is what `benchkit ls datasets` prints."""
    input_files: Callable[..., list[Path]]
    """With the same options, the files that `read` reads. When one of them changes, the dataset is
    prepared anew."""
    hash_input: Callable[[Path], str | None] = hash_file
    """Returns the hash of one of these files, None where it is not there."""
