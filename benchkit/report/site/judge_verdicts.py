"""Judges' verdicts of a method's runs, as the page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchkit.report.grades.answers import answer_grades
from benchkit.report.grades.judge_caveats import combine_caveats
from benchkit.report.grades.means import stage_weighted_mean
from benchkit.runs.records import JudgementManifest, PlannedJudge
from benchkit.runs.store import Run


@dataclass(frozen=True)
class MethodVerdicts:
    """One judge's verdicts of one method."""

    label: str
    verdict_rows: dict[str, dict[str, Any]]
    """By case, of the first run, whose answers the page shows; `grades` is {criterion: grade}."""
    summary: dict[str, Any]
    """Of all runs: `judge` (its label), `kind` (its registered name), `cases` (answers it saw),
    `scored` (those with a grade), `means` (text by criterion, if it has a mean), `remarks` (caveats
    about the judge), `warnings` (about the judge with this method)."""


def read_verdicts(runs: Sequence[Run], judges: Sequence[PlannedJudge]) -> list[MethodVerdicts]:
    """Return the complete judgements of a method's runs, one per seed, by the judges of a plan."""
    method_verdicts = []
    for judge in judges:
        complete = _complete(runs, judge)
        if not complete:
            continue
        rows = _rows(*complete[0]) if complete[0][0] is runs[0] else {}
        method_verdicts.append(
            MethodVerdicts(judge.label, rows, _summary(judge.label, complete, len(runs)))
        )
    return method_verdicts


def case_ids_with_verdicts(run: Run, judges: Sequence[PlannedJudge]) -> list[str]:
    """Return the cases that one of the judges was or would have been shown."""
    complete = (pair for judge in judges for pair in _complete([run], judge))
    return [case for run, manifest in complete for case in run.verdicts(manifest)["case_id"]]


def grades_by_criterion(stored: list[dict[str, Any]]) -> dict[str, float]:
    """Return grades by criterion, from a list of {criterion, grade}."""
    return {entry["criterion"]: entry["grade"] for entry in stored}


def _complete(runs: Sequence[Run], judge: PlannedJudge) -> list[tuple[Run, JudgementManifest]]:
    complete = []
    for run in runs:
        manifest = run.intact_judgement(judge.label, judge.judge_id)
        if manifest and manifest.status == "complete":
            complete.append((run, manifest))
    return complete


def _rows(run: Run, manifest: JudgementManifest) -> dict[str, dict[str, Any]]:
    return {
        row["case_id"]: {**row, "grades": grades_by_criterion(row["grades"])}
        for row in run.verdicts(manifest).iter_rows(named=True)
    }


def _summary(
    label: str, complete: Sequence[tuple[Run, JudgementManifest]], seeds: int
) -> dict[str, Any]:
    runs, manifests = zip(*complete, strict=True)
    first = manifests[0]
    graded = answer_grades(runs, manifests)
    names = [criterion["name"] for criterion in first.rubric["criteria"]]
    means = {name: stage_weighted_mean(graded, f"grade {name}") for name in names}
    several = [f"over {len(runs)} of {seeds} seeds; examples are of the first"] * (seeds > 1)
    return {
        "judge": first.label,
        "kind": first.judge,
        "cases": len(graded),
        "scored": graded["grade"].count(),
        "means": {name: f"{cell.mean:.3f}" for name, cell in means.items() if cell},
        "remarks": [*combine_caveats((label, manifest) for manifest in manifests), *several],
        "warnings": list(
            dict.fromkeys(text for manifest in manifests for text in manifest.warnings)
        ),
    }
