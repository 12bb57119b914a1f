"""Serendipity, adherence and avoidance by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.evaluation.metrics.rank_based import Adherence, Avoidance, HitRate
from benchkit.evaluation.metrics.serendipity import Serendipity, popularity_mask
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.stats.chance_test import uniform_rank_p_value
from tests.support.metric_context import make_context


def test_serendipity_counts_hits_outside_the_popular():
    scores = np.array([[9.0, 8, 7, 6, 5, 4], [9, 8, 7, 6, 5, 4], [4, 5, 6, 7, 8, 9]])
    metric = Serendipity(2)
    context = make_context(
        ranks_from_scores(scores, [1, 1, 1]), target=[0, 1, 0], train_counts=[1, 2],
        popular_share=0.5,
    )  # fmt: skip
    assert metric.measure(context).tolist() == [0.5, 0.0, 0.0]
    assert metric.chance_level(context) == pytest.approx(2 / 3 * (1 / 2) * (2 / 6))


def test_popular_items_are_a_share_with_a_stated_rule_for_ties():
    assert popularity_mask(np.array([5, 1, 5, 5, 0]), 0.4).tolist() == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert popularity_mask(np.array([1, 2]), 0.1).sum() == 0


def test_avoidance_is_that_the_target_is_not_first():
    metric = Avoidance()
    ranks = ranks_from_scores([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0]], [0, 0, 0])
    assert metric.values(ranks).tolist() == [0.0, 1.0, 0.5]
    assert metric.expectations(ranks.n_candidates).mean() == pytest.approx(2 / 3)
    assert uniform_rank_p_value(1.0, metric.gains(20), np.full(400, 20)) < 0.001
    assert uniform_rank_p_value(0.9, metric.gains(20), np.full(400, 20)) > 0.99


@given(st.lists(st.integers(0, 3), min_size=3, max_size=9), st.data())
def test_adherence_is_hit_rate_at_one_and_avoidance_its_complement(scores, data):
    ranks = ranks_from_scores([scores], [data.draw(st.integers(0, len(scores) - 1))])
    hit = HitRate(1).values(ranks)[0]
    assert Adherence().values(ranks)[0] == hit
    assert Avoidance().values(ranks)[0] == pytest.approx(1 - hit)
