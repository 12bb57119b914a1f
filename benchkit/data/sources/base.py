"""What a data source is: how one public format is read, and which files it reads."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchkit.data.raw import RawData
from benchkit.fingerprint import hash_file


@dataclass(frozen=True)
class DataSource:
    """One public format.

    Attributes:
        name: What suites call it.
        read: Reads the raw tables. Its keyword arguments are the source's options, the first line
            of its docstring is what `benchkit ls sources` prints.
        input_files: With the same options, the files that `read` reads. When one of them changes,
            the dataset is prepared anew.
        hash_input: Returns the hash of one of these files, None where it is not there.
    """

    name: str
    read: Callable[..., RawData]
    input_files: Callable[..., list[Path]]
    hash_input: Callable[[Path], str | None] = hash_file
