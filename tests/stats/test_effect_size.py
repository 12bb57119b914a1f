"""McNemar, effect sizes, power and corrections, against statsmodels and SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from benchkit.stats.effect_size import cohen_dz, rank_biserial
from benchkit.stats.multiple_testing import benjamini_hochberg, holm
from benchkit.stats.permutation_test import sign_flip_p_value
from benchkit.stats.power import (
    error_of_paired_difference,
    min_users_for_power,
    minimum_detectable_effect,
    t_test_power,
)
from benchkit.stats.proportions.mcnemar import is_binary, mcnemar

numbers = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5]), min_size=2, max_size=40)


@pytest.mark.parametrize(("only_a", "only_b"), [(9, 3), (3, 9), (7, 7), (0, 5), (150, 110), (0, 0)])
def test_mcnemar_agrees_with_statsmodels_and_with_the_permutation_test(only_a, only_b):
    a = np.repeat([1, 0, 1, 0], [only_a, only_b, 10, 20])
    b = np.repeat([0, 1, 1, 0], [only_a, only_b, 10, 20])
    result = mcnemar(a, b)
    assert (result.n, result.only_a, result.only_b) == (len(a), only_a, only_b)
    reference = their_mcnemar([[10, only_a], [only_b, 20]], exact=True).pvalue
    assert result.p == pytest.approx(reference, rel=1e-10)
    assert result.p == pytest.approx(sign_flip_p_value(a - b), rel=1e-10)
    both = only_a + only_b
    middle = stats.binom.pmf(min(only_a, only_b), both, 0.5)
    expected = result.p - middle if only_a != only_b else 1 - middle / 2 if both else 1.0
    assert result.mid_p == pytest.approx(expected, rel=1e-10)


def test_mcnemar_is_for_zeros_and_ones():
    assert is_binary([0, 1.0, True]) and not is_binary([0, 1 / 30])
    with pytest.raises(ValueError, match="0 and 1"):
        mcnemar([0.5, 1], [0, 1])
    with pytest.raises(ValueError, match="same cases"):
        mcnemar([1, 1], [0])


def test_cohen_dz_is_the_t_statistic_over_the_root_of_n():
    d = np.random.default_rng(1).normal(0.2, 1, 80)
    t = stats.ttest_1samp(d, 0).statistic
    assert cohen_dz(d) == pytest.approx(t / np.sqrt(80))
    assert cohen_dz([0.0, 0.0]) == 0.0
    assert np.isnan(cohen_dz([0.5, 0.5])) and np.isnan(cohen_dz([1.0]))


def test_rank_biserial_is_made_of_wilcoxons_sums():
    d = np.random.default_rng(2).choice([-1, -0.5, 0, 0.3, 0.5, 1], 100)
    ranks = len(d[d != 0]) * (len(d[d != 0]) + 1) / 2
    plus = stats.wilcoxon(d, alternative="greater", method="asymptotic").statistic
    assert rank_biserial(d) == pytest.approx((2 * plus - ranks) / ranks)
    assert rank_biserial([1.0, 2.0]) == 1.0
    assert rank_biserial([0.0]) == 0.0


@given(numbers)
def test_effects_change_sign_with_the_methods(d):
    d = np.array(d)
    assert cohen_dz(-d) == pytest.approx(-cohen_dz(d), nan_ok=True)
    assert rank_biserial(-d) == pytest.approx(-rank_biserial(d))
    assert -1 <= rank_biserial(d) <= 1
    assert rank_biserial(3 * d) == pytest.approx(rank_biserial(d))


@pytest.mark.parametrize(
    ("sd", "difference", "power"), [(0.4, 0.01, 0.8), (1, 0.5, 0.9), (1, 3, 0.8)]
)
def test_power_agrees_with_statsmodels(sd, difference, power):
    solver = TTestPower()
    error = error_of_paired_difference(sd)
    n = min_users_for_power(error, difference, power)
    reference = solver.solve_power(difference / sd, power=power, alpha=0.05)
    assert n == pytest.approx(np.ceil(reference), abs=0 if reference > 3 else 1)
    assert (
        t_test_power(difference, *error(n))
        >= power
        > t_test_power(difference, *error(max(n - 1, 2))) - (n == 2)
    )
    reference = solver.power(0.3, 50, 0.05)
    assert t_test_power(0.3, *error_of_paired_difference(1)(50)) == pytest.approx(
        reference, abs=1e-9
    )
    least = minimum_detectable_effect(*error(n), power)
    assert least == pytest.approx(difference, rel=0.35 if n < 10 else 0.02)
    assert least <= difference


def test_power_in_a_simulation():
    rng, n = (
        np.random.default_rng(3),
        min_users_for_power(error_of_paired_difference(np.sqrt(0.16 - 0.05**2)), 0.05),
    )
    draws = rng.choice([-0.4, 0.4], (3000, n), p=[0.5 - 0.0625, 0.5 + 0.0625])
    p = stats.ttest_1samp(draws, 0, axis=1).pvalue
    assert np.mean(p < 0.05) == pytest.approx(0.8, abs=0.03)


def test_power_refuses_what_is_no_difference():
    for arguments in ((0.0,), (-0.1,), (0.1, 1.0)):
        with pytest.raises(ValueError, match="needs"):
            min_users_for_power(error_of_paired_difference(0.4), *arguments)


@pytest.mark.parametrize("df", [1, 2.3, 4, 40])
@pytest.mark.parametrize("shift", [0.5, 2.0, 4.9, 5.1, 9.0])
def test_power_is_the_mean_over_the_estimated_errors(df, shift):
    limit = stats.t.isf(0.025, df)

    def given_variance(v):
        reach = limit * np.sqrt(v / df)
        tails = stats.norm.sf(reach - shift) + stats.norm.cdf(-reach - shift)
        return stats.chi2.pdf(v, df) * tails

    expected = integrate.quad(given_variance, 0, 400, limit=500, points=[1e-3, 1, 50])[0]
    assert t_test_power(3 * shift, 3.0, df) == pytest.approx(expected, abs=2e-6)


def test_without_variance_everything_shows_and_without_users_nothing():
    assert minimum_detectable_effect(*error_of_paired_difference(0.0)(10)) == 0.0
    assert min_users_for_power(error_of_paired_difference(0.0), 0.1) == 2
    assert np.isnan(minimum_detectable_effect(*error_of_paired_difference(0.4)(1)))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1000).map(lambda k: k / 1000), min_size=1, max_size=12))
def test_corrections_agree_with_statsmodels(p):
    np.testing.assert_allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1])
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])


def test_missing_p_values_do_not_count():
    adjusted = benjamini_hochberg([0.01, np.nan, 0.04])
    assert np.isnan(adjusted[1])
    np.testing.assert_allclose(adjusted[[0, 2]], [0.02, 0.04])
    assert len(benjamini_hochberg([])) == 0
