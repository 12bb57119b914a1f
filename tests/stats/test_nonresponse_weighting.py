"""The mean with values missing by class: by hand, against the plain mean, and by coverage."""

import numpy as np
import pytest

from benchkit.stats.nonresponse_weighting import weighting_class_interval, weighting_class_mean


def test_by_hand():
    # 20 wrong answers worth 0; 80 right ones worth 2.5, of which a fifth has no value.
    answers = [[1, 0]] * 20 + [[0, 1]] * 80
    valued = [[1, 0]] * 20 + [[0, 0]] * 16 + [[0, 1]] * 64
    sums = [[0, 0]] * 36 + [[0, 2.5]] * 64
    assert weighting_class_mean(answers, valued, sums) == pytest.approx(
        2.0
    )  # the plain mean is 1.90


def test_with_every_value_it_is_the_plain_mean():
    rng = np.random.default_rng(0)
    values, classes = rng.normal(size=50), rng.integers(0, 3, 50)
    member = np.eye(3)[classes]
    assert weighting_class_mean(member, member, member * values[:, None]) == pytest.approx(
        values.mean()
    )


def test_a_class_without_a_value_has_no_mean():
    assert np.isnan(weighting_class_mean([[1, 0], [0, 1]], [[1, 0], [0, 0]], [[2, 0], [0, 0]]))
    assert (
        weighting_class_mean([[1, 0]], [[1, 0]], [[2, 0]]) == 2.0
    )  # a class without answers says nothing


def test_the_interval_is_the_same_whatever_the_order():
    rng = np.random.default_rng(1)
    member, valued = np.eye(2)[rng.integers(0, 2, 60)], rng.random((60, 1)) < 0.7
    sums = member * valued * rng.integers(0, 4, (60, 1))
    first = weighting_class_interval(member, member * valued, sums)
    order = rng.permutation(60)
    assert weighting_class_interval(member[order], (member * valued)[order], sums[order]) == first


def test_the_interval_covers_the_truth():
    """r right of which u lack their grade, grades 2 or 3: the truth is 2.5 r."""
    rng = np.random.default_rng(2)
    hits, n = 0, 150
    for _ in range(400):
        right = rng.random(n) < 0.8
        graded = ~right | (rng.random(n) > 0.3)
        grades = np.where(right, rng.integers(2, 4, n), 0)
        member = np.column_stack([~right, right]).astype(float)
        valued = member * graded[:, None]
        low, high = weighting_class_interval(
            member, valued, valued * grades[:, None], resamples=500
        )
        hits += low <= 2.0 <= high
    assert 0.91 <= hits / 400 <= 0.98
