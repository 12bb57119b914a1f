"""A run's answers to the example cases, read from its tables once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from benchkit.evaluation.lookup import DEFAULT_PROTOCOL
from benchkit.report.core.method_runs import MethodRuns
from benchkit.report.incremental.memo import Memo
from benchkit.report.incremental.run_inputs import PREDICTIONS, hash_run_tables
from benchkit.report.site.example_cases import select_example_cases

_COLUMNS = (
    "case_id", "target", "status", "history_length", "scores", "rationale", "sampled_status",
    "samples",
)  # fmt: skip


@dataclass(frozen=True)
class CaseAnswers:
    """What a run's tables say of some cases."""

    rows: Mapping[str, Mapping[str, Any]]
    """By case, without those that it does not have."""
    ranks: Mapping[str, int]
    """The target's rank by case, where no tie makes it a mean."""


def recall_case_answers(memo: Memo, source: MethodRuns, cases: Sequence[str]) -> CaseAnswers:
    """Return the answers of a method's first run to `cases`."""
    return memo.recall(
        "answers",
        lambda: [list(cases), hash_run_tables(source.runs[:1])],
        lambda: _read(source, cases),
        lambda answers: {"rows": dict(answers.rows), "ranks": dict(answers.ranks)},
        lambda record: CaseAnswers(dict(record["rows"]), dict(record["ranks"])),
    )


def recall_example_cases(memo: Memo, sources: Sequence[MethodRuns], count: int) -> list[str]:
    """Return `count` cases of all that first runs have; see `select_example_cases`."""
    runs = [source.runs[0] for source in sources]
    return memo.recall(
        "examples",
        lambda: [count, hash_run_tables(runs, (PREDICTIONS,))],
        lambda: select_example_cases({c for s in sources for c in s.case_ids()}, (), count),
        list,
        lambda cases: [str(case) for case in cases],
    )


def _read(source: MethodRuns, cases: Sequence[str]) -> CaseAnswers:
    rows = source.answers(cases)
    rows = rows.select(name for name in _COLUMNS if name in rows.columns)
    return CaseAnswers(
        {row["case_id"]: row for row in rows.iter_rows(named=True)},
        _ranks(source.runs[0].metrics(), cases),
    )


def _ranks(metrics: pl.DataFrame, cases: Sequence[str]) -> dict[str, int]:
    """Return the target's rank by case, from its reciprocal rank where no tie makes it a mean."""
    lines = metrics.filter(
        (pl.col("protocol") == DEFAULT_PROTOCOL.name)
        & (pl.col("metric") == "mrr")
        & pl.col("case_id").is_in(list(cases))
        & (pl.col("value") > 0)
    )
    ranks = zip(lines["case_id"], (1 / lines["value"]).to_list(), strict=True)
    return {case: round(rank) for case, rank in ranks if abs(rank - round(rank)) < 1e-6}
