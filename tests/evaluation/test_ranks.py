"""Ranks, ties and the metrics that follow from them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.ranks import Ranks, concatenate_ranks, ranks_from_scores, top_columns

NAMES = ["hr@1", "hr@5", "ndcg@5", "ndcg@10", "mrr"]


def value(name: str, scores: list[float], target: int) -> float:
    return float(find_metric(name).values(ranks_from_scores([scores], [target]))[0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("hr@1", 0.0), ("hr@3", 1.0), ("ndcg@5", 0.5), ("ndcg@2", 0.0), ("mrr", 1 / 3)],
)
def test_rank_three_by_hand(name, expected):
    assert value(name, [0.9, 0.8, 0.7, 0.6, 0.5], 2) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hr@1", 1 / 30),
        ("hr@5", 5 / 30),
        ("ndcg@5", 0.0982820),  # the chance level of 30 candidates
        ("mrr", sum(1 / r for r in range(1, 31)) / 30),
    ],
)
@pytest.mark.parametrize("target", [0, 17, 29])
def test_equal_scores_are_worth_chance_wherever_the_target_stands(name, expected, target):
    assert value(name, [1.0] * 30, target) == pytest.approx(expected, abs=1e-7)


def test_a_tie_over_the_cut_counts_in_part():
    # One above, three tied: ranks 2, 3, 4; two of the three are within the first three.
    assert value("hr@3", [5.0, 1.0, 1.0, 1.0, 0.0], 2) == pytest.approx(2 / 3)
    assert value("ndcg@3", [5.0, 1.0, 1.0, 1.0, 0.0], 2) == pytest.approx(
        (1 / np.log2(3) + 1 / np.log2(4)) / 3
    )


@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=12),
    st.data(),
    st.sampled_from(NAMES),
)
def test_expected_value_is_the_mean_over_all_orders_of_the_tied(scores, data, name):
    target = data.draw(st.integers(0, len(scores) - 1))
    better = sum(s > scores[target] for s in scores)
    tied = scores.count(scores[target])
    gains = find_metric(name).gains(len(scores))
    ranks = range(better + 1, better + tied + 1)
    by_hand = np.mean([gains[r - 1] if r <= len(gains) else 0.0 for r in ranks])
    assert value(name, scores, target) == pytest.approx(by_hand)


@given(st.permutations(range(8)), st.integers(0, 7))
def test_order_of_candidates_does_not_matter(order, target):
    scores = np.array([3.0, 1.0, 1.0, 2.0, 0.0, 2.0, 5.0, 1.0])
    moved = list(order).index(target)
    for name in NAMES:
        assert value(name, scores[list(order)], moved) == pytest.approx(value(name, scores, target))


def test_unanswered_cases_are_misses():
    ranks = ranks_from_scores([[1.0, 0.0], [1.0, 0.0]], [0, 0], answered=[True, False])
    assert find_metric("hr@1").values(ranks).tolist() == [1.0, 0.0]


def test_chance_is_the_mean_over_uniform_ranks():
    of = np.array([30, 30, 10])
    expected = np.mean([find_metric("ndcg@5").gains(n).sum() / n for n in of])
    assert find_metric("ndcg@5").expectations(of).mean() == pytest.approx(expected)


def test_concatenation_keeps_the_order_of_cases():
    a, b = ranks_from_scores([[1.0, 2.0]], [0]), ranks_from_scores([[1.0, 2.0]], [1])
    joined = concatenate_ranks([a, b])
    assert joined.n_better.tolist() == [1, 0]
    assert len(joined) == 2
    assert isinstance(joined, Ranks)


@pytest.mark.parametrize("n_columns", [1_999, 2_000, 2_345, 10_000])
def test_the_top_of_many_columns_is_that_of_a_whole_sort(n_columns):
    rng = np.random.default_rng(n_columns)
    scores = np.stack(
        [
            rng.random(n_columns),
            rng.integers(0, 3, n_columns),  # ties everywhere
            np.where(rng.random(n_columns) < 0.001, 1.0, 0.0),  # fewer above than are wanted
            np.where(np.arange(n_columns) > n_columns - 4, 1.0, -np.inf),  # hardly any listed
            -np.sort(rng.random(n_columns)),  # all of the highest in one block
            np.zeros(n_columns),
        ]
    )
    answered = np.array([True, True, True, True, True, False])
    for depth in (1, 10, 44):
        expected = np.argsort(-scores, axis=1, kind="stable")[:, :depth].astype(np.int32)
        expected[3, 3:] = expected[5] = -1
        assert top_columns(scores, answered, depth).tolist() == expected.tolist()


def test_metrics_agree_with_ranx():
    ranx = pytest.importorskip("ranx")
    rng = np.random.default_rng(0)
    scores, target = (
        rng.permuted(np.tile(np.arange(30.0), (300, 1)), axis=1),
        rng.integers(0, 30, 300),
    )
    qrels = ranx.Qrels({f"q{i}": {f"d{t}": 1} for i, t in enumerate(target)})
    run = ranx.Run(
        {f"q{i}": {f"d{j}": float(s) for j, s in enumerate(row)} for i, row in enumerate(scores)}
    )
    theirs = {"hr@1": "hit_rate@1", "hr@5": "hit_rate@5", "ndcg@5": "ndcg@5", "ndcg@10": "ndcg@10",
              "mrr": "mrr"}  # fmt: skip
    ranks = ranks_from_scores(scores, target)
    for ours, name in theirs.items():
        expected = ranx.evaluate(qrels, run, name, make_comparable=True)
        assert find_metric(ours).values(ranks).mean() == pytest.approx(expected, abs=1e-12)
