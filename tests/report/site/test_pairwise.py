"""Differences between the rows of a table, as the page shows them."""

import numpy as np
import polars as pl
import pytest

from benchkit.report.site import pairwise
from benchkit.stats.crossed_effects import fit_crossed_effects


def test_rows_with_other_cases_or_no_numbers_are_not_compared():
    def row(ids, values):
        return {"m": pl.DataFrame({"case_id": ids, "value": values})}

    rows = [row(["a", "b"], [0.0, 1.0]), None, row(["a"], [1.0]),
            row(["a", "b"], [1.0, float("nan")]), row(["a", "b"], [1.0, 1.0])]  # fmt: skip
    page_data = pairwise.compare_row_pairs(["m", "absent"], rows, {"a": "a", "b": "b"})
    assert list(page_data) == ["m"]
    assert page_data["m"]["rows"] == [0, 4]
    assert page_data["m"]["values"][0][0] == -0.5


def test_differences_are_antisymmetric():
    values = np.random.default_rng(0).random((2, 1, 50))
    one, other = pairwise.pairwise_differences(values), pairwise.pairwise_differences(values[::-1])
    assert one.mean[0] == pytest.approx(-other.mean[0])
    assert one.p[0] == pytest.approx(other.p[0])
    assert one.low[0] < one.mean[0] < one.high[0]


def test_seeds_count_as_they_do_in_a_comparison():
    seeds = np.random.default_rng(0).random((2, 3, 50))
    seeds += np.array([[[0.0], [0.5], [1.0]], [[0.2]] * 3])
    page_data = pairwise.pairwise_differences(seeds)
    over = fit_crossed_effects(*seeds)
    assert [
        page_data.mean[0],
        page_data.low[0],
        page_data.high[0],
        page_data.p[0],
    ] == pytest.approx([over.difference, over.low, over.high, over.p])
    tables = [
        pl.DataFrame(
            {"case_id": ["b", "a"], "protocol": "scored", "metric": "m", "value": seed_values}
        )
        for seed_values in ([1.0, 0.0], [0.5, 0.25])
    ]
    values = pairwise.per_case_values(tables, "scored", ["m", "absent"])
    assert values["m"].rows() == [("a", 0.0, 0.25), ("b", 1.0, 0.5)]
    assert pairwise.per_case_values([tables[0], tables[1].head(1)], "scored", ["m"]) == {}
