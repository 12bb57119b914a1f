"""What grades depend on: the length of rationale and of history; and which method is graded higher.

A table of grades has one row an answer: case_id, stage, words, history_length and `grade`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from benchkit.report.grades_model import Bucket, Comparison
from benchkit.report.model import Cell
from benchkit.stats.multiple import holm
from benchkit.stats.ordinal_mixed import OrdinalEffect, compare_grades

# Of C-APO's Table 5: shortest and longest history, None for no end.
_BUCKETS: tuple[tuple[int, int | None], ...] = ((1, 2), (3, 7), (8, 11), (12, None))
_FEWEST = 3  # judged answers of a method for a fit


def buckets(graded: pl.DataFrame) -> tuple[Bucket, ...]:
    """Grades by length of history, as C-APO's Table 5; lengths without a case are left out."""
    found = []
    for low, high in _BUCKETS:
        within = pl.col("history_length") >= low
        if high is not None:
            within &= pl.col("history_length") <= high
        grades = graded.filter(within)["grade"].drop_nulls().to_numpy()
        if len(grades):
            sd = float(np.std(grades, ddof=1)) if len(grades) > 1 else float("nan")
            found.append(Bucket(low, high, len(grades), float(grades.mean()), sd))
    return tuple(found)


def adjusted_for_length(tables: Mapping[str, pl.DataFrame]) -> dict[str, Cell]:
    """Mean grade of each method's judged answers, as if all were of the same length.

    A linear model of the grade on the method and the logarithm of the words, read at the mean of
    all; intervals are cluster-robust, by case. Methods with fewer than 3 judged answers are left
    out; nothing is adjusted where all rationales of each method are of one length.
    """
    parts = {
        label: table.filter((pl.col("stage") == "judged") & pl.col("grade").is_not_null())
        for label, table in tables.items()
    }
    parts = {label: part for label, part in parts.items() if len(part) >= _FEWEST}
    if not parts:
        return {}
    joined = pl.concat(
        [part.select("case_id", "grade", "words") for part in parts.values()]
    ).with_columns(pl.Series("method", np.repeat(list(parts), [len(p) for p in parts.values()])))
    length = np.log1p(joined["words"].to_numpy().astype(float))
    of = joined["method"].to_numpy()[:, None] == np.array(list(parts))[None]
    design = np.column_stack([of, length - length.mean()]).astype(float)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return {}
    cases = joined["case_id"].rank("dense").to_numpy()
    means, errors = _clustered(design, joined["grade"].to_numpy(), cases)
    half = stats.norm.ppf(0.975) * errors
    counts = [len(part) for part in parts.values()]
    return {
        label: Cell(float(m), float(m - h), float(m + h), n)
        for label, m, h, n in zip(parts, means, half, counts, strict=False)
    }


def _clustered(
    design: NDArray[np.float64], y: NDArray[np.float64], groups: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least squares with standard errors that allow for dependence within groups."""
    from statsmodels.regression.linear_model import OLS

    fitted = OLS(y, design).fit(cov_type="cluster", cov_kwds={"groups": groups})
    return np.asarray(fitted.params), np.asarray(fitted.bse)


def against_best(tables: Mapping[str, pl.DataFrame]) -> Iterator[Comparison]:
    """Each method beside the one with the highest mean grade, on the cases graded for both."""
    means = {label: _by_case(table) for label, table in tables.items()}
    means = {label: grades for label, grades in means.items() if len(grades)}
    if len(means) < 2:
        return
    best = max(means, key=lambda label: float(np.mean(means[label]["grade"].to_numpy())))
    found = [
        (label, means[label].join(means[best], on="case_id", how="inner", suffix="_best"))
        for label in means
        if label != best
    ]
    found = [(label, both) for label, both in found if len(both)]
    pairs = [(both["grade"].to_numpy(), both["grade_best"].to_numpy()) for _, both in found]
    signs = holm([_sign_test(own, other) for own, other in pairs])
    effects = [_effect(own, other) for own, other in pairs]
    ordinal = holm([np.nan if effect is None else effect.p for effect in effects])
    for (label, _), (own, other), sign, effect, adjusted in zip(
        found, pairs, signs, effects, ordinal, strict=True
    ):
        yield Comparison(
            label, best, int((own > other).sum()), int((own < other).sum()),
            int((own == other).sum()), float(sign),
            None if effect is None else replace(effect, p=float(adjusted)),
        )  # fmt: skip


def _sign_test(own: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Two-sided p of the sign test; cases without a difference say nothing."""
    higher, lower = int((own > other).sum()), int((own < other).sum())
    return float(stats.binomtest(higher, higher + lower).pvalue) if higher + lower else 1.0


def _effect(own: NDArray[np.float64], other: NDArray[np.float64]) -> OrdinalEffect | None:
    """The mixed model, where grades are levels: means over seeds are none."""
    whole = np.array_equal(own, own.round()) and np.array_equal(other, other.round())
    return compare_grades(own, other) if whole else None


def _by_case(table: pl.DataFrame) -> pl.DataFrame:
    """Mean grade of each case over seeds."""
    there = table.drop_nulls("grade")
    return there.group_by("case_id", maintain_order=True).agg(pl.col("grade").mean())
