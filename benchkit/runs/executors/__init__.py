"""Where the runs of a plan are computed: by name, from a package, from a file, or an object."""

from typing import Any

from benchkit.errors import ConfigError
from benchkit.registry import Registry
from benchkit.runs.job import Job, Outcome
from benchkit.types import Executor

JobExecutor = Executor[Job, Outcome]

# Each is a class that is constructed with the number of runs at a time, or an object.
EXECUTORS: Registry[Any] = Registry(
    "executor",
    {
        "inline": "benchkit.runs.executors.inline:InlineExecutor",
        "processes": "benchkit.runs.executors.processes:ProcessExecutor",
        "ray": "benchkit.runs.executors.ray:RayExecutor",
    },
    "benchkit.executors",
    members=("execute",),
    hint="write a class as benchkit.types.Executor describes it",
)


def make_executor(executor: str | JobExecutor | type, workers: int) -> JobExecutor:
    """Return an executor for so many runs at a time.

    Args:
        executor: An executor, or its name; "" is `inline` for one run at a time, else `processes`.
        workers: Runs at a time.

    Raises:
        ConfigError: There is no executor of this name, or it cannot do so many at a time.
    """
    loaded: Any = executor
    if isinstance(executor, str):
        loaded = EXECUTORS.load(executor or ("inline" if workers == 1 else "processes"))
    elif not hasattr(executor, "execute"):
        raise ConfigError(
            f"{executor!r} is not an executor", 'a name such as "processes", a class or an object'
        )
    if not isinstance(loaded, type):
        instance: JobExecutor = loaded
        return instance
    try:
        constructed: JobExecutor = loaded(workers)
    except TypeError as error:
        raise ConfigError(
            f"executor {executor!r}: {error}",
            "its __init__ takes one argument, the number of runs at a time",
        ) from error
    return constructed
