"""A planted world: each user has a genre, and mostly takes its items, in their order."""

import math

import numpy as np

from benchkit.evaluation.metrics.rank_based import NDCG
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.testing.fixtures import toy_dataset


def genre_world():
    """60 users, 80 items, 5 genres; 20 candidates a case."""
    return toy_dataset(users=60, items=80, clusters=5, length=12)


def rank_quality(method, dataset, run):
    """Mean NDCG@5 of the test cases, its standard error, and what chance would give."""
    requests = list(dataset.requests(dataset.test, 0, len(dataset.test)))
    scores = [answer.scores for answer in method.predict(requests, run)]
    values = NDCG(5).values(ranks_from_scores(scores, dataset.test.target_position))
    chance = sum(1 / math.log2(rank + 1) for rank in range(1, 6)) / len(scores[0])
    return float(np.mean(values)), float(np.std(values) / math.sqrt(len(values))), chance
