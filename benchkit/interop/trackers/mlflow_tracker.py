"""MLflow: a run a run, in an experiment named after the suite."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchkit.errors import ConfigError
from benchkit.interop.trackers.base import TrackedRun

_URI_VARIABLE = "MLFLOW_TRACKING_URI"
_FILES_VARIABLE = "MLFLOW_ALLOW_FILE_STORE"  # without it MLflow 3 writes no files
_BATCH = 1000  # metrics in a request
_LONGEST_PARAMETER = 6000


class MLflowTracker:
    """Logs to `$MLFLOW_TRACKING_URI`, else to files in FOLDER (`mlflow ui` reads both).

    A character that MLflow does not take in a name, such as the @ of ndcg@5, becomes an underscore.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from mlflow.tracking import MlflowClient
        except ModuleNotFoundError as error:
            raise ConfigError(
                "the package mlflow is not installed", "pip install 'benchkit[mlflow]'"
            ) from error
        self._uses_files = not os.environ.get(_URI_VARIABLE)
        self._uri = os.environ.get(_URI_VARIABLE) or folder.resolve().as_uri()
        with self._allow_files():
            self._client = MlflowClient(tracking_uri=self._uri)

    def log(self, run: TrackedRun) -> str:
        """Log one run; the same run that is done again is logged as another one."""
        with self._allow_files():
            return self._log(run)

    def close(self) -> None:
        """Do nothing: each run is logged at once."""

    def _log(self, run: TrackedRun) -> str:
        from mlflow.entities import Metric, Param

        experiment = self._client.get_experiment_by_name(run.suite)
        if experiment is None:
            experiment_id = self._client.create_experiment(run.suite)
        else:
            experiment_id = experiment.experiment_id
        tags = {
            "mlflow.runName": run.name,
            "benchkit.run_id": run.run_id,
            "benchkit.manifest": str(run.manifest.resolve()),
            "benchkit.task": run.task,
            "benchkit.method": run.label,
            "benchkit.family": run.family,
            "benchkit.seed": str(run.seed),
            **({"benchkit.error": run.error} if run.error else {}),
        }
        created = self._client.create_run(experiment_id, tags=tags)
        points = [(_name(name), value, 0) for name, value in run.scalars().items()]
        for name, curve in run.curves.items():
            points += [(_name(f"training/{name}"), value, step) for step, value in curve]
        moment = created.info.start_time
        metrics = [Metric(name, value, moment, step) for name, value, step in points]
        params = [
            Param(_name(name), str(value)[:_LONGEST_PARAMETER])
            for name, value in run.config.items()
        ]
        for start in range(0, max(len(metrics), 1), _BATCH):
            self._client.log_batch(created.info.run_id, metrics=metrics[start : start + _BATCH])
        for start in range(0, len(params), 100):
            self._client.log_batch(created.info.run_id, params=params[start : start + 100])
        status = "FINISHED" if run.status == "complete" else "FAILED"
        self._client.set_terminated(created.info.run_id, status=status)
        return f"{self._uri} experiment {run.suite}, run {created.info.run_id}"

    @contextmanager
    def _allow_files(self) -> Iterator[None]:
        """Let MLflow write files, and leave the environment as it was."""
        old = os.environ.get(_FILES_VARIABLE)
        if self._uses_files and old is None:
            os.environ[_FILES_VARIABLE] = "true"
        try:
            yield
        finally:
            if old is None:
                os.environ.pop(_FILES_VARIABLE, None)


def _name(text: str) -> Any:
    """Return a name that MLflow takes.

    >>> _name("scored/ndcg@5")
    'scored/ndcg_5'
    """
    return re.sub(r"[^\w\-./ ]", "_", text)
