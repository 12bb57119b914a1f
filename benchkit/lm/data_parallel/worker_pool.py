"""Calls that several processes answer: results in order, each once, and again where one is lost."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from benchkit.errors import BenchkitError, EngineError

_PATIENCE_SECONDS = 30.0


class WorkerLostError(Exception):
    """A call ended without a reply: its process or its machine did."""


@dataclass(frozen=True)
class CallReply:
    """What a process says to a call."""

    results: tuple[Any, ...] = ()
    error: BenchkitError | None = None
    """What ended the call after these results."""
    notes: tuple[str, ...] = ()
    """What a user must know, in words."""


class Workers(Protocol):
    """Processes that answer calls, one at a time each."""

    def start(self) -> tuple[Any, Any]:
        """Start a process; return it, and a task that ends once it is there."""

    def call(self, worker: Any, call: Any) -> Any:
        """Hand a call to a process, and return the task."""

    def wait(self, tasks: Sequence[Any]) -> Sequence[Any]:
        """Return the tasks that have ended, after waiting for one for a moment at most."""

    def fetch(self, task: Any) -> CallReply:
        """Return the reply of a task that has ended. Raises WorkerLostError where there is none."""

    def stop(self, worker: Any) -> None:
        """End a process, whatever it does; it may have ended."""

    def close(self) -> None:
        """End all processes; others may be started after that."""


@dataclass(eq=False)
class _Part:
    """A call, its place among those of its batch, and how often its process was lost."""

    call: Any
    index: int
    batch: "_Batch"
    losses: int = 0


class _Batch:
    """The calls of one `WorkerPool.answer`."""

    def __init__(self, calls: Sequence[Any], note: Callable[[str], object]) -> None:
        self.note = note
        self.waiting = deque(_Part(call, index, self) for index, call in enumerate(calls))
        self.replies: dict[int, CallReply] = {}
        self._note_at = time.monotonic() + _PATIENCE_SECONDS

    def note_waiting(self) -> None:
        """Say, once and after a while, that no process is there yet."""
        if time.monotonic() > self._note_at:
            self._note_at = math.inf
            self.note("no process for an engine has started yet: are all machines busy?")


class WorkerPool:
    """Hands calls to whichever process is free; processes start as they are needed.

    A process that is lost is replaced, and its call goes to another one. A process that cannot
    start yet, as no machine has room, hinders no other.

    Args:
        workers: Starts processes and calls them.
        count: Processes, at most.
        retries: How often a call is made again whose process was lost, and how many processes in a
            row may be lost before they are there.
    """

    def __init__(self, workers: Workers, count: int, retries: int) -> None:
        self._workers, self._count, self._retries = workers, count, retries
        self._idle: list[Any] = []
        self._tasks: dict[Any, tuple[Any, _Part | None]] = {}  # None: the process is starting
        self._lost_starts = 0

    @property
    def count(self) -> int:
        """Processes, at most."""
        return self._count

    def answer(self, calls: Sequence[Any], note: Callable[[str], object]) -> Iterator[CallReply]:
        """Yield the reply to each call, in order.

        What is under way when the caller stops is not waited for.

        Args:
            calls: The calls.
            note: Receives, in words, what was lost.

        Raises:
            EngineError: Processes were lost too often before they were there.
        """
        batch = _Batch(calls, note)
        try:
            for index in range(len(calls)):
                while index not in batch.replies:
                    self._advance(batch)
                yield batch.replies.pop(index)
        finally:
            batch.waiting.clear()

    def close(self) -> None:
        """End all processes."""
        self._idle, self._tasks = [], {}
        self._workers.close()

    def _advance(self, batch: _Batch) -> None:
        """Hand out what waits, and take what has ended."""
        needed = len(batch.waiting) + sum(part is not None for _, part in self._tasks.values())
        while len(self._idle) + len(self._tasks) < min(self._count, needed):
            worker, task = self._workers.start()
            self._tasks[task] = worker, None
        while self._idle and batch.waiting:
            worker, part = self._idle.pop(), batch.waiting.popleft()
            self._tasks[self._workers.call(worker, part.call)] = worker, part
        ended = self._workers.wait([*self._tasks])
        for task in ended:
            self._end(task)
        if not ended and not any(part for _, part in self._tasks.values()):
            batch.note_waiting()

    def _end(self, task: Any) -> None:
        worker, part = self._tasks.pop(task)
        try:
            reply = self._workers.fetch(task)
        except WorkerLostError as error:
            self._workers.stop(worker)
            self._retry(part, str(error))
            return
        self._idle.append(worker)
        if part is None:
            self._lost_starts = 0
        else:
            part.batch.replies[part.index] = reply

    def _retry(self, part: _Part | None, cause: str) -> None:
        if part is None:
            self._lost_starts += 1
            if self._lost_starts > self._retries:
                raise EngineError(
                    f"{self._lost_starts} processes for engines were lost as they started, at last:"
                    f" {cause}",
                    "see Ray's logs on the machines; is their memory large enough?",
                )
            return
        part.losses += 1
        if part.losses > self._retries:
            error = EngineError(
                f"the process of an engine was lost {part.losses} times with the same requests, at"
                f" last: {cause}",
                "is a machine's memory large enough for the model? What was answered is stored",
            )
            part.batch.replies[part.index] = CallReply(error=error)
            return
        part.batch.note(f"the process of an engine was lost; it begins anew elsewhere: {cause}")
        part.batch.waiting.appendleft(part)
