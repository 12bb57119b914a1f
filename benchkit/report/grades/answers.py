"""From the records of judgements to one row an answer, which every table of grades is made from."""

import json
from collections.abc import Sequence

import polars as pl

from benchkit.runs.records import JudgementManifest
from benchkit.runs.store import Run


def answer_grades(runs: Sequence[Run], manifests: Sequence[JudgementManifest]) -> pl.DataFrame:
    """One row an answer of the runs (one a seed), by the complete judgements of one judge.

    case_id, stage; valid: it names a candidate; correct: it names the item taken; gradable: the
    rubric has a grade for its stage, or a judge was asked; words; history_length; hallucinating:
    1 where it names an item from nowhere, 0 where not, null where nobody looked; injection; and
    `grade <criterion>` for each criterion, null where unscored. `grade` is the first of them.
    """
    rubric = manifests[0].rubric
    criteria = [criterion["name"] for criterion in rubric["criteria"]]
    parts = []
    for run, manifest in zip(runs, manifests, strict=True):
        verdicts = run.verdicts(manifest)
        grades = [{g["criterion"]: g["grade"] for g in row} for row in verdicts["grades"]]
        grade_columns = {f"grade {name}": [row.get(name) for row in grades] for name in criteria}
        parts.append(
            pl.DataFrame(
                {
                    "case_id": verdicts["case_id"],
                    "stage": verdicts["stage"],
                    "valid": verdicts["item"].is_not_null(),
                    "correct": (verdicts["item"] == verdicts["target"]).fill_null(value=False),
                    "gradable": [
                        stage == "judged" or rubric.get(stage) is not None
                        for stage in verdicts["stage"]
                    ],
                    "words": [
                        len(text.split()) if text else None for text in verdicts["rationale"]
                    ],
                    "history_length": verdicts["history_length"],
                    "hallucinating": (_named_outside(verdicts) > 0).cast(pl.Float64),
                    "injection": ["injection" in flags for flags in verdicts["flags"]],
                    **grade_columns,
                    "grade": grade_columns[f"grade {criteria[0]}"],
                },
                schema_overrides={
                    **dict.fromkeys([*grade_columns, "grade"], pl.Float64),
                    "words": pl.Int64,
                },
            )
        )
    return pl.concat(parts)


def _named_outside(verdicts: pl.DataFrame) -> pl.Series:
    """How many items each rationale names that are neither in the history nor candidates."""
    if "named_outside" in verdicts.columns:
        return verdicts["named_outside"]
    # Older records have it where the judge itself counted them.
    counts = [json.loads(text).get("named_outside") for text in verdicts["evidence"]]
    return pl.Series(counts, dtype=pl.Float64)
