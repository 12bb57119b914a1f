"""The records of judgements as one table with a row for each answer."""

import json
from collections.abc import Sequence

import polars as pl

from benchkit.report.grades.statements import statement_columns
from benchkit.runs.record_values import guess_users
from benchkit.runs.records import JudgementManifest
from benchkit.runs.store import Run


def answer_grades(runs: Sequence[Run], manifests: Sequence[JudgementManifest]) -> pl.DataFrame:
    """Return a row for each answer of a method's runs, from the judgements of one judge.

    Columns: run_id, case_id, user, stage, history_length, words; valid (names a candidate); correct
    (names the target); gradable (the rubric grades its stage, or a judge was asked); rationale;
    reference (the user's review of the target) and similarity to it, null in older records; seed,
    its number; hallucinating (1 if it names an item that was never shown, 0 if not, null if not
    counted); injection; `grade <criterion>` for each criterion, null where unscored; and `grade`,
    the first of these. Of statement checks what `statement_columns` says.

    Args:
        runs: One run per seed.
        manifests: Their complete judgements.
    """
    rubric = manifests[0].rubric
    criteria = [criterion["name"] for criterion in rubric["criteria"]]
    parts = []
    for seed, (run, manifest) in enumerate(zip(runs, manifests, strict=True)):
        verdicts = run.verdicts(manifest)
        grades = [{g["criterion"]: g["grade"] for g in row} for row in verdicts["grades"]]
        grade_columns = {f"grade {name}": [row.get(name) for row in grades] for name in criteria}
        parts.append(
            pl.DataFrame(
                {
                    "run_id": pl.repeat(manifest.run_id, len(verdicts), eager=True),
                    "case_id": verdicts["case_id"],
                    "user": _users(verdicts),
                    "stage": verdicts["stage"],
                    "valid": verdicts["item"].is_not_null(),
                    "correct": (verdicts["item"] == verdicts["target"]).fill_null(value=False),
                    "gradable": [
                        stage == "judged" or rubric.get(stage) is not None
                        for stage in verdicts["stage"]
                    ],
                    "rationale": verdicts["rationale"],
                    "reference": _column_or_null(verdicts, "reference", pl.String),
                    "similarity": _column_or_null(verdicts, "similarity", pl.Float64),
                    "seed": seed,
                    "words": [
                        len(text.split()) if text else None for text in verdicts["rationale"]
                    ],
                    "history_length": verdicts["history_length"],
                    "hallucinating": (_named_outside(verdicts) > 0).cast(pl.Float64),
                    "injection": ["injection" in flags for flags in verdicts["flags"]],
                    **statement_columns(verdicts),
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


def _column_or_null(verdicts: pl.DataFrame, name: str, kind: type[pl.DataType]) -> pl.Series:
    """Return a column that older records lack; then it is null."""
    if name in verdicts.columns:
        return verdicts[name]
    return pl.Series([None] * len(verdicts), dtype=kind)


def _users(verdicts: pl.DataFrame) -> pl.Series:
    """Return whose answers they are."""
    guesses = pl.Series(guess_users(verdicts["case_id"]), dtype=pl.String)
    if "user" not in verdicts.columns:  # older records have ids of cases alone
        return guesses
    return verdicts["user"].fill_null(guesses)


def _named_outside(verdicts: pl.DataFrame) -> pl.Series:
    """Return how many items that are in neither history nor candidates each rationale names."""
    if "named_outside" in verdicts.columns:
        return verdicts["named_outside"]
    # Older records have the count in the judge's own evidence.
    counts = [json.loads(text).get("named_outside") for text in verdicts["evidence"]]
    return pl.Series(counts, dtype=pl.Float64)
