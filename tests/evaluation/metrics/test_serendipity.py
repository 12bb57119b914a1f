"""Serendipity, adherence and avoidance by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.evaluation.metrics.rank_based import Adherence, Avoidance, HitRate
from benchkit.evaluation.metrics.serendipity import Serendipity, popularity_mask
from benchkit.evaluation.random_baseline import RandomDraws
from benchkit.evaluation.ranks import ranks_from_lists, ranks_from_scores
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


def sampled_context(lists, target, n_candidates=10, n=5):
    """Cases whose sampled answers make `lists` of item codes; item 0 alone is popular."""
    names = [[f"i{code}" for code in row] for row in lists]
    ranks = ranks_from_lists(names, [f"i{t}" for t in target], np.full(len(lists), n_candidates))
    lengths = np.array([len(row) for row in lists])
    return make_context(
        ranks, target, train_counts=[9, 1, 1, 1, 1, 1], popular_share=1 / 6,
        first_ranks=ranks, list_lengths=lengths, baseline=RandomDraws(n, lengths),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cutoff", "expected"),
    [
        # Lists of 1, 2, 5 and 0 items with the target last, of the popular item, and with none.
        (5, [1.0, 0.5, 0.2, 0.0, 0.0, 0.0]),
        (2, [1.0, 0.5, 0.0, 0.0, 0.0, 0.0]),
        (1, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        (20, [1.0, 0.5, 0.2, 0.0, 0.0, 0.0]),  # no list has more items than answers
    ],
)
def test_sampled_answers_are_divided_by_the_items_they_name(cutoff, expected):
    lists = [[1], [2, 1], [2, 3, 4, 5, 1], [], [0], [2, 3]]
    context = sampled_context(lists, [1, 1, 1, 1, 0, 1])
    metric = Serendipity(cutoff)
    assert metric.measure(context).tolist() == pytest.approx(expected)
    assert metric.chance_level(context) == pytest.approx(5 / 6 / 10)


def test_random_sampled_lists_have_the_chance_level_and_no_small_p():
    rng = np.random.default_rng(0)
    rejections, means = 0, []
    for _ in range(60):
        lists = [rng.permutation(np.arange(1, 6))[: rng.integers(1, 6)].tolist()
                 for _ in range(80)]  # fmt: skip
        context = sampled_context(lists, rng.integers(1, 6, size=80).tolist(), n_candidates=5)
        metric = Serendipity(5)
        values = metric.measure(context)
        means.append(values.mean())
        rejections += metric.p_value(context, values) < 0.05
    assert np.mean(means) == pytest.approx(metric.chance_level(context), abs=0.01)
    assert rejections <= 9  # of 60 at 5 %
    knows = sampled_context([[1]] * 80, [1] * 80, n_candidates=5)
    assert metric.p_value(knows, metric.measure(knows)) < 1e-3


def test_a_list_that_is_shorter_than_the_cutoff_is_divided_by_its_length():
    scores = np.array([[3.0, 2.0, 1.0]])
    context = make_context(
        ranks_from_scores(scores, [1]), target=[1], train_counts=[5, 1, 1], popular_share=1 / 3
    )
    assert Serendipity(5).measure(context).tolist() == pytest.approx([1 / 3])
    assert Serendipity(5).chance_level(context) == pytest.approx(1 / 3)


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
