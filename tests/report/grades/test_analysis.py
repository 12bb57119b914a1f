"""Grades against the best method, by length of rationale and of history: by hand."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from benchkit.report.grades.analysis import compare_with_best, grade_buckets, length_adjusted_means
from benchkit.stats.multiple_testing import holm
from benchkit.stats.ordinal_mixed_model import compare_grades


def graded(grades, words=None, history=None, stage="judged"):
    n = len(grades)
    return pl.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(n)],
            "user": [f"c{i}" for i in range(n)],
            "stage": [stage] * n,
            "gradable": [True] * n,
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
    outcome = {
        c.label: c for c in compare_with_best({k: graded(v) for k, v in tables.items()}, "best")
    }
    assert set(outcome) == {"near", "far"}
    raw = []
    for label in ("near", "far"):
        lower = int((tables[label] < best).sum())
        assert (outcome[label].better, outcome[label].worse) == (0, lower)
        assert outcome[label].equal == 60 - lower
        raw.append(stats.binomtest(0, lower).pvalue)
    assert [outcome["near"].p, outcome["far"].p] == pytest.approx(holm(raw))
    alone = [compare_grades(tables[name], best) for name in ("near", "far")]
    p_values = [effect.p if effect else np.nan for effect in alone]
    for label, expected in zip(("near", "far"), holm(p_values), strict=True):
        if outcome[label].ordinal is not None:
            assert outcome[label].ordinal.p == pytest.approx(expected)


def test_only_cases_graded_for_both_are_compared():
    tables = {"best": graded([3, 3, 3, 3]), "other": graded([None, 2, 3, None])}
    (outcome,) = compare_with_best(tables, "best")
    assert (outcome.better, outcome.worse, outcome.equal) == (0, 1, 1)
    assert outcome.p == 1.0
    assert outcome.missing_reason == "the counts do not allow it"


def test_seeds_have_no_ordinal_model_and_the_reason_is_said():
    rng = np.random.default_rng(0)
    seeds = [graded(rng.integers(0, 4, 40).astype(float)) for _ in range(4)]
    tables = {"best": pl.concat(seeds[:2]), "other": pl.concat(seeds[2:])}
    (outcome,) = compare_with_best(tables, "best")
    assert outcome.better + outcome.worse + outcome.equal == 40
    assert outcome.ordinal is None
    assert outcome.missing_reason == "there are grades between the levels, as means over seeds"


def test_a_case_of_which_one_seed_lacks_its_grade_is_not_compared():
    tables = {
        "best": graded([3, 3]),
        "other": pl.concat([graded([0, 3]), graded([None, 3])]),
    }
    (outcome,) = compare_with_best(tables, "best")
    assert (outcome.better, outcome.worse, outcome.equal) == (0, 0, 1)


def test_buckets_are_those_of_the_paper_and_nothing_is_dropped():
    outcome = grade_buckets(graded([0, 1, 2, 3, 3, None], history=[0, 1, 2, 7, 12, 12]))
    assert [(b.low, b.high, b.n, b.mean) for b in outcome] == [
        (0, 0, 1, 0.0), (1, 2, 2, 1.5), (3, 7, 1, 3.0), (12, None, 1, 3.0),
    ]  # fmt: skip
    assert outcome[1].sd == pytest.approx(np.sqrt(0.5))
    assert outcome[0].sd is None


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([(3, 5), (8,)], [(0, 2, 3), (3, 5, 3), (6, 7, 2), (8, None, 2)]),
        ([(8,), (3, 5)], [(0, 2, 3), (3, 5, 3), (6, 7, 2), (8, None, 2)]),
        ([(1, 4)], [(0, 0, 1), (1, 4, 4), (5, None, 5)]),
        ([(0, 9)], [(0, 9, 10)]),
        ([(0, 4), (2, 9)], [(0, 4, 5), (2, 9, 8)]),
    ],
)
def test_buckets_of_a_suite_and_what_lies_around_them(edges, expected):
    outcome = grade_buckets(graded([1.0] * 10, history=list(range(10))), edges)
    assert [(b.low, b.high, b.n) for b in outcome] == expected


def test_a_bucket_weighs_what_is_scored_by_its_stage():
    wrong, judged = graded([0.0] * 2, stage="wrong"), graded([2, 3, None, None])
    (outcome,) = grade_buckets(pl.concat([wrong, judged]))
    assert (outcome.n, outcome.mean) == (4, pytest.approx(5 / 3))  # (2 * 0 + 4 * 2.5) / 6
    spread = 2 * (5 / 3) ** 2 + 2 * (1 / 3) ** 2 + 2 * (4 / 3) ** 2
    assert outcome.sd == pytest.approx(np.sqrt(spread / 5))
    (none,) = grade_buckets(pl.concat([wrong, graded([None, None])]))
    assert (none.n, none.mean, none.sd) == (2, None, None)


def test_grades_that_follow_length_alone_are_equal_at_equal_length():
    short, long = list(range(5, 25)), list(range(15, 35))
    tables = {
        "short": graded([float(np.log1p(w)) for w in short], short),
        "long": graded([float(np.log1p(w)) for w in long], long),
    }
    adjusted = length_adjusted_means(tables)
    assert adjusted["short"].mean == pytest.approx(adjusted["long"].mean)
    assert tables["short"]["grade"].mean() < tables["long"]["grade"].mean()
    assert length_adjusted_means({"a": graded([1, 2, 3] * 9, [7, 7, 7] * 9)}) == {}
    few = {name: table[:19] for name, table in tables.items()}
    assert length_adjusted_means(few) == {}


def test_intervals_at_equal_length_cover_the_truth():
    """Two methods on the same 20 cases, the fewest there is a fit for; cases and grades vary."""
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(400):
        case = rng.normal(0, 0.5, 20)
        words = rng.integers(10, 60, (2, 20))
        length = np.log1p(words)
        grades = [[1.5], [1.8]] + 0.5 * length + case + rng.normal(0, 0.6, (2, 20))
        tables = {n: graded(g, list(w)) for n, g, w in zip("ab", grades, words, strict=True)}
        outcome = length_adjusted_means(tables)
        for name, level in (("a", 1.5), ("b", 1.8)):
            hits.append(outcome[name].low <= level + 0.5 * length.mean() <= outcome[name].high)
    assert 0.93 <= np.mean(hits) <= 0.97
