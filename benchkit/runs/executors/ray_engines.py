"""Engines of judges and teachers on a cluster of Ray's: one actor holds one of each."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, PositiveInt

from benchkit.lm.backbones import make_engine_from_settings, parse_engine_settings
from benchkit.lm.config import NANO
from benchkit.lm.data_parallel.engine import DataParallelEngine, EngineCall
from benchkit.lm.data_parallel.worker_pool import CallReply, WorkerPool
from benchkit.lm.engines import ENGINES
from benchkit.lm.nano.build import build_nano
from benchkit.lm.types import Engine
from benchkit.runs.cluster.engine_host import (
    EngineShipment,
    find_commits,
    hash_engine_code,
)
from benchkit.runs.cluster.file_sender import (
    FileSender,
    Reference,
    change_settings,
    resolve_name,
)
from benchkit.runs.executors.ray_actors import RayWorkers
from benchkit.runs.executors.ray_connection import (
    MACHINE_DIGITS,
    clean_machines,
    connect,
    count_places,
    import_ray,
    list_machines,
)
from benchkit.types import RunContext, TrainView

_GIB = 2**30
_USUAL_ACTORS = 8  # where nobody says how many: so many have enough to do


class RayEngineConfig(BaseModel):
    """Options of the executor `ray` for judges and teachers."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    address: str = ""
    """The cluster: "auto", "HOST:PORT" or "ray://HOST:PORT"; "local" starts one on this machine. By
    default the one that runs here or that RAY_ADDRESS names, else a local one."""
    actors: PositiveInt | None = None
    """Processes with an engine each, at most; by default as many as the machines have room for."""
    gpus: NonNegativeFloat | None = None
    """GPUs of each, on which its engine then computes; a fraction shares one. By default 1 where
    models are on a GPU anyway, for vLLM its tensor_parallel_size where any machine has a GPU, else
    none."""
    cpus: PositiveInt = 1
    """CPUs of each, and threads."""
    memory_gb: NonNegativeFloat = 0.0
    """Memory that is reserved for each, in GB."""
    retries: NonNegativeInt = 5
    """How often requests are sent again whose process or machine was lost."""
    requests: PositiveInt | None = None
    """Requests that a process gets at once; by default a quarter of its share of a batch."""
    files_shared: bool = False
    """All machines see the models and the code that settings name under the same paths. Else they
    are sent; a model's folder then has to fit into the memory of Ray's object store."""
    node_folder: Path | None = None
    """Where machines keep what they were sent, by default among their temporary files."""


