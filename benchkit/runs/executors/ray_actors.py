"""Actors of Ray's that hold engines."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchkit.lm.data_parallel.engine import EngineCall
from benchkit.lm.data_parallel.worker_pool import CallReply, WorkerLostError
from benchkit.runs.cluster.engine_host import EngineHost
from benchkit.runs.cluster.file_sender import Reference
from benchkit.runs.cluster.node import enter_folder
from benchkit.runs.executors.ray_connection import MACHINE_DIGITS

_POLL_SECONDS = 1.0
_MOST_LETTERS = 300


class RayEngineHost:
    """The class of an actor."""

    def __init__(self, execution: str, node_folder: Path | None) -> None:
        import ray

        self._machine = ray.get_runtime_context().get_node_id()
        folder = enter_folder(node_folder, execution, self._machine[:MACHINE_DIGITS])
        self._host = EngineHost(folder, ray.get)
        # vLLM then computes in this process, and ends with it, however that ends.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")

    def greet(self) -> CallReply:
        """Return the id of its machine."""
        return CallReply((self._machine,))

    def answer(self, key: str, shipment: tuple[Reference], call: EngineCall) -> CallReply:
        """Return what an engine answers; see `EngineHost`. A bare reference would be resolved."""
        return self._host.answer(key, shipment[0], call)


class RayWorkers:
    """Actors; see `benchkit.lm.data_parallel.worker_pool.Workers`."""

    def __init__(
        self,
        ray: Any,
        needs: Mapping[str, float],
        execution: str,
        node_folder: Path | None,
        machines: set[str],
    ) -> None:
        self._ray = ray
        self._class = ray.remote(RayEngineHost).options(
            num_cpus=needs["CPU"], num_gpus=needs["GPU"], memory=int(needs["memory"]) or None,
            max_restarts=0, max_task_retries=0,
        )  # fmt: skip
        self._arguments, self._machines = (execution, node_folder), machines
        self._actors: list[Any] = []
        self._greetings: set[Any] = set()

    def start(self) -> tuple[Any, Any]:
        actor = self._class.remote(*self._arguments)
        self._actors.append(actor)
        greeting = actor.greet.remote()
        self._greetings.add(greeting)
        return actor, greeting

    def call(self, worker: Any, call: tuple[str, Reference, EngineCall]) -> Any:
        key, shipment, request = call
        return worker.answer.remote(key, (shipment,), request)

    def wait(self, tasks: Sequence[Any]) -> Sequence[Any]:
        ended, _ = self._ray.wait(list(tasks), num_returns=1, timeout=_POLL_SECONDS)
        return list(ended)

    def fetch(self, task: Any) -> CallReply:
        errors = self._ray.exceptions
        try:
            reply: CallReply = self._ray.get(task)
        except errors.RayTaskError:
            raise  # a defect: what can go wrong is in the reply
        except errors.RayError as error:
            self._greetings.discard(task)
            raise WorkerLostError(_summarize(error)) from None
        if task in self._greetings:
            self._greetings.remove(task)
            self._machines.update(reply.results)
        return reply

    def stop(self, worker: Any) -> None:
        if worker in self._actors:
            self._actors.remove(worker)
            with suppress(self._ray.exceptions.RayError, ValueError):
                self._ray.kill(worker, no_restart=True)

    def close(self) -> None:
        for worker in [*self._actors]:
            self.stop(worker)
        self._greetings.clear()


def _summarize(error: Exception) -> str:
    """Return the first line of an error of Ray's, and the last one, which often has the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ... ".join(dict.fromkeys([lines[0], lines[-1][:_MOST_LETTERS]])) if lines else ""
