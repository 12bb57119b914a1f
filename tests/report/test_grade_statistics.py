"""Grades against the best method, by length of rationale and of history: by hand."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from benchkit.report.grade_statistics import adjusted_for_length, against_best, buckets
from benchkit.stats.multiple import holm
from benchkit.stats.ordinal_mixed import compare_grades


def graded(grades, words=None, history=None, stage="judged"):
    n = len(grades)
    return pl.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(n)],
            "stage": [stage] * n,
            "grade": grades,
            "words": words or [10] * n,
            "history_length": history or [3] * n,
        },
        schema_overrides={"grade": pl.Float64},
    )


def test_the_sign_test_counts_cases_and_both_p_are_corrected():
    rng = np.random.default_rng(0)
    best = rng.integers(1, 4, 60).astype(float)
    tables = {"best": best, "near": np.maximum(best - (rng.random(60) < 0.1), 0.0),
              "far": np.maximum(best - rng.integers(0, 3, 60), 0.0)}  # fmt: skip
    found = {c.label: c for c in against_best({k: graded(v) for k, v in tables.items()})}
    assert set(found) == {"near", "far"}
    raw = []
    for label in ("near", "far"):
        lower = int((tables[label] < best).sum())
        assert (found[label].better, found[label].worse) == (0, lower)
        assert found[label].equal == 60 - lower
        raw.append(stats.binomtest(0, lower).pvalue)
    assert [found["near"].p, found["far"].p] == pytest.approx(holm(raw))
    alone = [compare_grades(tables[name], best) for name in ("near", "far")]
    there = [effect.p if effect else np.nan for effect in alone]
    for label, expected in zip(("near", "far"), holm(there), strict=True):
        if found[label].ordinal is not None:
            assert found[label].ordinal.p == pytest.approx(expected)


def test_only_cases_graded_for_both_are_compared():
    (found,) = against_best(
        {"best": graded([3, 3, 3, 3]), "other": graded([None, 2, 3, None])}
    )  # fmt: skip
    assert (found.better, found.worse, found.equal) == (0, 1, 1)
    assert found.p == 1.0


def test_buckets_are_those_of_the_paper():
    found = buckets(graded([1, 2, 3, 3, None], history=[1, 2, 7, 12, 12]))
    assert [(b.low, b.high, b.n, b.mean) for b in found] == [
        (1, 2, 2, 1.5), (3, 7, 1, 3.0), (12, None, 1, 3.0),
    ]  # fmt: skip
    assert found[0].sd == pytest.approx(np.sqrt(0.5))


def test_grades_that_follow_length_alone_are_equal_at_equal_length():
    short, long = list(range(5, 25)), list(range(15, 35))
    tables = {
        "short": graded([float(np.log1p(w)) for w in short], short),
        "long": graded([float(np.log1p(w)) for w in long], long),
    }
    adjusted = adjusted_for_length(tables)
    assert adjusted["short"].mean == pytest.approx(adjusted["long"].mean)
    assert tables["short"]["grade"].mean() < tables["long"]["grade"].mean()
    assert adjusted_for_length({"a": graded([1, 2, 3], [7, 7, 7])}) == {}
