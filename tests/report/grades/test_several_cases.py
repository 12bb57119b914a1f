"""Grades of users with several cases: means over cases, intervals and tests over users."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from benchkit.report.grades.analysis import compare_with_best, length_adjusted_means
from benchkit.report.grades.collection import collect_grades
from benchkit.report.grades.means import case_mean, stage_weighted_mean
from benchkit.report.grades.tables import grade_tables
from benchkit.stats.bootstrap import mean_interval
from benchkit.stats.clusters import find_clusters
from benchkit.stats.nonresponse_weighting import weighting_class_interval
from benchkit.stats.ordinal_mixed_model import compare_grades
from tests.support.judged_store import Judged, answers


def graded(grades, users, stage="judged"):
    n = len(grades)
    return pl.DataFrame(
        {
            "case_id": [f"c{place:03}" for place in range(n)],
            "user": [f"u{user}" for user in users],
            "stage": [stage] * n if isinstance(stage, str) else stage,
            "gradable": [True] * n,
            "grade": grades,
            "words": [10 + place % 7 for place in range(n)],
        },
        schema_overrides={"grade": pl.Float64},
    )


def test_means_are_over_cases_and_intervals_over_users():
    grades, users = [3.0, 3.0, 3.0, 0.0, 1.0, 2.0], [0, 0, 0, 1, 2, 2]
    cell = case_mean(graded(grades, users), "grade")
    assert (cell.mean, cell.n, cell.users) == (2.0, 6, 3)
    expected = mean_interval(grades, clusters=find_clusters(users))
    assert (cell.low, cell.high) == expected != mean_interval(grades)


def test_with_lost_verdicts_a_row_of_the_weighting_is_a_user():
    stage = ["judged", "judged", "wrong", "judged", "judged", "wrong"] * 5
    grades = [3.0, None, 0.0, 2.0, 1.0, 0.0] * 5
    users = np.repeat(np.arange(15), 2)
    cell = stage_weighted_mean(graded(grades, users, stage))
    assert (cell.n, cell.users) == (25, 15)
    assert cell.mean == pytest.approx(2 / 3 * 2.0)
    totals = np.zeros((3, 15, 2))
    names = ["judged", "wrong"]
    for user, at, grade in zip(users, stage, grades, strict=True):
        column = names.index(at)
        totals[:, user, column] += (1, grade is not None, grade or 0)
    assert (cell.low, cell.high) == pytest.approx(weighting_class_interval(*totals))


def test_the_sign_test_counts_users():
    """One user with 30 cases that are better is one user."""
    users = [0] * 30 + [1, 1, 2]
    tables = {
        "best": graded([3.0] * 33, users),
        "other": graded([1.0] * 30 + [4.0, 2.0, 5.0], users),
    }
    (outcome,) = compare_with_best(tables, "best")
    assert (outcome.better, outcome.worse, outcome.equal) == (1, 1, 1)
    assert (outcome.users, outcome.cases, outcome.p) == (3, 33, 1.0)


def test_errors_at_equal_length_are_by_user():
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(40), 5)
    grades = (rng.normal(size=40)[users] + 3).tolist()
    table = graded(grades, users)
    cell = length_adjusted_means({"one": table})["one"]
    alone = length_adjusted_means({"one": table.with_columns(user="case_id")})["one"]
    assert cell.mean == alone.mean and (cell.n, cell.users) == (200, 40)
    assert cell.high - cell.low > 1.8 * (alone.high - alone.low)
    assert length_adjusted_means({"one": graded([1.0] * 100, [0] * 50 + [1] * 50)}) == {}


def draw_grades(rng, users, cases):
    """Grades of two methods that are alike over users, each of whom prefers one of them."""
    n = users * cases
    case, preference = rng.normal(size=n), np.repeat(rng.normal(0, 1.5, users), cases)
    latent = np.stack([case - preference, case + preference]) + rng.logistic(size=(2, n))
    return np.digitize(latent, [-1.0, 0.5, 2.0]) + 1.0, np.repeat(np.arange(users), cases)


def test_the_mixed_model_has_errors_by_user():
    (a, b), users = draw_grades(np.random.default_rng(1), 40, 6)
    alone = compare_grades(a, b)
    robust = compare_grades(a, b, find_clusters(users))
    assert robust.effect == alone.effect and robust.sd == alone.sd
    assert robust.high - robust.low > 1.5 * (alone.high - alone.low)
    assert robust.p > alone.p
    half = (robust.high - robust.low) / 2 / stats.t.ppf(0.975, 39)
    assert robust.p == pytest.approx(2 * stats.t.sf(abs(robust.effect) / half, 39))
    assert compare_grades(a, b, find_clusters(users % 10)) is None  # of ten users


def test_robust_errors_are_the_usual_ones_where_cases_are_independent():
    (a, b), _ = draw_grades(np.random.default_rng(2), 400, 1)
    pairs = find_clusters(np.arange(400) % 200)  # of whom two cases have nothing in common
    alone, robust = compare_grades(a, b), compare_grades(a, b, pairs)
    assert robust.high - robust.low == pytest.approx(alone.high - alone.low, rel=0.15)


@pytest.mark.slow
def test_the_mixed_model_is_at_its_level_where_users_prefer():
    rng, robust, alone = np.random.default_rng(3), 0, 0
    for _ in range(150):
        (a, b), users = draw_grades(rng, 40, 5)
        robust += compare_grades(a, b, find_clusters(users)).p < 0.05
        alone += compare_grades(a, b).p < 0.05
    assert robust / 150 <= 0.1 < 0.2 < alone / 150


def test_tables_say_users_and_cases(tmp_path):
    judged = Judged(tmp_path)
    for label, grades in (("one", [3, 2, 1, 2]), ("two", [1, 1, 1, 1])):
        rows = answers("judged", grades * 10)
        judged.judged(label, [{**row, "user": f"u{i // 4}"} for i, row in enumerate(rows)])
    (table,) = collect_grades(judged.store, judged.plan())
    cell = table.rows[0].means["rating"]
    assert (cell.n, cell.users) == (40, 10)
    assert cell.low == cell.high == cell.mean == 2.0  # every user has the same grades
    (comparison,) = table.comparisons
    assert (comparison.worse, comparison.users, comparison.cases) == (10, 10, 40)
    assert comparison.p == pytest.approx(2 * 0.5**10)
    text = " ".join(note for grid in grade_tables("Made", [table]) for note in grid.notes)
    assert "10 users with 40 cases" in text
    assert "Higher, Equal, Lower: users" in text and "robust to users" in text


def test_older_verdicts_without_users_go_by_the_ids_of_cases(tmp_path):
    judged = Judged(tmp_path)
    rows = [
        {**row, "case_id": f"test:u{place % 5}" + (f"#{place // 5 + 1}" if place >= 5 else "")}
        for place, row in enumerate(answers("judged", [3, 1] * 10))
    ]
    judged.judged("one", rows)
    (table,) = collect_grades(judged.store, judged.plan())
    cell = table.rows[0].means["rating"]
    assert (cell.n, cell.users) == (20, 5)
