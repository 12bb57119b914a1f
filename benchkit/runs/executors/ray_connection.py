"""The connection to a cluster of Ray's, and what is left on its machines."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchkit.errors import ConfigError
from benchkit.runs.cluster.node import leave_folder

MACHINE_DIGITS = 16  # of a node's id
_END_SECONDS = 10.0  # for tasks to end
_USAGE_VARIABLE = "RAY_USAGE_STATS_ENABLED"


def import_ray() -> Any:
    """Return the package. Raises ConfigError where it is not installed."""
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "executor 'ray' needs Ray, which is not installed", 'pip install "benchkit[ray]"'
        ) from None
    return ray


@contextmanager
def connect(address: str) -> Iterator[Any]:
    """Connect to a cluster, and leave it after the block; one that was started for it ends.

    Yields the package of Ray.

    Args:
        address: "auto", "HOST:PORT" or "ray://HOST:PORT"; "local" starts one on this machine. By
            default the one that `RAY_ADDRESS` names or that runs here, else a local one. What this
            process is connected to already comes before all.

    Raises:
        ConfigError: There is none at this address, or Ray is not installed.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    is_main = threading.current_thread() is threading.main_thread()
    on_terminate = signal.getsignal(signal.SIGTERM)
    is_chosen = _USAGE_VARIABLE in os.environ
    os.environ.setdefault(_USAGE_VARIABLE, "0")  # else Ray reports to its makers
    try:
        ray.init(address or None, logging_level="warning")
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"no cluster of Ray's can be reached at {address or 'this machine'}: {error}",
            "start one: ray start --head; or leave out the address for one on this machine",
        ) from None
    finally:
        if not is_chosen:
            os.environ.pop(_USAGE_VARIABLE, None)
    try:
        yield ray
    finally:
        ray.shutdown()
        if is_main and on_terminate is not None:
            signal.signal(signal.SIGTERM, on_terminate)  # Ray has put its own in its place


def list_machines(ray: Any) -> list[dict[str, float]]:
    """Return what each machine has that is there."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def count_places(machines: Sequence[Mapping[str, float]], needs: Mapping[str, float]) -> int:
    """Return how many processes machines have room for, if nothing else runs there.

    Args:
        machines: What each has, as Ray calls it.
        needs: What a process reserves.

    >>> count_places([{"CPU": 4.0, "GPU": 1.0}, {"CPU": 8.0}], {"CPU": 2, "GPU": 0.5})
    2
    """
    some = {name: amount for name, amount in needs.items() if amount}
    return sum(
        min(int(has.get(name, 0.0) / amount) for name, amount in some.items()) for has in machines
    )


def clean_machines(
    ray: Any, machines: Sequence[str], execution: str, node_folder: Path | None
) -> None:
    """Remove what an execution has left on machines.

    Args:
        ray: The package, connected.
        machines: Ids of the nodes.
        execution: The execution.
        node_folder: Where its folders lie.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    clean = ray.remote(clean_node)
    cleanings = [
        clean.options(
            num_cpus=0,
            max_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, False),
        ).remote(execution, node_folder)
        for node in machines
    ]
    if cleanings:
        ray.wait(cleanings, num_returns=len(cleanings), timeout=_END_SECONDS)


def clean_node(execution: str, node_folder: Path | None) -> None:
    """Remove what an execution has left on the machine of this process."""
    import ray

    machine = ray.get_runtime_context().get_node_id()[:MACHINE_DIGITS]
    leave_folder(node_folder, execution, machine)
