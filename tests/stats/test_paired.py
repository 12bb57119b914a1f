"""Paired comparison: difference, interval and p, one pair and many."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchkit.stats.clusters import find_clusters
from benchkit.stats.crossed_effects import fit_crossed_effects
from benchkit.stats.paired import (
    compare_metric_pairs,
    compare_paired,
    compare_pairs,
    count_pair_differences,
    paired_p_values,
)
from benchkit.stats.permutation_test import count_differences, sign_flip_p_value

LEVELS = np.array([0, 0.38685, 0.43068, 0.5, 0.63093, 1.0])


def values(methods, users, seed=0):
    rng = np.random.default_rng(seed)
    user = rng.normal(size=users)
    u = user + rng.normal(0, 0.7, (methods, users)) + np.linspace(0, 0.4, methods)[:, None]
    return LEVELS[np.clip((2.5 + 1.5 * u).astype(int), 0, 5)]


def test_a_batch_is_the_same_as_its_pairs():
    v = values(4, 300)
    batch = compare_pairs(v)
    assert batch == [compare_paired(v[a], v[b]) for a in range(4) for b in range(a + 1, 4)]
    assert compare_pairs(v, [(2, 1)]) == [compare_paired(v[2], v[1])]
    assert compare_pairs(v[:1]) == []


@pytest.mark.parametrize("labels", [None, np.arange(300) // 2], ids=["cases", "users"])
def test_metrics_compared_together_are_the_same_as_each_alone(labels):
    metrics = [values(4, 300), values(2, 300, seed=1), values(1, 300, seed=2)]
    pairs = [[(0, 1), (3, 2)], [(0, 1)], []]
    clusters = None if labels is None else find_clusters(labels)
    together = compare_metric_pairs(metrics, pairs, clusters=clusters)
    alone = [compare_pairs(v, p, clusters=clusters) for v, p in zip(metrics, pairs, strict=True)]
    assert together == alone


def test_difference_and_interval_agree_with_scipy():
    for a, b in (values(2, 800), np.random.default_rng(1).normal(size=(2, 500))):
        result = compare_paired(a, b)
        reference = stats.bootstrap(
            (a, b), lambda x, y, axis: np.mean(x - y, axis=axis), paired=True, vectorized=True,
            n_resamples=4000, method="percentile", rng=np.random.default_rng(2),
        ).confidence_interval  # fmt: skip
        width = reference.high - reference.low
        assert result.difference == pytest.approx(np.mean(a - b), abs=1e-15)
        assert result.low == pytest.approx(reference.low, abs=0.06 * width)
        assert result.high == pytest.approx(reference.high, abs=0.06 * width)


def test_the_interval_covers_the_truth():
    rng, covered = np.random.default_rng(3), 0
    for _ in range(300):
        a = rng.choice(LEVELS, 200, p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
        b = np.where(rng.random(200) < 0.5, a, rng.permutation(a))
        result = compare_paired(a, b, draws=99, resamples=400)
        covered += result.low <= 0 <= result.high
    assert 0.90 <= covered / 300 <= 0.985


def test_equal_methods_have_p_1_and_no_width():
    v = values(1, 50)[0]
    result = compare_paired(v, v)
    assert (result.n, result.difference, result.low, result.high, result.p) == (50, 0, 0, 0, 1)


def test_it_is_deterministic_and_knows_a_seed():
    a, b = values(2, 100)
    assert compare_paired(a, b) == compare_paired(a, b)
    assert compare_paired(a, b) != compare_paired(a, b, seed=1)
    narrow, wide = compare_paired(a, b, level=0.5), compare_paired(a, b)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_p_is_over_seeds_where_both_have_three_and_else_over_users():
    three, four, two, one = (values(s, 200, seed=s) for s in (3, 4, 2, 1))
    result = paired_p_values([three, four, two, one], [(0, 1), (0, 2), (3, 2), (1, 0)])
    over = fit_crossed_effects(three, four).p
    assert result == [
        over, sign_flip_p_value(three.mean(0) - two.mean(0)),
        sign_flip_p_value(one[0] - two.mean(0)), over,
    ]  # fmt: skip
    assert paired_p_values([three, four], [(0, 1)]) == [over]


def test_joint_counts_are_the_tallies_of_differences():
    v = values(3, 400)
    pairs = [(0, 1), (2, 0)]
    for counts, (a, b) in zip(count_pair_differences(v, pairs), pairs, strict=True):
        direct = count_differences(v[a] - v[b])
        np.testing.assert_allclose(counts.size, direct.size)
        assert counts.plus.tolist() == direct.plus.tolist()
        assert counts.minus.tolist() == direct.minus.tolist()


def test_values_with_ties_are_as_good_as_others():
    rng = np.random.default_rng(4)
    v = np.round(rng.random((2, 400)), 4)  # more distinct values than a joint table is made for
    counts, direct = count_pair_differences(v, [(0, 1)])[0], count_differences(v[0] - v[1])
    assert counts.absolute_sum == pytest.approx(direct.absolute_sum)


@pytest.mark.parametrize(
    ("a", "b"), [([1, 2], [1, 2, 3]), ([], []), ([np.nan], [0.0]), ([np.inf], [0.0])]
)
def test_refusals(a, b):
    with pytest.raises(ValueError, match="must be"):
        compare_paired(a, b)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(range(6)), st.sampled_from(range(6))), min_size=1,
                max_size=40), st.floats(-1, 1))  # fmt: skip
def test_swap_and_shift(pairs, shift):
    a, b = LEVELS[[i for i, _ in pairs]], LEVELS[[j for _, j in pairs]]
    one = compare_paired(a, b, draws=199, resamples=200)
    other = compare_paired(b, a, draws=199, resamples=200)
    moved = compare_paired(a + shift, b + shift, draws=199, resamples=200)
    assert one.p == other.p == moved.p
    assert one.difference == pytest.approx(-other.difference, abs=1e-12)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)
    assert (one.low, one.high) == pytest.approx((moved.low, moved.high), abs=1e-12)
    assert one.low - 1e-12 <= one.difference + 1.0 and one.low <= one.high
