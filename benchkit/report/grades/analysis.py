"""Grades by length of history and of rationale, and compared between methods.

The tables have one row for each answer, as `answer_grades` returns them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from benchkit.report.core.cell import Cell
from benchkit.report.core.grade_results import GradeBucket, GradeComparison
from benchkit.report.grades.means import grade_moments
from benchkit.stats.clusters import Clusters, find_clusters
from benchkit.stats.multiple_testing import holm
from benchkit.stats.ordinal_mixed_model import OrdinalEffect, compare_grades

# As in C-APO's Table 5: shortest and longest history; the last has no end.
CAPO_HISTORY_BUCKETS: tuple[tuple[int, ...], ...] = ((1, 2), (3, 7), (8, 11), (12,))
_FEWEST = 20  # users with judged answers of a method for a fit


def grade_buckets(
    graded: pl.DataFrame, edges: Sequence[Sequence[int]] = ()
) -> tuple[GradeBucket, ...]:
    """Return grades by length of history, shortest first, without buckets that have no grade.

    edges: [first, last] or [first] as in a suite; by default those of C-APO's Table 5. Lengths
    outside them get buckets of their own.
    """
    buckets = []
    for low, high in _without_gaps(edges or CAPO_HISTORY_BUCKETS):
        within = pl.col("history_length") >= low
        if high is not None:
            within &= pl.col("history_length") <= high
        n, mean, sd = grade_moments(graded.filter(within))
        if n:
            buckets.append(GradeBucket(low, high, n, mean, sd))
    return tuple(buckets)


def _without_gaps(edges: Sequence[Sequence[int]]) -> Iterator[tuple[int, int | None]]:
    """Yield the buckets in order, with those between and around them."""
    reached: int | None = 0
    for low, *last in sorted(map(tuple, edges)):
        high = last[0] if last else None
        if reached is not None and reached < low:
            yield reached, low - 1
        yield low, high
        reached = None if reached is None or high is None else max(reached, high + 1)
    if reached is not None:
        yield reached, None


def length_adjusted_means(tables: Mapping[str, pl.DataFrame]) -> dict[str, Cell]:
    """Return each method's mean grade of judged answers, as if all had the same length.

    A linear model of the grade on the method and log(1 + words), predicted at the overall mean of
    the latter; cluster-robust intervals by user, with Student's t of a method's users minus one.
    Methods with judged cases of fewer than 20 users are left out. Nothing is returned where the
    lengths of each method's rationales do not vary.
    """
    parts = {
        label: table.filter((pl.col("stage") == "judged") & pl.col("grade").is_not_null())
        for label, table in tables.items()
    }
    users_of = {label: part["user"].n_unique() for label, part in parts.items()}
    parts = {label: part for label, part in parts.items() if users_of[label] >= _FEWEST}
    if not parts:
        return {}
    joined = pl.concat(
        [part.select("user", "grade", "words") for part in parts.values()]
    ).with_columns(pl.Series("method", np.repeat(list(parts), [len(p) for p in parts.values()])))
    length = np.log1p(joined["words"].to_numpy().astype(float))
    is_method = joined["method"].to_numpy()[:, None] == np.array(list(parts))[None]
    design = np.column_stack([is_method, length - length.mean()]).astype(float)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return {}
    users = joined["user"].rank("dense").to_numpy()
    means, errors = _clustered(design, joined["grade"].to_numpy(), users)
    cells = {}
    for label, mean, error in zip(parts, means, errors, strict=False):
        half = float(stats.t.ppf(0.975, users_of[label] - 1) * error)
        low, high = float(mean) - half, float(mean) + half
        cells[label] = Cell(float(mean), low, high, len(parts[label]), n_users=users_of[label])
    return cells


def _clustered(
    design: NDArray[np.float64], y: NDArray[np.float64], groups: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit least squares; return coefficients and cluster-robust standard errors."""
    from statsmodels.regression.linear_model import OLS

    fitted = OLS(y, design).fit(cov_type="cluster", cov_kwds={"groups": groups})
    return np.asarray(fitted.params), np.asarray(fitted.bse)


def compare_with_best(tables: Mapping[str, pl.DataFrame], best: str) -> Iterator[GradeComparison]:
    """Yield the comparison of every other method with `best`, on the cases graded for both.

    The sign test is of the users' mean grades over these cases; the mixed model is of the grades
    of the cases, with errors that are robust to users.
    """
    means = {label: _by_case(table) for label, table in tables.items()}
    paired = [
        (label, means[label].join(means[best], on="case_id", how="inner", suffix="_best"))
        for label in means
        if label != best
    ]
    paired = [(label, both) for label, both in paired if len(both)]
    clusters = [find_clusters(both["user"].to_numpy()) for _, both in paired]
    pairs = [(both["grade"].to_numpy(), both["grade_best"].to_numpy()) for _, both in paired]
    by_user = [_user_means(*pair, users) for pair, users in zip(pairs, clusters, strict=True)]
    signs = holm([_sign_test(*counts) for counts in map(_count_signs, by_user)])
    effects = [_effect(*pair, users) for pair, users in zip(pairs, clusters, strict=True)]
    ordinal = holm([np.nan if effect is None else effect.p for effect, _ in effects])
    for (label, both), differences, sign, (effect, why), adjusted in zip(
        paired, by_user, signs, effects, ordinal, strict=True
    ):
        higher, lower = _count_signs(differences)
        yield GradeComparison(
            label, best, higher, lower, len(differences) - higher - lower, float(sign),
            None if effect is None else replace(effect, p=float(adjusted)), why, len(both),
        )  # fmt: skip


def _user_means(
    grades: NDArray[np.float64], best_grades: NDArray[np.float64], clusters: Clusters | None
) -> NDArray[np.float64]:
    """Return [users] the mean difference of each user's grades, without what rounding adds."""
    differences = grades - best_grades
    return differences if clusters is None else clusters.mean(differences).round(9)


def _count_signs(differences: NDArray[np.float64]) -> tuple[int, int]:
    """Return how many differences are positive, and how many negative."""
    return int((differences > 0).sum()), int((differences < 0).sum())


def _sign_test(higher: int, lower: int) -> float:
    """Return the two-sided p of the sign test, which ignores ties."""
    return float(stats.binomtest(higher, higher + lower).pvalue) if higher + lower else 1.0


def _effect(
    grades: NDArray[np.float64], best_grades: NDArray[np.float64], clusters: Clusters | None
) -> tuple[OrdinalEffect | None, str]:
    """Return the effect of the mixed model, or None and the reason."""
    if not (
        np.array_equal(grades, grades.round()) and np.array_equal(best_grades, best_grades.round())
    ):
        return None, "there are grades between the levels, as means over seeds"
    effect = compare_grades(grades, best_grades, clusters)
    return effect, "" if effect else "the counts do not allow it"


def _by_case(table: pl.DataFrame) -> pl.DataFrame:
    """Return the mean grade of each case over its seeds, without cases that lack a grade."""
    return (
        table.filter("gradable")
        .group_by("case_id", maintain_order=True)
        .agg(pl.col("grade").mean(), pl.col("user").first(), lacking=pl.col("grade").null_count())
        .filter(pl.col("lacking") == 0)
        .select("case_id", "user", "grade")
    )
