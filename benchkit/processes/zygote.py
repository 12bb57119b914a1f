"""The process that the processes of recommenders are forked from.

It has imported what they need, which takes seconds, and nothing else: no dataset, no answer and no
method of a user is ever loaded here. It runs one thread, so that forking is safe, and ends, with
all its children, when the harness closes the socket or dies.
"""

import atexit
import contextlib
import ctypes
import importlib
import json
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchkit.processes.confinement import hide_folders
from benchkit.processes.process_groups import kill_group

_PR_SET_PDEATHSIG = 1
_WORKER = "benchkit.processes.worker"


def serve_forks(descriptor: int) -> None:
    """Serve requests to fork and to wait, one at a time, until the harness is gone.

    Args:
        descriptor: Of a stream socket whose other end the harness has.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the harness's, which ends all runs
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    importlib.import_module(_WORKER)  # here once, rather than in every child
    children: set[int] = set()
    control = socket.socket(fileno=descriptor)
    try:
        while True:
            data, descriptors = _receive_line(control)
            if not data:
                return
            request = json.loads(data)
            answer: int | None
            if "wait" in request:
                answer = _reap(request["wait"])
                if answer is not None:
                    children.discard(request["wait"])
            else:
                answer = _fork(request, descriptors[0], control)
                children.add(answer)
            control.sendall(json.dumps(answer).encode())
    except OSError:  # the harness was killed
        return
    finally:
        for child in children:
            kill_group(child)


def _receive_line(control: socket.socket) -> tuple[bytes, list[int]]:
    """Return the next line and what came with it, nothing if the other end has been closed."""
    data, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 1)
    while data and not data.endswith(b"\n"):  # environments can be longer than a socket takes
        more = control.recv(1 << 20)
        if not more:
            return b"", []
        data += more
    return data, descriptors


def _reap(child: int) -> int | None:
    """Return the exit code of a worker, None while it runs; end what it has left running."""
    ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        return None
    kill_group(child)
    return os.waitstatus_to_exitcode(status)


def _fork(request: dict[str, Any], descriptor: int, control: socket.socket) -> int:
    """Return the process id of a new worker that talks through `descriptor`."""
    for module in request["preload"]:
        with contextlib.suppress(Exception):  # the worker will say what is wrong with it
            importlib.import_module(module)
    parent = os.getpid()
    child = os.fork()
    if child:
        os.close(descriptor)
        return child
    status = 1
    try:
        control.close()
        os.setpgid(0, 0)  # so that its own processes can be ended with it
        _end_with(parent)
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.path[:] = request["path"]
        os.chdir(request["folder"])
        if request["hidden"]:
            visible = [Path(path) for path in request["visible"]]
            hide_folders([Path(path) for path in request["hidden"]], visible)
            os.environ["TMPDIR"] = str(visible[0])
        tempfile.tempdir = None  # an import may have looked it up, in another environment
        request.clear()
        importlib.import_module(_WORKER).serve_and_end(descriptor)
        status = 0
        atexit._run_exitfuncs()  # os._exit would leave out what libraries have to end
    finally:
        os._exit(status)
    return 0


def _end_with(parent: int) -> None:
    """Let the kernel end this process when the zygote ends; elsewhere the zygote does it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)
