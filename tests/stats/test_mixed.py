"""Crossed users and seeds: by hand, against a general mixed model, and its invariants."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchkit.stats.mixed import crossed


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
    found = crossed(a, b)
    assert found.difference == pytest.approx(1.5)
    assert found.sd_seeds_a == pytest.approx(1.0)
    assert found.sd_seeds_b == pytest.approx(np.sqrt(3))
    assert found.sd_users == pytest.approx(np.std([0, 1, 2, 3], ddof=1))
    users, seeds = (5 / 3) / 4, (1 / 3, 1.0)
    assert found.se == pytest.approx(np.sqrt(users + sum(seeds)))
    df = (users + sum(seeds)) ** 2 / (users**2 / 3 + sum(s**2 for s in seeds) / 2)
    assert found.df == pytest.approx(df)
    assert found.p == pytest.approx(2 * stats.t.sf(1.5 / found.se, df))
    half = stats.t.isf(0.025, df) * found.se
    assert (found.low, found.high) == pytest.approx((1.5 - half, 1.5 + half))


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
    found = crossed(values, np.zeros((3, n)))
    assert found.difference == pytest.approx(float(fit.params["Intercept"]), abs=1e-6)
    assert found.se == pytest.approx(float(fit.bse["Intercept"]), rel=0.01)


def test_without_seed_variance_it_is_the_paired_t_test():
    rng = np.random.default_rng(2)
    user = rng.normal(size=(2, 60))
    a, b = np.tile(user[0], (3, 1)), np.tile(user[1], (3, 1))
    found = crossed(a, b)
    theirs = stats.ttest_rel(user[0], user[1])
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.df == pytest.approx(59)


def test_seeds_that_differ_widen_the_interval():
    a, b = sample(np.random.default_rng(3), seeds=3, n=500, seed_sd=0.5, gap=0.2)
    each = a.mean(axis=0) - b.mean(axis=0)
    found = crossed(a, b)
    assert found.se > 5 * each.std(ddof=1) / np.sqrt(500)
    assert found.df < 5
    assert found.low < 0.2 < found.high


def test_equal_values_and_refusals():
    same = np.ones((3, 5))
    assert crossed(same, same).p == 1.0 and crossed(same + 1, same).p == 0.0
    for a, b in ((same[:2], same), (same, same[:, :4]), (same[:, :1], same[:, :1])):
        with pytest.raises(ValueError, match="needs"):
            crossed(a, b)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(-5, 5))
def test_swap_shift_and_order(seed, shift):
    a, b = sample(np.random.default_rng(seed), seeds=3, n=12)
    one, other = crossed(a, b), crossed(b, a)
    assert one.p == pytest.approx(other.p)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    moved = crossed(a + shift, b + shift)
    assert (one.p, one.df) == pytest.approx((moved.p, moved.df), rel=1e-6)
    turned = crossed(a[::-1, ::-1], b[:, ::-1])
    assert (one.p, one.se) == pytest.approx((turned.p, turned.se))
