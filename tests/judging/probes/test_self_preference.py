"""A judge's preference for its own model's rationales is what other judges do not share."""

import polars as pl
import pytest

from benchkit.judging.probes.probe_run import PROBE_COLUMNS
from benchkit.judging.probes.self_preference import compare_own_methods

OWN = {"gpt": {"by-gpt"}}


def make_grades(rows, rubric="r"):
    """rows: (case, judge, method, grade)."""
    names = ("case", "judge", "method", "grade")
    table = pl.DataFrame(rows, schema=dict(zip(names, [*[pl.String] * 3, pl.Float64], strict=True)),
                         orient="row")  # fmt: skip
    return table.with_columns(
        user=pl.col("case"), criterion=pl.lit("rating"), step=1.0, span=3.0, rubric=pl.lit(rubric)
    )


BOTH = [
    # Both judges find the method of gpt a point better in case a: no preference.
    ("a", "gpt", "by-gpt", 3.0), ("a", "other", "by-gpt", 2.0),
    ("a", "gpt", "plain", 2.0), ("a", "other", "plain", 1.0),
    # In case b only gpt does.
    ("b", "gpt", "by-gpt", 3.0), ("b", "other", "by-gpt", 1.0),
    ("b", "gpt", "plain", 1.0), ("b", "other", "plain", 1.0),
]  # fmt: skip


def test_it_is_a_difference_of_differences():
    table = compare_own_methods(make_grades(BOTH), "gpt", OWN)
    assert table.schema == pl.Schema(PROBE_COLUMNS)
    rows = {row["case"]: (row["before"], row["after"]) for row in table.to_dicts()}
    assert rows == {"a": (1.0, 1.0), "b": (0.0, 2.0)}
    assert set(table["probe"]) == {"self-preference"} and set(table["span"]) == {3.0}


def test_several_other_judges_methods_and_seeds_count_by_their_means():
    more = [
        ("b", "third", "by-gpt", 3.0), ("b", "third", "plain", 1.0),
        ("b", "gpt", "plainer", 0.0), ("b", "other", "plainer", 1.0),
        ("b", "gpt", "by-gpt", 2.0),  # by another seed
    ]  # fmt: skip
    rows = compare_own_methods(make_grades(BOTH + more), "gpt", OWN).to_dicts()
    (of_b,) = [row for row in rows if row["case"] == "b"]
    assert of_b["before"] == pytest.approx((0.0 - 1.0) / 2)
    assert of_b["after"] == pytest.approx(2.5 - 2.0)


@pytest.mark.parametrize(
    ("grades", "shared"),
    [
        (make_grades(BOTH), {}),
        (make_grades(BOTH), {"gpt": {"by-gpt"}, "other": {"plain"}}),  # no judge is independent
        (make_grades(BOTH), {"gpt": {"by-gpt", "plain"}}),  # nothing to compare with
        (make_grades([row for row in BOTH if row[1] == "gpt"]), OWN),
        (make_grades([]), OWN),
        (
            pl.concat([
                make_grades([row for row in BOTH if row[1] == "gpt"]),
                make_grades([row for row in BOTH if row[1] == "other"], rubric="another"),
            ]),
            OWN,
        ),
    ],
)  # fmt: skip
def test_without_own_and_other_methods_and_an_independent_judge_there_is_nothing(grades, shared):
    assert compare_own_methods(grades, "gpt", shared).is_empty()


def test_a_case_that_a_judge_left_ungraded_does_not_count():
    rows = [(c, j, m, None if (c, j, m) == ("b", "other", "plain") else g) for c, j, m, g in BOTH]
    table = compare_own_methods(make_grades(rows), "gpt", OWN)
    assert table["case"].to_list() == ["a"]
