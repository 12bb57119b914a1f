"""Crossed users and seeds: by hand, against a general mixed model, and its invariants."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchkit.stats.crossed_effects import CrossedEffects, fit_crossed_effects, try_crossed_effects
from benchkit.stats.power import min_users_for_power, minimum_detectable_effect, t_test_power


def sample(rng, seeds=4, n=40, seed_sd=0.3, gap=0.0):
    user = rng.normal(size=n)
    return [
        user + rng.normal(0, 0.5, n) + rng.normal(0, seed_sd, (seeds, 1))
        + rng.normal(0, 0.4, (seeds, n)) + shift
        for shift in (gap, 0.0)
    ]  # fmt: skip


def test_components_by_hand():
    # No rest: a value is user + seed. The seeds' means are 0, 1, 2 and 0, 0, 3.
    user = np.array([0.0, 2.0, 4.0, 6.0])
    a = user + np.array([[0.0], [1.0], [2.0]])
    b = user * 0.5 + np.array([[0.0], [0.0], [3.0]])
    result = fit_crossed_effects(a, b)
    assert result.difference == pytest.approx(1.5)
    assert result.sd_seeds_a == pytest.approx(1.0)
    assert result.sd_seeds_b == pytest.approx(np.sqrt(3))
    assert result.sd_users == pytest.approx(np.std([0, 1, 2, 3], ddof=1))
    users, seeds = (5 / 3) / 4, (1 / 3, 1.0)
    assert result.se == pytest.approx(np.sqrt(users + sum(seeds)))
    df = (users + sum(seeds)) ** 2 / (users**2 / 3 + sum(s**2 for s in seeds) / 2)
    assert result.df == pytest.approx(df)
    assert result.p == pytest.approx(2 * stats.t.sf(1.5 / result.se, df))
    half = stats.t.isf(0.025, df) * result.se
    assert (result.low, result.high) == pytest.approx((1.5 - half, 1.5 + half))


def test_the_error_with_other_users_by_hand():
    result = fit_crossed_effects(*sample(np.random.default_rng(4), seeds=4, seed_sd=1.0))
    assert result.expected_error(40) == pytest.approx((result.se, result.df))
    users, seeds = result.sd_users**2, (result.sd_seeds_a**2 / 4, result.sd_seeds_b**2 / 4)
    rests = [result.sd_rest_a**2 / 4, result.sd_rest_b**2 / 4]
    se, df = result.expected_error(100)
    variance = users / 100 + sum(seeds)
    parts = [(users / 100) ** 2 / 99]
    parts += [(s + r / 100) ** 2 / 3 for s, r in zip(seeds, rests, strict=True)]
    parts += [(r / 100) ** 2 / 3 / 99 for r in rests]
    assert (se, df) == pytest.approx((np.sqrt(variance), variance**2 / sum(parts)))
    se, df = result.expected_error(np.inf)
    assert se == pytest.approx(np.sqrt(sum(seeds)))
    assert df == pytest.approx(sum(seeds) ** 2 / sum(s**2 / 3 for s in seeds))


def test_the_error_foretells_how_differences_vary():
    rng = np.random.default_rng(5)
    few = [
        fit_crossed_effects(*sample(rng, seeds=3, n=30)).expected_error(120)[0] ** 2
        for _ in range(1000)
    ]
    many = [fit_crossed_effects(*sample(rng, seeds=3, n=120)).difference for _ in range(2000)]
    assert np.mean(few) == pytest.approx(np.var(many), rel=0.1)


@pytest.mark.parametrize(
    ("seeds", "n", "seed_sd", "below"),
    [(3, 50, 0.0, 0.0), (8, 100, 0.1, 0.0), (8, 400, 0.3, 0.0), (3, 400, 0.3, 0.08)],
)
def test_what_it_can_detect_in_a_simulation(seeds, n, seed_sd, below):
    """With 3 seeds that vary much the test's power is a little `below` what is foretold."""
    # In `sample`: .5 of a user and method, .4 of the rest.
    users = np.sqrt(2 * (0.25 + 0.16 / seeds))
    truth = CrossedEffects(n, seeds, seeds, 0, 0, 0, 1, 0, 0, users, seed_sd, seed_sd, 0.4, 0.4)
    gap = minimum_detectable_effect(*truth.expected_error(n))
    rng = np.random.default_rng(6)
    result = [
        fit_crossed_effects(*sample(rng, seeds, n, seed_sd, gap)).p < 0.05 for _ in range(1500)
    ]
    assert np.mean(result) == pytest.approx(0.8 - below, abs=0.03)
    needed = min_users_for_power(truth.expected_error, gap * 1.0001)
    assert needed <= n
    assert t_test_power(gap, *truth.expected_error(needed)) >= 0.799
    assert t_test_power(gap, *truth.expected_error(needed - 1)) < 0.8


