"""What tests of models with injected item vectors share: a planted world and its errors."""

import math

from benchkit.evaluation.metrics.rank_based import NDCG
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.testing.fixtures import toy_dataset

EXPERT = {"name": "sasrec", "config": {"epochs": 2, "hidden": 8, "heads": 1}}
PLANTED_EXPERT = {"name": "sasrec", "config": {"epochs": 15}}  # enough to know the genres
NANO = {"hidden": 32, "intermediate": 64, "steps": 300, "pieces": 64}


class StageLosses:
    """A Progress that remembers the losses that each stage reports."""

    def __init__(self):
        self.stage, self.losses = "", {}

    def start(self, what, total=None):
        self.stage = what

    def advance(self, steps=1, note=""):
        if note.startswith("loss "):
            self.losses.setdefault(self.stage, []).append(float(note.split()[1]))


def genre_world(users=60):
    """Users who mostly stay in one of five genres of 80 items; 20 candidates a case."""
    return toy_dataset(users=users, items=80, clusters=5, length=10)


def errors_above_chance(recommender, dataset, run):
    """By how many standard errors the mean NDCG@5 of the test cases is above a random order's."""
    cases = dataset.test
    requests = list(dataset.requests(cases, 0, len(cases)))
    scores = [prediction.scores for prediction in recommender.predict(requests, run)]
    values = NDCG(5).values(ranks_from_scores(scores, cases.target_position.tolist()))
    chance = sum(1 / math.log2(rank + 1) for rank in range(1, 6)) / cases.candidates.shape[1]
    return (values.mean() - chance) / (values.std(ddof=1) / math.sqrt(len(values)))
