"""End a process together with those that it has started."""

import contextlib
import os
import signal


def kill_group(leader: int) -> None:
    """End a process group at once; nothing happens where there is none any more.

    A process that has left the group on purpose goes on: see docs/threat-model.md.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(leader, signal.SIGKILL)  # it may not have made its group yet
