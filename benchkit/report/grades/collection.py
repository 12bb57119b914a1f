"""Collect the grades that judges gave to the rationales of a suite."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from benchkit.data.dataset_statistics import is_marked_synthetic
from benchkit.errors import DamageError, in_one_line
from benchkit.evaluation.lookup import protocol_by_name
from benchkit.report.calibration.judged_answers import JudgedAnswers, join_criteria
from benchkit.report.calibration.measurement import CalibrationReport, measure_calibration
from benchkit.report.calibration.people_labels import PeopleLabels, unmatched_error
from benchkit.report.core.cell import Cell
from benchkit.report.core.grade_results import GradeComparison, GradeRow, GradeTable
from benchkit.report.grades.analysis import compare_with_best, grade_buckets, length_adjusted_means
from benchkit.report.grades.answers import answer_grades
from benchkit.report.grades.judge_caveats import combine_caveats, describe_namesakes
from benchkit.report.grades.means import case_mean, stage_weighted_mean
from benchkit.report.grades.statements import describe_statements
from benchkit.report.grades.texts import describe_texts
from benchkit.runs.records import JudgementManifest, PlannedJudge, PlannedRow, PlanRecord
from benchkit.runs.store import Run, Store

MIN_GRADED_SHARE = 0.95  # share of the judged answers with a grade below which a table warns


@dataclass(frozen=True)
class _Method:
    """One method with its runs, one per seed."""

    planned: Sequence[PlannedRow]
    runs: Sequence[Run]
    manifests: Sequence[JudgementManifest | None]
    """The judgement of each run; None where there is none."""
    damage: str = ""
    """What a row says where a run or its judgement is damaged."""
    is_judgement: bool = False
    """Whether it is a judgement that is damaged."""

    @property
    def begun(self) -> list[JudgementManifest]:
        return [manifest for manifest in self.manifests if manifest is not None]


def collect_grades(
    store: Store, plan: PlanRecord, labels: PeopleLabels | None = None
) -> tuple[GradeTable, ...]:
    """Return a table for each judge of the plan and each task with verdicts.

    labels: people's grades, by which the judges' means are corrected.

    Raises:
        DamageError: All judgements that there are of a task are damaged.
        DataError: No label is of a judged answer.
    """
    tables = [
        _table(store, plan, task, judge, labels) for judge in plan.judges for task in plan.tasks
    ]
    collected = tuple(table for table in tables if table is not None)
    if labels is not None and not any(table.calibrations for table in collected):
        raise unmatched_error(labels, [table.rubric for table in collected])
    return collected


def _table(
    store: Store, plan: PlanRecord, task: str, judge: PlannedJudge, labels: PeopleLabels | None
) -> GradeTable | None:
    methods = {label: _method(store, plan, task, label, judge) for label in plan.labels}
    first = next((manifest for method in methods.values() for manifest in method.begun), None)
    if first is None:
        for label, method in methods.items():
            if method.damage and method.is_judgement:  # there is no other row to show it beside
                raise DamageError(
                    f"{task} / {label} / {judge.label}: {method.damage}",
                    f"benchkit judge --suite {plan.suite}",
                )
        return None
    grades: dict[str, pl.DataFrame] = {}
    rows: dict[str, GradeRow] = {}
    for label, method in methods.items():
        if not method.planned:
            continue
        row = GradeRow(label, method.planned[0].family, method.damage)
        try:
            row = replace(row, status=row.status or _status(method, first.answers))
            if row.status == "complete":
                grades[label] = answer_grades(method.runs, method.begun)
        except DamageError as error:
            row = replace(row, status=error.row_status)
        if row.status == "complete":
            warnings = tuple(dict.fromkeys(w for m in method.begun for w in m.warnings))
            row = _filled(row, grades[label], first.rubric, plan.history_buckets, warnings)
        rows[label] = row
    at_length = length_adjusted_means(grades)
    begun = {label: method for label, method in methods.items() if label in grades} or methods
    caveats = (
        *combine_caveats((label, m) for label, method in begun.items() for m in method.begun),
        *describe_namesakes([r for m in methods.values() for r in m.runs], judge.label,
                            judge.judge_id),
    )  # fmt: skip
    calibrations: tuple[CalibrationReport, ...] = ()
    if labels is not None:
        is_synthetic = is_marked_synthetic(plan.title)
        calibrations = tuple(
            measure_calibration(replace(answers, caveats=caveats, has_synthetic_data=is_synthetic))
            for answers in _labelled(task, judge, first.rubric, grades, labels)
        )
    return GradeTable(
        task,
        judge.label,
        first.judge,
        first.rubric,
        first.rubric_hash,
        first.answers,
        caveats,
        tuple(
            replace(
                row,
                length_adjusted_mean=at_length.get(label),
                corrected=_corrected_means(label, calibrations),
            )
            for label, row in rows.items()
        ),
        tuple(_comparisons(grades, rows, first.rubric)),
        calibrations,
    )


def _labelled(
    task: str,
    judge: PlannedJudge,
    rubric: dict[str, Any],
    grades: dict[str, pl.DataFrame],
    labels: PeopleLabels,
) -> list[JudgedAnswers]:
    """Return the judge's answers beside people's, for each criterion that they graded."""
    if not grades:
        return []
    criteria = join_criteria(task, judge.label, rubric, grades, labels)
    return [answers for answers in criteria if len(answers.grades)]


def _corrected_means(label: str, calibrations: Sequence[CalibrationReport]) -> dict[str, Cell]:
    return {
        report.answers.criterion: Cell(
            method.mean.corrected.value,
            method.mean.corrected.low,
            method.mean.corrected.high,
            method.n_labels,
        )
        for report in calibrations
        for method in report.methods
        if method.method == label and method.mean is not None
    }


def _method(store: Store, plan: PlanRecord, task: str, label: str, judge: PlannedJudge) -> _Method:
    planned = [row for row in plan.rows if (row.task, row.label) == (task, label)]
    runs = [store.run(plan.suite, task, label, row.run_id) for row in planned if row.run_id]
    manifests: list[JudgementManifest | None] = []
    damage, is_judgement = "", False
    for run in runs:
        try:
            is_judgement = False
            run.manifest()
            is_judgement = True
            manifests.append(run.judgement(judge.label, judge.judge_id))
        except DamageError as error:
            damage = error.row_status
            break
    return _Method(planned, runs, manifests, damage, is_judgement)


def _status(method: _Method, answers: str) -> str:
    """Return 'complete', or why there are no grades."""
    if reasons := [row.skip_reason for row in method.planned if row.skip_reason]:
        return reasons[0]
    if not method.begun:
        silent = [_gives_no_rationales(run, answers) for run in method.runs]
        return "gives no rationales" if silent and all(silent) else "not judged"
    bad = next((manifest for manifest in method.begun if manifest.status != "complete"), None)
    if bad is not None:
        why = in_one_line(bad.error) if bad.error else "interrupted"
        return f"{bad.status}: {why}"
    if len(method.begun) < len(method.planned):
        return "not judged with every seed"
    return "complete"


def _gives_no_rationales(run: Run, answers: str) -> bool:
    """Return whether a complete run has no rationale for any answer that a judge would see."""
    manifest = run.manifest()
    if manifest is None or manifest.status != "complete":
        return False
    text = protocol_by_name(answers).rationale_to_judge
    has_rationale = text.str.strip_chars().str.len_chars() > 0
    return not run.predictions().select(has_rationale.any()).item()


def _filled(
    row: GradeRow,
    graded: pl.DataFrame,
    rubric: dict[str, Any],
    edges: Sequence[Sequence[int]],
    warnings: tuple[str, ...],
) -> GradeRow:
    """Return the row, completed with the statistics of one method's answers."""
    criteria = rubric["criteria"]
    counted = Counter(graded["grade"].drop_nulls().to_list())
    judged = graded.filter(pl.col("stage") == "judged")
    means = {
        name: stage_weighted_mean(graded, f"grade {name}") for name in (c["name"] for c in criteria)
    }
    words = graded["words"].median()
    return replace(
        row,
        n_answers=len(graded),
        n_graded=len(graded) - graded["grade"].null_count(),
        stages=dict(sorted(Counter(graded["stage"].to_list()).items())),
        valid=case_mean(graded, "valid"),
        correct=case_mean(graded, "correct"),
        shares={
            level: counted[level] / len(graded)
            for level in sorted({*_levels(criteria[0]), *counted})
        },
        means={name: cell for name, cell in means.items() if cell is not None},
        mean_if_correct=stage_weighted_mean(graded.filter("correct")),
        hallucinating=case_mean(judged, "hallucinating"),
        injections=int(graded["injection"].sum()),
        text=describe_texts(graded),
        statements=describe_statements(graded, "statement"),
        statement_control=describe_statements(graded, "control"),
        median_words=None if words is None else float(words),  # type: ignore[arg-type]
        buckets=grade_buckets(graded, edges),
        warnings=(*warnings, *_coverage(judged)),
    )


def _levels(criterion: dict[str, Any]) -> list[float]:
    return [float(level) for level in range(criterion["low"], criterion["high"] + 1)]


def _coverage(judged: pl.DataFrame) -> Iterator[str]:
    """Yield a warning where many of the answers that went to the judge have no grade."""
    if not len(judged):
        return
    scored = judged["grade"].count()
    if not scored:
        yield "none of the judged answers has a grade, so the mean of all is left out"
    elif scored < MIN_GRADED_SHARE * len(judged):
        yield f"only {scored} of {len(judged)} judged answers have a grade"


def _comparisons(
    grades: dict[str, pl.DataFrame], rows: dict[str, GradeRow], rubric: dict[str, Any]
) -> Iterator[GradeComparison]:
    """Yield the comparison of each method with the one of the highest mean."""
    main = rubric["criteria"][0]["name"]
    means = {label: row.means[main].mean for label, row in rows.items() if main in row.means}
    if len(means) > 1:
        best = max(means, key=lambda label: means[label])
        yield from compare_with_best({label: grades[label] for label in means}, best)
