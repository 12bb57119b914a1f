"""Rank intervals, the step-down tests behind them, letters and win rates, on data made by hand."""

from itertools import combinations

import numpy as np
import pytest

from benchkit.stats.clusters import find_clusters
from benchkit.stats.multiple_testing import holm
from benchkit.stats.permutation_test import sign_flip_p_value
from benchkit.stats.ranking.letter_groups import group_methods, letter_codes
from benchkit.stats.ranking.paired_statistics import pair_statistics
from benchkit.stats.ranking.rank_intervals import differing_pairs, rank_intervals
from benchkit.stats.ranking.step_down import step_down_p_values
from benchkit.stats.ranking.win_rates import win_rates


def rows(*means, users=200, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    values = np.array(means)[:, None] + rng.normal(0, spread, (len(means), users))
    return [row[None] for row in values]


def test_two_methods_are_tested_by_sign_flips():
    for seed, gap in enumerate((0.0, 0.1, 0.2, 0.3)):
        values = rows(gap, 0.0, seed=seed)
        statistics = pair_statistics(values, draws=9_999)
        null = statistics.null(np.array([0]), np.array([1]))
        (p,) = step_down_p_values(np.abs(statistics.observed[[0], [1]]), [null])
        assert p == pytest.approx(sign_flip_p_value((values[0] - values[1])[0]), abs=0.012)


def test_few_users_who_differ_show_nothing():
    """Four of four in favour have p = 1/8, whatever a normal approximation says."""
    values = np.zeros((2, 1, 100))
    values[0, 0, :4] = 1
    statistics = pair_statistics(list(values))
    assert not differing_pairs(statistics).any()
    assert rank_intervals([statistics]).high.tolist() == [2, 2]
    values[0, 0, :8] = 1  # p = 1/128
    assert differing_pairs(pair_statistics(list(values))).sum() == 2


def test_ranks_of_methods_far_apart_and_of_clones():
    values = [*rows(2.0, 1.0), *rows(0.0, seed=1)]
    clone = values[1].copy()
    statistics = pair_statistics([*values, clone])
    intervals = rank_intervals([statistics])
    assert intervals.rank.tolist() == [1, 2, 4, 2]
    assert intervals.low.tolist() == [1, 2, 4, 2]
    assert intervals.high.tolist() == [1, 3, 4, 3]
    assert letter_codes(differing_pairs(statistics), statistics.means) == ["a", "b", "c", "b"]


def test_all_equal_values():
    statistics = pair_statistics([np.ones((1, 9))] * 3)
    intervals = rank_intervals([statistics])
    assert intervals.rank.tolist() == [1, 1, 1]
    assert intervals.low.tolist() == [1, 1, 1] and intervals.high.tolist() == [3, 3, 3]


def test_pairs_that_differ_among_all_differ_for_their_ranks():
    values = rows(*np.linspace(0, 0.8, 8))
    statistics = pair_statistics(values)
    differs, intervals = differing_pairs(statistics), rank_intervals([statistics])
    better = statistics.means[None, :] > statistics.means[:, None]
    assert ((differs & better).sum(axis=1) + 1 <= intervals.low).all()
    assert (8 - (differs & ~better).sum(axis=1) >= intervals.high).all()
    assert (intervals.low <= intervals.rank).all() and (intervals.rank <= intervals.high).all()
    assert 0 < differs.sum() < 56


def test_cases_of_a_user_change_sign_together():
    """A user with many equal cases is one user: 5 of them cannot be significant at 5 %."""
    labels = np.repeat(np.arange(5), 40)
    values = [np.ones((1, 200)), np.zeros((1, 200))]
    assert differing_pairs(pair_statistics(values)).any()
    clustered = pair_statistics(values, find_clusters(labels))
    assert not differing_pairs(clustered).any()
    assert clustered.means.tolist() == [1, 0]


def test_trainings_that_vary_widen_intervals():
    rng = np.random.default_rng(1)
    users = rng.normal(0, 0.3, (2, 1, 400))
    alike = users + np.array([0.1, 0.0])[:, None, None] + rng.normal(0, 0.1, (2, 5, 400))
    varied = alike + rng.normal(0, 0.2, (2, 5, 1))
    assert rank_intervals([pair_statistics(list(alike))]).high.tolist() == [1, 2]
    assert rank_intervals([pair_statistics(list(varied))]).high.tolist() == [2, 2]
    two_seeds = pair_statistics(list(varied[:, :2]))
    assert not two_seeds.seeded.any()


def test_mean_ranks_over_datasets():
    datasets = [
        pair_statistics(rows(2.0, 1.0, 0.0), seed=1),
        pair_statistics(rows(2.0, 0.0, 1.0, seed=1), seed=2),
        pair_statistics(rows(1.0, 0.0, 0.0, seed=2), seed=3),
    ]
    intervals = rank_intervals(datasets)
    assert intervals.rank[0] == intervals.low[0] == intervals.high[0] == 1
    assert intervals.low[1:].tolist() == pytest.approx([7 / 3, 7 / 3])
    assert intervals.high[1:].tolist() == pytest.approx([8 / 3, 8 / 3])
    with pytest.raises(ValueError, match="same methods"):
        rank_intervals([datasets[0], pair_statistics(rows(1.0, 0.0))])
    with pytest.raises(ValueError, match="same methods"):
        rank_intervals([])


def test_a_selection_of_methods_is_as_if_there_were_no_others():
    statistics = pair_statistics(rows(0.4, 0.2, 0.0, 0.1))
    some = statistics.select([2, 0])
    assert some.means.tolist() == statistics.means[[2, 0]].tolist()
    assert some.observed[0, 1] == statistics.observed[2, 0]
    zero, one = np.array([0]), np.array([1])
    drawn = statistics.null(np.array([2]), zero)
    np.testing.assert_array_equal(some.null(zero, one), drawn)


def test_step_down_is_at_most_holm_and_monotone():
    rng = np.random.default_rng(3)
    null = np.abs(rng.normal(size=(4_000, 6)))
    observed = np.array([3.5, 0.1, 2.4, 2.2, 1.0, 2.4])
    single = np.array([(1 + (null[:, i] >= t).sum()) / 4_001 for i, t in enumerate(observed)])
    p = step_down_p_values(observed, [null[:1_500], null[1_500:]])
    assert (p <= holm(single) + 0.01).all()
    assert (p >= single - 1e-9).all()
    assert (np.diff(p[np.argsort(-observed)]) >= 0).all()


@pytest.mark.parametrize("seed", range(30))
def test_letters_say_exactly_which_pairs_differ(seed):
    """Also where "does not differ" is far from transitive."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 14))
    differs = np.triu(rng.random((k, k)) < rng.random(), 1)
    differs = differs | differs.T
    means = rng.random(k)
    groups = group_methods(differs, means)
    assert set().union(*groups) == set(range(k))
    together = {pair for group in groups for pair in combinations(sorted(group), 2)}
    assert together == {pair for pair in combinations(range(k), 2) if not differs[pair]}
    for i, group in enumerate(groups):  # none is superfluous
        others = [set(other) for j, other in enumerate(groups) if j != i]
        assert not any(set(group) <= other for other in others)
    codes = letter_codes(differs, means)
    assert "a" in codes[int(np.argmax(means))]


def test_letters_beyond_the_alphabet():
    codes = letter_codes(~np.eye(60, dtype=bool), -np.arange(60.0))
    assert codes[:3] == ["a", "b", "c"] and codes[51:54] == ["Z", "a2", "b2"]
    assert len(set(codes)) == 60


def test_win_rates_count_ties_half():
    rates = win_rates(np.array([[1, 1, 0, 0.5], [0, 1, 1, 0.0], [0, 0, 0, 0.0]]))
    assert rates[0, 1] == 2.5 / 4 and rates[1, 0] == 1.5 / 4
    np.testing.assert_allclose(rates + rates.T, 1)


@pytest.mark.parametrize(
    "values", [[], [np.ones((1, 2)), np.ones((1, 3))], [np.full((1, 2), np.nan)]]
)
def test_values_must_be_finite_and_of_the_same_cases(values):
    with pytest.raises(ValueError, match="values must be"):
        pair_statistics(values)
