"""Tests of the best row of a column against each of the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchkit.report.core.case_values import CaseValues, read_metric_values
from benchkit.report.core.results import ResultTable
from benchkit.report.incremental.codecs import decode_array, encode_array
from benchkit.report.incremental.memo import store_memo
from benchkit.report.incremental.run_inputs import hash_row_tables
from benchkit.runs.store import Store
from benchkit.stats.paired import paired_p_values


@dataclass(frozen=True)
class RivalTests:
    """The best row of a column beside each rival, in their order."""

    p: list[float]
    """Two-sided, not adjusted."""
    seeds: list[tuple[int, int]]
    """How many the best has, and the rival."""


def recall_rival_tests(
    store: Store, suite: str, table: ResultTable, labels: Mapping[str, Sequence[str]]
) -> dict[str, RivalTests]:
    """Test in each metric the best row against each other, now or as an earlier report has done.

    labels: Metric -> the best row, then its rivals.

    Raises:
        StoreError: The cases of methods or of seeds differ.
        ConfigError: A metric has no values case by case.
    """
    present = {label for of_metric in labels.values() for label in of_metric}
    rows = [row for row in table.rows if row.label in present]

    def inputs() -> list[Any]:
        named = [[row.label, row.protocol] for row in rows]
        return [labels, named, hash_row_tables(store, suite, rows)]

    def compute() -> dict[str, RivalTests]:
        values = read_metric_values(store, suite, table, labels)
        return {metric: _test(of_metric) for metric, of_metric in values.items()}

    return store_memo(store).recall("rivals", inputs, compute, _encode, _decode)


def _test(values: Sequence[CaseValues]) -> RivalTests:
    pairs = [(0, rival) for rival in range(1, len(values))]
    p = paired_p_values([v.values for v in values], pairs, values[0].clusters)
    return RivalTests(p, [(len(values[a].values), len(values[b].values)) for a, b in pairs])


def _encode(tests: Mapping[str, RivalTests]) -> dict[str, Any]:
    return {
        metric: {"p": encode_array(np.array(of_metric.p, np.float64)), "seeds": of_metric.seeds}
        for metric, of_metric in tests.items()
    }


def _decode(record: dict[str, Any]) -> dict[str, RivalTests]:
    tests = {}
    for metric, fields in record.items():
        seeds = [(int(best), int(rival)) for best, rival in fields["seeds"]]
        tests[metric] = RivalTests(decode_array(fields["p"]).tolist(), seeds)
    return tests
