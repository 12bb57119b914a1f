"""Weights & Biases: a run a run, in a project named after the suite."""

import os
import re
from collections import defaultdict
from pathlib import Path

from benchkit.errors import ConfigError
from benchkit.interop.trackers.base import TrackedRun

_MODE_VARIABLE = "WANDB_MODE"


class WandbTracker:
    """Writes offline runs into FOLDER, which `wandb sync` uploads; `$WANDB_MODE` says otherwise.

    Curves have steps of their own, `training/step`, since a run may have several.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import wandb
        except ModuleNotFoundError as error:
            raise ConfigError(
                "the package wandb is not installed", "pip install 'benchkit[wandb]'"
            ) from error
        self._wandb = wandb
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def log(self, run: TrackedRun) -> str:
        """Log one run."""
        settings = self._wandb.Settings(console="off", silent=True)
        active = self._wandb.init(
            project=_project_name(run.suite),
            name=run.name,
            group=run.task,
            job_type=run.family,
            dir=str(self._folder),
            mode=os.environ.get(_MODE_VARIABLE) or "offline",
            config={
                **run.config,
                "benchkit": {
                    "run_id": run.run_id, "manifest": str(run.manifest.resolve()),
                    "task": run.task, "method": run.label, "seed": run.seed,
                    "status": run.status, "error": run.error, "caveats": list(run.caveats),
                },
            },
            reinit="create_new",
            settings=settings,
        )  # fmt: skip
        active.define_metric("training/step")
        active.define_metric("training/*", step_metric="training/step")
        for step, values in _by_step(run).items():
            active.log({"training/step": step, **values})
        active.summary.update(run.scalars())
        place = str(getattr(active, "dir", self._folder))
        active.finish(exit_code=0 if run.status == "complete" else 1)
        return place

    def close(self) -> None:
        """Let wandb's own process write what it still holds, and end it."""
        self._wandb.teardown()


def _by_step(run: TrackedRun) -> dict[int, dict[str, float]]:
    """Return step -> the values of all curves there, steps ascending."""
    steps: dict[int, dict[str, float]] = defaultdict(dict)
    for name, curve in run.curves.items():
        for step, value in curve:
            steps[step][f"training/{name}"] = value
    return dict(sorted(steps.items()))


def _project_name(suite: str) -> str:
    """Return a name of a project, in which some characters may not be.

    >>> _project_name("amazon5@50users"), _project_name("a/b#c")
    ('amazon5@50users', 'a-b-c')
    """
    return re.sub(r"[/\\#?%:]", "-", suite)[:128]
