"""Find metrics and protocols: shipped ones by name, others in a file, e.g. `my.py:MyMetric@5`."""

import inspect
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from benchkit.errors import ConfigError
from benchkit.evaluation import record
from benchkit.evaluation.metrics.base import Metric
from benchkit.evaluation.protocols.base import EvaluationProtocol, ProtocolTable
from benchkit.evaluation.protocols.full import Full
from benchkit.evaluation.protocols.sampled import Sampled
from benchkit.evaluation.protocols.scored import Scored
from benchkit.registry import Registry

_RANK = "benchkit.evaluation.metrics.rank_based"
_LIST = "benchkit.evaluation.metrics.list_level"
_SEVERAL = "benchkit.evaluation.metrics.several_relevant"
_VALIDITY = "benchkit.evaluation.metrics.validity"
METRICS: Registry[type[Metric]] = Registry(
    "metric",
    {
        "hr": f"{_RANK}:HitRate",
        "ndcg": f"{_RANK}:NDCG",
        "mrr": f"{_RANK}:MRR",
        "recall": f"{_SEVERAL}:Recall",
        "precision": f"{_SEVERAL}:Precision",
        "map": f"{_SEVERAL}:MeanAveragePrecision",
        "graded-ndcg": f"{_SEVERAL}:GradedNDCG",
        "adherence": f"{_RANK}:Adherence",
        "avoidance": f"{_RANK}:Avoidance",
        "serendipity": "benchkit.evaluation.metrics.serendipity:Serendipity",
        "coverage": f"{_LIST}:Coverage",
        "gini": f"{_LIST}:Gini",
        "novelty": f"{_LIST}:Novelty",
        "valid": f"{_VALIDITY}:Valid",
        "unique": f"{_VALIDITY}:Unique",
        "truncated": f"{_VALIDITY}:Truncated",
        "refused": f"{_VALIDITY}:Refused",
    },
    "benchkit.metrics",
    base=type,
    parent=Metric,
    members=("kind",),
    hint="inherit benchkit.evaluation.metrics.base.Metric",
)
PROTOCOLS: Registry[type[EvaluationProtocol]] = Registry(
    "protocol",
    {
        protocol.name: f"{protocol.__module__}:{protocol.__name__}"
        for protocol in (Scored, Full, Sampled)
    },
    "benchkit.protocols",
    base=type,
    parent=EvaluationProtocol,
    members=("name",),
    hint="inherit benchkit.evaluation.protocols.base.EvaluationProtocol",
)
DEFAULT_PROTOCOL = Scored()
IMPORTABLE_PROTOCOLS: tuple[EvaluationProtocol, ...] = (Scored(), Sampled())
"""Those that answers made elsewhere can be scored under."""


def default_protocol(names: Sequence[str]) -> str:
    """Return what a suite's figures are shown of: the default protocol, or its first one."""
    return DEFAULT_PROTOCOL.name if DEFAULT_PROTOCOL.name in names else names[0]


def find_metric(spec: str) -> Metric:
    """Return the metric that a suite calls `spec`.

    Raises:
        ConfigError: It is not known.

    >>> find_metric("ndcg@5").title
    'NDCG@5'
    """
    match = re.fullmatch(r"(?P<kind>.+?)(@(?P<cutoff>[1-9]\d*))?", spec)
    kind, cutoff = (match["kind"], match["cutoff"]) if match else (spec, None)
    try:
        metric_class = METRICS.load(kind)
        return metric_class(int(cutoff) if cutoff else None)
    except ConfigError as error:
        if ":" in kind or kind in METRICS:
            raise
        names = (METRICS.load(name).form() for name in METRICS)
        raise ConfigError(f"unknown metric {spec!r}", f"use {', '.join(names)}") from error


def find_protocol(spec: str) -> EvaluationProtocol:
    """Return the protocol that a suite calls `spec`.

    Raises:
        ConfigError: It is not known.

    >>> find_protocol("full").caption
    'whole catalogue, scored'
    """
    protocol_class = PROTOCOLS.load(spec)
    try:
        return protocol_class()
    except TypeError as error:
        raise ConfigError(
            f"protocol {spec!r}: {error}", "it is constructed without arguments"
        ) from error


def find_clashes(
    kind: Literal["metric", "protocol"], specs: Sequence[str]
) -> Iterator[ConfigError]:
    """Yield what would put two figures under one name: in tables nobody could tell them apart.

    Args:
        kind: What the names are of.
        specs: What one task calls its metrics, or a suite its protocols.
    """
    find, registry = (find_metric, METRICS) if kind == "metric" else (find_protocol, PROTOCOLS)
    components: list[Metric | EvaluationProtocol] = [find(spec) for spec in specs]
    for name, count in Counter(component.name for component in components).items():
        if count > 1:
            yield ConfigError(f"{count} {kind}s are called {name!r}", f"name each {kind} once")
    for spec, component in zip(specs, components, strict=True):
        if ":" in spec and getattr(component, "kind", component.name) in registry:
            yield ConfigError(
                f"{kind} {spec!r} is called {component.name!r}, as one of benchkit's is",
                "give its class another " + ("kind" if kind == "metric" else "name"),
            )


def metric_by_name(name: str) -> Metric | None:
    """Return the metric called `name` in records; None for one that came from a file."""
    if name.partition("@")[0] not in METRICS:
        return None
    try:
        return find_metric(name)
    except ConfigError:
        return None


def protocol_by_name(name: str) -> EvaluationProtocol:
    """Return the protocol that fills in the table called `name` in records.

    For a protocol that came from a file it is a bare one, which only has the name.
    """
    for protocol in map(find_protocol, PROTOCOLS):
        if any(table.name == name for table in protocol.tables):
            return protocol
    return EvaluationProtocol(name)


def table_by_name(name: str) -> ProtocolTable:
    """Return what a table of results is called, by its name in records."""
    return next(table for table in protocol_by_name(name).tables if table.name == name)


def source_files(components: Iterable[Metric | EvaluationProtocol]) -> list[Path]:
    """Return the files that define metrics and protocols, and the one that writes the record."""
    return [Path(record.__file__), *(Path(inspect.getfile(type(c))) for c in components)]
