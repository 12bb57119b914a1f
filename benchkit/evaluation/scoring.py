"""From the answers of a method to per-case values and their summaries."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.errors import BenchkitError, ConfigError
from benchkit.evaluation.metrics.base import Metric, MetricContext
from benchkit.runs.records import METRICS_SCHEMA, MetricSummary
from benchkit.stats.bootstrap import mean_interval
from benchkit.stats.clusters import count_clusters, find_clusters


def compute_metrics(
    table: str, metrics: Iterable[Metric], context: MetricContext
) -> tuple[pl.DataFrame, list[MetricSummary]]:
    """Return per-case values (schema `records.METRICS_SCHEMA`) and the summary of each metric.

    Cases without a value are left out of both, and so is a metric that no case has a value of.
    """
    columns, summary = {}, []
    for metric in metrics:
        values = _measure(metric, context)
        if isinstance(values, np.ndarray):
            columns[metric.name] = values
        summary += summarize(table, metric, values, context)
    return _metrics_table(table, context.cases.ids, columns), summary


def _measure(metric: Metric, context: MetricContext) -> NDArray[np.float64] | float:
    """Return the values of a metric. Raises ConfigError, which names it, for what are none."""
    try:
        values = metric.measure(context)
    except BenchkitError:
        raise
    except Exception as error:
        raise ConfigError(
            f"metric {metric.name!r} raised {type(error).__name__}: {error}",
            "correct its `measure`",
        ) from error
    hint = "return [n] one number a case, NaN where there is none, or one number"
    if isinstance(values, np.ndarray) and values.shape != (len(context),):
        shape = " x ".join(map(str, values.shape))
        raise ConfigError(
            f"metric {metric.name!r} returned {shape} values for {len(context)} cases", hint
        )
    try:
        numbers = np.asarray("none" if values is None else values, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array([[]])
    if numbers.ndim != (1 if isinstance(values, np.ndarray) else 0) or np.isinf(numbers).any():
        raise ConfigError(f"metric {metric.name!r} returned {values!r:.60}", hint)
    return numbers if numbers.ndim else float(numbers)


def summarize(
    table: str, metric: Metric, values: NDArray[np.float64] | float, context: MetricContext
) -> list[MetricSummary]:
    """Return the summary of one metric, a mean over cases; nothing where it has no value.

    Interval and p are over users: the cases of a user are resampled together.
    """
    low = high = p = None
    user = context.cases.user
    if isinstance(values, np.ndarray):
        user = user[~np.isnan(values)]
        if not len(user):
            return []
        present = values[~np.isnan(values)]
        mean = metric.aggregate(present)
        if type(metric).aggregate is Metric.aggregate:
            low, high = mean_interval(present, clusters=find_clusters(user))
            p = metric.p_value(context, values)
    else:
        mean = float(values)
        if np.isnan(mean):
            return []
    return [
        MetricSummary(
            protocol=table,
            metric=metric.name,
            n=len(user),
            users=count_clusters(find_clusters(user), len(user)),
            mean=mean,
            low=low,
            high=high,
            chance=metric.chance_level(context),
            p_chance=p,
        )
    ]


def _metrics_table(
    table: str, case_ids: Sequence[str], columns: Mapping[str, NDArray[np.float64]]
) -> pl.DataFrame:
    """Return per-case values, metric after metric."""
    ids = np.array(case_ids, dtype=object)
    parts = [pl.DataFrame(schema=METRICS_SCHEMA)]
    for name, values in columns.items():
        present = ~np.isnan(values)
        parts.append(
            pl.DataFrame(
                {
                    "case_id": ids[present],
                    "protocol": [table] * int(present.sum()),
                    "metric": [name] * int(present.sum()),
                    "value": values[present],
                },
                schema=METRICS_SCHEMA,
            )
        )
    return pl.concat(parts)
