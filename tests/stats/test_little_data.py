"""Intervals of too little data: none, and a reason instead."""

import numpy as np
import pytest

from benchkit.stats.agreement.icc import intraclass_correlation
from benchkit.stats.agreement.krippendorff import alpha_estimates
from benchkit.stats.agreement.two_raters import pair_agreement
from benchkit.stats.bootstrap import bca_intervals

NAN = float("nan")


def test_two_complete_items_have_no_interval():
    grades = [[1, 2], [4, 3], [NAN, 2], [3, NAN], [5, NAN]]
    icc = intraclass_correlation(grades)
    alpha = alpha_estimates(grades)["interval"]
    kappa = pair_agreement(*np.array(grades).T, range(1, 6), permutations=50).estimates["kappa"]
    for estimate in (icc.single, icc.average, alpha, kappa):
        assert not np.isnan(estimate.value)
        assert np.isnan([estimate.low, estimate.high]).all()
        assert estimate.reason == "no interval: too little data (2 to resample)"


@pytest.mark.parametrize(("n_units", "exists"), [(2, False), (4, False), (5, True), (40, True)])
def test_clusters_are_counted_and_not_their_items(n_units, exists):
    rng = np.random.default_rng(0)
    cluster = np.arange(n_units * 10) // 10
    cell = rng.integers(0, 4, len(cluster))
    values = np.arange(4.0)
    mean = {"mean": lambda counts: counts @ values / counts.sum(axis=1)}
    interval = bca_intervals(mean, cell, cluster)["mean"]
    assert np.isnan(interval.low) != exists
    assert (interval.reason == "") == exists


def test_no_limit_is_the_estimate_itself():
    largest = {"largest": lambda counts: np.where(counts > 0, np.arange(6.0) / 10, 0).max(axis=1)}
    interval = bca_intervals(largest, np.arange(6), resamples=500)["largest"]
    assert np.isnan(interval.high)
    assert interval.reason == "no interval: too little data (a limit would be the estimate itself)"


def test_an_estimate_that_can_be_no_larger_keeps_its_interval():
    five = [1, 2, 3, 4, 5, 6, 7, 8]
    near = [1, 2, 3, 4, 5, 6, 8, 7]
    rho = pair_agreement(five, near, permutations=50).estimates["spearman"]
    assert rho.low < rho.value < rho.high
    share = pair_agreement([1, 2] * 20, [1, 2] * 19 + [1, 1], [1, 2]).estimates["exact"]
    assert share.high == 1.0 or share.value < share.high
