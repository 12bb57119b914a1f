"""A machine that computes runs of another one: unpack what they need, compute, pack what they made.

The folder of an execution lies among the machine's temporary files, for this user alone. It holds
datasets with their answer keys, so it goes when the execution ends; what a machine that died has
left is removed when benchkit computes there again.
"""

import fcntl
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from benchkit import io
from benchkit.data.answer_keys import use_answer_keys_folder
from benchkit.errors import BenchkitError, ConfigError, StoreError
from benchkit.evaluation.lookup import find_metric, find_protocol, source_files
from benchkit.io import disk_error
from benchkit.processes.inspection import describe_method
from benchkit.runs.cluster.archives import archive_folder, unpack_once
from benchkit.runs.cluster.file_sender import FILES_HERE, Reference
from benchkit.runs.cluster.shared_cache import (
    add_answers,
    add_entry,
    collect_answers,
    list_cache_entries,
    pack_entries,
)
from benchkit.runs.cluster.shipment import RunResult, Shipment, change_texts
from benchkit.runs.execution import compute_run
from benchkit.runs.job import Job
from benchkit.runs.progress import EventHandler, RunEvent
from benchkit.runs.provenance import collect_provenance
from benchkit.runs.store import Store
from benchkit.source_hash import hash_sources

_IN_USE = ".in-use"
_in_use: dict[Path, IO[bytes]] = {}
_checked: set[str] = set()
_PRIVATE = 0o700


def compute_shipment(
    shipment: Shipment,
    folder: Path,
    get: Callable[[Reference], Any],
    emit: EventHandler,
    room: int,
) -> RunResult:
    """Compute a run that was sent here, and return what it made.

    Args:
        shipment: The run.
        folder: Where it may write; see `enter_folder`.
        get: Returns what is behind a reference of the shipment.
        emit: Called with what happens.
        room: Bytes of the shared cache that go back, at most.
    """
    try:
        cache = Store(folder / "runs").create().cache
        job = _receive(shipment, folder, get)
        before = {*shipment.entries, *list_cache_entries(cache)}
        moment = time.time()
        run = job.run
        emit(RunEvent("started", job.title))
        command = shipment.manifest.provenance.get("command", [])
        provenance = {**collect_provenance(), "command": command}
        manifest = shipment.manifest.model_copy(update={"provenance": provenance})
        with _environment(shipment, folder):
            _check_code(job)
            run.clear()
            manifest = compute_run(job, run.write_manifest(manifest), emit)
        names = [path.name for path in run.path.iterdir() if path.name in _RETURNED]
        result = RunResult(
            manifest=manifest,
            files=archive_folder(run.path, sorted(names)),
            entries=dict(pack_entries(cache, before, room)),
            answers=tuple(collect_answers(cache, moment)),
        )
        shutil.rmtree(run.path, ignore_errors=True)
    except (BenchkitError, OSError) as error:
        return RunResult(error=_describe_error(error))
    return result


_RETURNED = ("log.jsonl", "predictions.parquet", "metrics.parquet", "artifacts")


def _describe_error(error: BenchkitError | OSError) -> tuple[str, str, str]:
    fault = disk_error(error) or error
    where = f"on {platform.node()}: "
    if isinstance(fault, BenchkitError):
        kind = "ConfigError" if isinstance(fault, ConfigError) else "StoreError"
        return kind, where + fault.cause, fault.hint
    return "StoreError", f"{where}{fault!r}", "see what is wrong there, and run again"


def _receive(shipment: Shipment, folder: Path, get: Callable[[Reference], Any]) -> Job:
    """Unpack what is not here yet; return the job with the paths of this machine."""
    data, keys, files = folder / "data", folder / "keys", folder / "files"
    for name, reference in shipment.folders.items():
        _write_key(keys, name, shipment.keys[name], get)
        unpack_once(lambda reference=reference: get(reference), data / name)  # type: ignore[misc]
    for name, reference in shipment.files.items():
        unpack_once(lambda reference=reference: get(reference), files / name)  # type: ignore[misc]
    cache = Store(folder / "runs").cache
    for name, reference in shipment.entries.items():
        if not (cache / name).exists():
            add_entry(cache, name, get(reference))
    _receive_answers(shipment, cache, get)
    train, test = shipment.datasets
    here = str(files)
    return change_texts(
        shipment.job, lambda _key, text, _kind: text.replace(FILES_HERE, here, 1)
    ).change(store=folder / "runs", data=data, dataset_folders=(data / train, data / test))


