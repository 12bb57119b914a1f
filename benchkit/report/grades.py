"""What judges made of the rationales of a suite: grades, their spread, and what they depend on."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from benchkit.records import JudgementManifest, Plan, PlannedJudge
from benchkit.report.grade_statistics import adjusted_for_length, against_best, buckets
from benchkit.report.grades_model import GradeRow, GradeTable
from benchkit.report.model import Cell
from benchkit.stats.bootstrap import mean_interval
from benchkit.store import Run, Store


def collect_grades(store: Store, plan: Plan) -> tuple[GradeTable, ...]:
    """The tables of every judge that the plan names, task by task; without verdicts, none."""
    tables = [_table(store, plan, task, judge) for judge in plan.judges for task in plan.tasks]
    return tuple(table for table in tables if table is not None)


def _table(store: Store, plan: Plan, task: str, judge: PlannedJudge) -> GradeTable | None:
    rows: dict[str, GradeRow] = {}
    grades: dict[str, pl.DataFrame] = {}
    manifests: list[JudgementManifest] = []
    for label in plan.labels:
        planned = [row for row in plan.rows if (row.task, row.label) == (task, label)]
        found = [
            (run, manifest)
            for row in planned
            if row.run_id is not None
            for run in [store.run(plan.suite, task, label, row.run_id)]
            if (manifest := run.judgement(judge.label, judge.judge_id))
        ]
        if not found:
            continue
        manifests += [manifest for _, manifest in found]
        bad = next((m for _, m in found if m.status != "complete"), None)
        if bad is not None:
            why = str(bad.error).partition("\n")[0] if bad.error else "interrupted"
            rows[label] = GradeRow(label, planned[0].family, f"{bad.status}: {why}")
            continue
        if len(found) < len(planned):
            rows[label] = GradeRow(label, planned[0].family, "not judged with every seed")
            continue
        grades[label] = _graded([run for run, _ in found], [m for _, m in found])
        warnings = tuple(dict.fromkeys(w for _, m in found for w in m.warnings))
        rows[label] = _row(label, planned[0].family, grades[label], manifests[0], warnings)
    if not manifests:
        return None
    at_length = adjusted_for_length(grades)
    complete = [replace(row, at_length=at_length.get(label)) for label, row in rows.items()]
    return GradeTable(
        task,
        judge.label,
        manifests[0].rubric,
        manifests[0].rubric_hash,
        manifests[0].answers,
        manifests[0].remarks,
        tuple(complete),
        tuple(against_best(grades)),
    )


def _graded(runs: Sequence[Run], manifests: Sequence[JudgementManifest]) -> pl.DataFrame:
    """One row an answer: case_id, stage, correct, words, history_length, hallucinating, injection
    and one column a criterion (null where unscored); `grade` is the first criterion."""
    criteria = [criterion["name"] for criterion in manifests[0].rubric["criteria"]]
    parts = []
    for run, manifest in zip(runs, manifests, strict=True):
        verdicts = run.verdicts(manifest)
        found = [{g["criterion"]: g["grade"] for g in row} for row in verdicts["grades"]]
        evidence = [json.loads(text) for text in verdicts["evidence"]]
        own = {name: [row.get(name) for row in found] for name in criteria}
        parts.append(
            pl.DataFrame(
                {
                    "case_id": verdicts["case_id"],
                    "stage": verdicts["stage"],
                    "correct": (verdicts["item"] == verdicts["target"]).fill_null(value=False),
                    "words": [
                        len(text.split()) if text else None for text in verdicts["rationale"]
                    ],
                    "history_length": verdicts["history_length"],
                    "hallucinating": [_hallucinating(values) for values in evidence],
                    "injection": ["injection" in flags for flags in verdicts["flags"]],
                    **own,
                    "grade": own[criteria[0]],
                },
                schema_overrides={
                    **dict.fromkeys([*criteria, "grade", "hallucinating"], pl.Float64),
                    "words": pl.Int64,
                },
            )
        )
    return pl.concat(parts)


def _hallucinating(evidence: dict[str, float]) -> float | None:
    outside = evidence.get("named_outside")
    return None if outside is None else float(outside > 0)


def _row(
    label: str,
    family: str,
    graded: pl.DataFrame,
    manifest: JudgementManifest,
    warnings: tuple[str, ...],
) -> GradeRow:
    criteria = manifest.rubric["criteria"]
    counted = Counter(graded["grade"].drop_nulls().to_list())
    words = graded["words"].median()
    return GradeRow(
        label,
        family,
        "complete",
        asked=len(graded),
        scored=len(graded) - graded["grade"].null_count(),
        stages=dict(sorted(Counter(graded["stage"].to_list()).items())),
        shares={
            level: counted[level] / len(graded)
            for level in sorted({*_levels(criteria[0]), *counted})
        },
        means={c["name"]: cell for c in criteria if (cell := _mean(graded, c["name"]))},
        given_correct=_mean(graded.filter("correct"), "grade"),
        hallucinating=_mean(graded.filter(pl.col("stage") == "judged"), "hallucinating"),
        injections=int(graded["injection"].sum()),
        words=None if words is None else float(words),  # type: ignore[arg-type]
        buckets=buckets(graded),
        warnings=warnings,
    )


def _levels(criterion: dict[str, Any]) -> list[float]:
    return [float(level) for level in range(criterion["low"], criterion["high"] + 1)]


def _mean(graded: pl.DataFrame, column: str) -> Cell | None:
    """Mean over cases, each the mean over its seeds, with its interval; None without values."""
    means = (
        graded.drop_nulls(column)
        .group_by("case_id", maintain_order=True)
        .agg(pl.col(column).mean())
    )
    if not len(means):
        return None
    values = means[column].to_numpy()
    low, high = mean_interval(values)
    return Cell(float(np.mean(values)), low, high, len(values))
