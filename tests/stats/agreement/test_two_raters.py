"""Two raters: kappa, correlations, their intervals and p values, and disagreements."""

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchkit.errors import ConfigError, DataError
from benchkit.stats.agreement import correlation, independence_test
from benchkit.stats.agreement.contingency import contingency_table
from benchkit.stats.agreement.kappa import (
    agreement_within,
    confusion_counts,
    quadratic_kappa,
    quadratic_weighted_kappa,
)
from benchkit.stats.agreement.rating_scale import infer_scale, nearest_category, parse_scale
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


def kappa_by_definition(a, b, k):
    """1 - sum of w * observed / sum of w * expected, cell by cell."""
    observed = np.zeros((k, k))
    for x, y in zip(a, b, strict=True):
        observed[int(x), int(y)] += 1
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / len(a)
    weights = np.subtract.outer(np.arange(k), np.arange(k)) ** 2
    return 1 - (weights * observed).sum() / (weights * expected).sum()


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
    assert quadratic_weighted_kappa(a, b, scale) == pytest.approx(kappa_by_definition(a, b, 4))


def test_a_class_missing_on_one_side_and_on_both():
    metrics = pytest.importorskip("sklearn.metrics")
    a, b = [0, 0, 1, 3, 3, 1], [0, 2, 1, 3, 2, 2]
    reference = metrics.cohen_kappa_score(a, b, weights="quadratic")
    assert quadratic_weighted_kappa(a, b) == pytest.approx(reference, abs=1e-12)
    # On the scale 0-3 the step from 1 to 3 is two categories, though nobody used 2.
    a, b = [0, 1, 3, 3], [0, 3, 3, 1]
    assert quadratic_weighted_kappa(a, b) != quadratic_weighted_kappa(a, b, [0, 1, 2, 3])
    assert quadratic_weighted_kappa(a, b, range(4)) == pytest.approx(kappa_by_definition(a, b, 4))


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
    result = pair_agreement([1, 2, 3, 4], [1, 2, 3, 4], range(1, 5), permutations=100)
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


@pytest.mark.parametrize("large", [False, True])
def test_p_values_are_those_of_a_permutation_test(large, monkeypatch):
    if large:
        monkeypatch.setattr(independence_test, "_LARGE", 0)
    a, b = grades(40, 4, seed=3, noise=2.2)
    table = contingency_table(a, b)
    scale = [0, 1, 5, 6]  # for kappa, gaps in the grades do not count
    spread = contingency_table(np.take(scale, a), np.take(scale, b))
    i, j = table.x, table.y
    p = independence_test.independence_p_values(spread, (i, j), permutations=10_000)
    correlations = {
        "spearman": lambda x: stats.spearmanr(x, b).statistic,
        "kendall": lambda x: stats.kendalltau(x, b).statistic,
        "pearson": lambda x: np.corrcoef(np.take(scale, x), np.take(scale, b))[0, 1],
        "kappa": lambda x: kappa_by_definition(x, b, 4),
    }
    rng = np.random.default_rng(0)
    shuffles = [rng.permutation(a) for _ in range(1500)]
    for name, f in correlations.items():
        drawn = np.abs([f(x) for x in shuffles])
        reference = (1 + (drawn >= abs(f(a)) - 1e-12).sum()) / 1501
        assert p[name] == pytest.approx(reference, abs=0.04), name


def test_p_values_are_uniform_without_agreement():
    rng = np.random.default_rng(5)
    p = [
        independence_test.independence_p_values(
            contingency_table(rng.integers(0, 7, 80), rng.integers(0, 7, 80)),
            permutations=300,
            seed=k,
        )
        for k in range(200)
    ]
    for name in ("pearson", "spearman", "kendall"):
        assert stats.kstest([result[name] for result in p], "uniform").pvalue > 0.001


def test_exact_and_adjacent_agreement_and_the_confusion_matrix():
    table = contingency_table([0, 1, 2, 3, 3], [0, 2, 2, 1, 3])
    assert agreement_within(table, 0, range(4))(once(table))[0] == pytest.approx(0.6)
    assert agreement_within(table, 1, range(4))(once(table))[0] == pytest.approx(0.8)
    expected = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 1, 0, 1]]
    assert confusion_counts(table, range(4)).tolist() == expected


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


# Scales and disagreements


def test_scales():
    assert parse_scale("1-7") == (1, 2, 3, 4, 5, 6, 7)
    assert parse_scale("-2-2") == (-2, -1, 0, 1, 2)
    for wrong in ("3", "3-1", "1,1,2", "a-b", "", "0,nan"):
        with pytest.raises(ConfigError, match="is not a scale"):
            parse_scale(wrong)
    assert infer_scale([0, 3, NAN]) == (0, 1, 2, 3)
    assert infer_scale([0.5, 1]) is None
    assert infer_scale([0, 100]) is None
    assert infer_scale([NAN]) is None
    np.testing.assert_array_equal(
        nearest_category(np.array([1.0, 2.5, 2.4, NAN]), [1, 2, 3]), [0, 2, 1, NAN]
    )


def test_disagreements_are_more_than_the_gap_apart():
    rows = [[1, 5, NAN], [1, 6, 3], [7, 1, 1], [NAN, NAN, NAN], [4, NAN, NAN]]
    result = find_disagreements(rows)
    assert [(d.row, d.gap) for d in result] == [(2, 6), (1, 5)]
    assert (result[0].lowest, result[0].highest) == (1, 7)
    assert [d.row for d in find_disagreements(rows, 3)] == [2, 1, 0]
