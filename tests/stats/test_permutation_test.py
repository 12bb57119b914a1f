"""The sign-flip permutation test: exact values, SciPy, its two ways of drawing, and its tail."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchkit.stats import permutation_test
from benchkit.stats.permutation_test import (
    DifferenceCounts,
    count_differences,
    saddlepoint_p_value,
    shuffle_rows,
    sign_flip_p_value,
    sign_flip_p_values,
    two_sided_p_value,
    upper_tail_p_value,
)

LEVELS = np.array([0, 0.38685, 0.43068, 0.5, 0.63093, 1.0])  # NDCG@5 of a rank
few = st.lists(st.tuples(st.sampled_from(range(6)), st.sampled_from(range(6))), max_size=60)


def enumerated(d):
    """The exact p of the 2^n sign patterns."""
    sums = [abs(np.dot(signs, d)) for signs in product((-1, 1), repeat=len(d))]
    return np.mean(np.array(sums) >= abs(np.sum(d)) - 1e-9)


def test_p_is_that_of_all_sign_patterns():
    rng = np.random.default_rng(1)
    for shift in (0.0, 0.3):
        d = rng.choice(LEVELS, 12) - rng.choice(LEVELS, 12) + shift
        assert sign_flip_p_value(d) == pytest.approx(enumerated(d[np.abs(d) > 1e-12]), abs=0.015)


def test_agrees_with_scipy_on_realistic_values():
    rng = np.random.default_rng(2)
    d = rng.choice(LEVELS, 300, p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1]) - rng.choice(LEVELS, 300)
    d = np.concatenate([d + 0, -d[:270]])
    reference = stats.permutation_test(
        (d,), np.sum, permutation_type="samples", n_resamples=9999, rng=rng
    ).pvalue
    assert 0.0005 < reference < 0.9
    assert sign_flip_p_value(d) == pytest.approx(
        reference, abs=4 * np.sqrt(reference / 5000) + 1e-3
    )


@pytest.mark.parametrize(("plus", "minus"), [(3, 1), (40, 40), (70, 41), (500, 300), (1, 0)])
def test_a_single_size_is_the_exact_binomial_test(plus, minus):
    d = np.repeat([0.5, -0.5, 0.0], [plus, minus, 9])
    exact = stats.binomtest(plus, plus + minus).pvalue
    assert sign_flip_p_value(d) == pytest.approx(exact, rel=1e-12)


def test_drawing_by_size_and_by_case_have_the_same_law(monkeypatch):
    rng = np.random.default_rng(3)
    tallies = [
        count_differences(rng.choice(LEVELS, 200) - rng.choice(LEVELS, 200) + s)
        for s in (0, 0.01, 0.04)
    ]
    by_size = sign_flip_p_values(tallies)
    monkeypatch.setattr(permutation_test, "_MAX_SIZES", 0)
    by_case = sign_flip_p_values(tallies, seed=1)
    np.testing.assert_allclose(by_size, by_case, atol=0.02)


def test_continuous_values_agree_with_scipy():
    d = np.random.default_rng(4).normal(0.05, 1, 700)
    reference = stats.permutation_test(
        (d,), np.sum, permutation_type="samples", n_resamples=9999,
        rng=np.random.default_rng(5),
    ).pvalue  # fmt: skip
    assert sign_flip_p_value(d) == pytest.approx(reference, abs=0.025)


def exact_tail(counts):
    """P(|sum| >= total) where all sizes are whole numbers, by convolution."""
    law = np.ones(1)
    for size, count in zip(counts.size.astype(int), counts.count, strict=True):
        step = np.zeros(2 * size + 1)
        step[[0, -1]] = 0.5
        for _ in range(count):
            law = np.convolve(law, step)
    sums = np.arange(len(law)) - len(law) // 2
    return law[np.abs(sums) >= counts.absolute_sum - 1e-9].sum()


@pytest.mark.parametrize(("plus", "minus"), [((60, 40), (30, 12)), ((300, 90), (200, 40)),
                                             ((40, 30), (4, 2)), ((30, 12), (6, 3))])  # fmt: skip
def test_the_computed_tail_is_near_the_exact_one_and_errs_upwards(plus, minus):
    counts = DifferenceCounts(np.array([2.0, 3.0]), np.array(plus), np.array(minus))
    exact = exact_tail(counts)
    assert exact < 1e-3
    assert exact * 0.98 <= saddlepoint_p_value(counts) <= 2 * exact


def test_the_tail_of_a_single_size_is_binomial():
    counts = DifferenceCounts(np.array([1.0]), np.array([400]), np.array([200]))
    assert saddlepoint_p_value(counts) == pytest.approx(stats.binomtest(200, 600).pvalue, rel=0.01)


def test_all_of_one_sign_and_nothing_at_all():
    sizes = np.array([0.5, 1.0])
    counts = DifferenceCounts(sizes, np.array([20, 20]), np.array([0, 0]))
    assert sign_flip_p_values([counts])[0] == pytest.approx(2.0**-39)
    assert sign_flip_p_value([]) == sign_flip_p_value([0.0, 0.0]) == 1.0


def test_p_does_not_depend_on_what_it_is_computed_with():
    rng = np.random.default_rng(6)
    tallies = [
        count_differences(rng.choice(LEVELS, n) - rng.choice(LEVELS, n)) for n in (20, 3000, 200)
    ]
    together = sign_flip_p_values(tallies)
    assert together.tolist() == [float(sign_flip_p_values([counts])[0]) for counts in tallies]


@settings(max_examples=40, deadline=None)
@given(few, st.floats(-2, 2), st.randoms())
def test_invariants(pairs, shift, random):
    a = LEVELS[[i for i, _ in pairs]] if pairs else np.zeros(0)
    b = LEVELS[[j for _, j in pairs]] if pairs else np.zeros(0)
    p = sign_flip_p_value(a - b, draws=499)
    assert 0 < p <= 1
    assert p == sign_flip_p_value(b - a, draws=499)
    assert p == sign_flip_p_value((a + shift) - (b + shift), draws=499)
    order = list(range(len(a)))
    random.shuffle(order)
    assert p == sign_flip_p_value((a - b)[order], draws=499)
    assert p == sign_flip_p_value(np.concatenate([a - b, np.zeros(5)]), draws=499)


def test_p_values_of_a_drawn_null_count_what_was_observed():
    null = np.array([-3.0, -1.0, 0.0, 2.0])
    assert two_sided_p_value(null, 2.0) == two_sided_p_value(-null, -2.0) == 3 / 5
    assert two_sided_p_value(null, 2.0 + 1e-12) == 3 / 5  # equal but for rounding
    assert two_sided_p_value(null, 9.0) == 1 / 5
    assert upper_tail_p_value(null, np.array([-4.0, 0.0, 2.5]), 0.0).tolist() == [1.0, 3 / 5, 1 / 5]


def test_shuffles_come_in_chunks_and_stay_within_their_row(monkeypatch):
    rows = np.array([[1, 2, 3], [7, 7, 9]])
    whole = np.concatenate(list(shuffle_rows(np.random.default_rng(1), rows, 40)))
    assert (np.sort(whole, axis=-1) == rows).all() and len(np.unique(whole, axis=0)) > 5
    monkeypatch.setattr(permutation_test, "_NUMBERS_AT_ONCE", 20)
    parts = list(shuffle_rows(np.random.default_rng(1), rows, 40))
    assert len(parts) == 14 and (np.concatenate(parts) == whole).all()
