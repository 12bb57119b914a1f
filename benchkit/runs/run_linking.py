"""Take over runs of other suites: the same job elsewhere in the store is not computed again.

A run id is a hash of all that can change a number, and of nothing else: neither the suite, nor the
task, nor the label. So a complete run with the id of a job is its result, wherever it lies. Its
files are linked into the job's own folder, with a manifest of their own: each suite is whole
without the other one.
"""

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchkit import io
from benchkit.errors import DamageError
from benchkit.files.checksums import sign_record
from benchkit.files.temporary_files import make_temporary_file
from benchkit.runs import records
from benchkit.runs.job import Job, Outcome, must_compute
from benchkit.runs.progress import EventHandler, RunEvent
from benchkit.runs.records import LINKED_FROM, Manifest
from benchkit.runs.store import Run, Store

_LOCKS_AT_ONCE = 64  # each is an open file


def take_stored_runs(jobs: Iterable[Job], emit: EventHandler) -> tuple[list[Outcome], list[Job]]:
    """Return the outcomes of jobs that are complete in the store, and the jobs to be computed.

    What is complete under another suite, task or label is linked; what is damaged is said.
    """
    complete: list[Outcome] = []
    due: list[Job] = []
    for job in jobs:
        manifest = None
        try:
            manifest = job.run.manifest()
        except DamageError as error:
            emit(RunEvent("damaged", job.title, note=error.row_status))
        is_complete = manifest is not None and manifest.status == "complete"
        if manifest is not None and is_complete and not must_compute(manifest, job):
            complete.append(Outcome(job, manifest, computed=False))
        else:
            due.append(job)
    linked = list(link_runs(due))
    places = {outcome.job.run.path for outcome in linked}
    return complete + linked, [job for job in due if job.run.path not in places]


def link_runs(jobs: Sequence[Job]) -> Iterator[Outcome]:
    """Link those of these jobs that are complete elsewhere in the store; yield their outcomes.

    What another process computes at the moment is left to `execute_job`, which waits for it.
    """
    jobs = [job for job in jobs if job.overwrite != "always"]
    if not jobs:
        return
    runs = Store(jobs[0].store).find_runs({job.run_id for job in jobs})
    by_id = defaultdict(list)
    for job in jobs:
        if runs[job.run_id]:
            by_id[job.run_id].append(job)
    ids = list(by_id)
    for start in range(0, len(ids), _LOCKS_AT_ONCE):
        with ExitStack() as locks:
            free = [
                run_id
                for run_id in ids[start : start + _LOCKS_AT_ONCE]
                if locks.enter_context(Store(jobs[0].store).lock(run_id, wait=False))
            ]
            yield from _link_locked([job for run_id in free for job in by_id[run_id]], runs)


def link_run(job: Job) -> Outcome | None:
    """Link the run of a job, whose lock this process has; None where there is none to link."""
    if job.overwrite == "always":
        return None
    runs = Store(job.store).find_runs({job.run_id})
    return next(iter(_link_locked([job], runs)), None)


def find_source(job: Job, runs: Iterable[Run]) -> Manifest | None:
    """Return the manifest of the first of these runs that a job could be linked to."""
    return next((manifest for _, manifest in _usable_runs(job, runs)), None)


def _usable_runs(job: Job, runs: Iterable[Run]) -> Iterator[tuple[Run, Manifest]]:
    """Yield the runs that are what the job would compute: complete, and as they were written."""
    if job.overwrite == "always":
        return
    for run in runs:
        if run.path == job.run.path:
            continue
        manifest = run.intact_manifest()
        if (
            manifest is not None
            and manifest.status == "complete"
            and manifest.run_id == job.run_id
            and not manifest.is_external
            and records.has_checksums(manifest.schema_version)
            and not must_compute(manifest, job)
        ):
            yield run, manifest


def _link_locked(jobs: Sequence[Job], runs: Mapping[str, Sequence[Run]]) -> list[Outcome]:
    """Link jobs whose locks this process has.

    Until all files of a run are there its manifest says that it is started. So a process that is
    killed leaves a run to be done again, and at no time one that is damaged.
    """
    outcomes: list[Outcome] = []
    contents: dict[str, dict[Path, dict[str, Any]]] = defaultdict(dict)
    for job in jobs:
        source = next(_usable_runs(job, runs[job.run_id]), None)
        if source is None or not _is_due(job):
            continue
        manifest = _change_place(source[1], job)
        _take_files(source[0], job.run, manifest)
        outcomes.append(Outcome(job, manifest, computed=False, linked_from=source[1].suite))
        contents[job.suite][job.run.path / "manifest.json"] = _sign(manifest)
    for suite, signed in contents.items():
        checksums = {path: content["checksum"] for path, content in signed.items()}
        Store(jobs[0].store).ledger(suite).record_all(checksums)
        for path, content in signed.items():
            _write_unflushed(path, content)
    return outcomes


def _sign(manifest: Manifest) -> dict[str, Any]:
    return sign_record(manifest.model_dump(mode="json"))


def _write_unflushed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a manifest atomically, but leave it to the system when it reaches the disk.

    To wait for the disk takes as long as all the rest, for each of hundreds of runs. What a power
    cut loses counts as damaged, and is linked again.
    """
    with io.wrap_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = make_temporary_file(path.parent)
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
        temporary.chmod(0o644)
        temporary.replace(path)


def _is_due(job: Job) -> bool:
    """Return whether the run of a job is still to be done, now that it is locked."""
    manifest = job.run.intact_manifest()
    return manifest is None or must_compute(manifest, job)


def _change_place(manifest: Manifest, job: Job) -> Manifest:
    """Return the manifest of a run as that of a job: where it lies, and where it was computed."""
    origin = {"suite": manifest.suite, "task": manifest.task, "label": manifest.label}
    return manifest.model_copy(
        update={
            "schema_version": records.SCHEMA_VERSION,
            "suite": job.suite,
            "task": job.task,
            "label": job.method.name,
            "family": job.card.family,
            "row_id": job.row_id,
            "provenance": {LINKED_FROM: origin, **manifest.provenance},
        }
    )


def _take_files(source: Run, target: Run, manifest: Manifest) -> None:
    """Put the files of a run into the folder of another one, which is started with it."""
    if target.path.exists():
        # Without its checkpoints: what trains on would write into the linked files.
        with io.wrap_io_errors(target.path):
            if target.scratch.is_dir():
                shutil.rmtree(target.scratch)
        target.clear()
    started = manifest.model_copy(update={"status": "started", "files": {}})
    _write_unflushed(target.path / "manifest.json", _sign(started))
    with io.wrap_io_errors(target.path):
        for name, checksum in manifest.files.items():
            path = target.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path == target.log:  # judges append to it
                with (source.path / name).open("rb") as log:
                    path.write_bytes(log.read(checksum.size))
            else:
                _link_file(source.path / name, path)


def _link_file(source: Path, target: Path) -> None:
    """Give a file another name, or copy it where the file system has no second names."""
    if not source.is_symlink():
        try:
            os.link(source, target)
            return
        except OSError:  # another file system, one without links, too many links
            target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
