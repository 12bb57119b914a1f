"""Paired differences between the rows of a table, precomputed, because the page has no cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.stats.crossed_effects import try_crossed_effects
from benchkit.stats.multiple_testing import holm
from benchkit.stats.paired import compare_pairs

MAX_DIFFERENCES = 4000  # differences a table: with more only the primary metric is compared

MetricValues = dict[
    str, pl.DataFrame
]  # metric -> columns case_id, sorted, and one of values a seed


@dataclass(frozen=True)
class PairwiseDifferences:
    """Differences of all pairs a < b of k rows, as arrays of length k (k - 1) / 2.

    mean: of a - b over users; low, high: its 95 % interval; p: two-sided; holm: p adjusted over
    these pairs.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p: NDArray[np.float64]
    holm: NDArray[np.float64]


def pairwise_differences(values: Sequence[NDArray[np.float64]]) -> PairwiseDifferences:
    """All pairs of methods, each [seeds, users], in the order of combinations(range(k), 2).

    Over users and seeds where both have seeds enough (`over_seeds`), as in `benchkit compare`; else
    over users, of values averaged over seeds.
    """
    pairs = list(combinations(range(len(values)), 2))
    pooled = compare_pairs(np.stack([row_values.mean(axis=0) for row_values in values]), pairs)
    results = [
        try_crossed_effects(values[a], values[b]) or over
        for (a, b), over in zip(pairs, pooled, strict=True)
    ]
    columns = ("difference", "low", "high", "p")
    mean, low, high, p = (np.array([getattr(pair, c) for pair in results]) for c in columns)
    return PairwiseDifferences(mean, low, high, p, holm(p))


def metrics_to_compare(metrics: Sequence[str], primary: str, rows: int) -> list[str]:
    """The metrics that are compared: all, or `primary` alone where pairs are many.

    >>> metrics_to_compare(["hr@1", "mrr"], "mrr", 15), metrics_to_compare(["hr@1", "mrr"], "mrr", 90)
    (['hr@1', 'mrr'], ['mrr'])
    """
    return (
        list(metrics) if len(metrics) * (rows * (rows - 1) // 2) <= MAX_DIFFERENCES else [primary]
    )


def per_case_values(
    tables: Sequence[pl.DataFrame], protocol: str, metrics: Sequence[str]
) -> MetricValues:
    """Per-case values of a row from its seeds' metric tables; metrics that the seeds do not all
    have for the same cases are left out."""
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
    metrics: Sequence[str], rows: Sequence[MetricValues | None]
) -> dict[str, Any]:
    """What the page says of any two rows of a table, by metric.

    rows: `values` of each row of the table, None where it has no results.
    Returns {metric: {"rows": places in the table, "n": users, "values": [[difference, low, high,
    p, p by Holm], ...]}}, all pairs of "rows" in the order of combinations. Rows that have not the
    cases of the first row are left out, as are values that are no number.
    """
    differences = {}
    for metric in metrics:
        having = [(i, row[metric]) for i, row in enumerate(rows) if row and metric in row]
        same = [
            (i, values)
            for i, values in having
            if not _others(values, having[0][1]) and np.isfinite(_seeds(values)).all()
        ]
        if len(same) > 1:
            measured = [_seeds(values) for _, values in same]
            differences[metric] = {
                "rows": [i for i, _ in same],
                "n": measured[0].shape[1],
                "values": _listed(pairwise_differences(measured)),
            }
    return differences


def _by_case(values: pl.DataFrame) -> pl.DataFrame:
    """Sorted by case, which they most often are already."""
    return values if values["case_id"].is_sorted() else values.sort("case_id")


def _others(values: pl.DataFrame, first: pl.DataFrame) -> bool:
    """Whether it is of other cases."""
    return not values["case_id"].equals(first["case_id"])


def _seeds(values: pl.DataFrame) -> NDArray[np.float64]:
    """[seeds, users] values."""
    return values.drop("case_id").to_numpy().T


def _listed(differences: PairwiseDifferences) -> list[list[float]]:
    columns = (differences.mean, differences.low, differences.high, differences.p, differences.holm)
    return [
        [round(mean, 5), round(low, 5), round(high, 5), float(f"{p:.3g}"), float(f"{adjusted:.3g}")]
        for mean, low, high, p, adjusted in zip(*(c.tolist() for c in columns), strict=True)
    ]
