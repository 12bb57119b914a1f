"""Two proportions against statsmodels, and the always-valid test."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportions_ztest,
    samplesize_proportions_2indep_onetail,
)

from benchkit.stats.proportions.sequential import msprt
from benchkit.stats.proportions.two_sample import compare_proportions, proportion_sample_size

counts = st.integers(1, 100_000).flatmap(
    lambda n: st.tuples(st.integers(1, max(1, n - 1)), st.just(n + 1))
)


def agrees(control, treatment):
    result = compare_proportions(control, treatment)
    (x0, n0), (x1, n1) = control, treatment
    z, p = proportions_ztest([x1, x0], [n1, n0])
    assert result.z == pytest.approx(z, rel=1e-9, abs=1e-9)
    assert result.p == pytest.approx(p, rel=1e-9, abs=1e-9)
    larger = proportions_ztest([x1, x0], [n1, n0], alternative="larger")[1]
    assert result.p_greater == pytest.approx(larger, rel=1e-9, abs=1e-9)
    for lift, method in ((result.wald, "wald"), (result.newcombe, "newcomb")):
        reference = confint_proportions_2indep(x1, n1, x0, n0, method=method)
        assert (lift.low, lift.high) == pytest.approx(reference, abs=1e-9)
    ratio = confint_proportions_2indep(x1, n1, x0, n0, compare="ratio", method="log")
    lift = result.lift_interval
    assert (lift.low + 1, lift.high + 1) == pytest.approx(ratio, rel=1e-9)
    assert result.lift == pytest.approx(x1 / n1 / (x0 / n0) - 1, rel=1e-9, abs=1e-12)


def test_the_online_test_of_c_apo():
    # Clicks of impressions: 11,940 of 127,830 for the ML model, 11,950 of 79,500 for C-APO.
    agrees((11_940, 127_830), (11_950, 79_500))
    result = compare_proportions((11_940, 127_830), (11_950, 79_500))
    assert result.z == pytest.approx(39.460094736, abs=1e-8)
    assert result.lift == pytest.approx(0.609271199, abs=1e-9)
    assert result.p_greater == 0.0 and result.p == 0.0


@settings(max_examples=60, deadline=None)
@given(counts, counts)
def test_agrees_with_statsmodels(control, treatment):
    agrees(control, treatment)


@settings(max_examples=60, deadline=None)
@given(counts, counts)
def test_swapping_the_arms(control, treatment):
    one, other = compare_proportions(control, treatment), compare_proportions(treatment, control)
    assert one.z == pytest.approx(-other.z)
    assert one.p == pytest.approx(other.p)
    assert one.p_greater == pytest.approx(1 - other.p_greater)
    assert one.newcombe.low == pytest.approx(-other.newcombe.high, abs=1e-12)
    here, backward = msprt(control, treatment), msprt(treatment, control)
    assert (here.p, here.low) == pytest.approx((backward.p, -backward.high), abs=1e-12)


def test_edges():
    none = compare_proportions((0, 10), (0, 10))
    assert math.isnan(none.z) and math.isnan(none.lift) and math.isnan(none.lift_interval.low)
    for control in ((1, 0), (5, 4), (-1, 4)):
        with pytest.raises(ValueError, match="successes of"):
            compare_proportions(control, (1, 2))


@pytest.mark.parametrize(("baseline", "lift"), [(0.09, 0.05), (0.2, -0.1), (0.01, 1.0)])
@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_sample_sizes_agree_with_statsmodels(baseline, lift, one_sided, ratio):
    reference = samplesize_proportions_2indep_onetail(
        baseline * lift, baseline, 0.8, ratio=1.0, alpha=0.05,
        alternative=("larger" if lift > 0 else "smaller") if one_sided else "two-sided",
    )  # fmt: skip
    control, treatment = proportion_sample_size(baseline, lift, one_sided=one_sided, ratio=ratio)
    if ratio == 1.0:
        assert control == treatment == math.ceil(reference)
    else:
        assert control < reference < treatment < 2 * reference


def test_a_planned_test_has_its_power():
    n, _ = proportion_sample_size(0.1, 0.2)
    rng = np.random.default_rng(1)
    x0, x1 = rng.binomial(n, 0.1, 4000), rng.binomial(n, 0.12, 4000)
    p = [compare_proportions((int(a), n), (int(b), n)).p for a, b in zip(x0, x1, strict=True)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.8, abs=0.025)


@pytest.mark.parametrize("arguments", [(0.0, 0.1), (0.5, 1.5), (0.1, 0.0), (0.1, 0.1, 0.01)])
def test_sample_sizes_that_make_no_sense(arguments):
    with pytest.raises(ValueError, match="needs rates"):
        proportion_sample_size(*arguments)
