"""Several cases of a user: users are resampled, and change their signs, with all their cases."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from benchkit.stats.bootstrap import mean_difference_intervals, mean_interval
from benchkit.stats.chance_test import rank_distribution_p_value, uniform_rank_p_value
from benchkit.stats.clusters import count_clusters, find_clusters
from benchkit.stats.crossed_effects import fit_crossed_effects, try_crossed_effects
from benchkit.stats.paired import compare_paired, compare_pairs, paired_p_values
from benchkit.stats.permutation_test import sign_flip_p_value
from benchkit.stats.power import error_of_paired_difference, minimum_detectable_effect

USERS = np.array([0, 1, 0, 2, 2, 2, 3, 1, 4, 5])
K = np.arange(60)
A, B = (K * 7 % 13) / 13, (K * 5 % 11) / 11
GAINS = 1 / np.log2(np.arange(1, 6) + 1)


def draw_clustered(rng, users, share=0.5, sizes=(1, 6)):
    """Values of `users` who have several cases each, with an intraclass correlation of `share`."""
    counts = rng.integers(*sizes, users)
    labels = np.repeat(np.arange(users), counts)
    values = np.sqrt(share) * rng.normal(size=users)[labels]
    return values + np.sqrt(1 - share) * rng.normal(size=len(labels)), labels


def test_sums_means_and_linear_values_by_hand():
    clusters = find_clusters(["b", "a", "b", "b"])
    values = np.array([[1.0, 0.0, 2.0, 3.0], [0.0, 4.0, 0.0, 0.0]])
    assert clusters.sizes.tolist() == [1, 3] and len(clusters) == 2
    assert clusters.sum(values).tolist() == [[0.0, 6.0], [4.0, 0.0]]
    assert clusters.mean(values).tolist() == [[0.0, 2.0], [4.0, 0.0]]
    # The first row has mean 1.5, and z = 1.5 + 2/4 (sum - 1.5 size).
    assert clusters.linearize(values)[0].tolist() == [0.75, 2.25]
    assert clusters.linearize(values).mean(axis=-1).tolist() == [1.5, 1.0]
    assert (count_clusters(clusters, 4), count_clusters(None, 4)) == (2, 4)
    assert find_clusters(["x", "y"]) is find_clusters([]) is None


def test_linear_values_of_users_with_as_many_cases_are_their_means():
    values = np.random.default_rng(0).random((3, 24))
    clusters = find_clusters(np.arange(24) % 8)
    assert clusters.linearize(values) == pytest.approx(clusters.mean(values))


@pytest.mark.parametrize("order", [K, K[::-1], (K * 7) % 60])
def test_one_case_a_user_changes_no_number(order):
    """These are the numbers of benchkit before it knew users, to the last digit."""
    clusters = find_clusters([f"u{user}" for user in order])
    assert clusters is None
    assert mean_interval(A, clusters=clusters) == (0.3807692307692308, 0.5218269230769229)
    assert mean_interval(K % 3 == 0, clusters=clusters) == (0.21666666666666667, 0.45)
    both = np.stack([A, B])
    assert mean_difference_intervals(both, [(0, 1)], 0.95, 2000, 0, clusters) == [
        (-0.1268240093240093, 0.11563228438228429)
    ]
    test = compare_pairs(both, clusters=clusters)[0]
    assert (test.difference, test.p) == (-0.0078088578088578, 0.9013)
    assert (test.low, test.high) == (-0.1268240093240093, 0.11563228438228429)
    assert (test.n, test.units) == (60, 60)
    chance = uniform_rank_p_value(0.4, GAINS, np.full(60, 20), clusters)
    assert chance == 4.999750012499375e-05
    p = rank_distribution_p_value(0.3, GAINS, np.full(10, 0.08), 60, 0.1, clusters)
    assert p == 0.13109344532773362


def test_the_interval_is_that_of_a_loop_over_users():
    values, labels = draw_clustered(np.random.default_rng(1), 40)
    by_user = [values[labels == user] for user in range(40)]
    rng = np.random.default_rng(2)
    means = []
    for _ in range(6000):
        drawn = [by_user[user] for user in rng.integers(0, 40, 40)]
        means.append(np.concatenate(drawn).mean())
    low, high = np.quantile(means, [0.025, 0.975])
    clusters, slack = find_clusters(labels), 0.08 * (high - low)
    assert mean_interval(values, clusters=clusters) == pytest.approx((low, high), abs=slack)
    (pair,) = mean_difference_intervals(
        np.stack([values, np.zeros_like(values)]), [(0, 1)], 0.95, 2000, 0, clusters
    )
    assert pair == pytest.approx((low, high), abs=slack)


def test_users_with_as_many_cases_are_as_their_means():
    values = np.random.default_rng(4).random(24)
    clusters = find_clusters(np.arange(24) % 8)
    low, high = mean_interval(values, clusters=clusters)
    assert (low, high) == pytest.approx(mean_interval(clusters.mean(values)))
    narrow = mean_interval(np.repeat(clusters.mean(values), 3))
    assert high - low > 1.5 * (narrow[1] - narrow[0])


@pytest.mark.parametrize(
    ("values", "labels", "expected"),
    [
        ([0.3] * 4, "aabb", (0.3, 0.3)),  # one value only
        ([0.0, 1.0, 0.0], "aaa", (1 / 3, 1 / 3)),  # a single user says nothing of others
        ([0.0, 1.0, 1.0, 0.0], "aabb", (0.5, 0.5)),  # all users alike
    ],
)
def test_edges_of_the_interval(values, labels, expected):
    assert mean_interval(values, clusters=find_clusters(labels)) == pytest.approx(expected)


def test_many_distinct_users_are_drawn_one_by_one():
    values, labels = draw_clustered(np.random.default_rng(5), 5000, share=1.0, sizes=(2, 3))
    low, high = mean_interval(values, resamples=400, clusters=find_clusters(labels))
    assert high - low == pytest.approx(2 * 1.96 / 5000**0.5, rel=0.1)


def enumerate_flips(differences, labels):
    """The exact p: every assignment of signs to users."""
    sums = [differences[labels == user].sum() for user in np.unique(labels)]
    observed = abs(sum(sums))
    flipped = [abs(np.dot(signs, sums)) for signs in product((1, -1), repeat=len(sums))]
    return np.mean([value >= observed - 1e-12 for value in flipped])


@pytest.mark.parametrize("seed", range(4))
def test_signs_flip_by_user(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 4, (2, 10)) / 3 + [[0.5], [0.0]]
    exact = enumerate_flips(a - b, USERS)
    test = compare_paired(a, b, clusters=find_clusters(USERS))
    assert test.p == pytest.approx(exact, abs=0.015)
    assert (test.n, test.units) == (10, 6)
    assert test.difference == pytest.approx((a - b).mean())
    pooled = [np.stack([a, a]), np.stack([b, b])]  # two seeds: averaged
    assert paired_p_values(pooled, [(0, 1)], find_clusters(USERS)) == [test.p]


def test_a_user_who_is_asked_often_is_one_user():
    """20 wins of one user are no more than one coin."""
    test = compare_paired(np.ones(20), np.zeros(20), clusters=find_clusters([0] * 20))
    assert test.p == 1.0
    two = compare_paired(np.ones(20), np.zeros(20), clusters=find_clusters([0] * 19 + [1]))
    assert two.p == pytest.approx(1 / 2, abs=0.015)  # two coins that fall alike
    assert compare_paired(np.ones(20), np.zeros(20)).p < 1e-5


def test_a_pair_does_not_depend_on_what_it_is_computed_with():
    values, labels = np.random.default_rng(6).random((4, 30)), np.arange(30) % 9
    clusters = find_clusters(labels)
    batch = compare_pairs(values, clusters=clusters)
    for (a, b), test in zip(combinations(range(4), 2), batch, strict=True):
        assert test.p == compare_paired(values[a], values[b], clusters=clusters).p
        sums = clusters.sum(values)
        assert test.p == pytest.approx(sign_flip_p_value(sums[a] - sums[b]), abs=0.002)


def test_crossed_effects_are_of_the_linear_values():
    rng = np.random.default_rng(7)
    a, b = rng.random((2, 3, 10))
    clusters = find_clusters(USERS)
    test = try_crossed_effects(a, b, clusters)
    assert test == fit_crossed_effects(clusters.linearize(a), clusters.linearize(b))
    assert test.n == 6 and test.difference == pytest.approx(a.mean() - b.mean())
    assert paired_p_values([a, b], [(0, 1)], clusters) == [test.p]
    assert try_crossed_effects(a, b, find_clusters([0] * 10)) is None  # of a single user


def test_the_detectable_difference_is_that_of_the_users():
    """All cases of a user equal: as many users with one case each see the same."""
    rng = np.random.default_rng(8)
    once = rng.normal(size=20)
    clusters = find_clusters(np.repeat(np.arange(20), 5))
    sd = clusters.linearize(np.repeat(once, 5)).std(ddof=1)
    assert sd == pytest.approx(once.std(ddof=1))
    assert minimum_detectable_effect(*error_of_paired_difference(sd)(len(clusters))) > 2 * (
        minimum_detectable_effect(*error_of_paired_difference(sd)(100))
    )


def test_against_chance_by_hand():
    """HR@1 of 2 candidates; one user with two cases, one with one: all right is 1/2 * 1/2."""
    clusters = find_clusters([0, 0, 1])
    sizes = np.full(3, 2)
    assert uniform_rank_p_value(1.0, np.ones(1), sizes, clusters) == pytest.approx(1 / 4, abs=0.01)
    assert uniform_rank_p_value(1.0, np.ones(1), sizes) == pytest.approx(1 / 8, abs=0.01)
    # Two thirds or more: the user with two cases is right.
    p = uniform_rank_p_value(2 / 3, np.ones(1), sizes, clusters)
    assert p == pytest.approx(1 / 2, abs=0.015)
    unlisted = rank_distribution_p_value(1.0, np.zeros(1), np.array([0.5]), 3, 1.0, clusters)
    assert unlisted == pytest.approx(1 / 4, abs=0.01)


def test_against_chance_users_with_as_many_cases_count_once():
    clusters = find_clusters(np.arange(300) % 100)
    many = uniform_rank_p_value(0.3, GAINS, np.full(300, 10), clusters)
    assert many == pytest.approx(uniform_rank_p_value(0.3, GAINS, np.full(100, 10)), abs=0.015)


@pytest.mark.slow
def test_intervals_cover_the_truth_where_cases_are_alike():
    rng, held, held_alone = np.random.default_rng(9), 0, 0
    for _ in range(600):
        values, labels = draw_clustered(rng, 60)
        low, high = mean_interval(values, resamples=500, clusters=find_clusters(labels))
        held += low <= 0 <= high
        low, high = mean_interval(values, resamples=500)
        held_alone += low <= 0 <= high
    assert 0.92 <= held / 600 <= 0.975
    assert held_alone / 600 < 0.85


@pytest.mark.slow
def test_p_values_are_at_their_level_where_cases_are_alike():
    rng, flips, alone, effects = np.random.default_rng(10), 0, 0, 0
    for _ in range(500):
        values, labels = draw_clustered(rng, 30)
        clusters, zeros = find_clusters(labels), np.zeros_like(values)
        flips += compare_paired(values, zeros, draws=999, resamples=2, clusters=clusters).p < 0.05
        alone += compare_paired(values, zeros, draws=999, resamples=2).p < 0.05
        seeds = values + rng.normal(0, 0.3, (3, len(values)))
        others = np.zeros_like(seeds) + rng.normal(0, 0.3, seeds.shape)
        effects += try_crossed_effects(seeds, others, clusters).p < 0.05
    assert 0.025 <= flips / 500 <= 0.08
    assert effects / 500 <= 0.085
    assert alone / 500 > 0.12


@pytest.mark.slow
def test_chance_is_at_its_level_where_a_users_ranks_are_alike():
    """Users who always take what the method likes, or never: at chance over users."""
    rng, marks, alone = np.random.default_rng(11), 0, 0
    gains = np.ones(1)
    for _ in range(500):
        counts = rng.integers(1, 8, 40)
        labels = np.repeat(np.arange(40), counts)
        hits = (rng.random(40) < 0.2)[labels].astype(float)
        sizes = np.full(len(labels), 5)
        marks += uniform_rank_p_value(hits.mean(), gains, sizes, find_clusters(labels)) < 0.05
        alone += uniform_rank_p_value(hits.mean(), gains, sizes) < 0.05
    assert marks / 500 <= 0.075
    assert alone / 500 > 0.12
    assert stats.binomtest(marks, 500, 0.05).pvalue > 0.001
