"""A process on some machine that holds engines of judges and teachers, and what they come from."""

import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchkit import errors
from benchkit.errors import BenchkitError, ConfigError, EngineError
from benchkit.files.search_order import SearchOrder, find_named
from benchkit.fingerprint import canonical_values
from benchkit.lm import backbones
from benchkit.lm.data_parallel.engine import EngineCall
from benchkit.lm.data_parallel.worker_pool import CallReply
from benchkit.lm.engines import ENGINES
from benchkit.lm.types import Engine
from benchkit.runs.cluster.archives import unpack_once
from benchkit.runs.cluster.file_sender import FILES_HERE, Reference, change_settings
from benchkit.runs.progress import NoteProgress
from benchkit.source_hash import hash_sources
from benchkit.types import Catalog, RunContext


@dataclass(frozen=True)
class EngineShipment:
    """What an engine is built from, on any machine."""

    settings: Mapping[str, Any]
    """With the names that its files have there."""
    files: Mapping[str, Reference]
    """Archives of the code and the models that the settings name, by the folder of each."""
    code: str
    """Hash of what it computes with."""
    commits: Mapping[str, str]
    """Which commits models on the hub stand for here."""
    catalog: Catalog | None
    """Whose titles its tokenizer has to write."""
    owner: str
    seed: int
    device: str
    threads: int


@dataclass(frozen=True)
class _Titles:
    """All that an engine reads of the training data, once nano is trained."""

    catalog: Catalog


class EngineHost:
    """Builds engines when they are first called, and keeps them.

    Args:
        folder: Where it may write.
        get: Returns what is behind a reference.
    """

    def __init__(self, folder: Path, get: Callable[[Reference], Any]) -> None:
        self._folder, self._get = folder, get
        self._engines: dict[str, Engine] = {}
        self._notes: list[str] = []

    def answer(self, key: str, shipment: Reference, call: EngineCall) -> CallReply:
        """Return what an engine answers; errors are part of it.

        Args:
            key: Names the engine.
            shipment: What it is built from.
            call: What it is asked.
        """
        results: list[Any] = []
        error = None
        try:
            if key not in self._engines:
                self._engines[key] = self._build(self._get(shipment))
            # What comes before an error counts.
            results.extend(getattr(self._engines[key], call.method)(*call.arguments))
        except Exception as exception:
            error = _describe_error(exception)
        notes = tuple(self._notes)
        self._notes.clear()
        return CallReply(tuple(results), error, notes)

    def _build(self, shipment: EngineShipment) -> Engine:
        files = self._folder / "files"
        for name, reference in shipment.files.items():
            unpack_once(lambda reference=reference: self._get(reference), files / name)  # type: ignore[misc]
            sys.path.insert(0, str(files / name))
        settings = change_settings(
            shipment.settings, lambda _key, text, _kind: text.replace(FILES_HERE, str(files), 1)
        )
        if hash_engine_code(settings) != shipment.code:
            raise ConfigError(
                "this machine's benchkit would give other answers: its code differs",
                "install the same benchkit on every machine",
            )
        context = RunContext(
            seed=shipment.seed,
            catalog=shipment.catalog or Catalog((), {}),
            scratch=self._folder / "scratch",
            progress=NoteProgress(self._notes.append),
            cache=self._folder / "cache",
            device=shipment.device,
            threads=shipment.threads,
        )
        context.cache.mkdir(parents=True, exist_ok=True)
        data: Any = None if shipment.catalog is None else _Titles(shipment.catalog)
        engine = backbones.make_engine_from_settings(settings, data, context, shipment.owner)
        commits = find_commits(settings)  # known at the latest now
        for name in commits.keys() & shipment.commits.keys():
            if commits[name] != shipment.commits[name]:
                raise ConfigError(
                    f"{name} is {commits[name]} here, and was to be {shipment.commits[name]}",
                    "name its revision, or have the same one on every machine",
                )
        return engine


def hash_engine_code(settings: Mapping[str, Any]) -> str:
    """Return the hash of the code that an engine computes with, wherever it lies."""
    engine: Any = ENGINES.load(str(settings["kind"]))
    source = sys.modules[engine.__module__].__file__ or ""
    return hash_sources(Path(source), Path(backbones.__file__))


def find_commits(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return, by setting, models of the hub with the commits that they stand for on this machine.

    Those whose commit is not known here are left out.
    """
    kind, order = str(settings.get("kind", "")), SearchOrder([Path()])
    names = {
        name: value
        for name, value in settings.items()
        if not (isinstance(value, str) and find_named(name, value, order, kind))
    }
    commits = canonical_values(names)
    return {
        name: commits[name]
        for name, value in names.items()
        if isinstance(value, str) and commits[name] != value
    }


def _describe_error(error: Exception) -> BenchkitError:
    """Return an error as it is raised where it was asked from, with the machine in it."""
    where = f"on {platform.node()}: "
    if not isinstance(error, BenchkitError):
        cause = f"{where}an engine raised {type(error).__name__}: {error}"
        return EngineError(cause, "see what is wrong there, and ask again")
    kinds = (kind for kind in type(error).__mro__ if vars(errors).get(kind.__name__) is kind)
    kind: type[BenchkitError] = next(kinds, EngineError)  # one of a file does not exist there
    return kind(where + error.cause, error.hint)
