"""From ranks to per-case values and their summaries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.dataset import Cases, Dataset
from benchkit.data.preparation.splits import TRAIN
from benchkit.evaluation.metrics.rank_based import RankMetric
from benchkit.evaluation.metrics.serendipity import Serendipity, popularity_mask
from benchkit.evaluation.metrics.validity import failure_rates
from benchkit.evaluation.ranks import Ranks
from benchkit.runs.records import MetricSummary
from benchkit.stats.bootstrap import mean_interval
from benchkit.stats.chance_test import uniform_rank_p_value
from benchkit.types import Prediction, Status


@dataclass(frozen=True)
class ProtocolResult:
    """What one protocol gave. predictions: of the frozen candidates only (None for `full`)."""

    protocol: str
    metrics: pl.DataFrame
    summary: list[MetricSummary]
    predictions: list[Prediction] | None


def make_metrics(
    names: Sequence[str], dataset: Dataset, cases: Cases, popular_share: float
) -> list[RankMetric]:
    """The metrics called `names`, with what they must know of the cases."""
    trained = dataset.interactions.item[dataset.part == TRAIN]
    counts = np.bincount(trained, minlength=len(dataset.catalog))
    unpopular = ~popularity_mask(counts, popular_share)[cases.target]
    return [
        Serendipity(name, unpopular) if name.startswith("serendipity") else RankMetric(name)
        for name in names
    ]


def score_ranks(
    protocol: str,
    case_ids: Sequence[str],
    ranks: Ranks,
    metrics: Sequence[RankMetric],
    statuses: Sequence[Status] = (),
) -> tuple[pl.DataFrame, list[MetricSummary]]:
    """Per-case values (schema `records.METRICS`) and their means with intervals.

    Cases without a ranking count as misses; `valid` says how many were answered, and where the
    cases' statuses are given, `truncated` and `refused` how many have those.
    """
    columns = {metric.name: metric.values(ranks) for metric in metrics}
    summary = [
        _summary_with_chance(protocol, metric, columns[metric.name], ranks) for metric in metrics
    ]
    other = {"valid": ranks.answered.astype(np.float64)}
    if statuses:
        other |= failure_rates([(status,) for status in statuses])
    summary += [mean_summary(protocol, name, values) for name, values in other.items()]
    columns |= other
    return metrics_table(protocol, case_ids, columns), summary


def mean_summary(protocol: str, name: str, values: NDArray[np.float64]) -> MetricSummary:
    """Mean and interval of a per-case value that chance says nothing about."""
    low, high = mean_interval(values)
    return MetricSummary(
        protocol=protocol, metric=name, n=len(values), mean=float(values.mean()), low=low, high=high
    )


def metrics_table(
    protocol: str, case_ids: Sequence[str], columns: Mapping[str, NDArray[np.float64]]
) -> pl.DataFrame:
    """Per-case values as schema `records.METRICS`, metric after metric."""
    ids = pl.Series("case_id", case_ids, dtype=pl.String)
    tables = [
        pl.DataFrame({"case_id": ids}).with_columns(
            pl.lit(protocol).alias("protocol"),
            pl.lit(name).alias("metric"),
            pl.Series("value", values, dtype=pl.Float64),
        )
        for name, values in columns.items()
    ]
    return pl.concat(tables)


def _summary_with_chance(
    protocol: str, metric: RankMetric, values: NDArray[np.float64], ranks: Ranks
) -> MetricSummary:
    weighed = metric.weights(len(values)) > 0  # the other cases cannot gain, whatever is ranked
    p = None
    if weighed.any():
        mean = float(values.mean() / weighed.mean())
        p = uniform_rank_p_value(
            mean, metric.gains(int(ranks.n_candidates.max())), ranks.n_candidates[weighed]
        )
    return mean_summary(protocol, metric.name, values).model_copy(
        update={"chance": metric.chance_level(ranks.n_candidates), "p_chance": p}
    )
