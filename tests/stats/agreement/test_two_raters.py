"""Two raters: kappa, correlations, their intervals and p values, and disagreements."""

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchkit.errors import DataError
from benchkit.stats.agreement import correlation
from benchkit.stats.agreement.contingency import contingency_table
from benchkit.stats.agreement.kappa import (
    agreement_within,
    confusion_counts,
    quadratic_kappa,
)
from benchkit.stats.agreement.two_raters import PAIR_STATISTICS, find_disagreements, pair_agreement
from benchkit.stats.bootstrap import bca_intervals

NAN = float("nan")


def grades(n, levels, seed=0, noise=1.0):
    """Two raters of the same items, correlated."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    cuts = stats.norm.ppf(np.arange(1, levels) / levels)
    return tuple(np.searchsorted(cuts, truth + noise * rng.normal(size=n)) for _ in range(2))


def once(table):
    return table.counts[None, :].astype(float)


# Correlations


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=50))
@settings(deadline=None)
def test_correlations_are_those_of_scipy(pairs):
    a, b = np.array(pairs, dtype=float).T
    table = contingency_table(a, b)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = [f(a, b).statistic for f in (stats.pearsonr, stats.spearmanr, stats.kendalltau)]
    ours = [
        float(f(table)(once(table))[0])
        for f in (correlation.pearson, correlation.spearman, correlation.kendall)
    ]
    np.testing.assert_allclose(ours, reference, atol=1e-12)


def test_a_resample_is_worth_what_its_items_are_worth():
    a, b = grades(80, 5)
    table = contingency_table(a, b)
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, 80, 80)
    counts = np.bincount(table.cell[drawn], minlength=len(table.x))[None, :].astype(float)
    again = contingency_table(a[drawn], b[drawn])
    for of in (correlation.pearson, correlation.spearman, correlation.kendall, quadratic_kappa):
        categories = (range(5),) if of is quadratic_kappa else ()
        value = of(table, *categories)(counts)[0]
        assert value == pytest.approx(of(again, *categories)(once(again))[0], abs=1e-12)


def test_missing_grades_are_left_out_and_counted():
    a, b = [1, NAN, 2, 3, NAN], [1, 2, NAN, 2, NAN]
    table = contingency_table(a, b)
    assert table.n == 2
    assert table.missing == (1, 1, 1)
    result = pair_agreement(a, b, [1, 2, 3], permutations=10)
    assert result.missing == (1, 1, 1)
    assert result.estimates["exact"].value == 0.5
    with pytest.raises(DataError, match="shapes"):
        contingency_table([1, 2], [1])


# Intervals and p values


def test_intervals_are_those_of_scipy():
    a, b = grades(120, 4)
    table = contingency_table(a, b)
    ours = bca_intervals({"rho": correlation.spearman(table)}, table.cell, resamples=10_000)["rho"]
    reference = stats.bootstrap(
        (a, b), lambda x, y: stats.spearmanr(x, y).statistic, paired=True, vectorized=False,
        n_resamples=2000, method="BCa", rng=np.random.default_rng(2),
    ).confidence_interval  # fmt: skip
    width = reference.high - reference.low
    assert ours.low == pytest.approx(reference.low, abs=0.1 * width)
    assert ours.high == pytest.approx(reference.high, abs=0.1 * width)


def test_intervals_of_clusters_draw_whole_clusters():
    a, b = grades(60, 4)
    twice = np.concatenate([a, a]), np.concatenate([b, b])
    single = contingency_table(a, b)
    table = contingency_table(*twice, clusters=[*range(60), *range(60)])
    rho = {"rho": correlation.spearman(single)}
    alone = bca_intervals(rho, single.cell, resamples=8000)["rho"]
    clustered = bca_intervals(
        {"rho": correlation.spearman(table)}, table.cell, table.cluster, resamples=8000
    )["rho"]
    # An item that stands twice says no more than once.
    np.testing.assert_allclose(clustered[:2], alone[:2], atol=0.02)
    naive = bca_intervals({"rho": correlation.spearman(table)}, table.cell, resamples=8000)["rho"]
    assert naive.high - naive.low < 0.85 * (clustered.high - clustered.low)
    assert contingency_table(a, b, clusters=range(60)).cluster is None


def test_what_has_no_interval_says_why():
    five = [1, 2, 3, 4, 4]
    result = pair_agreement(five, five, range(1, 5), permutations=100)
    assert result.estimates["kappa"].value == 1
    assert result.estimates["kappa"].reason == "no interval: all resamples give the same value"
    result = pair_agreement([1, 1, 1], [1, 2, 3], range(1, 4), permutations=100)
    assert np.isnan(result.estimates["spearman"].value)
    assert result.estimates["spearman"].reason == "the first rater is constant"
    result = pair_agreement([2, 2, 2], [2, 2, 2], range(1, 4), permutations=100)
    assert result.estimates["kappa"].reason == "both raters are constant"
    assert result.estimates["exact"].value == 1
    result = pair_agreement([NAN, 1], [1, NAN], range(1, 4))
    assert {e.reason for e in result.estimates.values()} == {"no item was graded by both"}
    result = pair_agreement([0] * 19 + [1], [0] * 19 + [1], [0, 1], permutations=100)
    assert "undefined in" in result.estimates["spearman"].reason


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("a", "b"), [([1], [2]), ([1, 2], [2, 1]), ([1, 2], [1, 1])])
def test_one_or_two_items_are_no_accident(a, b):
    result = pair_agreement(a, b, [1, 2], permutations=10, resamples=50)
    assert result.n == len(a)
    assert all(e.reason for e in result.estimates.values() if np.isnan(e.value))


def test_everything_is_reproducible_and_has_the_names_promised():
    a, b = grades(50, 4)
    result, again = (pair_agreement(a, b, range(4)) for _ in range(2))
    assert tuple(result.estimates) == PAIR_STATISTICS
    assert result.estimates == again.estimates
    assert result.estimates != pair_agreement(a, b, range(4), seed=1).estimates
    for name, estimate in result.estimates.items():
        assert estimate.low < estimate.value < estimate.high, name


def test_without_a_scale_there_are_correlations_only():
    rng = np.random.default_rng(0)
    a = rng.normal(size=60)
    result = pair_agreement(a, a + rng.normal(size=60), permutations=200)
    assert result.confusion is None and np.isnan(result.exact_by_chance)
    assert result.estimates["pearson"].p < 0.05
    for name in ("kappa", "exact", "adjacent"):
        assert result.estimates[name].reason == "grades are on no scale of categories"


def test_grades_between_categories_count_as_the_nearest_for_kappa_only():
    a, b = [0, 1.5, 2.4, 3], [0, 2, 2, 3]
    result = pair_agreement(a, b, range(4), permutations=10)
    assert result.n_rounded == 2
    assert result.estimates["exact"].value == 1
    pearson = stats.pearsonr(a, b).statistic
    assert result.estimates["pearson"].value == pytest.approx(pearson, abs=1e-12)
    with pytest.raises(DataError, match=r"grade 3\.5 is not on the scale from 0 to 3"):
        pair_agreement([3.5, 1], [1, 2], range(4))


def test_exact_and_adjacent_agreement_and_the_confusion_matrix():
    table = contingency_table([0, 1, 2, 3, 3], [0, 2, 2, 1, 3])
    assert agreement_within(table, 0, range(4))(once(table))[0] == pytest.approx(0.6)
    assert agreement_within(table, 1, range(4))(once(table))[0] == pytest.approx(0.8)
    expected = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 1, 0, 1]]
    assert confusion_counts(table, range(4)).tolist() == expected


@pytest.mark.slow
def test_a_bootstrap_is_fast():
    for levels in (4, 7):
        a, b = grades(250, levels)
        table = contingency_table(a, b)
        both = {"kappa": quadratic_kappa(table, range(levels)), "rho": correlation.spearman(table)}
        bca_intervals(both, table.cell, resamples=10)  # imports
        seconds = []
        for seed in range(5):
            start = time.perf_counter()
            bca_intervals(both, table.cell, resamples=2000, seed=seed)
            seconds.append(time.perf_counter() - start)
        assert min(seconds) < 0.1


def test_disagreements_are_more_than_the_gap_apart():
    rows = [[1, 5, NAN], [1, 6, 3], [7, 1, 1], [NAN, NAN, NAN], [4, NAN, NAN]]
    result = find_disagreements(rows)
    assert [(d.row, d.gap) for d in result] == [(2, 6), (1, 5)]
    assert (result[0].lowest, result[0].highest) == (1, 7)
    assert [d.row for d in find_disagreements(rows, 3)] == [2, 1, 0]
