"""The runs behind the rows of a suite's tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from benchkit.report.core.results import ResultTable
from benchkit.runs.records import Manifest, PlannedJudge, PlanRecord
from benchkit.runs.store import Run, Store


@dataclass(frozen=True)
class MethodRuns:
    """The runs of one method on one task, one a seed, and the judges whose verdicts are shown. It
    keeps no table: a page reads hundreds."""

    runs: tuple[Run, ...]
    manifests: tuple[Manifest, ...]
    judges: tuple[PlannedJudge, ...] = ()

    def case_ids(self) -> list[str]:
        return self._predictions(0).select("case_id").collect()["case_id"].to_list()

    def answers(self, cases: Sequence[str]) -> pl.DataFrame:
        """Predictions of the first seed for some cases."""
        return self._predictions(0).filter(pl.col("case_id").is_in(list(cases))).collect()

    def _predictions(self, seed: int) -> pl.LazyFrame:
        return pl.scan_parquet(self.runs[seed].path / "predictions.parquet")


def collect_method_runs(
    store: Store, plan: PlanRecord, tables: Sequence[ResultTable]
) -> dict[tuple[str, str], MethodRuns]:
    """(task, label) -> its runs, for rows that have results in some table."""
    method_runs: dict[tuple[str, str], MethodRuns] = {}
    for row in (row for table in tables for row in table.rows):
        if row.run_ids and (row.task, row.label) not in method_runs:
            runs = [store.run(plan.suite, row.task, row.label, run) for run in row.run_ids]
            manifests = [manifest for run in runs if (manifest := run.manifest())]
            method_runs[row.task, row.label] = MethodRuns(
                tuple(runs), tuple(manifests), tuple(plan.judges)
            )
    return method_runs
