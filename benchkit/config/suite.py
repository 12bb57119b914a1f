"""Suite files: TOML that says what is run on what. A suite is data, with no logic in it."""

import re
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Self

from pydantic import Field, PrivateAttr, model_validator

from benchkit.config.changes import apply_changes
from benchkit.config.decoding_spec import DecodingSpec
from benchkit.config.demo import demo_suite, split_demo_name
from benchkit.config.folder_names import find_wrong_folders
from benchkit.config.judging import JudgingSpec
from benchkit.config.loading import read_toml, validate_model
from benchkit.config.repeats import find_repeats, find_wrong_seeds
from benchkit.config.suite_code import check_code
from benchkit.config.suite_html import suite_to_html
from benchkit.config.suite_model import SuiteModel
from benchkit.config.suite_paths import locate_at_load
from benchkit.data.spec import DatasetSpec
from benchkit.errors import ConfigError, unknown_name_error
from benchkit.evaluation.lookup import (
    DEFAULT_PROTOCOL,
    find_clashes,
    find_metric,
    find_protocol,
)
from benchkit.evaluation.metrics.base import Metric
from benchkit.evaluation.protocols.base import EvaluationProtocol
from benchkit.evaluation.protocols.sampled import Sampled
from benchkit.faults import DEFAULT_MAX_FAULT_SHARE
from benchkit.types import Capability


class MethodSpec(SuiteModel):
    """One row of the table: a method and its hyper-parameters.

    label: what the row is called, by default the method's name.
    model: which of the suite's models a language-model method has; by default `default`.
    config: hyper-parameters; `{dataset}` in a text is the dataset that is trained on.
    """

    method: str
    label: str = ""
    model: str = ""
    config: dict[str, Any] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.label or self.method.rpartition(":")[2]


class TaskSpec(SuiteModel):
    """One column group of the table: the dataset that is asked, and the one that is learnt from.

    train: by default the test dataset. train_by_family: families that learn from another one,
    e.g. {cf = "beauty"} where language models are asked zero-shot.
    requires: what a method must be capable of; the others are shown as not applicable.
    metrics: instead of the suite's, where a task is about something else.
    """

    name: str
    test: str
    train: str = ""
    train_by_family: dict[str, str] = Field(default_factory=dict)
    requires: tuple[Capability, ...] = ()
    metrics: tuple[str, ...] = ()

    def train_dataset(self, family: str) -> str:
        """Return the dataset that methods of `family` learn from."""
        return self.train_by_family.get(family, self.train or self.test)


