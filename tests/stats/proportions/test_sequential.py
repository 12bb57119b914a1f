"""The always-valid test."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.stats.proportions.sequential import msprt
from benchkit.stats.proportions.two_sample import compare_proportions

counts = st.integers(1, 100_000).flatmap(
    lambda n: st.tuples(st.integers(1, max(1, n - 1)), st.just(n + 1))
)


def test_msprt_by_hand():
    # Variance .09/1000 + .16/1000 = .00025; tau^2 = .0001; difference .1.
    result = msprt((100, 1000), (200, 1000))
    variance, square = 0.00025, 0.0001
    ratio = math.sqrt(variance / (variance + square)) * math.exp(
        square * 0.01 / (2 * variance * (variance + square))
    )
    assert result.ratio == pytest.approx(ratio) and result.p == pytest.approx(1 / ratio)
    assert result.difference == pytest.approx(0.1)


def test_a_tau_without_a_square_gives_an_interval_of_all_differences():
    result = msprt((100, 1000), (200, 1000), tau=1e-200)
    assert (result.low, result.high) == (-1.0, 1.0) and result.p == 1.0
    for tau in (0.0, 1.5, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="0 < tau <= 1"):
            msprt((100, 1000), (200, 1000), tau=tau)


@settings(max_examples=40, deadline=None)
@given(counts, counts, st.sampled_from([0.003, 0.01, 0.1]), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_always_valid_interval_excludes_zero_when_p_is_small(control, treatment, tau, level):
    result = msprt(control, treatment, level, tau)
    assert 0 <= result.p <= 1 and -1 <= result.low <= result.high <= 1
    if abs(result.p - (1 - level)) > 1e-9:
        assert (result.p < 1 - level) == (not result.low <= 0 <= result.high)


def test_it_is_wider_than_an_interval_of_one_look_and_waits_for_a_variance():
    fixed = compare_proportions((900, 10_000), (1000, 10_000)).wald
    always = msprt((900, 10_000), (1000, 10_000))
    assert always.low < fixed.low < fixed.high < always.high
    assert msprt((0, 50), (50, 50)).p == 1.0
    assert msprt((0, 0), (5, 50)).low == -1.0
    for bad in (((3, 2), (1, 2)), ((1, 2), (-1, 2))):
        with pytest.raises(ValueError, match="successes <= trials"):
            msprt(*bad)
