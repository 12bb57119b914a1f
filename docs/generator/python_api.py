"""Pages of the Python API: mkdocstrings fills them in from signatures and docstrings."""

import benchkit
from docs.generator.markdown import heading, page

GROUPS: dict[str, tuple[str, ...]] = {
    "Run and read": ("run", "plan", "load_results", "compare", "judge"),
    "Results": ("Results", "Comparison", "RunReport", "PlannedRun"),
    "Suites and data": ("Suite", "MethodSpec", "Dataset"),
    "Methods": (
        "Recommender", "Sampler", "TrainView", "Interactions", "Catalog", "RunContext", "Request",
        "Event", "Prediction", "Sample",
    ),
    "Metrics, protocols, executors": ("Metric", "MetricContext", "EvaluationProtocol", "Executor"),
    "Errors": (
        "BenchkitError", "ConfigError", "DataError", "EngineError", "MethodError", "StoreError",
    ),
}  # fmt: skip
"""Title -> the public names below it, in the order of the page."""

INTERFACES = {
    "Judges": ("benchkit.judging.verdicts", ("Judge", "JudgeInput", "Verdict")),
    "Rubrics": ("benchkit.judging.rubric", ("Rubric", "Criterion")),
    "Engines": (
        "benchkit.lm.types",
        ("Engine", "EngineClass", "Prompt", "Decoding", "Completion", "ContinuationScores"),
    ),
    "Teachers": (
        "benchkit.lm.teachers.base",
        ("Teacher", "TeacherClass", "TeacherQuestion", "Rationale"),
    ),
    "Data sources": ("benchkit.data.sources.base", ("DataSource",)),
    "Raw tables": ("benchkit.data.raw", ("RawData",)),
    "Splits": ("benchkit.data.splits.base", ("Splitter", "Split", "CaseRows")),
    "Tests for recommenders": ("benchkit.testing.recommenders", ("RecommenderContract",)),
    "Tests for metrics": ("benchkit.testing.metrics", ("MetricContract",)),
    "Tests for judges": ("benchkit.testing.judges", ("JudgeContract",)),
    "Tests for executors": ("benchkit.testing.executors", ("ExecutorContract",)),
}
"""Title -> the module, and its classes, that extensions are written against."""


def write_python_api() -> dict[str, str]:
    """Return path -> text of the page of all public names.

    Raises:
        ValueError: A public name stands in no group, or a group has a name that is not public.
    """
    names = {name for group in GROUPS.values() for name in group}
    if differing := names ^ (set(benchkit.__all__) - {"__version__"}):
        raise ValueError(f"groups and benchkit.__all__ differ in {sorted(differing)}")
    blocks = [
        "# Python API",
        "`import benchkit as bk` gives all of it, and loads no large package. The command line"
        " calls the same functions. `bk.__version__` is the version.",
    ]
    for title, group in GROUPS.items():
        blocks += [heading(2, title), *(f"::: benchkit.{name}" for name in group)]
    return {"reference/python.md": page(*blocks)}


def write_interfaces() -> dict[str, str]:
    """Return path -> text of the page of classes that extensions inherit or look like."""
    blocks = [
        "# Interfaces",
        "What your own judge, engine, teacher, data source or split looks like, and tests to"
        " inherit that check it. Methods, metrics, protocols and executors are on the page"
        " [Python API](python.md).",
    ]
    for title, (module, names) in INTERFACES.items():
        blocks += [heading(2, title), *(f"::: {module}.{name}" for name in names)]
    return {"reference/interfaces.md": page(*blocks)}
