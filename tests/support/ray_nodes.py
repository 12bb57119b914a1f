"""A cluster of Ray's on this machine: a head without CPUs, and nodes that can be lost."""

import contextlib
import os
from pathlib import Path
from unittest import mock

_STORE_BYTES = 80 * 2**20
_SETTINGS = {"num_cpus": 1, "object_store_memory": _STORE_BYTES}


class Nodes:
    """The nodes of a cluster."""

    def __init__(self, count: int) -> None:
        from ray.cluster_utils import Cluster

        # Workers import benchkit as this process does, and see no folder of keys.
        root = str(Path(__file__).parents[2])
        os.environ["PYTHONPATH"] = os.pathsep.join(
            dict.fromkeys([root, *filter(None, os.environ.get("PYTHONPATH", "").split(":"))])
        )
        before = os.environ.pop("BENCHKIT_KEYS", None)
        os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
        try:
            self.cluster = Cluster(
                initialize_head=True,
                head_node_args={**_SETTINGS, "num_cpus": 0, "include_dashboard": False},
            )
            self.nodes = [self.cluster.add_node(**_SETTINGS) for _ in range(count)]
        finally:
            if before is not None:
                os.environ["BENCHKIT_KEYS"] = before

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self) -> None:
        """Add a node; also in a thread, where Ray's handler of a signal cannot be set."""
        with mock.patch("ray._private.utils.set_sigterm_handler"):
            self.nodes.append(self.cluster.add_node(**_SETTINGS))

    def kill(self, index: int = 0) -> None:
        """End a node at once, with all its processes."""
        self.cluster.remove_node(self.nodes.pop(index), allow_graceful=False)


@contextlib.contextmanager
def start_nodes(count: int = 3):
    """Start a cluster, connect this process to it, and end it after the block."""
    import ray

    nodes = Nodes(count)
    try:
        ray.init(nodes.address, logging_level="warning", log_to_driver=False)
        yield nodes
    finally:
        ray.shutdown()
        nodes.cluster.shutdown()
