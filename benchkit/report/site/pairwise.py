"""Paired differences between the rows of a table, computed here because the page has no cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.report.core.case_users import case_clusters
from benchkit.stats.clusters import Clusters, count_clusters
from benchkit.stats.crossed_effects import try_crossed_effects
from benchkit.stats.multiple_testing import holm
from benchkit.stats.paired import compare_metric_pairs

MAX_DIFFERENCES = 4000  # per table; beyond, only the primary metric is compared

# metric -> columns case_id, sorted, and one column of values per seed
MetricValues = dict[str, pl.DataFrame]


@dataclass(frozen=True)
class PairwiseDifferences:
    """Differences of all pairs a < b of k rows, as arrays of length k (k - 1) / 2."""

    mean: NDArray[np.float64]
    """Mean of a - b over cases."""
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p: NDArray[np.float64]
    """Two-sided."""
    holm: NDArray[np.float64]
    """p adjusted over these pairs."""


def pairwise_differences(
    values: Sequence[NDArray[np.float64]], clusters: Clusters | None = None
) -> PairwiseDifferences:
    """Compare all pairs of methods, each [seeds, cases], in the order of combinations(range(k), 2).

    As in `benchkit compare`: over users and seeds where both have enough seeds, else over users,
    with values averaged over seeds. clusters: the cases of each user, where users have several.
    """
    return metric_differences([values], clusters)[0]


def metric_differences(
    metrics: Sequence[Sequence[NDArray[np.float64]]], clusters: Clusters | None = None
) -> list[PairwiseDifferences]:
    """Return `pairwise_differences` of several metrics of the same cases, with the same draws."""
    pairs = [list(combinations(range(len(values)), 2)) for values in metrics]
    means = [np.stack([row.mean(axis=0) for row in values]) for values in metrics]
    differences = []
    pooled = compare_metric_pairs(means, pairs, clusters=clusters)
    for values, of_metric, over_users in zip(metrics, pairs, pooled, strict=True):
        results = [
            try_crossed_effects(values[a], values[b], clusters) or over
            for (a, b), over in zip(of_metric, over_users, strict=True)
        ]
        columns = ("difference", "low", "high", "p")
        mean, low, high, p = (np.array([getattr(pair, c) for pair in results]) for c in columns)
        differences.append(PairwiseDifferences(mean, low, high, p, holm(p)))
    return differences


def metrics_to_compare(metrics: Sequence[str], primary: str, rows: int) -> list[str]:
    """Return the metrics to compare: all, or `primary` alone if there are too many pairs.

    >>> metrics_to_compare(["hr@1", "mrr"], "mrr", rows=15)
    ['hr@1', 'mrr']
    >>> metrics_to_compare(["hr@1", "mrr"], "mrr", rows=90)
    ['mrr']
    """
    return (
        list(metrics) if len(metrics) * (rows * (rows - 1) // 2) <= MAX_DIFFERENCES else [primary]
    )


def per_case_values(
    tables: Sequence[pl.DataFrame], protocol: str, metrics: Sequence[str]
) -> MetricValues:
    """Return per-case values of a row, for metrics that all seeds have for the same cases.

    tables: The metric table of each seed.
    """
    wanted = (pl.col("protocol") == protocol) & pl.col("metric").is_in(list(metrics))
    seeds = [table.filter(wanted).partition_by("metric", as_dict=True) for table in tables]
    values = {}
    for metric in metrics:
        parts = [_by_case(seed[(metric,)]) for seed in seeds if (metric,) in seed]
        if len(parts) < len(seeds) or any(_others(part, parts[0]) for part in parts):
            continue
        columns = {str(seed): part["value"] for seed, part in enumerate(parts)}
        values[metric] = pl.DataFrame({"case_id": parts[0]["case_id"], **columns})
    return values


def compare_row_pairs(
    metrics: Sequence[str], rows: Sequence[MetricValues | None], users: Mapping[str, str]
) -> dict[str, Any]:
    """Return the differences that the page shows, by metric.

    Args:
        metrics: What to compare.
        rows: `per_case_values` of each row of the table; None where it has no results.
        users: The user of each case.

    Returns:
        {metric: {"rows": indices in the table, "n": cases, "users": whose cases they are, "values":
        [[difference, low, high, p, adjusted p], ...]}}, with all pairs of "rows" in the order of
        combinations. Rows with other cases than the first, or with values that are not finite, are
        left out.
    """
    compared: dict[str, tuple[list[int], list[NDArray[np.float64]]]] = {}
    cases: dict[str, list[str]] = {}
    for metric in metrics:
        having = [(i, row[metric]) for i, row in enumerate(rows) if row and metric in row]
        same = [
            (i, values)
            for i, values in having
            if not _others(values, having[0][1]) and np.isfinite(_seeds(values)).all()
        ]
        if len(same) > 1:
            compared[metric] = [i for i, _ in same], [_seeds(values) for _, values in same]
            cases[metric] = same[0][1]["case_id"].to_list()
    differences = {}
    for group in _equal_cases(cases):
        clusters = case_clusters(cases[group[0]], users)
        results = metric_differences([compared[metric][1] for metric in group], clusters)
        for metric, between in zip(group, results, strict=True):
            n = len(cases[metric])
            differences[metric] = {
                "rows": compared[metric][0],
                "n": n,
                "users": count_clusters(clusters, n),
                "values": _listed(between),
            }
    return {metric: differences[metric] for metric in compared}


def _equal_cases(cases: Mapping[str, list[str]]) -> list[list[str]]:
    """Return groups of metrics that are of the same cases, which have the same draws."""
    groups: list[list[str]] = []
    for metric, ids in cases.items():
        for group in groups:
            if cases[group[0]] == ids:
                group.append(metric)
                break
        else:
            groups.append([metric])
    return groups


def _by_case(values: pl.DataFrame) -> pl.DataFrame:
    """Return `values` sorted by case, which they usually are."""
    return values if values["case_id"].is_sorted() else values.sort("case_id")


def _others(values: pl.DataFrame, first: pl.DataFrame) -> bool:
    """Return whether `values` are of other cases."""
    return not values["case_id"].equals(first["case_id"])


def _seeds(values: pl.DataFrame) -> NDArray[np.float64]:
    """Return values, [seeds, cases]."""
    return values.drop("case_id").to_numpy().T


def _listed(differences: PairwiseDifferences) -> list[list[float]]:
    columns = (differences.mean, differences.low, differences.high, differences.p, differences.holm)
    return [
        [round(mean, 5), round(low, 5), round(high, 5), float(f"{p:.3g}"), float(f"{adjusted:.3g}")]
        for mean, low, high, p, adjusted in zip(*(c.tolist() for c in columns), strict=True)
    ]
