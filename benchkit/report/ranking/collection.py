"""Values of the rows that can be ranked against each other: those over the same cases."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl

from benchkit.report.core.case_users import case_clusters, read_case_users
from benchkit.report.core.results import ResultRow, ResultTable
from benchkit.runs.store import Store
from benchkit.stats.arrays import Floats
from benchkit.stats.clusters import Clusters

_Cases = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RankedValues:
    """One metric of the rows of a table, case by case."""

    labels: tuple[str, ...]
    values: tuple[Floats, ...]
    """[seeds, n] of each."""
    clusters: Clusters | None
    """The cases of each user, where users have several."""
    left_out: tuple[str, ...]
    """Labels of rows with figures that have no values, or values of other cases."""


def read_ranked_values(
    store: Store, suite: str, table: ResultTable, metric: str
) -> RankedValues | None:
    """Read the rows that have values of the same cases in all seeds; None for fewer than two.

    Where rows differ in cases, those of the cases that most rows have are ranked. A comparison
    over what all have in common would be one over cases that the worst row selects.
    """
    read: dict[str, tuple[_Cases, Floats]] = {}
    rows = {row.label: row for row in table.rows if metric in row.cells}
    for label, row in rows.items():
        if (values := _read(store, suite, table, row, metric)) is not None:
            read[label] = values
    if not read:
        return None
    cases, count = Counter(ids for ids, _ in read.values()).most_common(1)[0]
    if count < 2:
        return None
    labels = tuple(label for label, (ids, _) in read.items() if ids == cases)
    run = store.run(suite, table.task, labels[0], rows[labels[0]].run_ids[0])
    return RankedValues(
        labels,
        tuple(read[label][1] for label in labels),
        case_clusters(cases, read_case_users(run)),
        tuple(label for label in rows if label not in labels),
    )


def _read(
    store: Store, suite: str, table: ResultTable, row: ResultRow, metric: str
) -> tuple[_Cases, Floats] | None:
    """Return the cases of a row and its values [seeds, n]; None where its seeds differ in cases."""
    ids: _Cases = ()
    seeds: list[Floats] = []
    for run_id in row.run_ids:
        frame = store.run(suite, table.task, row.label, run_id).metrics()
        wanted = (pl.col("protocol") == table.protocol) & (pl.col("metric") == metric)
        frame = frame.filter(wanted & pl.col("value").is_finite()).sort("case_id")
        seed_ids = tuple(frame["case_id"])
        if not seed_ids or (seeds and seed_ids != ids):
            return None
        ids = seed_ids
        seeds.append(frame["value"].to_numpy())
    return (ids, np.array(seeds, dtype=np.float64)) if seeds else None
