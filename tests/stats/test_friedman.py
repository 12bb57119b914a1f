"""Friedman and Nemenyi, against SciPy, scikit-posthocs and Demšar's example."""

import numpy as np
import pytest
import scikit_posthocs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchkit.stats.friedman import friedman, rank_cliques

# Demšar (2006), table 6: AUC of four variants of C4.5 on fourteen datasets.
DEMSAR = (
    np.array(
        [
            [763, 599, 954, 628, 882, 936, 661, 583, 775, 1000, 940, 619, 972, 957],
            [768, 591, 971, 661, 888, 931, 668, 583, 838, 1000, 962, 666, 981, 978],
            [771, 590, 968, 654, 886, 916, 609, 563, 866, 1000, 965, 614, 975.1, 946],
            [798, 569, 967, 657, 898, 931, 685, 625, 875, 1000, 962, 669, 975, 970],
        ]
    )
    / 1000
)


def test_demsars_example():
    result = friedman(DEMSAR)
    np.testing.assert_allclose(result.ranks, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    # The paper leaves out the correction for ties; with it the statistic is larger.
    plain = 12 * 14 / 20 * (np.sum(result.ranks**2) - 4 * 25 / 4)
    assert plain == pytest.approx(9.28, abs=0.005)
    assert result.statistic == pytest.approx(stats.friedmanchisquare(*DEMSAR).statistic)
    assert result.asymptotic_critical_difference == pytest.approx(1.25, abs=0.005)
    assert result.p < 0.05 and result.p_f < 0.05


@pytest.mark.parametrize(("k", "n"), [(3, 4), (5, 8), (12, 3)])
def test_agrees_with_scipy_and_scikit_posthocs(k, n):
    v = np.random.default_rng(k).normal(size=(k, n)).round(1)
    result = friedman(v)
    reference = stats.friedmanchisquare(*v)
    assert result.statistic == pytest.approx(reference.statistic)
    assert result.p_chi2 == pytest.approx(reference.pvalue)
    nemenyi = scikit_posthocs.posthoc_nemenyi_friedman(-v.T).to_numpy()
    np.testing.assert_allclose(result.asymptotic_nemenyi, nemenyi, atol=2e-3)


def test_the_drawn_null_is_the_limit_with_many_datasets():
    v = np.random.default_rng(1).normal(size=(4, 80)) + np.array([[0], [0.1], [0.25], [0.3]])
    result = friedman(v)
    assert result.p == pytest.approx(result.p_chi2, abs=0.015)
    np.testing.assert_allclose(result.nemenyi, result.asymptotic_nemenyi, atol=0.02)
    assert result.critical_difference == pytest.approx(
        result.asymptotic_critical_difference, rel=0.03
    )


def test_the_drawn_null_is_exact_with_few_datasets():
    # Three methods in the same order on both of 2 datasets: 6 of 36 arrangements.
    result = friedman([[3.0, 3.0], [2.0, 2.0], [1.0, 1.0]])
    assert result.p == pytest.approx(1 / 6, abs=0.015)
    assert result.nemenyi[0, 2] == pytest.approx(1 / 6, abs=0.015)


def test_beyond_the_critical_difference_is_below_the_level():
    rng = np.random.default_rng(2)
    for _ in range(20):
        result = friedman(rng.normal(size=(6, 6)) + np.arange(6)[:, None] * 0.5)
        apart = np.abs(result.ranks[:, None] - result.ranks)
        assert ((apart > result.critical_difference + 1e-9) == (result.nemenyi < 0.05)).all()


def test_equal_methods_do_not_differ():
    result = friedman(np.ones((3, 4)))
    assert result.statistic == 0 and result.p == 1.0
    assert result.ranks.tolist() == [2, 2, 2]


@pytest.mark.parametrize("v", [np.ones((2, 5)), np.ones((3, 1)), np.full((3, 3), np.nan), [1, 2]])
def test_refusals(v):
    with pytest.raises(ValueError, match="needs numbers"):
        friedman(v)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(-3, 3))
def test_order_of_methods_and_shifts_of_datasets_do_not_matter(seed, shift):
    v = np.random.default_rng(seed).normal(size=(4, 5))
    result, moved = friedman(v, draws=199), friedman(v + shift * np.arange(5), draws=199)
    turned = friedman(v[::-1], draws=199)
    assert result.p == moved.p == turned.p
    np.testing.assert_allclose(result.ranks, turned.ranks[::-1])
    np.testing.assert_allclose(result.nemenyi, result.nemenyi.T)


def test_cliques_are_the_largest_groups():
    assert rank_cliques([1, 2, 3, 4], 1.0) == [(0, 1), (1, 2), (2, 3)]
    assert rank_cliques([1, 2, 3, 4], 0.5) == []
    assert rank_cliques([4, 1, 3, 2], 9.0) == [(1, 3, 2, 0)]
