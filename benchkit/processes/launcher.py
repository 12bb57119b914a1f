"""Start processes for recommenders, and end them."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchkit.data.answer_keys import KEYS_VARIABLE
from benchkit.errors import EngineError
from benchkit.processes.process_groups import kill_group
from benchkit.processes.wire import Channel, ChannelClosedError, Message

_MAIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    " from benchkit.processes.zygote import serve_forks; serve_forks(int(sys.argv[2]))"
)
_POLL_SECONDS = 0.002
_CHECK_SECONDS = 1.0  # between looks at whether a silent process still runs
_PATIENCE = 10.0  # seconds for a worker to end once it has nothing to do


class Worker:
    """A process that a recommender is in, as the harness sees it."""

    def __init__(self, zygote: "Zygote", pid: int, channel: Channel) -> None:
        self.pid, self.channel = pid, channel
        self.is_cancelled = False
        self._zygote = zygote
        self._exit_code: int | None = None
        self._lock = threading.Lock()

    def receive(self) -> Message:
        """Return the next message.

        Raises:
            ChannelClosedError: The process has ended, also where another one that it has started
                still holds its end of the channel.
        """
        while not self.channel.has_message(_CHECK_SECONDS):
            if self._poll() is not None and not self.channel.has_message(0):
                raise ChannelClosedError
        return self.channel.receive()

    def close(self) -> int:
        """End the process if it has not ended, and return its exit code, negative for a signal."""
        if self._exit_code is not None:
            return self._exit_code
        self.channel.close()
        deadline = time.monotonic() + _PATIENCE
        while (exit_code := self._poll()) is None:
            if time.monotonic() > deadline:
                self.kill()
            time.sleep(_POLL_SECONDS)
        return exit_code

    def _poll(self) -> int | None:
        with self._lock:
            if self._exit_code is None:
                try:
                    self._exit_code = self._zygote.poll(self.pid)
                except EngineError:  # it is gone, and its workers with it
                    self._exit_code = -signal.SIGKILL
            return self._exit_code

    def kill(self) -> None:
        """End the process at once, if it has not ended."""
        with self._lock:  # no other process can have its id before it has been waited for
            if self._exit_code is None:
                kill_group(self.pid)

    def cancel(self) -> None:
        """End the process because nobody wants its answers any more."""
        self.is_cancelled = True
        self.kill()


class Zygote:
    """The process that workers are forked from."""

    def __init__(self, threads: int) -> None:
        """Start it.

        Args:
            threads: Threads of numerical libraries, whose pools are made when they are imported.
        """
        self._control, theirs = socket.socketpair()
        self._lock = threading.Lock()
        environment = _environment() | {"OMP_NUM_THREADS": str(threads)}
        # Ctrl-C must not reach it before it has said that it does not listen.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", _MAIN, json.dumps(sys.path), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        self.owner = os.getpid()

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self.owner == os.getpid() and self._process.poll() is None

    def fork(
        self, preload: Sequence[str], hidden: Sequence[Path] = (), visible: Sequence[Path] = ()
    ) -> Worker:
        """Return a new worker; see `start_worker`."""
        ours, theirs = socket.socketpair()
        request = {
            "preload": list(preload),
            "environment": _environment(),
            "path": sys.path,
            "folder": os.getcwd(),  # noqa: PTH109
            "hidden": [str(path) for path in hidden],
            "visible": [str(path) for path in visible],
        }
        with theirs:
            pid = self._ask(request, [theirs.fileno()])
        assert pid is not None  # noqa: S101 (of a request to fork)
        return Worker(self, pid, Channel(ours.detach(), trusted=False))

    def poll(self, pid: int) -> int | None:
        """Return the exit code of a worker, None while it runs; after that its id means nothing."""
        return self._ask({"wait": pid}, [])

    def close(self) -> None:
        """End it and all its workers."""
        if self.owner == os.getpid():
            self._control.close()
            self._process.wait()

    def _ask(self, request: Mapping[str, object], descriptors: Sequence[int]) -> int | None:
        try:
            with self._lock:
                data = json.dumps(request).encode() + b"\n"
                sent = socket.send_fds(self._control, [data], descriptors)
                self._control.sendall(data[sent:])
                answer = self._control.recv(64)
        except OSError:
            answer = b""
        if not answer:
            raise EngineError(
                "the process that starts the others has ended (out of memory?)", "run again"
            )
        number: int | None = json.loads(answer)
        return number


_zygotes: dict[int, Zygote] = {}
_zygotes_lock = threading.Lock()


def start_worker(
    threads: int,
    preload: Sequence[str] = (),
    hidden: Sequence[Path] = (),
    visible: Sequence[Path] = (),
) -> Worker:
    """Return a new process for a recommender.

    Args:
        threads: Threads of its numerical libraries.
        preload: Modules that it needs and that can be trusted; they are imported once for all.
        hidden: Folders that it cannot read; see `confinement`.
        visible: Folders below them that it can; the first is for temporary files.
    """
    with _zygotes_lock:
        zygote = _zygotes.get(threads)
        if zygote is None or not zygote.is_alive:
            zygote = _zygotes[threads] = Zygote(threads)
    return zygote.fork(preload, hidden, visible)


def close_zygotes() -> None:
    """End all processes that workers are forked from."""
    with _zygotes_lock:
        while _zygotes:
            _zygotes.popitem()[1].close()


atexit.register(close_zygotes)


def _environment() -> dict[str, str]:
    """Return the environment of a worker: without the place of the answer key."""
    return {name: value for name, value in os.environ.items() if name != KEYS_VARIABLE}