class Suite(SuiteModel):
    """A suite file.

    protocols: `scored` ranks the frozen candidates, `full` the whole catalogue, `sampled` ranks
        generated answers; each method runs those that it is capable of.
    published: the tables that its figures stand beside, as file:table of leaderboards/published.
    primary: the metric that decides the mark "not above chance" of a row.
    popular_share: share of the items that count as popular for serendipity.
    max_fault_share: share of the cases that may lack an answer because the engine's could not be
        read (an error with status 200, an empty text, a prompt too long); a run with more fails,
        and the next one asks only those again.
    history_buckets: lengths of history, first and last, that are reported apart, e.g. [[1, 2],
        [3, 7], [8]]; [8] is 8 or more.
    judging: judges that grade the rationales of all runs, or none.
    models: settings that rows of language models share; see `benchkit.runs.settings.profiles`.
    relative_to: a method whose training time is 1 in the table of costs.
    drops: pairs of tasks, e.g. [["warm", "cold-users"]], whose relative difference is reported.
    """

    name: str
    title: str
    description: str = ""
    published: tuple[str, ...] = ()
    datasets: tuple[DatasetSpec, ...] = Field(min_length=1)
    tasks: tuple[TaskSpec, ...] = ()
    methods: tuple[MethodSpec, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    protocols: tuple[str, ...] = (DEFAULT_PROTOCOL.name,)
    metrics: tuple[str, ...] = Field(default=("hr@1", "hr@5", "ndcg@5", "mrr"), min_length=1)
    primary: str = "ndcg@5"
    popular_share: float = Field(default=0.2, gt=0, lt=1)
    max_fault_share: float = Field(default=DEFAULT_MAX_FAULT_SHARE, ge=0, le=1)
    history_buckets: tuple[tuple[int, ...], ...] = ()
    drops: tuple[tuple[str, str], ...] = ()
    relative_to: str = ""
    decoding: DecodingSpec = DecodingSpec()
    judging: JudgingSpec | None = None
    models: dict[str, dict[str, Any]] = Field(default_factory=dict)
    _folders: tuple[Path | None, ...] = PrivateAttr(default=(Path(), None))

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        """Take rows in all the forms that Python code gives them, and a title from the name."""
        from benchkit.config.method_rows import make_method_spec  # which needs this module

        if not isinstance(values, dict):
            return values
        rows = values.get("methods", ())
        if isinstance(rows, list | tuple):
            rows = [
                row
                if isinstance(row, dict) and isinstance(row.get("method"), str)
                else make_method_spec(row)
                for row in rows
            ]
        return {"title": values.get("name", ""), **values, "methods": rows}

    @model_validator(mode="before")
    @classmethod
    def _one_task_a_dataset(cls, values: Any) -> Any:
        if isinstance(values, dict) and not values.get("tasks"):
            names = [
                dataset.get("name") if isinstance(dataset, dict) else getattr(dataset, "name", None)
                for dataset in values.get("datasets", ())
            ]
            values = {**values, "tasks": [{"name": name, "test": name} for name in names]}
        return values

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        errors = [*self._find_wrong_measures(), *self._find_wrong_names()]
        if len(errors) == 1:
            raise errors[0]
        if errors:
            lines = [f"  {error.cause} ({error.hint or 'correct it'})" for error in errors]
            raise ConfigError("\n".join([f"{len(errors)} problems", *lines]), "correct the suite")
        return self

    def _find_wrong_measures(self) -> Iterator[ConfigError]:
        """Yield what is wrong with metrics, protocols, buckets and judged answers."""
        protocols = [find_protocol(spec) for spec in self.protocols]
        yield from find_clashes("protocol", self.protocols)
        for specs in {self.metrics, *(task.metrics for task in self.tasks if task.metrics)}:
            yield from find_clashes("metric", specs)
        metrics = [find_metric(spec) for spec in dict.fromkeys(self._all_metrics())]
        for metric in metrics:
            if not any(metric.requires <= protocol.provides for protocol in protocols):
                yield ConfigError(
                    f"metric {metric.name!r} is not defined under {', '.join(self.protocols)}",
                    "remove it, or add a protocol that it is defined under",
                )
        if self.primary not in [metric.name for metric in self.task_metrics()]:
            yield ConfigError(
                f"primary metric {self.primary!r} is not among the metrics",
                f'primary = "{self.task_metrics()[0].name}", or another of the metrics',
            )
        if DEFAULT_PROTOCOL.name not in self.protocols:
            name = DEFAULT_PROTOCOL.name
            yield ConfigError(f"protocol {name!r} is missing", f'protocols = ["{name}", ...]')
        for bucket in self.history_buckets:
            if len(bucket) not in (1, 2) or list(bucket) != sorted(bucket):
                yield ConfigError(f"history bucket {list(bucket)} is no [first, last] or [first]")
        if self.judging and self.judging.answers not in self.protocols:
            yield ConfigError(
                f"{self.judging.answers} answers are judged, but not asked for in protocols"
                f" {self.protocols}",
                f'add "{self.judging.answers}" to protocols, or choose [judging] answers of them',
            )

    def _find_wrong_names(self) -> Iterator[ConfigError]:
        """Yield names that are not known, or that two things have."""
        datasets = [dataset.name for dataset in self.datasets]
        tasks = [task.name for task in self.tasks]
        labels = [method.name for method in self.methods]
        yield from find_repeats(
            seeds=self.seeds, published=self.published, drops=self.drops,
            history_buckets=self.history_buckets,
        )  # fmt: skip
        yield from find_wrong_seeds(self.seeds)
        if self.relative_to and self.relative_to not in labels:
            yield unknown_name_error("method in relative_to:", self.relative_to, labels)
        for name in (name for pair in self.drops for name in pair):
            if name not in tasks:
                yield unknown_name_error("task in drops:", name, tasks)
        for task in self.tasks:
            for name in (task.test, task.train or task.test, *task.train_by_family.values()):
                if name not in datasets:
                    yield unknown_name_error(f"dataset in task {task.name!r}:", name, datasets)
        if re.search(r"@(\d+users|demo\d+)$", self.name):
            yield ConfigError(
                f"the name {self.name[-40:]!r} ends as runs with --limit-users or --demo do",
                "give the suite another name",
            )
        for kind, names in (
            ("suite", [self.name]),
            ("dataset", datasets),
            ("task", tasks),
            ("method label", labels),
            ("judge label", [j.name for j in self.judging.judges] if self.judging else []),
        ):
            for name in sorted({name for name in names if names.count(name) > 1}):
                yield ConfigError(f"{kind} {name!r} stands twice", "give one another name")
            yield from find_wrong_folders(kind, names)

    def task_metrics(self, task: TaskSpec | None = None) -> tuple[Metric, ...]:
        """Return the metrics of a task; by default those of the suite."""
        specs = (task.metrics if task else ()) or self.metrics
        return tuple(find_metric(spec) for spec in specs)

    def protocol_objects(self) -> tuple[EvaluationProtocol, ...]:
        """Return the protocols, in the order of the suite."""
        return tuple(find_protocol(spec) for spec in self.protocols)

    def titles_from_files(self) -> dict[str, str]:
        """Return name -> title of its metrics and protocols that come from files."""
        metrics = [find_metric(spec) for spec in self._all_metrics() if ":" in spec]
        protocols = [find_protocol(spec) for spec in self.protocols if ":" in spec]
        tables = [table for protocol in protocols for table in protocol.tables]
        return {metric.name: metric.title for metric in metrics} | {
            table.name: table.caption for table in tables
        }

    def _all_metrics(self) -> list[str]:
        """Return what the suite and its tasks call their metrics."""
        return [*self.metrics, *(spec for task in self.tasks for spec in task.metrics)]

    @property
    def judgeable_answers(self) -> str:
        """Which answers judges see where the suite does not say: samples, if there are any."""
        kinds = [type(protocol) for protocol in self.protocol_objects()]
        return Sampled.name if Sampled in kinds else DEFAULT_PROTOCOL.name

    @property
    def file_folders(self) -> tuple[Path | None, ...]:
        """Where its files are looked for, in this order; None stands for the data folder."""
        return self._folders

    def _repr_html_(self) -> str:
        return suite_to_html(self)

    def dataset(self, name: str) -> DatasetSpec:
        """Return the dataset called `name`."""
        return next(dataset for dataset in self.datasets if dataset.name == name)


def list_shipped_suites() -> dict[str, Path]:
    """Return name -> file of the suites that come with benchkit."""
    folder = Path(str(resources.files("benchkit") / "suites"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_suite(name: str, *, trust: bool = False, changes: Sequence[str] = ()) -> Suite:
    """Return a suite by name, or by the path of a TOML file.

    Args:
        name: The name, or the path; with `@demo300` behind it, its demo (`benchkit.config.demo`).
        trust: Whether the code that the file names may run wherever the file is from; otherwise it
            may where the file lies in the current folder.
        changes: Values to change, as `KEY=VALUE`; see `benchkit.config.changes`.

    Raises:
        ConfigError: The suite is wrong, or names code that may not run.
    """
    name, demo_users = split_demo_name(name)
    path, values = read_suite_values(name, changes)
    if name.endswith(".toml") or changes:
        check_code(path, values, trust=trust)
    suite = make_suite(name, path, values)
    return suite if demo_users is None else demo_suite(suite, demo_users)


def make_suite(name: str, path: Path, values: dict[str, Any]) -> Suite:
    """Return the suite that `read_suite_values` has read. Raises ConfigError where it is wrong."""
    suite = validate_model(Suite, values, str(path))
    folder = path.parent.resolve()
    suite._folders = (folder, None) if name.endswith(".toml") else (None, folder)
    return suite


def read_suite_values(name: str, changes: Sequence[str] = ()) -> tuple[Path, dict[str, Any]]:
    """Return the file of a suite, and its values with `changes` and full paths."""
    if name.endswith(".toml"):
        path = Path(name)
        try:
            exists = path.exists()
        except (OSError, ValueError) as error:  # no right to look, a name that no file can have
            raise ConfigError(f"{path}: cannot be read: {error}", "check the path") from None
        if not exists:
            raise ConfigError(f"{path}: no such suite file", "see `benchkit ls suites`")
    else:
        shipped = list_shipped_suites()
        if name not in shipped:
            raise unknown_name_error("suite", name, shipped)
        path = shipped[name]
    values = read_toml(path)
    values.setdefault("name", path.stem)
    apply_changes(values, changes)
    if name.endswith(".toml"):
        locate_at_load(values, path.parent.resolve())
    return path, values
