"""From ranks to per-case values and their summaries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.dataset import Cases, Dataset
from benchkit.data.splits import TRAIN
from benchkit.metrics.accuracy import RankMetric
from benchkit.metrics.ranks import Ranks
from benchkit.metrics.serendipity import Serendipity, popular_items
from benchkit.metrics.validity import failures
from benchkit.protocols import Prediction, Status
from benchkit.records import Summary
from benchkit.stats.bootstrap import mean_interval
from benchkit.stats.chance import p_value


@dataclass(frozen=True)
class Result:
    """What one protocol gave. predictions: of the frozen candidates only (None for `full`)."""

    protocol: str
    metrics: pl.DataFrame
    summary: list[Summary]
    predictions: list[Prediction] | None


def metrics_of(
    names: Sequence[str], dataset: Dataset, cases: Cases, popular_share: float
) -> list[RankMetric]:
    """The metrics called `names`, with what they must know of the cases."""
    trained = dataset.interactions.item[dataset.part == TRAIN]
    counts = np.bincount(trained, minlength=len(dataset.catalog))
    unpopular = ~popular_items(counts, popular_share)[cases.target]
    return [
        Serendipity(name, unpopular) if name.startswith("serendipity") else RankMetric(name)
        for name in names
    ]


def measured(
    protocol: str,
    case_ids: Sequence[str],
    ranks: Ranks,
    metrics: Sequence[RankMetric],
    statuses: Sequence[Status] = (),
) -> tuple[pl.DataFrame, list[Summary]]:
    """Per-case values (schema `records.METRICS`) and their means with intervals.

    Cases without a ranking count as misses; `valid` says how many were answered, and where the
    cases' statuses are given, `truncated` and `refused` how many have those.
    """
    columns = {metric.name: metric.values(ranks) for metric in metrics}
    summary = [_above_chance(protocol, metric, columns[metric.name], ranks) for metric in metrics]
    other = {"valid": ranks.answered.astype(np.float64)}
    if statuses:
        other |= failures([(status,) for status in statuses])
    summary += [described(protocol, name, values) for name, values in other.items()]
    columns |= other
    return case_table(protocol, case_ids, columns), summary


def described(protocol: str, name: str, values: NDArray[np.float64]) -> Summary:
    """Mean and interval of a per-case value that chance says nothing about."""
    low, high = mean_interval(values)
    return Summary(
        protocol=protocol, metric=name, n=len(values), mean=float(values.mean()), low=low, high=high
    )


def case_table(
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


def _above_chance(
    protocol: str, metric: RankMetric, values: NDArray[np.float64], ranks: Ranks
) -> Summary:
    weighed = metric.weights(len(values)) > 0  # the other cases cannot gain, whatever is ranked
    p = None
    if weighed.any():
        mean = float(values.mean() / weighed.mean())
        p = p_value(mean, metric.gains(int(ranks.of.max())), ranks.of[weighed])
    return described(protocol, metric.name, values).model_copy(
        update={"chance": metric.chance(ranks.of), "p_chance": p}
    )
