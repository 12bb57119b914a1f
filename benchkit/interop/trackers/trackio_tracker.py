"""trackio: a run a run, in a project named after the suite, on this disk."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from benchkit.errors import ConfigError
from benchkit.interop.trackers.base import TrackedRun

_FOLDER_VARIABLE = "TRACKIO_DIR"


class TrackioTracker:
    """Writes to `$TRACKIO_DIR`, else into FOLDER; `trackio show` with that variable shows them.

    Where this process has used trackio before, it goes on in the folder that it has.
    """

    def __init__(self, folder: Path) -> None:
        with _use_folder(folder):  # it is read when the package is imported
            try:
                import trackio
                from trackio import utils
            except ModuleNotFoundError as error:
                raise ConfigError(
                    "the package trackio is not installed", "pip install 'benchkit[trackio]'"
                ) from error
        self._place = str(utils.TRACKIO_DIR)
        self._trackio = trackio

    def log(self, run: TrackedRun) -> str:
        """Log one run."""
        details = {
            "run_id": run.run_id, "manifest": str(run.manifest.resolve()), "task": run.task,
            "method": run.label, "seed": run.seed, "status": run.status, "error": run.error,
        }  # fmt: skip
        with contextlib.redirect_stdout(sys.stderr):  # it prints how to open its dashboard
            active = self._trackio.init(
                project=re.sub(r"[^\w.@-]", "-", run.suite),
                name=f"{run.name} {run.run_id[:8]}",
                group=run.task,
                config={**run.config, "benchkit": details},
                embed=False,
                auto_log_cpu=False,
                auto_log_gpu=False,
            )
            for name, curve in run.curves.items():
                for step, value in curve:
                    active.log({f"training/{name}": value}, step=step)
            active.log(run.scalars())
            active.finish()
        return self._place

    def close(self) -> None:
        """Do nothing: each run is finished at once."""


@contextlib.contextmanager
def _use_folder(folder: Path) -> Iterator[None]:
    """Name a folder where none is named, and leave the environment as it was."""
    if os.environ.get(_FOLDER_VARIABLE):
        yield
        return
    os.environ[_FOLDER_VARIABLE] = str(folder.resolve())
    try:
        yield
    finally:
        del os.environ[_FOLDER_VARIABLE]
