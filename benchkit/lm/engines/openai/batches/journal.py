"""Which batches are at a server, on disk beside the cache of answers.

A record is written after the requests are uploaded and before the batch is created, so that
whatever happens in between, a later call knows that there may be a batch, and looks for it.
"""

import time
from collections.abc import Collection
from pathlib import Path
from uuid import uuid4

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchkit import io
from benchkit.errors import StoreError

FOLDER = "batches"


class BatchRecord(BaseModel):
    """A batch that may be at a server."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str = Field(default_factory=lambda: uuid4().hex)
    """Stands in the metadata of the batch, by which it is found again."""
    server: str
    endpoint: str
    input_file: str
    """Id of the uploaded requests."""
    keys: tuple[str, ...]
    """Of the answers that are yet to be read, as in the cache."""
    created: float = Field(default_factory=time.time)
    """Unix time."""
    batch: str | None = None
    """Id of the batch; None where the server's answer never came."""


class BatchJournal:
    """The records in `folder/batches`, one file each. Processes may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER

    def lock(self) -> FileLock:
        """Return the lock for whoever looks for records and adds to them."""
        with io.wrap_io_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / ".lock")

    def records(self, server: str) -> list[BatchRecord]:
        """Return the records of a server, oldest first.

        Raises:
            StoreError: One cannot be read.
        """
        records = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                records.append(BatchRecord.model_validate_json(path.read_bytes()))
            except FileNotFoundError:  # another process has read its batch meanwhile
                continue
            except (OSError, ValidationError) as error:
                raise StoreError(
                    f"{path}: the record of a batch cannot be read: {type(error).__name__}",
                    "look at the server whether it has batches of this folder's requests; without"
                    " the file they are asked, and paid for, again",
                ) from error
        return sorted((r for r in records if r.server == server), key=lambda r: r.created)

    def write(self, record: BatchRecord) -> BatchRecord:
        """Store a record, and return it."""
        with io.replace_file(self.path(record)) as temporary:
            temporary.write_text(record.model_dump_json(), encoding="utf-8")
        return record

    def remove_keys(self, record: BatchRecord, keys: Collection[str]) -> None:
        """Take out what was read; a record without any goes.

        What a batch holds for others is left to them: it is paid for.
        """
        with self.lock():
            same = [r for r in self.records(record.server) if r.name == record.name]
            for stored in same:
                if rest := tuple(key for key in stored.keys if key not in keys):
                    self.write(stored.model_copy(update={"keys": rest}))
                else:
                    self.remove(stored)

    def remove(self, record: BatchRecord) -> None:
        """Forget a batch."""
        path = self.path(record)
        with io.wrap_io_errors(path):
            path.unlink(missing_ok=True)

    def path(self, record: BatchRecord) -> Path:
        """Return the file of a record."""
        return self.folder / f"{record.name}.json"
