"""Power and sample sizes, against statsmodels, SciPy and simulations."""

import numpy as np
import pytest
from scipy import integrate, stats
from statsmodels.stats.power import TTestPower

from benchkit.stats.power import (
    error_of_paired_difference,
    min_users_for_power,
    minimum_detectable_effect,
    t_test_power,
)


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
