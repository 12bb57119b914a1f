"""Effects and what could have been seen: by hand, against SciPy, and by exact enumeration."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchkit.stats.bias_test import Effect, measure_share, measure_shifts, min_same_signs
from benchkit.stats.clusters import find_clusters
from benchkit.stats.permutation_test import sign_flip_p_value
from benchkit.stats.power import minimum_detectable_effect


def shift(values, labels=None, step=1.0):
    clusters = None if labels is None else find_clusters(labels)
    return measure_shifts([values], [clusters], step)[0]


def test_a_shift_by_hand():
    # Signs of 1, 1 and 2: |sum| >= 2 in 6 of 8 arrangements.
    effect = shift([1.0, -1.0, 2.0, 0.0])
    assert (effect.n, effect.units, effect.value) == (4, 4, 0.5)
    assert effect.p == pytest.approx(6 / 8, abs=0.02)
    assert effect.se == pytest.approx(math.sqrt((0.25 + 2.25 + 2.25 + 0.25) / 3 / 4))
    assert (effect.low, effect.high) == (-math.inf, math.inf)
    assert math.isnan(effect.detectable())  # of four users no test rejects at .05


def test_sets_are_measured_as_they_are_alone():
    rng = np.random.default_rng(0)
    sets = [rng.integers(-2, 3, n).astype(float) for n in (5, 30, 200)]
    together = measure_shifts(sets, [None] * 3, 1.0)
    assert together == [shift(values) for values in sets]
    assert [effect.p for effect in together] == [sign_flip_p_value(values) for values in sets]


def test_users_are_the_units():
    values, labels = [1.0, 1.0, 0.0, -1.0, 1.0, 1.0], list("aabbcc")
    effect = shift(values, labels)
    assert (effect.n, effect.units, effect.value) == (6, 3, 0.5)
    assert effect.se == pytest.approx(np.std([1.0, -0.5, 1.0], ddof=1) / math.sqrt(3))
    assert effect.p == pytest.approx(4 / 8, abs=0.02)  # sums 2, -1, 2: |sum| >= 3 in 4 of 8


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.004, 1 / 64, 1 / 65])
def test_so_many_equal_signs_are_rejected_and_one_less_is_not(alpha):
    k = min_same_signs(alpha)
    assert sign_flip_p_value([1.0] * k) <= alpha < sign_flip_p_value([1.0] * (k - 1))


def test_no_change_is_not_taken_for_certainty():
    effect = shift([0.0] * 20, step=0.5)
    assert (effect.value, effect.p) == (0.0, 1.0)
    upper = stats.binomtest(0, 20).proportion_ci(0.95, "exact").high
    assert (effect.low, effect.high) == pytest.approx((-0.5 * upper, 0.5 * upper))
    # A share q of users that move by half a grade: 6 of 20 or more with probability .8.
    q = effect.detectable() / 0.5
    assert stats.binom.sf(5, 20, q) == pytest.approx(0.8)


def test_noise_hides_what_the_t_test_says():
    values = np.random.default_rng(1).normal(size=400)
    effect = shift(values)
    expected = minimum_detectable_effect(values.std(ddof=1) / 20, 399)
    assert effect.detectable() == pytest.approx(expected)
    assert effect.detectable() == pytest.approx(2.8 * values.std() / 20, rel=0.01)


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=40), st.integers(1, 60))
def test_more_tests_and_more_power_need_larger_effects(values, tests):
    effect = shift(np.array(values, dtype=float))
    alone, among = effect.detectable(), effect.detectable(0.05 / tests)
    assert math.isnan(among) or alone <= among + 1e-12
    assert math.isnan(alone) or alone <= effect.detectable(power=0.95) + 1e-12
    assert effect.low <= effect.value <= effect.high


@given(st.lists(st.integers(-2, 3), min_size=1, max_size=30), st.integers(1, 3))
def test_the_interval_excludes_zero_just_where_p_says_so(values, of_a_user):
    labels = [f"u{i // of_a_user}" for i in range(len(values))]
    effect = shift(np.array(values, dtype=float), labels if of_a_user > 1 else None)
    assert (effect.p <= 0.05) == (effect.low > 0 or effect.high < 0)
    assert effect.low <= effect.value <= effect.high


def test_equal_changes_are_not_taken_for_certainty():
    few, more = shift([1.0] * 5), shift([1.0] * 6)
    assert (few.low, few.high, few.p) == (-math.inf, math.inf, pytest.approx(1 / 16))
    upper = stats.binomtest(0, 6).proportion_ci(0.95, "exact").high
    assert (more.low, more.high) == pytest.approx((1 - upper, 1 + upper))


@pytest.mark.parametrize(("hits", "n"), [(0, 30), (3, 30), (30, 30), (9, 40)])
def test_a_share_is_clopper_and_pearsons_where_users_have_one_case(hits, n):
    effect = measure_share([1.0] * hits + [0.0] * (n - hits), None, 0.05)
    reference = stats.binomtest(hits, n, 0.05, alternative="greater")
    assert effect.p == pytest.approx(reference.pvalue)
    limits = stats.binomtest(hits, n).proportion_ci(0.95, "exact")
    assert (effect.low, effect.high) == pytest.approx((limits.low, limits.high))


def test_a_share_of_cases_that_go_together_counts_users():
    moved = np.repeat([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 3)
    effect = measure_share(moved, find_clusters(np.repeat(np.arange(10), 3)), 0.05)
    assert (effect.n, effect.units) == (30, 10)
    assert effect.effective_n == pytest.approx(10)  # .16 / (.16 / 9) = 9, and there are 10 users
    alone = measure_share(moved[::3], None, 0.05)
    assert (effect.p, effect.low, effect.high) == pytest.approx((alone.p, alone.low, alone.high))
    apart = np.tile([1.0, 0.0, 0.0], 10)  # one of three of each: users tell nothing of cases
    assert measure_share(apart, find_clusters(np.repeat(np.arange(10), 3)), 0.05).effective_n == 30


@pytest.mark.parametrize("n", [20, 50, 200])
def test_a_detectable_share_is_seen_with_the_stated_power(n):
    effect = measure_share([0.0] * n, None, 0.05)
    share = effect.detectable(0.01)
    rejected = [k for k in range(n + 1) if stats.binom.sf(k - 1, n, 0.05) <= 0.01]
    assert stats.binom.sf(rejected[0] - 1, n, share) == pytest.approx(0.8)


def test_nothing_is_measured_of_nothing():
    for effect in (shift([]), measure_share([], None, 0.05)):
        assert effect.n == effect.units == 0
        assert all(map(math.isnan, (effect.value, effect.p, effect.detectable())))


def test_one_user_shows_nothing():
    effect = shift([2.0])
    assert (effect.value, effect.p) == (2.0, 1.0)
    assert math.isnan(effect.se) and math.isnan(effect.detectable())
    assert isinstance(effect, Effect)
