"""A cluster of Ray's: tasks that compute runs, and what they say meanwhile."""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchkit.runs.cluster.event_board import EventBoard
from benchkit.runs.cluster.node import compute_shipment, enter_folder
from benchkit.runs.cluster.shipment import RunResult, Shipment
from benchkit.runs.cluster.transfer import SharedRun, compute_shared
from benchkit.runs.executors.ray_connection import (
    MACHINE_DIGITS,
    clean_machines,
    connect,
    count_places,
    list_machines,
)
from benchkit.runs.executors.resources import RunResources
from benchkit.runs.progress import RunEvent

_GIB = 2**30
_EVENT_SECONDS = 0.1  # between looks at what runs say
_LOOK_SECONDS = 2.0  # between looks at which machines there are
_END_SECONDS = 10.0  # for tasks to end
_boards: dict[tuple[str, str], Any] = {}


class TaskLostError(Exception):
    """A task ended without a result: its process or its machine did."""


def compute_on_node(
    run: Shipment | SharedRun,
    board: Any,
    number: int,
    execution: str,
    node_folder: Path | None,
    room: int,
) -> RunResult:
    """Compute a run in a process of Ray's."""
    import ray

    machine = ray.get_runtime_context().get_node_id()[:MACHINE_DIGITS]

    def emit(event: RunEvent) -> None:
        if event.kind in ("started", "progress"):  # that it has ended is known from its result
            board.post.remote(execution, number, machine, event)

    if isinstance(run, SharedRun):
        return compute_shared(run, emit)
    folder = enter_folder(node_folder, execution, machine)
    return compute_shipment(run, folder, ray.get, emit, room)


@contextmanager
def open_cluster(address: str, node_folder: Path | None, room: int) -> Iterator["RayCluster"]:
    """Connect to a cluster to compute runs there, and leave it after the block.

    Args:
        address: See `connect`.
        node_folder: Where runs are computed on the machines, by default among temporary files.
        room: Bytes of the shared cache that a run sends back.

    Raises:
        ConfigError: There is none at this address, or Ray is not installed.
    """
    with connect(address) as ray:
        yield RayCluster(ray, node_folder, room)


