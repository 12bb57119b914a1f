"""What a run needs on a machine that shares no disk with this one."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchkit.data.answer_keys import answer_key_path
from benchkit.data.preparation.cache import dataset_dir
from benchkit.key_access import ALLOW_VARIABLE
from benchkit.lm.generation_cache import AnswerRow
from benchkit.runs.cluster.archives import archive_folder
from benchkit.runs.cluster.file_sender import FileSender, Reference, change_settings
from benchkit.runs.cluster.shared_cache import collect_answers, pack_entries
from benchkit.runs.cluster.shared_stages import shares_stages
from benchkit.runs.job import Job
from benchkit.runs.records import Manifest


@dataclass(frozen=True)
class Shipment:
    """A run that is started, and where the machine that computes it gets what it needs."""

    job: Job
    """With the names that its files have where it is computed."""
    manifest: Manifest
    datasets: tuple[str, str]
    """Folders of the training and of the test data."""
    folders: Mapping[str, Reference]
    """Archives of prepared datasets, by their folders."""
    keys: Mapping[str, Reference]
    """Answer keys, by the folders of their datasets."""
    files: Mapping[str, Reference]
    """Archives of the code and the files that the settings name, by the folder of each."""
    entries: Mapping[str, Reference]
    """Archives of what is in the shared cache, by name."""
    answers: Reference | None
    """What language models have answered so far; None for nothing."""
    environment: Mapping[str, str]


@dataclass(frozen=True)
class RunResult:
    """What comes back of a run."""

    manifest: Manifest | None = None
    files: bytes = b""
    """The folder of the run but for its manifest, as an archive."""
    entries: Mapping[str, bytes] = field(default_factory=dict)
    """What the run has added to the shared cache."""
    answers: tuple[AnswerRow, ...] = ()
    outcome: Any = None
    """The outcome of a run that was written where it was computed."""
    error: tuple[str, str, str] | None = None
    """Class, cause and hint of an error that ends all runs."""


class Shipper:
    """Sends every dataset and file once, however many runs need it.

    Args:
        put: Stores bytes, or any object, where other machines get it.
        cache: The shared cache of the store.
        room: Bytes of the cache that are sent. The rest is made again elsewhere.
    """

    def __init__(self, put: Callable[[Any], Reference], cache: Path, room: int) -> None:
        self._put, self._cache, self._room = put, cache, room
        self._places: dict[tuple[str, str], Path] = {}
        self._sender = FileSender(put)
        self._folders: dict[str, Reference] = {}
        self._keys: dict[str, Reference] = {}
        self._entries: dict[str, Reference] | None = None
        self._answers: Reference | None = None

    def ship(self, job: Job, manifest: Manifest) -> Shipment:
        """Return a run as it is sent."""
        datasets = [self._find_dataset(job, part) for part in ("train", "test")]
        for folder in datasets:
            if folder.name not in self._folders:
                self._folders[folder.name] = self._put(archive_folder(folder))
                self._keys[folder.name] = self._put(answer_key_path(folder.name).read_bytes())
        names = {folder.name for folder in datasets}
        files: dict[str, Reference] = {}
        placed = self._replace_files(job, files)
        has_stages = shares_stages(job)
        if has_stages:
            self._send_cache()
        return Shipment(
            job=placed,
            manifest=manifest,
            datasets=(datasets[0].name, datasets[1].name),
            folders={name: self._folders[name] for name in names},
            keys={name: self._keys[name] for name in names},
            files=files,
            entries=dict(self._entries or {}) if has_stages else {},
            answers=self._answers if has_stages else None,
            environment={n: v for n, v in os.environ.items() if n == ALLOW_VARIABLE},
        )

    def _find_dataset(self, job: Job, part: Literal["train", "test"]) -> Path:
        """Return the folder of a dataset; to find it takes a look at all of its input files."""
        spec = getattr(job, part)
        key = spec.name, job.identity[part]
        if key not in self._places:
            self._places[key] = dataset_dir(spec, job.data)
        return self._places[key]

    def add_entry(self, name: str, data: bytes) -> None:
        """Send what a run has added to the cache along with those that come."""
        if self._entries is not None and name not in self._entries:
            self._entries[name] = self._put(data)

    def _send_cache(self) -> None:
        if self._entries is None:
            packed = pack_entries(self._cache, known=(), room=self._room)
            self._entries = {name: self._put(data) for name, data in packed}
            if rows := collect_answers(self._cache):
                self._answers = self._put(rows)

    def _replace_files(self, job: Job, files: dict[str, Reference]) -> Job:
        """Return a job whose files are called as where it is computed; collect what they are."""
        return change_texts(
            job, lambda key, text, kind: self._sender.replace(key, text, kind, files)
        ).change(store=Path("runs"), data=Path("data"), device=job.identity["device"])


def change_texts(job: Job, change: Callable[[str, str, str], str]) -> Job:
    """Return a job with other texts where its code and its settings are named.

    Args:
        job: The job.
        change: Gets the key of a setting, a text, and the `kind` of the table that it stands in.
    """
    card = job.card.model_copy(
        update={
            "target": change("", job.card.target, ""),
            "config": change_settings(job.card.config, change),
        }
    )
    method = job.method.model_copy(update={"config": change_settings(job.method.config, change)})
    return job.change(
        card=card,
        method=method,
        metrics=tuple(change("", spec, "") for spec in job.metrics),
        protocols=tuple(change("", spec, "") for spec in job.protocols),
    )
