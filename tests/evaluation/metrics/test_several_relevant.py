"""Metrics of several relevant items, against all orders, by hand and against scikit-learn."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from benchkit.data.dataset import Cases
from benchkit.errors import ConfigError
from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.metrics.several_relevant import (
    GradedNDCG,
    MeanAveragePrecision,
    Precision,
    Recall,
)
from benchkit.evaluation.random_baseline import RandomDraws
from benchkit.evaluation.ranks import rank_by_frequency, ranks_from_scores
from benchkit.evaluation.relevant_ranks import (
    concatenate_relevant_ranks,
    relevant_ranks_from_lists,
    relevant_ranks_from_scores,
)
from tests.support.metric_context import make_context


def cases(candidates, relevant, grades=None):
    """Cases of items that are small integers; shorter lists are filled with -1."""
    width, h = max(map(len, candidates)), max(map(len, relevant))
    table = np.array([[*row, *[-1] * (width - len(row))] for row in candidates], dtype=np.int32)
    targets = np.array([[*row, *[-1] * (h - len(row))] for row in relevant], dtype=np.int32)
    zeros = np.zeros(len(candidates), dtype=np.int64)
    ids = tuple(map(str, range(len(candidates))))
    marks = None if grades is None else np.array(grades, dtype=np.float32)
    return Cases(
        ids, zeros.astype(np.int32), zeros, zeros, targets[:, 0], table, targets[:, 1:], marks
    )


def relevant_ranks(asked, scores):
    table = np.full(asked.candidates.shape, -np.inf)
    for row, values in zip(table, scores, strict=True):
        row[: len(values)] = values
    answered = np.ones(len(asked), dtype=np.bool_)
    return relevant_ranks_from_scores(asked, table, answered, asked.candidates, asked.lengths)


def plain_values(order, relevant, grades, k):
    """Recall, precision, average precision and graded NDCG of one order of items."""
    hits = [item in relevant for item in order[:k]]
    precisions = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit]
    grade = dict(zip(relevant, grades, strict=True))
    dcg = sum(grade.get(item, 0) / np.log2(i + 2) for i, item in enumerate(order[:k]))
    ideal = sum(g / np.log2(i + 2) for i, g in enumerate(sorted(grades, reverse=True)[:k]))
    return [
        sum(hits) / len(relevant), sum(hits) / k, sum(precisions) / min(k, len(relevant)),
        dcg / ideal,
    ]  # fmt: skip


def metrics(k):
    return [Recall(k), Precision(k), MeanAveragePrecision(k), GradedNDCG(k)]


@pytest.mark.parametrize("k", [1, 2, 3, 6])
@pytest.mark.parametrize("seed", range(6))
def test_ties_count_by_their_expectation_over_all_orders(seed, k):
    rng = np.random.default_rng(seed)
    items = list(range(6))
    scores = rng.integers(0, 3, 6).astype(float)
    relevant = rng.choice(8, rng.integers(1, 5), replace=False).tolist()  # 6 and 7 are not listed
    grades = rng.integers(1, 6, len(relevant)).astype(float).tolist()
    orders = [
        order for order in permutations(items) if all(np.diff([-scores[i] for i in order]) >= 0)
    ]
    expected = np.mean([plain_values(order, relevant, grades, k) for order in orders], axis=0)
    ranks = relevant_ranks(cases([items], [relevant], [grades]), [scores])
    assert [float(m.values(ranks)[0]) for m in metrics(k)] == pytest.approx(expected.tolist())


def test_graded_ndcg_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores, grades = rng.integers(0, 6, (20, 9)).astype(float), rng.integers(0, 5, (20, 9))
    grades[:, 0] += 1
    asked = cases([list(range(9))] * 20, [list(range(9))] * 20, grades)
    values = GradedNDCG(5).values(relevant_ranks(asked, scores))
    expected = [
        ndcg_score([g], [s], k=5) for g, s in zip(grades.tolist(), scores.tolist(), strict=True)
    ]
    assert values == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_chance_is_the_mean_over_all_orders(k):
    lists, relevant = [[0, 1, 2, 3, 4], [5, 6, 7]], [[1, 3, 9], [6]]
    grades = [[3, 1, 2], [4, 0, 0]]
    asked = cases(lists, relevant, grades)
    ranks = relevant_ranks(asked, [[0.0] * 5, [0.0] * 3])
    context = make_context(
        ranks_from_scores(np.zeros((2, 5)), np.zeros(2, dtype=np.int64)), [1, 6], [1] * 10,
        relevant=ranks,
    )  # fmt: skip
    expected = np.mean(
        [
            np.mean([plain_values(o, r, g[: len(r)], k) for o in permutations(items)], axis=0)
            for items, r, g in zip(lists, relevant, grades, strict=True)
        ],
        axis=0,
    )
    assert [m.chance_level(context) for m in metrics(k)] == pytest.approx(expected.tolist())
    assert [m.measure(context).mean() for m in metrics(k)] == pytest.approx(expected.tolist())


def test_chance_of_sampled_answers_is_that_of_random_draws():
    rng, n = np.random.default_rng(1), 4000
    items, relevant = list(range(6)), [1, 4]
    draws = rng.integers(0, 6, (n, 5))
    lists = [[int(i) for i in rank_by_frequency(list(map(str, row)))] for row in draws.tolist()]
    asked = cases([items] * n, [relevant] * n, [[3, 1]] * n)
    ranks = relevant_ranks_from_lists(asked, lists, asked.lengths)
    context = make_context(
        ranks_from_scores(np.zeros((n, 6)), np.zeros(n, dtype=np.int64)), [1] * n, [1] * 6,
        relevant=ranks, baseline=RandomDraws(5, np.array([len(row) for row in lists])),
    )  # fmt: skip
    for metric in metrics(3):
        expected = metric.chance_level(context)
        assert metric.measure(context).mean() == pytest.approx(expected, abs=0.015), metric.name


def test_one_relevant_item_gives_the_usual_metrics():
    rng = np.random.default_rng(2)
    scores = rng.integers(0, 4, (30, 8)).astype(float)
    asked = cases([list(range(8))] * 30, [[int(i)] for i in rng.integers(0, 8, 30)])
    ranks = relevant_ranks(asked, scores)
    plain = ranks_from_scores(scores, asked.target_position)
    assert Recall(3).values(ranks) == pytest.approx(find_metric("hr@3").values(plain))
    assert GradedNDCG(3).values(ranks) == pytest.approx(find_metric("ndcg@3").values(plain))


def test_slices_of_cases_join():
    asked = cases([[0, 1, 2], [3, 4, 5]], [[0, 2], [4]])
    scores = [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]
    parts = [relevant_ranks(asked.slice(row, row + 1), scores[row : row + 1]) for row in range(2)]
    joined = concatenate_relevant_ranks(parts)
    whole = relevant_ranks(asked, scores)
    assert MeanAveragePrecision(3).values(joined).tolist() == (
        MeanAveragePrecision(3).values(whole).tolist()
    )


def test_grades_that_have_no_ideal():
    asked = cases([[0, 1], [2, 3]], [[0, 1], [2, 3]], [[0, 0], [1, 0]])
    values = GradedNDCG(2).values(relevant_ranks(asked, [[2.0, 1.0], [2.0, 1.0]]))
    assert np.isnan(values[0])
    assert values[1] == 1
    asked = cases([[0, 1]], [[0, 1]], [[-1, 2]])
    with pytest.raises(ConfigError, match="grade -1"):
        GradedNDCG(2).values(relevant_ranks(asked, [[2.0, 1.0]]))


@pytest.mark.parametrize("name", ["recall", "precision", "map", "graded-ndcg"])
def test_names(name):
    assert find_metric(f"{name}@5").name == f"{name}@5"
    with pytest.raises(ConfigError, match="unknown metric"):
        find_metric(name)
