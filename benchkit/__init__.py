"""benchkit: benchmarking and evaluation for LLM-based explainable recommendation.

    import benchkit as bk

    results = bk.run("quickstart", methods=["popularity", "ease"])
    results.to_pandas()
    results.plot("ndcg@5")

Names are loaded when they are used: importing benchkit loads no large package.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0.dev0"

if TYPE_CHECKING:
    from benchkit.api.comparison import Comparison, compare
    from benchkit.api.datasets import Dataset
    from benchkit.api.execution import run
    from benchkit.api.judgement import judge
    from benchkit.api.plans.planned_runs import PlannedRun, plan
    from benchkit.api.results import Results
    from benchkit.api.run_report import RunReport
    from benchkit.api.stored_results import load_results
    from benchkit.config.suite import MethodSpec, Suite
    from benchkit.errors import (
        BenchkitError,
        ConfigError,
        DataError,
        EngineError,
        MethodError,
        StoreError,
    )
    from benchkit.evaluation.metrics.base import Metric, MetricContext
    from benchkit.evaluation.protocols.base import EvaluationProtocol
    from benchkit.types import (
        Catalog,
        Event,
        Executor,
        Interactions,
        Prediction,
        Recommender,
        Request,
        RunContext,
        Sample,
        Sampler,
        TrainView,
    )

_EXPORTS = {
    "benchkit.api.comparison": ("Comparison", "compare"),
    "benchkit.api.datasets": ("Dataset",),
    "benchkit.api.execution": ("run",),
    "benchkit.api.judgement": ("judge",),
    "benchkit.api.plans.planned_runs": ("PlannedRun", "plan"),
    "benchkit.api.results": ("Results",),
    "benchkit.api.run_report": ("RunReport",),
    "benchkit.api.stored_results": ("load_results",),
    "benchkit.config.suite": ("MethodSpec", "Suite"),
    "benchkit.errors": (
        "BenchkitError", "ConfigError", "DataError", "EngineError", "MethodError", "StoreError",
    ),
    "benchkit.evaluation.metrics.base": ("Metric", "MetricContext"),
    "benchkit.evaluation.protocols.base": ("EvaluationProtocol",),
    "benchkit.types": (
        "Catalog", "Event", "Executor", "Interactions", "Prediction", "Recommender", "Request",
        "RunContext", "Sample", "Sampler", "TrainView",
    ),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = [
    "BenchkitError",
    "Catalog",
    "Comparison",
    "ConfigError",
    "DataError",
    "Dataset",
    "EngineError",
    "EvaluationProtocol",
    "Event",
    "Executor",
    "Interactions",
    "MethodError",
    "MethodSpec",
    "Metric",
    "MetricContext",
    "PlannedRun",
    "Prediction",
    "Recommender",
    "Request",
    "Results",
    "RunContext",
    "RunReport",
    "Sample",
    "Sampler",
    "StoreError",
    "Suite",
    "TrainView",
    "__version__",
    "compare",
    "judge",
    "load_results",
    "plan",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'benchkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
