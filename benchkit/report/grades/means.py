"""Mean grades over cases, of which some may be missing, with intervals over users.

The tables have one row for each answer, as `answer_grades` returns them. What the rubric decides
always has a grade, usually the lowest; only a judge's verdict can be missing. A mean over scored
answers would fall with every lost verdict, so each stage keeps the weight of all its answers.
"""

import numpy as np
import polars as pl

from benchkit.report.core.cell import Cell
from benchkit.stats.arrays import Floats
from benchkit.stats.bootstrap import mean_interval
from benchkit.stats.clusters import count_clusters, find_clusters
from benchkit.stats.nonresponse_weighting import (
    weighting_class_interval,
    weighting_class_mean,
)


def case_mean(graded: pl.DataFrame, column: str) -> Cell | None:
    """Return the mean over cases, each averaged over its seeds; None without values."""
    cases = (
        graded.drop_nulls(column)
        .group_by("case_id", maintain_order=True)
        .agg(pl.col(column).cast(pl.Float64).mean(), pl.col("user").first())
    )
    values = cases[column].to_numpy()
    if not len(values):
        return None
    clusters = find_clusters(cases["user"].to_numpy())
    low, high = mean_interval(values, clusters=clusters)
    n_users = count_clusters(clusters, len(values))
    return Cell(float(np.mean(values)), low, high, len(values), n_users=n_users)


def stage_weighted_mean(graded: pl.DataFrame, column: str = "grade") -> Cell | None:
    """Return the mean over gradable answers; the scored answers of a stage represent all of it.

    Without unscored answers this is the plain mean. `n` counts cases with a grade. None where
    nothing is gradable, or no answer of some stage is scored.
    """
    gradable = graded.filter("gradable")
    if not gradable[column].null_count():
        return case_mean(gradable, column)
    if not _estimable(gradable, column):
        return None
    totals = _totals(gradable, column)
    low, high = weighting_class_interval(*totals)
    scored = gradable.drop_nulls(column)
    n, n_users = scored["case_id"].n_unique(), scored["user"].n_unique()
    return Cell(weighting_class_mean(*totals), low, high, n, n_users=n_users)


def grade_moments(graded: pl.DataFrame) -> tuple[int, float | None, float | None]:
    """Return the number of grades, and their mean and sample standard deviation over answers.

    Weighted by stage as `stage_weighted_mean`; None where undefined.
    """
    gradable = graded.filter("gradable")
    answers = pl.len().over("stage")
    scored = gradable.with_columns(weight=answers / pl.col("grade").count().over("stage"))
    scored = scored.drop_nulls("grade")
    if not len(scored) or not _estimable(gradable, "grade"):
        return len(scored), None, None
    grades, weights = scored["grade"].to_numpy(), scored["weight"].to_numpy()
    mean = float(np.average(grades, weights=weights))
    if len(scored) < 2:
        return len(scored), mean, None
    variance = float(weights @ (grades - mean) ** 2) / (float(weights.sum()) - 1)
    return len(scored), mean, variance**0.5


def _estimable(gradable: pl.DataFrame, column: str) -> bool:
    """Return whether every stage has a scored answer."""
    counts = gradable.group_by("stage").agg(pl.col(column).count())
    return bool((counts[column] > 0).all())


def _totals(gradable: pl.DataFrame, column: str) -> tuple[Floats, Floats, Floats]:
    """Return what `weighting_class_mean` takes, each [users, stages]: the weights of all answers
    and of the scored ones, and their weighted grades. Every case has a total weight of 1."""
    users = gradable["user"].rank("dense").to_numpy().astype(np.int64) - 1
    cases = gradable["case_id"].rank("dense").to_numpy().astype(np.int64) - 1
    stages = gradable["stage"].rank("dense").to_numpy().astype(np.int64) - 1
    grades = gradable[column].to_numpy()
    scored = ~np.isnan(grades)
    weight = 1 / np.bincount(cases)[cases]

    def sum_by_cell(values: Floats) -> Floats:
        total = np.zeros((users.max() + 1, stages.max() + 1))
        np.add.at(total, (users, stages), values)
        return total

    return (
        sum_by_cell(weight),
        sum_by_cell(weight * scored),
        sum_by_cell(weight * np.where(scored, grades, 0.0)),
    )
