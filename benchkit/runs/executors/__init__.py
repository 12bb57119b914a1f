"""Where runs are computed and models asked: by name, from a package, a file, or an object."""

from collections.abc import Sequence
from typing import Any

from benchkit.config.loading import validate_model
from benchkit.errors import ConfigError
from benchkit.lm.data_parallel.engine_factory import EngineFactory
from benchkit.registry import Registry
from benchkit.runs.job import Job, Outcome
from benchkit.types import Executor

JobExecutor = Executor[Job, Outcome]

# Each is a class that is constructed with the number of runs at a time, or an object. A class with
# options has a pydantic model named Config, which it gets as its second argument. One that can ask
# the language models of judges and teachers, too, has a class named Engines with a Config of its
# own, which makes a `benchkit.lm.data_parallel.engine_factory.EngineFactory`.
EXECUTORS: Registry[Any] = Registry(
    "executor",
    {
        "inline": "benchkit.runs.executors.inline:InlineExecutor",
        "processes": "benchkit.runs.executors.processes:ProcessExecutor",
        "ray": "benchkit.runs.executors.ray:RayExecutor",
        "slurm": "benchkit.runs.executors.slurm:SlurmExecutor",
    },
    "benchkit.executors",
    members=("execute",),
    hint="write a class as benchkit.types.Executor describes it",
)
LOCAL_EXECUTORS = ("", "inline", "processes")  # names of those that compute on this machine
_EXAMPLE = "--executor-option address=auto, or an object: executor=RayExecutor(...)"


def make_executor(
    executor: str | JobExecutor | type, workers: int, options: Sequence[str] = ()
) -> JobExecutor:
    """Return an executor for so many runs at a time.

    Args:
        executor: An executor, or its name; "" is `inline` for one run at a time, else `processes`.
        workers: Runs at a time.
        options: Values of the executor's Config, each as NAME=VALUE.

    Raises:
        ConfigError: There is no executor of this name, an option is wrong, or it cannot do so many
            at a time.
    """
    loaded: Any = executor
    if isinstance(executor, str):
        loaded = EXECUTORS.load(executor or ("inline" if workers == 1 else "processes"))
    elif not hasattr(executor, "execute"):
        raise ConfigError(
            f"{executor!r} is not an executor", 'a name such as "processes", a class or an object'
        )
    model = getattr(loaded, "Config", None) if isinstance(loaded, type) else None
    if options and model is None:
        raise ConfigError(f"executor {executor!r} has no options", "leave out --executor-option")
    if not isinstance(loaded, type):
        instance: JobExecutor = loaded
        return instance
    arguments = [workers]
    if model is not None:
        values = dict(map(_split_option, options))
        arguments.append(validate_model(model, values, f"executor {executor!r}"))
    try:
        constructed: JobExecutor = loaded(*arguments)
    except TypeError as error:
        raise ConfigError(
            f"executor {executor!r}: {error}",
            "its __init__ takes one argument, the number of runs at a time, and if it has a Config"
            " that one, too",
        ) from error
    return constructed


def choose_engines(executor: str, options: Sequence[str] = ()) -> EngineFactory | None:
    """Return what makes the engines of judges and teachers; None for those of this process.

    Args:
        executor: Name of an executor; "" and "inline" are this process.
        options: Values of its options for engines, each as NAME=VALUE.

    Raises:
        ConfigError: There is no executor of this name, it asks no language models, or an option is
            wrong.
    """
    if executor in ("", "inline"):
        if options:
            raise ConfigError(
                "--executor-option: language models in this process have no options",
                "name an executor: --executor ray",
            )
        return None
    engines = getattr(EXECUTORS.load(executor), "Engines", None)
    if engines is None:
        raise ConfigError(
            f"executor {executor!r} computes runs, and asks no judges or teachers",
            "use --executor ray, or leave it out: then they are asked in this process",
        )
    values = dict(map(_split_option, options))
    config = validate_model(engines.Config, values, f"executor {executor!r} for judges or teachers")
    factory: EngineFactory = engines(config)
    return factory


def _split_option(option: str) -> tuple[str, str]:
    name, separator, value = option.partition("=")
    if not separator or not name.strip():
        raise ConfigError(f"--executor-option {option}: is not NAME=VALUE", _EXAMPLE)
    return name.strip(), value.strip()
