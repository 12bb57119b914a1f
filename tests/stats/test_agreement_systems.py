"""Agreement about systems: of their means, and within items."""

import warnings

import numpy as np
import pytest
from scipy import stats

from benchkit.stats.row_correlation import CORRELATIONS
from benchkit.stats.system_agreement import cube, system_level, within_items

NAN = float("nan")
SCIPY = {"spearman": stats.spearmanr, "kendall": stats.kendalltau, "pearson": stats.pearsonr}


def table(items=40, systems=5, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    quality = np.linspace(0, 1.5, systems) + rng.normal(size=(items, systems))
    a, b = (np.round(quality + 0.8 * rng.normal(size=quality.shape)) for _ in range(2))
    for side in (a, b):
        side[rng.random(side.shape) < missing] = NAN
    return a, b


@pytest.mark.parametrize("name", CORRELATIONS)
def test_rows_are_as_in_scipy_whatever_is_missing(name):
    a, b = table(60, 6, missing=0.2)
    ours = CORRELATIONS[name](a, b)
    for row, (x, y) in enumerate(zip(a, b, strict=True)):
        both = ~(np.isnan(x) | np.isnan(y))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = SCIPY[name](x[both], y[both]).statistic if both.sum() > 1 else NAN
        np.testing.assert_allclose(ours[row], theirs, atol=1e-12)


def test_system_level_is_the_correlation_of_means():
    a, b = table(missing=0.1)
    both = ~(np.isnan(a) | np.isnan(b))
    means = [np.nanmean(np.where(both, side, NAN), axis=0) for side in (a, b)]
    found = system_level(a, b)
    for name, f in SCIPY.items():
        assert found[name].value == pytest.approx(f(*means).statistic, abs=1e-12)
    assert found["pearson"].low < found["pearson"].value < found["pearson"].high


def test_p_over_few_systems_is_exact():
    a = np.tile([1.0, 2, 3, 4], (6, 1))
    found = system_level(a, a + 1)
    assert found["spearman"].value == 1
    assert found["spearman"].p == pytest.approx(2 / 24)  # ascending and descending of 4! orders
    many = np.tile(np.arange(9.0), (6, 1))
    assert system_level(many, many, permutations=2000)["spearman"].p == pytest.approx(1 / 2001)


def test_too_few_systems_and_constant_means_say_so():
    found = system_level(np.ones((4, 2)), np.ones((4, 2)))
    assert found["kendall"].reason == "fewer than three systems graded by both"
    found = system_level(np.ones((4, 3)), np.tile([1.0, 2, 3], (4, 1)))
    assert found["kendall"].reason == "a rater's means are the same for all systems"


def test_within_items_averages_the_items():
    a, b = table(missing=0.15)
    a[0] = 2.0  # constant: no correlation
    found, used = within_items(a, b, permutations=200)
    for name, correlation in CORRELATIONS.items():
        values = correlation(a, b)
        assert used[name] == (~np.isnan(values)).sum() < len(a)
        assert found[name].value == pytest.approx(np.nanmean(values))
        assert found[name].low < found[name].value < found[name].high
        assert found[name].p == pytest.approx(1 / 201)
    nothing, used = within_items(np.ones((3, 4)), b[:3, :4])
    assert used["spearman"] == 0
    assert nothing["spearman"].reason == "no item has answers that both raters graded differently"


def test_within_items_p_is_uniform_without_agreement():
    rng = np.random.default_rng(3)
    p = [
        within_items(*rng.integers(0, 4, (2, 12, 4)).astype(float), resamples=20, permutations=49)[
            0
        ]["spearman"].p
        for _ in range(50)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_a_cube_from_rows():
    grades = np.array([[1, 2], [3, 4], [5, 6.0]])
    found, items, systems = cube(["x", "x", "y"], ["s", "t", "t"], grades)
    assert (items, systems) == (["x", "y"], ["s", "t"])
    np.testing.assert_array_equal(found, [[[1, 3], [NAN, 5]], [[2, 4], [NAN, 6]]])
