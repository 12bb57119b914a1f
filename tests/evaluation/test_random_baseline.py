"""How samples become a list, by hand, and what chance gives, by going through all draws."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.evaluation import random_baseline
from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.ranks import rank_by_frequency, ranks_from_lists
from tests.support.metric_context import make_context

NAMES = ["hr@1", "hr@2", "hr@5", "ndcg@1", "ndcg@5", "mrr", "adherence", "avoidance"]


def value(name: str, drawn: list[str | None], target: str) -> float:
    """What one case is worth under the sampled protocol."""
    metric = find_metric(name)
    items = drawn[:1] if metric.first_only else drawn
    return float(
        metric.values(ranks_from_lists([rank_by_frequency(items)], [target], np.array([30])))[0]
    )


def test_the_example_of_the_protocol():
    drawn = ["A", "B", "A", None, "C"]
    assert rank_by_frequency(drawn) == ["A", "B", "C"]
    assert value("hr@1", drawn, "B") == 0.0
    assert value("hr@5", drawn, "B") == 1.0
    assert value("ndcg@5", drawn, "B") == pytest.approx(1 / np.log2(3))
    assert value("mrr", drawn, "B") == 0.5


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ([None, "B", "B"], ["B"]),
        (["A", "B", "B"], ["B", "A"]),
        (["C", "B", "A"], ["C", "B", "A"]),
        (["C", "B", "A", "A", "B"], ["B", "A", "C"]),
        (["", "A"], ["", "A"]),
        ([None, None], []),
    ],
)
def test_frequency_first_then_the_draw(drawn, expected):
    assert rank_by_frequency(drawn) == expected


def test_the_first_answer_alone_decides_the_first_place():
    drawn = ["A", "B", "B"]
    assert value("hr@1", drawn, "A") == value("ndcg@1", drawn, "A") == 1.0
    assert value("mrr", drawn, "A") == 0.5
    assert value("hr@1", [None, "B", "B"], "B") == 0.0
    assert value("hr@2", [None, "B", "B"], "B") == 1.0


def test_avoidance_gains_where_the_first_answer_is_another_and_valid():
    assert value("avoidance", ["A", "B"], "B") == 1.0
    assert value("avoidance", ["B", "A"], "B") == 0.0
    assert value("avoidance", [None, "A"], "B") == 0.0
    assert value("adherence", ["B", "A"], "B") == 1.0


@given(
    st.lists(st.sampled_from(["A", "B", "C", "D", None]), min_size=1, max_size=7),
    st.sampled_from("ABCD"),
)
def test_lists_hold_each_valid_item_once_and_are_never_filled_up(drawn, target):
    items = rank_by_frequency(drawn)
    assert sorted(items) == sorted(set(drawn) - {None})
    counts = [drawn.count(item) for item in items]
    assert counts == sorted(counts, reverse=True)
    for a, b in pairwise(items):
        assert drawn.count(a) > drawn.count(b) or drawn.index(a) < drawn.index(b)
    assert value("hr@5", drawn, target) == (target in items[:5])
    if target not in items:
        assert all(value(name, drawn, target) == 0.0 for name in NAMES if name != "avoidance")


def test_serendipity_of_samples():
    ranks = ranks_from_lists([["A", "B"], ["A"], ["B"]], ["B", "A", "A"], np.full(3, 9))
    context = make_context(ranks, target=[0, 1, 0], train_counts=[1, 2], popular_share=0.5)
    assert find_metric("serendipity@2").measure(context).tolist() == [0.5, 0.0, 0.0]


@pytest.mark.parametrize("candidates", [1, 2, 4])
@pytest.mark.parametrize("n", [1, 3, 5])
@pytest.mark.parametrize("name", NAMES)
def test_chance_is_the_mean_over_all_draws(name, n, candidates):
    items = "ABCD"[:candidates]
    by_hand = np.mean([value(name, list(drawn), "A") for drawn in product(items, repeat=n)])
    metric = find_metric(name)
    law = random_baseline.single_draw if metric.first_only else random_baseline.independent_draws(n)
    assert metric.expectations(np.array([candidates]), law) == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hr@1", 1 / 30),
        ("hr@5", 1 - (29 / 30) ** 5),
        ("ndcg@5", 0.0940850764),
        ("adherence", 1 / 30),
        ("avoidance", 29 / 30),
    ],
)
def test_chance_of_five_draws_from_thirty(name, expected):
    metric = find_metric(name)
    law = random_baseline.single_draw if metric.first_only else random_baseline.independent_draws(5)
    assert metric.expectations(np.full(7, 30), law).mean() == pytest.approx(expected, abs=1e-10)


def test_more_draws_than_candidates():
    law = random_baseline.independent_draws(400)(3)
    assert law.tolist() == pytest.approx([1 / 3] * 3)


def test_a_law_of_lists_of_different_lengths():
    law = random_baseline.mean_distribution(np.array([2, 4]), random_baseline.uniform_ranks)
    assert law.tolist() == pytest.approx([3 / 8, 3 / 8, 1 / 8, 1 / 8])
    own = random_baseline.lengths_distribution(np.array([0, 1, 3]), np.array([10, 10, 10]), 4)
    assert own.tolist() == pytest.approx([2 / 30, 1 / 30, 1 / 30, 0.0])
