"""Whether a judge prefers the rationales of its own model, measured against other judges.

That a judge grades the methods of its model higher than others shows no preference: they may be
better. What other judges, of other models, see of the difference is therefore taken away. For each
case it is a difference of differences:

    (judge - other judges, of its own methods) - (judge - other judges, of the other methods)

Reference: Panickssery et al. (2024), LLM evaluators recognize and favor their own generations, who
compare with people where other judges stand here.
"""

from collections.abc import Collection, Mapping

import polars as pl

from benchkit.judging.probes.probe_run import PROBE_COLUMNS

SELF_PREFERENCE = "self-preference"


def compare_own_methods(
    grades: pl.DataFrame, judge: str, shared: Mapping[str, Collection[str]]
) -> pl.DataFrame:
    """Return the change of `judge` from other methods to those of its own model, case by case.

    Args:
        grades: A row an answer, judge and criterion: judge, rubric (its hash), method, and
            `probe_run.GRADE_COLUMNS`.
        judge: Label of the judge.
        shared: Judge -> labels of the methods that have a model in common with it.

    Returns:
        Rows of `PROBE_COLUMNS`: `before` is the judge's mean distance from the other judges at the
        other methods, `after` that at its own. Empty where one of the two lacks answers, or where
        no judge with the same rubric is independent of all methods.
    """
    nothing = pl.DataFrame(schema=PROBE_COLUMNS)
    methods = set(shared.get(judge, ()))
    of_judge = grades.filter(pl.col("judge") == judge)
    if of_judge.is_empty() or not methods:
        return nothing
    independent = [name for name in grades["judge"].unique() if not shared.get(name)]
    answer = ["case", "method", "criterion"]
    others = (
        grades.filter(
            pl.col("judge").is_in(independent),
            pl.col("rubric") == of_judge["rubric"][0],
        )
        .group_by(answer)
        .agg(pl.col("grade").mean().alias("of_others"))
    )
    gaps = (
        of_judge.group_by(answer, maintain_order=True)  # over seeds
        .agg(pl.col("user", "step", "span").first(), pl.col("grade").mean())
        .join(others, on=answer, maintain_order="left")
        .with_columns(
            gap=pl.col("grade") - pl.col("of_others"), is_own=pl.col("method").is_in(methods)
        )
        .drop_nulls("gap")
    )
    rows = gaps.group_by(["case", "criterion"], maintain_order=True).agg(
        pl.col("user", "step", "span").first(),
        before=pl.col("gap").filter(~pl.col("is_own")).mean(),
        after=pl.col("gap").filter(pl.col("is_own")).mean(),
    )
    rows = rows.drop_nulls(["before", "after"])
    named = rows.with_columns(probe=pl.lit(SELF_PREFERENCE), expected=pl.lit("no change"))
    return named.select([pl.col(name).cast(kind) for name, kind in PROBE_COLUMNS.items()])
