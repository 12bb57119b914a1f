"""The answers to the test cases of prepared datasets, kept apart from the questions.

They lie in a folder of the user's, neither beside the data nor in a store of runs, readable to the
user alone, and not as a table that a look over the disk would open. That keeps answers out of the
way of code that does not look for them; what it cannot do is said in docs/threat-model.md.
"""

import io as streams
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import platformdirs
import polars as pl

from benchkit import io
from benchkit.errors import ConfigError, DataError

KEYS_VARIABLE = "BENCHKIT_KEYS"
_POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
_MAGIC = b"benchkit answer key 1\n"


def answer_keys_folder() -> Path:
    """Return where answer keys lie: `$BENCHKIT_KEYS`, or a folder of the user's state."""
    chosen = os.environ.get(KEYS_VARIABLE)
    folder = Path(chosen) if chosen else platformdirs.user_state_path("benchkit") / "keys"
    if folder.exists() and not folder.is_dir():
        raise ConfigError(
            f"{folder} is no folder, and answer keys are to be kept in it",
            f"name a folder: --keys FOLDER, or {KEYS_VARIABLE}",
        )
    return folder


def folders_with_answers(store: Path, data: Path) -> tuple[Path, Path, Path]:
    """Return what a confined method can neither read nor change.

    Beside the keys these are the store, whose records say what was right, and the data, whose
    candidates narrow down what the whole catalogue is asked for.
    """
    return answer_keys_folder(), store, data


@contextmanager
def use_answer_keys_folder(folder: Path | None) -> Iterator[None]:
    """Keep answer keys elsewhere within the block; None changes nothing."""
    before = os.environ.get(KEYS_VARIABLE)
    if folder is not None:
        os.environ[KEYS_VARIABLE] = str(folder.resolve())
    try:
        yield
    finally:
        if folder is not None:
            os.environ.pop(KEYS_VARIABLE)
            if before is not None:
                os.environ[KEYS_VARIABLE] = before


def answer_key_path(dataset: str) -> Path:
    """Return the file of the answers to a prepared dataset, by the name of its folder."""
    return answer_keys_folder() / f"{dataset}.key"


def write_answer_key(dataset: str, tables: Mapping[str, pl.DataFrame]) -> None:
    """Write answers, by name, so that only this user can read them."""
    path = answer_key_path(dataset)
    with io.wrap_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    parts = []
    for name, table in tables.items():
        buffer = streams.BytesIO()
        table.write_ipc(buffer)
        data = zlib.compress(buffer.getvalue(), level=1)
        parts.append(f"{name} {len(data)}\n".encode() + data)
    io.write_bytes(path, _MAGIC + b"".join(parts), mode=0o600)


def read_answer_key(dataset: str) -> dict[str, pl.DataFrame]:
    """Return the answers to a prepared dataset, by name.

    Raises:
        DataError: They are not there, or cannot be read.
    """
    path = answer_key_path(dataset)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: the answers to {dataset} cannot be read: {error.strerror}",
            "prepare the dataset again, or say where they are: --keys FOLDER",
        ) from None
    tables = {}
    try:
        if not data.startswith(_MAGIC):
            is_other = data.startswith(_MAGIC.rpartition(b" ")[0])
            raise ValueError("another benchkit wrote it" if is_other else "it is no answer key")
        place = len(_MAGIC)
        while place < len(data):
            end = data.index(b"\n", place)
            name, length = data[place:end].decode().split(" ")
            part = data[end + 1 : end + 1 + int(length)]
            tables[name] = pl.read_ipc(streams.BytesIO(zlib.decompress(part)))
            place = end + 1 + int(length)
    except (ValueError, OSError, zlib.error, *_POLARS_ERRORS) as error:
        raise DataError(f"{path}: damaged: {error}", "remove it and run again") from None
    return tables
