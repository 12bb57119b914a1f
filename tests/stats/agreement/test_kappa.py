"""Kappa by hand, by its definition and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.errors import DataError
from benchkit.stats.agreement.kappa import (
    quadratic_weighted_kappa,
)
from benchkit.stats.agreement.two_raters import pair_agreement
from tests.support.kappa import compute_kappa

# Kappa


def test_kappa_by_hand():
    # Observed squared gaps: 0, 0, 1, 0 -> 1. Expected: all 16 pairs, 48 / 4 = 12.
    assert quadratic_weighted_kappa([0, 1, 2, 3], [0, 1, 3, 3]) == pytest.approx(1 - 1 / 12)
    assert quadratic_weighted_kappa([0, 1, 2], [0, 1, 2]) == 1
    assert quadratic_weighted_kappa([0, 1, 2], [2, 1, 0]) == pytest.approx(-1)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60).filter(
        lambda pairs: any(len({p[i] for p in pairs}) > 1 for i in (0, 1))
    )
)
@settings(deadline=None)
def test_kappa_is_that_of_scikit_learn(pairs):
    metrics = pytest.importorskip("sklearn.metrics")
    a, b = np.array(pairs).T
    reference = metrics.cohen_kappa_score(a, b, weights="quadratic")
    assert quadratic_weighted_kappa(a, b) == pytest.approx(reference, abs=1e-12)
    scale = [0, 1, 2, 3]
    reference = metrics.cohen_kappa_score(a, b, weights="quadratic", labels=scale)
    assert quadratic_weighted_kappa(a, b, scale) == pytest.approx(reference, abs=1e-12)
    assert quadratic_weighted_kappa(a, b, scale) == pytest.approx(compute_kappa(a, b, 4))


def test_a_class_missing_on_one_side_and_on_both():
    metrics = pytest.importorskip("sklearn.metrics")
    a, b = [0, 0, 1, 3, 3, 1], [0, 2, 1, 3, 2, 2]
    reference = metrics.cohen_kappa_score(a, b, weights="quadratic")
    assert quadratic_weighted_kappa(a, b) == pytest.approx(reference, abs=1e-12)
    # On the scale 0-3 the step from 1 to 3 is two categories, though nobody used 2.
    a, b = [0, 1, 3, 3], [0, 3, 3, 1]
    assert quadratic_weighted_kappa(a, b) != quadratic_weighted_kappa(a, b, [0, 1, 2, 3])
    assert quadratic_weighted_kappa(a, b, range(4)) == pytest.approx(compute_kappa(a, b, 4))


def test_kappa_is_undefined_only_where_both_are_constant():
    assert np.isnan(quadratic_weighted_kappa([2, 2, 2], [2, 2, 2]))
    assert np.isnan(quadratic_weighted_kappa([2, 2, 2], [1, 1, 1]))
    assert quadratic_weighted_kappa([2, 2, 2], [1, 2, 1]) == 0
    assert np.isnan(quadratic_weighted_kappa([], []))
    with pytest.raises(DataError, match="grade 4 is not one of the categories 0, 1, 2, 3"):
        quadratic_weighted_kappa([0, 4], [0, 1], [0, 1, 2, 3])
    with pytest.raises(DataError, match="do not ascend"):
        quadratic_weighted_kappa([0, 1], [0, 1], [1, 0])


def test_the_kappa_paradox_is_visible():
    a = np.array([3] * 83 + [2] * 9 + [3] * 8)
    b = np.array([3] * 83 + [3] * 9 + [2] * 8)
    result = pair_agreement(a, b, [0, 1, 2, 3], permutations=500)
    assert result.estimates["exact"].value == 0.83
    assert result.estimates["adjacent"].value == 1
    assert result.estimates["kappa"].value < 0
    assert result.exact_by_chance == pytest.approx(0.91 * 0.92 + 0.09 * 0.08)
    assert result.confusion.tolist() == [[0] * 4, [0] * 4, [0, 0, 0, 9], [0, 0, 8, 83]]
