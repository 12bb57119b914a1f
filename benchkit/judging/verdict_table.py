"""The per-case record of a judgement: what was shown, what was said, and what decided."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from benchkit.judging.hallucination import count_hallucinated_items, recommendation_context
from benchkit.judging.inputs import MethodAnswer, grade_by_rubric_alone, history_lines
from benchkit.judging.item_mentions import TitleIndex, title_index
from benchkit.judging.references import measure_similarity
from benchkit.judging.rubric import Rubric
from benchkit.judging.verdicts import Verdict
from benchkit.runs import records
from benchkit.types import Catalog


def build_verdict_table(
    answers: Sequence[MethodAnswer],
    verdicts: Mapping[str, Verdict],
    rubric: Rubric,
    catalog: Catalog,
) -> pl.DataFrame:
    """Return a table of schema `records.JUDGEMENTS_SCHEMA`, one row an answer, in their order."""
    index = title_index(catalog)
    rows = []
    similarity = measure_similarity(
        [answer.rationale for answer in answers], [answer.review for answer in answers]
    )
    for answer, similar in zip(answers, similarity, strict=True):
        verdict = verdicts.get(answer.request.case_id) or _verdict_without_judge(answer, rubric)
        rows.append(
            {
                "case_id": answer.request.case_id,
                "user": answer.request.user,
                "item": answer.item,
                "title": answer.item and (catalog.text(answer.item) or answer.item),
                "target": answer.target,
                "target_title": catalog.text(answer.target) or answer.target,
                "reference": answer.review,
                "similarity": similar,
                "rationale": answer.rationale,
                "named_outside": _count_outside(answer, index),
                "history": history_lines(answer.request.history, catalog),
                "history_length": len(answer.request.history),
                "stage": answer.stage(rubric),
                "status": verdict.status,
                "reason": verdict.reason or None,
                "grades": [
                    {"criterion": name, "grade": grade} for name, grade in verdict.grades.items()
                ],
                "text": verdict.text or None,
                "evidence": json.dumps(dict(verdict.evidence), sort_keys=True),
                "flags": list(verdict.flags),
                "usage": json.dumps(dict(verdict.usage), sort_keys=True),
            }
        )
    return pl.DataFrame(rows, schema=records.JUDGEMENTS_SCHEMA)


def _count_outside(answer: MethodAnswer, index: TitleIndex) -> int | None:
    if answer.rationale is None:
        return None
    context = recommendation_context(answer.request, answer.item, index.catalog)
    return count_hallucinated_items(answer.rationale, context, index)


def _verdict_without_judge(answer: MethodAnswer, rubric: Rubric) -> Verdict:
    grade, reason = grade_by_rubric_alone(answer, rubric)
    key = answer.request.case_id
    if grade is None:
        return Verdict(key, {}, "unscored", reason)
    grades = {criterion.name: float(grade) for criterion in rubric.criteria}
    return Verdict(key, grades, reason=reason)


def count_verdicts(verdicts: pl.DataFrame) -> dict[str, int]:
    """Count cases by stage, by status and by flag."""
    flags = Counter(flag for row in verdicts["flags"] for flag in row)
    parts = [Counter(verdicts["stage"].to_list()), Counter(verdicts["status"].to_list()), flags]
    return {name: count for part in parts for name, count in sorted(part.items())}