def test_no_number_of_users_makes_up_for_few_seeds():
    truth = CrossedEffects(20_000, 3, 3, 0, 0, 0, 1, 0, 0, 0.3, 0.02, 0.02, 0.2, 0.2)
    least = minimum_detectable_effect(*truth.expected_error(np.inf))
    # 2.776 is the limit of t with 4 degrees of freedom; shifted by 3.761, .8 of its law is above.
    assert least == pytest.approx(3.761 * 0.02 * np.sqrt(2 / 3), rel=1e-3)
    assert min_users_for_power(truth.expected_error, 0.95 * least) is None
    assert min_users_for_power(truth.expected_error, 1.2 * least) > 2


def test_over_seeds_needs_three_of_both_and_two_users():
    a, b = sample(np.random.default_rng(7), seeds=3)
    assert try_crossed_effects(a, b) == fit_crossed_effects(a, b)
    assert (
        try_crossed_effects(a[:2], b)
        is try_crossed_effects(a, b[:1])
        is try_crossed_effects(a[:, :1], b[:, :1])
        is None
    )


@pytest.mark.filterwarnings("ignore")
def test_standard_error_is_that_of_a_fitted_mixed_model():
    import pandas as pd
    from statsmodels.regression.mixed_linear_model import MixedLM

    a, b = sample(np.random.default_rng(1), seeds=5, n=25, seed_sd=0.6)
    # One method's difference to a constant has one variance of seeds, as MixedLM can state it.
    values = a - b[0]
    seeds, n = values.shape
    frame = pd.DataFrame(
        {
            "value": values.ravel(),
            "user": np.tile(np.arange(n), seeds),
            "seed": np.repeat(np.arange(seeds), n),
            "all": 1,
        }
    )
    fit = MixedLM.from_formula(
        "value ~ 1", frame, groups="all", re_formula="0",
        vc_formula={"user": "0 + C(user)", "seed": "0 + C(seed)"},
    ).fit(reml=True, method="lbfgs")  # fmt: skip
    result = fit_crossed_effects(values, np.zeros((3, n)))
    assert result.difference == pytest.approx(float(fit.params["Intercept"]), abs=1e-6)
    assert result.se == pytest.approx(float(fit.bse["Intercept"]), rel=0.01)


def test_without_seed_variance_it_is_the_paired_t_test():
    rng = np.random.default_rng(2)
    user = rng.normal(size=(2, 60))
    a, b = np.tile(user[0], (3, 1)), np.tile(user[1], (3, 1))
    result = fit_crossed_effects(a, b)
    reference = stats.ttest_rel(user[0], user[1])
    assert result.p == pytest.approx(reference.pvalue)
    assert result.df == pytest.approx(59)


def test_seeds_that_differ_widen_the_interval():
    a, b = sample(np.random.default_rng(3), seeds=3, n=500, seed_sd=0.5, gap=0.2)
    each = a.mean(axis=0) - b.mean(axis=0)
    result = fit_crossed_effects(a, b)
    assert result.se > 5 * each.std(ddof=1) / np.sqrt(500)
    assert result.df < 5
    assert result.low < 0.2 < result.high


def test_equal_values_and_refusals():
    same = np.ones((3, 5))
    assert fit_crossed_effects(same, same).p == 1.0 and fit_crossed_effects(same + 1, same).p == 0.0
    for a, b in ((same[:2], same), (same, same[:, :4]), (same[:, :1], same[:, :1])):
        with pytest.raises(ValueError, match="needs"):
            fit_crossed_effects(a, b)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(-5, 5))
def test_swap_shift_and_order(seed, shift):
    a, b = sample(np.random.default_rng(seed), seeds=3, n=12)
    one, other = fit_crossed_effects(a, b), fit_crossed_effects(b, a)
    assert one.p == pytest.approx(other.p)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    moved = fit_crossed_effects(a + shift, b + shift)
    assert (one.p, one.df) == pytest.approx((moved.p, moved.df), rel=1e-6)
    turned = fit_crossed_effects(a[::-1, ::-1], b[:, ::-1])
    assert (one.p, one.se) == pytest.approx((turned.p, turned.se))
