"""Amounts to ratings, by hand."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.data.sources.implicit_ratings import add_ratings, ratings_from_amounts
from benchkit.errors import ConfigError


@pytest.mark.parametrize(
    ("amounts", "ratings"),
    [
        ([], []),
        ([12.5], [3]),
        ([1, 2], [2, 4]),
        ([5, 5, 5, 5], [3, 3, 3, 3]),
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]),
        # Of ten players the two that played most are the top 20 %, the next two the next fifth.
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 900], [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
        # Six that never played stand at p = 0.3, so at 2; the others at .65 .75 .85 .95.
        ([0, 0, 0, 0, 0, 0, 1, 2, 3, 4], [2, 2, 2, 2, 2, 2, 4, 4, 5, 5]),
    ],
)
def test_by_hand(amounts, ratings):
    made = ratings_from_amounts(amounts)
    assert made.dtype == np.float32
    assert made.tolist() == ratings


def test_within_a_group_only():
    groups = pl.Series(["g", "h", "g", "h", "g"])
    assert ratings_from_amounts([3, 100, 1, 200, 2], groups).tolist() == [5, 2, 1, 4, 3]


def test_an_amount_must_be_a_number():
    with pytest.raises(ValueError, match="finite"):
        ratings_from_amounts([1, float("nan")])


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_more_is_never_rated_lower_and_the_scale_is_kept(amounts):
    ratings = ratings_from_amounts(amounts)
    assert set(ratings) <= {1, 2, 3, 4, 5}
    order = np.argsort(amounts, kind="stable")
    assert (np.diff(ratings[order]) >= 0).all()
    assert np.array_equal(ratings, ratings_from_amounts(np.array(amounts) * 60.0))
    # Turned round, the scale is turned round, up to amounts that stand exactly on a fifth.
    p = [(sum(b < a for b in amounts) + amounts.count(a) / 2) / len(amounts) for a in amounts]
    inside = np.array([abs(5 * q - round(5 * q)) > 1e-9 for q in p])
    assert np.array_equal(
        (6 - ratings_from_amounts([-a for a in amounts]))[inside], ratings[inside]
    )


def test_rated_replaces_the_amount():
    table = pl.DataFrame({"user": ["u", "u", "v"], "item": ["a", "b", "a"], "hours": [1.0, 2, 3]})
    assert add_ratings(table, "hours", "item")["rating"].to_list() == [2, 3, 4]
    assert add_ratings(table, "hours", "user")["rating"].to_list() == [2, 4, 3]
    assert add_ratings(table, "hours", "none").columns == ["user", "item"]
    with pytest.raises(ConfigError, match="rate_within = 'game'"):
        add_ratings(table, "hours", "game")