class RayEngines:
    """Makes engines whose requests go to actors; see `EngineFactory`.

    The cluster is connected to, and actors start, when there is something to ask. An actor holds an
    engine of each description that it was called with, as one process would. Engines that ask a
    server stay here: they send many requests at once, have one budget, and store their answers.

    Args:
        config: Options.
    """

    Config = RayEngineConfig

    def __init__(self, config: RayEngineConfig | None = None) -> None:
        import_ray()
        self._config = config or RayEngineConfig()
        self._session: _Session | None = None

    def make(
        self, settings: Mapping[str, Any], data: TrainView | None, run: RunContext, owner: str
    ) -> Engine:
        """Return an engine that asks actors, or one of this process where that asks a server."""
        kind = parse_engine_settings(settings, owner).engine.kind
        if _asks_server(kind):
            note = f"the engine {kind!r} asks a server from here, many requests at once: no actors"
            run.progress.advance(0, note=note)
            return make_engine_from_settings(settings, data, run, owner)
        engine: Any = ENGINES.load(kind)
        needs = partial(self._count_gpus, settings, run.device)
        make_shipment = partial(self._make_shipment, dict(settings), data, run, owner)
        key = uuid.uuid4().hex

        def answer(
            calls: Sequence[EngineCall], note: Callable[[str], object]
        ) -> Iterator[CallReply]:
            session = self._open()
            pool = session.find_pool(needs(session), note)
            reference = session.ship(key, make_shipment)
            return pool.answer([(key, reference, call) for call in calls], note)

        def count(note: Callable[[str], object]) -> int:
            session = self._open()
            return session.find_pool(needs(session), note).count

        return DataParallelEngine(
            bool(engine.can_score), bool(engine.can_constrain), answer, count,
            self._config.requests, lambda text: run.progress.advance(0, note=text),
        )  # fmt: skip

    def scale_batch(self, settings: Mapping[str, Any], batch: int) -> int:
        """Return how many prompts to hand over at once."""
        if _asks_server(str(settings.get("kind", ""))):
            return batch
        return batch * (self._config.actors or _USUAL_ACTORS)

    def close(self) -> None:
        """End all actors, and leave the cluster."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _open(self) -> "_Session":
        if self._session is None:
            self._session = _Session(self._config)
        return self._session

    def _count_gpus(self, settings: Mapping[str, Any], device: str, session: "_Session") -> float:
        if self._config.gpus is not None:
            return self._config.gpus
        if settings["kind"] == "vllm" and session.has_gpus:
            return float(settings.get("tensor_parallel_size", 1))
        return float(device.startswith("cuda"))

    def _make_shipment(
        self,
        settings: dict[str, Any],
        data: TrainView | None,
        run: RunContext,
        owner: str,
        session: "_Session",
    ) -> EngineShipment:
        if settings.get("backbone") == NANO and data is not None:
            config = parse_engine_settings(settings, owner)  # trained once, and not by every actor
            folder = build_nano(data, config.nano, run.cache, run.progress, run.device)
            settings = settings | {"backbone": str(folder)}
        code, commits = hash_engine_code(settings), find_commits(settings)
        files: dict[str, Reference] = {}
        has_gpu = self._count_gpus(settings, run.device, session) > 0
        return EngineShipment(
            settings=session.place_files(settings, files),
            files=files,
            code=code,
            commits=commits,
            catalog=None if data is None else data.catalog,
            owner=owner,
            seed=run.seed,
            device="cuda" if has_gpu else run.device,  # an actor sees its own GPUs alone
            threads=self._config.cpus,
        )


class _Session:
    """A connection to the cluster: its actors, and what was sent."""

    def __init__(self, config: RayEngineConfig) -> None:
        self._config = config
        self._stack = ExitStack()
        self._ray = self._stack.enter_context(connect(config.address))
        self._execution = uuid.uuid4().hex[:MACHINE_DIGITS]
        self._sender = FileSender(self._ray.put)
        self._shipments: dict[str, Reference] = {}
        self._pools: dict[float, WorkerPool] = {}
        self._machines: set[str] = set()

    @property
    def has_gpus(self) -> bool:
        """Whether any machine has a GPU."""
        return any(has.get("GPU", 0.0) > 0 for has in list_machines(self._ray))

    def find_pool(self, gpus: float, note: Callable[[str], object]) -> WorkerPool:
        """Return the pool of actors with so many GPUs each."""
        if gpus not in self._pools:
            config = self._config
            needs = {"CPU": config.cpus, "GPU": gpus, "memory": config.memory_gb * _GIB}
            places = count_places(list_machines(self._ray), needs)
            if not places:
                note(
                    f"no machine has {config.cpus} CPUs, {gpus:g} GPUs and {config.memory_gb:g} GB"
                    " of memory so far"
                )
            workers = RayWorkers(
                self._ray, needs, self._execution, config.node_folder, self._machines
            )
            count = config.actors or max(1, places)
            self._pools[gpus] = WorkerPool(workers, count, config.retries)
        return self._pools[gpus]

    def ship(self, key: str, make: Callable[["_Session"], EngineShipment]) -> Reference:
        """Return where actors get what an engine is built from."""
        if key not in self._shipments:
            self._shipments[key] = self._ray.put(make(self))
        return self._shipments[key]

    def place_files(
        self, settings: Mapping[str, Any], files: dict[str, Reference]
    ) -> Mapping[str, Any]:
        """Return settings with the names that files have on other machines; collect the files."""

        def place(key: str, text: str, kind: str) -> str:
            if self._config.files_shared:
                return resolve_name(key, text, kind)
            return self._sender.replace(key, text, kind, files)

        placed: Mapping[str, Any] = change_settings(settings, place)
        return placed

    def close(self) -> None:
        """End the actors, clean up behind them, and disconnect."""
        with self._stack, suppress(self._ray.exceptions.RayError):
            for pool in self._pools.values():
                pool.close()
            alive = [node["NodeID"] for node in self._ray.nodes() if node["Alive"]]
            used = [node for node in alive if node in self._machines]
            clean_machines(self._ray, used, self._execution, self._config.node_folder)


def _asks_server(kind: str) -> bool:
    """Return whether engines of a kind store their answers themselves, as those of servers do."""
    return hasattr(ENGINES.load(kind), "lookup")
