"""The test against chance."""

import numpy as np
import pytest
from scipy import stats

from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.random_baseline import independent_draws
from benchkit.evaluation.ranks import rank_by_frequency, ranks_from_lists, ranks_from_scores
from benchkit.stats.chance_test import rank_distribution_p_value, uniform_rank_p_value


def test_p_value_of_hits_is_binomial():
    of, metric = np.full(943, 30), find_metric("hr@1")
    for hits in (20, 31, 40, 45):
        exact = stats.binom.sf(hits - 1, 943, 1 / 30)
        assert uniform_rank_p_value(hits / 943, metric.gains(30), of) == pytest.approx(
            exact, abs=0.012
        )


def test_p_values_are_uniform_under_the_null():
    rng, metric = np.random.default_rng(4), find_metric("ndcg@5")
    p = []
    for _ in range(300):
        ranks = ranks_from_scores(rng.random((200, 30)), rng.integers(0, 30, 200))
        p.append(
            uniform_rank_p_value(metric.values(ranks).mean(), metric.gains(30), ranks.n_candidates)
        )
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_p_value_with_lists_of_different_lengths_is_near_a_simulation():
    rng, metric = np.random.default_rng(5), find_metric("mrr")
    of = rng.integers(1100, 1600, 300)
    rank = rng.integers(1, of + 1, size=(4000, 300))
    means = (1 / rank).mean(axis=1)
    mean = float(np.quantile(means, 0.95))
    assert uniform_rank_p_value(mean, metric.gains(1600), of) == pytest.approx(0.05, abs=0.02)


def test_constant_scores_are_not_above_chance():
    metric = find_metric("hr@5")
    ranks = ranks_from_scores(np.ones((500, 30)), np.zeros(500, dtype=int))
    assert (
        uniform_rank_p_value(metric.values(ranks).mean(), metric.gains(30), ranks.n_candidates)
        > 0.3
    )


def test_p_value_under_a_law_with_unlisted_targets_is_binomial():
    metric, places = find_metric("hr@5"), np.full(5, 0.03)
    for hits in (130, 150, 165):
        exact = stats.binom.sf(hits - 1, 943, 0.15)
        p = rank_distribution_p_value(hits / 943, metric.gains(30), places, 943)
        assert p == pytest.approx(exact, abs=0.012)


def test_p_values_of_uniform_draws_are_uniform():
    rng, gains = np.random.default_rng(6), find_metric("ndcg@5").gains(30)
    law, items, p = independent_draws(5)(30), np.array(["target", *map(str, range(29))]), []
    for _ in range(300):
        lists = [rank_by_frequency(row) for row in items[rng.integers(0, 30, (200, 5))].tolist()]
        ranks = ranks_from_lists(lists, ["target"] * 200, np.full(200, 30))
        p.append(rank_distribution_p_value(ranks.mean_gain(gains).mean(), gains, law, 200))
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_what_an_unlisted_target_gains_counts():
    gains = find_metric("avoidance").gains(20)
    exact = stats.binom.sf(379, 400, 0.95)
    p = rank_distribution_p_value(380 / 400, gains, np.array([0.05]), 400, unlisted_gain=1.0)
    assert p == pytest.approx(exact, abs=0.012)


def test_a_uniform_law_is_the_test_of_a_ranking():
    gains = find_metric("ndcg@5").gains(30)
    args = (0.11, gains)
    assert uniform_rank_p_value(*args, np.full(300, 30)) == rank_distribution_p_value(
        *args, np.full(30, 1 / 30), 300
    )
