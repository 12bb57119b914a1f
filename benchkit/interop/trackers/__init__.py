"""Trackers: other tools that get a copy of each run's records as it ends.

`TRACKERS` names those that come with benchkit; a package adds its own by an entry point of the
group `benchkit.trackers`, and `--tracker FILE.py:Class` names any other.
"""

from benchkit.interop.trackers.base import Tracker
from benchkit.registry import Registry

TRACKERS: Registry[type[Tracker]] = Registry(
    "tracker",
    {
        "mlflow": "benchkit.interop.trackers.mlflow_tracker:MLflowTracker",
        "tensorboard": "benchkit.interop.trackers.tensorboard_tracker:TensorBoardTracker",
        "trackio": "benchkit.interop.trackers.trackio_tracker:TrackioTracker",
        "wandb": "benchkit.interop.trackers.wandb_tracker:WandbTracker",
    },
    "benchkit.trackers",
    base=type,
    members=("log", "close"),
    hint="write a class as benchkit.interop.trackers.base.Tracker describes it",
)