def _write_key(
    keys: Path, name: str, reference: Reference, get: Callable[[Reference], Any]
) -> None:
    path = keys / f"{name}.key"
    if not path.exists():
        with io.wrap_io_errors(path):
            keys.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        io.write_bytes(path, get(reference), mode=0o600)


def _receive_answers(shipment: Shipment, cache: Path, get: Callable[[Reference], Any]) -> None:
    mark = cache.with_name(".answers-received")
    if shipment.answers is not None and not mark.exists():
        add_answers(cache, get(shipment.answers))
        io.write_text(mark, "")


@contextmanager
def _environment(shipment: Shipment, folder: Path) -> Iterator[None]:
    """Let code that was sent be imported, and keys be found, within the block."""
    before, path = dict(os.environ), list(sys.path)
    os.environ.update(shipment.environment)
    sys.path[:0] = [str(folder / "files" / name) for name in shipment.files]
    try:
        with use_answer_keys_folder(folder / "keys"), io.leave_unflushed():
            yield
    finally:
        sys.path[:] = path
        for name in shipment.environment.keys() - before.keys():
            os.environ.pop(name, None)


def _check_code(job: Job) -> None:
    """Raise ConfigError where this machine's benchkit, or a package, would give other numbers."""
    if job.row_id in _checked:
        return
    protocols = [find_protocol(spec) for spec in job.protocols]
    metrics = [find_metric(spec) for spec in job.metrics]
    differs = []
    if hash_sources(*source_files([*protocols, *metrics])) != job.identity["harness"]:
        differs.append("benchkit")
    if ".py:" not in job.card.target:  # else its code was sent
        component = describe_method(job.card, job.method.config).identity
        names = [name for name in component if component[name] != job.component.get(name)]
        differs += [f"the method's {name}" for name in names]
    if differs:
        raise ConfigError(
            f"{job.title} would be another run here: {', '.join(differs)} differ",
            "install the same benchkit and the same packages on every machine",
        )
    _checked.add(job.row_id)


def enter_folder(parent: Path | None, execution: str, machine: str) -> Path:
    """Return the folder of an execution on this machine, and keep it while this process lives.

    Folders of other executions that no process uses are removed.

    Args:
        parent: Where it lies, by default among the temporary files.
        execution: A name that no other execution has.
        machine: A name that no other machine has: several may share a disk.
    """
    root = parent or Path(tempfile.gettempdir()) / f"benchkit-{os.getuid()}"
    folder = root / execution / machine
    with io.wrap_io_errors(folder):
        root.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        if root.stat().st_uid != os.getuid():
            raise StoreError(f"{root}: belongs to another user", "name another node_folder")
        root.chmod(_PRIVATE)
        if folder not in _in_use:
            _sweep(root)
            while folder not in _in_use:
                folder.mkdir(parents=True, exist_ok=True)
                file = (folder / _IN_USE).open("wb")
                fcntl.flock(file, fcntl.LOCK_SH)
                if (folder / _IN_USE).exists():  # nobody has swept it in between
                    _in_use[folder] = file
    return folder


def leave_folder(parent: Path | None, execution: str, machine: str) -> None:
    """Remove the folder of an execution from this machine."""
    folder = enter_folder(parent, execution, machine)
    shutil.rmtree(folder, ignore_errors=True)
    _in_use.pop(folder).close()
    with suppress(OSError):
        folder.parent.rmdir()


def _sweep(root: Path) -> None:
    """Remove the folders that no process uses any more."""
    for mark in root.glob(f"*/*/{_IN_USE}"):
        with suppress(OSError), mark.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(mark.parent, ignore_errors=True)
            with suppress(OSError):
                mark.parent.parent.rmdir()
