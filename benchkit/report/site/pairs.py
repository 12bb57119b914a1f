"""Paired differences between the rows of a table, precomputed, because the page has no cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.stats.multiple import holm
from benchkit.stats.paired import compare_all

MOST = 4000  # differences a table: with more only the primary metric is compared

Values = dict[str, pl.DataFrame]  # metric -> columns case_id and value, sorted


@dataclass(frozen=True)
class Differences:
    """Differences of all pairs a < b of k rows, as arrays of length k (k - 1) / 2.

    mean: of a - b over users; low, high: its 95 % interval; p: two-sided; holm: p adjusted over
    these pairs.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p: NDArray[np.float64]
    holm: NDArray[np.float64]


def differences(values: NDArray[np.float64]) -> Differences:
    """All pairs of rows of `values` [methods, users], in the order of combinations(range(k), 2)."""
    found = compare_all(values)
    columns = ("difference", "low", "high", "p")
    mean, low, high, p = (np.array([getattr(pair, c) for pair in found]) for c in columns)
    return Differences(mean, low, high, p, holm(p))


def affordable(metrics: Sequence[str], primary: str, rows: int) -> list[str]:
    """The metrics that are compared: all, or `primary` alone where pairs are many.

    >>> affordable(["hr@1", "mrr"], "mrr", 15), affordable(["hr@1", "mrr"], "mrr", 90)
    (['hr@1', 'mrr'], ['mrr'])
    """
    return list(metrics) if len(metrics) * (rows * (rows - 1) // 2) <= MOST else [primary]


def values(tables: Sequence[pl.DataFrame], protocol: str, metrics: Sequence[str]) -> Values:
    """Per-case values of a row, each the mean over its seeds' metric tables."""
    pooled = (
        pl.concat(tables)
        .filter((pl.col("protocol") == protocol) & pl.col("metric").is_in(list(metrics)))
        .group_by("metric", "case_id")
        .agg(pl.col("value").mean())
        .sort("metric", "case_id")
    )
    return {
        str(metric): part.select("case_id", "value")
        for (metric,), part in pooled.group_by("metric", maintain_order=True)
    }


def compared(metrics: Sequence[str], rows: Sequence[Values | None]) -> dict[str, Any]:
    """What the page says of any two rows of a table, by metric.

    rows: `values` of each row of the table, None where it has no results.
    Returns {metric: {"rows": places in the table, "n": users, "values": [[difference, low, high,
    p, p by Holm], ...]}}, all pairs of "rows" in the order of combinations. Rows that have not the
    cases of the first row are left out, as are values that are no number.
    """
    found = {}
    for metric in metrics:
        having = [(i, row[metric]) for i, row in enumerate(rows) if row and metric in row]
        same = [(i, own) for i, own in having if _same_cases(own, having[0][1])]
        if len(same) > 1:
            matrix = np.stack([own["value"].to_numpy() for _, own in same])
            found[metric] = {
                "rows": [i for i, _ in same],
                "n": matrix.shape[1],
                "values": _listed(differences(matrix)),
            }
    return found


def _same_cases(own: pl.DataFrame, first: pl.DataFrame) -> bool:
    return bool(own["case_id"].equals(first["case_id"]) and own["value"].is_finite().all())


def _listed(found: Differences) -> list[list[float]]:
    columns = (found.mean, found.low, found.high, found.p, found.holm)
    return [
        [round(mean, 5), round(low, 5), round(high, 5), float(f"{p:.3g}"), float(f"{adjusted:.3g}")]
        for mean, low, high, p, adjusted in zip(*(c.tolist() for c in columns), strict=True)
    ]
