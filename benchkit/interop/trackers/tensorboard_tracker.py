"""TensorBoard: a folder of events a run."""

import json
from pathlib import Path
from typing import Any

from benchkit.errors import ConfigError
from benchkit.interop.trackers.base import TrackedRun
from benchkit.io import folder_name


class TensorBoardTracker:
    """Writes FOLDER/SUITE/TASK/METHOD-SEED-RUN: `tensorboard --logdir FOLDER` shows them.

    Final figures and costs are scalars at step 0, curves at their own steps, and a text has the
    settings and where the manifest lies.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboard.summary.writer import event_file_writer
        except ModuleNotFoundError as error:
            raise ConfigError(
                "the package tensorboard is not installed", "pip install 'benchkit[tensorboard]'"
            ) from error
        self._folder = folder
        self._make_writer = event_file_writer.EventFileWriter

    def log(self, run: TrackedRun) -> str:
        """Write the events of one run."""
        parts = [run.suite, run.task, f"{run.label}-{run.seed}-{run.run_id[:8]}"]
        place = self._folder.joinpath(*map(folder_name, parts))
        for old in place.glob("events.out.tfevents.*"):  # of the same run, done again
            old.unlink()
        writer = self._make_writer(str(place))
        try:
            for name, value in run.scalars().items():
                writer.add_event(_scalar(name, value, 0))
            for name, curve in run.curves.items():
                for step, value in curve:
                    writer.add_event(_scalar(f"training/{name}", value, step))
            writer.add_event(_text("run", _describe(run)))
        finally:
            writer.close()
        return str(place)

    def close(self) -> None:
        """Do nothing: each run is written at once."""


def _scalar(tag: str, value: float, step: int) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    return Event(step=step, summary=summary)


def _text(tag: str, text: str) -> Any:
    """Return a text as the plugin `text` shows it, in Markdown."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    value = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=shape)
    plugin = SummaryMetadata.PluginData(plugin_name="text")
    metadata = SummaryMetadata(plugin_data=plugin)
    summary = Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=value)])
    return Event(step=0, summary=summary)


def _describe(run: TrackedRun) -> str:
    described = {
        "status": run.status,
        "error": run.error,
        "manifest": str(run.manifest),
        "run_id": run.run_id,
        "caveats": list(run.caveats),
        "config": dict(run.config),
    }
    text = json.dumps(described, indent=2, ensure_ascii=False)
    return "\n".join(f"    {line}" for line in text.splitlines())
