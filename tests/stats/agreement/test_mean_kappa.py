"""The mean of pairwise kappas."""

import numpy as np
import pytest

from benchkit.stats.agreement.kappa import quadratic_weighted_kappa
from benchkit.stats.agreement.mean_kappa import mean_kappa
from benchkit.stats.agreement.two_raters import pair_agreement

NAN = float("nan")


def test_mean_kappa_is_the_mean_of_the_pairs():
    rng = np.random.default_rng(2)
    grades = np.clip(rng.integers(0, 4, (50, 1)) + rng.integers(-1, 2, (50, 3)), 0, 3).astype(float)
    grades[rng.random((50, 3)) < 0.1] = NAN
    result = mean_kappa(grades, range(4))
    pairs = [
        quadratic_weighted_kappa(grades[:, a], grades[:, b], range(4))
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    assert result.value == pytest.approx(np.mean(pairs), abs=1e-12)
    assert result.low < result.value < result.high
    two = mean_kappa(grades[:, :2], range(4))
    same = pair_agreement(*grades[:, :2].T, range(4)).estimates["kappa"]
    assert two.value == pytest.approx(same.value)
    assert two.low == pytest.approx(same.low, abs=0.03)
    nothing = mean_kappa([[1, NAN], [NAN, 1]], range(4))
    assert nothing.reason == "no pair has one: 1 have no item in common"
    constant = mean_kappa([[1, 1], [1, 1]], range(4))
    assert constant.reason == "no pair has one: in 1 both raters are constant"
    assert np.isnan([nothing.value, constant.value]).all()


def test_pairs_without_a_kappa_are_left_out_and_counted():
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 4, (60, 1))
    grades = np.clip(truth + rng.integers(-1, 2, (60, 5)), 0, 3).astype(float)
    grades[:30, 3] = grades[30:, 4] = NAN  # raters 3 and 4 have no item in common
    constant = np.column_stack([grades, np.full((60, 2), 2.0)])  # the last two never differ
    result = mean_kappa(constant, range(4))
    pairs = [
        quadratic_weighted_kappa(constant[:, a], constant[:, b], range(4))
        for a in range(7)
        for b in range(a + 1, 7)
    ]
    assert np.isnan(pairs).sum() == 2
    assert result.value == pytest.approx(np.nanmean(pairs), abs=1e-12)
    assert result.low < result.value < result.high
    assert result.reason == (
        "mean of 19 of 21 pairs of raters: 1 have no item in common and in 1 both raters are"
        " constant"
    )
