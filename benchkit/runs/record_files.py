"""Reading and writing the JSON records of a store, with their checksums."""

import json
import os
import shutil
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from benchkit import io
from benchkit.config.loading import validate_model
from benchkit.errors import DamageError
from benchkit.files.checksums import pop_checksum, sign_record
from benchkit.files.disk_faults import read_hint
from benchkit.runs import records
from benchkit.runs.ledger import Ledger

ModelT = TypeVar("ModelT", bound=BaseModel)

_CHANGED = "its content is not what was written"


def damage_error(path: Path, what: str, repair: str) -> DamageError:
    """Return the error for a record that is not what was written: what is wrong, what to do."""
    return DamageError(f"{path}: damaged: {what}", repair)


def read_json(path: Path, repair: str) -> dict[str, Any] | None:
    """Return a JSON object, None if the file is not there. Raises DamageError."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, OSError, RecursionError) as error:
        raise damage_error(path, f"cannot be read: {error}", read_hint(error, repair)) from None
    if not isinstance(value, dict):
        raise damage_error(path, "is not a record of benchkit", repair)
    return value


def read_record(
    path: Path, model: type[ModelT], ledger: Ledger | None, repair: str
) -> ModelT | None:
    """Return a record, None if there should be none.

    Args:
        path: Its file.
        model: What it is.
        ledger: Says which records there should be; None for a record outside a store.
        repair: What a user does about damage.

    Raises:
        DamageError: It is not what was written, or is gone.
        StoreError: A newer benchkit wrote it.
    """
    try:
        return _read_once(path, model, ledger, repair)
    except DamageError:
        # Another process may have replaced the record between our looks at it and at the ledger.
        return _read_once(path, model, ledger, repair)


def write_record(
    path: Path, record: BaseModel, ledger: Ledger | None, replaces: bool = False
) -> None:
    """Enter a record into the ledger, then write it.

    A process that is killed in between leaves a record that counts as damaged or, with `replaces`,
    the one of before.
    """
    remove(path, only_folder=True)
    content = sign_record(record.model_dump(mode="json"))
    if ledger is not None:
        ledger.record(path, content["checksum"], replaces)
    io.write_json(path, content)
    if ledger is not None and replaces:
        ledger.record(path, content["checksum"])


def remove(path: Path, only_folder: bool = False) -> None:
    """Remove what is called so; damage may have made a folder of a file.

    Args:
        path: The file.
        only_folder: Leave a file, which is about to be replaced.
    """
    with io.wrap_io_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif not only_folder:
            path.unlink(missing_ok=True)


def _read_once(
    path: Path, model: type[ModelT], ledger: Ledger | None, repair: str
) -> ModelT | None:
    value = read_json(path, repair)
    entry = ledger.entry(path) if ledger is not None else None
    if value is None:
        if entry is not None:
            raise damage_error(path, f"{path.name} is missing", repair)
        return None
    checksum, is_right = pop_checksum(value)
    if not is_right:
        raise damage_error(path, _CHANGED, repair)
    version = value.get("schema_version")
    records.check_schema(version, os.fspath(path))
    has_checksums = records.has_checksums(version)
    if checksum is None and has_checksums:
        raise damage_error(path, "it has no checksum", repair)
    record = validate_model(
        model, records.upgrade_record(value), f"{path}: damaged", error=DamageError, hint=repair
    )
    if ledger is None or getattr(record, "status", "") == "started":
        return record  # what is not finished is not in the ledger
    if entry is None and has_checksums:
        raise damage_error(path, "the suite's ledger.jsonl does not know it", repair)
    known = () if entry is None else (entry.sha256, entry.previous)
    if known and (checksum is None or checksum not in known):
        raise damage_error(path, "it is not the one that the suite's ledger.jsonl knows", repair)
    return record
