"""The runs behind the rows of a suite's tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from benchkit.report.core.results import ResultTable
from benchkit.runs.records import Manifest, PlannedJudge, PlanRecord
from benchkit.runs.store import Run, Store


@dataclass(frozen=True)
class MethodRuns:
    """The runs of one method on one task; without tables, as a page reads hundreds of them."""

    runs: tuple[Run, ...]
    """One per seed."""
    manifests: tuple[Manifest, ...]
    judges: tuple[PlannedJudge, ...] = ()
    """The judges whose verdicts are shown."""

    def case_ids(self) -> list[str]:
        """Return the cases of the first seed."""
        return self._predictions(0).select("case_id").collect()["case_id"].to_list()

    def answers(self, cases: Sequence[str]) -> pl.DataFrame:
        """Return the first seed's predictions for some cases."""
        return self._predictions(0).filter(pl.col("case_id").is_in(list(cases))).collect()

    def _predictions(self, seed: int) -> pl.LazyFrame:
        return pl.scan_parquet(self.runs[seed].path / "predictions.parquet")


def collect_method_runs(
    store: Store, plan: PlanRecord, tables: Sequence[ResultTable]
) -> dict[tuple[str, str], MethodRuns]:
    """Return runs by (task, label), for rows with results in some table."""
    method_runs: dict[tuple[str, str], MethodRuns] = {}
    for row in (row for table in tables for row in table.rows):
        if row.run_ids and (row.task, row.label) not in method_runs:
            runs = [store.run(plan.suite, row.task, row.label, run) for run in row.run_ids]
            manifests = [manifest for run in runs if (manifest := run.manifest())]
            method_runs[row.task, row.label] = MethodRuns(
                tuple(runs), tuple(manifests), tuple(plan.judges)
            )
    return method_runs
