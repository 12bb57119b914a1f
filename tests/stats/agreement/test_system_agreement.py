"""Agreement about systems: of their means, and within items."""

import warnings

import numpy as np
import pytest
from scipy import stats

from benchkit.stats.agreement.correlation import ROW_CORRELATIONS
from benchkit.stats.agreement.system_agreement import (
    system_level_correlations,
    within_item_correlations,
)

NAN = float("nan")
SCIPY = {"spearman": stats.spearmanr, "kendall": stats.kendalltau, "pearson": stats.pearsonr}


def table(items=40, systems=5, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    quality = np.linspace(0, 1.5, systems) + rng.normal(size=(items, systems))
    a, b = (np.round(quality + 0.8 * rng.normal(size=quality.shape)) for _ in range(2))
    for side in (a, b):
        side[rng.random(side.shape) < missing] = NAN
    return a, b


def long(a, b):
    """Two tables [items, systems] as (a, b, systems, items), an answer each."""
    items, systems = np.indices(np.shape(a))
    return np.ravel(a), np.ravel(b), systems.ravel(), items.ravel()


def within(a, b, **options):
    a, b, _, items = long(a, b)
    return within_item_correlations(a, b, items, **options)


@pytest.mark.parametrize("name", ROW_CORRELATIONS)
def test_rows_are_as_in_scipy_whatever_is_missing(name):
    a, b = table(60, 6, missing=0.2)
    ours = ROW_CORRELATIONS[name](a, b)
    for row, (x, y) in enumerate(zip(a, b, strict=True)):
        both = ~(np.isnan(x) | np.isnan(y))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reference = SCIPY[name](x[both], y[both]).statistic if both.sum() > 1 else NAN
        np.testing.assert_allclose(ours[row], reference, atol=1e-12)


def test_system_level_is_the_correlation_of_means():
    a, b = table(missing=0.1)
    both = ~(np.isnan(a) | np.isnan(b))
    means = [np.nanmean(np.where(both, side, NAN), axis=0) for side in (a, b)]
    result, systems = system_level_correlations(*long(a, b))
    assert systems == 5
    for name, f in SCIPY.items():
        assert result[name].value == pytest.approx(f(*means).statistic, abs=1e-12)
    assert result["pearson"].low < result["pearson"].value < result["pearson"].high


def test_the_means_of_systems_are_weighted():
    a, b = table(missing=0.1)
    weights = np.random.default_rng(1).uniform(0.5, 9, a.shape)
    both = ~(np.isnan(a) | np.isnan(b))
    means = [
        [np.average(side[mask, s], weights=weights[mask, s]) for s, mask in enumerate(both.T)]
        for side in (a, b)
    ]
    result, _ = system_level_correlations(*long(a, b), weights.ravel())
    for name, f in SCIPY.items():
        assert result[name].value == pytest.approx(f(*means).statistic, abs=1e-12)
    assert system_level_correlations(
        *long(a, b), np.full(a.size, 0.3)
    ) == system_level_correlations(*long(a, b))


def test_a_system_may_answer_an_item_more_than_once():
    a, b = table(missing=0.1)
    twice = [np.concatenate([side, side]) for side in long(a, b)]
    result, again = system_level_correlations(*long(a, b))[0], system_level_correlations(*twice)[0]
    for name in ROW_CORRELATIONS:
        assert again[name].value == pytest.approx(result[name].value)
        assert again[name].low == pytest.approx(result[name].low)
    _, used = within_item_correlations(twice[0], twice[1], twice[3], permutations=9)
    assert used == within(a, b, permutations=9)[1]


def test_a_system_that_was_not_graded_by_both_is_none():
    a, b = table()
    a[:, 4] = NAN
    result, systems = system_level_correlations(*long(a, b))
    assert systems == 4
    same = system_level_correlations(*long(a[:, :4], b[:, :4]))[0]
    assert [e.value for e in result.values()] == [e.value for e in same.values()]


def test_p_over_few_systems_is_exact():
    a = np.tile([1.0, 2, 3, 4], (6, 1))
    result, _ = system_level_correlations(*long(a, a + 1))
    assert result["spearman"].value == 1
    assert result["spearman"].p == pytest.approx(2 / 24)  # ascending and descending of 4! orders
    many = np.tile(np.arange(9.0), (6, 1))
    result, _ = system_level_correlations(*long(many, many), permutations=2000)
    assert result["spearman"].p == pytest.approx(1 / 2001)


def test_too_few_systems_and_constant_means_say_so():
    result, systems = system_level_correlations(*long(np.ones((4, 2)), np.ones((4, 2))))
    assert result["kendall"].reason == "fewer than three systems graded by both" and systems == 2
    result, _ = system_level_correlations(*long(np.ones((4, 3)), np.tile([1.0, 2, 3], (4, 1))))
    assert result["kendall"].reason == "a rater's means are the same for all systems"


def test_within_items_averages_the_items():
    a, b = table(missing=0.15)
    a[0] = 2.0  # constant: no correlation
    result, used = within(a, b, permutations=200)
    for name, correlation in ROW_CORRELATIONS.items():
        values = correlation(a, b)
        assert used[name] == (~np.isnan(values)).sum() < len(a)
        assert result[name].value == pytest.approx(np.nanmean(values))
        assert result[name].low < result[name].value < result[name].high
        assert result[name].p == pytest.approx(1 / 201)
    nothing, used = within(np.ones((3, 4)), b[:3, :4])
    assert used["spearman"] == 0
    assert nothing["spearman"].reason == "no item has answers that both raters graded differently"


def test_within_items_p_is_uniform_without_agreement():
    rng = np.random.default_rng(3)
    drawn = [
        within(*rng.integers(0, 4, (2, 12, 4)).astype(float), resamples=20, permutations=49)
        for _ in range(50)
    ]
    assert stats.kstest([result["spearman"].p for result, _ in drawn], "uniform").pvalue > 0.001


def test_within_items_clusters_are_resampled():
    a, b = table(30, 5, seed=3)
    user = np.repeat(np.arange(30) // 3, 5)  # of three items each
    alone, _ = within(a, b)
    ones, _ = within(a, b, clusters=np.repeat(np.arange(30), 5))
    assert alone == ones  # one item a cluster: to the last digit
    joint, counts = within(a, b, clusters=user)
    # All items of a user thrice the same: as the users alone, and wider than thrice as many.
    thrice = np.repeat(a, 3, axis=0), np.repeat(b, 3, axis=0)
    many, _ = within(*thrice, clusters=np.repeat(np.arange(90) // 3, 5))
    naive, _ = within(*thrice)
    for name in ROW_CORRELATIONS:
        assert joint[name].value == alone[name].value and joint[name].p == alone[name].p
        assert many[name].value == pytest.approx(alone[name].value)
        wide, narrow = (e[name].high - e[name].low for e in (many, naive))
        assert wide == pytest.approx(alone[name].high - alone[name].low, rel=0.1)
        assert wide > 1.5 * narrow
    assert set(counts) == set(ROW_CORRELATIONS)
