"""Grades of a sample whose items stand for different numbers of items."""

import numpy as np
import pytest
from scipy import stats

from benchkit.errors import DataError
from benchkit.stats.agreement import correlation, kappa
from benchkit.stats.agreement.contingency import contingency_table, nonuniform_weights
from benchkit.stats.agreement.mean_kappa import mean_kappa
from benchkit.stats.agreement.two_raters import PAIR_STATISTICS, pair_agreement
from benchkit.stats.bootstrap import bca_intervals

NAN = float("nan")


def grades(n=60, raters=2, seed=0):
    """[n, raters] correlated grades 0..3."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, 1))
    return np.searchsorted([-1, 0, 1], truth + 0.7 * rng.normal(size=(n, raters))).astype(float)


def test_weighted_statistics_by_hand():
    """Shares .1, .2, .3, .4 of the pairs (0,0), (1,1), (2,3), (3,3).

    Means 2.0 and 2.3, variances 1.00 and 1.21: squared gaps expected by chance are
    1.00 + 1.21 + .3 ** 2 = 2.30, observed .3. Equal are .7; by chance .1 * .1 + .2 * .2 + .4 * .7.
    """
    result = pair_agreement([0, 1, 2, 3], [0, 1, 3, 3], range(4), weights=[1, 2, 3, 4])
    assert result.estimates["kappa"].value == pytest.approx(1 - 0.3 / 2.3)
    assert result.estimates["exact"].value == pytest.approx(0.7)
    assert result.estimates["adjacent"].value == pytest.approx(1)
    assert result.exact_by_chance == pytest.approx(0.33)
    # Covariance: .2 * 1 + .3 * 6 + .4 * 9 - 2.0 * 2.3 = 1.0.
    assert result.estimates["pearson"].value == pytest.approx(1 / 1.1)
    # Of 100 pairs of shares 70 differ for the first rater, 46 for the second, all of them in order.
    assert result.estimates["kendall"].value == pytest.approx(46 / (70 * 46) ** 0.5)
    assert result.n == 4 and result.confusion.sum() == 4  # counts are of items


def test_a_weight_of_three_is_an_item_three_times():
    a, b = grades().T
    a[3], b[5] = NAN, NAN
    weights = np.random.default_rng(1).integers(1, 6, len(a))
    result = pair_agreement(a, b, range(4), weights=weights, permutations=50)
    often = pair_agreement(np.repeat(a, weights), np.repeat(b, weights), range(4), permutations=50)
    for name in PAIR_STATISTICS:
        assert result.estimates[name].value == pytest.approx(often.estimates[name].value, abs=1e-12)
    assert result.exact_by_chance == pytest.approx(often.exact_by_chance, abs=1e-12)
    rows = grades(raters=3)
    rows[7, 1] = NAN
    together = mean_kappa(rows, range(4), weights=weights)
    repeated = mean_kappa(np.repeat(rows, weights, axis=0), range(4))
    assert together.value == pytest.approx(repeated.value, abs=1e-12)


def test_kappa_is_that_of_scikit_learn_with_weights():
    metrics = pytest.importorskip("sklearn.metrics")
    a, b = grades().T
    weights = np.random.default_rng(2).uniform(0.1, 20, len(a))
    ours = pair_agreement(a, b, range(4), weights=weights, permutations=10).estimates["kappa"]
    reference = metrics.cohen_kappa_score(
        a.astype(int), b.astype(int), weights="quadratic", labels=range(4), sample_weight=weights
    )
    assert ours.value == pytest.approx(reference, abs=1e-12)
    assert ours.low < ours.value < ours.high


def test_equal_weights_change_nothing_and_no_unit_matters():
    a, b = grades().T
    alike = pair_agreement(a, b, range(4), weights=np.full(len(a), 0.1), permutations=50)
    assert alike.estimates == pair_agreement(a, b, range(4), permutations=50).estimates
    rows = grades(raters=3)
    assert mean_kappa(rows, range(4), weights=[0.1] * 60) == mean_kappa(rows, range(4))
    weights = np.random.default_rng(3).uniform(1, 9, len(a))
    result, scaled = (
        pair_agreement(a, b, range(4), weights=w, permutations=50).estimates
        for w in (weights, 0.3 * weights)
    )
    for name in PAIR_STATISTICS:
        np.testing.assert_allclose(
            [result[name].value, result[name].low, result[name].high],
            [scaled[name].value, scaled[name].low, scaled[name].high], rtol=1e-9,
        )  # fmt: skip


def test_weights_of_items_that_are_left_out_do_not_matter():
    a, b = grades().T
    b[0] = NAN
    weights = np.full(60, 2.0)
    weights[0] = 7
    assert contingency_table(a, b, weights=weights).weight is None


@pytest.mark.parametrize("weight", [0, -1, NAN, float("inf")])
def test_what_is_no_weight_is_refused(weight):
    with pytest.raises(DataError, match="is not a weight"):
        nonuniform_weights([1, weight])


def test_a_constant_rater_is_constant_whatever_rounding_leaves():
    """.1 + .2 is not .3: a resample of one grade must not have the correlation of its rounding."""
    table = contingency_table([1, 1, 1, 2], [1, 2, 3, 1])
    counts = np.array([[0.1, 0.2, 0.7, 0.0], [1 / 3, 0.1, 1e-3, 0.0]])
    for of in (correlation.spearman, correlation.kendall, correlation.pearson):
        assert np.isnan(of(table)(counts)).all()
    np.testing.assert_allclose(kappa.quadratic_kappa(table, range(1, 4))(counts), 0, atol=1e-12)


def test_weighted_intervals_are_those_of_scipy():
    a, b = grades(120).T
    weights = np.random.default_rng(4).choice([1.0, 3.0, 6.0], 120)
    table = contingency_table(a, b, weights=weights)
    ours = bca_intervals(
        {"r": correlation.pearson(table)}, table.cell, weight=table.weight, resamples=10_000
    )["r"]

    def weighted(x, y, w):
        cov = np.cov(x, y, aweights=w, ddof=0)
        return cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1])

    reference = stats.bootstrap(
        (a, b, weights), weighted, paired=True, vectorized=False, n_resamples=2000, method="BCa",
        rng=np.random.default_rng(5),
    ).confidence_interval  # fmt: skip
    width = reference.high - reference.low
    assert ours.low == pytest.approx(reference.low, abs=0.1 * width)
    assert ours.high == pytest.approx(reference.high, abs=0.1 * width)


def test_clusters_and_weights_go_together():
    """An item that stands twice, with half its weight each time, says no more than once."""
    a, b = grades().T
    weights = np.random.default_rng(6).uniform(1, 9, 60)
    once = pair_agreement(a, b, range(4), weights=weights, permutations=10)
    twice = pair_agreement(
        np.tile(a, 2), np.tile(b, 2), range(4), [*range(60), *range(60)], np.tile(weights / 2, 2),
        permutations=10,
    )  # fmt: skip
    for name in PAIR_STATISTICS:
        one, two = once.estimates[name], twice.estimates[name]
        np.testing.assert_allclose([two.value, two.low, two.high], [one.value, one.low, one.high],
                                   atol=0.03)  # fmt: skip
