"""One task of a suite with its frozen cases, for results that were made elsewhere."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchkit.config.suite import Suite, TaskSpec
from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.preparation.cache import load_or_prepare
from benchkit.errors import ConfigError, unknown_name_error
from benchkit.evaluation.setup import EvaluationSetup


@dataclass(frozen=True)
class EvaluationTask:
    """One task of a suite."""

    suite: Suite
    task: TaskSpec
    dataset: PreparedDataset
    limit_users: int | None = None
    """Ask only so many users, as `benchkit run --limit-users` does."""

    @property
    def suite_name(self) -> str:
        """Name of the suite in the store."""
        limited = "" if self.limit_users is None else f"@{self.limit_users}users"
        return self.suite.name + limited

    @cached_property
    def cases(self) -> Cases:
        return self.dataset.test.sample_users(self.limit_users)

    @property
    def setup(self) -> EvaluationSetup:
        """What every row of the task is asked, and by which metrics it is measured."""
        metrics = self.suite.task_metrics(self.task)
        return EvaluationSetup(self.dataset, self.cases, metrics, self.suite.popular_share)

    @property
    def metric_names(self) -> list[str]:
        """The names of its metrics in records."""
        return [metric.name for metric in self.suite.task_metrics(self.task)]


def load_task(
    suite: Suite, name: str, data: Path, limit_users: int | None = None
) -> EvaluationTask:
    """Return the task `name` of a suite; without a name its only one.

    Args:
        suite: The suite.
        name: One of its tasks; "" where it has one.
        data: The folder of prepared datasets; the task's is prepared there if it is not yet.
        limit_users: Ask only so many users.

    Raises:
        ConfigError: The suite has no such task, or several and no name was given.
    """
    tasks = {task.name: task for task in suite.tasks}
    if not name and len(tasks) > 1:
        raise ConfigError(
            f"suite {suite.name!r} has {len(tasks)} datasets",
            f"--dataset, one of: {', '.join(tasks)}",
        )
    name = name or next(iter(tasks))
    if name not in tasks:
        raise unknown_name_error(f"dataset of suite {suite.name!r}:", name, tasks)
    dataset = load_or_prepare(suite.dataset(tasks[name].test), data)
    return EvaluationTask(suite, tasks[name], dataset, limit_users)