class RayCluster:
    """Submits runs as tasks.

    Args:
        ray: The package, connected.
        node_folder: See `open_cluster`.
        room: See `open_cluster`.
    """

    def __init__(self, ray: Any, node_folder: Path | None, room: int) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray = ray
        self._affinity = NodeAffinitySchedulingStrategy
        self._node_folder, self._room = node_folder, room
        self._execution = uuid.uuid4().hex[:16]
        self._task = ray.remote(compute_on_node)
        self._groups: dict[Any, Any] = {}
        self._machines: set[str] = set()
        self._board = self._find_board()
        self._collection: Any = None
        self._last = 0.0
        self._looked, self._known = -_LOOK_SECONDS, list[dict[str, float]]()

    def _find_board(self) -> Any:
        """Return the board of this connection: each is a process, which takes time to start."""
        context = self._ray.get_runtime_context()
        key = context.get_job_id(), context.gcs_address
        if key not in _boards:
            _boards.clear()  # of connections that have ended
            actor = self._ray.remote(EventBoard)
            here = self._affinity(context.get_node_id(), True)
            options = {"num_cpus": 0, "max_restarts": -1, "scheduling_strategy": here}
            _boards[key] = actor.options(**options).remote()
        return _boards[key]

    @property
    def put(self) -> Any:
        """Function that stores an object in the cluster, and returns a reference to it."""
        return self._ray.put

    @property
    def cpus(self) -> float:
        """CPUs of all machines that are there."""
        return sum(resources.get("CPU", 0.0) for resources in self._resources())

    def _resources(self) -> list[dict[str, float]]:
        """Return what each machine has; looked up every few seconds, as machines come and go."""
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            self._looked = time.monotonic()
            self._known = list_machines(self._ray)
        return self._known

    def has_room(self, needs: RunResources) -> bool:
        """Return whether any machine that is there could compute such a run."""
        reserves = {"CPU": needs.cpus, "GPU": needs.gpus, "memory": needs.memory_gb * _GIB}
        return count_places(self._resources(), reserves) > 0

    def submit(self, run: Shipment | SharedRun, number: int, needs: RunResources) -> Any:
        """Return the reference of a new task.

        Args:
            run: What it computes.
            number: What its events are to be called by.
            needs: What it reserves; a training on several processes does so in a placement group.
        """
        options: dict[str, Any] = {
            "num_cpus": needs.cpus, "num_gpus": needs.gpus, "max_retries": 0,
            "memory": int(needs.memory_gb * _GIB) or None,
        }  # fmt: skip
        group = self._reserve(needs) if needs.processes > 1 else None
        if group is not None:
            from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

            options["scheduling_strategy"] = PlacementGroupSchedulingStrategy(group, 0)
        task = self._task.options(**options).remote(
            run, self._board, number, self._execution, self._node_folder, self._room
        )
        if group is not None:
            self._groups[task] = group
        return task

    def _reserve(self, needs: RunResources) -> Any:
        from ray.util.placement_group import placement_group

        bundle = {"CPU": needs.cpus, "GPU": needs.gpus, "memory": needs.memory_gb * _GIB}
        return placement_group([{n: v for n, v in bundle.items() if v}], strategy="STRICT_PACK")

    def wait(self, tasks: Sequence[Any], seconds: float) -> list[Any]:
        """Return the tasks that have ended, after waiting for one for so long at most."""
        ended, _ = self._ray.wait(list(tasks), num_returns=1, timeout=seconds)
        return list(ended)

    def events(self) -> list[tuple[int, RunEvent]]:
        """Return what has happened since the last call, by the numbers of the tasks."""
        if self._collection is None:
            if time.monotonic() - self._last < _EVENT_SECONDS:
                return []
            self._last = time.monotonic()
            self._collection = self._board.collect.remote(self._execution)
        ready, _ = self._ray.wait([self._collection], timeout=0)
        if not ready:
            return []
        collection, self._collection = self._collection, None
        events: list[tuple[int, RunEvent]] = []
        with suppress(self._ray.exceptions.RayError):  # it begins anew where its machine died
            for number, machine, event in self._ray.get(collection):
                self._machines.add(machine)
                events.append((number, event))
        return events

    def _collect_machines(self) -> None:
        """Note the machines of tasks whose events nobody has shown."""
        collections = [self._collection, self._board.collect.remote(self._execution)]
        for collection in filter(None, collections):
            events = self._ray.get(collection, timeout=_END_SECONDS)
            self._machines |= {machine for _, machine, _ in events}

    def fetch(self, task: Any) -> RunResult:
        """Return the result of a task that has ended.

        Raises:
            TaskLostError: There is none.
        """
        self._release(task)
        errors = self._ray.exceptions
        try:
            result: RunResult = self._ray.get(task)
        except errors.RayTaskError:
            raise  # a defect: what can go wrong is in the result
        except errors.RayError as error:
            raise TaskLostError(str(error).strip().partition("\n")[0]) from None
        return result

    def _release(self, task: Any) -> None:
        if (group := self._groups.pop(task, None)) is not None:
            from ray.util.placement_group import remove_placement_group

            remove_placement_group(group)

    def close(self, tasks: Sequence[Any]) -> None:
        """End these tasks with all their processes, and remove what is left on the machines."""
        with suppress(self._ray.exceptions.RayError):
            for task in tasks:
                self._ray.cancel(task, force=True)
            if tasks:
                self._ray.wait(list(tasks), num_returns=len(tasks), timeout=_END_SECONDS)
            for task in tasks:
                self._release(task)
            alive = [node["NodeID"] for node in self._ray.nodes() if node["Alive"]]
            if not tasks:  # else what they have begun on may not be known yet
                self._collect_machines()
                alive = [node for node in alive if node[:MACHINE_DIGITS] in self._machines]
            clean_machines(self._ray, alive, self._execution, self._node_folder)
